"""Work orders on every database: two replicas at once, retries, and everything that stands around an order."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from alerts import tables
from alerts.alert import IllegalTransitionError
from alerts.checklists import CheckResult
from alerts.contract_entries import keep_contracts
from alerts.contracts import ContractClock
from alerts.order_desk import StaleVersionError, Step
from alerts.order_entries import NewOrder
from alerts.order_papers import Role
from alerts.order_sheet import CheckFound
from alerts.order_tables import request_key
from alerts.request_keys import KEPT, Answer, KeyReusedError, Request, answered_once
from alerts.technician_register import TechnicianRegister
from alerts.technicians import Certificate, CertificateKind, Technician
from alerts.work_orders import OrderKind
from ingest.fleet import Lift
from tests.unit.alerts.parts import NOON, Room, at, fault

THREADS = 4
JPEG = b"\xff\xd8\xff\xe0 a photo"
REFUSALS = (IllegalTransitionError, StaleVersionError, KeyReusedError)


@pytest.fixture
def room(engine: Engine) -> Room:
    return Room(engine, lift_ids=["A1", "B2"])


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(THREADS) as pool:
        yield pool


def race(threads: ThreadPoolExecutor, act: Callable[[int], object]) -> list[object]:
    """Let several do the same at the same moment; return what each got, its refusal where it was one."""
    barrier = threading.Barrier(THREADS)

    def run(number: int) -> object:
        barrier.wait(timeout=30)
        try:
            return act(number)
        except REFUSALS as refusal:
            return refusal

    return list(threads.map(run, range(THREADS)))


def new(**fields: Any) -> NewOrder:
    values: dict[str, Any] = {
        "lift_id": "A1", "kind": OrderKind.REPAIR, "cause": "noise", "opened_at": NOON, "message": "noise", **fields
    }  # fmt: skip
    return NewOrder(**values)


def answer(room: Room, request: Request, act: Callable[[], str], at_s: float = 0) -> tuple[str, bool]:
    """Answer a request as the API does; tell whether it was answered before."""
    with answered_once(room.journal, request, at(at_s)) as once:
        if once.answer is not None:
            return once.answer.body, True
        body = act()
        once.settle(Answer(201, body))
    return body, False


def count(engine: Engine, table: sa.Table) -> int:
    with engine.connect() as connection:
        return connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()


def test_one_request_sent_to_all_replicas_at_once_opens_one_order_and_all_get_its_answer(
    room: Room, engine: Engine, threads: ThreadPoolExecutor
) -> None:
    for number in range(6):
        request = Request(f"key-{number}", "f")

        def act(cause: str = f"cause {number}") -> str:
            return str(room.another_desk().orders.open(new(cause=cause))[0].id)

        answers = race(threads, lambda _, request=request, act=act: answer(room, request, act))  # type: ignore[misc]
        (first,) = [body for body, replayed in answers if not replayed]  # type: ignore[misc, has-type]
        assert answers.count((first, True)) == THREADS - 1
    assert count(engine, tables.work_order) == 6


def test_a_key_answers_when_the_order_has_been_closed_meanwhile_but_not_another_request(room: Room) -> None:
    request = Request("key", "f")
    body, _ = answer(room, request, lambda: str(room.desk.orders.open(new())[0].id))
    room.finish(room.order(), at_s=60, cause_code="roller")
    assert answer(room, request, lambda: "another") == (body, True)
    with pytest.raises(KeyReusedError):
        answer(room, Request("key", "other"), lambda: "another")
    assert answer(room, Request("key-2", "f"), lambda: str(room.desk.orders.open(new())[0].recurrence_of)) == (
        body,
        False,
    )


def test_a_request_that_fails_leaves_neither_change_nor_key_and_may_be_sent_again(room: Room, engine: Engine) -> None:
    def fails() -> str:
        room.desk.orders.open(new())
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        answer(room, Request("key", "f"), fails)
    assert (count(engine, tables.work_order), count(engine, request_key)) == (0, 0)
    assert count(engine, tables.outbox) == 0
    assert answer(room, Request("key", "f"), lambda: "now")[1] is False


def test_within_one_request_what_was_written_is_read(room: Room) -> None:
    with answered_once(room.journal, Request("key", "f"), NOON):
        order, _ = room.desk.orders.open(new())
        assert room.journal.work_order(order.id) == order
        assert room.journal.work_order_history(order.id)[0].action == "opened"


def test_keys_are_forgotten_after_three_days(room: Room, engine: Engine) -> None:
    for number in range(60):
        answer(room, Request(f"key-{number}", "f"), lambda: "x")
    late_s = KEPT.total_seconds()
    assert answer(room, Request("key-0", "f"), lambda: "y", late_s) == ("x", True)
    assert answer(room, Request("new", "f"), lambda: "y", late_s + 1) == ("y", False)
    assert answer(room, Request("newer", "f"), lambda: "y", late_s + 1) == ("y", False)
    assert count(engine, request_key) == 2


def test_by_hand_and_by_alert_at_once_open_one_order(room: Room, threads: ThreadPoolExecutor) -> None:
    for number, code in enumerate(("overspeed", "brake-fault", "limit-overrun")):

        def act(who: int, code: str = code, number: int = number) -> object:
            desk = room.another_desk()
            if who % 2 == 0:
                return desk.orders.open(new(cause=code))
            desk.observe([fault(code, at_s=number)])
            return None

        race(threads, act)
        assert len(room.orders()) == number + 1
    assert len(room.alerts(state="open")) == 3


def test_of_two_systems_that_move_the_same_version_one_is_refused(room: Room, threads: ThreadPoolExecutor) -> None:
    order, _ = room.desk.orders.open(new())
    steps = [Step(to=to, by=to, version=1) for to in ("accepted", "en-route", "on-site", "accepted")]
    answers = race(threads, lambda number: room.another_desk().orders.move(order.id, steps[number], at(60)))
    assert sum(isinstance(each, StaleVersionError) for each in answers) == THREADS - 1
    assert room.order().version == 2
    assert len(room.journal.work_order_history(order.id)) == 2


def test_a_clock_is_told_once_by_several_processes_that_watch(
    room: Room, engine: Engine, threads: ThreadPoolExecutor
) -> None:
    for number in range(20):
        room.desk.orders.open(new(cause=f"cause {number}", arrive_within_min=60))
    for second in (2_400, 3_600):
        race(threads, lambda _, second=second: room.another_desk().watch(at(second), None))  # type: ignore[misc]
        room.desk.watch(at(second), None)  # what another held at that moment
    with engine.connect() as connection:
        told = list(connection.execute(sa.select(tables.outbox.c.topic)).scalars())
    assert told.count("work-order.clock-warning") == told.count("work-order.clock-breached") == 20


def test_one_of_several_signs_in_a_role(room: Room, threads: ThreadPoolExecutor) -> None:
    order, _ = room.desk.orders.open(new())
    for to in ("on-site", "done"):
        room.desk.orders.move(order.id, Step(to=to, by="Ines", cause_code="roller"), at(60))
    answers = race(
        threads, lambda number: room.another_desk().sheets.sign(order.id, Role.OWNER, f"owner {number}", at(70))
    )
    assert sum(isinstance(each, IllegalTransitionError) for each in answers) == THREADS - 1
    assert len(room.desk.sheets.papers(order.id)[1].signatures) == 1


def test_a_sheet_is_read_as_it_was_written(room: Room) -> None:
    order, _ = room.desk.orders.open(new(kind=OrderKind.MAINTENANCE, scope="year"))
    found = CheckFound(code="A-1-29", result=CheckResult.MENDED, as_found=5.25, as_left=7.5, note="Türe\u2028😀")
    room.desk.sheets.fill_in(order.id, [found], "Ines", at(60))
    part = room.desk.sheets.use_part(
        order.id, "Ines", at(61), name="shoe", part_number=None, quantity=0.5, note="half a metre"
    )
    file = room.desk.sheets.attach(order.id, JPEG, "Ines", at(62), name="schloß.jpg", media_type="image/jpeg")
    _, papers = room.desk.sheets.papers(order.id)
    (entry,) = papers.checks
    assert (entry.as_found, entry.as_left, entry.unit, entry.note, entry.at) == (
        5.25, 7.5, "mm", "Türe\u2028😀", at(60)
    )  # fmt: skip
    assert papers.parts == [part]
    assert papers.files == [file]
    assert room.desk.sheets.file(order.id, file.id) == (file, JPEG)


def test_technicians_are_kept_replaced_and_listed(room: Room) -> None:
    register = TechnicianRegister(room.journal)

    def technician(name: str, until: date | None, **fields: Any) -> Technician:
        kind = CertificateKind.LIFT_WORK
        held = [] if until is None else [Certificate(kind=kind, number="TS-1", valid_until=until)]
        return Technician(technician_id=name, name=name.title(), certificates=held, **fields)

    chan = technician("chan", date(2026, 6, 30), team="North", contractor="Lifts Ltd")
    assert register.put(chan)
    assert not register.put(chan)
    assert register.find("chan") == chan
    assert register.find("zoe") is None
    others = [technician("ines", None), technician("kim", date(2030, 1, 1)), technician("olga", None, active=False)]
    for other in others:
        register.put(other)
    assert register.technicians(limit=10) == [chan, *others]
    assert register.technicians(limit=2, after="chan") == others[:2]
    assert register.technicians(limit=10, team="North") == [chan]
    assert [who.technician_id for who in register.technicians(limit=10, expiring_before=date(2026, 7, 1))] == [
        "chan",
        "ines",
    ]
    assert register.technicians(limit=10, expiring_before=date(2026, 6, 30)) == others[:1]
    register.put(technician("chan", None))
    assert register.find("chan") == technician("chan", None)


def test_the_contract_of_a_site_sets_the_clock(room: Room, engine: Engine) -> None:
    lines = [ContractClock(contractor="North", arrive_within_min=45), ContractClock(site_id="S1", arrive_within_min=20)]
    keep_contracts(engine, lines)
    room.register.register([Lift(lift_id="A1", contractor="North", site_id="S1")], NOON)
    room.register.register([Lift(lift_id="B2", contractor="North")], NOON)
    for lift_id in ("A1", "B2"):
        room.desk.observe([fault("overspeed", lift_id=lift_id)])
    assert {order.lift_id: order.arrive_by for order in room.orders()} == {"A1": at(1_200), "B2": at(2_700)}
