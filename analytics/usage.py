"""How much of its budget a part has used, and when it will be used up at the lift's own pace. Pure.

A controller that is replaced, or set back, counts from nothing again: what it counted before still counts, the step
down is no use. Use between the last word before and the first word after it is lost: less is counted, never more.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from math import sqrt

import numpy as np
from msgspec import Struct
from scipy import special

from analytics.findings import Finding, FindingKind, rfc3339
from analytics.wear_budgets import WearBudget

INTERVAL = 0.9
# Two samples give no spread, and a week says nothing about a month.
SAMPLES_MIN = 4
DAYS_MIN = 21.0
# Beyond that a forecast is a guess about another building.
FORECAST_DAYS_MAX = 3_650.0
_DAY = timedelta(days=1)
_WEEK_DAYS = 7.0


class Sample(Struct, frozen=True):
    """What a counter showed at an instant."""

    at: datetime
    total: float


class Forecast(Struct, frozen=True, kw_only=True):
    """`used` of a budget, `per_day` at present, and in how many days it is used up, with 90 % certainty.

    None: not within ten years. A budget that is used up already has 0 days.
    """

    used: float
    per_day: float
    days: float | None
    days_low: float | None
    days_high: float | None


def used_between(samples: Sequence[Sample]) -> float:
    """Return the use from the first to the last sample; a step down begins anew and takes nothing away."""
    return sum(
        after.total - before.total if after.total >= before.total else after.total
        for before, after in pairwise(samples)
    )


def forecast(used: float, recent: Sequence[Sample], budget: float) -> Forecast | None:
    """Return when `budget` will be used up at the pace of the `recent` samples (about a week apart); None of too few.

    The pace is their mean; its doubt is that of the mean, and that of as many weeks to come as are left (Student's t).
    """
    days = [(after.at - before.at) / _DAY for before, after in pairwise(recent)]
    if len(recent) < SAMPLES_MIN or sum(days) < DAYS_MIN:
        return None
    use = np.array([used_between(pair) for pair in pairwise(recent)])
    weights = np.array(days)
    pace = float(use.sum() / weights.sum())
    left = max(budget - used, 0.0)
    expected = _days_at(left, pace)
    weeks_to_go = max((expected or FORECAST_DAYS_MAX) / _WEEK_DAYS, 1.0)
    scatter = sqrt(float((weights * (use / weights - pace) ** 2).sum() / weights.sum()) * use.size / (use.size - 1))
    doubt = float(special.stdtrit(use.size - 1, (1 + INTERVAL) / 2)) * scatter * sqrt(1 / use.size + 1 / weeks_to_go)
    return Forecast(
        used=used,
        per_day=pace,
        days=expected,
        days_low=_days_at(left, pace + doubt),
        days_high=_days_at(left, pace - doubt),
    )


def _days_at(left: float, pace: float) -> float | None:
    if left <= 0:
        return 0.0
    return left / pace if pace > 0 and left / pace <= FORECAST_DAYS_MAX else None


def usage_finding(
    lift_id: str,
    budget: WearBudget,
    recent: Sequence[Sample],
    used: float,
    as_of: datetime,
    *,
    since: datetime | None,
) -> Finding | None:
    """Return that a part is used up, or soon will be; None while it is neither, or where too little is known.

    `used` counts from `since`, the last visit that began it anew (None: commissioning) to the last of the `recent`
    samples. `value` stands against `limit` in what the budget counts; `days_left` is forecast, negative once it is
    used up.
    """
    is_over = used >= budget.budget
    if not is_over and not _ends_soon(used, recent, budget):
        return None
    known = forecast(used, recent, budget.budget)
    if known is None or not (is_over or (known.days is not None and known.days <= budget.early_days)):
        return None
    reached = _reached_at(recent, used, budget.budget if is_over else budget.budget - known.per_day * budget.early_days)
    return Finding(
        lift_id=lift_id,
        kind=FindingKind.USAGE_OVERDUE if is_over else FindingKind.USAGE_DUE,
        channel=budget.counter.value,
        component=budget.component,
        code=budget.name,
        as_of=as_of,
        found_at=reached,
        value=round(used, 1),
        limit=budget.budget,
        days_left=round((reached - recent[-1].at) / _DAY, 1) if is_over else round(known.days or 0.0, 1),
        reason=_reason(budget, known, recent[-1].at, is_over=is_over, since=since),
        evidence=[
            {"kind": "counter", "counter": budget.counter.value, "at": rfc3339(each.at), "total": each.total}
            for each in recent
        ],
    )


def _ends_soon(used: float, recent: Sequence[Sample], budget: WearBudget) -> bool:
    """Tell, cheaply, whether a budget ends within its early days at the present pace: nearly all do not."""
    days = (recent[-1].at - recent[0].at) / _DAY
    return budget.budget - used <= used_between(recent) / days * budget.early_days * (1 + 1e-9) if days > 0 else False


def _reached_at(recent: Sequence[Sample], used: float, mark: float) -> datetime:
    """Return the day on which `used` passed a mark: between two samples in proportion, at the first one if before."""
    after = used
    for earlier, later in reversed(list(pairwise(recent))):
        step = used_between((earlier, later))
        if after - step < mark <= after:
            at = earlier.at + (later.at - earlier.at) * ((mark - (after - step)) / step)
            return at.replace(hour=0, minute=0, second=0, microsecond=0)
        after -= step
    return recent[0].at.replace(hour=0, minute=0, second=0, microsecond=0)


def _reason(budget: WearBudget, known: Forecast, at: datetime, *, is_over: bool, since: datetime | None) -> str:
    what = budget.name.replace("-", " ").capitalize()
    begin = "commissioning" if since is None else f"the visit of {since:%Y-%m-%d}"
    have = f"{known.used:,.0f} of {budget.budget:,.0f} {budget.counter.words} used since {begin}"
    if is_over:
        return f"{what} used up: {have}, at present {known.per_day:,.0f} a day ({budget.source})"
    return (
        f"{what} nearly used up: {have}; at {known.per_day:,.0f} a day the rest lasts until about "
        f"{at + timedelta(days=known.days or 0.0):%Y-%m-%d} ({_between(known, at)} with 90 % certainty; "
        f"{budget.source})"
    )


def _between(known: Forecast, at: datetime) -> str:
    first = f"{at + timedelta(days=known.days_low or 0.0):%Y-%m-%d}"
    if known.days_high is None:
        return f"not before {first}"
    return f"{first} to {at + timedelta(days=known.days_high):%Y-%m-%d}"
