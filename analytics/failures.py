"""A fleet's breakdowns of one year: which lift, when, of which part, and for how long each lift was at risk. Pure.

Several faults of one stop are one breakdown: what is raised while the lift stands already is its consequence. Time is
counted in days at risk: a lift that is out for long cannot break down, so the time from the 15th day of an outage to
its end does not count. Everything ends at a UTC midnight, so that one day has one answer.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from math import log

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from analytics.occurrences import REPEAT_SAME_FAULT, Occurrence, has_passed, place
from ingest.faults import CANONICAL, component_of
from ingest.fleet import OutageKind

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

WINDOW_DAYS = 365
# A lift that stands this long is not waiting for a repair but out of use (rebuilt, part on order, closed).
OUT_FOR_LONG = timedelta(days=14)
# What counts apart from breakdowns, in the order of the columns of `FleetFailures.apart`.
APART = (OutageKind.PLANNED, OutageKind.EXTERNAL, OutageKind.OTHER)
_DAY = timedelta(days=1)


class Observed(Struct, frozen=True):
    """From when to when a lift is observed; `until` None: still."""

    lift_id: str
    since: datetime
    until: datetime | None = None


class FleetFailures(Struct, frozen=True, kw_only=True):
    """The breakdowns of a fleet in (since, until]; arrays by lift are ordered as `lift_ids`, others by breakdown.

    `exposure_days` are the days at risk and `spans` the stretches that they are made of, in days since `since`; of a
    breakdown, `owner` is its lift's place, `day` the days since `since`, `risk_day` the days at risk of that lift until
    then, `part` and `code` are places in `parts` and `codes`. `apart` counts outages that are no breakdowns, by lift
    and `APART`.
    """

    since: datetime
    until: datetime
    lift_ids: list[str]
    spans: list[list[tuple[float, float]]]
    exposure_days: Floats
    owner: Ints
    day: Floats
    risk_day: Floats
    part: Ints
    code: Ints
    parts: list[str]
    codes: list[str]
    apart: Ints

    def counts(self, part: int | None = None) -> Floats:
        """Return how many breakdowns each lift had, of all parts or of one."""
        owner = self.owner if part is None else self.owner[self.part == part]
        return np.bincount(owner, minlength=len(self.lift_ids)).astype(np.float64)

    def discounted_counts(self, half_life_days: float, part: int | None = None) -> Floats:
        """Return the same, each breakdown halved for every `half_life_days` that it is old."""
        age = (self.until - self.since) / _DAY - self.day
        weight = np.exp2(-age / half_life_days)
        chosen = slice(None) if part is None else self.part == part
        counts = np.bincount(self.owner[chosen], weight[chosen], minlength=len(self.lift_ids))
        return counts.astype(np.float64)  # without breakdowns they come as whole numbers

    def discounted_exposure(self, half_life_days: float) -> Floats:
        """Return each lift's days at risk, discounted as its breakdowns are."""
        end, decay = (self.until - self.since) / _DAY, log(2) / half_life_days
        totals = [
            sum(np.exp(-decay * (end - stop)) - np.exp(-decay * (end - start)) for start, stop in spans) / decay
            for spans in self.spans
        ]
        return np.array(totals, dtype=np.float64)


def part_of(code: str) -> str:
    """Return what a breakdown is counted under: the component of a canonical code, else the code itself."""
    return component_of(code) or code


def midnight_before(instant: datetime) -> datetime:
    """Return the UTC midnight that an instant follows, or is."""
    return instant.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def end_of(day: date) -> datetime:
    """Return the UTC midnight at which a day is over; of the last day there is, its last instant."""
    begin = datetime.combine(day, time(), UTC)
    return datetime.max.replace(tzinfo=UTC) if day == date.max else begin + _DAY


def breakdowns(found: Iterable[Occurrence]) -> list[Occurrence]:
    """Return the faults that stopped a lift, by lift and instant; what came while it stood already is left out.

    A stop ends when its fault is cleared; where nobody says so, with what controllers take for one fault.
    """
    stops = sorted((item for item in found if _stops(item)), key=place)
    kept: list[Occurrence] = []
    over_at: datetime | None = None
    for item in stops:
        if not kept or kept[-1].lift_id != item.lift_id:
            over_at = None
        if over_at is None or item.raised_at > over_at:
            kept.append(item)
        ends_at = max(item.cleared_at or item.raised_at, item.raised_at + REPEAT_SAME_FAULT)
        over_at = ends_at if over_at is None else max(over_at, ends_at)
    return kept


def _stops(item: Occurrence) -> bool:
    if item.kind is not OutageKind.BREAKDOWN or has_passed(item):
        return False
    known = CANONICAL.get(item.code)
    return item.source == "outage" or known is None or known.stops_lift


def fleet_failures(
    lifts: Sequence[Observed], found: Iterable[Occurrence], until: datetime, window_days: int = WINDOW_DAYS
) -> FleetFailures:
    """Return the breakdowns of `lifts` in the `window_days` before `until`; nothing later counts."""
    since = until - window_days * _DAY
    by_lift: dict[str, list[Occurrence]] = defaultdict(list)
    for item in found:
        if item.raised_at < until:
            by_lift[item.lift_id].append(item)
    spans = [_at_risk(lift, by_lift[lift.lift_id], since, until) for lift in lifts]
    places = {lift.lift_id: number for number, lift in enumerate(lifts)}
    stops = [item for lift in lifts for item in breakdowns(by_lift[lift.lift_id]) if item.raised_at > since]
    owner = [places[item.lift_id] for item in stops]
    day = [(item.raised_at - since) / _DAY for item in stops]
    parts, codes = sorted({part_of(item.code) for item in stops}), sorted({item.code for item in stops})
    return FleetFailures(
        since=since,
        until=until,
        lift_ids=[lift.lift_id for lift in lifts],
        spans=spans,
        exposure_days=np.array([sum(stop - start for start, stop in each) for each in spans], dtype=np.float64),
        owner=np.array(owner, dtype=np.int64),
        day=np.array(day, dtype=np.float64),
        risk_day=np.array([_elapsed(spans[who], when) for who, when in zip(owner, day, strict=True)], dtype=np.float64),
        part=_numbered((part_of(item.code) for item in stops), parts),
        code=_numbered((item.code for item in stops), codes),
        parts=parts,
        codes=codes,
        apart=_counted_apart(lifts, by_lift, since),
    )


def _numbered(values: Iterable[str], names: Sequence[str]) -> Ints:
    numbers = {name: number for number, name in enumerate(names)}
    return np.array([numbers[value] for value in values], dtype=np.int64)


def _counted_apart(lifts: Sequence[Observed], by_lift: Mapping[str, list[Occurrence]], since: datetime) -> Ints:
    counts = np.zeros((len(lifts), len(APART)), dtype=np.int64)
    for row, lift in enumerate(lifts):
        for item in by_lift[lift.lift_id]:
            if item.kind is not OutageKind.BREAKDOWN and item.raised_at > since:
                counts[row, APART.index(item.kind)] += 1
    return counts


def _at_risk(lift: Observed, found: list[Occurrence], since: datetime, until: datetime) -> list[tuple[float, float]]:
    """Return the stretches in which a lift could break down, in days since `since`, in order."""
    first = max(since, min([lift.since, *(item.raised_at for item in found)]))
    last = until if lift.until is None else min(until, lift.until)
    cursor = (first - since) / _DAY
    end = (last - since) / _DAY
    spans = []
    for start, stop in sorted(_long_outages(found, since, until)):
        if start > cursor:
            spans.append((cursor, min(start, end)))
        cursor = max(cursor, stop)
        if cursor >= end:
            return [span for span in spans if span[1] > span[0]]
    return [span for span in [*spans, (cursor, end)] if span[1] > span[0]]


def _long_outages(found: list[Occurrence], since: datetime, until: datetime) -> Iterable[tuple[float, float]]:
    for item in found:
        is_open = item.cleared_at is None and item.source == "outage"
        over_at = until if is_open else min(item.cleared_at or item.raised_at, until)
        if over_at - item.raised_at > OUT_FOR_LONG:
            yield (item.raised_at + OUT_FOR_LONG - since) / _DAY, (over_at - since) / _DAY


def _elapsed(spans: list[tuple[float, float]], day: float) -> float:
    return sum(min(stop, day) - start for start, stop in spans if start < day)
