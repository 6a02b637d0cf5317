"""Daily values of a lift, made of its readings. Pure numpy; several days of one lift at once.

A day is one of UTC. A value is a median where a single odd reading must not move it, a rate where readings are yes or
no, and it always says of how many readings it was made. Landings are kept apart, and there is one value of the whole
lift beside them (`WHOLE_LIFT`), which is known where single landings are served too seldom. The result is a handful of
record arrays, which is what is kept; `daily_series` makes series of them.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

Ints = NDArray[np.integer]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Records = NDArray[np.void]

WHOLE_LIFT = -(2**15)
COUNT_MAX = 2**16 - 1
UP, DOWN, NO_DIRECTION = 1, 2, 0
DIRECTIONS = {UP: "up", DOWN: "down", NO_DIRECTION: None}
# The median absolute deviation of a normal variable is the 0.6745th part of its standard deviation.
MAD_TO_SIGMA = 1.4826
# Fewer readings say nothing about how they spread.
SPREAD_COUNT_MIN = 5
# A trip has reached its full speed within this part of the day's fastest.
_FULL_SPEED_PART = 0.95
_PER_100 = 100.0

DOOR_CHANNELS = (
    "opening_ms",
    "closing_ms",
    "closing_spread_ms",
    "dwell_ms",
    "peak_current_a",
    "reversals_per_100",
    "nudging_per_100",
)
LEVEL_CHANNELS = ("error_mm", "error_spread_mm")
MACHINE_CHANNELS = ("brake_release_ms", "brake_apply_ms", "vibration_mg", "motor_c", "machine_room_c")
TRIP_CHANNELS = ("trips", "load_pct", "trip_ms_per_floor", "start_delay_ms")
LIFT_CHANNELS = (*MACHINE_CHANNELS, *TRIP_CHANNELS, "door_cycles", "relevelled_per_100", "error_by_load_mm", "reboots")
CHANNELS = (*DOOR_CHANNELS, *LEVEL_CHANNELS, *LIFT_CHANNELS)
# The rear door of a car with two: its own door, with channels of its own.
REAR = "rear:"
FAULT = "fault:"

# One record a day and landing, all its values side by side in the order of its channels, NaN where a day has none.
DOOR_RECORD = np.dtype(
    [("day", "<i4"), ("floor", "<i2"), ("rear", "u1"), ("count", "<u2"), ("values", "<f4", (len(DOOR_CHANNELS),))]
)
LEVEL_RECORD = np.dtype(
    [("day", "<i4"), ("floor", "<i2"), ("direction", "u1"), ("count", "<u2"), ("values", "<f4", (len(LEVEL_CHANNELS),))]
)
# One record a day, with the counts of each source of readings.
SOURCES = ("machine", "trip", "door", "level")
LIFT_RECORD = np.dtype([("day", "<i4"), ("counts", "<u2", (len(SOURCES),)), ("values", "<f4", (len(LIFT_CHANNELS),))])
SOURCE_OF = {
    **dict.fromkeys(MACHINE_CHANNELS, "machine"),
    **dict.fromkeys(TRIP_CHANNELS, "trip"),
    "door_cycles": "door",
    "relevelled_per_100": "level",
    "error_by_load_mm": "level",
    "reboots": "trip",
}


class DoorReadings(Struct, frozen=True, kw_only=True):
    """Door cycles, one a row; NaN where a message does not say. `day` counts from 1970."""

    day: Ints
    floor: Ints
    rear: Flags
    opening_ms: Floats
    closing_ms: Floats
    dwell_ms: Floats
    peak_current_a: Floats
    reversals: Floats
    nudging: Floats


class LevelReadings(Struct, frozen=True, kw_only=True):
    """Stops, one a row. `direction` is `UP`, `DOWN` or `NO_DIRECTION`; NaN where a message does not say."""

    day: Ints
    floor: Ints
    direction: Ints
    error_mm: Floats
    relevelled: Floats
    load_pct: Floats


class TripReadings(Struct, frozen=True, kw_only=True):
    """Trips, one a row; `floors` is how many they go up or down, NaN where a message does not say."""

    day: Ints
    floors: Ints
    duration_ms: Floats
    distance_mm: Floats
    max_speed_mm_s: Floats
    load_pct: Floats


class MachineReadings(Struct, frozen=True, kw_only=True):
    """Readings of drive, brake and machine room, one a row; NaN where a message does not say."""

    day: Ints
    brake_release_ms: Floats
    brake_apply_ms: Floats
    vibration_mg: Floats
    motor_c: Floats
    machine_room_c: Floats


class DayReadings(Struct, frozen=True, kw_only=True):
    """All that one lift said on some days: readings in columns, of faults and reboots how often, by day."""

    doors: DoorReadings
    levels: LevelReadings
    trips: TripReadings
    machine: MachineReadings
    faults: Mapping[int, Mapping[str, int]]
    reboots: Mapping[int, int]


class DayValues(Struct, frozen=True):
    """The daily values of one lift: records of the three kinds above, and how often each fault code came, by day.

    Ordered by day, then landing (the whole lift first).
    """

    doors: Records
    levels: Records
    lift: Records
    faults: Mapping[int, Mapping[str, int]]


def daily_values(readings: DayReadings) -> DayValues:
    """Return the values of each day that has any reading."""
    return DayValues(_doors(readings.doors), _levels(readings.levels), _lift(readings), readings.faults)


class FleetValues(Struct, frozen=True):
    """The daily values of some lifts in one: for each record the number of its lift in `lift_ids`.

    `faults` has a row for each day of a lift that had any: the number of the lift, the day, and how often each came.
    """

    lift_ids: Sequence[str]
    doors: Records
    levels: Records
    lift: Records
    of_doors: Ints
    of_levels: Ints
    of_lift: Ints
    faults: Sequence[tuple[int, int, Mapping[str, int]]]

    def of(self, lift_id: str) -> DayValues:
        """Return the values of one of them."""
        number = self.lift_ids.index(lift_id)
        return DayValues(
            self.doors[self.of_doors == number],
            self.levels[self.of_levels == number],
            self.lift[self.of_lift == number],
            {day: codes for of, day, codes in self.faults if of == number},
        )


def together(lifts: Mapping[str, DayValues]) -> FleetValues:
    """Return the values of some lifts in one."""
    parts = list(lifts.values())
    doors, levels, lift = (
        (
            np.concatenate([np.zeros(0, dtype=form), *(getattr(part, name) for part in parts)]),
            np.repeat(np.arange(len(parts)), [len(getattr(part, name)) for part in parts]),
        )
        for name, form in (("doors", DOOR_RECORD), ("levels", LEVEL_RECORD), ("lift", LIFT_RECORD))
    )
    faults = [(number, day, codes) for number, part in enumerate(parts) for day, codes in part.faults.items()]
    return FleetValues(list(lifts), doors[0], levels[0], lift[0], doors[1], levels[1], lift[1], faults)


def joined_values(parts: Sequence[DayValues]) -> DayValues:
    """Return the values of all parts, which are of one lift and of different days, in order."""
    faults = {day: codes for part in parts for day, codes in part.faults.items()}
    doors, levels, lift = (
        np.concatenate([getattr(part, name) for part in parts]) for name in ("doors", "levels", "lift")
    )
    return DayValues(doors, levels, lift, faults)


class _Groups:
    """Rows that belong together, numbered in the order of their keys, and what can be said of each group."""

    def __init__(self, *keys: Ints) -> None:
        """Group rows by keys of equal length, the first being the most significant."""
        code = np.zeros(len(keys[0]), dtype=np.int64)
        for key in keys:
            low = int(key.min()) if len(key) else 0
            code = code * ((int(key.max()) - low + 1) if len(key) else 1) + (key.astype(np.int64) - low)
        _, self.first, self._of = np.unique(code, return_index=True, return_inverse=True)
        self.sizes = np.bincount(self._of, minlength=len(self.first))
        self._starts = np.cumsum(self.sizes) - self.sizes

    def median(self, values: Floats) -> Floats:
        """Return the median of each group without its NaN; NaN where it has no number."""
        order = np.argsort(values)  # NaN last
        order = order[np.argsort(self._of[order], kind="stable")]
        ordered, known = values[order], self.known(values)
        low = ordered[self._starts + np.maximum((known - 1) // 2, 0)]
        high = ordered[self._starts + np.minimum(known // 2, self.sizes - 1)]
        return np.where(known > 0, (low + high) / 2, np.nan)

    def spread(self, values: Floats, centres: Floats) -> Floats:
        """Return the scaled median distance from the groups' centres; NaN of too few readings."""
        spread = MAD_TO_SIGMA * self.median(np.abs(values - centres[self._of]))
        return np.where(self.known(values) >= SPREAD_COUNT_MIN, spread, np.nan)

    def known(self, values: Floats) -> Ints:
        """Return how many of each group are numbers."""
        return self._sum(~np.isnan(values)).astype(np.int64)

    def mean(self, values: Floats) -> Floats:
        """Return the mean of each group without its NaN; NaN where it has no number."""
        known = self.known(values)
        return np.where(known > 0, self._sum(np.nan_to_num(values)) / np.maximum(known, 1), np.nan)

    def largest(self, values: Floats) -> Floats:
        """Return, at each row, the largest number of its group; 0 where there is none."""
        largest = np.zeros(len(self.first))
        np.maximum.at(largest, self._of, np.nan_to_num(values))
        return largest[self._of]

    def slope(self, x: Floats, y: Floats) -> Floats:
        """Return how `y` grows with `x` in each group, by least squares; NaN where `x` does not vary."""
        known = ~(np.isnan(x) | np.isnan(y))
        x, y = np.where(known, x, np.nan), np.where(known, y, np.nan)
        x, y = x - self.mean(x)[self._of], y - self.mean(y)[self._of]
        of_x = self._sum(np.nan_to_num(x * x))
        return np.where(of_x > 0, self._sum(np.nan_to_num(x * y)) / np.where(of_x > 0, of_x, 1.0), np.nan)

    def at_rows(self, values: Floats) -> Floats:
        """Return the value of each row's group."""
        return values[self._of]

    def _sum(self, values: NDArray[np.generic]) -> Floats:
        return np.bincount(self._of, weights=values, minlength=len(self.first)).astype(np.float64)


def _doors(doors: DoorReadings) -> Records:
    day, rear = np.tile(doors.day, 2), np.tile(doors.rear, 2)
    floor = _with_whole_lift(doors.floor)
    groups = _Groups(day, rear.astype(np.int64), floor)
    records = np.zeros(len(groups.first), dtype=DOOR_RECORD)
    records["day"], records["floor"], records["rear"] = day[groups.first], floor[groups.first], rear[groups.first]
    records["count"] = np.minimum(groups.sizes, COUNT_MAX)
    read = {name: np.tile(getattr(doors, name), 2) for name in ("opening_ms", "closing_ms", "dwell_ms")}
    closing_ms = groups.median(read["closing_ms"])
    of_channel = {
        "opening_ms": groups.median(read["opening_ms"]),
        "closing_ms": closing_ms,
        "closing_spread_ms": groups.spread(read["closing_ms"], closing_ms),
        "dwell_ms": groups.median(read["dwell_ms"]),
        "peak_current_a": groups.median(np.tile(doors.peak_current_a, 2)),
        "reversals_per_100": _PER_100 * groups.mean(np.tile(doors.reversals, 2)),
        "nudging_per_100": _PER_100 * groups.mean(np.tile(doors.nudging, 2)),
    }
    records["values"] = np.column_stack([of_channel[name] for name in DOOR_CHANNELS])
    return records


def _levels(levels: LevelReadings) -> Records:
    day, direction = np.tile(levels.day, 2), np.tile(levels.direction, 2)
    floor, error_mm = _with_whole_lift(levels.floor), np.tile(levels.error_mm, 2)
    groups = _Groups(day, floor, direction)
    records = np.zeros(len(groups.first), dtype=LEVEL_RECORD)
    for name, column in (("day", day), ("floor", floor), ("direction", direction)):
        records[name] = column[groups.first]
    records["count"] = np.minimum(groups.sizes, COUNT_MAX)
    median = groups.median(error_mm)
    records["values"] = np.column_stack([median, groups.spread(error_mm, median)])
    return records


def _with_whole_lift(floor: Ints) -> Ints:
    return np.concatenate([floor, np.full(len(floor), WHOLE_LIFT, dtype=np.int64)])


def _lift(readings: DayReadings) -> Records:
    doors, levels, trips, machine = readings.doors, readings.levels, readings.trips, readings.machine
    told = [
        doors.day,
        levels.day,
        trips.day,
        machine.day,
        np.array([*readings.reboots, *readings.faults], dtype=np.int64),
    ]
    days = np.unique(np.concatenate(told))
    records = np.zeros(len(days), dtype=LIFT_RECORD)
    records["day"] = days
    for number, of_rows in enumerate((machine.day, trips.day, doors.day, levels.day)):
        records["counts"][:, number] = np.minimum(_count(days, of_rows), COUNT_MAX)
    of_channel = {
        "reboots": np.array([readings.reboots.get(int(day), 0) for day in days], dtype=np.float64),
        "door_cycles": _count(days, doors.day),
        "trips": _count(days, trips.day),
        **_on_days(days, machine.day, _of_machine(machine)),
        **_on_days(days, trips.day, _of_trips(trips)),
        **_on_days(days, levels.day, _of_levels(levels)),
    }
    records["values"] = np.column_stack([of_channel[name] for name in LIFT_CHANNELS])
    return records


def _count(days: Ints, of_rows: Ints) -> Ints:
    return np.bincount(np.searchsorted(days, of_rows), minlength=len(days))


def _on_days(days: Ints, of_rows: Ints, values: Mapping[str, Floats]) -> dict[str, Floats]:
    """Return values of the days that have rows as values of all days."""
    at = np.searchsorted(days, np.unique(of_rows))
    placed = {name: np.full(len(days), np.nan) for name in values}
    for name, column in placed.items():
        column[at] = values[name]
    return placed


def _of_machine(machine: MachineReadings) -> dict[str, Floats]:
    groups = _Groups(machine.day)
    return {name: groups.median(getattr(machine, name)) for name in MACHINE_CHANNELS}


def _of_trips(trips: TripReadings) -> dict[str, Floats]:
    groups = _Groups(trips.day)
    with np.errstate(divide="ignore", invalid="ignore"):
        per_floor_ms = np.where(trips.floors > 0, trips.duration_ms / trips.floors, np.nan)
        # What is left of a trip at full speed is the time of starting and of speeding up: the same for each of them.
        travel_ms = 1_000.0 * trips.distance_mm / trips.max_speed_mm_s
    fast = trips.max_speed_mm_s > _FULL_SPEED_PART * groups.largest(trips.max_speed_mm_s)
    return {
        "load_pct": groups.mean(trips.load_pct),
        "trip_ms_per_floor": groups.median(per_floor_ms),
        "start_delay_ms": groups.median(np.where(fast, trips.duration_ms - travel_ms, np.nan)),
    }


def _of_levels(levels: LevelReadings) -> dict[str, Floats]:
    groups = _Groups(levels.day)
    landings = _Groups(levels.day, levels.floor, levels.direction)
    own_mm = levels.error_mm - landings.at_rows(landings.median(levels.error_mm))
    return {
        "relevelled_per_100": _PER_100 * groups.mean(levels.relevelled),
        # In mm from the empty to the full car, each landing compared with itself.
        "error_by_load_mm": _PER_100 * groups.slope(levels.load_pct, own_mm),
    }
