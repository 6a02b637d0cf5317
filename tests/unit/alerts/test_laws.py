"""What must hold whatever happens: any order of arrival, any duplication, a failure at any statement."""

from collections.abc import Callable, Sequence
from itertools import count, pairwise
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.engine import Engine

from alerts.desk import DeskSettings
from ingest.messages import Message
from tests.conftest import open_hastily
from tests.unit.alerts.parts import LATE_S, NOON, Room, alarm, at, door, fault, finding, state

CODES = ("entrapment", "lift-shaft-device-fault", "power-supply-fault")
_lifts = count(1)
on_one_database = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

# (what, raised or cleared, does the lift number its messages)
steps = st.lists(st.tuples(st.sampled_from([*CODES, "alarm"]), st.booleans()), min_size=1, max_size=12)


def stream(lift_id: str, said: Sequence[tuple[str, bool]], *, numbered: bool) -> list[Message]:
    """What a lift says, in the order in which it happened."""
    return [_message(lift_id, place, what, begins, numbered) for place, (what, begins) in enumerate(said)]


def _message(lift_id: str, place: int, what: str, begins: bool, numbered: bool) -> Message:
    if what == "alarm":
        return alarm("button" if begins else "end", lift_id=lift_id, at_s=place)
    number: dict[str, Any] = {"seq": place, "boot": "b"} if numbered else {}
    return fault(what, "raised" if begins else "cleared", lift_id=lift_id, at_s=place, **number)


def outcome(room: Room, lift_id: str) -> set[tuple[str, str | None]]:
    """Return what rings once it is quiet, having checked that nothing rings twice and no work is ordered twice."""
    room.desk.watch(at(10_000), None)
    ringing = [(alert.kind, alert.code) for alert in room.alerts(lift_id=lift_id, state="open")]
    assert len(ringing) == len(set(ringing))
    causes = [order.cause for order in room.undone(lift_id=lift_id)]
    assert len(causes) == len(set(causes))
    return set(ringing)


def batches(messages: Sequence[Message], cuts: Sequence[int]) -> list[Sequence[Message]]:
    places = [0, *sorted(cut % (len(messages) + 1) for cut in cuts), len(messages)]
    return [messages[start:end] for start, end in pairwise(places)]


@on_one_database
@given(said=steps, numbered=st.booleans(), random=st.randoms(), cuts=st.lists(st.integers(0, 100), max_size=4))
def test_any_interleaving_and_duplication_ends_where_the_stream_in_order_ends(
    sqlite_engine: Engine, said: list[tuple[str, bool]], numbered: bool, random: Any, cuts: list[int]
) -> None:
    room, (in_order, shuffled) = Room(sqlite_engine), (f"L{next(_lifts)}", f"L{next(_lifts)}")
    for message in stream(in_order, said, numbered=numbered):
        room.desk.observe([message])
    told = stream(shuffled, said, numbered=numbered)
    told += random.choices(told, k=random.randrange(len(told) + 1))
    random.shuffle(told)
    for batch in batches(told, cuts):
        (room.desk if random.random() < 0.5 else room.another_desk()).observe(batch)
    assert outcome(room, shuffled) == outcome(room, in_order)
    assert len(room.alerts(lift_id=shuffled)) <= len(room.alerts(lift_id=in_order))


@on_one_database
@given(said=steps, times=st.integers(1, 3))
def test_a_redelivered_stream_rings_nothing_that_it_did_not_ring_the_first_time(
    sqlite_engine: Engine, said: list[tuple[str, bool]], times: int
) -> None:
    room, lift_id = Room(sqlite_engine), f"L{next(_lifts)}"
    told = stream(lift_id, said, numbered=False)
    room.desk.observe(told)
    before = room.alerts(lift_id=lift_id), room.orders(lift_id=lift_id)
    for _ in range(times):
        room.another_desk().observe(told)
    assert (room.alerts(lift_id=lift_id), room.orders(lift_id=lift_id)) == before


@on_one_database
@given(said=steps, random=st.randoms())
def test_no_late_message_ever_opens_an_alert(sqlite_engine: Engine, said: list[tuple[str, bool]], random: Any) -> None:
    room, lift_id = Room(sqlite_engine), f"L{next(_lifts)}"
    late = [
        Message(said.lift_id, said.kind, said.measured_ms, said.received_ms + LATE_S * 1_000, said.body, late=True)
        for said in stream(lift_id, said, numbered=True)
    ]
    random.shuffle(late)
    room.desk.observe(late)
    assert room.alerts(lift_id=lift_id) == []


class Outage:
    """A database that fails once, at the n-th statement from now on, or when that is the end, at the commit."""

    def __init__(self, engine: Engine) -> None:
        self.left: int | None = None
        sa.event.listen(engine, "before_cursor_execute", self._count)
        sa.event.listen(engine, "commit", self._count)

    def _count(self, *_: object) -> None:
        if self.left is None:
            return
        self.left -= 1
        if self.left == 0:
            self.left = None
            raise OutageError

    def at(self, statement: int, action: Callable[[], None]) -> bool:
        """Do `action` and let its n-th statement fail; tell whether it came that far."""
        self.left = statement
        try:
            action()
        except OutageError:
            return True
        finally:
            self.left = None
        return False


class OutageError(sa.exc.OperationalError):
    """Said by the test: the database does not answer."""

    def __init__(self) -> None:
        super().__init__("said by the test", None, Exception())


BATCH = [
    door(),
    fault("entrapment"),
    fault("overspeed", "cleared", at_s=5),
    fault("lift-shaft-device-fault", at_s=5),
    alarm("button", at_s=6),
    alarm("answered", at_s=7),
    state(connected=False, lift_id="B2", at_s=8),
]


def everything(room: Room) -> list[Any]:
    alerts, orders = room.alerts(), room.orders()
    return [
        alerts,
        orders,
        [room.journal.alert_history(alert.id) for alert in alerts],
        [room.journal.work_order_history(order.id) for order in orders],
        room.journal.contacts(),
    ]


def before_the_batch(room: Room) -> None:
    room.desk.observe([fault("overspeed", at_s=-60)])


ACTIONS: dict[str, Callable[[Room], None]] = {
    "observe": lambda room: room.desk.observe(BATCH),
    "apply": lambda room: room.desk.apply([finding(), finding(lift_id="B2")], NOON),
    "watch": lambda room: _no_result(room.desk.watch(at(90_000), at(-90_000))),
}


def _no_result(_: object) -> None:
    return None


@pytest.mark.parametrize("name", ACTIONS)
def test_a_failure_at_any_statement_loses_nothing_and_the_retry_doubles_nothing(
    name: str, sqlite_engine: Engine, tmp_path: Any
) -> None:
    act = ACTIONS[name]
    whole = Room(sqlite_engine, DeskSettings(silence_s_max=60))
    before_the_batch(whole)
    sqlite_engine.dispose()
    untouched = tmp_path.joinpath("liftwatch.sqlite").read_bytes()
    act(whole)
    wanted = everything(whole)
    failures = 0
    while True:
        copy = tmp_path / f"copy{failures}.sqlite"
        copy.write_bytes(untouched)
        engine = open_hastily(f"sqlite:///{copy}")
        try:
            room = Room(engine, DeskSettings(silence_s_max=60))
            outage = Outage(engine)
            failed = outage.at(failures + 1, lambda room=room: act(room))  # type: ignore[misc]
            act(room)
            assert everything(room) == wanted
        finally:
            engine.dispose()
        if not failed:
            break
        failures += 1
    assert failures > 5
