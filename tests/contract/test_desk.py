"""One cause, one alert, one order: on every database, with several desks at work at once."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from msgspec import structs
from sqlalchemy.engine import Engine

from alerts.alert import IllegalTransitionError
from alerts.desk import Desk, DeskSettings
from analytics.findings import FindingKind
from tests.unit.alerts.parts import NOON, Room, alarm, at, door, fault, finding, state

LIFTS = [f"L{number:02}" for number in range(12)]
DESKS = 4


@pytest.fixture
def room(engine: Engine) -> Room:
    return Room(engine, lift_ids=LIFTS)


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(DESKS) as pool:
        yield pool


def race(threads: ThreadPoolExecutor, room: Room, act: Callable[[Desk], object]) -> list[object]:
    """Let several desks do the same at the same moment; return what each answered, its refusal where it was one."""
    barrier = threading.Barrier(DESKS)

    def run(desk: Desk) -> object:
        barrier.wait(timeout=30)
        try:
            return act(desk)
        except IllegalTransitionError as refusal:
            return refusal

    return list(threads.map(run, [room.another_desk() for _ in range(DESKS)]))


def test_the_main_job_is_done_on_this_database(room: Room) -> None:
    room.desk.observe([fault("entrapment", lift_id="L00", seq=1, boot="b"), alarm("button", lift_id="L00")])
    room.desk.observe([fault("entrapment", lift_id="L00", seq=1, boot="b")])
    room.desk.observe([fault("entrapment", "cleared", lift_id="L00", at_s=60, seq=2, boot="b")])
    order = room.order()
    assert (order.kind, order.arrive_by) == ("rescue", at(1_800))
    room.finish(order, at_s=600, cause_code="door lock")
    room.desk.observe([fault("entrapment", lift_id="L00", at_s=900, seq=3, boot="b")])
    assert room.orders()[0].recurrence_of == order.id
    assert [recorded.visit.work_order for recorded in room.register.visits(at(10**6))] == [order.number]


def test_an_entrapment_after_a_clock_that_was_ahead_is_set_right_rings(room: Room) -> None:
    room.desk.observe([fault("entrapment", lift_id="L00", at_s=420, received_s=-60)])
    room.desk.observe([fault("entrapment", "cleared", lift_id="L00", at_s=480, received_s=0)])
    room.desk.observe([fault("entrapment", lift_id="L00", at_s=420, received_s=30)])
    assert not room.alerts(state="open"), "the first one, delivered again, is no news"
    room.desk.observe([fault("entrapment", lift_id="L00", at_s=90, received_s=90)])
    assert len(room.alerts(state="open")) == 1


def test_an_entrapment_of_a_clock_that_is_known_to_be_behind_began_when_it_began(room: Room) -> None:
    said = fault("entrapment", lift_id="L00", at_s=-7_200, received_s=2)
    room.desk.observe([structs.replace(said, late=False, offset_ms=7_200_000)])
    assert (room.alert().raised_at, room.alert().received_at) == (at(0), at(2))
    over = fault("entrapment", "cleared", lift_id="L00", at_s=-6_600, received_s=602)
    room.desk.observe([structs.replace(over, late=False, offset_ms=7_200_000)])
    assert room.alert().cleared_at == at(600)


def test_desks_that_see_the_same_messages_raise_one_alert_and_open_one_order(
    room: Room, threads: ThreadPoolExecutor
) -> None:
    told = [fault("overspeed", lift_id=lift_id) for lift_id in LIFTS]
    race(threads, room, lambda desk: desk.observe(told))
    race(threads, room, lambda desk: desk.observe(list(reversed(told))))
    assert sorted(alert.lift_id for alert in room.alerts()) == LIFTS
    assert sorted(order.lift_id for order in room.orders()) == LIFTS
    assert all(alert.repeats == 0 for alert in room.alerts())
    for alert in room.alerts():
        assert [entry.action for entry in room.journal.alert_history(alert.id)] == ["raised"]


def test_desks_that_race_through_raise_clear_raise_end_where_one_desk_ends(
    room: Room, threads: ThreadPoolExecutor
) -> None:
    for lift_id in LIFTS:
        told = [
            fault("overspeed", lift_id=lift_id),
            fault("overspeed", "cleared", lift_id=lift_id, at_s=5),
            fault("overspeed", lift_id=lift_id, at_s=10),
        ]
        race(threads, room, lambda desk, told=told: [desk.observe([message]) for message in told])  # type: ignore[misc]
        assert len(room.alerts(lift_id=lift_id, state="open")) == 1
        assert len(room.undone(lift_id=lift_id)) == 1


def test_desks_that_apply_the_same_assessment_raise_one_alert_and_open_one_order(
    room: Room, threads: ThreadPoolExecutor
) -> None:
    found = [finding(lift_id=lift_id) for lift_id in LIFTS]
    found += [finding(FindingKind.INSPECTION_DUE, lift_id=lift_id, code=None) for lift_id in LIFTS]
    race(threads, room, lambda desk: desk.apply(found, NOON))
    assert len(room.alerts()) == len(room.orders()) == 2 * len(LIFTS)
    race(threads, room, lambda desk: desk.apply([], at(60)))
    assert room.alerts(state="open") == []
    for alert in room.alerts():
        assert [entry.action for entry in room.journal.alert_history(alert.id)] == ["raised", "cleared"]


def test_a_stopped_lift_and_an_assessment_that_meet_open_one_order_for_the_cause(
    room: Room, threads: ThreadPoolExecutor
) -> None:
    told = [fault("lift-shaft-device-fault", lift_id=lift_id) for lift_id in LIFTS]
    found = [finding(lift_id=lift_id) for lift_id in LIFTS]
    turns = iter([True, False] * DESKS)
    race(threads, room, lambda desk: desk.observe(told) if next(turns) else desk.apply(found, NOON))
    assert len(room.alerts(state="open")) == 2 * len(LIFTS)
    assert sorted(order.lift_id for order in room.orders()) == LIFTS
    assert all(len(order.alert_ids) == 2 for order in room.orders())


def test_a_silent_lift_is_claimed_by_one_desk_alone(room: Room, threads: ThreadPoolExecutor) -> None:
    room.desk.observe([door(lift_id=lift_id) for lift_id in LIFTS])
    raised = race(threads, room, lambda desk: desk.watch(at(90_000), at(-90_000)))
    assert sum(count for count in raised if isinstance(count, int)) == len(room.alerts()) == len(LIFTS)
    assert all(contact.due_at is None for contact in room.journal.contacts().values())


def test_a_lift_that_speaks_while_it_is_called_silent_is_not_left_alarming(
    room: Room, threads: ThreadPoolExecutor
) -> None:
    for start_s in range(0, 1_000_000, 100_000):
        room.another_desk().observe([door(lift_id=lift_id, at_s=start_s) for lift_id in LIFTS])
        now_s = start_s + 90_000
        spoken = [door(lift_id=lift_id, at_s=now_s) for lift_id in LIFTS]
        turns = iter([True, False] * DESKS)
        race(
            threads,
            room,
            lambda desk, turns=turns, now_s=now_s, spoken=spoken: (  # type: ignore[misc]
                desk.watch(at(now_s), at(-90_000)) if next(turns) else desk.observe(spoken)
            ),
        )
        assert room.alerts(state="open") == []
        assert all(contact.due_at is not None for contact in room.journal.contacts().values())


def test_wills_and_words_are_written_in_one_batch_and_do_not_disturb_each_other(room: Room) -> None:
    room.desk.observe([door(lift_id="L00"), door(lift_id="L01"), state(connected=False, lift_id="L02")])
    room.desk.observe([state(connected=False, lift_id="L01", at_s=10), door(lift_id="L02", at_s=11)])
    connected = {lift_id: contact.connected for lift_id, contact in room.journal.contacts().items()}
    assert connected == {"L00": True, "L01": False, "L02": True}
    assert room.desk.watch(at(70), at(-600)) == 1


def test_one_of_several_operators_acknowledges_and_the_others_are_told(room: Room, threads: ThreadPoolExecutor) -> None:
    room.desk.observe([fault("overspeed", lift_id="L00")])
    alert_id = room.alert().id
    answers = race(threads, room, lambda desk: desk.acknowledge(alert_id, "Olga", at(60)))
    assert sum(isinstance(answer, IllegalTransitionError) for answer in answers) == DESKS - 1
    assert [entry.action for entry in room.journal.alert_history(alert_id)] == ["raised", "acknowledged"]


def test_one_of_several_technicians_takes_the_order_and_one_visit_is_written(
    room: Room, threads: ThreadPoolExecutor
) -> None:
    room.desk.observe([fault("overspeed", lift_id="L00")])
    order_id = room.order().id
    for to in ("en-route", "on-site", "done"):
        answers = race(
            threads,
            room,
            lambda desk, to=to: desk.transition(order_id, to, "Ines", at(60), cause_code="belt"),  # type: ignore[misc]
        )
        assert sum(isinstance(answer, IllegalTransitionError) for answer in answers) == DESKS - 1
    assert len(room.journal.work_order_history(order_id)) == 2 + 3
    assert len(room.register.visits(at(10**6))) == 1


def test_a_fault_that_returns_while_its_order_is_being_closed_is_never_without_an_order(
    room: Room, threads: ThreadPoolExecutor
) -> None:
    for lift_id in LIFTS:
        room.desk.observe([fault("overspeed", lift_id=lift_id), fault("overspeed", "cleared", lift_id=lift_id, at_s=5)])
        order = room.order(lift_id=lift_id)
        room.desk.transition(order.id, "on-site", "Ines", at(6))
        turns = iter([True, False] * DESKS)
        race(
            threads,
            room,
            lambda desk, turns=turns, order=order: (  # type: ignore[misc]
                desk.observe([fault("overspeed", lift_id=order.lift_id, at_s=10)])
                if next(turns)
                else desk.transition(order.id, "done", "Ines", at(9), cause_code="belt")
            ),
        )
        room.desk.watch(at(15), None)  # what came while somebody was on site rings as soon as he has left
        (alert,) = room.alerts(lift_id=lift_id, state="open")
        linked = room.journal.work_order(alert.work_order_id or 0)
        assert linked is not None
        assert alert.id in linked.alert_ids


def test_the_times_of_silence_are_kept_to_the_second(engine: Engine) -> None:
    room = Room(engine, DeskSettings(silence_s_max=90, disconnect_grace_s=5))
    room.desk.observe([door()])
    assert room.desk.watch(at(89), at(-600)) == 0
    assert room.desk.watch(at(90), at(-600)) == 1
