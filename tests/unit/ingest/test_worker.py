"""Worker and keeper: observed at once, durable before acknowledged, whatever fails in between."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from ingest.fleet import Lift
from ingest.flow import Quota
from ingest.keeper import WAITING_MAX, Judged
from ingest.messages import Kind, Message
from tests.unit.ingest.parts import NOW, NOW_MS, FailingStore, Pipeline


@pytest.fixture
def bench(sqlite_engine: Engine, tmp_path: Path) -> Pipeline:
    return Pipeline(sqlite_engine, tmp_path)


def test_what_is_accepted_is_observed_kept_and_then_acknowledged(bench: Pipeline) -> None:
    bench.publish(1)
    bench.publish(2)
    assert bench.step() == 2
    assert bench.store.numbers() == [1, 2]
    assert [message.body.seq for message in bench.observed] == [1, 2]
    bench.broker.reconnect()
    assert bench.step() == 0


def test_garbage_goes_to_quarantine_and_stops_nothing(bench: Pipeline) -> None:
    bench.broker.publish("lifts/v1/L1/door", b"\x00garbage", NOW_MS)
    bench.broker.publish("lifts/v1/stranger/door", b"{}", NOW_MS)
    bench.broker.publish("lifts/v1/L1/horn", b"{}", NOW_MS)
    bench.publish(3)
    bench.step()
    assert bench.store.numbers() == [3]
    assert sorted(bench.reasons()) == ["not-json", "unknown-kind", "unknown-lift"]
    bench.broker.reconnect()
    assert bench.step() == 0, "quarantined is acknowledged too, or it would come for ever"


def test_the_same_garbage_twice_is_one_row_counted(bench: Pipeline) -> None:
    for _ in range(3):
        bench.broker.publish("lifts/v1/L1/door", b"garbage", NOW_MS)
        bench.step()
    (row,) = bench.quarantine.list(limit=10)
    assert (row.times, row.payload) == (3, b"garbage")


def test_a_store_that_is_away_delays_no_acknowledgement(sqlite_engine: Engine, tmp_path: Path) -> None:
    bench = Pipeline(sqlite_engine, tmp_path, FailingStore(failures=1))
    bench.publish(1)
    bench.broker.publish("lifts/v1/L1/door", b"garbage", NOW_MS)
    bench.step()
    assert (bench.store.numbers(), bench.spool.counts().messages) == ([], 1)
    assert bench.quarantine.list(limit=10)[0].times == 1
    bench.broker.reconnect()
    assert bench.step() == 0, "what is in the spool is durable, and acknowledged"
    bench.recorder.step()
    assert bench.store.numbers() == [1]


def test_with_store_away_and_spool_full_the_broker_has_to_keep_the_batch(sqlite_engine: Engine, tmp_path: Path) -> None:
    bench = Pipeline(sqlite_engine, tmp_path, FailingStore(failures=1_000), spool_bytes_max=1)
    bench.publish(1)
    bench.worker.step(0)
    bench.keeper.stop()
    assert bench.keeper.step(0) == 0
    assert bench.keeper.trouble() == "the spool is full"
    bench.broker.reconnect()
    assert [delivery.mid for delivery in bench.broker.take(10, 0)] == [1]


def test_alarms_are_observed_before_anything_is_kept(sqlite_engine: Engine, tmp_path: Path) -> None:
    bench = Pipeline(sqlite_engine, tmp_path, FailingStore(failures=1_000), spool_bytes_max=1)
    bench.publish(1)
    bench.worker.step(0)
    assert [message.body.seq for message in bench.observed] == [1]
    assert bench.store.writes == []


def test_a_register_that_is_away_delays_the_batch_and_loses_nothing(bench: Pipeline) -> None:
    class Away:
        def __init__(self) -> None:
            self.failures = 2

        def __call__(self, messages: Sequence[Message]) -> None:
            if self.failures:
                self.failures -= 1
                cause = Exception(f"away with {len(messages)} messages")
                raise sa.exc.OperationalError(None, None, cause)

    bench.worker._observers = [Away(), bench.observe]
    bench.publish(1)
    bench.step()
    assert bench.store.numbers() == [1]
    assert bench.worker.counts.observing_retries == 2
    assert (bench.worker.counts.deliveries, len(bench.observed)) == (1, 1)


def test_batches_that_wait_are_kept_together_and_bounded(bench: Pipeline) -> None:
    for seq in range(3):
        bench.publish(seq)
        bench.worker.step(0)
    assert bench.keeper.waiting() == 3
    assert bench.keeper.step(0) == 3
    assert bench.store.writes == [3]
    bench.keeper.stop()
    assert bench.keeper.put(Judged([], [], []))
    bench.keeper._waiting_size = WAITING_MAX
    bench.publish(4)
    bench.worker.step(0)
    assert len(bench.keeper._waiting) == 1, "told to stop, it takes no more and leaves it to the broker"


def test_a_lift_that_chatters_is_quarantined_beyond_its_quota(sqlite_engine: Engine, tmp_path: Path) -> None:
    bench = Pipeline(sqlite_engine, tmp_path, quota=Quota(per_s=1, burst=20))
    bench.register.register([Lift(lift_id="L2")], NOW)
    for seq in range(100):
        bench.publish(seq)
    bench.publish(1, "L2")
    bench.step()
    assert len(bench.store.numbers()) == 30
    assert bench.store.numbers("L2") == [1]
    assert set(bench.reasons()) == {"flooding"}
    assert bench.worker.counts.messages_flooding == 70
    bench.broker.reconnect()
    assert bench.step() == 0


def test_the_ledger_knows_what_was_kept(bench: Pipeline) -> None:
    for seq in (1, 2, 2, 5):
        bench.publish(seq)
    bench.step()
    (boot,) = bench.ledger.of("L1").boots
    assert (boot.first_seq, boot.last_seq, boot.stored, boot.duplicates) == (1, 5, 3, 1)
    assert [list(gap) for gap in boot.gaps] == [[3, 4]]


def test_what_the_store_refuses_is_taken_out_and_the_rest_is_kept(sqlite_engine: Engine, tmp_path: Path) -> None:
    bench = Pipeline(sqlite_engine, tmp_path, FailingStore(disliked_seq=4))
    for seq in range(9):
        bench.publish(seq)
    bench.step()
    assert bench.store.numbers() == [0, 1, 2, 3, 5, 6, 7, 8]
    assert bench.reasons() == ["store-refused"]


def test_what_the_store_refuses_is_kept_with_the_controllers_own_code(sqlite_engine: Engine, tmp_path: Path) -> None:
    bench = Pipeline(sqlite_engine, tmp_path, FailingStore(disliked_seq=4))
    bench.register.register([Lift(lift_id="L1", profile="example-vf200")], NOW)
    content = f'{{"at":{NOW_MS},"seq":4,"boot":"b1","code":"E02","phase":"raised"}}'
    bench.broker.publish("lifts/v1/L1/fault", content.encode(), NOW_MS)
    bench.step()
    (row,) = bench.quarantine.list(limit=10)
    assert (row.reason, row.detail, row.payload.decode()) == ("store-refused", "disliked", content)


def test_a_retained_state_that_is_cleared_is_counted_and_acknowledged(bench: Pipeline) -> None:
    bench.broker.publish("lifts/v1/L1/state", b"", NOW_MS)
    bench.step()
    assert (bench.worker.counts.states_cleared, bench.reasons(), bench.observed) == (1, [], [])
    bench.broker.reconnect()
    assert bench.step() == 0


def test_an_error_of_our_own_is_not_swallowed(bench: Pipeline) -> None:
    def broken(messages: Sequence[Message]) -> None:
        message = f"our own bug with {len(messages)} messages"
        raise RuntimeError(message)

    bench.worker._observers = [broken]
    bench.publish(1)
    with pytest.raises(RuntimeError, match="our own bug"):
        bench.step()
    assert bench.store.numbers() == []


def test_a_stranger_is_registered_by_its_first_message_only_where_that_is_wanted(
    sqlite_engine: Engine, tmp_path: Path
) -> None:
    bench = Pipeline(sqlite_engine, tmp_path, auto_register=True)
    bench.publish(1, "NEW")
    bench.broker.publish("lifts/v1/NOISE/door", b"garbage", NOW_MS)
    bench.step()
    assert bench.store.numbers("NEW") == [1]
    assert bench.register.find("NEW") is not None
    assert bench.register.find("NOISE") is None, "garbage registers nobody"


def test_a_lift_registered_later_is_known_at_its_next_message(bench: Pipeline) -> None:
    bench.publish(1, "L2")
    bench.step()
    bench.register.register([Lift(lift_id="L2")], NOW)
    bench.publish(2, "L2")
    bench.step()
    assert bench.store.numbers("L2") == [2]
    assert bench.reasons() == ["unknown-lift"]


def test_a_message_that_is_delivered_again_is_kept_once(bench: Pipeline) -> None:
    for _ in range(3):
        bench.publish(7)
        bench.step()
    assert bench.store.numbers() == [7]


def test_counts_tell_what_was_done(bench: Pipeline) -> None:
    bench.publish(1)
    old = f'{{"at": {NOW_MS - 3_600_000}, "seq": 2, "type": "test", "new": 1}}'
    bench.broker.publish("lifts/v1/L1/alarm", old.encode(), NOW_MS)
    bench.broker.publish("lifts/v1/L1/door", b"garbage", NOW_MS)
    bench.step()
    counts = bench.worker.counts
    assert (counts.deliveries, counts.messages_accepted, counts.messages_late) == (3, 2, 1)
    assert (counts.messages_quarantined, counts.unknown_fields) == (1, 1)


def test_what_the_broker_retained_is_kept_but_only_a_last_will_is_observed(bench: Pipeline) -> None:
    for content in (f'{{"at": {NOW_MS}, "seq": 1, "connected": true}}', '{"connected": false}'):
        bench.broker.publish("lifts/v1/L1/state", content.encode(), NOW_MS, retained=True)
    bench.step()
    assert [getattr(message.body, "connected", None) for message in bench.observed] == [False]
    states = bench.store.messages("L1", Kind.STATE, NOW - timedelta(hours=1), NOW + timedelta(hours=1))
    assert len(states) == 2


def test_a_clock_that_is_two_hours_behind_makes_no_live_alarm_old_news(bench: Pipeline) -> None:
    behind_ms = 7_200_000

    def say(kind: str, received_ms: int, seq: int, more: str) -> None:
        content = f'{{"at": {received_ms - behind_ms}, "seq": {seq}, "boot": "b", {more}}}'
        bench.broker.publish(f"lifts/v1/L1/{kind}", content.encode(), received_ms)
        bench.step()

    say("alarm", NOW_MS, 0, '"type": "button"')
    assert [message.late for message in bench.observed] == [True], "one message proves nothing: it may be old"
    for seq in range(1, 20):
        say("door", NOW_MS + seq * 30_000, seq, '"floor": 1, "opening_ms": 2000, "closing_ms": 3000')
    say("alarm", NOW_MS + 600_000, 20, '"type": "button"')
    assert bench.observed[-1].late is False
    assert bench.observed[-1].measured_ms == NOW_MS + 600_000 - behind_ms, "it is stored where its controller put it"
    assert [clock.offset_ms for clock in bench.clocks.wrong(NOW + timedelta(hours=1))] == [behind_ms]
