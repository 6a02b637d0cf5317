"""Silence of one lift, of a gateway, of the fleet: one cause, one alert."""

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.engine import Engine

from alerts.journal import Contact
from alerts.silence import FLEET, group_of
from ingest.fleet import Lift
from tests.unit.alerts.parts import NOON, Room, at, door, state

HOUR_S = 3_600
LONG_AGO = at(-10 * 86_400)
GATEWAY = ("G1", "G2", "G3", "G4")
OTHERS = tuple(f"L{number:02}" for number in range(20))


@pytest.fixture
def room(sqlite_engine: Engine) -> Room:
    room = Room(sqlite_engine, lift_ids=OTHERS)
    room.register.register([Lift(lift_id=lift_id, gateway_id="GW-7") for lift_id in GATEWAY], NOON)
    return room


def speak(room: Room, lift_ids: tuple[str, ...], *, at_s: float) -> None:
    room.desk.observe([door(lift_id=lift_id, at_s=at_s) for lift_id in lift_ids])


def fall(room: Room, lift_ids: tuple[str, ...], *, at_s: float) -> None:
    room.desk.observe([state(connected=False, lift_id=lift_id, at_s=at_s) for lift_id in lift_ids])


def kinds(room: Room, **wanted: object) -> list[str]:
    return sorted(alert.kind for alert in room.alerts(**wanted))


def test_a_lost_gateway_is_one_alert_and_ends_when_most_of_its_lifts_speak(room: Room) -> None:
    speak(room, (*GATEWAY, *OTHERS), at_s=0)
    fall(room, GATEWAY, at_s=100)
    for at_s in (159, 160, 165):
        room.desk.watch(at(at_s), LONG_AGO)
    alert = room.alert()
    assert (alert.kind, alert.lift_id, alert.code, alert.priority) == ("gateway-lost", "$gateway", "GW-7", 2)
    assert "GW-7: 4 of its 4 lifts are silent" in alert.message
    speak(room, GATEWAY[:2], at_s=300)
    room.desk.watch(at(305), LONG_AGO)
    assert room.alert().state.is_open, "half of them is not most of them"
    speak(room, GATEWAY[2:3], at_s=310)
    room.desk.watch(at(315), LONG_AGO)
    assert not room.alert().state.is_open


def test_a_lift_that_does_not_come_back_with_its_gateway_is_called_by_itself(room: Room) -> None:
    speak(room, (*GATEWAY, *OTHERS), at_s=0)
    fall(room, GATEWAY, at_s=100)
    room.desk.watch(at(160), LONG_AGO)
    speak(room, GATEWAY[:3], at_s=300)
    room.desk.watch(at(305), LONG_AGO)
    room.desk.watch(at(904), LONG_AGO)
    assert kinds(room, state="open") == []
    room.desk.watch(at(905), LONG_AGO)
    assert room.alert(state="open").lift_id == "G4"


def test_a_lift_that_was_called_before_its_gateway_was_known_to_be_lost_hangs_below_it(room: Room) -> None:
    speak(room, (*GATEWAY, *OTHERS), at_s=0)
    fall(room, GATEWAY[:1], at_s=100)
    room.desk.watch(at(160), LONG_AGO)
    fall(room, GATEWAY[1:], at_s=400)
    room.desk.watch(at(460), LONG_AGO)
    lost, called = room.alert(kind="gateway-lost"), room.alert(kind="no-contact")
    assert (called.lift_id, called.suppressed_by) == ("G1", f"alert {lost.id}")
    speak(room, GATEWAY[1:], at_s=600)
    for at_s in (605, 610, 800, 805):
        room.desk.watch(at(at_s), LONG_AGO)
    assert [(alert.lift_id, alert.suppressed_by) for alert in room.alerts(state="open")] == [("G1", None)]


def test_a_lift_that_was_called_hours_before_its_gateway_was_known_to_be_lost_hangs_below_it_too(room: Room) -> None:
    room.register.register([Lift(lift_id="G1", gateway_id="GW-7", silence_s_max=HOUR_S)], NOON)
    room.desk.watch(at(0), LONG_AGO)
    speak(room, GATEWAY, at_s=10)
    for hour in range(8):
        speak(room, OTHERS, at_s=hour * HOUR_S + 15)
        room.desk.watch(at(hour * HOUR_S + 20), LONG_AGO)
    lost, called = room.alert(kind="gateway-lost"), room.alert(kind="no-contact")
    assert lost.raised_at - called.raised_at > timedelta(hours=2)
    assert (called.lift_id, called.suppressed_by) == ("G1", f"alert {lost.id}")


def test_one_lift_of_a_gateway_that_falls_silent_is_called_by_itself(room: Room) -> None:
    speak(room, (*GATEWAY, *OTHERS), at_s=0)
    fall(room, GATEWAY[:1], at_s=100)
    room.desk.watch(at(160), LONG_AGO)
    assert [(alert.kind, alert.lift_id) for alert in room.alerts()] == [("no-contact", "G1")]


def test_a_gateway_that_dies_without_last_wills_is_seen_by_its_first_lift_that_is_overdue(room: Room) -> None:
    for number, lift_id in enumerate(GATEWAY):
        speak(room, (lift_id,), at_s=600 * number)
    for hour in range(7):
        speak(room, OTHERS, at_s=hour * HOUR_S)
    for minute in range(0, 45, 5):
        room.desk.watch(at(6 * HOUR_S + 60 * minute), LONG_AGO)
    assert kinds(room) == ["gateway-lost"]


def test_a_fleet_that_loses_its_connections_is_one_alert_and_not_one_for_each_lift(room: Room) -> None:
    speak(room, (*GATEWAY, *OTHERS), at_s=0)
    fall(room, (*GATEWAY, *OTHERS[:14]), at_s=100)
    for at_s in range(160, 200, 5):
        room.desk.watch(at(at_s), LONG_AGO)
    alert = room.alert()
    assert (alert.kind, alert.code, alert.priority) == ("broker-away", FLEET, 1)
    assert "18 of 24 lifts have lost their connection" in alert.message
    speak(room, OTHERS, at_s=400)
    room.desk.watch(at(405), LONG_AGO)
    assert kinds(room, state="open") == []
    room.desk.watch(at(1_005), LONG_AGO)
    assert kinds(room, state="open") == ["gateway-lost"], "what stays away is looked at anew"


def test_a_fleet_that_falls_silent_without_last_wills_is_one_alert(room: Room) -> None:
    for number, lift_id in enumerate((*GATEWAY, *OTHERS)):
        speak(room, (lift_id,), at_s=60 * number)
    for minute in range(0, 40, 5):
        room.desk.watch(at(6 * HOUR_S + 60 * minute), LONG_AGO)
    assert kinds(room) == ["fleet-silent"]


def test_after_our_own_downtime_lifts_have_ten_minutes_to_be_heard(room: Room) -> None:
    speak(room, (*GATEWAY, *OTHERS), at_s=0)
    up_s = 20 * HOUR_S
    desk = room.another_desk()
    for at_s in range(up_s, up_s + 600, 60):
        desk.watch(at(at_s), at(up_s))
    desk.observe([door(lift_id=lift_id, at_s=up_s + 300) for lift_id in (*GATEWAY, *OTHERS[:19])])
    desk.watch(at(up_s + 600), at(up_s))
    assert [(alert.kind, alert.lift_id) for alert in room.alerts()] == [("no-contact", "L19")]


def test_a_lift_may_be_given_less_time_to_be_silent_in_the_register(room: Room) -> None:
    room.register.register([Lift(lift_id="L00", silence_s_max=3_600)], NOON)
    room.desk.watch(at(0), LONG_AGO)
    speak(room, OTHERS, at_s=10)
    room.desk.watch(at(3_609), LONG_AGO)
    assert room.alerts() == []
    room.desk.watch(at(3_610), LONG_AGO)
    assert "L00: nothing for 1 h" in room.alert().message


def test_ten_thousand_lifts_behind_a_broken_network_are_one_alert(sqlite_engine: Engine) -> None:
    lift_ids = tuple(f"L{number:05}" for number in range(10_000))
    room = Room(sqlite_engine, lift_ids=lift_ids)
    speak(room, lift_ids, at_s=0)
    for desk in (room.desk, room.another_desk()):
        desk.watch(at(7 * HOUR_S), None)
        desk.watch(at(7 * HOUR_S), at(7 * HOUR_S - 300))
        desk.watch(at(7 * HOUR_S), at(7 * HOUR_S - 600))
    assert kinds(room) == ["fleet-silent"]


@given(
    st.lists(st.tuples(st.integers(0, 200_000), st.booleans(), st.booleans()), max_size=30),
    st.sampled_from([0.5, 0.75, 1.0]),
)
def test_a_group_is_never_lost_and_back_at_once(rows: list[tuple[int, bool, bool]], share: float) -> None:
    now = at(200_000)

    def due(*, is_called: bool) -> datetime | None:
        return None if is_called else now

    contacts = [
        Contact(f"L{number}", at(spoke_s), connected, due(is_called=called))
        for number, (spoke_s, connected, called) in enumerate(rows)
    ]
    group = group_of(contacts, now, {each.lift_id: timedelta(hours=3) for each in contacts})
    assert group.quiet <= group.lift_ids
    assert not (group.is_lost(1, share) and group.is_back)
