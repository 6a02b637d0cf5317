from collections import Counter

import pytest

from ingest.wire import is_lift_id
from simulator.fleet import DUTIES, FIRST_COMMISSIONED_ON, LAST_COMMISSIONED_ON, make_fleet


def test_the_same_seed_makes_the_same_fleet_and_another_seed_another() -> None:
    assert make_fleet(7, 30) == make_fleet(7, 30)
    assert make_fleet(7, 30) != make_fleet(8, 30)


@pytest.mark.parametrize("count", [1, 2, 30, 301])
def test_a_fleet_has_as_many_lifts_as_were_asked_for_each_with_a_name_of_its_own(count: int) -> None:
    lift_ids = [spec.lift_id for spec in make_fleet(7, count)]
    assert len(set(lift_ids)) == count
    assert all(is_lift_id(lift_id) for lift_id in lift_ids)


def test_a_site_has_several_lifts_in_one_building() -> None:
    fleet = make_fleet(7, 60)
    of_site = Counter(spec.site_id for spec in fleet)
    assert sum(number >= 2 for number in of_site.values()) >= len(of_site) - 1
    for site_id in of_site:
        lifts = [spec for spec in fleet if spec.site_id == site_id]
        assert len({(spec.use, spec.floors, spec.commissioned_on, spec.site_name) for spec in lifts}) == 1


def test_a_small_share_of_the_fleet_is_troubled() -> None:
    assert sum(spec.troubled for spec in make_fleet(7, 30)) in (2, 3)
    assert sum(spec.troubled for spec in make_fleet(7, 1)) == 1


def test_lifts_are_built_within_what_their_use_asks_for() -> None:
    for spec in make_fleet(7, 200):
        duty = DUTIES[spec.use]
        assert duty.floors[0] <= spec.floors <= duty.floors[1]
        assert duty.trips_per_day[0] <= spec.trips_per_day <= duty.trips_per_day[1]
        assert FIRST_COMMISSIONED_ON <= spec.commissioned_on <= LAST_COMMISSIONED_ON
        assert 1 <= spec.bad_floor <= spec.floors


@pytest.mark.parametrize("count", [0, -1, 100_000])
def test_a_fleet_that_cannot_be_numbered_is_refused(count: int) -> None:
    with pytest.raises(ValueError, match="lifts, not"):
        make_fleet(7, count)
