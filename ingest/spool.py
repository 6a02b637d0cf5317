"""The spool: accepted messages wait here, durable, while the telemetry store is away. One SQLite file, oldest first.

`append` and `remove` are one transaction each, and durable on return: what `append` returned from survives kill -9 and
a power cut, what `remove` returned from never comes again. The spool is bounded by the bytes of its rows; it drops
nothing by itself. A row that cannot be read (damaged, or written by a newer version) is set aside in the same file
and tried again when the spool is next opened; a file that is damaged is set aside as a whole (`damages`).
"""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from threading import Lock
from typing import NamedTuple

import structlog
from msgspec import Struct

from ingest.clock import Clock, SystemClock, from_ms
from ingest.messages import Message
from ingest.spool_file import Damage, is_damage, open_file, set_aside, transaction
from ingest.spool_format import UNREADABLE, VERSION, decoded, encoded

# An empty spool gives the disk back what is beyond this.
KEPT_BYTES_MAX = 16 * 1024 * 1024
_REASON_CHARS_MAX = 500

log = structlog.get_logger()


class SpoolFullError(Exception):
    """The spool holds as much as it may; the same call succeeds when something was removed."""

    def __init__(self, bytes_held: int, bytes_asked: int, bytes_max: int) -> None:
        """Tell how many bytes are held, how many more were to be appended, and how many may be held."""
        super().__init__(f"the spool holds {bytes_held} bytes of {bytes_max}; {bytes_asked} more have no room")
        self.bytes_held = bytes_held
        self.bytes_asked = bytes_asked
        self.bytes_max = bytes_max


class SpoolUnavailableError(OSError):
    """The disk under the spool cannot take or give anything at present; the same call may succeed later."""


class SpoolCounts(Struct, frozen=True):
    """What is in the spool. `bytes` counts the contents of the rows, `unreadable` the messages that are set aside.

    `oldest_at` is when the oldest of the messages that wait was received.
    """

    messages: int
    bytes: int
    oldest_at: datetime | None
    unreadable: int = 0


class SpoolBatch(Struct, frozen=True):
    """The oldest messages, and the numbers of the rows that hold them."""

    numbers: tuple[int, ...]
    messages: list[Message]


class _Row(NamedTuple):
    number: int
    format: int
    messages: int
    content: bytes


class Spool:
    """Safe to share between threads; one process at a time has the file."""

    def __init__(self, path: Path, bytes_max: int, *, clock: Clock | None = None) -> None:
        """Open the file, make it where there is none.

        Raises:
            SpoolUnavailableError: the file cannot be opened, or another process has it.
        """
        self._path = path
        self._bytes_max = bytes_max
        self._clock = clock or SystemClock()
        self._lock = Lock()
        self._connection: sqlite3.Connection | None = None
        self._is_closed = False
        self._damage: BaseException | None = None
        self._damages: list[Damage] = []
        self._counts = SpoolCounts(0, 0, None)
        with self._lock, self._told_apart():
            self._open()

    def append(self, messages: Sequence[Message]) -> None:
        """Keep messages behind those that are there; they are durable on return.

        Raises:
            SpoolFullError: they have no room.
            SpoolUnavailableError: nothing is promised; append the same messages again.
        """
        if not messages:
            return
        content = encoded(messages)
        received_ms = min(message.received_ms for message in messages)
        with self._lock, self._told_apart():
            connection = self._open()
            held = self._counts.bytes
            if held + len(content) > self._bytes_max:
                raise SpoolFullError(held, len(content), self._bytes_max)
            connection.execute(
                "INSERT INTO spooled (format, messages, received_ms, content) VALUES (?, ?, ?, ?)",
                (VERSION, len(messages), received_ms, content),
            )
            counts = self._counts
            self._counts = SpoolCounts(
                counts.messages + len(messages),
                counts.bytes + len(content),
                counts.oldest_at or from_ms(received_ms),
                counts.unreadable,
            )

    def oldest(self, messages_max: int) -> SpoolBatch | None:
        """Return the oldest messages, at most `messages_max` or those of one row; None where there are none.

        Raises:
            SpoolUnavailableError: they cannot be read at present.
        """
        while rows := self._oldest_rows(messages_max):
            batch, broken = _read(rows)
            if broken:
                self._set_aside(broken)
            if batch.numbers:
                return batch
        return None

    def remove(self, batch: SpoolBatch) -> None:
        """Forget the messages of a batch; they are gone for ever on return. Removing them again changes nothing.

        Raises:
            SpoolUnavailableError: nothing is promised; remove the same batch again.
        """
        with self._lock, self._told_apart():
            connection = self._open()
            messages = size = 0
            with transaction(connection):
                for number in batch.numbers:
                    found = connection.execute(
                        "SELECT messages, LENGTH(content) FROM spooled WHERE number = ?", (number,)
                    ).fetchone()
                    if found is not None:
                        messages, size = messages + found[0], size + found[1]
                        connection.execute("DELETE FROM spooled WHERE number = ?", (number,))
            counts = self._counts
            self._counts = SpoolCounts(
                counts.messages - messages, counts.bytes - size, _oldest_at(connection), counts.unreadable
            )
            if self._counts.oldest_at is None:
                self._shrink(connection)

    def counts(self) -> SpoolCounts:
        """Return what is in the spool, as of the last call that worked; asks no disk."""
        return self._counts

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits; what is unreadable does not."""
        return self._counts.oldest_at is None

    def damages(self) -> tuple[Damage, ...]:
        """Return the damaged files that were set aside since the spool was opened, for somebody to look at."""
        return tuple(self._damages)

    def close(self) -> None:
        """Let go of the file; what is in it stays."""
        with self._lock:
            self._is_closed = True
            self._let_go()

    def _open(self) -> sqlite3.Connection:
        """Return the connection; a new one, with everything counted anew, after one has failed."""
        if self._is_closed:
            message = f"{self._path}: the spool was closed"
            raise SpoolUnavailableError(message)
        if self._connection is None:
            if self._damage is not None:
                self._replace(self._damage)
            try:
                self._count(open_file(self._path))
            except sqlite3.DatabaseError as error:
                if not is_damage(error):
                    raise
                self._replace(error)
                self._count(open_file(self._path))
        assert self._connection is not None
        return self._connection

    def _replace(self, error: BaseException) -> None:
        self._let_go()
        damage = set_aside(self._path, error, self._clock.now())
        self._damage = None
        self._damages.append(damage)
        log.error("spool-damaged", moved_to=str(damage.path), messages_saved=damage.messages_saved, error=damage.reason)

    def _count(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        query = "SELECT COALESCE(SUM(messages), 0), COALESCE(SUM(LENGTH(content)), 0) FROM spooled"
        [(messages, size)] = connection.execute(query).fetchall()
        self._counts = SpoolCounts(messages, size, _oldest_at(connection))

    def _oldest_rows(self, messages_max: int) -> list[_Row]:
        rows: list[_Row] = []
        messages = 0
        with self._lock, self._told_apart():
            query = "SELECT number, format, messages, content FROM spooled ORDER BY number"
            for row in map(_Row._make, self._open().execute(query)):
                messages += row.messages
                if rows and messages > messages_max:
                    break
                rows.append(row)
        return rows

    def _set_aside(self, broken: list[tuple[_Row, str]]) -> None:
        with self._lock, self._told_apart():
            connection = self._open()
            with transaction(connection):
                for row, reason in broken:
                    connection.execute(
                        "INSERT OR REPLACE INTO unreadable SELECT number, format, messages, received_ms, content, ?"
                        " FROM spooled WHERE number = ?",
                        (reason, row.number),
                    )
                    connection.execute("DELETE FROM spooled WHERE number = ?", (row.number,))
            lost = sum(row.messages for row, _ in broken)
            counts = self._counts
            self._counts = SpoolCounts(
                counts.messages - lost, counts.bytes, _oldest_at(connection), counts.unreadable + lost
            )
        for row, reason in broken:
            log.error("spool-row-unreadable", number=row.number, messages=row.messages, reason=reason)

    def _shrink(self, connection: sqlite3.Connection) -> None:
        """Give the disk back what an empty spool does not need. Costs what is left in it, not what was."""
        [(pages,)] = connection.execute("PRAGMA page_count").fetchall()
        [(page_bytes,)] = connection.execute("PRAGMA page_size").fetchall()
        if pages * page_bytes <= max(KEPT_BYTES_MAX, 4 * self._counts.bytes):
            return
        with suppress(sqlite3.OperationalError):  # without room for it now, the next time will do
            connection.execute("VACUUM")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def _let_go(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(sqlite3.Error):
                connection.close()

    @contextmanager
    def _told_apart(self) -> Iterator[None]:
        """Tell a failing disk from a mistake of ours; a connection that has failed is not trusted again."""
        try:
            yield
        except SpoolUnavailableError:
            raise
        except (sqlite3.Error, OSError) as error:
            self._let_go()
            if isinstance(error, sqlite3.ProgrammingError | sqlite3.IntegrityError):
                raise
            if is_damage(error):
                self._damage = error
            message = f"{self._path}: {error}"
            raise SpoolUnavailableError(message) from error


def _read(rows: list[_Row]) -> tuple[SpoolBatch, list[tuple[_Row, str]]]:
    """Return the messages of rows, and the rows that cannot be read with the reason."""
    numbers: list[int] = []
    messages: list[Message] = []
    broken: list[tuple[_Row, str]] = []
    for row in rows:
        try:
            messages += decoded(row.format, row.content)
            numbers.append(row.number)
        except UNREADABLE as error:
            broken.append((row, f"{type(error).__name__}: {error}"[:_REASON_CHARS_MAX]))
    return SpoolBatch(tuple(numbers), messages), broken


def _oldest_at(connection: sqlite3.Connection) -> datetime | None:
    found = connection.execute("SELECT received_ms FROM spooled ORDER BY number LIMIT 1").fetchone()
    return None if found is None else from_ms(found[0])
