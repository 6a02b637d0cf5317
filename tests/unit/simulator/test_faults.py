from collections import Counter
from datetime import date, timedelta

import pytest

from ingest.clock import from_ms
from ingest.faults import CANONICAL
from simulator.faults import (
    DOOR_CLOSING,
    DOWN_MS_MAX,
    ENTRAPMENT,
    HABITS,
    POWER_CUT,
    FaultPeriod,
    fault_periods,
)
from simulator.fleet import LiftSpec, make_fleet

FLEET = make_fleet(7, 60)
YEAR = [date(2025, 1, 1) + timedelta(days=number) for number in range(365)]


@pytest.fixture(scope="module")
def year() -> list[tuple[LiftSpec, FaultPeriod]]:
    return [(spec, period) for spec in FLEET for day in YEAR for period in fault_periods(spec, day)]


def test_the_codes_are_canonical_and_stop_a_lift_where_the_service_thinks_so(
    year: list[tuple[LiftSpec, FaultPeriod]],
) -> None:
    assert {habit.code for habit in HABITS} <= CANONICAL.keys()
    for _, period in year:
        assert period.stops is CANONICAL[period.code].stops_lift


def test_a_lift_in_fair_order_has_two_to_four_faults_a_year(year: list[tuple[LiftSpec, FaultPeriod]]) -> None:
    fair = [spec for spec in FLEET if not spec.troubled]
    faults = [period for spec, period in year if not spec.troubled and period.code not in (ENTRAPMENT, POWER_CUT)]
    assert 2 <= len(faults) / len(fair) <= 4


def test_doors_and_locks_make_half_of_the_faults_or_a_little_more(year: list[tuple[LiftSpec, FaultPeriod]]) -> None:
    faults = [period for spec, period in year if not spec.troubled and period.code not in (ENTRAPMENT, POWER_CUT)]
    doors = [period for period in faults if "door" in period.code or "interlock" in period.code]
    assert 0.45 <= len(doors) / len(faults) <= 0.65


def test_entrapments_are_rare_and_last_as_long_as_a_rescue(year: list[tuple[LiftSpec, FaultPeriod]]) -> None:
    entrapments = [period for _, period in year if period.code == ENTRAPMENT]
    assert 1 <= len(entrapments) <= 0.16 * len(FLEET)
    for period in entrapments:
        assert period.passengers
        assert 20 <= (period.cleared_ms - period.raised_ms) / 60_000 <= 40


def test_a_troubled_lift_has_the_same_door_fault_several_times_a_week(
    year: list[tuple[LiftSpec, FaultPeriod]],
) -> None:
    for spec in (spec for spec in FLEET if spec.troubled):
        of_bad_door = [
            period
            for owner, period in year
            if owner is spec and period.code == DOOR_CLOSING and period.floor == spec.bad_floor
        ]
        assert 2.5 <= len(of_bad_door) / 52 <= 6


def test_a_power_cut_takes_the_whole_building(year: list[tuple[LiftSpec, FaultPeriod]]) -> None:
    cuts = Counter(
        (spec.site_id, period.raised_ms, period.cleared_ms) for spec, period in year if period.code == POWER_CUT
    )
    lifts = Counter(spec.site_id for spec in FLEET)
    assert cuts
    assert all(number == lifts[site_id] for (site_id, _, _), number in cuts.items())


def test_a_fault_is_raised_on_its_day_and_cleared_within_half_a_day() -> None:
    for spec in FLEET[:20]:
        for day in YEAR[:60]:
            for period in fault_periods(spec, day):
                assert from_ms(period.raised_ms).date() == day
                assert 0 < period.cleared_ms - period.raised_ms <= DOWN_MS_MAX


def test_no_two_faults_share_an_id(year: list[tuple[LiftSpec, FaultPeriod]]) -> None:
    assert len({period.fault_id for _, period in year}) == len(year)
