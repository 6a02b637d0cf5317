"""Several processes write about the same lifts at once, and none waits for another for ever."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy.engine import Engine

from ingest.fleet import Lift
from tests.unit.alerts.parts import NOON, Room, alarm, at, door, fault, state

ROUNDS = 4
LONG_AGO = at(-90_000)


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as pool:
        yield pool


def at_once(threads: ThreadPoolExecutor, *acts: Callable[[], object]) -> None:
    """Do both at the same moment; a deadlock is an error of one of them."""
    barrier = threading.Barrier(len(acts))

    def run(act: Callable[[], object]) -> None:
        barrier.wait(timeout=30)
        act()

    list(threads.map(run, acts))


def site_of(room: Room, number: int) -> list[str]:
    lift_ids = [f"S{number}L{lift}" for lift in range(6)]
    room.register.register(
        [Lift(lift_id=each, site_id=f"S{number}", gateway_id=f"G{number}") for each in lift_ids], NOON
    )
    return lift_ids


def test_one_power_cut_that_reaches_two_processes_is_one_alert(engine: Engine, threads: ThreadPoolExecutor) -> None:
    room = Room(engine, lift_ids=())
    for number in range(ROUNDS):
        lift_ids = site_of(room, number)
        stopped = [fault("safety-interlock-fault", lift_id=each, seq=1, boot="b") for each in lift_ids]
        room.desk.observe(stopped)
        halves = [
            [fault("safety-interlock-fault", lift_id=half[0], at_s=5, seq=2, boot="b")]
            + [fault("power-supply-fault", lift_id=each, at_s=5, seq=3, boot="b") for each in half[1:]]
            for half in (lift_ids[::2], lift_ids[1::2])
        ]
        at_once(threads, *(lambda half=half: room.another_desk().observe(half) for half in halves))
    assert sorted(each.code or "" for each in room.alerts(kind="site-power-cut")) == [f"S{n}" for n in range(ROUNDS)]


def test_a_gateway_is_lost_while_its_lifts_still_say_something(engine: Engine, threads: ThreadPoolExecutor) -> None:
    room = Room(engine, lift_ids=())
    for number in range(ROUNDS):
        lift_ids = site_of(room, number)
        room.desk.observe([door(lift_id=each) for each in lift_ids])
        room.desk.observe([state(connected=False, lift_id=each, at_s=10) for each in lift_ids])
        speaks = room.another_desk()
        at_once(
            threads,
            lambda: room.another_desk().watch(at(70), LONG_AGO),
            lambda speaks=speaks, said=lift_ids: speaks.observe([door(lift_id=each, at_s=71) for each in said]),  # type: ignore[misc]
        )
        room.desk.watch(at(90), LONG_AGO)
    assert not room.alerts(kind="no-contact", state="open")


def test_a_rescue_is_moved_on_while_its_lift_speaks(engine: Engine, threads: ThreadPoolExecutor) -> None:
    lift_ids = [f"L{number}" for number in range(ROUNDS)]
    room = Room(engine, lift_ids=lift_ids)
    room.desk.observe([fault("entrapment", lift_id=each, seq=1, boot="b") for each in lift_ids])
    for lift_id in lift_ids:
        order, desk = room.order(lift_id=lift_id), room.another_desk()
        said = [
            fault("entrapment", "cleared", lift_id=lift_id, at_s=5, seq=2, boot="b"),
            alarm("button", lift_id=lift_id, at_s=6, seq=3, boot="b"),
            fault("entrapment", lift_id=lift_id, at_s=7, seq=4, boot="b"),
        ]
        at_once(
            threads,
            lambda order=order: room.finish(order, at_s=9),  # type: ignore[misc]
            lambda desk=desk, said=said: [desk.observe([each]) for each in said],  # type: ignore[misc]
        )
        assert len(room.alerts(lift_id=lift_id, kind="entrapment", state="open")) == 1
