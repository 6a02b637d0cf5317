"""The recorder: into the store while it is well, into the spool while it is not, and back in order."""

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError

from ingest.clock import ManualClock
from ingest.messages import Message
from ingest.recorder import WRITE_MESSAGES_MIN, Recorder, Refused
from ingest.spool import Spool, SpoolFullError
from tests.unit.ingest.parts import MIB, NOW, FailingStore, door


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    opened = Spool(tmp_path / "spool.sqlite", MIB)
    yield opened
    opened.close()


class Bench:
    def __init__(self, store: FailingStore, spool: Spool) -> None:
        self.store, self.spool = store, spool
        self.refused: list[Refused] = []
        self.recorder = Recorder(store, spool, ManualClock(NOW), self.refused.extend)


def test_while_the_store_is_well_nothing_is_spooled(spool: Spool) -> None:
    bench = Bench(FailingStore(), spool)
    assert bench.recorder.record([door(1), door(2)]) == []
    assert bench.store.numbers() == [1, 2]
    assert spool.is_empty
    assert bench.recorder.away_since() is None


def test_what_the_store_cannot_take_now_waits_in_the_spool_and_everything_behind_it(spool: Spool) -> None:
    bench = Bench(FailingStore(failures=1), spool)
    bench.recorder.record([door(1)])
    assert bench.recorder.away_since() == NOW
    bench.recorder.record([door(2)])
    assert bench.store.writes == [1], "the second was not offered: it would overtake the first"
    assert bench.store.numbers() == []
    assert bench.recorder.step()
    assert bench.store.numbers() == [1, 2]
    assert spool.is_empty
    assert bench.recorder.away_since() is None
    bench.recorder.record([door(3)])
    assert (bench.store.numbers(), spool.is_empty) == ([1, 2, 3], True)


def test_a_drain_that_fails_keeps_everything(spool: Spool) -> None:
    bench = Bench(FailingStore(failures=3), spool)
    bench.recorder.record([door(1)])
    assert [bench.recorder.step() for _ in range(3)] == [False, False, True]
    assert bench.store.numbers() == [1]


def test_a_poison_message_is_taken_out_and_the_rest_is_written(spool: Spool) -> None:
    bench = Bench(FailingStore(disliked_seq=4), spool)
    refused = bench.recorder.record([door(seq) for seq in range(9)])
    assert [(each.message.body.seq, each.why) for each in refused] == [(4, "disliked")]
    assert bench.store.numbers() == [0, 1, 2, 3, 5, 6, 7, 8]


def test_poison_in_the_spool_does_not_block_what_is_behind_it(spool: Spool) -> None:
    bench = Bench(FailingStore(failures=1, disliked_seq=4), spool)
    bench.recorder.record([door(seq) for seq in range(9)])
    bench.recorder.step()
    assert bench.store.numbers() == [0, 1, 2, 3, 5, 6, 7, 8]
    assert [each.message.body.seq for each in bench.refused] == [4]
    assert spool.is_empty


def test_a_store_that_fails_is_asked_for_less_at_a_time(spool: Spool) -> None:
    bench = Bench(FailingStore(failures=8), spool)
    bench.recorder.record([door(seq) for seq in range(1_000)])
    for _ in range(7):
        bench.recorder.step()
    bench.store.writes.clear()
    bench.recorder.step()
    assert bench.store.writes == [WRITE_MESSAGES_MIN] * 4


def test_a_full_spool_promises_nothing(tmp_path: Path) -> None:
    bench = Bench(FailingStore(failures=10), Spool(tmp_path / "small.sqlite", 1))
    with pytest.raises(SpoolFullError):
        bench.recorder.record([door(1)])


class Told:
    """Who is told of what is stored, and cannot write it down some times."""

    def __init__(self, failures: int = 0) -> None:
        self.failures = failures
        self.numbers: list[int] = []

    def __call__(self, messages: Sequence[Message]) -> None:
        self.failures -= 1
        if self.failures >= 0:
            statement = "INSERT"
            raise OperationalError(statement, {}, OSError())
        self.numbers += [message.body.seq or 0 for message in messages]


def told_bench(store: FailingStore, spool: Spool, told: Told) -> Recorder:
    refused: list[Refused] = []
    return Recorder(store, spool, ManualClock(NOW), refused.extend, told)


def test_whoever_wants_to_know_is_told_of_what_is_stored_and_of_nothing_else(spool: Spool) -> None:
    told = Told()
    told_bench(FailingStore(disliked_seq=4), spool, told).record([door(seq) for seq in range(9)])
    assert sorted(told.numbers) == [0, 1, 2, 3, 5, 6, 7, 8]


def test_what_waits_in_the_spool_is_told_of_when_it_is_drained(spool: Spool) -> None:
    told = Told()
    recorder = told_bench(FailingStore(failures=1), spool, told)
    recorder.record([door(1)])
    assert told.numbers == []
    recorder.step()
    assert told.numbers == [1]


def test_what_could_not_be_told_is_not_done_and_told_again(spool: Spool) -> None:
    told = Told(failures=2)
    recorder = told_bench(FailingStore(), spool, told)
    recorder.record([door(1)])
    assert not spool.is_empty
    assert [recorder.step(), recorder.step()] == [False, True]
    assert told.numbers == [1]
    assert spool.is_empty


class HangingStore(FailingStore):
    """Answers only once it is released."""

    def __init__(self) -> None:
        super().__init__()
        self.asked, self.released = threading.Event(), threading.Event()

    def write(self, messages: Sequence[Message]) -> None:
        self.asked.set()
        self.released.wait()
        super().write(messages)


def test_a_store_that_hangs_holds_nobody_up(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingest.recorder.DIRECT_S_MAX", 0.01)
    store = HangingStore()
    recorder = Recorder(store, spool, ManualClock(NOW), lambda _refused: None)
    thread = threading.Thread(target=recorder.run)
    thread.start()
    while not recorder._is_running:
        pass
    recorder.record([door(1)])
    assert store.asked.is_set()
    recorder.record([door(2)])
    assert spool.counts().messages == 2, "both are durable although the store has not answered"
    store.released.set()
    while not spool.is_empty:
        pass
    recorder.stop()
    thread.join()
    assert store.numbers() == [1, 2]
