"""What a lift does from call to call: a ride, a stop at a landing, a door that opens, waits and closes.

Instants in ms since 1970 UTC. Door and levelling figures are those of a healthy lift: opening about 2.2 s, closing
3.0 +- 0.1 s, levelling error N(0, 3 mm).
"""

import math
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from datetime import date
from random import Random

from msgspec import Struct

from simulator.fleet import LiftSpec
from simulator.traffic import DAY_MS, MAIN_FLOOR, day_start_ms, destination, load_pct, wanted_starts_ms
from simulator.wear import closing_factor, level_bias_mm

# No ride with its door cycle takes longer, so that nothing that starts this long before a stop is still moving then.
CYCLE_MS_MAX = 300_000
_CYCLE_MS_USUAL = 40_000
ACCELERATION_MM_S2 = 800.0
OPENING_MS = 2_200.0
CLOSING_MS = 3_000.0
CLOSING_SIGMA_MS = 100.0
LEVEL_SIGMA_MM = 3.0
# The car re-levels beyond the stopping accuracy of EN 81-20, 5.12.1.1.4.
RELEVEL_MM = 10.0
_REVERSAL_SHARE = 0.03
_REVERSAL_SHARE_WORN = 0.12
_REVERSALS_MAX = 5


class Stop(Struct, frozen=True):
    """A time in which the lift does not move; `floor` is where it then stands (None: wherever it is)."""

    start_ms: int
    end_ms: int
    floor: int | None = None


class Cycle(Struct, frozen=True, gc=False):
    """One ride, the stop and the door cycle at its end: lengths in mm, times in ms, as the controller measures them."""

    start_ms: int
    arrive_ms: int
    end_ms: int
    from_floor: int
    to_floor: int
    distance_mm: int
    max_speed_mm_s: int
    load_pct: int
    error_mm: float
    opening_ms: int
    dwell_ms: int
    closing_ms: int
    reversals: int
    peak_current_a: float


def cycles(spec: LiftSpec, day: date, stops: Sequence[Stop]) -> Iterator[Cycle]:
    """Yield the cycles of a day, none of them during one of the `stops` (in order, not overlapping).

    The day begins at the main floor. A cycle that finds no room before midnight is not made.
    """
    random = spec.random("cycles", day)
    wanted_ms = wanted_starts_ms(spec, day, random)
    day_ms = day_start_ms(day)
    free_ms, floor = day_ms, MAIN_FLOOR
    for index, start_ms in enumerate(wanted_ms):
        start_ms = put_off(stops, max(start_ms, free_ms))  # noqa: PLW2901 - what was wanted is not needed any more
        following_ms = wanted_ms[index + 1] if index + 1 < len(wanted_ms) else day_ms + DAY_MS
        to_floor = destination(spec, floor, random)
        stands_at = _stands_at(stops, max(following_ms, start_ms + _CYCLE_MS_USUAL), start_ms)
        if stands_at not in (None, floor):
            to_floor = stands_at or to_floor
        cycle = _cycle(spec, start_ms, floor, to_floor, random)
        if cycle.end_ms >= day_ms + DAY_MS:
            return
        yield cycle
        free_ms, floor = cycle.end_ms + 1, to_floor


def put_off(stops: Sequence[Stop], start_ms: int) -> int:
    """Return `start_ms`, or the end of the stop that a cycle from then on would run into."""
    for stop in stops[bisect_right(stops, start_ms, key=lambda stop: stop.end_ms) :]:
        if start_ms < stop.start_ms - CYCLE_MS_MAX:
            break
        start_ms = stop.end_ms
    return start_ms


def _stands_at(stops: Sequence[Stop], following_ms: int, start_ms: int) -> int | None:
    """Return the floor of the next stop where the cycle that starts at `start_ms` is the last one before it."""
    index = bisect_right(stops, start_ms, key=lambda stop: stop.end_ms)
    if index == len(stops) or following_ms < stops[index].start_ms - CYCLE_MS_MAX:
        return None
    return stops[index].floor


def _cycle(spec: LiftSpec, start_ms: int, from_floor: int, to_floor: int, random: Random) -> Cycle:
    distance_mm = abs(to_floor - from_floor) * spec.floor_height_mm
    speed_mm_s = min(float(spec.speed_mm_s), math.sqrt(ACCELERATION_MM_S2 * distance_mm))
    moving_s = distance_mm / speed_mm_s + speed_mm_s / ACCELERATION_MM_S2
    arrive_ms = start_ms + round(moving_s * 1000 + random.uniform(900, 1500))
    slower = closing_factor(spec, to_floor, arrive_ms)
    opening_ms = round(_around(random, OPENING_MS, 60))
    closing_ms = round(_around(random, CLOSING_MS * slower, CLOSING_SIGMA_MS))
    reversals = _reversals(random, _REVERSAL_SHARE if slower == 1 else _REVERSAL_SHARE_WORN)
    dwell_ms = round(random.triangular(3_000, 12_000, 4_000)) + reversals * 5_000
    return Cycle(
        start_ms=start_ms,
        arrive_ms=arrive_ms,
        end_ms=arrive_ms + opening_ms + dwell_ms + closing_ms,
        from_floor=from_floor,
        to_floor=to_floor,
        distance_mm=distance_mm,
        max_speed_mm_s=round(speed_mm_s),
        load_pct=load_pct(random),
        error_mm=round(_around(random, level_bias_mm(spec, to_floor), LEVEL_SIGMA_MM), 1),
        opening_ms=opening_ms,
        dwell_ms=dwell_ms,
        closing_ms=closing_ms,
        reversals=reversals,
        peak_current_a=round(_around(random, 2.4 * slower, 0.08), 2),
    )


def _around(random: Random, mean: float, sigma: float) -> float:
    """Return a value of N(mean, sigma), kept within four sigma: a sensor has no long tails."""
    return mean + sigma * min(4.0, max(-4.0, random.gauss(0, 1)))


def _reversals(random: Random, share: float) -> int:
    count = 0
    while count < _REVERSALS_MAX and random.random() < share:
        count += 1
    return count
