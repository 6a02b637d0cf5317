"""The quarantine, on SQLite and on PostgreSQL."""

import shutil
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from ingest.clock import to_ms
from ingest.database import migrate, open_engine
from ingest.quarantine import CHUNK_ROWS, TIMES_MAX, Quarantine, Quarantined, QuarantinedMessage, Selection, Settled
from ingest.quarantine_room import FLOOD_ROWS_MAX, SUMMARY_ROWS_MAX
from ingest.quarantine_rows import quarantined
from ingest.wire import Reason, Refusal
from tests.conftest import MIGRATION_FOLDERS

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
EVERYTHING = Selection()


def item(
    content: str = "garbage", *, lift_id: str = "L1", reason: Reason = Reason.NOT_JSON, at: datetime = NOW
) -> Quarantined:
    return Quarantined(f"lifts/v1/{lift_id}/door", lift_id, content.encode(), reason, "", to_ms(at))


def items(numbers: Iterable[int], reason: Reason = Reason.NOT_JSON, lift_id: str = "L1") -> list[Quarantined]:
    return [item(f"{number}", reason=reason, lift_id=lift_id) for number in numbers]


def rows_of(quarantine: Quarantine, which: Selection = EVERYTHING) -> list[QuarantinedMessage]:
    return quarantine.list(which, limit=20_000)


def contents(rows: Iterable[QuarantinedMessage]) -> list[str]:
    return [row.payload.decode() for row in rows]


def claimed(quarantine: Quarantine, *, now: datetime = NOW, limit: int = 10, after_id: int = 0) -> list[int]:
    rows = quarantine.claim(EVERYTHING, limit=limit, after_id=after_id, now=now, until=now + MINUTE)
    return [row.id for row in rows]


@pytest.fixture
def quarantine(engine: Engine) -> Quarantine:
    return Quarantine(engine)


def test_quarantine_keeps_bytes_reason_and_count(engine: Engine) -> None:
    quarantine = Quarantine(engine)

    def garbage(content: bytes, at: datetime, reason: Reason = Reason.NOT_JSON) -> Quarantined:
        return Quarantined("lifts/v1/L1/door\x00", "L1", content, reason, "NUL \x00 and \ud800", to_ms(at))

    quarantine.add([garbage(b"\x00\xff", NOW), garbage(b"\x00\xff", NOW), garbage(b"other", NOW)])
    quarantine.add([garbage(b"\x00\xff", NOW + timedelta(hours=1))])
    quarantine.add([])
    other, twice = quarantine.list(limit=10)
    assert (other.payload, other.times) == (b"other", 1)
    assert (twice.payload, twice.times, twice.reason) == (b"\x00\xff", 3, "not-json")
    assert (twice.received_at, twice.last_received_at) == (NOW, NOW + timedelta(hours=1))
    assert quarantine.find(twice.id) == twice
    assert quarantine.find(999) is None
    assert quarantine.list(limit=10, before_id=other.id) == [twice]
    assert quarantine.list(Selection(reason=Reason.TOO_LARGE), limit=10) == []
    assert quarantine.list(Selection(lift_id="L2"), limit=10) == []


def test_quarantine_keeps_the_beginning_of_what_is_too_large_and_notes_its_size(engine: Engine) -> None:
    quarantine = Quarantine(engine)
    content = b"x" * 300_000
    quarantine.add([Quarantined("t" * 2_000, None, content, Reason.TOO_LARGE, "d" * 2_000, to_ms(NOW))])
    (row,) = quarantine.list(limit=1)
    assert (len(row.payload), row.payload_bytes, len(row.topic)) == (262_144, 300_000, 1_000)


def test_a_batch_of_many_transactions_is_kept_whole_and_in_order(quarantine: Quarantine) -> None:
    count = 2 * CHUNK_ROWS + 1
    quarantine.add([*items(range(count)), *items(range(5))])
    rows = rows_of(quarantine)
    assert contents(rows) == [str(number) for number in range(count - 1, -1, -1)]
    assert [row.times for row in rows[-6:]] == [1, 2, 2, 2, 2, 2]


def test_rows_are_chosen_by_reason_lift_window_and_replay(quarantine: Quarantine) -> None:
    quarantine.add([item("1"), item("2", reason=Reason.FUTURE), item("3", lift_id="L2", at=NOW + MINUTE)])
    quarantine.add([item("1", at=NOW + 5 * MINUTE)])
    quarantine.settle([Settled(2)], NOW)

    def chosen(which: Selection) -> list[str]:
        assert quarantine.count(which, at_most=2) == min(2, len(rows_of(quarantine, which)))
        return contents(rows_of(quarantine, which))

    assert chosen(EVERYTHING) == ["3", "2", "1"]
    assert chosen(Selection(reason=Reason.FUTURE)) == ["2"]
    assert chosen(Selection(lift_id="L2")) == ["3"]
    assert chosen(Selection(id=1)) == ["1"]
    assert chosen(Selection(since=NOW + MINUTE)) == ["3", "1"], "the first came again"
    assert chosen(Selection(since=NOW + MINUTE, until=NOW + MINUTE)) == ["1"]
    assert chosen(Selection(until=NOW + MINUTE)) == ["2", "1"]
    assert chosen(Selection(replayed=True)) == ["2"]
    assert chosen(Selection(replayed=False)) == ["3", "1"]


def test_what_comes_again_after_its_replay_waits_again(quarantine: Quarantine) -> None:
    quarantine.add([item()])
    assert quarantine.settle([Settled(1)], NOW) == 1
    quarantine.add([item(at=NOW + MINUTE)])
    (row,) = rows_of(quarantine)
    assert (row.times, row.replayed_at) == (2, None)


def test_the_last_arrival_is_the_latest_in_whatever_order_they_are_told(quarantine: Quarantine) -> None:
    quarantine.add([item(at=NOW + MINUTE), item(at=NOW)])
    quarantine.add([item(at=NOW - MINUTE)])
    (row,) = rows_of(quarantine)
    assert row.last_received_at == NOW + MINUTE


def test_a_count_ends_where_the_column_does(quarantine: Quarantine, engine: Engine) -> None:
    quarantine.add([item()])
    with engine.begin() as connection:
        connection.execute(sa.update(quarantined).values(times=TIMES_MAX - 1))
    quarantine.add([item(), item(), item()])
    assert rows_of(quarantine)[0].times == TIMES_MAX


def test_of_a_flood_the_beginning_is_kept_and_the_rest_is_counted(quarantine: Quarantine) -> None:
    flood = items(range(FLOOD_ROWS_MAX + 5), Reason.FLOODING)
    quarantine.add([*flood, item("9", reason=Reason.FLOODING, lift_id="L2"), item("other")])
    quarantine.add([*items([3], Reason.FLOODING), *items([100_000], Reason.FLOODING)])

    (summary,) = [row for row in rows_of(quarantine) if row.is_summary]
    assert (summary.lift_id, summary.reason, summary.times, summary.payload) == ("L1", "flooding", 6, b"")
    assert "10,000" in summary.detail
    assert not summary.replayable
    of_lift = Selection(reason=Reason.FLOODING, lift_id="L1")
    assert quarantine.count(of_lift, at_most=20_000) == FLOOD_ROWS_MAX + 1
    assert contents(rows_of(quarantine, Selection(lift_id="L2"))) == ["9"]
    assert contents(rows_of(quarantine, Selection(reason=Reason.NOT_JSON))) == ["other"]
    assert quarantine.counts.quarantine_payloads_not_kept == 6
    again = next(row for row in rows_of(quarantine, of_lift) if row.payload == b"3")
    assert again.times == 2, "what is kept is counted where it stands"


def test_a_flood_that_was_replayed_makes_room_for_the_next(engine: Engine) -> None:
    Quarantine(engine).add(items(range(FLOOD_ROWS_MAX), Reason.FLOODING))
    quarantine = Quarantine(engine)
    quarantine.add(items([-1], Reason.FLOODING))
    assert quarantine.counts.quarantine_payloads_not_kept == 1
    with engine.begin() as connection:
        connection.execute(sa.update(quarantined).values(replayed_at=NOW))
    afresh = Quarantine(engine)
    afresh.add(items([-2], Reason.FLOODING))
    assert contents(rows_of(afresh))[0] == "-2"


def test_a_full_quarantine_counts_by_lift_and_reason_what_it_cannot_keep(engine: Engine) -> None:
    quarantine = Quarantine(engine, rows_max=3)
    quarantine.add(items([1, 2, 3, 4]))
    quarantine.add([*items([3, 5]), item("6", reason=Reason.FUTURE), item("7", lift_id="L2")])

    rows = rows_of(quarantine)
    assert sorted(contents(row for row in rows if not row.is_summary)) == ["1", "2", "3"]
    counted = {(row.lift_id, row.reason): row.times for row in rows if row.is_summary}
    assert counted == {("L1", "not-json"): 2, ("L1", "from-the-future"): 1, ("L2", "not-json"): 1}
    assert sum(row.times for row in rows) == 8, "whatever came is in a count"
    assert quarantine.counts.quarantine_payloads_not_kept == 4


def test_what_was_replayed_first_gives_way_first(engine: Engine) -> None:
    quarantine = Quarantine(engine, rows_max=3)
    quarantine.add(items([1, 2, 3]))
    quarantine.settle([Settled(2)], NOW)
    quarantine.add(items([4]))
    assert contents(rows_of(quarantine)) == ["4", "3", "1"]
    assert (quarantine.counts.quarantine_rows_removed, quarantine.counts.quarantine_payloads_not_kept) == (1, 0)


def test_countless_strangers_in_a_full_quarantine_are_one_row_for_each_reason(engine: Engine) -> None:
    quarantine = Quarantine(engine, rows_max=1)
    strangers = [item(lift_id=f"X{number}", reason=Reason.UNKNOWN_LIFT) for number in range(SUMMARY_ROWS_MAX + 2_000)]
    quarantine.add(strangers)
    quarantine = Quarantine(engine, rows_max=1)
    quarantine.add(items([1, 2], Reason.UNKNOWN_LIFT, "LAST"))
    quarantine.add(items([3, 4], Reason.NOT_JSON, "LAST"))
    counted = {row.reason: row.times for row in rows_of(quarantine) if row.is_summary and row.lift_id is None}
    assert counted == {"unknown-lift": 2, "not-json": 2}


def test_a_row_is_in_one_hand_until_it_is_settled_given_back_or_forgotten(quarantine: Quarantine) -> None:
    quarantine.add(items([1, 2, 3, 4]))
    assert claimed(quarantine, limit=2) == [1, 2]
    assert claimed(quarantine) == [3, 4]
    assert claimed(quarantine) == []
    quarantine.settle([Settled(1), Settled(2, Refusal(b"", Reason.FUTURE, "still \x00"))], NOW)
    quarantine.release([3])
    assert claimed(quarantine) == [2, 3]
    assert claimed(quarantine, now=NOW + 2 * MINUTE, after_id=3) == [4], "whoever had it is gone"
    refused = quarantine.find(2)
    assert refused is not None
    assert (refused.reason, refused.detail, refused.replayed_at) == (
        "from-the-future",
        "still \N{SYMBOL FOR NULL}",
        None,
    )


def test_of_several_hands_at_once_each_gets_its_own_rows(engine: Engine) -> None:
    Quarantine(engine).add(items(range(400)))

    def take_all(_hand: int) -> list[int]:
        quarantine, mine = Quarantine(engine), list[int]()
        while some := claimed(quarantine, limit=10):
            mine += some
        return mine

    with ThreadPoolExecutor(4) as hands:
        taken = [number for mine in hands.map(take_all, range(4)) for number in mine]
    assert sorted(taken) == list(range(1, 401))


def test_a_row_is_replayed_once_whoever_says_so(quarantine: Quarantine) -> None:
    quarantine.add(items([1, 2]))
    assert quarantine.settle([Settled(1)], NOW) == 1
    assert quarantine.settle([Settled(1), Settled(2)], NOW + MINUTE) == 1
    quarantine.settle([Settled(1, Refusal(b"", Reason.FUTURE, ""))], NOW + MINUTE)
    first = quarantine.find(1)
    assert first is not None
    assert (first.replayed_at, first.reason) == (NOW, "not-json")


def test_what_was_cut_or_only_counted_is_not_given_to_a_replay(engine: Engine) -> None:
    quarantine = Quarantine(engine, rows_max=2)
    quarantine.add([item("x" * 300_000), item("y"), item("counted")])
    assert claimed(quarantine) == [2]
    assert [row.id for row in quarantine.replayable(EVERYTHING, limit=10, after_id=0)] == [2]
    assert quarantine.count_unreplayable(EVERYTHING, at_most=10) == 2
    assert [row.replayable for row in rows_of(quarantine)] == [False, True, False]


def test_a_batch_that_could_not_be_kept_is_not_counted(engine: Engine) -> None:
    quarantine = Quarantine(engine, rows_max=1)
    quarantine.add(items([1]))
    with engine.begin() as connection:
        connection.execute(sa.text("ALTER TABLE quarantined RENAME TO hidden"))
    with pytest.raises(sa.exc.DBAPIError):
        quarantine.add(items([2]))
    with engine.begin() as connection:
        connection.execute(sa.text("ALTER TABLE hidden RENAME TO quarantined"))
    quarantine.add(items([2]))
    assert quarantine.counts.quarantine_payloads_not_kept == 1


def test_what_waited_before_the_schema_grew_waits_on(tmp_path: Path) -> None:
    first = tmp_path / "versions"
    first.mkdir()
    (folder,) = [folder for folder in MIGRATION_FOLDERS if folder.parent.parent.name == "ingest"]
    shutil.copy(folder / "0001_register.py", first)
    engine = open_engine(f"sqlite:///{tmp_path}/liftwatch.sqlite")
    migrate(engine, [first])
    columns = "fingerprint, topic, payload, payload_bytes, reason, detail, received_at, last_received_at, times"
    with engine.begin() as connection:
        values = "'f', 'lifts/v1/L1/door', 'x', 1, 'not-json', '', '2026-03-02 12:00:00', '2026-03-02 12:00:00', 1"
        connection.execute(sa.text(f"INSERT INTO quarantined ({columns}) VALUES ({values})"))

    migrate(engine, MIGRATION_FOLDERS)

    assert claimed(Quarantine(engine)) == [1]
    engine.dispose()
