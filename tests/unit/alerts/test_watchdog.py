import pytest
from sqlalchemy.engine import Engine

from alerts.desk import DeskSettings
from tests.unit.alerts.parts import NOON, Room, at, door, fault, state

SIX_HOURS_S = 6 * 3_600
LONG_AGO = at(-86_400)


@pytest.fixture
def room(sqlite_engine: Engine) -> Room:
    return Room(sqlite_engine, lift_ids=["A1", "B2"])


def test_a_lift_that_says_nothing_for_six_hours_is_called_silent_once(room: Room) -> None:
    room.desk.observe([door()])
    assert room.desk.watch(at(SIX_HOURS_S - 1), LONG_AGO) == 0
    assert room.desk.watch(at(SIX_HOURS_S), LONG_AGO) == 1
    assert room.desk.watch(at(SIX_HOURS_S + 60), LONG_AGO) == 0
    alert = room.alert()
    assert (alert.kind, alert.priority, alert.work_order_id) == ("no-contact", 3, None)
    assert alert.message == "No contact with lift A1: nothing for 6 h, last message 2026-03-02 12:00 UTC"
    assert alert.evidence[0]["last_message_at"] == "2026-03-02T12:00:00+00:00"


def test_a_lost_connection_has_a_minute_to_come_back(room: Room) -> None:
    room.desk.observe([door(), state(connected=False, at_s=10)])
    assert room.desk.watch(at(69), LONG_AGO) == 0
    assert room.desk.watch(at(70), LONG_AGO) == 1
    assert "its connection was lost, last message 2026-03-02 12:00 UTC" in room.alert().message


def test_a_controller_that_starts_again_is_not_called_silent(room: Room) -> None:
    room.desk.observe([state(connected=False, at_s=10)])
    room.desk.observe([state(connected=True, at_s=40)])
    assert room.desk.watch(at(600), LONG_AGO) == 0
    assert room.journal.contacts()["A1"].connected


def test_a_retained_will_heard_at_the_start_counts_as_lost(room: Room) -> None:
    room.desk.observe([state(connected=False)])
    assert not room.journal.contacts()["A1"].connected
    assert room.desk.watch(at(60), LONG_AGO) == 1


def test_a_will_that_is_told_again_with_each_subscription_rings_once(room: Room) -> None:
    for start_s in (0, 100, 200, 300):
        desk = room.another_desk()
        desk.observe([state(connected=False, at_s=start_s)])
        desk.watch(at(start_s + 90), LONG_AGO)
    assert len(room.alerts()) == 1


def test_a_will_does_not_put_off_the_time_of_one_told_before(room: Room) -> None:
    room.desk.observe([state(connected=False)])
    room.another_desk().observe([state(connected=False, at_s=50)])
    assert room.desk.watch(at(60), LONG_AGO) == 1


def test_a_will_is_not_a_sign_of_life(room: Room) -> None:
    room.desk.observe([door()])
    room.desk.watch(at(SIX_HOURS_S), LONG_AGO)
    room.desk.observe([state(connected=False, at_s=SIX_HOURS_S + 10)])
    assert room.alert().state.is_open
    assert room.desk.watch(at(SIX_HOURS_S + 600), LONG_AGO) == 0


@pytest.mark.parametrize("restarts", [False, True])
def test_any_message_ends_the_silence_even_one_with_old_news(room: Room, *, restarts: bool) -> None:
    room.desk.observe([door()])
    room.desk.watch(at(SIX_HOURS_S), LONG_AGO)
    desk = room.another_desk() if restarts else room.desk
    desk.observe([door(at_s=100, received_s=SIX_HOURS_S + 20)])
    alert = room.alert()
    assert (alert.state, alert.cleared_at) == ("cleared-unacknowledged", at(SIX_HOURS_S + 20))
    assert [entry.action for entry in room.journal.alert_history(alert.id)] == ["raised", "cleared"]
    assert room.journal.contacts()["A1"].due_at == at(2 * SIX_HOURS_S + 20)


def test_a_second_silence_is_a_second_alert(room: Room) -> None:
    for start_s in (0, 40_000):
        room.desk.observe([door(at_s=start_s)])
        assert room.desk.watch(at(start_s + SIX_HOURS_S), LONG_AGO) == 1
    assert [alert.state.is_open for alert in room.alerts()] == [True, False]


def test_nobody_is_called_silent_while_we_do_not_hear_the_broker(room: Room) -> None:
    room.desk.observe([door()])
    assert room.desk.watch(at(10 * SIX_HOURS_S), None) == 0
    assert room.desk.watch(at(10 * SIX_HOURS_S), at(10 * SIX_HOURS_S - 599)) == 0
    assert room.desk.watch(at(10 * SIX_HOURS_S), at(10 * SIX_HOURS_S - 600)) == 1


def test_a_last_will_that_comes_after_the_broker_is_back_counts_at_once(room: Room) -> None:
    room.desk.observe([state(connected=False, at_s=100)])
    assert room.desk.watch(at(159), at(90)) == 0
    assert room.desk.watch(at(160), at(90)) == 1


def test_a_last_will_from_before_an_outage_waits_until_lifts_had_the_time_to_come_back(room: Room) -> None:
    room.desk.observe([state(connected=False, at_s=0)])
    assert room.desk.watch(at(3_000), at(2_900)) == 0
    room.desk.observe([state(connected=True, at_s=3_010)])
    assert room.desk.watch(at(3_600), at(2_900)) == 0
    assert room.alerts() == []


def test_a_restart_forgets_no_silence(room: Room) -> None:
    room.desk.observe([door()])
    assert room.another_desk().watch(at(SIX_HOURS_S), LONG_AGO) == 1


def test_the_times_are_settings(sqlite_engine: Engine) -> None:
    room = Room(sqlite_engine, DeskSettings(silence_s_max=90, disconnect_grace_s=5))
    room.desk.observe([door()])
    assert room.desk.watch(at(89), LONG_AGO) == 0
    assert room.desk.watch(at(90), LONG_AGO) == 1
    room.desk.observe([door(at_s=100), state(connected=False, at_s=100)])
    assert room.desk.watch(at(105), LONG_AGO) == 1


def test_a_lift_that_speaks_all_the_time_is_never_called_silent_however_short_the_silence(
    sqlite_engine: Engine,
) -> None:
    room = Room(sqlite_engine, DeskSettings(silence_s_max=2))
    for second in range(20):
        room.desk.observe([door(at_s=second)])
        assert room.desk.watch(at(second + 0.9), LONG_AGO) == 0
    assert room.desk.watch(at(22), LONG_AGO) == 1
    room.desk.observe([door(at_s=23)])
    assert room.alerts(state="open") == []


def test_a_busy_lift_is_written_down_once_in_five_seconds(room: Room) -> None:
    room.desk.observe([door()])
    room.desk.observe([door(at_s=4.9)])
    assert room.journal.contacts()["A1"].last_message_at == NOON
    room.desk.observe([door(at_s=5)])
    assert room.journal.contacts()["A1"].last_message_at == at(5)


def test_a_lost_connection_is_written_down_at_once(room: Room) -> None:
    room.desk.observe([door()])
    room.desk.observe([door(at_s=1), state(connected=False, at_s=2)])
    contact = room.journal.contacts()["A1"]
    assert (contact.connected, contact.last_message_at, contact.due_at) == (False, at(1), at(62))
    room.desk.observe([door(at_s=3)])
    assert room.journal.contacts()["A1"].connected


def test_an_older_batch_does_not_take_the_newest_word_back(room: Room) -> None:
    room.desk.observe([door(at_s=100)])
    room.another_desk().observe([door(at_s=50), state(connected=False, at_s=50)])
    contact = room.journal.contacts()["A1"]
    assert (contact.last_message_at, contact.connected) == (at(100), True)


def test_one_lift_speaks_for_itself_alone(room: Room) -> None:
    room.desk.observe([door(), door(lift_id="B2")])
    room.desk.observe([fault("overspeed", lift_id="B2", at_s=60)])
    assert room.desk.watch(at(SIX_HOURS_S), LONG_AGO) == 1
    assert room.alert(kind="no-contact").lift_id == "A1"
    assert set(room.journal.contacts()) == {"A1", "B2"}
    assert set(room.journal.contacts(["B2", "C3"])) == {"B2"}


def test_a_silence_that_a_person_cleared_stays_quiet_until_the_lift_has_spoken(room: Room) -> None:
    room.desk.observe([door()])
    room.desk.watch(at(SIX_HOURS_S), LONG_AGO)
    room.desk.clear(room.alert().id, "Olga", at(SIX_HOURS_S + 60), "the building is closed this month")
    room.desk.observe([state(connected=False, at_s=2 * SIX_HOURS_S)])
    assert room.desk.watch(at(10 * SIX_HOURS_S), LONG_AGO) == 0
    room.desk.observe([door(at_s=11 * SIX_HOURS_S)])
    assert room.desk.watch(at(12 * SIX_HOURS_S), LONG_AGO) == 1
