"""Fleets whose lifts break down by chance, each at a rate of its own: what is predictable of them is known."""

from datetime import UTC, datetime, timedelta
from functools import cache

import numpy as np
from msgspec import structs

from analytics.occurrences import Occurrence
from analytics.outage_history import OutageHistory, days_of
from analytics.risk_fit import FrameBook, fit
from analytics.risk_model import HorizonModel
from ingest.fleet import Lift, OutageKind

START = datetime(2025, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)


def outage(
    day: float,
    lift: str = "L000",
    kind: OutageKind = OutageKind.BREAKDOWN,
    days: float | None = 0.1,
    code: str = "door-closing-fault",
) -> Occurrence:
    at = START + day * DAY
    cleared = None if days is None else at + days * DAY
    return Occurrence(lift_id=lift, code=code, raised_at=at, cleared_at=cleared, source="outage", kind=kind)


def lifts(count: int) -> list[Lift]:
    return [Lift(lift_id=f"L{number:03d}", site_id=f"S{number // 4}") for number in range(count)]


def by_chance(
    seed: int, *, count: int = 60, days: int = 300, a_year: float = 25.0, shape: float = 1.0
) -> list[Occurrence]:
    """Return breakdowns of lifts whose rates are gamma distributed."""
    rng = np.random.default_rng(seed)
    found = []
    for lift in lifts(count):
        rate = rng.gamma(shape, a_year / 365.25 / shape)
        instants = sorted(rng.uniform(0.0, days, rng.poisson(rate * days)))
        found += [outage(float(at), lift.lift_id, days=float(rng.exponential(0.2))) for at in instants]
    return found


def in_bursts(seed: int, *, count: int = 60, days: int = 300) -> list[Occurrence]:
    """Return the same with breakdowns that often come again within days, which a rate does not tell."""
    rng = np.random.default_rng(seed)
    found = by_chance(seed, count=count, days=days, a_year=15.0)
    for item in list(found):
        times = rng.geometric(0.35) - 1
        found += [structs.replace(item, raised_at=item.raised_at + (step + 1) * 2.5 * DAY) for step in range(times)]
    return [structs.replace(item, cleared_at=item.raised_at + DAY / 10) for item in found]


def history(found: list[Occurrence], *, count: int = 60, days: int = 300) -> OutageHistory:
    return OutageHistory.of(lifts(count), found, START + days * DAY)


@cache
def model_of_bursts() -> HorizonModel:
    """Return what is learnt of the next 7 days from `in_bursts(2)` until day 280: once, for all who ask."""
    fitted = fit(FrameBook(history(in_bursts(2))), days_of(START) + 280.0, 7.0)
    assert fitted is not None
    return fitted
