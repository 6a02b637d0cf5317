"""Whether lifts that are called often failing, or worse than before, are: on simulated fleets and on a history.

    python -m benchmarks.failure_rates [HISTORY]

Simulated: 400 fleets of 200 lifts for each row, 4 breakdowns a lift and year (for trends 8). A history is judged at
monthly origins by what came in the 90 days after each.
"""

import argparse
from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

import numpy as np
from msgspec import Struct, structs

from analytics.failure_findings import often_failing, worsening
from analytics.failures import FleetFailures, Floats, Ints, Observed, fleet_failures
from analytics.occurrences import Occurrence, outage_occurrences
from analytics.rates import OFTEN_FACTOR
from ingest.fleet import Lift
from ingest.history_files import LIFTS, OUTAGES, HistoryProblem, read_table

FLEETS, LIFTS_A_FLEET, BY_YEAR, DAYS = 400, 200, 4.0, 365.0
AHEAD_DAYS = 90
UNTIL = datetime(2026, 1, 1, tzinfo=UTC)


class Row(Struct, frozen=True):
    """One line of the table: findings told, and how many of them were wrong."""

    what: str
    fleets_with_wrong: float
    found: float
    wrong: float


def fleet_of(owner: Ints, day: Floats) -> FleetFailures:
    """Return a fleet that was at risk all the year, of one part."""
    nothing = np.zeros(owner.size, dtype=np.int64)
    return FleetFailures(
        since=UNTIL - timedelta(days=DAYS),
        until=UNTIL,
        lift_ids=[str(number) for number in range(LIFTS_A_FLEET)],
        spans=[[(0.0, DAYS)]] * LIFTS_A_FLEET,
        exposure_days=np.full(LIFTS_A_FLEET, DAYS),
        owner=owner,
        day=day,
        risk_day=day,
        part=nothing,
        code=nothing,
        parts=["door"],
        codes=["door-closing-fault"],
        apart=np.zeros((LIFTS_A_FLEET, 3), dtype=np.int64),
    )


def simulated(fleets: int = FLEETS) -> Iterator[Row]:
    """Yield what is found of fleets whose truth is known."""
    rng = np.random.default_rng(20_260_101)
    alike = np.full(LIFTS_A_FLEET, BY_YEAR)
    bad = alike * np.where(np.arange(LIFTS_A_FLEET) < LIFTS_A_FLEET // 20, 5.0, 1.0)
    mixed = BY_YEAR * rng.gamma(2.0, 0.5, (fleets, LIFTS_A_FLEET))
    yield _often(rng, "often failing: all lifts alike", [alike] * fleets)
    yield _often(rng, "often failing: all alike, breakdowns in pairs", [alike] * fleets, pairs=True)
    yield _often(rng, "often failing: rates differ (gamma, shape 2)", list(mixed))
    yield _often(rng, "often failing: five times worse is one lift in twenty", [bad] * fleets)
    yield _worse(rng, "worsening: no trend", fleets, grow=1.0, share=0.0)
    yield _worse(rng, "worsening: no trend, breakdowns in pairs", fleets, grow=1.0, share=0.0, pairs=True)
    yield _worse(rng, "worsening: one lift in twenty goes from 4 to 24 a year", fleets, grow=6.0, share=0.05)


def _often(rng: np.random.Generator, what: str, rates: list[Floats], *, pairs: bool = False) -> Row:
    fleets = found = wrong = 0
    for by_year in rates:
        told = {int(each.lift_id) for each in often_failing(_drawn(rng, by_year, pairs=pairs), UNTIL)}
        false = sum(by_year[lift] <= OFTEN_FACTOR * by_year.mean() for lift in told)
        fleets, found, wrong = fleets + bool(false), found + len(told), wrong + int(false)
    return Row(what, fleets / len(rates), found / len(rates), wrong / len(rates))


def _worse(rng: np.random.Generator, what: str, fleets: int, *, grow: float, share: float, pairs: bool = False) -> Row:
    with_wrong = found = wrong = 0
    worse = int(share * LIFTS_A_FLEET)
    for _ in range(fleets):
        by_year = BY_YEAR * np.where(np.arange(LIFTS_A_FLEET) < worse, grow, 2.0)
        fleet = _drawn(rng, by_year, pairs=pairs)
        grown = (1 + (grow - 1) * fleet.day / DAYS) / grow
        keep = (fleet.owner >= worse) | (rng.uniform(size=fleet.owner.size) < grown)
        told = {int(each.lift_id) for each in worsening(fleet_of(fleet.owner[keep], fleet.day[keep]), UNTIL)}
        false = sum(lift >= worse for lift in told)
        with_wrong, found, wrong = with_wrong + bool(false), found + len(told), wrong + false
    return Row(what, with_wrong / fleets, found / fleets, wrong / fleets)


def _drawn(rng: np.random.Generator, by_year: Floats, *, pairs: bool) -> FleetFailures:
    owner = np.repeat(np.arange(by_year.size), rng.poisson(by_year / (1 + pairs)))
    day = rng.uniform(0, DAYS, owner.size)
    if pairs:
        owner, day = np.repeat(owner, 2), np.minimum(np.repeat(day, 2) + np.tile([0.0, 0.5], day.size), DAYS)
    return fleet_of(owner, day)


def of_history(folder: Path) -> Iterator[str]:
    """Yield lines about a history: at monthly origins, what was found and what came after it."""
    lifts = [
        _observed(row.value) for row in read_table(folder / "lifts.csv", LIFTS) if not isinstance(row, HistoryProblem)
    ]
    outages = [row.value for row in read_table(folder / "faults.csv", OUTAGES) if not isinstance(row, HistoryProblem)]
    first, last = min(item.raised_at for item in outages), max(item.raised_at for item in outages)
    origin = (first + timedelta(days=180)).replace(hour=0, minute=0, second=0, microsecond=0)
    counts = {"often-failing": [0, 0], "worsening": [0, 0]}
    while origin + timedelta(days=AHEAD_DAYS) <= last:
        then = [
            structs.replace(item, cleared_at=None) if item.cleared_at and item.cleared_at > origin else item
            for item in outages
            if item.raised_at < origin
        ]
        now = fleet_failures(lifts, outage_occurrences(then), origin)
        _count(counts, now, _ahead(lifts, outage_occurrences(outages), origin), origin)
        origin += timedelta(days=30)
    for kind, (found, held) in counts.items():
        share = held / max(found, 1)
        yield f"{kind}: {found} findings at monthly origins, {held} ({share:.0%}) held in the {AHEAD_DAYS} days after"


def _ahead(lifts: list[Observed], found: list[Occurrence], origin: datetime) -> FleetFailures:
    return fleet_failures(lifts, found, origin + timedelta(days=AHEAD_DAYS), AHEAD_DAYS)


def _count(counts: dict[str, list[int]], now: FleetFailures, ahead: FleetFailures, origin: datetime) -> None:
    """Held: often failing is above the fleet's rate times the factor; worse is above the lift's own mean of before."""
    for finding in often_failing(now, origin):
        group = finding.component or finding.code
        part = ahead.parts.index(group) if group in ahead.parts else None
        own, days = ahead.counts(part), ahead.exposure_days
        lift = ahead.lift_ids.index(finding.lift_id)
        fleet = own.sum() / days.sum()
        held = days[lift] > 0 and own[lift] / days[lift] > OFTEN_FACTOR * fleet
        counts["often-failing"][0] += 1
        counts["often-failing"][1] += bool(held)
    for finding in worsening(now, origin):
        lift = ahead.lift_ids.index(finding.lift_id)
        before = now.counts()[lift] / now.exposure_days[lift]
        days = ahead.exposure_days[lift]
        counts["worsening"][0] += 1
        counts["worsening"][1] += bool(days > 0 and ahead.counts()[lift] / days > before)


def _observed(lift: Lift) -> Observed:
    since = (
        datetime.combine(lift.observed_from, time(), UTC) if lift.observed_from else datetime.max.replace(tzinfo=UTC)
    )
    until = datetime.combine(lift.observed_to, time(), UTC) + timedelta(days=1) if lift.observed_to else None
    return Observed(lift.lift_id, since, until)


def main() -> None:
    """Print the table, and the lines of a history where one is given."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("history", type=Path, nargs="*", help="folders of histories")
    parser.add_argument("--fleets", type=int, default=FLEETS)
    options = parser.parse_args()
    print("| simulated fleets of 200 lifts | found in a fleet | of them wrong | fleets with any wrong one |")
    print("|---|---|---|---|")
    for row in simulated(options.fleets):
        print(f"| {row.what} | {row.found:.2f} | {row.wrong:.3f} | {row.fleets_with_wrong:.1%} |")
    for folder in options.history:
        for line in of_history(folder):
            print(line)


if __name__ == "__main__":
    main()
