import shutil
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from threading import Thread

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.clock import ManualClock, from_ms
from ingest.messages import Alarm, Body, DoorCycle, Fault, Kind, Machine, Message, State, Trip
from ingest.spool import KEPT_BYTES_MAX, Spool, SpoolCounts, SpoolFullError, SpoolUnavailableError
from ingest.spool_format import VERSION, decoded, encoded
from tests.any_message import any_message
from tests.small_disk import files_up_to

DATA = Path(__file__).parent.parent.parent / "data" / "spool"
T0_MS = 1_767_600_000_000
NOW = datetime(2026, 1, 5, 9, 30, tzinfo=UTC)
MIB = 1024 * 1024


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "new folder" / "spool-a%20b.sqlite"


@pytest.fixture
def open_spool(path: Path) -> Iterator[Callable[..., Spool]]:
    """Opens the spool; each opening closes the one before."""
    opened: list[Spool] = []

    def open_it(bytes_max: int = MIB) -> Spool:
        for spool in opened:
            spool.close()
        opened.append(Spool(path, bytes_max, clock=ManualClock(NOW)))
        return opened[-1]

    yield open_it
    for spool in opened:
        spool.close()


def door(seq: int) -> Message:
    body = DoorCycle(at=T0_MS + seq, seq=seq, boot="b", floor=1, opening_ms=2_000.0, closing_ms=2_100.0)
    return Message("A-1", Kind.DOOR, T0_MS + seq, T0_MS + seq, body)


def doors(numbers: Sequence[int]) -> list[Message]:
    return [door(number) for number in numbers]


def bulk(seed: int) -> Message:
    """A message that no compression makes smaller: half a MiB."""
    text = Random(seed).randbytes(MIB // 4).hex()
    return Message("A-1", Kind.FAULT, T0_MS, T0_MS, Fault(at=T0_MS, seq=seed, code="c", phase="raised", text=text))


def drained(spool: Spool, messages_max: int = 1_000) -> list[Message]:
    messages: list[Message] = []
    while batch := spool.oldest(messages_max):
        messages += batch.messages
        spool.remove(batch)
    return messages


def execute(path: Path, statement: str, *values: object) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        return connection.execute(statement, values).fetchall()


def test_messages_come_back_oldest_first_and_once(open_spool: Callable[..., Spool]) -> None:
    spool = open_spool()
    spool.append(doors([3, 1, 2]))
    spool.append(doors([5]))
    spool.append(doors([4]))

    first = spool.oldest(4)

    assert first is not None
    assert first.messages == doors([3, 1, 2, 5])
    assert first == spool.oldest(4), "until it is removed"
    spool.remove(first)
    assert drained(spool) == doors([4])
    assert (spool.oldest(4), spool.is_empty) == (None, True)


def test_a_row_that_holds_more_than_was_asked_for_comes_whole(open_spool: Callable[..., Spool]) -> None:
    spool = open_spool()
    spool.append(doors(range(10)))

    batch = spool.oldest(3)

    assert batch is not None
    assert batch.messages == doors(range(10))


def test_removing_a_batch_again_removes_nothing_else(open_spool: Callable[..., Spool]) -> None:
    spool = open_spool()
    spool.append(doors([1]))
    batch = spool.oldest(1)
    assert batch is not None
    spool.remove(batch)
    spool.append(doors([2]))

    spool.remove(batch)

    assert drained(spool) == doors([2])


def test_it_knows_what_it_holds_also_after_it_was_opened_again(open_spool: Callable[..., Spool]) -> None:
    spool = open_spool()
    assert spool.counts() == SpoolCounts(0, 0, None)
    spool.append(doors([7, 6]))
    spool.append(doors([8]))
    counts = spool.counts()

    again = open_spool()

    assert (counts.messages, counts.oldest_at) == (3, from_ms(T0_MS + 6))
    assert counts.bytes == sum(len(encoded(messages)) for messages in (doors([7, 6]), doors([8])))
    assert again.counts() == counts
    batch = again.oldest(2)
    assert batch is not None
    again.remove(batch)
    assert again.counts() == SpoolCounts(1, len(encoded(doors([8]))), from_ms(T0_MS + 8))
    assert drained(again) == doors([8])
    assert again.counts() == SpoolCounts(0, 0, None)


def test_nothing_appended_is_nothing_kept(open_spool: Callable[..., Spool]) -> None:
    spool = open_spool()
    spool.append([])
    assert (spool.is_empty, spool.oldest(1)) == (True, None)


def test_a_full_spool_says_so_with_numbers_and_goes_on_when_there_is_room(open_spool: Callable[..., Spool]) -> None:
    size = len(encoded(doors([1])))
    spool = open_spool(size * 2)
    spool.append(doors([1]))
    spool.append(doors([2]))

    with pytest.raises(SpoolFullError, match=f"holds {size * 2} bytes of {size * 2}") as caught:
        spool.append(doors([3]))

    assert (caught.value.bytes_held, caught.value.bytes_asked, caught.value.bytes_max) == (size * 2, size, size * 2)
    batch = spool.oldest(1)
    assert batch is not None
    spool.remove(batch)
    spool.append(doors([3]))
    assert drained(spool) == doors([2, 3])


def test_each_append_is_synced_and_no_other_process_can_open_the_file(
    open_spool: Callable[..., Spool], path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest.spool_file.BUSY_TIMEOUT_S", 0.0)
    spool = open_spool()

    assert spool._connection is not None
    assert spool._connection.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL
    with pytest.raises(SpoolUnavailableError, match="locked"):
        Spool(path, MIB)


def test_an_emptied_spool_gives_the_disk_back(open_spool: Callable[..., Spool], path: Path) -> None:
    spool = open_spool(100 * MIB)
    messages = [bulk(seed) for seed in range(80)]
    for message in messages:
        spool.append([message])
    assert path.stat().st_size > KEPT_BYTES_MAX

    assert drained(spool, 10) == messages

    assert sum(file.stat().st_size for file in path.parent.iterdir()) < MIB
    spool.append(doors([1]))
    assert drained(open_spool()) == doors([1])


def test_a_full_disk_loses_nothing_that_was_there_and_the_spool_goes_on_when_there_is_room(
    open_spool: Callable[..., Spool],
) -> None:
    spool = open_spool(100 * MIB)
    spool.append(doors([1]))
    assert spool._connection is not None
    spool._connection.execute("PRAGMA max_page_count = 20")

    with pytest.raises(SpoolUnavailableError, match="full"):
        spool.append([bulk(1)])

    assert spool.counts().messages == 1
    spool.append([bulk(2)])
    assert drained(spool) == [door(1), bulk(2)]


def test_a_disk_that_fails_is_unavailable_and_the_spool_goes_on_when_it_is_well(
    open_spool: Callable[..., Spool],
) -> None:
    spool = open_spool(100 * MIB)
    spool.append(doors([1]))

    with files_up_to(200_000):
        for _ in range(2):
            with pytest.raises(SpoolUnavailableError):
                spool.append([bulk(1)])
        assert spool.counts().messages == 1

    spool.append([bulk(2)])
    assert drained(spool) == [door(1), bulk(2)]
    assert spool.damages() == ()


def test_a_row_that_cannot_be_read_is_set_aside_and_blocks_nothing(
    open_spool: Callable[..., Spool], path: Path
) -> None:
    spool = open_spool()
    for number in range(4):
        spool.append(doors([number]))
    spool.close()
    execute(path, "UPDATE spooled SET content = x'00' WHERE number = 1")
    execute(path, "UPDATE spooled SET format = 99 WHERE number = 3")

    spool = open_spool()
    size = spool.counts().bytes

    assert drained(spool) == doors([1, 3])
    assert (spool.is_empty, spool.counts().messages, spool.counts().unreadable) == (True, 0, 2)
    assert 0 < spool.counts().bytes < size, "what is set aside takes room as before"
    spool.close()
    [first, second] = execute(path, "SELECT number, reason FROM unreadable ORDER BY number")
    assert (first[0], second) == (1, (3, "ValueError: format 99; this version of the service reads 1"))


def test_what_was_unreadable_is_tried_again_when_the_spool_is_next_opened(
    open_spool: Callable[..., Spool], path: Path
) -> None:
    open_spool().append(doors([1]))
    open_spool().close()
    execute(path, "UPDATE spooled SET format = 99")
    assert open_spool().oldest(1) is None
    open_spool().close()
    execute(path, "UPDATE spooled SET format = 1")

    spool = open_spool()

    assert spool.counts().unreadable == 0
    assert drained(spool) == doors([1])


@pytest.mark.parametrize("content", [b"no database " * 1_000, b"SQLite format 3\0" + b"\xff" * 8_000])
def test_a_file_that_is_no_spool_is_moved_aside_and_a_new_one_begun(
    open_spool: Callable[..., Spool], path: Path, content: bytes
) -> None:
    path.parent.mkdir()
    path.write_bytes(content)

    spool = open_spool()

    [damage] = spool.damages()
    assert damage.path.name == "spool-a%20b.sqlite.damaged-20260105T093000.000000Z"
    assert damage.path.read_bytes() == content
    assert (damage.found_at, damage.messages_saved) == (NOW, 0)
    assert damage.reason
    spool.append(doors([1]))
    again = open_spool()
    assert (drained(again), again.damages()) == (doors([1]), ())


def test_of_a_damaged_file_what_can_be_read_is_taken_along(open_spool: Callable[..., Spool], path: Path) -> None:
    spool = open_spool(100 * MIB)
    messages = [bulk(seed) for seed in range(10)]
    for message in messages:
        spool.append([message])
    spool.close()
    spoil_row(path, 5)

    spool = open_spool(100 * MIB)
    with pytest.raises(SpoolUnavailableError, match="malformed"):
        drained(spool)

    assert drained(spool) == [message for message in messages if message.body.seq != 4]
    [damage] = spool.damages()
    assert damage.messages_saved == 9
    assert damage.path.exists()


def spoil_row(path: Path, number: int) -> None:
    """Cut the chain of pages that hold a row's content."""
    [(content,)] = execute(path, "SELECT content FROM spooled WHERE number = ?", number)
    assert isinstance(content, bytes)
    data = path.read_bytes()
    page = data.index(content[100_000:100_100]) // 4096
    path.write_bytes(data[: page * 4096] + b"\xff\xff\xff\xff" + data[page * 4096 + 4 :])


def test_a_new_file_that_was_ready_when_we_were_killed_is_put_in_its_place(
    open_spool: Callable[..., Spool], path: Path
) -> None:
    open_spool().append(doors([1]))
    open_spool().close()
    path.rename(f"{path}.saved")

    assert drained(open_spool()) == doors([1])


def test_a_folder_that_cannot_be_made_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(SpoolUnavailableError, match="file"):
        Spool(tmp_path / "file" / "spool.sqlite", MIB)


def test_a_closed_spool_takes_nothing_and_can_be_closed_again(open_spool: Callable[..., Spool]) -> None:
    spool = open_spool()
    spool.close()
    spool.close()

    with pytest.raises(SpoolUnavailableError, match="closed"):
        spool.append(doors([1]))
    with pytest.raises(SpoolUnavailableError, match="closed"):
        spool.oldest(1)


def test_one_thread_appends_while_another_drains(open_spool: Callable[..., Spool]) -> None:
    spool = open_spool()
    found: list[Message] = []

    def drain() -> None:
        while len(found) < 100:
            found.extend(drained(spool, 7))

    thread = Thread(target=drain)
    thread.start()
    for number in range(0, 100, 2):
        spool.append(doors([number, number + 1]))
    thread.join()

    assert found == doors(range(100))
    assert spool.counts() == SpoolCounts(0, 0, None)


@settings(deadline=None, max_examples=50)
@given(st.lists(any_message(), max_size=10))
def test_whatever_the_contract_allows_comes_back_as_it_was(messages: list[Message]) -> None:
    assert decoded(VERSION, encoded(messages)) == messages


@pytest.mark.parametrize("text", ["", "\0", "🛗 电梯 \ufeff\u2028", '"\\', "\n"])
def test_text_comes_back_letter_by_letter(text: str) -> None:
    message = Message("A-1", Kind.FAULT, T0_MS, T0_MS, Fault(at=T0_MS, code="c", phase="raised", text=text))

    assert decoded(VERSION, encoded([message])) == [message]


def test_what_was_accepted_stays_readable_when_the_bounds_of_the_contract_have_moved() -> None:
    beyond = Machine(at=T0_MS, seq=-1, motor_c=9_999.0)
    messages = [
        Message("A-1", Kind.MACHINE, T0_MS, T0_MS, beyond),
        Message("A-1", Kind.STATE, 1, 2, State(), late=True),
    ]

    assert decoded(VERSION, encoded(messages)) == messages


def at(body: Body, kind: Kind, ms: int, *, late: bool = False) -> Message:
    return Message("A-1", kind, ms, T0_MS + 250, body, late)


# What `tests/data/spool/version-1.sqlite` holds; it is never written again.
VERSION_1: list[Message] = [
    at(DoorCycle(at=T0_MS, seq=1, boot="b1", floor=-2, door="rear", opening_ms=2_011.5, closing_ms=2_300.25,
                 reversals=2, nudging=True), Kind.DOOR, T0_MS),
    at(Trip(at=from_ms(T0_MS + 1), seq=2, boot="b1", from_floor=0, to_floor=9, duration_ms=21_000.0), Kind.TRIP,
       T0_MS + 1, late=True),
    at(Fault(at=T0_MS + 2, seq=3, code="entrapment", phase="raised", text="Tür klemmt 🛗", controller_code="E17"),
       Kind.FAULT, T0_MS + 2),
    at(State(connected=False), Kind.STATE, T0_MS + 250),
    at(Alarm(at=T0_MS + 3, type="button", voice_ok=False), Kind.ALARM, T0_MS + 3),
]  # fmt: skip


def test_a_spool_of_version_1_is_read_for_ever(open_spool: Callable[..., Spool], path: Path) -> None:
    path.parent.mkdir()
    shutil.copy(DATA / "version-1.sqlite", path)

    spool = open_spool()

    assert spool.counts().messages == len(VERSION_1)
    assert drained(spool) == VERSION_1
