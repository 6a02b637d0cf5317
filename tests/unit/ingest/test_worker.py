"""The worker: durable before acknowledged, whatever fails in between."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy.engine import Engine

from ingest.broker import MemoryBroker
from ingest.clock import ManualClock, to_ms
from ingest.faults import load_profiles
from ingest.fleet import Lift
from ingest.fleet_register import FleetRegister
from ingest.intake import Intake
from ingest.messages import Kind, Message
from ingest.quarantine import Quarantine
from ingest.telemetry_store import MemoryTelemetryStore, StoreRefusedError, StoreUnavailableError
from ingest.worker import IngestWorker

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
NOW_MS = to_ms(NOW)


class FailingStore(MemoryTelemetryStore):
    """Fails as often as told, and never takes a floor that it dislikes."""

    def __init__(self, failures: int = 0, disliked_seq: int | None = None) -> None:
        super().__init__()
        self.failures = failures
        self.disliked_seq = disliked_seq

    def write(self, messages: Sequence[Message]) -> None:
        if self.failures:
            self.failures -= 1
            message = "away"
            raise StoreUnavailableError(message)
        if any(message.body.seq == self.disliked_seq for message in messages):
            message = "disliked"
            raise StoreRefusedError(message)
        super().write(messages)


class Bench:
    """A worker on a memory broker, with a real register."""

    def __init__(self, engine: Engine, store: MemoryTelemetryStore, *, auto_register: bool = False) -> None:
        self.broker = MemoryBroker()
        self.store = store
        self.quarantine = Quarantine(engine)
        self.register = FleetRegister(engine)
        self.register.register([Lift(lift_id="L1")], NOW)
        self.observed: list[Message] = []
        self.worker = IngestWorker(
            self.broker,
            Intake(load_profiles()),
            self.register,
            store,
            self.quarantine,
            ManualClock(NOW),
            observers=[self.observe],
            auto_register=auto_register,
        )

    def observe(self, messages: Sequence[Message]) -> None:
        self.observed += messages

    def door(self, seq: int, lift_id: str = "L1") -> None:
        content = f'{{"at": {NOW_MS}, "seq": {seq}, "floor": 1, "opening_ms": 2000, "closing_ms": 3000}}'
        self.broker.publish(f"lifts/v1/{lift_id}/door", content.encode(), NOW_MS)

    def stored(self, lift_id: str = "L1") -> list[int | None]:
        messages = self.store.messages(lift_id, Kind.DOOR, NOW - timedelta(hours=1), NOW + timedelta(hours=1))
        return [message.body.seq for message in messages]

    def reasons(self) -> list[str]:
        return [row.reason for row in self.quarantine.list(limit=100)]


@pytest.fixture
def bench(sqlite_engine: Engine) -> Bench:
    return Bench(sqlite_engine, MemoryTelemetryStore())


def test_what_is_accepted_is_observed_kept_and_then_acknowledged(bench: Bench) -> None:
    bench.door(1)
    bench.door(2)
    assert bench.worker.step(0) == 2
    assert bench.stored() == [1, 2]
    assert [message.body.seq for message in bench.observed] == [1, 2]
    bench.broker.reconnect()
    assert bench.worker.step(0) == 0


def test_garbage_goes_to_quarantine_and_stops_nothing(bench: Bench) -> None:
    bench.broker.publish("lifts/v1/L1/door", b"\x00garbage", NOW_MS)
    bench.broker.publish("lifts/v1/stranger/door", b"{}", NOW_MS)
    bench.broker.publish("lifts/v1/L1/horn", b"{}", NOW_MS)
    bench.door(3)
    bench.worker.step(0)
    assert bench.stored() == [3]
    assert sorted(bench.reasons()) == ["not-json", "unknown-kind", "unknown-lift"]
    bench.broker.reconnect()
    assert bench.worker.step(0) == 0, "quarantined is acknowledged too, or it would come for ever"


def test_the_same_garbage_twice_is_one_row_counted(bench: Bench) -> None:
    for _ in range(3):
        bench.broker.publish("lifts/v1/L1/door", b"garbage", NOW_MS)
        bench.worker.step(0)
    (row,) = bench.quarantine.list(limit=10)
    assert (row.times, row.payload) == (3, b"garbage")


def test_a_store_that_is_away_delays_the_acknowledgement_and_loses_nothing(sqlite_engine: Engine) -> None:
    bench = Bench(sqlite_engine, FailingStore(failures=2))
    bench.door(1)
    bench.broker.publish("lifts/v1/L1/door", b"garbage", NOW_MS)
    bench.worker.step(0)
    assert bench.stored() == [1]
    assert bench.worker.counts.retries == 2
    assert bench.quarantine.list(limit=10)[0].times == 1, "a retry is not a second message"


def test_a_worker_that_is_stopped_while_the_store_is_away_leaves_the_batch_to_the_broker(sqlite_engine: Engine) -> None:
    bench = Bench(sqlite_engine, FailingStore(failures=1_000))
    bench.door(1)
    bench.worker.stop()
    bench.worker.step(0)
    assert bench.stored() == []
    bench.broker.reconnect()
    assert [delivery.mid for delivery in bench.broker.take(10, 0)] == [1]


def test_alarms_are_observed_although_the_store_is_away(sqlite_engine: Engine) -> None:
    bench = Bench(sqlite_engine, FailingStore(failures=1_000))
    bench.door(1)
    bench.worker.stop()
    bench.worker.step(0)
    assert [message.body.seq for message in bench.observed] == [1]


def test_what_the_store_refuses_is_taken_out_and_the_rest_is_kept(sqlite_engine: Engine) -> None:
    bench = Bench(sqlite_engine, FailingStore(disliked_seq=4))
    for seq in range(9):
        bench.door(seq)
    bench.worker.step(0)
    assert bench.stored() == [0, 1, 2, 3, 5, 6, 7, 8]
    assert bench.reasons() == ["store-refused"]


def test_an_error_of_our_own_is_not_swallowed(bench: Bench) -> None:
    def broken(messages: Sequence[Message]) -> None:
        message = f"our own bug with {len(messages)} messages"
        raise RuntimeError(message)

    bench.worker._observers = [broken]
    bench.door(1)
    with pytest.raises(RuntimeError, match="our own bug"):
        bench.worker.step(0)
    assert bench.stored() == []


def test_a_stranger_is_registered_by_its_first_message_only_where_that_is_wanted(sqlite_engine: Engine) -> None:
    bench = Bench(sqlite_engine, MemoryTelemetryStore(), auto_register=True)
    bench.door(1, "NEW")
    bench.broker.publish("lifts/v1/NOISE/door", b"garbage", NOW_MS)
    bench.worker.step(0)
    assert bench.stored("NEW") == [1]
    assert bench.register.find("NEW") is not None
    assert bench.register.find("NOISE") is None, "garbage registers nobody"


def test_a_lift_registered_later_is_known_at_its_next_message(bench: Bench) -> None:
    bench.door(1, "L2")
    bench.worker.step(0)
    bench.register.register([Lift(lift_id="L2")], NOW)
    bench.door(2, "L2")
    bench.worker.step(0)
    assert bench.stored("L2") == [2]
    assert bench.reasons() == ["unknown-lift"]


def test_a_message_that_is_delivered_again_is_kept_once(bench: Bench) -> None:
    for _ in range(3):
        bench.door(7)
        bench.worker.step(0)
    assert bench.stored() == [7]


def test_counts_tell_what_was_done(bench: Bench) -> None:
    bench.door(1)
    old = f'{{"at": {NOW_MS - 3_600_000}, "seq": 2, "type": "test", "new": 1}}'
    bench.broker.publish("lifts/v1/L1/alarm", old.encode(), NOW_MS)
    bench.broker.publish("lifts/v1/L1/door", b"garbage", NOW_MS)
    bench.worker.step(0)
    counts = bench.worker.counts
    assert (counts.deliveries, counts.messages_accepted, counts.messages_late) == (3, 2, 1)
    assert (counts.messages_quarantined, counts.unknown_fields) == (1, 1)


def test_what_the_broker_retained_is_kept_but_only_a_last_will_is_observed(bench: Bench) -> None:
    for content in (f'{{"at": {NOW_MS}, "seq": 1, "connected": true}}', '{"connected": false}'):
        bench.broker.publish("lifts/v1/L1/state", content.encode(), NOW_MS, retained=True)
    bench.worker.step(0)
    assert [getattr(message.body, "connected", None) for message in bench.observed] == [False]
    states = bench.store.messages("L1", Kind.STATE, NOW - timedelta(hours=1), NOW + timedelta(hours=1))
    assert len(states) == 2
