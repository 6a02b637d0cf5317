from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from msgspec import structs
from sqlalchemy.engine import Engine

from alerts import tables
from alerts.alert import IllegalTransitionError
from alerts.contract_entries import keep_contracts
from alerts.contracts import ContractClock
from alerts.order_desk import StaleVersionError, Step
from alerts.order_entries import NewOrder
from alerts.technician_register import TechnicianRegister
from alerts.technicians import Certificate, CertificateKind, Technician
from alerts.work_orders import OrderKind, OrderState, UnknownWorkOrderError, WorkOrder
from ingest.fleet import Lift, VisitKind
from tests.unit.alerts.parts import NOON, Room, at, fault


@pytest.fixture
def room(sqlite_engine: Engine) -> Room:
    return Room(sqlite_engine, lift_ids=["A1", "B2"])


def register(room: Room, **valid_until: date) -> None:
    technicians = TechnicianRegister(room.journal)
    for name, until in valid_until.items():
        held = Certificate(kind=CertificateKind.LIFT_WORK, number=f"TS-{name}", valid_until=until)
        technicians.put(Technician(technician_id=name, name=name.title(), certificates=[held]))


def new(lift_id: str = "A1", cause: str = "noise", **fields: Any) -> NewOrder:
    values: dict[str, Any] = {
        "kind": OrderKind.REPAIR,
        "opened_at": NOON,
        "message": "noise on the way down",
        "opened_by": "Olga",
        **fields,
    }
    return NewOrder(lift_id=lift_id, cause=cause, **values)


def move(room: Room, order: WorkOrder, to: str, at_s: float = 60, **said: Any) -> WorkOrder:
    return room.desk.orders.move(order.id, Step(to=to, by="Ines", **said), at(at_s))


def notes(room: Room, order: WorkOrder, action: str) -> list[str | None]:
    return [entry.note for entry in room.journal.work_order_history(order.id) if entry.action == action]


def told(engine: Engine) -> list[str]:
    with engine.connect() as connection:
        return list(connection.execute(sa.select(tables.outbox.c.topic).order_by(tables.outbox.c.id)).scalars())


LATER = date(2030, 1, 1)


def test_an_order_is_opened_by_hand_once_for_a_lift_and_cause(room: Room) -> None:
    order, is_new = room.desk.orders.open(new(external_ref="8841", external_source="CMMS"), "please")
    again, is_second = room.desk.orders.open(new(), "it is louder")
    assert (is_new, is_second, again.id) == (True, False, order.id)
    assert (order.cause, order.external_ref, order.message) == ("noise", "8841", "noise on the way down")
    assert notes(room, order, "asked-again") == ["noise on the way down; it is louder"]
    assert room.order(external_ref="8841").id == order.id


def test_an_order_after_one_that_is_done_names_it(room: Room) -> None:
    order, _ = room.desk.orders.open(new())
    move(room, order, "on-site")
    move(room, order, "done", cause_code="roller")
    again, is_new = room.desk.orders.open(new(opened_at=at(3_600)))
    assert (is_new, again.recurrence_of) == (True, order.id)


def test_an_alert_of_the_same_cause_joins_an_order_that_was_opened_by_hand(room: Room) -> None:
    order, _ = room.desk.orders.open(new(cause="overspeed"))
    room.desk.observe([fault("overspeed")])
    assert room.order().id == order.id
    assert room.order().alert_ids == [room.alert().id]
    assert room.order().arrive_by == at(3_600)


def test_repairs_of_one_cause_in_a_row_are_counted_and_another_cause_begins_anew(room: Room) -> None:
    counts = []
    for number, cause_code in enumerate(["belt", "belt", "lock", "belt", "belt", "belt"]):
        order, _ = room.desk.orders.open(new(opened_at=at(1_000 * number)))
        move(room, order, "on-site", 1_000 * number + 1)
        counts.append(move(room, order, "done", 1_000 * number + 2, cause_code=cause_code).repairs_in_a_row)
    assert counts == [1, 2, 1, 1, 2, 3]


@pytest.mark.parametrize(
    ("kind", "cause_code", "visit"),
    [
        (OrderKind.PREDICTED_FAULT, "door-shoe", VisitKind.REPAIR),
        (OrderKind.FINDING, "door-shoe", VisitKind.REPAIR),
        (OrderKind.FINDING, None, None),
        (OrderKind.MAINTENANCE, None, VisitKind.MAINTENANCE),
        (OrderKind.INSPECTION_PREPARATION, None, VisitKind.MAINTENANCE),
    ],
)
def test_what_is_done_becomes_a_visit_of_its_kind(
    room: Room, kind: OrderKind, cause_code: str | None, visit: VisitKind | None
) -> None:
    order, _ = room.desk.orders.open(new(kind=kind))
    move(room, order, "on-site")
    move(room, order, "done", cause_code=cause_code)
    assert [known.visit.kind for known in room.register.visits(at(10**6))] == ([] if visit is None else [visit])


def test_a_predicted_fault_is_done_only_with_what_was_found(room: Room) -> None:
    order, _ = room.desk.orders.open(new(kind=OrderKind.PREDICTED_FAULT))
    move(room, order, "on-site")
    with pytest.raises(IllegalTransitionError, match="the cause that was found"):
        move(room, order, "done")


def test_who_is_sent_stands_on_the_order_and_is_forgotten_when_it_is_taken_back(room: Room) -> None:
    register(room, chan=LATER, kim=LATER)
    order, _ = room.desk.orders.open(new())
    order = move(room, order, "assigned", technicians=["kim", "chan"], team="North")
    assert (order.technicians, order.assigned_to, order.team) == (["chan", "kim"], "Chan, Kim", "North")
    order = move(room, order, "open")
    assert (order.technicians, order.assigned_to, order.team) == ([], None, None)


def test_a_team_alone_may_be_sent(room: Room) -> None:
    order, _ = room.desk.orders.open(new())
    assert move(room, order, "assigned", team="North").assigned_to == "North"


def test_nobody_who_is_not_registered_is_sent(room: Room) -> None:
    order, _ = room.desk.orders.open(new())
    with pytest.raises(IllegalTransitionError, match="no such technician: zoe"):
        move(room, order, "assigned", technicians=["zoe"])


def test_sending_one_alone_is_a_warning_and_his_arrival_needs_a_reason(room: Room) -> None:
    register(room, chan=LATER, kim=date(2026, 1, 31))
    order, _ = room.desk.orders.open(new())
    move(room, order, "assigned", technicians=["chan", "kim"])
    (words,) = notes(room, order, "assigned")
    assert words is not None
    assert "warning: 1 of 2 people with a valid certificate" in words
    assert "Kim: certificate TS-kim expired on 2026-01-31" in words
    with pytest.raises(IllegalTransitionError, match=r"1 of 2 people.*or a reason"):
        move(room, order, "on-site")
    order = move(room, order, "on-site", note="the second one follows")
    assert order.state is OrderState.ON_SITE
    assert "the second one follows; without 1 of 2" in str(notes(room, order, "on-site")[0])


def test_two_with_a_valid_certificate_arrive_without_a_word(room: Room) -> None:
    register(room, chan=LATER, kim=LATER)
    order, _ = room.desk.orders.open(new())
    assert move(room, order, "on-site", technicians=["chan", "kim"]).state is OrderState.ON_SITE


def test_a_rescue_is_never_held_up(room: Room) -> None:
    register(room, chan=date(2026, 1, 31))
    room.desk.observe([fault("entrapment")])
    order = move(room, room.order(), "on-site", technicians=["chan"])
    assert order.state is OrderState.ON_SITE
    assert "without 0 of 2 people" in str(notes(room, order, "on-site")[0])


def test_where_nobody_is_registered_certificates_are_not_asked_for(room: Room) -> None:
    order, _ = room.desk.orders.open(new())
    assert move(room, order, "on-site").state is OrderState.ON_SITE


def test_an_order_that_was_changed_since_it_was_read_is_not_moved(room: Room) -> None:
    read, _ = room.desk.orders.open(new())
    assert read.version == 1
    moved = move(room, read, "accepted", version=1, state="open")
    assert moved.version == room.order().version == 2
    with pytest.raises(StaleVersionError, match="version 2, not 1"):
        move(room, read, "cancelled", version=1, note="mistake")
    with pytest.raises(StaleVersionError, match="accepted, not open"):
        move(room, read, "cancelled", state="open", note="mistake")
    assert room.order() == moved


def test_a_repair_is_not_closed_in_silence_without_its_check_out(room: Room) -> None:
    order, _ = room.desk.orders.open(new())
    move(room, order, "on-site")
    move(room, order, "done", cause_code="roller")
    with pytest.raises(IllegalTransitionError, match=r"OUT-1 All bridges.*6 of 6 checks.*signature of the owner"):
        move(room, order, "closed")
    with pytest.raises(IllegalTransitionError):
        move(room, order, "closed", note="  ")
    assert move(room, order, "closed", note="papers are lost").state is OrderState.CLOSED
    assert "papers are lost; without OUT-1" in str(notes(room, order, "closed")[0])


def test_an_order_that_does_not_exist_is_named(room: Room) -> None:
    with pytest.raises(UnknownWorkOrderError, match="no work order 7"):
        room.desk.orders.move(7, Step(to="done", by="Ines"), NOON)
    with pytest.raises(UnknownWorkOrderError):
        room.desk.orders.remark(7, "Ines", NOON, "hello")


class TestClocks:
    """Told once when they are about to break, once when they broke."""

    def watch(self, room: Room, *at_s: float) -> None:
        for second in at_s:
            room.another_desk().watch(at(second), None)

    def clocks_told(self, engine: Engine) -> list[str]:
        return [topic for topic in told(engine) if "clock" in topic or "escalated" in topic]

    def test_a_clock_is_told_before_it_breaks_and_when_it_broke(self, room: Room, sqlite_engine: Engine) -> None:
        room.desk.observe([fault("entrapment")])
        self.watch(room, 0, 1_199)
        assert self.clocks_told(sqlite_engine) == []
        self.watch(room, 1_200, 1_205, 1_795)
        assert self.clocks_told(sqlite_engine) == ["work-order.clock-warning"]
        self.watch(room, 1_800, 1_805, 90_000)
        assert self.clocks_told(sqlite_engine) == ["work-order.clock-warning", "work-order.clock-breached"]
        order = room.order()
        assert (order.clock_warned_at, order.clock_breached_at, order.clock_due_at) == (at(1_200), at(1_800), None)

    def test_what_fell_due_while_nobody_watched_is_told_afterwards(self, room: Room, sqlite_engine: Engine) -> None:
        room.desk.observe([fault("entrapment")])
        self.watch(room, 7_200, 7_205)
        assert self.clocks_told(sqlite_engine) == ["work-order.clock-breached"]

    @pytest.mark.parametrize("steps", [["on-site"], ["cancelled"], ["on-site", "on-hold"]])
    def test_an_arrival_or_an_end_stops_the_clock(
        self, room: Room, sqlite_engine: Engine, steps: Sequence[str]
    ) -> None:
        room.desk.observe([fault("entrapment")])
        for to in steps:
            move(room, room.order(), to, note="because")
        self.watch(room, 1_200, 1_800, 90_000)
        assert self.clocks_told(sqlite_engine) == []

    def test_waiting_without_having_arrived_does_not_stop_it(self, room: Room, sqlite_engine: Engine) -> None:
        room.desk.observe([fault("entrapment")])
        move(room, room.order(), "accepted")
        move(room, room.order(), "on-hold", note="no car")
        self.watch(room, 1_200)
        assert self.clocks_told(sqlite_engine) == ["work-order.clock-warning"]

    def test_the_contract_of_the_lift_sets_the_clock_and_says_who_is_told(
        self, room: Room, sqlite_engine: Engine
    ) -> None:
        clock = ContractClock(contractor="North", arrive_within_min=20, warn_before_min=5, escalate_to="duty manager")
        keep_contracts(sqlite_engine, [clock])
        room.register.register([Lift(lift_id="A1", contractor="North")], NOON)
        room.desk.observe([fault("overspeed"), fault("overspeed", lift_id="B2")])
        due = {order.lift_id: order.arrive_by for order in room.orders()}
        assert due == {"A1": at(1_200), "B2": at(3_600)}
        self.watch(room, 900, 1_200)
        assert self.clocks_told(sqlite_engine) == [
            "work-order.clock-warning",
            "work-order.escalated",
            "work-order.clock-breached",
            "work-order.escalated",
        ]
        order = room.order(lift_id="A1")
        assert str(notes(room, order, "escalated")[0]).startswith("to duty manager: nobody has arrived")

    def test_contracts_are_replaced_as_a_whole(self, room: Room, sqlite_engine: Engine) -> None:
        clock = ContractClock(kind=OrderKind.REPAIR, arrive_within_min=20)
        keep_contracts(sqlite_engine, [clock])
        keep_contracts(sqlite_engine, [structs.replace(clock, arrive_within_min=30)])
        keep_contracts(sqlite_engine, [structs.replace(clock, arrive_within_min=30)])
        order, _ = room.desk.orders.open(new(arrive_within_min=60))
        assert order.arrive_by == NOON + timedelta(minutes=30)
        keep_contracts(sqlite_engine, [])
        order, _ = room.desk.orders.open(new(lift_id="B2", arrive_within_min=60))
        assert order.arrive_by == NOON + timedelta(minutes=60)
