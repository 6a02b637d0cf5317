from collections.abc import Callable
from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.cycles import Cycles, cycles, joined
from simulator.fleet import HYDRAULIC, LiftSpec, make_fleet
from simulator.mechanisms import BY_NAME, MECHANISMS, fits
from simulator.stops import Stop
from simulator.traffic import DAY_MS, HOUR_MS, day_start_ms, lost_of, trips_of
from simulator.wear import Segment, Wear

FLEET = make_fleet(7, 60)
TRACTION = max((spec for spec in FLEET if spec.drive != HYDRAULIC), key=lambda spec: spec.trips_per_day)
HYDRAULIC_LIFT = next(spec for spec in make_fleet(7, 400) if spec.drive == HYDRAULIC)
DAY = date(2026, 3, 2)
DAY_STARTS_MS = day_start_ms(DAY)


def worn(name: str, severity: float, floor: int | None = None) -> Wear:
    """A part that stays as worn as it is."""
    mechanism = BY_NAME[name]
    progress = severity ** (1 / mechanism.shape)
    segment = Segment(DAY_STARTS_MS - DAY_MS, DAY_STARTS_MS + 400 * DAY_MS, progress, 0.0)
    return Wear(mechanism=name, floor=floor, shape=mechanism.shape, segments=(segment,), ended_by="")


def month(spec: LiftSpec, *wears: Wear, days: int = 10) -> Cycles:
    return joined([cycles(spec, wears, DAY + timedelta(days=number), []) for number in range(days)])


def stops_strategy() -> st.SearchStrategy[list[Stop]]:
    edges = st.lists(st.integers(0, DAY_MS), min_size=2, max_size=8, unique=True)
    even = edges.map(lambda instants: sorted(instants)[: len(instants) // 2 * 2])
    return even.map(
        lambda instants: [Stop(first, last) for first, last in zip(instants[::2], instants[1::2], strict=True)]
    )


@given(spec=st.sampled_from(FLEET), stops=stops_strategy())
def test_nothing_moves_while_the_lift_is_stopped(spec: LiftSpec, stops: list[Stop]) -> None:
    made = cycles(spec, [], DAY, stops)
    for stop in stops:
        assert ((made.end_ms < stop.start_ms) | (made.start_ms >= stop.end_ms)).all()


@given(spec=st.sampled_from(FLEET), stops=stops_strategy())
def test_cycles_follow_each_other_floor_by_floor_within_the_day(spec: LiftSpec, stops: list[Stop]) -> None:
    made = cycles(spec, [], DAY, stops)
    assert (made.end_ms[:-1] < made.start_ms[1:]).all()
    assert (made.to_floor[:-1] == made.from_floor[1:]).all()
    assert (made.start_ms >= 0).all()
    assert (made.end_ms < DAY_MS).all()


def test_every_passenger_who_finds_the_lift_open_is_carried() -> None:
    stops = [Stop(10 * HOUR_MS, 11 * HOUR_MS)]
    for spec in FLEET:
        assert len(cycles(spec, [], DAY, stops)) == trips_of(spec, DAY) - lost_of(spec, DAY, stops)


def test_the_car_stands_where_its_fault_will_happen() -> None:
    noon_ms = DAY_MS // 2
    stands = 0
    for spec in FLEET:
        made = cycles(spec, [], DAY, [Stop(noon_ms, noon_ms + 60_000, floor=spec.floors)])
        before = made.to_floor[made.end_ms < noon_ms]
        stands += int(before[-1]) == spec.floors
        assert (made.to_floor != made.from_floor).all()
    # A car that stood there already has gone away once more: now and then.
    assert stands >= 0.85 * len(FLEET)


def test_a_lift_that_is_stopped_all_day_does_nothing() -> None:
    assert len(cycles(TRACTION, [], DAY, [Stop(0, DAY_MS)])) == 0


def test_healthy_doors_and_levels_are_what_a_healthy_lift_has() -> None:
    made = month(TRACTION)
    assert abs(made.closing_ms.mean() - TRACTION.door.closing_ms) < 20
    assert 80 < made.closing_ms.std() < 125
    assert abs(made.opening_ms.mean() - TRACTION.door.opening_ms) < 20
    assert abs((made.error_tenth_mm / 10).mean()) < 1
    assert 2.5 < (made.error_tenth_mm / 10).std() < 3.5
    assert 0.01 < made.reversals.mean() < 0.06
    assert not made.nudging.any()


def test_a_ride_takes_the_time_of_its_distance() -> None:
    made = month(TRACTION, days=1)
    moving_s = (made.arrive_ms - made.start_ms) / 1000
    assert (made.distance_mm == abs(made.to_floor - made.from_floor) * TRACTION.floor_height_mm).all()
    assert (moving_s > made.distance_mm / TRACTION.speed_mm_s).all()
    assert (made.max_speed_mm_s <= TRACTION.speed_mm_s).all()


# What each kind of wear shows in the columns of a day, worn by half against not worn: (mechanism, reading, direction).
def _closing(made: Cycles) -> float:
    return float(made.closing_ms.mean())


def _current(made: Cycles) -> float:
    return float(made.current_10ma.mean())


def _scatter(made: Cycles) -> float:
    return float(made.closing_ms.std())


def _starts(made: Cycles) -> float:
    fast = made.distance_mm / made.max_speed_mm_s + made.max_speed_mm_s / 800
    return float((made.arrive_ms - made.start_ms - fast * 1000).mean())


def _level_scatter(made: Cycles) -> float:
    return float(made.error_tenth_mm.std())


def _by_direction(made: Cycles) -> float:
    up = made.to_floor > made.from_floor
    return float(made.error_tenth_mm[up].mean() - made.error_tenth_mm[~up].mean())


def _by_load(made: Cycles) -> float:
    full = made.load_pct > 40
    return abs(float(made.error_tenth_mm[full].mean() - made.error_tenth_mm[made.load_pct == 0].mean()))


def _bottom(made: Cycles) -> float:
    return -float(made.error_tenth_mm[made.to_floor <= 2].mean())


def _nudges(made: Cycles) -> float:
    return float(made.nudging.mean())


def _reverses(made: Cycles) -> float:
    return float(made.reversals.mean())


@pytest.mark.parametrize(
    ("name", "reading", "grows_by"),
    [
        ("door-friction-car", _closing, 150),
        ("door-friction-car", _current, 20),
        ("door-friction-car", _reverses, 0.05),
        ("door-belt-slip", _scatter, 100),
        ("door-lock-contact", _starts, 150),
        ("light-curtain", _nudges, 0.2),
        ("brake-lining", _level_scatter, 10),
        ("rope-settling", _bottom, 20),
        ("groove-wear", _by_load, 10),
        ("encoder-slip", _by_direction, 50),
        ("contactor", _starts, 300),
        ("hydraulic-valve", _bottom, 5),
    ],
)
def test_wear_shows_in_what_the_lift_measures(name: str, reading: Callable[[Cycles], float], grows_by: float) -> None:
    spec = TRACTION if fits(BY_NAME[name], TRACTION) else HYDRAULIC_LIFT
    assert reading(month(spec, worn(name, 0.5))) > reading(month(spec)) + grows_by


def test_wear_of_one_landing_shows_at_no_other() -> None:
    bad, new = month(TRACTION, worn("landing-vane", 0.8, floor=3)), month(TRACTION)
    at_bad = bad.to_floor == 3
    assert bad.error_tenth_mm[at_bad].mean() < new.error_tenth_mm[new.to_floor == 3].mean() - 80
    assert np.array_equal(bad.error_tenth_mm[~at_bad], new.error_tenth_mm[~at_bad])


def test_every_mechanism_shows_in_some_reading() -> None:
    for mechanism in MECHANISMS:
        effects = mechanism.effects
        assert any(getattr(effects, name) for name in effects.__struct_fields__), mechanism.name
