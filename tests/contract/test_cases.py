"""One entrapment, one case; one gateway, one alert: on every database, with several desks at work at once."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from alerts import tables
from alerts.alert import IllegalTransitionError
from alerts.case_desk import CaseDesk
from alerts.desk import Desk
from alerts.entrapment import EntrapmentCase, Stage
from ingest.clock import to_ms
from ingest.fleet import Lift
from ingest.messages import Kind, Message, State
from ingest.strangers import StrangerCall
from tests.unit.alerts.parts import NOON, RULES, Room, alarm, at, door, fault, message, state

LIFTS = [f"L{number:02}" for number in range(8)]
GATEWAY = [f"G{number}" for number in range(4)]
DESKS = 4
LONG_AGO = at(-90_000)


@pytest.fixture
def room(engine: Engine) -> Room:
    room = Room(engine, lift_ids=LIFTS)
    room.register.register([Lift(lift_id=lift_id, gateway_id="GW") for lift_id in GATEWAY], NOON)
    return room


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(DESKS) as pool:
        yield pool


def race(threads: ThreadPoolExecutor, room: Room, act: Callable[[Desk], object]) -> None:
    barrier = threading.Barrier(DESKS)

    def run(desk: Desk) -> None:
        barrier.wait(timeout=30)
        act(desk)

    list(threads.map(run, [room.another_desk() for _ in range(DESKS)]))


def cases(room: Room) -> list[EntrapmentCase]:
    return CaseDesk(room.journal, RULES).cases(limit=100)


def told(room: Room, topic: str) -> int:
    outbox = tables.outbox
    with room.journal.reading() as connection:
        count = sa.select(sa.func.count()).select_from(outbox).where(outbox.c.topic == topic)
        return int(connection.execute(count).scalar_one())


def test_desks_that_hear_the_same_entrapments_open_one_case_each(room: Room, threads: ThreadPoolExecutor) -> None:
    said = [fault("entrapment", lift_id=lift_id) for lift_id in LIFTS]
    said += [alarm("button", lift_id=lift_id, at_s=15) for lift_id in LIFTS]
    race(threads, room, lambda desk: desk.observe(said))
    race(threads, room, lambda desk: desk.observe(list(reversed(said))))
    assert sorted(case.lift_id for case in cases(room)) == LIFTS
    assert told(room, "case.received") == len(LIFTS)
    assert all(case.work_order_id is not None for case in cases(room))


def test_signs_that_reach_different_desks_come_together(room: Room, threads: ThreadPoolExecutor) -> None:
    outside = State(in_door_zone=False, moving=False, passengers=True)
    turns = iter([True, False] * DESKS)
    stands = [message(lift_id, Kind.STATE, outside) for lift_id in LIFTS]
    pressed = [alarm("button", lift_id=lift_id, at_s=1) for lift_id in LIFTS]
    race(threads, room, lambda desk: desk.observe(stands if next(turns) else pressed))
    assert sorted(case.lift_id for case in cases(room)) == LIFTS
    assert {case.certainty for case in cases(room)} == {"concluded"}


def stands(at_s: float, *, outside: bool, passengers: bool | None = None) -> Message:
    said = State(in_door_zone=not outside, moving=False, passengers=passengers)
    return message("L00", Kind.STATE, said, at_s=at_s)


def test_a_car_that_another_desk_saw_outside_and_this_one_back_at_its_landing_is_back(room: Room) -> None:
    one, other = room.another_desk(), room.another_desk()
    other.observe([stands(0, outside=False)])
    one.observe([stands(1, outside=True)])
    other.observe([stands(2, outside=False)])
    other.watch(at(5), LONG_AGO)
    one.observe([alarm("button", lift_id="L00", at_s=6)])
    assert cases(room) == [], "somebody calls at a landing"


def test_passengers_that_one_desk_hears_of_make_the_case_surer_that_another_has_opened(room: Room) -> None:
    one, other = room.another_desk(), room.another_desk()
    one.observe([stands(0, outside=True)])
    other.watch(at(1), LONG_AGO)
    one.observe([alarm("button", lift_id="L00", at_s=2)])
    other.observe([stands(3, outside=True, passengers=True)])
    assert [case.certainty for case in cases(room)] == ["suspected"]
    other.watch(at(6), LONG_AGO)
    assert [case.certainty for case in cases(room)] == ["concluded"]
    assert room.order(lift_id="L00").kind == "rescue"


def test_a_clock_that_runs_out_is_told_once(room: Room, threads: ThreadPoolExecutor) -> None:
    room.desk.observe([fault("entrapment", lift_id=lift_id) for lift_id in LIFTS])
    race(threads, room, lambda desk: desk.watch(at(1_800), LONG_AGO))
    assert told(room, "case.answer-late") == told(room, "case.arrival-late") == len(LIFTS)


def test_a_stage_is_set_once_whoever_says_it(room: Room, threads: ThreadPoolExecutor) -> None:
    room.desk.observe([fault("entrapment", lift_id="L00")])
    refused: list[str] = []

    def arrive(_: Desk) -> None:
        try:
            CaseDesk(room.journal, RULES).reach(1, Stage.ARRIVED, "Ines", at(600))
        except IllegalTransitionError as refusal:
            refused.append(str(refusal))

    race(threads, room, arrive)
    assert len(refused) == DESKS - 1
    assert told(room, "case.arrived") == 1
    assert room.order().state == "on-site"


def test_a_lost_gateway_is_claimed_by_several_desks_and_is_one_alert(room: Room, threads: ThreadPoolExecutor) -> None:
    room.desk.observe([door(lift_id=lift_id) for lift_id in (*LIFTS, *GATEWAY)])
    room.desk.observe([state(connected=False, lift_id=lift_id, at_s=10) for lift_id in GATEWAY])
    race(threads, room, lambda desk: desk.watch(at(70), LONG_AGO))
    assert [(alert.kind, alert.code) for alert in room.alerts()] == [("gateway-lost", "GW")]
    room.desk.observe([door(lift_id=lift_id, at_s=100) for lift_id in GATEWAY[:3]])
    race(threads, room, lambda desk: desk.watch(at(110), LONG_AGO))
    race(threads, room, lambda desk: desk.watch(at(800), LONG_AGO))
    assert [(alert.kind, alert.lift_id) for alert in room.alerts(state="open")] == [("no-contact", "G3")]


def test_a_missing_test_call_and_a_stranger_ring_once(room: Room, threads: ThreadPoolExecutor) -> None:
    room.desk.observe([alarm("test", lift_id=lift_id) for lift_id in LIFTS])
    due_s = 78 * 3_600
    room.desk.observe([door(lift_id=lift_id, at_s=due_s - 60) for lift_id in LIFTS])
    race(threads, room, lambda desk: desk.watch(at(due_s), LONG_AGO))
    assert sorted(alert.lift_id for alert in room.alerts(kind="alarm-equipment-silent")) == LIFTS
    call = StrangerCall("X9", "alarm button", to_ms(at(due_s)))
    race(threads, room, lambda desk: desk.hear_strangers([call]))
    assert room.alert(kind="unregistered-lift-alarm").code == "X9"
