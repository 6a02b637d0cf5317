import pytest
from msgspec import structs

from alerts.clocks import arrive_by, is_breached, time_left_s
from tests.unit.alerts.parts import NOON, at
from tests.unit.alerts.test_work_orders import NEW

HALF_AN_HOUR = structs.replace(NEW, arrive_by=at(1_800))


def test_the_clock_of_an_entrapment_runs_thirty_minutes() -> None:
    assert arrive_by(NOON, 30) == at(1_800)


def test_an_order_without_clock_is_never_late() -> None:
    order = structs.replace(NEW, arrive_by=arrive_by(NOON, None))
    assert not is_breached(order, at(10**8))
    assert time_left_s(order, NOON) is None


@pytest.mark.parametrize(("now_s", "breached"), [(0, False), (1_799, False), (1_800, True), (1_801, True)])
def test_the_breach_is_flagged_when_the_half_hour_is_full(now_s: int, breached: bool) -> None:
    assert is_breached(HALF_AN_HOUR, at(now_s)) is breached
    assert time_left_s(HALF_AN_HOUR, at(now_s)) == 1_800 - now_s


@pytest.mark.parametrize(("arrived_s", "breached"), [(1_799, False), (1_800, False), (1_801, True)])
def test_an_arrival_is_judged_by_its_own_instant_for_ever(arrived_s: int, breached: bool) -> None:
    order = structs.replace(HALF_AN_HOUR, arrived_at=at(arrived_s), closed_at=at(90_000))
    assert is_breached(order, at(100_000)) is breached
    assert time_left_s(order, at(100_000)) is None


def test_cancelling_in_time_stops_the_clock() -> None:
    order = structs.replace(HALF_AN_HOUR, closed_at=at(600))
    assert not is_breached(order, at(90_000))
