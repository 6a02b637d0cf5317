"""What a lift does from call to call: a ride, a stop at a landing, a door that opens, waits and closes. In columns.

A day is made at once: each column holds one value of all its cycles. Instants in ms since the beginning of the day
(UTC). Healthy levels are N(0, 3 mm), a door closes in 3.0 +- 0.1 s: assumptions, like all numbers here without a
source.
"""

from collections.abc import Sequence
from datetime import date

import numpy as np
from msgspec import Struct

from simulator.chance import BELL_COLUMNS, Flags, Floats, Ints, bell, whole
from simulator.fleet import HYDRAULIC, LiftSpec
from simulator.mechanisms import BY_NAME, Effects
from simulator.stops import Stop
from simulator.traffic import DAY_MS, JOURNEY_COLUMNS, MAIN_FLOOR, chances_of, day_start_ms, walk, wanted_ms
from simulator.wear import Wear

ACCELERATION_MM_S2 = 800.0
CLOSING_SPREAD = 100.0 / 3_000.0
OPENING_SPREAD = 60.0 / 2_200.0
CURRENT_SPREAD = 0.03
LEVEL_SIGMA_MM = 3.0
# The car re-levels beyond the stopping accuracy of EN 81-20, 5.12.1.1.4.
RELEVEL_MM = 10.0
# Cars with valves stop less exactly than cars with a drive.
_HYDRAULIC_LEVEL_PART = 1.4
_START_MS = (900.0, 1500.0)
_DWELL_MS = (2_500.0, 7_000.0)
_REVERSAL_CHANCE = 0.03
_SECOND_REVERSAL_PART = 0.15
_REVERSAL_MS = 5_000
_REVERSAL_CURRENT_PART = 0.12
# A door that nudges closes slowly, with a force that hurts nobody.
_NUDGING_CLOSING_PART = 0.5
_LOAD_PCT = (4.0, 80.0)
_COLUMNS = 8 + JOURNEY_COLUMNS + 4 * BELL_COLUMNS


class Cycles(Struct, frozen=True):
    """The rides of a day, each with the stop and the door cycle at its end: in mm, in ms, the current in 10 mA."""

    nudging: Flags
    start_ms: Ints
    arrive_ms: Ints
    levelled_ms: Ints
    end_ms: Ints
    from_floor: Ints
    to_floor: Ints
    distance_mm: Ints
    max_speed_mm_s: Ints
    load_pct: Ints
    error_tenth_mm: Ints
    opening_ms: Ints
    dwell_ms: Ints
    closing_ms: Ints
    reversals: Ints
    current_10ma: Ints

    def __len__(self) -> int:
        """Return how many cycles there are."""
        return len(self.start_ms)


class _Worn(Struct):
    """The effects of all wear at each cycle, added up."""

    effects: list[tuple[Effects, Floats]]
    count: int

    def of(self, name: str) -> Floats | float:
        total: Floats | float = 0.0
        for effects, severity in self.effects:
            amount = getattr(effects, name)
            if amount:
                total = total + severity * amount
        return total


class _Asked(Struct, frozen=True):
    """Trips as they are asked for between two stops; `chances` has one column of uniform numbers for each of them."""

    starts_ms: Floats
    from_floor: Ints
    to_floor: Ints
    loaded: Flags
    chances: Floats


def cycles(spec: LiftSpec, wears: Sequence[Wear], day: date, stops: Sequence[Stop]) -> Cycles:
    """Return the cycles of a day, none of them during one of the `stops` (of the day, in order, not overlapping).

    The day begins at the main floor. Whoever finds the lift stopped takes the stairs (`traffic.lost_of`).
    """
    chances = chances_of(spec, day, _COLUMNS)
    wanted = wanted_ms(spec, day, chances[0])
    floor, begin_ms, parts = MAIN_FLOOR, 0, []
    for stop in [*stops, Stop(DAY_MS, DAY_MS)]:
        first, last = np.searchsorted(wanted, (begin_ms, stop.start_ms))
        if first < last and spec.floors > 1:
            rows = chances[1:, first:last]
            part = _between(spec, wears, day, wanted[first:last], rows, floor, (begin_ms, stop))
            floor = int(part.to_floor[-1]) if len(part) else floor
            parts.append(part)
        begin_ms = stop.end_ms
    return joined(parts)


def joined(parts: Sequence[Cycles]) -> Cycles:
    """Return the cycles of all parts."""
    if len(parts) == 1:
        return parts[0]
    names = Cycles.__struct_fields__
    if not parts:
        return Cycles(np.zeros(0, dtype=np.bool_), *(np.zeros(0, dtype=np.int64) for _ in names[1:]))
    return Cycles(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


def _between(
    spec: LiftSpec,
    wears: Sequence[Wear],
    day: date,
    starts_ms: Floats,
    chances: Floats,
    floor: int,
    window: tuple[int, Stop],
) -> Cycles:
    """Return the cycles between two stops; the car stands at `floor` first, and in the end where the stop wants it."""
    begin_ms, stop = window
    from_floor, to_floor, loaded = walk(spec, starts_ms, chances, floor)
    asked = _Asked(starts_ms, from_floor, to_floor, loaded, chances)
    made = _made(spec, wears, day, asked, (begin_ms, stop.start_ms))
    last = len(made) - 1
    if stop.floor is None or last < 0 or made.to_floor[last] == stop.floor or made.from_floor[last] == stop.floor:
        return made
    to_floor[last] = stop.floor
    cut = _Asked(starts_ms[: last + 1], from_floor[: last + 1], to_floor[: last + 1], loaded[: last + 1], chances)
    return _made(spec, wears, day, cut, (begin_ms, stop.start_ms))


def _made(spec: LiftSpec, wears: Sequence[Wear], day: date, asked: _Asked, window: tuple[int, int]) -> Cycles:
    """Return the cycles that come of what was asked, as many as there is room for in the window."""
    count = len(asked.starts_ms)
    chance = iter(asked.chances[JOURNEY_COLUMNS:, :count])
    bells = [bell(np.array([next(chance) for _ in range(BELL_COLUMNS)])) for _ in range(4)]
    worn = _worn(wears, day, asked)
    ride_ms, distance_mm, speed_mm_s = _ride(spec, asked, next(chance), worn)
    load_pct = np.where(asked.loaded, _LOAD_PCT[0] + next(chance) * next(chance) * _LOAD_PCT[1], 0.0)
    nudging = next(chance) < worn.of("nudging_chance")
    reversed_, often = next(chance), _REVERSAL_CHANCE + worn.of("reversal_chance")
    reversals = (reversed_ < often).astype(np.int64) + (reversed_ < often * _SECOND_REVERSAL_PART)
    opening_ms = spec.door.opening_ms * (1 + worn.of("opening_part")) * (1 + OPENING_SPREAD * bells[0])
    closing_spread = CLOSING_SPREAD * (1 + worn.of("closing_spread_part"))
    slower = 1 + worn.of("closing_part") + _NUDGING_CLOSING_PART * nudging
    closing_ms = spec.door.closing_ms * slower * np.maximum(0.4, 1 + closing_spread * bells[1])
    waits_ms = _DWELL_MS[0] + next(chance) * (_DWELL_MS[1] - _DWELL_MS[0])
    dwell_ms = waits_ms * (1 + worn.of("dwell_part")) + reversals * _REVERSAL_MS
    current = 1 + worn.of("current_part") + _REVERSAL_CURRENT_PART * reversals
    current_a = spec.door.current_a * current * (1 + CURRENT_SPREAD * bells[2])
    error_mm = _level_mm(spec, asked, worn, load_pct, bells[3])
    times = [whole(column) for column in (ride_ms, opening_ms, dwell_ms, closing_ms)]
    start_ms, kept = _put_in_line(whole(asked.starts_ms), times[0] + times[1] + times[2] + times[3], window)
    arrive_ms = start_ms + times[0]
    levelled_ms = arrive_ms + times[1]
    columns = (
        *(start_ms, arrive_ms, levelled_ms, levelled_ms + times[2] + times[3]),
        *(asked.from_floor, asked.to_floor, distance_mm, whole(speed_mm_s), whole(load_pct), whole(error_mm * 10)),
        *(times[1], times[2], times[3], reversals, whole(current_a * 100)),
    )
    return Cycles(nudging[:kept], *(column[:kept] for column in columns))


def _worn(wears: Sequence[Wear], day: date, asked: _Asked) -> _Worn:
    at_ms = whole(asked.starts_ms) + day_start_ms(day)
    effects = []
    for wear in wears:
        severity = wear.severity(at_ms)
        if wear.floor is not None:
            severity *= asked.to_floor == wear.floor
        effects.append((BY_NAME[wear.mechanism].effects, severity))
    return _Worn(effects, len(at_ms))


def _ride(spec: LiftSpec, asked: _Asked, chance: Floats, worn: _Worn) -> tuple[Floats, Ints, Floats]:
    """Return how long the rides take in ms, how far they go, and how fast."""
    distance_mm = np.abs(asked.to_floor - asked.from_floor) * spec.floor_height_mm
    speed_mm_s = np.minimum(float(spec.speed_mm_s), np.sqrt(ACCELERATION_MM_S2 * distance_mm))
    moving_ms = (distance_mm / speed_mm_s + speed_mm_s / ACCELERATION_MM_S2) * 1000
    starting_ms = _START_MS[0] + chance * (_START_MS[1] - _START_MS[0]) + worn.of("start_delay_ms")
    return moving_ms + starting_ms, distance_mm, speed_mm_s


def _level_mm(spec: LiftSpec, asked: _Asked, worn: _Worn, load_pct: Floats, spread: Floats) -> Floats:
    """Return how far off the car stops; no landing is adjusted to the millimetre."""
    bias_mm = ((asked.to_floor * 7 + int(spec.phase * 100)) % 5 - 2) * 0.4
    sigma_mm = LEVEL_SIGMA_MM * (_HYDRAULIC_LEVEL_PART if spec.drive == HYDRAULIC else 1.0)
    up = np.where(asked.to_floor > asked.from_floor, 1.0, -1.0)
    low = (spec.floors - asked.to_floor) / (spec.floors - 1)
    drift_mm = (
        worn.of("level_mm")
        + worn.of("level_at_bottom_mm") * low
        + worn.of("level_by_direction_mm") * up
        + worn.of("level_by_load_mm") * (load_pct - 25) / 50
    )
    return bias_mm + drift_mm + spread * sigma_mm * (1 + worn.of("level_spread_part"))


def _put_in_line(called_ms: Ints, lasts_ms: Ints, window: tuple[int, int]) -> tuple[Ints, int]:
    """Return when each cycle begins, one after the other inside the window, and how many find room.

    A car that is busy serves the next call later. Before a stop the last calls come a little earlier instead.
    """
    begin_ms, until_ms = window
    room_ms = lasts_ms + 1
    before_ms = np.cumsum(room_ms) - room_ms
    start_ms = np.maximum.accumulate(np.maximum(called_ms, begin_ms + 1) - before_ms) + before_ms
    latest_ms = until_ms - 1 - (before_ms[-1] + room_ms[-1] - before_ms)
    if latest_ms[0] > begin_ms:
        return np.minimum(start_ms, latest_ms), len(start_ms)
    return start_ms, int(np.searchsorted(start_ms + room_ms, until_ms))
