from datetime import UTC, date, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from ingest.clock import from_ms
from simulator.fleet import LiftSpec, Use, make_fleet
from simulator.traffic import day_start_ms, destination, hour_weights, trips_before, wanted_starts_ms

FLEET = make_fleet(7, 60)
MONDAY = date(2026, 3, 2)


def one(use: Use) -> LiftSpec:
    return next(spec for spec in FLEET if spec.use is use)


def starts_by_hour(spec: LiftSpec, day: date, days: int) -> list[int]:
    hours = [0] * 24
    for number in range(days):
        today = day + timedelta(days=number)
        for start_ms in wanted_starts_ms(spec, today, spec.random("test", today)):
            hours[from_ms(start_ms).hour] += 1
    return hours


def test_a_home_has_its_peaks_in_the_morning_and_in_the_evening_and_a_quiet_night() -> None:
    hours = starts_by_hour(one(Use.RESIDENTIAL), MONDAY, 5)
    mean = sum(hours) / 24
    assert min(hours[8], hours[9], hours[18], hours[19]) > 1.4 * mean
    assert max(hours[1:5]) < 0.4 * mean


def test_offices_rest_at_the_weekend() -> None:
    spec = one(Use.OFFICE)
    monday, saturday = (
        trips_before(spec, day + timedelta(days=1)) - trips_before(spec, day)
        for day in (MONDAY, MONDAY + timedelta(days=5))
    )
    assert saturday < 0.4 * monday


def test_every_use_has_a_weight_for_every_hour() -> None:
    for use in Use:
        for day in (MONDAY, MONDAY + timedelta(days=6)):
            weights = hour_weights(use, day)
            assert len(weights) == 24
            assert min(weights) > 0


@given(spec=st.sampled_from(FLEET), day=st.dates(min_value=date(2003, 1, 1), max_value=date(2060, 1, 1)))
def test_counters_never_run_backwards(spec: LiftSpec, day: date) -> None:
    today, tomorrow = trips_before(spec, day), trips_before(spec, day + timedelta(days=1))
    assert 0 <= today <= tomorrow <= today + 1.4 * spec.trips_per_day


@given(spec=st.sampled_from(FLEET), floor=st.integers(1, 33), seed=st.integers())
def test_a_car_goes_to_another_floor_of_its_building(spec: LiftSpec, floor: int, seed: int) -> None:
    floor = min(floor, spec.floors)
    to_floor = destination(spec, floor, spec.random(seed))
    assert to_floor != floor
    assert 1 <= to_floor <= spec.floors


def test_a_day_begins_at_midnight_utc() -> None:
    assert from_ms(day_start_ms(MONDAY)) == datetime(2026, 3, 2, tzinfo=UTC)
