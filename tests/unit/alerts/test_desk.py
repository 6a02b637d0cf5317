from datetime import timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from alerts.alert import AlertState, IllegalTransitionError
from alerts.alert_entries import UnknownAlertError
from alerts.work_orders import OrderKind, OrderState, UnknownWorkOrderError
from ingest.fleet import VisitKind
from ingest.fleet_register import UnknownLiftError
from ingest.messages import Kind, Trip
from tests.unit.alerts.parts import NOON, Room, alarm, at, door, fault, message


@pytest.fixture
def room(sqlite_engine: Engine) -> Room:
    return Room(sqlite_engine, lift_ids=["A1", "B2"])


class Statements:
    """Counts what is sent to the database."""

    def __init__(self, engine: Engine) -> None:
        self.count = 0
        sa.event.listen(engine, "before_cursor_execute", self._on_statement)

    def _on_statement(self, *_: object) -> None:
        self.count += 1


def test_an_entrapment_is_a_priority_1_alert_and_one_rescue_with_half_an_hour(room: Room) -> None:
    room.desk.observe([fault("entrapment", at_s=0, received_s=2, floor=3, passengers=True, seq=5, boot="b")])
    alert, order = room.alert(), room.order()
    assert (alert.kind, alert.priority, alert.state) == ("entrapment", 1, AlertState.ACTIVE_UNACKNOWLEDGED)
    assert alert.message == "Passengers trapped in lift A1, floor 3, not known whether in a landing zone"
    assert (alert.raised_at, alert.received_at) == (NOON, at(2))
    assert (order.kind, order.cause, order.state) == (OrderKind.RESCUE, "entrapment", OrderState.OPEN)
    assert order.arrive_by == at(2) + timedelta(minutes=30)
    assert (order.number, order.message, order.recurrence_of) == ("WO-2026-000001", alert.message, None)
    assert (alert.work_order_id, order.alert_ids) == (order.id, [alert.id])


def test_every_alert_explains_itself(room: Room) -> None:
    room.desk.observe([fault("brake-fault", floor=3, text="brake contact open", seq=5, boot="b")])
    alert = room.alert()
    assert alert.evidence[0]["readings"]["text"] == "brake contact open"
    assert (alert.evidence[0]["seq"], alert.evidence[0]["boot"]) == (5, "b")
    assert "RS-02" in alert.source
    assert "danger to life" in alert.guidance


def test_an_entrapment_sent_five_times_is_still_one(room: Room) -> None:
    for _ in range(5):
        room.desk.observe([fault("entrapment")] * 2)
    assert room.alert().repeats == 0
    assert len(room.orders()) == 1


def test_a_newer_raise_of_an_open_alert_is_counted_and_leaves_no_noise(room: Room) -> None:
    room.desk.observe([fault("overspeed", at_s=second) for second in (0, 10, 20, 20)])
    alert = room.alert()
    assert (alert.repeats, alert.raised_at) == (2, NOON)
    assert [entry.action for entry in room.journal.alert_history(alert.id)] == ["raised"]
    assert [entry.action for entry in room.journal.work_order_history(room.order().id)] == ["opened", "alert-linked"]


def test_the_clear_ends_the_alert_and_leaves_the_order_to_a_person(room: Room) -> None:
    room.desk.observe([fault("entrapment"), fault("entrapment", "cleared", at_s=60, received_s=61)])
    alert = room.alert()
    assert (alert.state, alert.cleared_at) == (AlertState.CLEARED_UNACKNOWLEDGED, at(60))
    assert room.order().state is OrderState.OPEN
    last = room.journal.alert_history(alert.id)[-1]
    assert (last.at, last.actor, last.action) == (at(61), "liftwatch", "cleared")


def test_a_raise_that_comes_again_after_its_clear_does_not_ring_again(room: Room) -> None:
    told = [fault("entrapment"), fault("entrapment", "cleared", at_s=60), fault("entrapment", at_s=120)]
    for _ in range(3):
        room.desk.observe(told)
    assert [alert.state.is_open for alert in room.alerts()] == [True, False]
    room.desk.observe([fault("entrapment", "cleared", at_s=180)])
    room.desk.observe(told)
    assert room.alerts(state="open") == []
    assert len(room.alerts()) == 2
    assert len(room.orders()) == 1


def test_a_clear_that_overtakes_its_raise_keeps_it_from_ringing(room: Room) -> None:
    room.desk.observe([fault("overspeed", "cleared", at_s=60)])
    room.desk.observe([fault("overspeed")])
    assert room.alerts() == []
    assert room.orders() == []


def test_raise_and_clear_of_one_second_end_cleared_however_often_they_come(room: Room) -> None:
    for _ in range(3):
        room.desk.observe([fault("overspeed"), fault("overspeed", "cleared")])
    assert not room.alert().state.is_open


def test_old_news_rings_nothing(room: Room) -> None:
    room.desk.observe([fault("entrapment", received_s=3_600), alarm("button", received_s=3_600)])
    assert room.alerts() == []
    assert room.orders() == []


def test_a_late_clear_ends_an_alert_that_it_is_newer_than(room: Room) -> None:
    room.desk.observe([fault("overspeed")])
    room.desk.observe([fault("overspeed", "cleared", at_s=-60, received_s=3_600)])
    assert room.alert().state.is_open
    room.desk.observe([fault("overspeed", "cleared", at_s=60, received_s=3_600)])
    assert not room.alert().state.is_open


def test_a_late_raise_is_remembered_so_that_an_older_clear_means_nothing(room: Room) -> None:
    room.desk.observe([fault("overspeed", at_s=0)])
    room.desk.observe([fault("overspeed", at_s=120, received_s=3_600)])
    room.desk.observe([fault("overspeed", "cleared", at_s=60, received_s=3_601)])
    assert room.alert().state.is_open


def test_a_fault_that_stands_since_before_we_listened_rings_when_the_lift_says_so_again(room: Room) -> None:
    room.desk.observe([fault("entrapment", received_s=3_600)])
    room.desk.observe([fault("entrapment", at_s=3_660)])
    assert room.alert().raised_at == at(3_660)
    assert room.order().kind is OrderKind.RESCUE


def test_a_clock_that_was_set_back_hides_no_entrapment_of_a_lift_that_numbers_its_messages(room: Room) -> None:
    room.desk.observe([fault("entrapment", at_s=300, received_s=0, seq=1, boot="b")])
    room.desk.observe([fault("entrapment", "cleared", at_s=310, received_s=10, seq=2, boot="b")])
    room.desk.observe([fault("entrapment", at_s=20, received_s=20, seq=3, boot="b")])
    assert len(room.alerts(state="open")) == 1


def test_each_fault_code_is_an_alert_of_its_own(room: Room) -> None:
    room.desk.observe([fault("overspeed"), fault("lift-shaft-device-fault"), fault("overspeed", lift_id="B2")])
    assert len(room.alerts(state="open")) == len(room.orders()) == 3
    room.desk.observe([fault("overspeed", "cleared", at_s=5)])
    assert {(alert.lift_id, alert.code) for alert in room.alerts(state="open")} == {
        ("A1", "lift-shaft-device-fault"),
        ("B2", "overspeed"),
    }


def test_a_power_cut_is_told_and_orders_no_repair(room: Room) -> None:
    room.desk.observe([fault("power-supply-fault")])
    alert = room.alert()
    assert (alert.kind, alert.work_order_id) == ("lift-stopped", None)
    assert room.orders() == []


def test_a_fault_that_leaves_the_lift_running_is_not_an_alert(room: Room) -> None:
    room.desk.observe([fault("call-button-stuck"), fault("levelling-out-of-tolerance")])
    assert room.alerts() == []


def test_the_alarm_button_rings_until_its_end_and_remembers_the_answer_once(room: Room) -> None:
    room.desk.observe([alarm("button")])
    for _ in range(2):
        room.desk.observe([alarm("answered", at_s=20)])
    alert = room.alert()
    assert (alert.kind, alert.priority, alert.work_order_id) == ("passenger-alarm", 1, None)
    room.desk.observe([alarm("end", at_s=60)])
    assert not room.alert().state.is_open
    actions = [entry.action for entry in room.journal.alert_history(alert.id)]
    assert actions == ["raised", "answered", "cleared"]


def test_a_call_that_comes_in_one_batch_is_told_in_its_order(room: Room) -> None:
    room.desk.observe([alarm("button"), alarm("answered", at_s=20), alarm("end", at_s=60)])
    actions = [entry.action for entry in room.journal.alert_history(room.alert().id)]
    assert actions == ["raised", "answered", "cleared"]


def test_a_filtered_press_a_test_call_and_an_answer_without_a_call_ring_nothing(room: Room) -> None:
    room.desk.observe([alarm("filtered"), alarm("test"), alarm("answered")])
    assert room.alerts() == []


def test_a_fault_that_comes_back_while_there_is_work_to_do_joins_the_same_order(room: Room) -> None:
    room.desk.observe([fault("overspeed"), fault("overspeed", "cleared", at_s=5), fault("overspeed", at_s=600)])
    order = room.order()
    assert len(room.alerts()) == 2
    assert order.alert_ids == sorted(alert.id for alert in room.alerts())
    assert order.arrive_by == at(3_600)


@pytest.mark.parametrize("close", [False, True])
def test_a_fault_that_comes_back_after_the_repair_opens_an_order_that_names_the_earlier_one(
    room: Room, *, close: bool
) -> None:
    room.desk.observe([fault("overspeed"), fault("overspeed", "cleared", at_s=5)])
    first = room.finish(room.order(), at_s=60, cause_code="governor rope", close=close)
    room.desk.observe([fault("overspeed", at_s=86_400)])
    second = room.orders()[0]
    assert (second.id != first.id, second.recurrence_of) == (True, first.id)
    assert second.state is OrderState.OPEN
    assert room.journal.work_order_history(second.id)[0].note == f"comes back after {first.number}"


def test_a_raise_while_the_alert_is_active_but_its_order_was_done_sends_somebody_again(room: Room) -> None:
    room.desk.observe([fault("entrapment")])
    first = room.finish(room.order(), at_s=60)
    room.desk.observe([fault("entrapment", at_s=600)])
    room.desk.observe([fault("entrapment", at_s=600)])
    second, _ = room.orders()
    assert (second.state, second.recurrence_of, second.arrive_by) == (OrderState.OPEN, first.id, at(600 + 1_800))
    assert (room.alert().work_order_id, room.alert().repeats) == (second.id, 1)


def test_a_cancelled_order_is_not_a_repair_that_did_not_hold(room: Room) -> None:
    room.desk.observe([fault("overspeed"), fault("overspeed", "cleared", at_s=5)])
    room.desk.transition(room.order().id, "cancelled", "Olga", at(60), note="a test by the inspector")
    room.desk.observe([fault("overspeed", at_s=600)])
    assert [order.recurrence_of for order in room.orders()] == [None, None]


def test_a_batch_without_anything_that_matters_does_not_touch_the_database(room: Room, sqlite_engine: Engine) -> None:
    trip = Trip(from_floor=0, to_floor=3, duration_ms=9_000)
    room.desk.observe([door()])
    statements = Statements(sqlite_engine)
    room.desk.observe([door(at_s=1), message("A1", Kind.TRIP, trip, at_s=2)])
    room.desk.observe([])
    assert statements.count == 0
    room.desk.observe([alarm("button", at_s=4)])
    assert statements.count > 0


def test_an_operator_acknowledges_comments_and_clears_and_it_is_all_remembered(room: Room) -> None:
    room.desk.observe([fault("overspeed")])
    alert_id = room.alert().id
    acknowledged = room.desk.acknowledge(alert_id, "Olga", at(10), "I have seen it")
    assert (acknowledged.acknowledged_by, acknowledged.acknowledged_at) == ("Olga", at(10))
    room.desk.comment(alert_id, "Olga", at(20), "nobody answers the telephone")
    cleared = room.desk.clear(alert_id, "Pavel", at(30), "the caretaker confirms that it runs")
    assert cleared == room.alert()
    assert cleared.state is AlertState.CLEARED_ACKNOWLEDGED
    history = [(entry.at, entry.actor, entry.action, entry.note) for entry in room.journal.alert_history(alert_id)[1:]]
    assert history == [
        (at(10), "Olga", "acknowledged", "I have seen it"),
        (at(20), "Olga", "commented", "nobody answers the telephone"),
        (at(30), "Pavel", "cleared", "the caretaker confirms that it runs"),
    ]


def test_acknowledging_or_clearing_twice_is_refused_and_changes_nothing(room: Room) -> None:
    room.desk.observe([fault("overspeed")])
    alert_id = room.alert().id
    room.desk.acknowledge(alert_id, "Olga", at(10))
    with pytest.raises(IllegalTransitionError):
        room.desk.acknowledge(alert_id, "Pavel", at(20))
    room.desk.clear(alert_id, "Olga", at(30), "done")
    with pytest.raises(IllegalTransitionError):
        room.desk.clear(alert_id, "Pavel", at(40), "done again")
    assert room.alert().acknowledged_by == "Olga"
    assert len(room.journal.alert_history(alert_id)) == 3


@pytest.mark.parametrize("note", ["", "  "])
def test_clearing_by_hand_and_commenting_need_words(room: Room, note: str) -> None:
    room.desk.observe([fault("overspeed")])
    for act in (room.desk.clear, room.desk.comment):
        with pytest.raises(IllegalTransitionError, match="needs"):
            act(room.alert().id, "Olga", at(10), note)


def test_an_alert_cleared_by_hand_rings_again_when_the_lift_says_so_again(room: Room) -> None:
    room.desk.observe([fault("overspeed")])
    room.desk.clear(room.alert().id, "Olga", at(10), "runs again")
    room.desk.observe([fault("overspeed")])
    assert room.alerts(state="open") == []
    room.desk.observe([fault("overspeed", at_s=20)])
    assert len(room.alerts(state="open")) == 1
    assert len(room.orders()) == 1


def test_what_does_not_exist_is_refused_by_its_number(room: Room) -> None:
    with pytest.raises(UnknownAlertError, match="no alert 99"):
        room.desk.acknowledge(99, "Olga", NOON)
    with pytest.raises(UnknownAlertError, match="no alert 99"):
        room.desk.clear(99, "Olga", NOON, "gone")
    with pytest.raises(UnknownAlertError, match="no alert 99"):
        room.desk.comment(99, "Olga", NOON, "where?")
    with pytest.raises(UnknownWorkOrderError, match="no work order 99"):
        room.desk.transition(99, "assigned", "Olga", NOON, assigned_to="Ines")


def test_an_order_goes_to_its_end_and_its_history_says_who_and_when(room: Room) -> None:
    room.desk.observe([fault("overspeed")])
    order_id = room.order().id
    room.desk.transition(order_id, "assigned", "Olga", at(60), assigned_to="Ines", note="she is near")
    room.desk.transition(order_id, "on-site", "Ines", at(900))
    room.desk.transition(order_id, "done", "Ines", at(1_800), cause_code="governor rope")
    closed = room.desk.transition(order_id, "closed", "Olga", at(3_600), note="papers follow")
    assert closed == room.order()
    assert (closed.arrived_at, closed.done_at, closed.closed_at) == (at(900), at(1_800), at(3_600))
    history = room.journal.work_order_history(order_id)[2:]
    assert [(entry.actor, entry.action, entry.note) for entry in history[:-1]] == [
        ("Olga", "assigned", "she is near; assigned to Ines"),
        ("Ines", "on-site", None),
        ("Ines", "done", "cause governor rope"),
    ]
    assert history[-1].note is not None
    assert history[-1].note.startswith("papers follow; without OUT-1 All bridges removed")


def test_a_refused_transition_changes_nothing(room: Room) -> None:
    room.desk.observe([fault("overspeed")])
    before = room.order()
    with pytest.raises(IllegalTransitionError):
        room.desk.transition(before.id, "done", "Ines", at(60), cause_code="x")
    assert room.order() == before
    assert room.register.visits(at(10**6)) == []


def test_a_repair_that_is_done_is_one_visit_in_the_register_with_its_cause_and_number(room: Room) -> None:
    room.desk.observe([fault("overspeed")])
    order = room.finish(room.order(), at_s=60, cause_code="governor-and-safety-gear-fault")
    (recorded,) = room.register.visits(at(10**6))
    visit = recorded.visit
    assert (visit.lift_id, visit.kind, visit.done_at) == ("A1", VisitKind.REPAIR, at(60))
    assert (visit.cause_code, visit.work_order) == ("governor-and-safety-gear-fault", order.number)


@pytest.mark.parametrize(("cause_code", "visits"), [(None, []), ("door lock", [VisitKind.REPAIR])])
def test_a_rescue_is_a_visit_where_something_was_repaired(
    room: Room, cause_code: str | None, visits: list[VisitKind]
) -> None:
    room.desk.observe([fault("entrapment")])
    room.finish(room.order(), at_s=60, cause_code=cause_code)
    assert [recorded.visit.kind for recorded in room.register.visits(at(10**6))] == visits


def test_a_visit_that_could_not_be_written_when_the_order_was_done_is_written_when_it_is_closed(
    sqlite_engine: Engine,
) -> None:
    room = Room(sqlite_engine, lift_ids=[])
    room.desk.observe([fault("overspeed")])
    room.desk.transition(room.order().id, "on-site", "Ines", at(60))
    with pytest.raises(UnknownLiftError):
        room.desk.transition(room.order().id, "done", "Ines", at(120), cause_code="belt")
    assert room.order().state is OrderState.DONE
    room.register.add_if_unknown(["A1"], NOON)
    room.desk.transition(room.order().id, "closed", "Olga", at(180), note="papers follow")
    (recorded,) = room.register.visits(at(10**6))
    assert recorded.visit.done_at == at(120)
