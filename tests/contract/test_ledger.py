"""The ledger on each engine: whatever comes in whatever order, it says what a plain set of numbers would say."""

import itertools
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.engine import Engine

from ingest.clock import from_ms, to_ms
from ingest.ledger import BOOTS_MAX, FOLD_BOOTS_MAX, Ledger, LedgerBatch, pending
from ingest.ledger_batch import PARTS
from ingest.ledger_spans import SPANS_MAX
from ingest.messages import Counters, Kind, Message
from ingest.quarantine import Quarantined
from ingest.wire import Reason

NOON_MS = to_ms(datetime(2026, 3, 2, 12, 0, tzinfo=UTC))


def said(seq: int | None, *, boot: str | None = "b", lift_id: str = "L1", at_s: float = 0) -> Message:
    received_ms = NOON_MS + int(at_s * 1000)
    return Message(lift_id, Kind.COUNTERS, received_ms, received_ms, Counters(at=received_ms, seq=seq, boot=boot))


def refused(seq: int, *, boot: str | None = "b", lift_id: str = "L1") -> Quarantined:
    return Quarantined("t", lift_id, b"", Reason.UNKNOWN_CODE, "", NOON_MS, boot, seq)


def numbers(*seqs: int, boot: str | None = "b", at_s: float = 0) -> LedgerBatch:
    return LedgerBatch.of([said(seq, boot=boot, at_s=at_s) for seq in seqs], [])


@pytest.fixture
def ledger(engine: Engine) -> Ledger:
    return Ledger(engine)


def test_a_boot_is_told_with_its_gaps_folded_or_not(ledger: Ledger) -> None:
    ledger.note(numbers(1, 2, 3, 7, 8, 12))
    for _ in range(2):
        (boot,) = ledger.of("L1").boots
        assert (boot.boot, boot.first_seq, boot.last_seq, boot.stored) == ("b", 1, 12, 6)
        assert boot.gaps == [(4, 6), (9, 11)]
        assert (boot.duplicates, boot.quarantined, boot.unlisted_missing) == (0, 0, 0)
        ledger.fold()


def test_late_arrivals_close_gaps(ledger: Ledger) -> None:
    ledger.note(numbers(1, 2, 5))
    ledger.fold()
    ledger.note(numbers(4, 3, at_s=60))
    (boot,) = ledger.of("L1").boots
    assert (boot.stored, boot.gaps) == (5, [])
    assert (boot.first_received_at, boot.last_received_at) == (from_ms(NOON_MS), from_ms(NOON_MS + 60_000))


def test_a_batch_that_is_noted_again_adds_duplicates_and_nothing_else(ledger: Ledger) -> None:
    for _ in range(3):
        ledger.note(numbers(1, 2, 3))
        ledger.fold()
    (boot,) = ledger.of("L1").boots
    assert (boot.stored, boot.duplicates, boot.gaps) == (3, 6, [])


def test_what_is_in_quarantine_is_no_gap_until_it_is_stored(ledger: Ledger) -> None:
    ledger.note(LedgerBatch.of([said(1), said(4)], [refused(2), refused(3), refused(3)]))
    (boot,) = ledger.of("L1").boots
    assert (boot.stored, boot.quarantined, boot.gaps) == (2, 2, [])
    ledger.fold()
    ledger.note(numbers(3, at_s=5))
    (boot,) = ledger.of("L1").boots
    assert (boot.stored, boot.quarantined, boot.duplicates) == (3, 1, 0)


def test_what_the_store_refuses_of_the_spool_is_no_longer_counted_as_stored(ledger: Ledger) -> None:
    ledger.note(numbers(1, 2, 3, 4))
    for _ in range(2):  # a crash makes it happen again
        ledger.note(LedgerBatch.withdrawing([refused(3)]))
        (boot,) = ledger.of("L1").boots
        assert (boot.stored, boot.quarantined, boot.gaps) == (3, 1, [])
        ledger.fold()
    ledger.note(numbers(3, at_s=5))
    (boot,) = ledger.of("L1").boots
    assert (boot.stored, boot.quarantined, boot.duplicates) == (4, 0, 0)


def test_reboots_are_boots_in_the_order_in_which_they_came(ledger: Ledger) -> None:
    for number, boot in enumerate(["zz", "aa", None]):
        ledger.note(numbers(0, 1, boot=boot, at_s=number))
    ledger.note(LedgerBatch.of([said(None), said(None)], []))
    ledger.fold()
    known = ledger.of("L1")
    assert [boot.boot for boot in known.boots] == ["zz", "aa", None]
    assert (known.reboots, known.unnumbered) == (2, 2)
    assert ledger.of("nobody").boots == []


def test_a_gap_is_open_from_when_a_number_above_it_came(ledger: Ledger) -> None:
    noon = from_ms(NOON_MS)
    ledger.note(numbers(1, 2))
    ledger.note(numbers(5, at_s=600))
    ledger.note(numbers(9, at_s=1200))
    hour = timedelta(hours=1)
    assert ledger.open_gaps(noon + hour, hour) == []
    gaps = ledger.open_gaps(noon + hour + timedelta(seconds=600), hour)
    assert [(gap.first_seq, gap.last_seq, gap.seen_at) for gap in gaps] == [(3, 4, noon + timedelta(seconds=600))]
    ledger.note(numbers(3, 4, at_s=3_000))
    gaps = ledger.open_gaps(noon + 2 * hour, hour)
    assert [(gap.lift_id, gap.boot, gap.first_seq, gap.last_seq) for gap in gaps] == [("L1", "b", 6, 8)]
    assert ledger.open_gaps(noon + 2 * hour, hour, "L2") == []


def test_a_gap_that_is_filled_in_part_gets_no_younger(ledger: Ledger) -> None:
    noon, hour = from_ms(NOON_MS), timedelta(hours=1)
    ledger.note(numbers(1, 9))
    ledger.fold()
    ledger.note(numbers(5, at_s=7_000))
    gaps = ledger.open_gaps(noon + hour, hour)
    assert [(gap.first_seq, gap.last_seq, gap.seen_at) for gap in gaps] == [(2, 4, noon), (6, 8, noon)]


def test_a_late_arrival_closes_a_gap_before_it_is_folded(ledger: Ledger, engine: Engine) -> None:
    ledger.note(numbers(1, 2, 4))
    ledger.fold()
    ledger.note(numbers(3, at_s=60))
    with engine.connect() as other:
        if engine.dialect.name == "postgresql":  # as if another process were folding
            other.execute(sa.select(sa.func.pg_advisory_xact_lock(0x4C454447)))
            assert ledger.fold() == 0
        assert ledger.open_gaps(from_ms(NOON_MS) + timedelta(days=1), timedelta(hours=1)) == []


def test_a_history_says_what_is_there_not_what_should_have_come(ledger: Ledger) -> None:
    ledger.note(LedgerBatch.of([said(1), said(4)], [refused(7)], is_history=True))
    ledger.fold()
    assert ledger.of("L1").boots[0].gaps == [(2, 3), (5, 6)]
    tomorrow, hour = from_ms(NOON_MS) + timedelta(days=1), timedelta(hours=1)
    assert ledger.open_gaps(tomorrow, hour) == []
    ledger.note(numbers(10))
    assert [gap.first_seq for gap in ledger.open_gaps(tomorrow, hour)] == [2, 5, 8], "the lift itself has gone on"


def test_each_boot_tells_when_its_own_messages_came(ledger: Ledger) -> None:
    ledger.note(LedgerBatch.of([said(1, at_s=9), said(2, at_s=3), said(1, boot="c", at_s=50)], []))
    known = {boot.boot: (boot.first_received_at, boot.last_received_at) for boot in ledger.of("L1").boots}
    assert known == {
        "b": (from_ms(NOON_MS + 3_000), from_ms(NOON_MS + 9_000)),
        "c": (from_ms(NOON_MS + 50_000), from_ms(NOON_MS + 50_000)),
    }


def test_a_lift_that_makes_up_boots_fills_nothing(ledger: Ledger) -> None:
    for number in range(BOOTS_MAX + 5):
        ledger.note(numbers(1, 3, boot=f"b{number}", at_s=number))
    ledger.fold()
    known = ledger.of("L1")
    assert (len(known.boots), known.boots_forgotten, known.reboots) == (BOOTS_MAX, 5, BOOTS_MAX + 4)
    assert (known.stored_forgotten, known.missing_forgotten) == (10, 5)
    assert known.boots[0].boot == "b5"


def test_numbers_without_sense_are_bounded_and_what_is_missing_is_still_counted(ledger: Ledger) -> None:
    ledger.note(numbers(*range(0, 4 * SPANS_MAX, 2)))
    ledger.fold()
    (boot,) = ledger.of("L1").boots
    assert len(boot.gaps) == SPANS_MAX - 1
    assert boot.unlisted_missing == SPANS_MAX
    assert boot.stored == 2 * SPANS_MAX
    assert boot.stored + boot.unlisted_missing + len(boot.gaps) == boot.last_seq - boot.first_seq + 1


def test_a_lift_of_which_every_second_message_is_refused_misses_none(ledger: Ledger) -> None:
    for start in range(0, 4 * SPANS_MAX, 1_000):
        seqs = range(start, start + 1_000)
        ledger.note(LedgerBatch.of([said(seq) for seq in seqs if seq % 2], [refused(s) for s in seqs if not s % 2]))
    ledger.fold()
    (boot,) = ledger.of("L1").boots
    assert (boot.gaps, boot.unlisted_missing) == ([], 0)
    assert (boot.stored, boot.quarantined, boot.duplicates) == (2 * SPANS_MAX, 2 * SPANS_MAX, 0)


def test_a_fold_takes_large_backlogs_in_pieces(ledger: Ledger, engine: Engine) -> None:
    for batch in range(3):
        many = [said(batch, lift_id=f"L{number}") for number in range(2 * FOLD_BOOTS_MAX)]
        ledger.note(LedgerBatch.of(many, []))
    assert ledger.fold() == 3 * PARTS
    with engine.connect() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(pending)).scalar() == 0
    assert ledger.of("L7").boots[0].stored == 3


def test_processes_that_note_and_fold_at_once_lose_and_double_nothing(ledger: Ledger, engine: Engine) -> None:
    lifts, rounds = 40, 12

    def work(worker: int) -> None:
        own = Ledger(engine)
        for number in range(rounds):
            seq = number * 3 + worker
            own.note(LedgerBatch.of([said(seq, lift_id=f"L{lift}") for lift in range(lifts)], []))
            own.fold()

    with ThreadPoolExecutor(3) as workers:
        list(workers.map(work, range(3)))
    while ledger.fold():
        pass
    for lift in range(lifts):
        (boot,) = ledger.of(f"L{lift}").boots
        assert (boot.stored, boot.duplicates, boot.gaps) == (3 * rounds, 0, [])


def test_a_fold_that_fails_in_the_middle_has_done_nothing(ledger: Ledger, engine: Engine) -> None:
    ledger.note(numbers(1, 2, 5))
    with engine.begin() as connection:
        connection.execute(sa.text("ALTER TABLE ledger_boot RENAME TO away"))
    with pytest.raises(sa.exc.DBAPIError):
        ledger.fold()
    with engine.begin() as connection:
        connection.execute(sa.text("ALTER TABLE away RENAME TO ledger_boot"))
    ledger.fold()
    (boot,) = ledger.of("L1").boots
    assert (boot.stored, boot.duplicates, boot.gaps) == (3, 0, [(3, 4)])


NUMBERS = itertools.count()
EVENT = st.tuples(st.sampled_from(["b", None]), st.integers(0, 30), st.booleans())


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(EVENT, max_size=12), max_size=8), st.sets(st.integers(0, 8)))
def test_any_batches_in_any_order_end_in_what_plain_sets_say(
    ledger: Ledger, batches: list[list[tuple[str | None, int, bool]]], fold_after: set[int]
) -> None:
    lift_id = f"L{next(NUMBERS)}"  # one database for all examples, a lift for each
    for number, events in enumerate(batches):
        stored = [said(seq, boot=boot, lift_id=lift_id) for boot, seq, is_stored in events if is_stored]
        lost = [refused(seq, boot=boot, lift_id=lift_id) for boot, seq, is_stored in events if not is_stored]
        ledger.note(LedgerBatch.of(stored, lost))
        if number in fold_after:
            ledger.fold()
    events = [event for batch in batches for event in batch]
    for boot in ledger.of(lift_id).boots:
        own = [(seq, is_stored) for name, seq, is_stored in events if name == boot.boot]
        there = {seq for seq, is_stored in own if is_stored}
        known = {seq for seq, _ in own}
        missing = set(range(min(known), max(known) + 1)) - known
        assert (boot.first_seq, boot.last_seq) == (min(known), max(known))
        assert (boot.stored, boot.quarantined) == (len(there), len(known - there))
        assert boot.duplicates == sum(times - 1 for times in Counter(seq for seq, ok in own if ok).values())
        assert {seq for first, last in boot.gaps for seq in range(first, last + 1)} == missing
    assert len(ledger.of(lift_id).boots) == len({name for name, _, _ in events})
