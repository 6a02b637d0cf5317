"""Scenarios in virtual time: what the lifts deliver, what was really wrong, and what the service makes of it today."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from statistics import fmean, pstdev
from typing import Any

import pytest

from alerts.alert import SITE
from analytics.findings import Finding
from ingest.messages import DoorCycle, Fault, Kind, Levelling, Machine
from tests.acceptance.virtual import Centre

Play = Callable[..., Centre]
# What takes weeks is looked at twice a day: most of what a scenario costs is looking.
SELDOM = timedelta(hours=12)


@pytest.fixture
def play(tmp_path: Path) -> Iterator[Play]:
    opened: list[Centre] = []

    def opened_by(name: str, **options: Any) -> Centre:
        opened.append(Centre(name, tmp_path, **options))
        return opened[-1]

    yield opened_by
    for centre in opened:
        centre.close()


def faults(centre: Centre, lift_id: str, since_day: float, until_day: float) -> list[Fault]:
    return [body for body in centre.said(lift_id, Kind.FAULT, since_day, until_day) if body.phase == "raised"]


def closing_ms(centre: Centre, lift_id: str, since_day: float) -> float:
    doors: list[DoorCycle] = centre.said(lift_id, Kind.DOOR, since_day, since_day + 7)
    return fmean(door.closing_ms for door in doors)


def levels_mm(
    centre: Centre, lift_id: str, since_day: float, floor: int | None, *, others: bool = False
) -> list[float]:
    said: list[Levelling] = centre.said(lift_id, Kind.LEVELLING, since_day, since_day + 10)
    return [body.error_mm for body in said if floor is None or (body.floor == floor) is not others]


def day_of(centre: Centre, instant: str) -> float:
    return (datetime.fromisoformat(instant) - centre.start) / timedelta(days=1)


def rises(found: Finding) -> bool:
    """Whether the channel that the finding names has risen from its normal."""
    leading = found.evidence[0]
    return leading["channel"] == found.channel and bool(
        leading["slope_per_day"] > 0 and leading["now"] > leading["normal"]
    )


def soon(found: Finding) -> bool:
    """Whether the limit is passed or comes within a week."""
    return found.days_left is not None and found.days_left < 7


def test_a_dragging_door_slows_down_for_weeks_before_it_fails(play: Play) -> None:
    centre = play("dragging_door", every=SELDOM, closely=50)
    (failure,) = centre.truth("failures.csv")
    assert (failure["lift_id"], failure["cause"]) == ("L0002", "door-friction-car")
    assert day_of(centre, failure["precursor_from"]) == pytest.approx(8, abs=0.01)
    assert 50 <= day_of(centre, failure["failed_at"]) < 51
    new, worn = closing_ms(centre, "L0002", 0), closing_ms(centre, "L0002", 43)
    assert worn > 1.12 * new, "door closing slows down"
    assert closing_ms(centre, "L0002", 51) == pytest.approx(new, rel=0.02), "and is as new after the repair"
    assert closing_ms(centre, "L0001", 43) == pytest.approx(closing_ms(centre, "L0001", 0), rel=0.02)
    assert faults(centre, "L0001", 0, 58) == []
    assert centre.alerts(lift_id="L0001") == []
    assert {fault.code for fault in faults(centre, "L0002", 0, 58)} == {"door-closing-fault"}
    assert faults(centre, "L0002", 0, 8) == []
    stopped = [alert for alert in centre.alerts(kind="lift-stopped") if alert.raised_at >= centre.at(50)]
    failed = [
        alert
        for alert in stopped
        if abs(alert.raised_at - datetime.fromisoformat(failure["failed_at"])) < timedelta(minutes=2)
    ]
    assert len(failed) == 1
    assert failed[0].cleared_at is not None
    order_ids = {alert.work_order_id for alert in centre.alerts(lift_id="L0002", kind="lift-stopped")}
    repairs = [order for order in centre.orders(lift_id="L0002") if order.kind == "repair"]
    assert {order.id for order in repairs} >= order_ids - {None}
    assert len(repairs) == 1, "one cause, one open order"
    assert centre.drifts(8.1) == []
    (found,) = centre.drifts(43.1)
    assert (found.lift_id, found.component, found.floor) == ("L0002", "car-door", None)
    assert rises(found)
    assert found.days_left is not None
    assert found.days_left < 20
    (still,) = centre.drifts(49.1)
    assert (still.lift_id, still.component, still.found_at) == ("L0002", "car-door", found.found_at)
    assert soon(still)
    severities = [float(row["severity"]) for row in centre.truth("conditions.csv")]
    assert severities == sorted(severities)
    assert severities[-1] > 0.9
    assert centre.refused == {}


def test_a_drifting_level_shows_at_one_floor_only(play: Play) -> None:
    centre = play("drifting_level", every=SELDOM, closely=52)
    (failure,) = centre.truth("failures.csv")
    assert (failure["cause"], failure["floor"], failure["stops"]) == ("landing-vane", "3", "0")
    at_floor = fmean(levels_mm(centre, "L0001", 42, 3))
    elsewhere = levels_mm(centre, "L0001", 42, 3, others=True)
    assert at_floor < fmean(levels_mm(centre, "L0001", 0, 3)) - 9
    assert abs(fmean(elsewhere)) < 1
    assert abs(fmean(levels_mm(centre, "L0002", 42, 3))) < 3
    said: list[Levelling] = centre.said("L0001", Kind.LEVELLING, 42, 52)
    relevelled = [body.relevelled for body in said if body.floor == 3]
    assert sum(map(bool, relevelled)) > 0.5 * len(relevelled)
    codes = [(fault.code, fault.floor) for fault in faults(centre, "L0001", 0, 54)]
    assert {code for code, _ in codes} == {"levelling-out-of-tolerance"}
    on_the_day = faults(centre, "L0001", 52, 53)
    assert [fault.code for fault in on_the_day] == ["levelling-out-of-tolerance"]
    assert faults(centre, "L0002", 0, 54) == []
    assert centre.alerts(kind="lift-stopped") == [], "the lift serves all the time"
    assert centre.drifts(8.1) == []
    (found,) = centre.drifts(51.1)
    assert (found.lift_id, found.component, found.floor) == ("L0001", "landing-vane", 3)
    assert (found.channel, found.limit) == ("error_mm", -10.0)
    assert found.value is not None
    assert found.value < -7, "it stops lower and lower"
    assert soon(found)
    assert found.found_at < centre.at(45)
    assert centre.refused == {}


def test_a_worn_brake_applies_late_and_fails_its_self_test_before_it_fails(play: Play) -> None:
    centre = play("worn_brake", every=SELDOM, closely=50)
    (failure,) = centre.truth("failures.csv")
    assert (failure["cause"], failure["code"]) == ("brake-lining", "brake-fault")

    def applies_ms(lift_id: str, since_day: float) -> float:
        said: list[Machine] = centre.said(lift_id, Kind.MACHINE, since_day, since_day + 5)
        return fmean(body.brake_apply_ms for body in said if body.brake_apply_ms is not None)

    assert applies_ms("L0001", 44) > 1.4 * applies_ms("L0001", 0)
    assert applies_ms("L0002", 44) == pytest.approx(applies_ms("L0002", 0), rel=0.02)
    assert pstdev(levels_mm(centre, "L0001", 40, None)) > 1.4 * pstdev(levels_mm(centre, "L0002", 40, None))
    before = {fault.code for fault in faults(centre, "L0001", 5, 49.9)}
    assert before <= {"self-test-failure"}
    failed_at = datetime.fromisoformat(failure["failed_at"])
    alerts = [alert for alert in centre.alerts(lift_id="L0001", kind="lift-stopped") if alert.code == "brake-fault"]
    assert [(alert.priority, abs(alert.raised_at - failed_at) < timedelta(minutes=2)) for alert in alerts] == [
        (1, True)
    ]
    orders = [order for order in centre.orders(lift_id="L0001") if order.cause == "brake-fault"]
    assert [order.id for order in orders] == [alerts[0].work_order_id]
    assert centre.alerts(lift_id="L0002") == []
    assert centre.drifts(5.1) == []
    (found,) = centre.drifts(49.1)
    assert (found.lift_id, found.component, found.floor) == ("L0001", "brake", None)
    assert found.channel in {"brake_apply_ms", "brake_release_ms"}
    assert rises(found)
    assert soon(found)
    assert found.found_at < centre.at(43)


def test_a_power_cut_is_one_alert_of_the_building_above_those_of_its_lifts_and_a_rescue_for_one(play: Play) -> None:
    centre = play("power_cut", every=timedelta(minutes=1))
    dark = {spec.lift_id for spec in centre.fleet if spec.site_id == "S002"}
    assert {row["lift_id"] for row in centre.truth("failures.csv")} == dark
    cut = [alert for alert in centre.alerts(kind="lift-stopped") if alert.code == "power-supply-fault"]
    assert {alert.lift_id for alert in cut} == dark
    assert len(cut) == len(dark)
    assert all(alert.work_order_id is None for alert in cut), "no repair is ordered for want of mains"
    (trapped,) = centre.alerts(kind="entrapment")
    assert (trapped.lift_id, trapped.priority) == ("L0005", 1)
    (rescue,) = centre.orders(kind="rescue")
    assert (rescue.id, rescue.lift_id) == (trapped.work_order_id, "L0005")
    assert rescue.arrive_by is not None
    assert rescue.arrive_by - rescue.opened_at == timedelta(minutes=30)
    assert all(alert.cleared_at is not None for alert in centre.alerts())
    assert {alert.lift_id for alert in centre.alerts()} == {SITE, *dark}
    (building,) = centre.alerts(kind="site-power-cut")
    assert building.code == "S002"
    assert sum(alert.rang for alert in cut) == 1, (
        "the first lift says so before anybody can know that it is the building"
    )
    assert centre.alerts(kind="no-contact") == []
    assert centre.refused == {}


def test_an_entrapment_in_a_reboot_storm_rings_once(play: Play) -> None:
    centre = play("reboot_storm", every=timedelta(seconds=30))
    (failure,) = centre.truth("failures.csv")
    boots = [row for row in centre.truth("sent.csv") if row["lift_id"] == "L0001"]
    assert len(boots) > 40, "each start of the controller begins to count again"
    assert all(row["first_seq"] == "0" for row in boots if row["boot"] != "b0")
    (trapped,) = centre.alerts(kind="entrapment")
    failed_at, freed_at = (datetime.fromisoformat(failure[name]) for name in ("failed_at", "freed_at"))
    assert timedelta() <= trapped.raised_at - failed_at < timedelta(seconds=75)
    assert trapped.cleared_at is not None
    assert timedelta() <= trapped.cleared_at - freed_at < timedelta(seconds=75)
    rescues = centre.orders(kind="rescue")
    assert [(order.lift_id, order.id) for order in rescues] == [("L0001", trapped.work_order_id)]
    assert centre.alerts(kind="no-contact") == [], "a controller that starts again is not lost"
    assert len(centre.alerts(kind="lift-stopped")) == 1
    duplicates = [row for row in centre.truth("disturbed.csv") if row["what"] == "duplicate"]
    assert duplicates
    assert centre.refused == {}
