"""What the API says of breakdowns: rates with their intervals, trends, and how sure a ranking is."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel

from analytics.failure_ranking import LiftFailures, Ranked
from analytics.failures import FleetFailures
from api.schemas import Page


class RateView(BaseModel):
    """Breakdowns of something: how many, and at present how many a year (90 % certainty), beside the fleet's mean."""

    name: str
    breakdowns: int
    per_year: float
    low: float
    high: float
    fleet_per_year: float


class TrendView(BaseModel):
    """Whether breakdowns come closer together.

    Laplace's score (above 0: they do) and one-sided p-value, and the shape of the power law (above 1: they do), with
    90 % certainty between `shape_low` and `shape_high`.
    """

    laplace: float
    p: float
    shape: float
    shape_low: float
    shape_high: float


class ApartView(BaseModel):
    """Outages that count as no breakdowns."""

    planned: int
    external: int
    other: int


class CumulativeView(BaseModel):
    """By a day at risk: the lift's own breakdowns (null: not observed that long) and the fleet's mean.

    `low` and `high` bound the mean with 90 % certainty; `lifts` is how many tell it.
    """

    day: float
    own: int | None
    mean: float
    low: float
    high: float
    lifts: int


class LiftFailuresView(BaseModel):
    """A lift's breakdowns from `since` to `until` (the UTC midnight before `as_of`), beside its fleet's."""

    lift_id: str
    as_of: datetime
    since: datetime
    until: datetime
    days_at_risk: float
    rate: RateView
    worst_tenth: float
    trend: TrendView | None
    by_component: list[RateView]
    by_code: dict[str, int]
    apart: ApartView
    cumulative: list[CumulativeView]


class RankedView(BaseModel):
    """A place in the ranking. `worst_tenth`, only of lifts: how likely it is among the worst tenth of the fleet."""

    rank: int
    rate: RateView
    days_at_risk: float
    lifts: int
    worst_tenth: float | None
    apart: ApartView | None


class RankingPage(Page[RankedView]):
    """The worst first, of the time from `since` to `until`."""

    by: Literal["lift", "component", "code"]
    since: datetime
    until: datetime


def lift_failures_view(lift_id: str, as_of: datetime, failures: FleetFailures, found: LiftFailures) -> LiftFailuresView:
    """Return a lift's year as the API says it."""
    frame = {"lift_id": lift_id, "as_of": as_of, "since": failures.since, "until": failures.until}
    told = {name: getattr(found, name) for name in found.__struct_fields__}
    return LiftFailuresView.model_validate({**frame, **told}, from_attributes=True)


def ranked_view(ranked: Ranked) -> RankedView:
    """Return a place in the ranking."""
    return RankedView.model_validate(ranked, from_attributes=True)
