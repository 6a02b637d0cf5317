"""Quarantine: what was not accepted, with its reason. Nothing is dropped; the same thing twice is one row, counted."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from threading import Lock
from typing import Any

import sqlalchemy as sa
from msgspec import Struct, structs
from sqlalchemy.engine import Connection, Engine

from ingest.clock import from_ms
from ingest.database import Instant, insert_new, reading
from ingest.messages import Kind
from ingest.quarantine_room import ROWS_MAX, QuarantineCounts, Room
from ingest.quarantine_rows import (
    DETAIL_CHARS_MAX,
    Arrival,
    Quarantined,
    QuarantinedMessage,
    arrivals,
    message_of,
    quarantined,
    refused,
    refused_later,
    row_of,
    storable,
)
from ingest.wire import PAYLOAD_BYTES_MAX, Reason, Refusal

__all__ = ["Quarantine", "Quarantined", "QuarantinedMessage", "Selection", "Settled", "refused", "refused_later"]

# What one transaction writes: on SQLite alarms wait for its end (see docs/ARCHITECTURE.md for the time it takes).
CHUNK_ROWS = 500
CHUNK_BYTES = 4 * 1024 * 1024
TIMES_MAX = 2**31 - 1


class Selection(Struct, frozen=True, kw_only=True):
    """Which rows. The window [since, until) holds a row that came, for the first time or again, within it."""

    id: int | None = None
    id_max: int | None = None
    reason: Reason | None = None
    lift_id: str | None = None
    kind: Kind | None = None
    since: datetime | None = None
    until: datetime | None = None
    replayed: bool | None = None

    def conditions(self) -> Iterator[sa.ColumnElement[bool]]:
        """Yield the conditions on a row."""
        columns = quarantined.c
        if self.id is not None:
            yield columns.id == self.id
        if self.id_max is not None:
            yield columns.id <= self.id_max
        if self.reason is not None:
            yield columns.reason == self.reason.value
        if self.lift_id is not None:
            yield columns.lift_id == self.lift_id
        if self.kind is not None:
            yield columns.topic.endswith(f"/{self.kind.value}")
        if self.since is not None:
            yield columns.last_received_at >= self.since
        if self.until is not None:
            yield columns.received_at < self.until
        if self.replayed is not None:
            yield columns.replayed_at.is_not(None) if self.replayed else columns.replayed_at.is_(None)


EVERYTHING = Selection()


class Settled(Struct, frozen=True):
    """What a replay came to for one row: it was taken, or refused again."""

    id: int
    refusal: Refusal | None = None


class Quarantine:
    """The quarantine in SQL. Safe to share between threads, and to open in several processes."""

    def __init__(self, engine: Engine, rows_max: int = ROWS_MAX) -> None:
        """Use a migrated database; beyond `rows_max` rows what comes is only counted."""
        self._engine = engine
        self._room = Room(rows_max)
        self._lock = Lock()

    @property
    def counts(self) -> QuarantineCounts:
        """What this process had to leave out or remove."""
        return self._room.counts

    def add(self, items: Iterable[Quarantined]) -> None:
        """Keep what was not accepted, durable on return. The same topic, payload and reason again only counts.

        Many rows are several transactions: added again after a failure in the middle, some are counted twice.
        """
        for chunk in _chunks(arrivals(list(items))):
            with self._lock, self._undone_is_forgotten():
                with reading(self._engine) as connection:
                    self._room.look(connection, chunk)
                with self._engine.begin() as connection:
                    self._keep(connection, chunk)

    def list(
        self, which: Selection = EVERYTHING, *, limit: int, before_id: int | None = None
    ) -> list[QuarantinedMessage]:
        """Return at most `limit` rows, newest first, below `before_id`."""
        query = sa.select(quarantined).where(*which.conditions()).order_by(quarantined.c.id.desc()).limit(limit)
        if before_id is not None:
            query = query.where(quarantined.c.id < before_id)
        with reading(self._engine) as connection:
            return [message_of(row) for row in connection.execute(query).mappings()]

    def find(self, number: int) -> QuarantinedMessage | None:
        """Return one row, None where there is none of that number."""
        with reading(self._engine) as connection:
            row = connection.execute(sa.select(quarantined).where(quarantined.c.id == number)).mappings().first()
        return None if row is None else message_of(row)

    def newest_id(self) -> int:
        """Return the highest number of a row, 0 where there is none."""
        with reading(self._engine) as connection:
            return connection.execute(sa.select(sa.func.max(quarantined.c.id))).scalar() or 0

    def count(self, which: Selection, *, at_most: int) -> int:
        """Return how many rows there are; it looks no further than `at_most`."""
        return self._count(at_most, *which.conditions())

    def count_unreplayable(self, which: Selection, *, at_most: int) -> int:
        """Return how many rows never can be replayed, because not all that came is kept."""
        return self._count(at_most, *which.conditions(), sa.not_(_WHOLE))

    def replayable(self, which: Selection, *, limit: int, after_id: int) -> Sequence[QuarantinedMessage]:
        """Return at most `limit` rows that a replay would take now, above `after_id`, lowest number first."""
        with reading(self._engine) as connection:
            query = _waiting(which, limit, after_id)
            return [message_of(row) for row in connection.execute(query).mappings()]

    def claim(
        self, which: Selection, *, limit: int, after_id: int, now: datetime, until: datetime
    ) -> Sequence[QuarantinedMessage]:
        """Return such rows, in hand until `until`: no other replay is given them before, or before they are settled."""
        free = sa.or_(quarantined.c.replaying_until.is_(None), quarantined.c.replaying_until <= now)
        query = _waiting(which, limit, after_id).where(free).with_for_update(skip_locked=True)
        with self._engine.begin() as connection:
            rows = [message_of(row) for row in connection.execute(query).mappings()]
            mine = quarantined.c.id.in_([row.id for row in rows])
            connection.execute(sa.update(quarantined).where(mine).values(replaying_until=until))
        return rows

    def release(self, numbers: Sequence[int]) -> None:
        """Give rows back that were claimed, as they were."""
        with self._engine.begin() as connection:
            mine = quarantined.c.id.in_(numbers)
            connection.execute(sa.update(quarantined).where(mine).values(replaying_until=None))

    def settle(self, outcomes: Sequence[Settled], now: datetime) -> int:
        """Mark what was replayed, and say why the others were refused again; return how many were not marked before."""
        taken = [outcome.id for outcome in outcomes if outcome.refusal is None]
        refusals = [_settled_row(outcome.id, outcome.refusal) for outcome in outcomes if outcome.refusal is not None]
        waits = quarantined.c.replayed_at.is_(None)
        mark = sa.update(quarantined).where(quarantined.c.id.in_(taken), waits)
        with self._engine.begin() as connection:
            marked = connection.execute(mark.values(replayed_at=now, replaying_until=None)).rowcount
            if refusals:
                connection.execute(_REFUSED_AGAIN, refusals)
        return marked

    def _count(self, at_most: int, *conditions: sa.ColumnElement[bool]) -> int:
        some = sa.select(sa.literal(1)).select_from(quarantined).where(*conditions).limit(at_most).subquery()
        with reading(self._engine) as connection:
            return int(connection.execute(sa.select(sa.func.count()).select_from(some)).scalar_one())

    def _keep(self, connection: Connection, chunk: Sequence[Arrival]) -> None:
        fingerprints = [arrival.fingerprint for arrival in chunk]
        query = sa.select(quarantined.c.fingerprint).where(quarantined.c.fingerprint.in_(fingerprints))
        known = set(connection.execute(query).scalars())
        # In one order for everybody, so that two processes that count the same rows do not wait for each other.
        again = [_counted_row(arrival) for arrival in sorted(chunk, key=_key) if arrival.fingerprint in known]
        new = [arrival for arrival in chunk if arrival.fingerprint not in known]
        kept, summaries = self._room.sort(connection, new)
        if again:
            connection.execute(_COUNT_AGAIN, again)
        if rows := [*map(row_of, kept), *summaries]:
            statement = insert_new(connection, quarantined)
            came = _counted(statement.excluded.times, statement.excluded.last_received_at)
            connection.execute(statement.on_conflict_do_update(index_elements=["fingerprint"], set_=came), rows)

    @contextmanager
    def _undone_is_forgotten(self) -> Iterator[None]:
        counts = structs.replace(self._room.counts)
        try:
            yield
        except BaseException:
            self._room.forget(counts)
            raise


# All that came is kept, so that it can go through intake again.
_WHOLE = sa.and_(quarantined.c.is_summary.is_(False), quarantined.c.payload_bytes <= PAYLOAD_BYTES_MAX)


def _counted(times: sa.ColumnElement[int], last_received_at: sa.ColumnElement[datetime]) -> dict[str, Any]:
    """Return what a row becomes when the same comes again: it waits anew, should it have been replayed before."""
    columns = quarantined.c
    is_newer = columns.last_received_at < last_received_at
    return {
        "times": sa.case((columns.times > TIMES_MAX - times, TIMES_MAX), else_=columns.times + times),
        "last_received_at": sa.case((is_newer, last_received_at), else_=columns.last_received_at),
        "replayed_at": None,
    }


_COUNT_AGAIN = (
    sa.update(quarantined)
    .where(quarantined.c.fingerprint == sa.bindparam("of_fingerprint"))
    .values(_counted(sa.bindparam("more", type_=sa.Integer), sa.bindparam("last", type_=Instant)))
)
_REFUSED_AGAIN = (
    sa.update(quarantined)
    .where(quarantined.c.id == sa.bindparam("of_id"), quarantined.c.replayed_at.is_(None))
    .values(reason=sa.bindparam("why"), detail=sa.bindparam("words"), replaying_until=None)
)


def _key(arrival: Arrival) -> str:
    return arrival.fingerprint


def _counted_row(arrival: Arrival) -> dict[str, object]:
    last = from_ms(arrival.last_received_ms)
    return {"of_fingerprint": arrival.fingerprint, "more": arrival.times, "last": last}


def _settled_row(number: int, refusal: Refusal) -> dict[str, object]:
    detail = storable(refusal.detail)[:DETAIL_CHARS_MAX]
    return {"of_id": number, "why": refusal.reason.value, "words": detail}


def _waiting(which: Selection, limit: int, after_id: int) -> sa.Select[Any]:
    columns = quarantined.c
    query = sa.select(quarantined).where(*which.conditions(), _WHOLE, columns.replayed_at.is_(None))
    return query.where(columns.id > after_id).order_by(columns.id).limit(limit)


def _chunks(arrived: Sequence[Arrival]) -> Iterator[Sequence[Arrival]]:
    """Yield what one transaction takes, bounded by rows and by bytes."""
    chunk: list[Arrival] = []
    held_bytes = 0
    for arrival in arrived:
        if chunk and (len(chunk) >= CHUNK_ROWS or held_bytes + len(arrival.item.payload) > CHUNK_BYTES):
            yield chunk
            chunk, held_bytes = [], 0
        chunk.append(arrival)
        held_bytes += len(arrival.item.payload)
    if chunk:
        yield chunk
