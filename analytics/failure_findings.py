"""Lifts that break down more than their fleet, more than they did, or three times in a month. Pure.

The first two are judged over a whole fleet at once, so that of all such findings at most one in twenty is expected to
be chance (Benjamini and Hochberg), however many lifts there are. None of this is a standard's rule.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analytics.failures import FleetFailures, Floats, Ints, breakdowns, part_of
from analytics.findings import EVIDENCE_MAX, Finding, FindingKind, in_words, rfc3339, said
from analytics.occurrences import Occurrence
from analytics.rates import (
    DAYS_A_YEAR,
    HALF_LIFE_DAYS,
    OFTEN_FACTOR,
    Rates,
    benjamini_hochberg,
    beyond_fleet,
    dispersion_of,
    rates_of,
)
from analytics.settings import AssessmentSettings
from analytics.trend import closer_together, laplace, power_law
from ingest.faults import component_of

Flags = NDArray[np.bool_]

# Three or more breakdowns in a month put a lift on the public list of Singapore's Town Council Management Report.
REPEAT_COUNT_MIN = 3
REPEAT_DAYS = 30
# With less time at risk a lift is compared with nobody, not even with itself.
JUDGED_DAYS_MIN = 30.0
# Fewer breakdowns say too little, whatever the fleet does.
OFTEN_COUNT_MIN = 4
TREND_COUNT_MIN = 6
# At the end of the window at least half as often again as on its average: less is no reason to send anybody.
WORSENING_SHAPE_MIN = 1.5
# So seldom a lift that goes on as it did would have no breakdown for so long.
_OVER_CHANCE = 0.05
_SHOWN = 20
_NAMED = 3


def repeat_breakdowns(
    found: Iterable[Occurrence], as_of: datetime, settings: AssessmentSettings | None = None
) -> list[Finding]:
    """Return the lifts that broke down at least three times in the 30 days before `as_of`, whatever the cause.

    What was a repeated fault within that time has been told already and does not count again. `value` is how many
    times, `found_at` when it was the third.
    """
    settings = settings or AssessmentSettings()
    since = as_of - timedelta(days=REPEAT_DAYS)
    by_lift: dict[str, list[Occurrence]] = defaultdict(list)
    for item in breakdowns(found):
        if since < item.raised_at <= as_of:
            by_lift[item.lift_id].append(item)
    untold = {lift_id: _untold(items, settings) for lift_id, items in sorted(by_lift.items())}
    return [
        Finding(
            lift_id=lift_id,
            kind=FindingKind.REPEAT_BREAKDOWNS,
            as_of=as_of,
            found_at=items[REPEAT_COUNT_MIN - 1].raised_at,
            value=float(len(items)),
            limit=float(REPEAT_COUNT_MIN),
            reason=f"Broke down {len(items)} times in {REPEAT_DAYS} days: {_named(item.code for item in items)}; "
            f"the last at {said(items[-1].raised_at)} (three breakdowns in a month)",
            evidence=[_breakdown(item.raised_at, item.code) for item in items[-EVIDENCE_MAX:]],
        )
        for lift_id, items in untold.items()
        if len(items) >= REPEAT_COUNT_MIN
    ]


def _untold(items: list[Occurrence], settings: AssessmentSettings) -> list[Occurrence]:
    """Return the breakdowns whose code was no repeated fault."""
    count, window = settings.repeated_fault_count_min, timedelta(days=settings.repeated_fault_days)
    told = set()
    for code in {item.code for item in items}:
        at = [item.raised_at for item in items if item.code == code]
        if any(last - first < window for first, last in zip(at, at[count - 1 :], strict=False)):
            told.add(code)
    return [item for item in items if item.code not in told]


def often_failing(failures: FleetFailures, as_of: datetime) -> list[Finding]:
    """Return the lifts that break down far more often than the others (`OFTEN_FACTOR`), by one part or altogether.

    A lift whose part stands out is found for that part, and not once more as a whole. One that is below the limit by
    now, and has been well for longer than chance explains, is not found. `value` is its present rate by year
    (discounted, drawn towards the fleet), `limit` the fleet's times the factor, `confidence` how likely the rate is
    above that.
    """
    dispersion = dispersion_of(failures)
    judged = failures.exposure_days >= JUDGED_DAYS_MIN
    groups: list[int | None] = [None, *range(len(failures.parts))]
    p = np.stack([_often_p(failures, judged, group, dispersion) for group in groups])
    flagged = np.zeros(p.shape, dtype=np.bool_)
    flagged[:, judged] = benjamini_hochberg(p[:, judged].ravel()).reshape(len(groups), -1)
    exposure = failures.discounted_exposure(HALF_LIFE_DAYS)
    findings: list[Finding] = []
    is_told = np.zeros(len(failures.lift_ids), dtype=np.bool_)
    for row, group in [*enumerate(groups)][::-1]:  # the whole lift last
        lifts = np.nonzero(flagged[row] & (failures.counts(group) >= OFTEN_COUNT_MIN))[0]
        lifts = lifts[~is_told[lifts]] if group is None else lifts
        rates = rates_of(failures.discounted_counts(HALF_LIFE_DAYS, group), exposure, dispersion)
        lifts = lifts[(rates.mean[lifts] > OFTEN_FACTOR * rates.fleet) | ~_is_over(failures, lifts, group, dispersion)]
        is_told[lifts] = True
        findings += [_often(failures, rates, int(lift), group, as_of) for lift in lifts]
    return findings


def _is_over(failures: FleetFailures, lifts: Ints, group: int | None, dispersion: float) -> Flags:
    """Tell which lifts have been well for so long that it is hardly chance at the pace of their year."""
    last = np.array([failures.risk_day[_own(failures, int(lift), group)[-1]] for lift in lifts])
    days = failures.exposure_days[lifts]
    expected = failures.counts(group)[lifts] / days * (days - last) / dispersion
    return np.asarray(np.exp(-expected) < _OVER_CHANCE)


def _often_p(failures: FleetFailures, judged: np.ndarray[Any, Any], group: int | None, dispersion: float) -> Floats:
    exposure = np.where(judged, failures.exposure_days, 0.0)
    return beyond_fleet(np.where(judged, failures.counts(group), 0.0), exposure, dispersion)


def _often(failures: FleetFailures, rates: Rates, lift: int, group: int | None, as_of: datetime) -> Finding:
    own = _own(failures, lift, group)
    limit = OFTEN_FACTOR * rates.fleet
    days, whole = float(failures.exposure_days[lift]), failures.counts(group)
    usual = (whole.sum() - own.size) / max(failures.exposure_days.sum() - days, 1.0) * days
    what = "breakdowns" if group is None else _of_part(failures, own, failures.parts[group])
    codes = [failures.codes[code] for code in failures.code[own]]
    which = f": {_named(codes)}" if group is None or set(codes) != {failures.parts[group]} else ""
    now, low, high, fleet = (
        float(value) * DAYS_A_YEAR for value in (rates.mean[lift], rates.low[lift], rates.high[lift], rates.fleet)
    )
    return _finding(
        failures,
        lift,
        group,
        FindingKind.OFTEN_FAILING,
        as_of,
        value=round(now, 2),
        limit=round(limit * DAYS_A_YEAR, 2),
        confidence=float(rates.beyond(limit)[lift]),
        reason=f"{own.size} {what} in {days:.0f} days in use, where each of the other lifts has {usual:.1f}{which}. "
        f"At present {now:.1f} a year ({low:.1f} to {high:.1f} with 90 % certainty), the mean of all {fleet:.1f}",
    )


def worsening(failures: FleetFailures, as_of: datetime) -> list[Finding]:
    """Return the lifts whose breakdowns come closer together (Laplace's test, over the fleet at once).

    `value` is the shape of the power law, `limit` that of a lift without a trend, `confidence` one minus the p-value.
    """
    counts = failures.counts()
    judged = (failures.exposure_days >= JUDGED_DAYS_MIN) & (counts >= TREND_COUNT_MIN)
    scores = laplace(failures.owner, failures.risk_day, failures.exposure_days)
    p = closer_together(scores, dispersion_of(failures))
    flagged = np.zeros(p.shape, dtype=np.bool_)
    flagged[judged] = benjamini_hochberg(p[judged])
    findings = [_worsening(failures, int(lift), float(p[lift]), as_of) for lift in np.nonzero(flagged)[0]]
    return [finding for finding in findings if finding is not None]


def _worsening(failures: FleetFailures, lift: int, p: float, as_of: datetime) -> Finding | None:
    own = _own(failures, lift, None)
    days = float(failures.exposure_days[lift])
    fit = power_law(failures.risk_day[own], days)
    if fit is None or fit.shape < WORSENING_SHAPE_MIN:
        return None
    late = int((failures.risk_day[own] > days / 2).sum())
    recent = own[failures.risk_day[own] > days / 2]
    return _finding(
        failures,
        lift,
        None,
        FindingKind.WORSENING,
        as_of,
        value=round(fit.shape, 3),
        limit=1.0,
        confidence=1 - p,
        reason=f"Breakdowns come closer together: {own.size - late} in the first {days / 2:.0f} of {days:.0f} days in "
        f"use, {late} in the second, at present {_pace(fit.rate(days))}; of late "
        f"{_named(failures.codes[code] for code in failures.code[recent])}",
    )


def _own(failures: FleetFailures, lift: int, group: int | None) -> np.ndarray[Any, Any]:
    """Return the places of a lift's breakdowns (of a part), oldest first."""
    mine = failures.owner == lift
    own = np.nonzero(mine if group is None else mine & (failures.part == group))[0]
    return own[np.argsort(failures.day[own], kind="stable")]


def _finding(  # noqa: PLR0913 - a finding's own fields
    failures: FleetFailures,
    lift: int,
    group: int | None,
    kind: FindingKind,
    as_of: datetime,
    *,
    value: float,
    limit: float,
    confidence: float,
    reason: str,
) -> Finding:
    own = _own(failures, lift, group)
    at = [failures.since + timedelta(days=float(day)) for day in failures.day[own]]
    code = None if group is None or _is_component(failures, own) else failures.parts[group]
    return Finding(
        lift_id=failures.lift_ids[lift],
        kind=kind,
        component=failures.parts[group] if group is not None and code is None else None,
        code=code,
        as_of=as_of,
        found_at=at[-1],
        value=value,
        limit=limit,
        confidence=round(confidence, 4),
        reason=reason,
        evidence=[
            _breakdown(when, failures.codes[each])
            for when, each in zip(at[-_SHOWN:], failures.code[own][-_SHOWN:], strict=True)
        ],
    )


def _of_part(failures: FleetFailures, own: np.ndarray[Any, Any], part: str) -> str:
    is_component = _is_component(failures, own)
    return f"{part.replace('-', ' ')} breakdowns" if is_component else f"breakdowns with {in_words(part)}"


def _is_component(failures: FleetFailures, own: np.ndarray[Any, Any]) -> bool:
    return component_of(failures.codes[failures.code[own[0]]]) is not None


def _breakdown(at: datetime, code: str) -> dict[str, Any]:
    return {"kind": "breakdown", "raised_at": rfc3339(at), "code": code, "part": part_of(code)}


def _pace(by_day: float) -> str:
    return f"one in {1 / by_day:.0f} days" if by_day < 1 / 1.5 else f"{by_day:.1f} a day"


def _named(codes: Iterable[str]) -> str:
    """Return the commonest codes with how often each came, in a fixed order."""
    counts = sorted(Counter(codes).items(), key=lambda pair: (-pair[1], pair[0]))
    named = [f"{in_words(code)} ({count})" for code, count in counts[:_NAMED]]
    rest = sum(count for _, count in counts[_NAMED:])
    return ", ".join(named) + (f" and {rest} others" if rest > 1 else " and 1 other" if rest else "")
