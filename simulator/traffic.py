"""Traffic: how many trips a day, at what hours, and to which floors. Hours and days are those of UTC.

The number of trips up to a day has a closed form, so that a controller's counters are right on any day without a
walk through all the days before.
"""

from datetime import UTC, date, datetime, timedelta
from random import Random

from ingest.clock import to_ms
from simulator.fleet import LiftSpec, Use

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
MAIN_FLOOR = 1

# Weight of each hour. The peaks are published: 12.3 % of a month's calls at 8-10, 14.7 % at 18-20. The rest is assumed.
_HOME_WORKDAY = (1, 0.5, 0.5, 0.5, 0.5, 1, 3, 6, 9.5, 9, 5, 4.5, 5.5, 4.5, 4, 4.5, 5.5, 7, 9.5, 9, 6.5, 5, 3.5, 2)
_HOME_WEEKEND = (2, 1, 0.5, 0.5, 0.5, 0.5, 1.5, 3, 5, 7, 7.5, 7, 6.5, 6, 6, 6.5, 7, 7, 7.5, 7.5, 6, 5, 4, 3)
_OFFICE = (0.3, 0.2, 0.2, 0.2, 0.2, 0.5, 2, 6, 11, 9.5, 6, 6, 9, 8.5, 6, 6, 6.5, 8, 9, 5.5, 2, 1, 0.6, 0.4)
_HOSPITAL = (2, 1.5, 1.5, 1.5, 1.5, 2, 4, 6, 7.5, 7.5, 7, 7, 6.5, 7, 7, 6.5, 6, 5.5, 6, 6, 4.5, 3.5, 3, 2.5)
# Trips of a Monday, ..., Sunday as a share of `trips_per_day`. Published office figures count 260 days a year.
_WEEK = {
    Use.RESIDENTIAL: (1.0, 1.0, 1.0, 1.0, 1.05, 0.95, 0.9),
    Use.OFFICE: (1.0, 1.0, 1.0, 1.0, 0.95, 0.2, 0.15),
    Use.HOSPITAL: (1.05, 1.0, 1.0, 1.0, 1.0, 0.8, 0.75),
}
_SATURDAY = 5
# Days differ by up to this share of `trips_per_day`: less than the quietest day has, or counters would run backwards.
_DAY_NOISE = 0.1
_BACK_TO_MAIN_SHARE = 0.75
_EMPTY_SHARE = 0.4


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
    return day_start_ms(day) + hour * HOUR_MS + random.randrange(HOUR_MS)


def trips_before(spec: LiftSpec, day: date) -> int:
    """Return how many trips the lift has made since it was commissioned, as the day begins."""
    days = (day - spec.commissioned_on).days
    if days <= 0:
        return 0
    week, first = _WEEK[spec.use], spec.commissioned_on.weekday()
    weeks = days // 7 * sum(week) + sum(week[(first + number) % 7] for number in range(days % 7))
    noise = spec.random("count", day).random() * int(_DAY_NOISE * spec.trips_per_day)
    return int(spec.trips_per_day * weeks) + int(noise)


def wanted_starts_ms(spec: LiftSpec, day: date, random: Random) -> list[int]:
    """Return when passengers want the day's trips to start, in order."""
    count = max(0, trips_before(spec, day + timedelta(days=1)) - trips_before(spec, day))
    return sorted(moment(spec, day, random) for _ in range(count))


def destination(spec: LiftSpec, floor: int, random: Random) -> int:
    """Return where the car goes from `floor`: mostly away from the main floor and back to it."""
    back = random.random() < _BACK_TO_MAIN_SHARE
    other = random.randint(1, spec.floors - 1)
    return MAIN_FLOOR if back and floor != MAIN_FLOOR else other + (other >= floor)


def load_pct(random: Random) -> int:
    """Return how full the car is: often it comes empty."""
    empty, load = random.random() < _EMPTY_SHARE, random.triangular(5, 80, 12)
    return 0 if empty else round(load)
