"""EN 81-28: test calls at least every 72 h, battery and voice link, presses that were filtered."""

import pytest
from sqlalchemy.engine import Engine

from ingest.fleet import Lift
from tests.unit.alerts.parts import NOON, Room, alarm, at, door

HOUR_S = 3_600
DUE_S = 78 * HOUR_S
LONG_AGO = at(-90_000)


@pytest.fixture
def room(sqlite_engine: Engine) -> Room:
    return Room(sqlite_engine)


def stay_in_contact(room: Room, until_s: float) -> None:
    for hour in range(0, int(until_s // HOUR_S) + 1, 5):
        room.desk.observe([door(at_s=hour * HOUR_S)])


def test_no_test_call_for_72_hours_and_the_grace_is_a_fault_of_the_alarm_equipment(room: Room) -> None:
    room.desk.observe([alarm("test")])
    stay_in_contact(room, DUE_S)
    room.desk.watch(at(DUE_S - 30), LONG_AGO)
    assert room.alerts() == []
    room.desk.watch(at(DUE_S), LONG_AGO)
    room.another_desk().watch(at(DUE_S + 5), LONG_AGO)
    alert = room.alert()
    assert (alert.kind, alert.priority, alert.work_order_id) == ("alarm-equipment-silent", 2, None)
    assert "no test call for 72 h, the last 2026-03-02 12:00 UTC" in alert.message
    room.desk.observe([alarm("test", at_s=DUE_S + 60)])
    assert not room.alert().state.is_open


def test_a_lift_that_never_sent_a_test_call_is_not_asked_for_one_unless_the_register_says_so(room: Room) -> None:
    stay_in_contact(room, 2 * DUE_S)
    room.desk.watch(at(2 * DUE_S), LONG_AGO)
    assert room.alerts() == []
    room.register.register([Lift(lift_id="A1", alarm_tests=True)], NOON)
    room.desk.watch(at(2 * DUE_S + 30), LONG_AGO)
    room.desk.observe([door(at_s=3 * DUE_S - 60)])
    room.desk.watch(at(3 * DUE_S + 30), LONG_AGO)
    assert "the last never" in room.alert(kind="alarm-equipment-silent").message


def test_a_test_call_that_was_buffered_puts_the_next_one_where_it_belongs(room: Room) -> None:
    room.desk.observe([alarm("test")])
    room.desk.observe([alarm("test", at_s=70 * HOUR_S, received_s=75 * HOUR_S), alarm("test", at_s=10 * HOUR_S)])
    stay_in_contact(room, 147 * HOUR_S)
    room.desk.watch(at(147 * HOUR_S), LONG_AGO)
    assert room.alerts() == []
    room.desk.watch(at(148 * HOUR_S), LONG_AGO)
    assert room.alert().kind == "alarm-equipment-silent"


def test_a_lift_that_is_silent_altogether_is_not_called_for_its_test_call_too(room: Room) -> None:
    room.desk.observe([alarm("test")])
    room.desk.watch(at(DUE_S), LONG_AGO)
    room.desk.watch(at(DUE_S + 60), LONG_AGO)
    assert [alert.kind for alert in room.alerts()] == ["no-contact"]
    room.desk.observe([door(at_s=DUE_S + 120)])
    room.desk.watch(at(DUE_S + 6 * HOUR_S), LONG_AGO)
    assert [alert.kind for alert in room.alerts(state="open")] == ["alarm-equipment-silent"]


@pytest.mark.parametrize("since", [None, at(DUE_S - 60)])
def test_nobody_is_asked_for_a_test_call_while_we_have_hardly_heard_the_broker(room: Room, since: object) -> None:
    room.desk.observe([alarm("test"), door(at_s=DUE_S - 120)])
    room.desk.watch(at(DUE_S), since)  # type: ignore[arg-type]
    assert room.alerts(kind="alarm-equipment-silent") == []


def test_a_bad_battery_and_a_dead_voice_link_are_two_alerts_that_end_by_themselves(room: Room) -> None:
    room.desk.observe([alarm("test", battery_ok=True, voice_ok=True)])
    room.desk.observe([alarm("test", at_s=60, battery_ok=False, voice_ok=False)])
    room.desk.observe([alarm("test", at_s=30, battery_ok=True, voice_ok=True)])
    assert [(alert.kind, alert.code) for alert in room.alerts(state="open")] == [
        ("alarm-equipment-fault", "voice"),
        ("alarm-equipment-fault", "battery"),
    ]
    room.another_desk().observe([alarm("test", at_s=90, battery_ok=True)])
    assert [alert.code for alert in room.alerts(state="open")] == ["voice"]


def test_presses_filtered_one_after_the_other_want_somebody_to_look(room: Room) -> None:
    for at_s in (0, 700, 800):
        room.desk.observe([alarm("filtered", at_s=at_s)])
    room.desk.observe([alarm("filtered", at_s=800)])
    assert room.alerts() == [], "three, but not within ten minutes; one that comes twice is one"
    room.desk.observe([alarm("filtered", at_s=900)])
    assert "3 presses filtered within 10 min" in room.alert().message
    assert room.alert().kind == "filtered-alarms"
    room.desk.watch(at(900 + HOUR_S - 30), LONG_AGO)
    assert room.alert().state.is_open
    room.desk.watch(at(900 + HOUR_S), LONG_AGO)
    assert not room.alert().state.is_open
