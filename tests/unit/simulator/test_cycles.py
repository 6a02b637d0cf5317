from datetime import date, timedelta
from itertools import pairwise
from statistics import fmean, pstdev

from hypothesis import given
from hypothesis import strategies as st

from simulator.cycles import CLOSING_MS, CYCLE_MS_MAX, OPENING_MS, Cycle, Stop, cycles, put_off
from simulator.fleet import LiftSpec, make_fleet
from simulator.traffic import DAY_MS, day_start_ms
from simulator.wear import closing_factor

FLEET = make_fleet(7, 30)
HEALTHY = next(spec for spec in FLEET if not spec.troubled)
TROUBLED = next(spec for spec in FLEET if spec.troubled)
DAY = date(2026, 3, 2)
DAY_STARTS_MS = day_start_ms(DAY)


def month(spec: LiftSpec) -> list[Cycle]:
    return [cycle for number in range(30) for cycle in cycles(spec, DAY + timedelta(days=number), [])]


def stops_strategy() -> st.SearchStrategy[list[Stop]]:
    edges = st.lists(st.integers(-DAY_MS // 4, DAY_MS + DAY_MS // 4), min_size=2, max_size=8, unique=True)
    even = edges.map(lambda instants: sorted(instants)[: len(instants) // 2 * 2])
    return even.map(
        lambda instants: [
            Stop(DAY_STARTS_MS + first, DAY_STARTS_MS + last)
            for first, last in zip(instants[::2], instants[1::2], strict=True)
        ]
    )


@given(spec=st.sampled_from(FLEET), stops=stops_strategy())
def test_nothing_moves_while_the_lift_is_stopped(spec: LiftSpec, stops: list[Stop]) -> None:
    for cycle in cycles(spec, DAY, stops):
        assert all(cycle.end_ms < stop.start_ms or cycle.start_ms >= stop.end_ms for stop in stops)


@given(spec=st.sampled_from(FLEET), stops=stops_strategy())
def test_cycles_follow_each_other_floor_by_floor_within_the_day(spec: LiftSpec, stops: list[Stop]) -> None:
    made = list(cycles(spec, DAY, stops))
    for before, after in pairwise(made):
        assert before.end_ms < after.start_ms
        assert before.to_floor == after.from_floor
    assert all(cycle.start_ms >= DAY_STARTS_MS and cycle.end_ms < DAY_STARTS_MS + DAY_MS for cycle in made)


def test_no_cycle_takes_longer_than_the_time_that_is_kept_free_before_a_stop() -> None:
    for spec in FLEET:
        assert all(cycle.end_ms - cycle.start_ms < CYCLE_MS_MAX for cycle in cycles(spec, DAY, []))


def test_the_car_stands_where_its_fault_will_happen() -> None:
    noon_ms = DAY_STARTS_MS + DAY_MS // 2
    stands = 0
    for spec in FLEET:
        made = cycles(spec, DAY, [Stop(noon_ms, noon_ms + 60_000, floor=spec.floors)])
        stands += [cycle.to_floor for cycle in made if cycle.end_ms < noon_ms][-1] == spec.floors
    # A car that stood there already has gone away once more: now and then.
    assert stands >= 0.9 * len(FLEET)


def test_a_start_is_put_off_over_stops_that_leave_no_room_between_them() -> None:
    stops = [Stop(1_000_000, 2_000_000), Stop(2_000_000 + CYCLE_MS_MAX, 3_000_000)]
    assert put_off(stops, 0) == 0
    assert put_off(stops, 1_000_000 - CYCLE_MS_MAX) == 3_000_000
    assert put_off(stops, 3_000_000) == 3_000_000


def test_healthy_doors_and_levels_are_what_a_healthy_lift_has() -> None:
    made = month(HEALTHY)
    closing = [cycle.closing_ms for cycle in made]
    assert abs(fmean(closing) - CLOSING_MS) < 20
    assert 80 < pstdev(closing) < 120
    assert abs(fmean(cycle.opening_ms for cycle in made) - OPENING_MS) < 20
    errors = [cycle.error_mm for cycle in made]
    assert abs(fmean(errors)) < 1
    assert 2.5 < pstdev(errors) < 3.5
    assert 0.01 < fmean(cycle.reversals for cycle in made) < 0.06


def test_the_door_of_a_troubled_lift_drags_at_one_floor_only() -> None:
    made = month(TROUBLED)
    bad = [cycle.closing_ms for cycle in made if cycle.to_floor == TROUBLED.bad_floor]
    good = [cycle.closing_ms for cycle in made if cycle.to_floor != TROUBLED.bad_floor]
    assert fmean(bad) > fmean(good) + 50
    assert abs(fmean(good) - CLOSING_MS) < 20


def test_a_dragging_door_gets_slower_from_week_to_week_until_it_is_cleaned() -> None:
    factors = [closing_factor(TROUBLED, TROUBLED.bad_floor, DAY_STARTS_MS + week * 7 * DAY_MS) for week in range(8)]
    steps = [after - before for before, after in pairwise(factors)]
    assert sum(step < 0 for step in steps) == 1
    assert all(abs(step - 0.02) < 1e-9 for step in steps if step > 0)


def test_a_ride_takes_the_time_of_its_distance() -> None:
    for cycle in month(HEALTHY)[:500]:
        moving_s = (cycle.arrive_ms - cycle.start_ms) / 1000
        assert cycle.distance_mm == abs(cycle.to_floor - cycle.from_floor) * HEALTHY.floor_height_mm
        assert moving_s > cycle.distance_mm / HEALTHY.speed_mm_s
        assert cycle.max_speed_mm_s <= HEALTHY.speed_mm_s
