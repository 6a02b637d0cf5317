import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from threading import Thread

import pytest

from ingest.messages import DoorCycle, Kind, Machine, Message, State
from ingest.telemetry_store import StoreRefusedError, StoreUnavailableError
from ingest.telemetry_store_embedded import EmbeddedTelemetryStore
from tests.small_disk import files_up_to

ALWAYS = (datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))
T0_MS = 1_767_600_000_000


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "new folder" / "telemetry%20.sqlite"


@pytest.fixture
def store(path: Path) -> Iterator[EmbeddedTelemetryStore]:
    opened = EmbeddedTelemetryStore(path)
    yield opened
    opened.close()


def door(seq: int, lift_id: str = "A-1") -> Message:
    body = DoorCycle(at=T0_MS + seq, seq=seq, floor=1, opening_ms=2_000.0, closing_ms=2_100.0, nudging=True)
    return Message(lift_id, Kind.DOOR, T0_MS + seq, T0_MS + seq, body)


def doors(store: EmbeddedTelemetryStore, lift_id: str = "A-1") -> list[Message]:
    return store.messages(lift_id, Kind.DOOR, *ALWAYS)


def execute(path: Path, *statements: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        answers = [connection.execute(statement).fetchall() for statement in statements]
    return answers[-1]


def test_the_file_keeps_a_write_ahead_log_and_syncs_each_commit(store: EmbeddedTelemetryStore, path: Path) -> None:
    assert execute(path, "PRAGMA journal_mode") == [("wal",)]
    writer = store._open_writer()
    assert writer.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL


def test_a_field_that_the_contract_has_gained_is_added_at_opening(store: EmbeddedTelemetryStore, path: Path) -> None:
    store.write([door(1)])
    store.close()
    execute(
        path, "ALTER TABLE door DROP COLUMN nudging", "ALTER TABLE door DROP COLUMN reversals", "DROP TABLE machine"
    )

    newer = EmbeddedTelemetryStore(path)
    newer.write([door(2), Message("A-1", Kind.MACHINE, T0_MS, T0_MS, Machine(at=T0_MS, seq=3, motor_c=40.0))])

    bodies = [message.body for message in doors(newer)]
    assert [(body.nudging, body.reversals) for body in bodies if isinstance(body, DoorCycle)] == [(None, 0), (True, 0)]
    assert len(newer.messages("A-1", Kind.MACHINE, *ALWAYS)) == 1
    newer.close()


def test_a_file_of_a_newer_version_can_still_be_used(store: EmbeddedTelemetryStore, path: Path) -> None:
    store.close()
    execute(
        path,
        "ALTER TABLE door ADD COLUMN closing_force_n REAL",
        "INSERT INTO lift (lift_id) VALUES ('A-1')",
        "INSERT INTO latest_state VALUES (1, 'smell', 'roses', 5), (1, 'floor', 3, 5), (1, '', NULL, 5)",
    )

    older = EmbeddedTelemetryStore(path)
    older.write([door(1)])

    assert doors(older) == [door(1)]
    assert older.latest_states()["A-1"].state == State(floor=3)
    older.close()


def test_readers_and_pings_do_not_wait_while_another_process_writes(store: EmbeddedTelemetryStore, path: Path) -> None:
    store.write([door(1)])
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        other.execute("DELETE FROM door")

        store.ping()
        assert doors(store) == [door(1)]
        other.execute("ROLLBACK")


def test_many_threads_write_and_read_at_once(store: EmbeddedTelemetryStore) -> None:
    def work(number: int) -> None:
        for seq in range(20):
            store.write([door(seq, f"lift-{number}"), door(seq, "shared")])
            counts[number].append(len(doors(store, f"lift-{number}")))

    counts: list[list[int]] = [[] for _ in range(4)]
    threads = [Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert counts == [list(range(1, 21))] * 4
    assert doors(store, "shared") == [door(seq, "shared") for seq in range(20)]


def test_a_write_that_another_process_blocks_is_unavailable_and_succeeds_later(
    store: EmbeddedTelemetryStore, path: Path
) -> None:
    store._open_writer().execute("PRAGMA busy_timeout = 0")
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailableError, match="locked") as caught:
            store.write([door(1)])
        assert isinstance(caught.value.__cause__, sqlite3.OperationalError)
        other.execute("ROLLBACK")

    store.write([door(1)])
    assert doors(store) == [door(1)]


def test_a_full_disk_loses_the_batch_whole_and_the_store_goes_on_when_there_is_room(
    store: EmbeddedTelemetryStore,
) -> None:
    store.write([door(1)])
    writer = store._open_writer()
    [pages] = writer.execute("PRAGMA page_count").fetchone()
    writer.execute(f"PRAGMA max_page_count = {pages}")
    large = [door(seq, f"lift-{seq}") for seq in range(2, 2_000)]

    with pytest.raises(StoreUnavailableError, match="full"):
        store.write(large)

    assert [doors(store, message.lift_id) for message in large[:3]] == [[], [], []]
    assert doors(store) == [door(1)]
    writer.execute("PRAGMA max_page_count = 1000000")
    store.write([door(5, "other"), *large])
    assert [doors(store, message.lift_id) for message in large[::500]] == [[message] for message in large[::500]]
    assert doors(store, "other") == [door(5, "other")]


def test_a_disk_that_fails_is_unavailable_and_the_store_goes_on_when_it_is_well(store: EmbeddedTelemetryStore) -> None:
    store.write([door(1)])
    batch = [door(seq, f"lift-{seq}") for seq in range(2, 2_000)]

    with files_up_to(100_000):
        for _ in range(2):
            with pytest.raises(StoreUnavailableError):
                store.write(batch)
        assert doors(store) == [door(1)]

    store.write(batch)
    assert doors(store, "lift-1999") == [door(1_999, "lift-1999")]
    store.ping()


@pytest.mark.parametrize("spoil", [lambda path: path.write_bytes(b"no database " * 1_000), lambda path: path.mkdir()])
def test_a_file_that_is_no_database_is_unavailable_and_named(tmp_path: Path, spoil: Callable[[Path], object]) -> None:
    path = tmp_path / "telemetry.sqlite"
    spoil(path)

    with pytest.raises(StoreUnavailableError, match=r"telemetry\.sqlite"):
        EmbeddedTelemetryStore(path)


def test_a_folder_that_cannot_be_made_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(StoreUnavailableError, match="file"):
        EmbeddedTelemetryStore(tmp_path / "file" / "telemetry.sqlite")


def test_a_page_that_was_damaged_is_an_error_and_no_empty_answer(store: EmbeddedTelemetryStore, path: Path) -> None:
    store.write([door(seq) for seq in range(1_000)])
    store.close()
    content = path.read_bytes()
    path.write_bytes(content[:4_096] + b"\xff" * (len(content) - 4_096))

    damaged = EmbeddedTelemetryStore(path)
    with pytest.raises(StoreUnavailableError, match="malformed"):
        doors(damaged)
    with pytest.raises(StoreUnavailableError, match="malformed"):
        damaged.write([door(5_000)])
    damaged.close()


def test_a_reader_of_a_file_that_has_gone_is_told_so(store: EmbeddedTelemetryStore, path: Path) -> None:
    store.close()
    path.unlink()

    with pytest.raises(StoreUnavailableError, match="unable to open"):
        store.ping()
    assert not path.exists()


def test_a_closed_store_takes_nothing_and_can_be_closed_again(store: EmbeddedTelemetryStore) -> None:
    store.close()
    store.close()

    with pytest.raises(StoreUnavailableError, match="closed"):
        store.write([door(1)])


@pytest.mark.parametrize("seq", [2**63, 10**30])
def test_a_number_that_sqlite_cannot_hold_is_refused_with_its_whole_batch(
    store: EmbeddedTelemetryStore, seq: int
) -> None:
    broken = Message("A-2", Kind.DOOR, T0_MS, T0_MS, DoorCycle(at=T0_MS, seq=seq, floor=1, opening_ms=1, closing_ms=1))

    with pytest.raises(StoreRefusedError):
        store.write([door(1), broken])

    assert doors(store) == []
    store.write([door(1, "A-3"), door(1)])
    assert (doors(store), doors(store, "A-3"), doors(store, "A-2")) == ([door(1)], [door(1, "A-3")], [])
