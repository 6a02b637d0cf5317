from datetime import UTC, date, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from ingest.clock import from_ms
from simulator.cycles import cycles
from simulator.fleet import LiftSpec, Use, make_fleet
from simulator.stops import Stop
from simulator.traffic import (
    DAY_MS,
    HOUR_MS,
    by_day,
    day_start_ms,
    hour_weights,
    lost_before,
    lost_of,
    trips_before,
    trips_of,
)

FLEET = make_fleet(7, 60)
MONDAY = date(2026, 3, 2)


def one(use: Use) -> LiftSpec:
    return next(spec for spec in FLEET if spec.use is use)


def starts_by_hour(spec: LiftSpec, day: date, days: int) -> list[int]:
    hours = [0] * 24
    for number in range(days):
        for start_ms in cycles(spec, [], day + timedelta(days=number), []).start_ms:
            hours[int(start_ms) // HOUR_MS] += 1
    return hours


def test_a_home_has_its_peaks_in_the_morning_and_in_the_evening_and_a_quiet_night() -> None:
    hours = starts_by_hour(one(Use.RESIDENTIAL), MONDAY, 5)
    mean = sum(hours) / 24
    assert min(hours[8], hours[9], hours[18], hours[19]) > 1.2 * mean
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


@given(spec=st.sampled_from(FLEET), day=st.dates(min_value=date(2021, 1, 1), max_value=date(2030, 1, 1)))
def test_a_car_goes_to_another_floor_of_its_building_and_fetches_people_empty(spec: LiftSpec, day: date) -> None:
    made = cycles(spec, [], day, [])
    assert (made.to_floor != made.from_floor).all()
    assert (made.from_floor[1:] == made.to_floor[:-1]).all()
    assert made.to_floor.min() >= 1
    assert made.to_floor.max() <= spec.floors
    assert 0.1 < (made.load_pct == 0).mean() < 0.55


def share_from_main(spec: LiftSpec, hours: range) -> float:
    made = cycles(spec, [], MONDAY, [])
    inside = (made.start_ms >= hours.start * HOUR_MS) & (made.start_ms < hours.stop * HOUR_MS) & (made.load_pct > 0)
    return float((made.from_floor[inside] == 1).mean())


def test_an_office_fills_in_the_morning_and_empties_in_the_evening() -> None:
    spec = one(Use.OFFICE)
    assert share_from_main(spec, range(7, 9)) > 0.7
    assert share_from_main(spec, range(18, 20)) < 0.2
    home = one(Use.RESIDENTIAL)
    assert share_from_main(home, range(7, 9)) < 0.4 < share_from_main(home, range(18, 20))


@given(spec=st.sampled_from(FLEET), day=st.dates(min_value=date(2021, 1, 1), max_value=date(2030, 1, 1)))
def test_who_finds_the_lift_stopped_is_not_carried(spec: LiftSpec, day: date) -> None:
    stops = [Stop(9 * HOUR_MS, 11 * HOUR_MS), Stop(20 * HOUR_MS, DAY_MS)]
    lost = lost_of(spec, day, stops)
    assert 0 < lost < trips_of(spec, day)
    assert lost_of(spec, day, [Stop(0, DAY_MS)]) == trips_of(spec, day)
    assert lost_before(spec, day, [], []) == 0


def test_what_was_lost_adds_up_from_day_to_day() -> None:
    spec, first_ms = FLEET[0], day_start_ms(MONDAY)
    stops = [
        Stop(first_ms + 9 * HOUR_MS, first_ms + 10 * HOUR_MS),
        Stop(first_ms + 20 * HOUR_MS, first_ms + 30 * HOUR_MS),
    ]
    days = dict(by_day(stops))
    assert list(days) == [MONDAY, MONDAY + timedelta(days=1)]
    kept: list[tuple[int, int]] = []
    before = [lost_before(spec, MONDAY + timedelta(days=number), stops, kept) for number in range(4)]
    each = [lost_of(spec, day, parts) for day, parts in days.items()]
    assert before == [0, each[0], sum(each), sum(each)]


def test_a_day_begins_at_midnight_utc() -> None:
    assert from_ms(day_start_ms(MONDAY)) == datetime(2026, 3, 2, tzinfo=UTC)
