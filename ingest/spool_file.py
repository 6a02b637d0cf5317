"""The file of a spool: opened, and set aside where it is damaged, with what can still be read taken along."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from datetime import datetime
from pathlib import Path

from msgspec import Struct

# How long to wait for the process that had the file before, and is just ending.
BUSY_TIMEOUT_S = 5.0
_LOG_BYTES_MAX = 16 * 1024 * 1024
_COLUMNS = "number, format, messages, received_ms, content"
_ROW = "format INTEGER NOT NULL, messages INTEGER NOT NULL, received_ms INTEGER NOT NULL, content BLOB NOT NULL"
_DDL = (
    # AUTOINCREMENT: a number is never given twice, so that removing a batch again can never remove another one.
    f"CREATE TABLE IF NOT EXISTS spooled (number INTEGER PRIMARY KEY AUTOINCREMENT, {_ROW})",
    f"CREATE TABLE IF NOT EXISTS unreadable (number INTEGER PRIMARY KEY, {_ROW}, reason TEXT NOT NULL)",
)
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


class Damage(Struct, frozen=True, kw_only=True):
    """A file that was damaged: where it is now, what SQLite said, and how many messages could be taken along."""

    path: Path
    reason: str
    found_at: datetime
    messages_saved: int


def is_damage(error: BaseException) -> bool:
    """Tell whether SQLite says that the file itself is broken, and not the disk, or the moment."""
    return isinstance(error, sqlite3.Error) and getattr(error, "sqlite_errorcode", 0) & 0xFF in _DAMAGED


def open_file(path: Path) -> sqlite3.Connection:
    """Open the file of a spool, make it where there is none; no other process can open it meanwhile.

    What could not be read before is put back in its place: this version of the service may be able to.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with suppress(FileNotFoundError):
        if not path.exists():
            _saved_path(path).rename(path)
    connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)
    try:
        # secure_delete, which some builds have on, would write zeros over all that was drained.
        for pragma in (
            "locking_mode = EXCLUSIVE",
            "journal_mode = WAL",
            "synchronous = FULL",
            "secure_delete = OFF",
            f"journal_size_limit = {_LOG_BYTES_MAX}",
        ):
            connection.execute(f"PRAGMA {pragma}")
        with transaction(connection):
            for statement in _DDL:
                connection.execute(statement)
            connection.execute(f"INSERT OR IGNORE INTO spooled ({_COLUMNS}) SELECT {_COLUMNS} FROM unreadable")  # noqa: S608 - names of ours
            connection.execute("DELETE FROM unreadable")
    except BaseException:
        connection.close()
        raise
    return connection


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Do all of it or nothing; durable on return."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        with suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
        raise


def set_aside(path: Path, error: BaseException, now: datetime) -> Damage:
    """Move a damaged file out of the way and put one in its place that holds the rows which can be read.

    A crash at any point leaves either the damaged file in its place, or the new one whole.
    """
    saved = _saved_path(path)
    messages_saved = _save(path, saved)
    aside = path.with_name(f"{path.name}.damaged-{now:%Y%m%dT%H%M%S.%fZ}")
    for end in ("-shm", "-wal", ""):  # the file itself last: while it is in its place, all of this is done again
        with suppress(FileNotFoundError):
            path.with_name(path.name + end).rename(aside.with_name(aside.name + end))
    saved.rename(path)
    _sync_folder(path.parent)
    return Damage(path=aside, reason=str(error), found_at=now, messages_saved=messages_saved)


def _saved_path(path: Path) -> Path:
    return path.with_name(f"{path.name}.saved")


def _save(damaged: Path, saved: Path) -> int:
    """Copy what can be read of the rows; return how many messages that is."""
    saved.unlink(missing_ok=True)
    messages = 0
    with (
        closing(sqlite3.connect(saved, isolation_level=None)) as new,
        closing(sqlite3.connect(damaged)) as old,
        transaction(new),
    ):
        for statement in _DDL:
            new.execute(statement)
        for row in filter(None, (_row(old, number) for number in _numbers(old))):
            new.execute(f"INSERT INTO spooled ({_COLUMNS}) VALUES (?, ?, ?, ?, ?)", row)  # noqa: S608 - names of ours
            messages += row[2]
    return messages


def _numbers(old: sqlite3.Connection) -> list[int]:
    """Return the numbers of the rows, from both ends as far as they can be read."""
    numbers: set[int] = set()
    for order in ("ASC", "DESC"):
        with suppress(sqlite3.Error):
            for (number,) in old.execute(f"SELECT number FROM spooled ORDER BY number {order}"):  # noqa: S608 - two words
                numbers.add(number)
    return sorted(numbers)


def _row(old: sqlite3.Connection, number: int) -> tuple[int, int, int, int, bytes] | None:
    with suppress(sqlite3.Error):
        row: tuple[int, int, int, int, bytes] | None = old.execute(
            f"SELECT {_COLUMNS} FROM spooled WHERE number = ?",  # noqa: S608 - names of ours
            (number,),
        ).fetchone()
        return row
    return None


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
