"""Traffic: how many trips a day, at what hours, and between which floors. Hours and days are those of UTC.

The number of trips up to a day has a closed form, so that a controller's counters are right on any day without a
walk through all the days before.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import cache
from random import Random

import numpy as np

from ingest.clock import from_ms, to_ms
from simulator.chance import Flags, Floats, Ints, fraction, uniforms
from simulator.fleet import LiftSpec, Use
from simulator.stops import Stop

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
MAIN_FLOOR = 1

# Weight of each hour. Published for people trapped, who follow the traffic: 12.3 % of a month's cases at 8-10 and 14.7
# % at 18-20 in one city, 74.5 % at 6-12 and 18-22 in another. The curve between them, and those of other uses, are
# assumed.
_HOME_WORKDAY = (
    *(0.5, 0.3, 0.2, 0.2, 0.4, 1.1, 7.8, 8.4, 6.3, 6.1, 8.1, 8.1),
    *(2.7, 2.1, 1.9, 2.0, 2.3, 2.9, 8.0, 7.8, 8.2, 7.6, 2.2, 1.2),
)
_HOME_WEEKEND = (
    *(1.0, 0.7, 0.4, 0.3, 0.3, 0.6, 5.0, 7.2, 6.4, 6.6, 9.0, 8.8),
    *(3.0, 2.5, 2.3, 2.3, 2.5, 3.0, 8.2, 8.0, 8.4, 7.2, 2.4, 1.5),
)
_OFFICE = (
    *(0.3, 0.2, 0.2, 0.2, 0.2, 0.5, 4, 8.5, 10.5, 9, 7, 7),
    *(7, 6.5, 4, 4, 4.5, 7, 9.5, 6.5, 2.5, 1, 0.6, 0.4),
)
_HOSPITAL = (
    *(1.8, 1.4, 1.4, 1.4, 1.4, 2, 5.5, 7.5, 7.5, 7.5, 8.5, 8),
    *(6, 5.5, 5, 5, 5, 5, 6.5, 6, 4.5, 3.5, 3, 2.4),
)
# Trips of a Monday, ..., Sunday as a share of `trips_per_day`. Published office figures count 260 days a year.
_WEEK = {
    Use.RESIDENTIAL: (1.0, 1.0, 1.0, 1.0, 1.05, 0.95, 0.9),
    Use.PUBLIC_HOUSING: (1.0, 1.0, 1.0, 1.0, 1.05, 1.0, 0.95),
    Use.OFFICE: (1.0, 1.0, 1.0, 1.0, 0.95, 0.2, 0.15),
    Use.HOSPITAL: (1.05, 1.0, 1.0, 1.0, 1.0, 0.8, 0.75),
}
_SATURDAY = 5
# Days differ by up to this share of `trips_per_day`: less than the quietest day has, or counters would run backwards.
_DAY_NOISE = 0.1
# Shares of the journeys that begin or end at the main floor, by the hour: (from main, to main); the rest is between
# other floors. Up-peak, lunch and down-peak of an office; homes the other way round. Assumptions.
_OFFICE_JOURNEYS = {7: (0.85, 0.05), 8: (0.85, 0.05), 9: (0.7, 0.1), 12: (0.35, 0.45), 13: (0.45, 0.35)}
_OFFICE_JOURNEYS |= dict.fromkeys((17, 18, 19, 20), (0.08, 0.8))
_HOME_JOURNEYS = dict.fromkeys((6, 7, 8, 9), (0.25, 0.7)) | dict.fromkeys((17, 18, 19, 20, 21), (0.7, 0.25))
_JOURNEYS = {Use.OFFICE: _OFFICE_JOURNEYS, Use.RESIDENTIAL: _HOME_JOURNEYS, Use.PUBLIC_HOUSING: _HOME_JOURNEYS}
_JOURNEYS_ELSE = {
    Use.OFFICE: (0.35, 0.35),
    Use.RESIDENTIAL: (0.48, 0.48),
    Use.PUBLIC_HOUSING: (0.48, 0.48),
    Use.HOSPITAL: (0.3, 0.3),
}
JOURNEY_COLUMNS = 3
_TRIPS_PER_JOURNEY = 1.8
_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()
_EDGES_MS: Floats = np.arange(25, dtype=np.float64) * HOUR_MS


def day_start_ms(day: date) -> int:
    """Return the first instant of a day (UTC) in ms since 1970."""
    return to_ms(datetime(day.year, day.month, day.day, tzinfo=UTC))


def hour_weights(use: Use, day: date) -> tuple[float, ...]:
    """Return 24 weights: how the trips of a day spread over its hours."""
    if use is Use.OFFICE:
        return _OFFICE
    if use is Use.HOSPITAL:
        return _HOSPITAL
    return _HOME_WEEKEND if day.weekday() >= _SATURDAY else _HOME_WORKDAY


def moment(spec: LiftSpec, day: date, random: Random) -> int:
    """Return an instant of the day in ms since 1970, drawn so that busy hours get more."""
    hour = random.choices(range(24), hour_weights(spec.use, day))[0]
    return day_start_ms(day) + hour * HOUR_MS + int(random.random() * HOUR_MS)


def busy(spec: LiftSpec, at_ms: int) -> float:
    """Return how busy the lift is at an instant, 1 on the average of its day: nobody is trapped in an empty car."""
    instant = from_ms(at_ms)
    weights = hour_weights(spec.use, instant.date())
    return weights[instant.hour] * 24 / sum(weights)


def trips_before(spec: LiftSpec, day: date) -> int:
    """Return how many trips passengers have wanted since the lift was commissioned, as the day begins."""
    days = (day - spec.commissioned_on).days
    if days <= 0:
        return 0
    week, first = _WEEK[spec.use], spec.commissioned_on.weekday()
    weeks = days // 7 * sum(week) + sum(week[(first + number) % 7] for number in range(days % 7))
    noise = fraction(spec.seed, spec.lift_id, "count", day) * int(_DAY_NOISE * spec.trips_per_day)
    return int(spec.trips_per_day * weeks) + int(noise)


def trips_of(spec: LiftSpec, day: date) -> int:
    """Return how many trips passengers want on a day."""
    return max(0, trips_before(spec, day + timedelta(days=1)) - trips_before(spec, day))


def wanted_ms(spec: LiftSpec, day: date, chances: Floats) -> Floats:
    """Return when passengers want a day's trips to start, in order, in ms of it; there is a uniform chance for each."""
    return np.interp(np.sort(chances), _hours(hour_weights(spec.use, day)), _EDGES_MS)


def chances_of(spec: LiftSpec, day: date, columns: int) -> Floats:
    """Return the chances of a day's trips: a column of them for each trip that is wanted; the first is when."""
    return uniforms(spec.seed, spec.lift_id, "cycles", day, rows=trips_of(spec, day), columns=columns)


def lost_of(spec: LiftSpec, day: date, stops: Sequence[Stop]) -> int:
    """Return how many of the trips that passengers want on a day find the lift stopped (`stops` in ms of the day)."""
    chances = chances_of(spec, day, 1)[0]
    come = _hours_listed(hour_weights(spec.use, day))
    lost = 0
    for stop in stops:
        first, last = _come_until(come, stop.start_ms), _come_until(come, stop.end_ms)
        lost += int(np.count_nonzero((chances >= first) & (chances < last)))
    return lost


def _come_until(come: Sequence[float], at_ms: int) -> float:
    """Return the share of the day's passengers who come until an instant of the day."""
    hour, rest_ms = divmod(at_ms, HOUR_MS)
    return come[hour] + ((come[hour + 1] - come[hour]) * rest_ms / HOUR_MS if rest_ms else 0.0)


def lost_before(spec: LiftSpec, day: date, stops: Sequence[Stop], lost: list[tuple[int, int]]) -> int:
    """Return how many trips were lost before a day; `lost`, empty at first, keeps (day, sum until its end)."""
    if not lost:
        total = 0
        for of_day, parts in by_day(stops):
            total += lost_of(spec, of_day, parts)
            lost.append((of_day.toordinal(), total))
    index = bisect_left(lost, (day.toordinal(), -1))
    return lost[index - 1][1] if index else 0


def by_day(stops: Sequence[Stop]) -> Iterator[tuple[date, list[Stop]]]:
    """Yield each day (UTC) that a stop touches with its parts in ms of that day; `stops` in order, not overlapping."""
    parts: dict[int, list[Stop]] = {}
    for stop in stops:
        for number in range(stop.start_ms // DAY_MS, (stop.end_ms - 1) // DAY_MS + 1):
            start_ms, end_ms = stop.start_ms - number * DAY_MS, stop.end_ms - number * DAY_MS
            parts.setdefault(number, []).append(Stop(max(0, start_ms), min(DAY_MS, end_ms), stop.floor))
    for number in sorted(parts):
        yield date.fromordinal(_EPOCH_ORDINAL + number), parts[number]


@cache
def _hours(weights: tuple[float, ...]) -> Floats:
    """Return the share of the day's passengers who come until each full hour."""
    total = sum(weights)
    return np.array([sum(weights[:hour]) / total for hour in range(25)])


@cache
def _hours_listed(weights: tuple[float, ...]) -> list[float]:
    return [float(share) for share in _hours(weights)]


def walk(spec: LiftSpec, starts_ms: Floats, chances: Floats, floor: int) -> tuple[Ints, Ints, Flags]:
    """Return where the trips that start at `starts_ms` (of the day) go from, where to, and whether they carry anybody.

    The car stands at `floor`. It fetches each passenger where he is: an empty trip where it is not there already.
    `chances` are uniform, shape (JOURNEY_COLUMNS, trips).
    """
    count = len(starts_ms)
    upper = 2 + (chances[1] * (spec.floors - 1)).astype(np.int64)
    other = 1 + (upper + (chances[2] * (spec.floors - 1)).astype(np.int64)) % spec.floors
    path = np.empty(2 * count + 1, dtype=np.int64)
    path[0] = floor
    # Which trip begins a journey decides its hour, which decides where it goes: nearly two trips each, then counted.
    begins_with = (np.arange(count) * _TRIPS_PER_JOURNEY).astype(np.int64)
    for _ in range(2):
        hour = (starts_ms[np.minimum(begins_with, count - 1)] / HOUR_MS).astype(np.int64)
        from_main, to_main = (share[hour] for share in _journey_shares(spec.use))
        comes = chances[0] < from_main
        path[1::2] = np.where(comes, MAIN_FLOOR, upper)
        path[2::2] = np.where(comes, upper, np.where(chances[0] < from_main + to_main, MAIN_FLOOR, other))
        moves = np.flatnonzero(path[1:] != path[:-1])
        begins_with = np.searchsorted(moves, np.arange(count) * 2)
    moves = moves[:count]
    return path[moves], path[moves + 1], moves % 2 == 1


@cache
def _journey_shares(use: Use) -> tuple[Floats, Floats]:
    shares = [_JOURNEYS.get(use, {}).get(hour, _JOURNEYS_ELSE[use]) for hour in range(24)]
    return np.array([share[0] for share in shares]), np.array([share[1] for share in shares])
