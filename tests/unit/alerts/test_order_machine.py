"""No sequence of calls reaches an illegal state, loses history or opens a second order of the same lift and cause.

Two desks on one database, as two replicas have it; lifts that raise and clear faults meanwhile; requests that are sent
again with their key; people who record, sign and move; and a watch now and then.
"""

import shutil
import tempfile
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from alerts import tables
from alerts.alert import IllegalTransitionError, Suppression
from alerts.checklists import CheckResult
from alerts.order_desk import StaleVersionError, Step
from alerts.order_entries import NewOrder
from alerts.order_papers import Role, content_sha256
from alerts.order_sheet import CheckFound
from alerts.request_keys import Answer, Request, answered_once
from alerts.work_orders import LEGAL_TRANSITIONS, OrderKind, OrderState, WorkOrder
from tests.conftest import open_hastily
from tests.unit.alerts.parts import Room, at, fault

LIFTS = ("A1", "B2")
CAUSES = ("overspeed", "entrapment", "noise")
STATES = [state.value for state in OrderState]
desks = st.integers(0, 1)
places = st.integers(0, 5)


class Orders(RuleBasedStateMachine):
    """What the world does to two desks."""

    migrated: ClassVar[Path]

    @initialize()
    def open(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        path = Path(self.folder.name) / "liftwatch.sqlite"
        shutil.copyfile(self.migrated, path)
        self.engine = open_hastily(f"sqlite:///{path}")
        self.room = Room(self.engine, lift_ids=LIFTS)
        self.desks = [self.room.desk, self.room.another_desk()]
        self.now_s = 0
        self.sent: dict[str, tuple[Callable[[int], str], str]] = {}
        self.histories: dict[int, list[Any]] = {}
        self.versions: dict[int, int] = {}

    def teardown(self) -> None:
        if hasattr(self, "engine"):
            self.engine.dispose()
            self.folder.cleanup()

    def later(self) -> int:
        self.now_s += 60
        return self.now_s

    def order_at(self, place: int) -> WorkOrder | None:
        orders = self.room.orders()
        return orders[place % len(orders)] if orders else None

    def send(self, act: Callable[[int], str], desk: int) -> None:
        """Send a request with a key; a refusal leaves nothing, and its key may be used again."""
        key = f"key {len(self.sent)}"
        try:
            body = self.answered(key, act, desk)
        except (IllegalTransitionError, StaleVersionError):
            return
        self.sent[key] = act, body

    def answered(self, key: str, act: Callable[[int], str], desk: int) -> str:
        with answered_once(self.room.journal, Request(key, "same"), at(self.now_s)) as once:
            if once.answer is None:
                once.settle(Answer(200, body := act(desk)))
                return body
            return once.answer.body

    @rule(lift_id=st.sampled_from(LIFTS), code=st.sampled_from(CAUSES[:2]), begins=st.booleans(), desk=desks)
    def a_lift_speaks(self, lift_id: str, code: str, begins: bool, desk: int) -> None:
        said = fault(code, "raised" if begins else "cleared", lift_id=lift_id, at_s=self.later())
        for _ in range(2):
            self.desks[desk].observe([said])

    @rule(lift_id=st.sampled_from(LIFTS), cause=st.sampled_from(CAUSES), desk=desks)
    def somebody_opens(self, lift_id: str, cause: str, desk: int) -> None:
        kind = OrderKind.RESCUE if cause == "entrapment" else OrderKind.REPAIR
        new = NewOrder(lift_id=lift_id, kind=kind, cause=cause, opened_at=at(self.later()), message="look")
        self.send(lambda which: str(self.desks[which].orders.open(new)[0].id), desk)

    @rule(place=places, choice=st.integers(0, 59), says=st.booleans(), reads=st.booleans(), desk=desks)
    def somebody_moves(self, place: int, choice: int, says: bool, reads: bool, desk: int) -> None:
        order = self.order_at(place)
        if order is None:
            return
        # Mostly a step that is legal, or few orders would ever be done; cancelling ends what could become interesting.
        legal = sorted(LEGAL_TRANSITIONS[order.state] - {OrderState.CANCELLED}) or [OrderState.CLOSED]
        to = legal[choice % len(legal)].value if choice < 50 else STATES[choice - 50]
        said: dict[str, Any] = {"note": "because", "assigned_to": "Ines", "cause_code": "belt"} if says else {}
        step = Step(to=to, by="Ines", version=order.version - (not reads) if place % 2 else None, **said)
        now = at(self.later())
        self.send(lambda which: self.desks[which].orders.move(order.id, step, now).state.value, desk)

    @rule(place=places, desk=desks, signs=st.booleans())
    def somebody_does_the_work(self, place: int, desk: int, signs: bool) -> None:
        undone = self.room.undone()
        if not undone:
            return
        order_id, now = undone[place % len(undone)].id, at(self.later())
        for to in ("accepted", "on-site", "done"):
            step = Step(to=to, by="Ines", cause_code="belt")
            self.send(lambda which, step=step: self.desks[which].orders.move(order_id, step, now).state.value, desk)  # type: ignore[misc]
        if signs:
            self.send(lambda which: self.desks[which].sheets.sign(order_id, Role.OWNER, "Olga", now).name, desk)

    @rule(place=places, role=st.sampled_from(list(Role)), what=st.integers(0, 3), desk=desks)
    def somebody_records(self, place: int, role: Role, what: int, desk: int) -> None:
        order = self.order_at(place)
        if order is None:
            return
        sheets, now = self.desks[desk].sheets, at(self.later())
        found = CheckFound(code="OUT-1" if order.kind is OrderKind.REPAIR else "Q-1", result=CheckResult.OK)
        part = {"name": "belt", "part_number": None, "quantity": 1.0, "note": None}
        acts: list[Callable[[], object]] = [
            lambda: sheets.fill_in(order.id, [found], "Ines", now),
            lambda: sheets.use_part(order.id, "Ines", now, **part),  # type: ignore[arg-type]
            lambda: sheets.attach(order.id, b"%PDF- x", "Ines", now, name="x.pdf", media_type="application/pdf"),
            lambda: sheets.sign(order.id, role, "Ines", now),
        ]
        self.send(lambda _: str(acts[what]() is not None), desk)

    @precondition(lambda self: self.sent)
    @rule(place=places, desk=desks)
    def somebody_sends_it_again(self, place: int, desk: int) -> None:
        key = list(self.sent)[place % len(self.sent)]
        act, body = self.sent[key]
        before = self.everything()
        assert self.answered(key, act, desk) == body
        assert self.everything() == before

    @rule(desk=desks)
    def time_passes(self, desk: int) -> None:
        self.now_s += 900
        self.desks[desk].watch(at(self.now_s), None)

    def everything(self) -> list[Any]:
        orders = self.room.orders()
        return [orders, [self.room.journal.work_order_history(order.id) for order in orders]]

    @invariant()
    def work_is_ordered_once(self) -> None:
        undone = [(order.lift_id, order.cause) for order in self.room.undone()]
        assert len(undone) == len(set(undone))

    @invariant()
    def history_is_only_added_to_and_its_steps_are_legal(self) -> None:
        for order in self.room.orders():
            history = self.room.journal.work_order_history(order.id)
            before = self.histories.get(order.id, [])
            assert history[: len(before)] == before
            self.histories[order.id] = history
            path = ["open", *(entry.action for entry in history[1:] if entry.action in STATES)]
            assert all(after in LEGAL_TRANSITIONS[OrderState(state)] for state, after in pairwise(path))
            assert path[-1] == order.state.value
            assert order.version >= self.versions.get(order.id, 1)
            self.versions[order.id] = order.version

    @invariant()
    def what_happened_was_told(self) -> None:
        with self.engine.connect() as connection:
            query = sa.select(tables.outbox.c.work_order_id, tables.outbox.c.topic)
            rows = [tuple(row) for row in connection.execute(query.order_by(tables.outbox.c.id))]
        for order_id, history in self.histories.items():
            told = [topic.partition(".")[2] for of, topic in rows if of == order_id and topic.startswith("work-order.")]
            steps = [entry.action for entry in history[1:] if entry.action in STATES]
            assert [topic for topic in told if topic in STATES] == steps
            assert told.count("opened") == 1

    @invariant()
    def an_order_that_comes_back_names_one_that_was_done(self) -> None:
        for order in self.room.orders():
            earlier = order.recurrence_of and self.room.journal.work_order(order.recurrence_of)
            if earlier:
                assert earlier.done_at is not None
                assert (earlier.lift_id, earlier.cause) == (order.lift_id, order.cause)
                assert earlier.id < order.id

    @invariant()
    def every_alert_that_asks_for_work_has_its_order(self) -> None:
        for alert in self.room.alerts(state="open"):
            # One that came while somebody was on site is silent, and orders work when it rings.
            if alert.kind in {"lift-stopped", "entrapment"} and alert.suppression is Suppression.NONE:
                order = self.room.journal.work_order(alert.work_order_id or 0)
                assert order is not None
                assert alert.id in order.alert_ids

    @invariant()
    def what_was_signed_stands(self) -> None:
        for order in self.room.orders():
            if order.signed_at is not None:
                _, papers = self.room.desk.sheets.papers(order.id)
                assert {one.content_sha256 for one in papers.signatures} == {content_sha256(order, papers)}

    @invariant()
    def a_clock_runs_only_while_somebody_is_waited_for(self) -> None:
        for order in self.room.orders():
            if order.clock_due_at is not None:
                assert order.arrived_at is None
                assert order in self.room.undone()


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_no_sequence_of_calls_loses_history_or_orders_the_same_work_twice(migrated_sqlite_file: Path) -> None:
    Orders.migrated = migrated_sqlite_file
    run_state_machine_as_test(
        Orders,
        settings=settings(
            max_examples=12, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
