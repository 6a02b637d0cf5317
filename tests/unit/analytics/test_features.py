"""Daily values: each is what the plain definition says, a landing apart, whatever the order of the readings."""

from statistics import median
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct

from analytics.daily_series import day_of, series_of
from analytics.features import (
    CHANNELS,
    DOWN,
    LIFT_CHANNELS,
    MAD_TO_SIGMA,
    NO_DIRECTION,
    SOURCE_OF,
    SPREAD_COUNT_MIN,
    UP,
    DayReadings,
    DoorReadings,
    LevelReadings,
    MachineReadings,
    TripReadings,
    daily_values,
    together,
)

DAY = 20_000
DAYS = 5
Ints, Floats = np.int64, np.float64
_NAN = float("nan")


class Series(Struct):
    """The days on which a series has a value, its values and their counts."""

    day: Any
    value: Any
    count: Any


def doors(*rows: tuple[int, int, float], **more: list[float]) -> DoorReadings:
    """Return door cycles of (day, floor, closing_ms)."""
    count = len(rows)
    columns = {
        "opening_ms": [2_000.0] * count,
        "dwell_ms": [4_000.0] * count,
        "peak_current_a": [2.5] * count,
        "reversals": [0.0] * count,
        "nudging": [0.0] * count,
    }
    return DoorReadings(
        day=np.array([row[0] for row in rows], dtype=Ints),
        floor=np.array([row[1] for row in rows], dtype=Ints),
        rear=np.array(more.pop("rear", [0] * count), dtype=np.bool_),
        closing_ms=np.array([row[2] for row in rows], dtype=Floats),
        **{name: np.array(column, dtype=Floats) for name, column in (columns | more).items()},
    )


def levels(*rows: tuple[int, int, float, float]) -> LevelReadings:
    """Return stops of (floor, direction, error_mm, load_pct) on one day."""
    floor, direction, error_mm, load_pct = (np.array([row[at] for row in rows], dtype=Floats) for at in range(4))
    day = np.full(len(rows), DAY, dtype=Ints)
    relevelled = (np.abs(error_mm) > 10).astype(Floats)
    return LevelReadings(
        day=day,
        floor=floor.astype(Ints),
        direction=direction.astype(Ints),
        error_mm=error_mm,
        relevelled=relevelled,
        load_pct=load_pct,
    )


def trips(*rows: tuple[int, float, float, float]) -> TripReadings:
    """Return trips of (floors, duration_ms, distance_mm, max_speed_mm_s) on one day."""
    columns = [np.array([row[at] for row in rows], dtype=Floats) for at in range(4)]
    return TripReadings(
        day=np.full(len(rows), DAY, dtype=Ints),
        floors=columns[0].astype(Ints),
        duration_ms=columns[1],
        distance_mm=columns[2],
        max_speed_mm_s=columns[3],
        load_pct=np.full(len(rows), _NAN),
    )


def machine(*motor_c: float) -> MachineReadings:
    """Return readings of one day that tell the motor's temperature alone."""
    nothing = np.full(len(motor_c), _NAN)
    return MachineReadings(
        day=np.full(len(motor_c), DAY, dtype=Ints),
        brake_release_ms=nothing,
        brake_apply_ms=nothing,
        vibration_mg=nothing,
        motor_c=np.array(motor_c, dtype=Floats),
        machine_room_c=nothing,
    )


def columns(
    doors_read: DoorReadings | None = None,
    levels_read: LevelReadings | None = None,
    trips_read: TripReadings | None = None,
    machine_read: MachineReadings | None = None,
    faults: dict[int, dict[str, int]] | None = None,
    reboots: dict[int, int] | None = None,
) -> dict[tuple[str, int | None, str | None], Series]:
    """Return the series of what was read, by channel, floor and direction."""
    readings = DayReadings(
        doors=doors_read or doors(),
        levels=levels_read or levels(),
        trips=trips_read or trips(),
        machine=machine_read or machine(),
        faults=faults or {},
        reboots=reboots or {},
    )
    series = series_of(together({"L1": daily_values(readings)}), day_of(DAY), DAYS)
    rows = zip(series.keys, series.values, series.counts, strict=True)
    return {(key.channel, key.floor, key.direction): _known(values, counts) for key, values, counts in rows}


def _known(values: Any, counts: Any) -> Series:
    known = ~np.isnan(values)
    assert ((counts > 0) == known).all()
    return Series(np.flatnonzero(known) + DAY, values[known], counts[known])


def test_a_lift_that_said_nothing_has_no_series() -> None:
    assert columns() == {}


def test_every_channel_of_the_whole_lift_says_what_it_was_made_of() -> None:
    assert set(SOURCE_OF) == set(LIFT_CHANNELS)
    assert len(set(CHANNELS)) == len(CHANNELS)


def test_landings_are_kept_apart_and_the_whole_lift_stands_beside_them() -> None:
    found = columns(doors((DAY, 1, 3_000.0), (DAY, 2, 3_400.0), (DAY, 2, 3_600.0)))
    assert found["closing_ms", 1, None].value.tolist() == [3_000.0]
    assert found["closing_ms", 2, None].value.tolist() == [3_500.0]
    assert found["closing_ms", None, None].value.tolist() == [3_400.0]
    assert found["closing_ms", None, None].count.tolist() == [3]


def test_days_are_kept_apart_and_come_in_order() -> None:
    found = columns(doors((DAY + 2, 1, 3_300.0), (DAY, 1, 3_000.0), (DAY + 2, 1, 3_500.0)))
    series = found["closing_ms", 1, None]
    assert series.day.tolist() == [DAY, DAY + 2]
    assert series.value.tolist() == [3_000.0, 3_400.0]
    assert series.count.tolist() == [1, 2]


def test_one_odd_reading_moves_no_median() -> None:
    found = columns(doors(*[(DAY, 1, 3_000.0)] * 6, (DAY, 1, 600_000.0)))
    assert found["closing_ms", 1, None].value.tolist() == [3_000.0]


@given(st.lists(st.tuples(st.integers(DAY, DAY + 2), st.integers(-2, 3), st.floats(0, 600_000)), max_size=40))
def test_the_values_of_a_landing_are_its_median_and_its_scaled_deviation(rows: list[tuple[int, int, float]]) -> None:
    found = columns(doors(*rows))
    for day, floor, _ in rows:
        own = [row[2] for row in rows if row[:2] == (day, floor)]
        series = found["closing_ms", floor, None]
        at = series.day.tolist().index(day)
        assert series.value[at] == pytest.approx(median(own), rel=1e-6, abs=1e-30)
        assert series.count[at] == len(own)
        spread = found.get(("closing_spread_ms", floor, None))
        known = spread is not None and day in spread.day
        assert known == (len(own) >= SPREAD_COUNT_MIN)
        if spread is not None and known:
            deviation = MAD_TO_SIGMA * median(abs(value - median(own)) for value in own)
            assert spread.value[spread.day.tolist().index(day)] == pytest.approx(deviation, rel=1e-5, abs=1e-3)


def test_a_reading_that_a_controller_does_not_send_has_no_series() -> None:
    found = columns(doors((DAY, 1, 3_000.0), (DAY, 1, 3_000.0), peak_current_a=[_NAN, _NAN]))
    assert ("peak_current_a", 1, None) not in found


def test_a_reading_that_is_told_only_sometimes_counts_where_it_is_told() -> None:
    found = columns(doors(*[(DAY, 1, 3_000.0)] * 3, dwell_ms=[_NAN, 5_000.0, 7_000.0]))
    assert found["dwell_ms", 1, None].value.tolist() == [6_000.0]


def test_reversals_and_nudging_are_told_by_the_hundred() -> None:
    found = columns(doors(*[(DAY, 1, 3_000.0)] * 4, reversals=[0, 2, 0, 0], nudging=[1, 0, 0, 0]))
    assert found["reversals_per_100", 1, None].value.tolist() == [50.0]
    assert found["nudging_per_100", 1, None].value.tolist() == [25.0]


def test_the_rear_door_has_channels_of_its_own() -> None:
    found = columns(doors((DAY, 1, 3_000.0), (DAY, 1, 4_000.0), rear=[0, 1]))
    assert found["closing_ms", 1, None].value.tolist() == [3_000.0]
    assert found["rear:closing_ms", 1, None].value.tolist() == [4_000.0]


def test_levelling_is_told_by_landing_and_direction() -> None:
    found = columns(levels_read=levels((3, UP, 4.0, 0), (3, DOWN, -2.0, 0), (3, UP, 6.0, 0), (4, NO_DIRECTION, 1.0, 0)))
    assert found["error_mm", 3, "up"].value.tolist() == [5.0]
    assert found["error_mm", 3, "down"].value.tolist() == [-2.0]
    assert found["error_mm", 4, None].value.tolist() == [1.0]
    assert found["error_mm", None, "up"].value.tolist() == [5.0]


def test_how_the_load_moves_the_level_is_told_whatever_the_landings_differ() -> None:
    rows = [(floor, UP, 5.0 * floor + 0.08 * load, float(load)) for floor in (1, 2) for load in (0, 25, 50, 75, 100)]
    found = columns(levels_read=levels(*rows))
    assert found["error_by_load_mm", None, None].value.tolist() == pytest.approx([8.0])


def test_trips_at_full_speed_tell_how_long_the_lift_takes_to_start() -> None:
    at_full_speed = [(3, 9_000.0 / 1.6 + 3_200.0, 9_000.0, 1_600.0)] * 3
    found = columns(trips_read=trips(*at_full_speed, (1, 9_999.0, 3_000.0, 1_200.0)))
    assert found["start_delay_ms", None, None].value.tolist() == pytest.approx([3_200.0], rel=1e-6)
    assert found["trips", None, None].value.tolist() == [4.0]


def test_a_trip_to_the_landing_where_the_car_stands_has_no_time_for_a_floor() -> None:
    assert ("trip_ms_per_floor", None, None) not in columns(trips_read=trips((0, 1_000.0, _NAN, _NAN)))


def test_machine_readings_are_medians_of_what_was_told() -> None:
    found = columns(machine_read=machine(40.0, 60.0, 44.0))
    assert found["motor_c", None, None].value.tolist() == [44.0]
    assert ("brake_apply_ms", None, None) not in found


def test_a_day_without_a_fault_is_a_value_where_the_lift_said_something() -> None:
    read = doors((DAY, 1, 3_000.0), (DAY + 1, 1, 3_000.0), (DAY + 2, 1, 3_000.0))
    found = columns(read, faults={DAY + 1: {"door-closing-fault": 2}}, reboots={DAY + 2: 1})
    assert found["fault:door-closing-fault", None, None].value.tolist() == [0.0, 2.0, 0.0]
    assert found["reboots", None, None].value.tolist() == [0.0, 0.0, 1.0]


def test_no_trip_is_a_value_too() -> None:
    found = columns(doors((DAY, 1, 3_000.0)))
    assert found["trips", None, None].value.tolist() == [0.0]
    assert found["trips", None, None].count.tolist() == [1]
