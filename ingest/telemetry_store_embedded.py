"""The telemetry store in one SQLite file: for one box, and for everything that runs without a server.

One table for each kind, made from the contract (`readings_of`); the key is lift and `key_ns`, so a second copy of a
message finds its place taken. Write-ahead log and full synchronisation: what `write` has returned from survives
kill -9 and a power cut, and readers, in other processes too, never wait for the writer.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from datetime import datetime, timedelta
from operator import attrgetter, itemgetter
from pathlib import Path
from threading import Lock
from typing import Any

from msgspec import UNSET

from ingest.clock import from_ms
from ingest.messages import SUB_MS_DIGITS, Kind, Message, State, readings_of
from ingest.telemetry_store import (
    PAGE_MAX,
    Aggregate,
    Frame,
    LatestState,
    Scalar,
    StoreRefusedError,
    StoreUnavailableError,
    key_bounds,
    numeric_reading,
    restored,
    storable_key_ns,
    window_width_ms,
)

BUSY_TIMEOUT_S = 15.0
# The writer touches a page for each lift and kind; 64 MiB hold them all for some thousand lifts.
CACHE_KIB = 65_536
# Copying the log into the file every 32 MiB instead of every 4 copies each page, touched again and again, less often.
CHECKPOINT_PAGES = 8_000
# Below the number of variables that the oldest SQLite of Python 3.11 takes in one statement.
_LIFTS_IN_QUERY = 500

_SQL_TYPE = {bool: "INTEGER", int: "INTEGER", float: "REAL", str: "TEXT"}
_FRAME_COLUMNS = {
    "lift": "INTEGER NOT NULL",
    "key_ns": "INTEGER NOT NULL",
    "received_ms": "INTEGER NOT NULL",
    "late": "INTEGER NOT NULL",
    "dated": "INTEGER NOT NULL",
    "seq": "INTEGER",
    "boot": "TEXT",
}
_BODY_FIELDS = {kind: ("seq", "boot", *readings_of(kind)) for kind in Kind}
_FLAGS = {kind: tuple(name for name, form in readings_of(kind).items() if form is bool) for kind in Kind}
_VALUES_OF = {kind: attrgetter(*fields) for kind, fields in _BODY_FIELDS.items()}
_KEY_OF = itemgetter(0, 1)
_COLUMNS = {kind: (*_FRAME_COLUMNS, *readings_of(kind)) for kind in Kind}
_STATE_READINGS = tuple(readings_of(Kind.STATE))
# The row of `latest_state` that holds no reading, but the newest message as a whole.
_WHOLE_MESSAGE = ""

_SHARED_TABLES = {
    "lift": "CREATE TABLE lift (number INTEGER PRIMARY KEY, lift_id TEXT NOT NULL UNIQUE)",
    "latest_state": (
        "CREATE TABLE latest_state (lift INTEGER NOT NULL, reading TEXT NOT NULL, value, key_ns INTEGER NOT NULL,"
        " PRIMARY KEY (lift, reading)) WITHOUT ROWID"
    ),
}
# ON CONFLICT with its key, not INSERT OR IGNORE: that would drop, silently, rows that break any other rule too.
_INSERT = {
    kind: f'INSERT INTO "{kind.value}" ({", ".join(columns)}) VALUES ({", ".join("?" * len(columns))})'  # noqa: S608 - names of the contract
    " ON CONFLICT (lift, key_ns) DO NOTHING"
    for kind, columns in _COLUMNS.items()
}
_SELECT = {
    kind: f"SELECT l.lift_id, {', '.join('m.' + name for name in columns[1:])}"  # noqa: S608 - names of the contract
    f' FROM lift AS l CROSS JOIN "{kind.value}" AS m ON m.lift = l.number'
    for kind, columns in _COLUMNS.items()
}
_KEEP_NEWEST = (
    "INSERT INTO latest_state (lift, reading, value, key_ns) VALUES (?, ?, ?, ?) ON CONFLICT (lift, reading)"
    " DO UPDATE SET value = excluded.value, key_ns = excluded.key_ns WHERE excluded.key_ns > latest_state.key_ns"
)


class EmbeddedTelemetryStore:
    """The port in SQLite. Safe to share between threads, and to open in several processes."""

    def __init__(self, path: Path) -> None:
        """Open the file, make it where there is none, and add what the contract has gained since it was made.

        Raises:
            StoreUnavailableError: the file cannot be opened, or it is no SQLite database.
        """
        self._path = path
        self._lock = Lock()
        self._lift_numbers: dict[str, int] = {}
        self._writer: sqlite3.Connection | None = None
        with self._told_apart():
            path.parent.mkdir(parents=True, exist_ok=True)
            self._writer = _connect(path, "rwc")
            try:
                _prepare(self._writer)
            except BaseException:
                self.close()
                raise

    def write(self, messages: Sequence[Message]) -> None:
        """See `TelemetryStore.write`."""
        with self._lock, self._told_apart():
            writer = self._open_writer()
            with _transaction(writer):
                numbers = self._numbers_of({message.lift_id for message in messages}, writer)
                for kind, rows in _rows_by_kind(messages, numbers).items():
                    writer.executemany(_INSERT[kind], rows)
                writer.executemany(_KEEP_NEWEST, _newest_values(messages, numbers))
            # Only now: a number that was rolled back may be another lift's tomorrow.
            self._lift_numbers.update(numbers)

    def latest_states(self, lift_ids: Sequence[str] | None = None) -> dict[str, LatestState]:
        """See `TelemetryStore.latest_states`."""
        query = (
            "SELECT l.lift_id, s.reading, s.value, s.key_ns"
            " FROM lift AS l CROSS JOIN latest_state AS s ON s.lift = l.number"
        )
        if lift_ids is None:
            return _states_of(self._rows(query))
        states: dict[str, LatestState] = {}
        for start in range(0, len(lift_ids), _LIFTS_IN_QUERY):
            some = lift_ids[start : start + _LIFTS_IN_QUERY]
            marks = ", ".join("?" * len(some))
            states |= _states_of(self._rows(f"{query} WHERE l.lift_id IN ({marks})", *some))
        return states

    def messages(
        self,
        lift_id: str,
        kind: Kind,
        since: datetime,
        until: datetime,
        *,
        limit: int = PAGE_MAX,
        after_ns: int | None = None,
    ) -> list[Message]:
        """See `TelemetryStore.messages`."""
        start, end = key_bounds(since, until)
        if after_ns is not None:
            start = max(start, after_ns + 1)
        query = f"{_SELECT[kind]} WHERE l.lift_id = ? AND m.key_ns >= ? AND m.key_ns < ? ORDER BY m.key_ns LIMIT ?"
        return [_message_of(kind, row) for row in self._rows(query, lift_id, start, end, limit)]

    def aggregates(
        self, lift_id: str, kind: Kind, reading: str, since: datetime, until: datetime, every: timedelta
    ) -> list[Aggregate]:
        """See `TelemetryStore.aggregates`."""
        name = numeric_reading(kind, reading)
        width_ns = window_width_ms(every) * SUB_MS_DIGITS
        # SQLite's % takes the sign of the dividend; windows before 1970 must begin below their messages all the same.
        query = (
            f"SELECT m.key_ns - ((m.key_ns % :width) + :width) % :width AS start_ns,"  # noqa: S608 - names of the contract
            f' COUNT(m.{name}), AVG(m.{name}), MIN(m.{name}), MAX(m.{name}) FROM "{kind.value}" AS m'
            " WHERE m.lift = (SELECT number FROM lift WHERE lift_id = :lift_id)"
            f" AND m.key_ns >= :start AND m.key_ns < :end AND m.{name} IS NOT NULL GROUP BY start_ns ORDER BY start_ns"
        )
        start, end = key_bounds(since, until)
        rows = self._rows(query, {"width": width_ns, "lift_id": lift_id, "start": start, "end": end})
        return [
            Aggregate(from_ms(start_ns // SUB_MS_DIGITS), count, mean, float(smallest), float(largest))
            for start_ns, count, mean, smallest, largest in rows
        ]

    def faults(self, since: datetime, until: datetime, lift_id: str | None = None) -> list[Message]:
        """See `TelemetryStore.faults`."""
        start, end = key_bounds(since, until)
        query = (
            f"{_SELECT[Kind.FAULT]} WHERE m.key_ns >= :start AND m.key_ns < :end"
            f"{'' if lift_id is None else ' AND l.lift_id = :lift_id'} ORDER BY l.lift_id, m.key_ns"
        )
        rows = self._rows(query, {"start": start, "end": end, "lift_id": lift_id})
        return [_message_of(Kind.FAULT, row) for row in rows]

    def fault_count(self, since: datetime, until: datetime) -> int:
        """See `TelemetryStore.fault_count`."""
        query = f'SELECT COUNT(*) FROM "{Kind.FAULT.value}" WHERE key_ns >= ? AND key_ns < ?'  # noqa: S608 - a name of the contract
        [(count,)] = self._rows(query, *key_bounds(since, until))
        return int(count)

    def last_counters(self, since: datetime, until: datetime, lift_id: str | None = None) -> dict[str, Message]:
        """See `TelemetryStore.last_counters`."""
        # The newest of each lift is found in the key, one step a lift, however many messages there are.
        query = (
            f"{_SELECT[Kind.COUNTERS]} WHERE m.key_ns = (SELECT MAX(n.key_ns) FROM counters AS n"  # noqa: S608 - as above
            " WHERE n.lift = l.number AND n.key_ns >= :start AND n.key_ns < :end)"
            f"{'' if lift_id is None else ' AND l.lift_id = :lift_id'}"
        )
        start, end = key_bounds(since, until)
        rows = self._rows(query, {"start": start, "end": end, "lift_id": lift_id})
        return {row[0]: _message_of(Kind.COUNTERS, row) for row in rows}

    def last_trip_at(self, lift_id: str, since: datetime, until: datetime) -> datetime | None:
        """See `TelemetryStore.last_trip_at`."""
        query = (
            "SELECT MAX(key_ns) FROM trip WHERE lift = (SELECT number FROM lift WHERE lift_id = ?)"
            " AND key_ns >= ? AND key_ns < ?"
        )
        [(key_ns,)] = self._rows(query, lift_id, *key_bounds(since, until))
        return None if key_ns is None else from_ms(key_ns // SUB_MS_DIGITS)

    def ping(self) -> None:
        """See `TelemetryStore.ping`."""
        self._rows("SELECT number FROM lift LIMIT 1")

    def close(self) -> None:
        """See `TelemetryStore.close`."""
        with self._lock:
            if self._writer is not None:
                self._writer.close()
                self._writer = None

    def _open_writer(self) -> sqlite3.Connection:
        if self._writer is None:
            message = f"{self._path}: the store was closed"
            raise StoreUnavailableError(message)
        return self._writer

    def _rows(self, query: str, *values: Scalar | dict[str, Scalar | None]) -> list[tuple[Any, ...]]:
        """Read on a connection of its own: no thread waits for another, and none is left open."""
        given = values[0] if values and isinstance(values[0], dict) else values
        with self._told_apart(), closing(_connect(self._path, "rw")) as connection:
            connection.execute("PRAGMA query_only = ON")
            return connection.execute(query, given).fetchall()

    def _numbers_of(self, lift_ids: set[str], writer: sqlite3.Connection) -> dict[str, int]:
        numbers = {lift_id: self._lift_numbers[lift_id] for lift_id in lift_ids if lift_id in self._lift_numbers}
        for lift_id in sorted(lift_ids - numbers.keys()):
            writer.execute("INSERT INTO lift (lift_id) VALUES (?) ON CONFLICT (lift_id) DO NOTHING", (lift_id,))
            [numbers[lift_id]] = writer.execute("SELECT number FROM lift WHERE lift_id = ?", (lift_id,)).fetchone()
        return numbers

    @contextmanager
    def _told_apart(self) -> Iterator[None]:
        """Tell a failing disk from a batch that no disk would take, and both from a mistake of ours."""
        try:
            yield
        except (sqlite3.ProgrammingError, sqlite3.IntegrityError):
            raise
        except (sqlite3.DatabaseError, OSError) as error:
            message = f"{self._path}: {error}"
            raise StoreUnavailableError(message) from error
        except (OverflowError, UnicodeEncodeError) as error:
            message = f"a value that SQLite cannot hold: {error}"
            raise StoreRefusedError(message) from error


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    # A URI with its mode, so that a reader does not make an empty database where the file has gone.
    uri = f"{path.absolute().as_uri()}?mode={mode}"
    return sqlite3.connect(uri, uri=True, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)


def _prepare(writer: sqlite3.Connection) -> None:
    for pragma in (
        "journal_mode = WAL",
        "synchronous = FULL",
        f"cache_size = -{CACHE_KIB}",
        f"wal_autocheckpoint = {CHECKPOINT_PAGES}",
    ):
        writer.execute(f"PRAGMA {pragma}")
    if _missing_ddl(writer):
        with _transaction(writer):
            # Asked again: another process may have been quicker.
            for statement in _missing_ddl(writer):
                writer.execute(statement)


def _missing_ddl(connection: sqlite3.Connection) -> list[str]:
    """Return the statements that bring the schema to what this version of the contract needs."""
    statements = [ddl for name, ddl in _SHARED_TABLES.items() if not _columns_of(connection, name)]
    for kind in Kind:
        columns = _FRAME_COLUMNS | {name: _SQL_TYPE[form] for name, form in readings_of(kind).items()}
        present = _columns_of(connection, kind.value)
        if not present:
            listed = ", ".join(f"{name} {form}" for name, form in columns.items())
            statements.append(f'CREATE TABLE "{kind.value}" ({listed}, PRIMARY KEY (lift, key_ns)) WITHOUT ROWID')
            continue
        missing = (name for name in columns if name not in present)
        statements += [f'ALTER TABLE "{kind.value}" ADD COLUMN {name} {columns[name]}' for name in missing]
    return statements


def _columns_of(connection: sqlite3.Connection, table: str) -> set[str]:
    return {row[1] for row in connection.execute(f'PRAGMA table_info("{table}")')}


@contextmanager
def _transaction(writer: sqlite3.Connection) -> Iterator[None]:
    writer.execute("BEGIN IMMEDIATE")
    try:
        yield
        writer.execute("COMMIT")
    except BaseException:
        # A full disk may have rolled back already, a broken one cannot: the first error is the one to tell.
        with suppress(sqlite3.Error):
            writer.execute("ROLLBACK")
        raise


def _rows_by_kind(messages: Sequence[Message], numbers: dict[str, int]) -> dict[Kind, list[tuple[Any, ...]]]:
    """Return the rows of each table in the order of its key, so that each page of it is found once."""
    by_kind: dict[Kind, list[Message]] = {}
    for message in messages:
        by_kind.setdefault(message.kind, []).append(message)
    return {kind: sorted(_rows_of(kind, some, numbers), key=_KEY_OF) for kind, some in by_kind.items()}


def _rows_of(kind: Kind, messages: list[Message], numbers: dict[str, int]) -> list[tuple[Any, ...]]:
    values_of = _VALUES_OF[kind]
    return [
        (
            numbers[message.lift_id],
            storable_key_ns(message),
            message.received_ms,
            message.late,
            message.body.at is not UNSET,
            *values_of(message.body),
        )
        for message in messages
    ]


def _newest_values(messages: Sequence[Message], numbers: dict[str, int]) -> list[tuple[int, str, Scalar | None, int]]:
    """Return for each lift and reading of `state` the newest value in the batch; a reading without one says nothing."""
    newest: dict[tuple[int, str], tuple[int, Scalar | None]] = {}
    states = [(message.key_ns, message) for message in messages if message.kind is Kind.STATE]
    for key_ns, message in sorted(states, key=lambda pair: pair[0]):
        number = numbers[message.lift_id]
        newest[number, _WHOLE_MESSAGE] = (key_ns, None)
        for name in _STATE_READINGS:
            value = getattr(message.body, name)
            if value is not None:
                newest[number, name] = (key_ns, value)
    return [(number, name, value, key_ns) for (number, name), (key_ns, value) in newest.items()]


def _message_of(kind: Kind, row: tuple[Any, ...]) -> Message:
    lift_id, key_ns, received_ms, late, dated, *values = row
    known = {name: value for name, value in zip(_BODY_FIELDS[kind], values, strict=True) if value is not None}
    for name in _FLAGS[kind]:
        if name in known:
            known[name] = bool(known[name])
    frame = Frame(
        lift_id=lift_id, kind=kind, key_ns=key_ns, received_ms=received_ms, late=bool(late), dated=bool(dated)
    )
    return restored(frame, known)


def _states_of(rows: list[tuple[Any, ...]]) -> dict[str, LatestState]:
    known: dict[str, dict[str, Any]] = {}
    newest_ns: dict[str, int] = {}
    for lift_id, name, value, key_ns in rows:
        values = known.setdefault(lift_id, {})
        if name == _WHOLE_MESSAGE:
            newest_ns[lift_id] = key_ns
        elif name in _STATE_READINGS:  # a newer version of the service may have written others
            values[name] = bool(value) if name in _FLAGS[Kind.STATE] else value
    return {
        lift_id: LatestState(from_ms(newest_ns[lift_id] // SUB_MS_DIGITS), State(**values))
        for lift_id, values in known.items()
    }
