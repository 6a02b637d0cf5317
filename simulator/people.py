"""People at a lift: visits by the calendar, what they are worth, how long a repair takes, how long a rescue takes.

Every number is an assumption unless its source is named.
"""

import math
from datetime import date, timedelta
from random import Random

from msgspec import Struct

from simulator.fleet import Care, LiftSpec
from simulator.traffic import DAY_MS, HOUR_MS, day_start_ms

# The longest time between two visits is 15 days; who plans 14 keeps it.
MAINTENANCE_EVERY_DAYS = 14
MINUTE_MS = 60_000
# The share of its visits that a contractor leaves out.
_MISSED = {Care.GOOD: 0.0, Care.FAIR: 0.0, Care.NEGLECTED: 0.2}
# What a visit finds, relative to fair care; and how often it breaks something.
SEES = {Care.GOOD: 1.7, Care.FAIR: 1.0, Care.NEGLECTED: 0.35}
MASKED_CHANCE = 0.15
BREAKS_CHANCE = {Care.GOOD: 0.002, Care.FAIR: 0.004, Care.NEGLECTED: 0.01}
BREAKS_WITHIN_H = 72
# What a repair is worth: whether it holds, and whether the cause written down is the true one.
HOLDS_CHANCE = {Care.GOOD: 0.92, Care.FAIR: 0.85, Care.NEGLECTED: 0.65}
NOTED_RIGHT_CHANCE = 0.85
# About 4 h a fault for a good service and 12 h in a neglected stock are published means; lognormal is an assumption.
_DOWN_MEDIAN_H = {Care.GOOD: 2.9, Care.FAIR: 3.3, Care.NEGLECTED: 9.0}
_DOWN_SIGMA = 0.75
_DOWN_MIN_MS, _DOWN_MAX_MS = 40 * MINUTE_MS, 5 * DAY_MS
# Chinese rescue platforms: 10-13 min until somebody is there, 99.5-99.8 % within 30 min, 3-7 min at the car.
_ARRIVAL_MIN = (4.0, 22.0, 9.0)
_LATE_ARRIVAL_CHANCE, _LATE_ARRIVAL_MIN = 0.003, (31.0, 55.0)
_RELEASE_MIN = (2.0, 9.5, 3.5)


class Presence(Struct, frozen=True, kw_only=True):
    """Somebody at the lift, who has it in inspection mode; `cause_code` is what he writes down."""

    kind: str
    begin_ms: int
    end_ms: int
    cause_code: str | None = None
    outcome: str = "done"


def calendar(spec: LiftSpec, first: date, last: date) -> list[Presence]:
    """Return the maintenance visits from the first day to the last, in order; a neglected lift misses some."""
    shift = (first.toordinal() + int(spec.phase * 1000)) % MAINTENANCE_EVERY_DAYS
    day = first + timedelta(days=-shift % MAINTENANCE_EVERY_DAYS)
    random = spec.random("maintenance")
    visits = []
    while day <= last:
        if random.random() >= _MISSED[spec.care]:
            begin_ms = day_start_ms(day) + 7 * HOUR_MS + int(random.random() * 8 * HOUR_MS)
            end_ms = begin_ms + int((25 + 35 * random.random()) * MINUTE_MS)
            visits.append(Presence(kind="maintenance", begin_ms=begin_ms, end_ms=end_ms))
        day += timedelta(days=MAINTENANCE_EVERY_DAYS)
    return visits


def down_ms(spec: LiftSpec, random: Random) -> int:
    """Return how long a lift stands from the failure until it is repaired."""
    hours = random.lognormvariate(math.log(_DOWN_MEDIAN_H[spec.care]), _DOWN_SIGMA)
    return min(_DOWN_MAX_MS, max(_DOWN_MIN_MS, int(hours * HOUR_MS)))


def arrival_ms(random: Random) -> int:
    """Return how long trapped people wait until somebody is there."""
    late = random.random() < _LATE_ARRIVAL_CHANCE
    low, high, mode = (*_LATE_ARRIVAL_MIN, None) if late else _ARRIVAL_MIN
    return int(random.triangular(low, high, mode) * MINUTE_MS)


def release_ms(random: Random) -> int:
    """Return how long it takes to let trapped people out, once somebody is there."""
    return int(random.triangular(*_RELEASE_MIN) * MINUTE_MS)
