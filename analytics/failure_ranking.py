"""One lift's breakdowns beside its fleet's; which lifts, components or codes are worst, and how sure that is. Pure.

What people ask for rather than what is found: the same rates and trends as `failure_findings`, without a threshold.
"""

from typing import Literal

import numpy as np
from msgspec import Struct
from scipy import special

from analytics.failures import APART, FleetFailures, Floats
from analytics.mean_cumulative import mean_cumulative
from analytics.rates import DAYS_A_YEAR, HALF_LIFE_DAYS, INTERVAL, among_worst, dispersion_of, rates_of
from analytics.trend import PowerLaw, closer_together, laplace, power_law

By = Literal["lift", "component", "code"]
_STEP_DAYS = 7.0


class Rate(Struct, frozen=True, kw_only=True):
    """Breakdowns of something: how many, and how many a year with 90 % certainty; beside it the fleet's mean."""

    name: str
    breakdowns: int
    per_year: float
    low: float
    high: float
    fleet_per_year: float


class Trend(Struct, frozen=True, kw_only=True):
    """Whether breakdowns come closer together: Laplace's score and p-value, the power law's shape with its interval."""

    laplace: float
    p: float
    shape: float
    shape_low: float
    shape_high: float


class CumulativePoint(Struct, frozen=True, kw_only=True):
    """By a day at risk: the lift's own breakdowns (None: not observed that long), the fleet's mean and interval."""

    day: float
    own: int | None
    mean: float
    low: float
    high: float
    lifts: int


class LiftFailures(Struct, frozen=True, kw_only=True):
    """A lift's year. `worst_tenth`: how likely it is among the worst tenth of the fleet; `apart`: no breakdowns."""

    days_at_risk: float
    rate: Rate
    worst_tenth: float
    trend: Trend | None
    by_component: list[Rate]
    by_code: dict[str, int]
    apart: dict[str, int]
    cumulative: list[CumulativePoint]


class Ranked(Struct, frozen=True, kw_only=True):
    """A place in the ranking. `worst_tenth` only of lifts: how likely it is among the worst tenth of the fleet."""

    rank: int
    rate: Rate
    days_at_risk: float
    lifts: int
    worst_tenth: float | None
    apart: dict[str, int] | None


def lift_failures(failures: FleetFailures, lift_id: str) -> LiftFailures:
    """Return one lift's year beside its fleet's.

    Raises:
        ValueError: the fleet has no such lift.
    """
    lift = failures.lift_ids.index(lift_id)
    dispersion = dispersion_of(failures)
    exposure = failures.discounted_exposure(HALF_LIFE_DAYS)
    own = failures.owner == lift
    rates = rates_of(failures.discounted_counts(HALF_LIFE_DAYS), exposure, dispersion)
    codes, counts = np.unique(failures.code[own], return_counts=True)
    return LiftFailures(
        days_at_risk=float(failures.exposure_days[lift]),
        rate=_rate_of_lift(failures, lift, None, exposure, dispersion),
        worst_tenth=float(among_worst(rates)[lift]),
        trend=_trend(failures, lift, dispersion),
        by_component=[
            _rate_of_lift(failures, lift, int(part), exposure, dispersion) for part in np.unique(failures.part[own])
        ],
        by_code={failures.codes[code]: int(count) for code, count in zip(codes, counts, strict=True)},
        apart=_apart(failures, lift),
        cumulative=_cumulative(failures, lift),
    )


def _rate_of_lift(failures: FleetFailures, lift: int, part: int | None, exposure: Floats, dispersion: float) -> Rate:
    rates = rates_of(failures.discounted_counts(HALF_LIFE_DAYS, part), exposure, dispersion)
    return Rate(
        name=failures.lift_ids[lift] if part is None else failures.parts[part],
        breakdowns=int(failures.counts(part)[lift]),
        per_year=float(rates.mean[lift]) * DAYS_A_YEAR,
        low=float(rates.low[lift]) * DAYS_A_YEAR,
        high=float(rates.high[lift]) * DAYS_A_YEAR,
        fleet_per_year=rates.fleet * DAYS_A_YEAR,
    )


def _apart(failures: FleetFailures, lift: int) -> dict[str, int]:
    return {kind.value: int(count) for kind, count in zip(APART, failures.apart[lift], strict=True)}


def _trend(failures: FleetFailures, lift: int, dispersion: float) -> Trend | None:
    times, end = failures.risk_day[failures.owner == lift], float(failures.exposure_days[lift])
    fit: PowerLaw | None = power_law(times, end)
    if fit is None:
        return None
    score = laplace(np.zeros(times.size, dtype=np.int64), times, np.array([end]))
    return Trend(
        laplace=float(score[0]),
        p=float(closer_together(score, dispersion)[0]),
        shape=fit.shape,
        shape_low=fit.low,
        shape_high=fit.high,
    )


def _cumulative(failures: FleetFailures, lift: int) -> list[CumulativePoint]:
    longest = float(failures.exposure_days.max(initial=0.0))
    days = np.arange(_STEP_DAYS, longest + _STEP_DAYS, _STEP_DAYS)
    days = np.minimum(days, longest)
    fleet = mean_cumulative(failures.owner, failures.risk_day, failures.exposure_days, days)
    low, high = fleet.interval()
    times, end = np.sort(failures.risk_day[failures.owner == lift]), failures.exposure_days[lift]
    own = np.searchsorted(times, days, side="right")
    return [
        CumulativePoint(
            day=float(day),
            own=int(own[place]) if day <= end else None,
            mean=float(fleet.mean[place]),
            low=float(low[place]),
            high=float(high[place]),
            lifts=int(fleet.lifts[place]),
        )
        for place, day in enumerate(days)
    ]


def ranking(failures: FleetFailures, by: By, component: str | None = None) -> list[Ranked]:
    """Return the whole ranking, the worst first: of lifts (by one `component`, where given), components or codes.

    Lifts that were not at risk in the whole time have no place.
    """
    if by == "lift":
        return _ranked_lifts(failures, component)
    names, numbers = (failures.parts, failures.part) if by == "component" else (failures.codes, failures.code)
    days = float(failures.exposure_days.sum())
    dispersion = dispersion_of(failures)
    rates = []
    for number, name in enumerate(names):
        owners = failures.owner[numbers == number]
        rates.append((_pooled(name, owners.size, days, dispersion), np.unique(owners).size))
    rates.sort(key=lambda pair: (-pair[0].per_year, pair[0].name))
    return [
        Ranked(rank=place, rate=rate, days_at_risk=days, lifts=int(lifts), worst_tenth=None, apart=None)
        for place, (rate, lifts) in enumerate(rates, start=1)
    ]


def _pooled(name: str, count: int, days: float, dispersion: float) -> Rate:
    """Return the rate of something over the whole fleet, by lift and year; its interval is that of Jeffreys."""
    years = max(days, 1.0) / DAYS_A_YEAR
    tail = (1 - INTERVAL) / 2
    low, high = (
        float(special.gammaincinv(count / dispersion + 0.5, share)) * dispersion / years for share in (tail, 1 - tail)
    )
    rate = count / years
    return Rate(name=name, breakdowns=count, per_year=rate, low=low, high=high, fleet_per_year=rate)


def _ranked_lifts(failures: FleetFailures, component: str | None) -> list[Ranked]:
    if component is not None and component not in failures.parts:
        return []
    part = None if component is None else failures.parts.index(component)
    seen = np.flatnonzero(failures.exposure_days > 0)  # who was never at risk has no place, not the fleet's mean
    rates = rates_of(
        failures.discounted_counts(HALF_LIFE_DAYS, part)[seen],
        failures.discounted_exposure(HALF_LIFE_DAYS)[seen],
        dispersion_of(failures),
    )
    counts = failures.counts(part)
    worst = among_worst(rates) if seen.size else rates.mean
    order = sorted(range(seen.size), key=lambda at: (-rates.mean[at], failures.lift_ids[seen[at]]))
    return [
        Ranked(
            rank=place,
            rate=Rate(
                name=failures.lift_ids[seen[at]],
                breakdowns=int(counts[seen[at]]),
                per_year=float(rates.mean[at]) * DAYS_A_YEAR,
                low=float(rates.low[at]) * DAYS_A_YEAR,
                high=float(rates.high[at]) * DAYS_A_YEAR,
                fleet_per_year=rates.fleet * DAYS_A_YEAR,
            ),
            days_at_risk=float(failures.exposure_days[seen[at]]),
            lifts=1,
            worst_tenth=float(worst[at]),
            apart=_apart(failures, int(seen[at])),
        )
        for place, at in enumerate(order, start=1)
    ]
