"""How much of the wear of a simulated fleet is found a week before it fails, and how much is found that is none.

`python -m benchmarks.wear_found --cache fleet1000.npz` (made by `benchmarks.simulated_fleet`). Every week the findings
are asked for as of that day, from nothing but the days before. Blocks of lifts with even numbers are for tuning
(`--tuning`), the others are scored.
"""

import argparse
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from msgspec import Struct

from analytics.drift_findings import drift_findings
from analytics.findings import Finding
from analytics.series import DailySeries
from analytics.wear_channels import WEAR_CHANNELS
from benchmarks.simulated_fleet import Failure, SimulatedFleet, WornPart, load_cache
from ingest.fleet import Visit, VisitKind

WEEK, AHEAD = timedelta(days=7), timedelta(days=7)
# Before that no lift has a normal of its own.
_BEGIN_DAYS = 90
# A finding that is told while the part has just been mended was right when its evidence came together.
_MENDED_GRACE = timedelta(days=3)
_WEARS_MAX = timedelta(days=730)
_DOOR, _LEVEL = {"landing-door", "car-door"}, {"levelling", "landing-vane", "position-encoder"}
SHOWN_BY = {
    "door-friction-landing": _DOOR,
    "door-friction-car": _DOOR,
    "door-belt-slip": _DOOR,
    "door-lock-contact": _DOOR | {"start-circuit"},
    "light-curtain": _DOOR,
    "brake-lining": {"brake"} | _LEVEL,
    "rope-settling": _LEVEL,
    "groove-wear": _LEVEL | {"start-circuit"},
    "encoder-slip": _LEVEL,
    "landing-vane": _LEVEL,
    "hydraulic-valve": _LEVEL,
    "guide-shoe": {"guide-shoes"},
    "contactor": {"start-circuit"},
    "machine-room-heat": {"machine-room", "motor"},
    "controller-supply": {"controller-supply"},
}


class Told(Struct):
    """One alert: a finding from the week that told it first to the last that did."""

    finding: Finding
    told_at: datetime
    last_at: datetime


def told(findings: Iterable[tuple[datetime, Finding]]) -> list[Told]:
    """Return the alerts that weekly findings make: what is found two weeks running is one."""
    open_ones: dict[tuple[str, str | None], Told] = {}
    alerts = []
    for at, finding in findings:
        key = finding.lift_id, finding.key
        known = open_ones.get(key)
        if known is not None and at - known.last_at <= 2 * WEEK:
            known.last_at = at
            continue
        alerts.append(Told(finding, at, at))
        open_ones[key] = alerts[-1]
    return alerts


def is_true(alert: Told, wears: Sequence[WornPart]) -> bool:
    """Tell whether a part that the alert can speak of, at its landing, was wearing when it was found.

    What wears for years without an end proves nothing: it would make any alert true.
    """
    found_at, component, floor = alert.finding.found_at, alert.finding.component, alert.finding.floor
    return any(
        component in SHOWN_BY[wear.mechanism]
        and (floor is None or wear.floor in {None, floor})
        and wear.ended_at - wear.began_at <= _WEARS_MAX
        and wear.began_at < found_at <= wear.ended_at + _MENDED_GRACE
        for wear in wears
    )


def lead(failure: Failure, alerts: Sequence[Told]) -> float | None:
    """Return how many days before a failure its wear was told; None where it was not."""
    assert failure.precursor_at is not None
    days = [
        (failure.failed_at - max(alert.finding.found_at, failure.precursor_at)) / timedelta(days=1)
        for alert in alerts
        if alert.finding.component in SHOWN_BY[failure.cause]
        and alert.finding.found_at < failure.failed_at
        and alert.last_at >= failure.precursor_at
    ]
    return max(days, default=None)


def weekly(fleet: SimulatedFleet, number: int) -> list[tuple[datetime, Finding]]:
    """Return the findings of a block of lifts, each with the week that tells it."""
    block = fleet.block(number)
    lift_ids = {key.lift_id for key in block.keys}
    visits = [
        Visit(lift_id=visit.lift_id, kind=VisitKind(visit.kind), done_at=visit.done_at)
        for visit in fleet.truth.visits
        if visit.lift_id in lift_ids
    ]
    start = datetime.combine(block.first_day, datetime.min.time(), UTC)
    found = []
    for day in range(_BEGIN_DAYS, fleet.days + 1, WEEK.days):
        as_of = start + timedelta(days=day)
        known = DailySeries(block.keys, block.first_day, block.values[:, :day], block.counts[:, :day])
        before = [visit for visit in visits if visit.done_at <= as_of]
        found += [(as_of, finding) for finding in drift_findings(known, before, as_of)]
    return found


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cache", type=Path, default=Path("fleet1000.npz"))
    parser.add_argument("--blocks", type=int, default=10, help="how many blocks of 50 lifts are looked at")
    parser.add_argument("--tuning", action="store_true")
    parser.add_argument("--false", action="store_true", help="list what was found that is no wear")
    options = parser.parse_args()
    began, fleet = time.monotonic(), load_cache(options.cache)
    numbers = range(0 if options.tuning else 1, fleet.block_count, 2)[: options.blocks]
    alerts, lift_ids = [], set()
    for number in numbers:
        alerts += told(weekly(fleet, number))
        lift_ids |= {key.lift_id for key in fleet.block(number).keys}
    report(fleet, alerts, lift_ids)
    if options.false:
        list_false(fleet, alerts)
    part = "tuning" if options.tuning else "held out"
    print(f"\n{len(lift_ids)} lifts ({part}), traffic {fleet.traffic}, {time.monotonic() - began:.0f} s")


def report(fleet: SimulatedFleet, alerts: Sequence[Told], lift_ids: set[str]) -> None:
    """Print what was found of the failures, and what of the alerts was wear."""
    by_lift: dict[str, list[Told]] = defaultdict(list)
    for alert in alerts:
        by_lift[alert.finding.lift_id].append(alert)
    begin = datetime.combine(fleet.first_day, datetime.min.time(), UTC) + timedelta(days=_BEGIN_DAYS) + AHEAD
    leads: dict[str, list[float | None]] = defaultdict(list)
    for failure in fleet.truth.failures:
        is_wear = failure.precursor_at is not None and failure.cause in SHOWN_BY
        if failure.lift_id in lift_ids and is_wear and failure.failed_at >= begin:
            leads[failure.cause].append(lead(failure, by_lift[failure.lift_id]))
    print("| mechanism | failures | found 7 days ahead | days ahead: a quarter | half | three quarters |")
    print("|---|--:|--:|--:|--:|--:|")
    for cause in sorted(leads, key=lambda name: -len(leads[name])):
        _say(cause, leads[cause])
    _say("**all**", [days for of_cause in leads.values() for days in of_cause])
    _say_alerts(fleet, alerts, lift_ids)


def _say(name: str, leads: Sequence[float | None]) -> None:
    known = [days for days in leads if days is not None]
    early = sum(days >= AHEAD.days for days in known)
    quarters = " | ".join(f"{days:.0f}" for days in np.quantile(known or [0.0], (0.25, 0.5, 0.75)))
    print(f"| {name} | {len(leads)} | {100 * early / max(len(leads), 1):.0f} % | {quarters} |")


def _say_alerts(fleet: SimulatedFleet, alerts: Sequence[Told], lift_ids: set[str]) -> None:
    years = len(lift_ids) * (fleet.days - _BEGIN_DAYS) / 365
    wears = _by_lift(fleet.truth.wears)
    right = [is_true(alert, wears[alert.finding.lift_id]) for alert in alerts]
    wrong = Counter(alert.finding.channel for alert, is_right in zip(alerts, right, strict=True) if not is_right)
    share = sum(right) / max(len(right), 1)
    spread = 1.96 * np.sqrt(share * (1 - share) / max(len(right), 1))
    print(f"\nalerts {len(alerts)}, {len(alerts) / years:.2f} a lift-year; precision {share:.3f} +- {spread:.3f}")
    print(
        f"false {wrong.total()} in {years:.0f} lift-years: "
        f"{wrong.total() / years / len(WEAR_CHANNELS):.4f} a lift-year and channel"
    )
    worst = ", ".join(f"{channel} {count / years:.3f}" for channel, count in wrong.most_common(5))
    print(f"most by channel: {worst or 'none'} a lift-year")


def list_false(fleet: SimulatedFleet, alerts: Sequence[Told]) -> None:
    """Print the alerts that were no wear."""
    wears = _by_lift(fleet.truth.wears)
    for alert in alerts:
        if not is_true(alert, wears[alert.finding.lift_id]):
            finding = alert.finding
            near = [
                f"{wear.mechanism} {wear.began_at:%Y-%m-%d}..{wear.ended_at:%Y-%m-%d}"
                for wear in wears[finding.lift_id]
                if wear.began_at < finding.found_at + 30 * timedelta(days=1)
                and wear.ended_at > finding.found_at - 90 * timedelta(days=1)
            ]
            print(finding.lift_id, finding.key, finding.channel, f"{finding.found_at:%Y-%m-%d}", near)


def _by_lift(wears: Iterable[WornPart]) -> dict[str, list[WornPart]]:
    by_lift: dict[str, list[WornPart]] = defaultdict(list)
    for wear in wears:
        by_lift[wear.lift_id].append(wear)
    return by_lift


if __name__ == "__main__":
    main()
