"""The ledger: for each lift and boot, which of its numbers are here, so that completeness can be proved.

A batch is noted as one row, cheaply, before it is acknowledged (`note`). Now and then the rows are folded into what is
known of each boot (`fold`): read and worked out beside everybody else, then written in one short transaction, which
comes to nothing where another process has folded one of the rows meanwhile. What is noted is told at once, folded or
not. A batch that is noted twice, after a crash, adds duplicates and nothing else; batches may be folded in any order.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy.engine import Connection, Engine

from ingest.clock import from_ms, to_ms
from ingest.database import insert_new, metadata, reading
from ingest.ledger_spans import Gap, Span, bounded, count, gaps_of, joined, spans_of, without
from ingest.messages import Message
from ingest.quarantine import Quarantined

# A controller that makes up a new boot for every message must not fill the database.
BOOTS_MAX = 200
# Boots in one transaction of a fold, which alarms may have to wait for: 100 to 200 ms on a small machine.
FOLD_BOOTS_MAX = 20_000
FOLD_ROWS_MAX = 500
_CHUNK = 500
_NO_BOOT = ""
_SPANS = msgspec.msgpack.Decoder(list[Span])

pending = sa.Table(
    "ledger_pending",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("content", sa.LargeBinary, nullable=False),
    sqlite_autoincrement=True,
)
boot = sa.Table(
    "ledger_boot",
    metadata,
    sa.Column("lift_id", sa.String(64), primary_key=True),
    sa.Column("boot", sa.String(64), primary_key=True),
    sa.Column("first_received_ms", sa.BigInteger, nullable=False),
    sa.Column("last_received_ms", sa.BigInteger, nullable=False),
    sa.Column("duplicates", sa.BigInteger, nullable=False),
    sa.Column("unlisted_missing", sa.BigInteger, nullable=False),
    sa.Column("missing", sa.BigInteger, nullable=False, index=True),
    sa.Column("stored_spans", sa.LargeBinary, nullable=False),
    sa.Column("quarantined_spans", sa.LargeBinary, nullable=False),
)
lift = sa.Table(
    "ledger_lift",
    metadata,
    sa.Column("lift_id", sa.String(64), primary_key=True),
    sa.Column("unnumbered", sa.BigInteger, nullable=False),
    sa.Column("boots_forgotten", sa.BigInteger, nullable=False),
)


class LedgerEntry(Struct, array_like=True, gc=False):
    """What a batch held of one boot of one lift: the numbers that were stored, those that went to quarantine."""

    lift_id: str
    boot: str
    stored: list[int]
    quarantined: list[int]


class LedgerBatch(Struct, array_like=True):
    """What a batch held: our clock at its first and last message, its numbers, and how many had none, by lift."""

    first_received_ms: int
    last_received_ms: int
    entries: list[LedgerEntry]
    unnumbered: dict[str, int]

    @classmethod
    def of(cls, stored: Sequence[Message], quarantined: Sequence[Quarantined]) -> "LedgerBatch":
        """Return what is to be noted of messages that are durable, and of what went to quarantine instead."""
        numbers: defaultdict[tuple[str, str | None], list[int]] = defaultdict(list)
        unnumbered: defaultdict[str, int] = defaultdict(int)
        for message in stored:
            body = message.body
            if body.seq is None:
                unnumbered[message.lift_id] += 1
            else:
                numbers[message.lift_id, body.boot].append(body.seq)
        refused: defaultdict[tuple[str, str | None], list[int]] = defaultdict(list)
        for item in quarantined:
            if item.lift_id is not None:
                for name, seq in item.numbers():
                    refused[item.lift_id, name].append(seq)
        received_ms = [*(each.received_ms for each in stored), *(each.received_ms for each in quarantined)]
        keys = numbers.keys() | refused.keys() if refused else numbers.keys()
        entries = [
            LedgerEntry(lift_id, boot or _NO_BOOT, numbers.get((lift_id, boot), []), refused.get((lift_id, boot), []))
            for lift_id, boot in keys
        ]
        return cls(min(received_ms, default=0), max(received_ms, default=0), entries, dict(unnumbered))


class BootLedger(Struct, frozen=True, kw_only=True):
    """What is known of one boot. `boot` None: the lift names none.

    `stored` and `quarantined` count numbers that are in the telemetry store (or on their way, in the spool), and in
    quarantine alone; `duplicates` counts messages whose number was stored before, redeliveries by the broker among
    them. `gaps` holds [from, to] of what is in neither; `unlisted_missing` counts missing numbers of so many old gaps
    that they are no longer listed.
    """

    boot: str | None
    first_seq: int
    last_seq: int
    stored: int
    duplicates: int
    quarantined: int
    gaps: list[tuple[int, int]]
    unlisted_missing: int
    first_received_at: datetime
    last_received_at: datetime


class LiftLedger(Struct, frozen=True, kw_only=True):
    """What is known of one lift, boots in the order in which they were first heard of; `unnumbered` had no `seq`."""

    lift_id: str
    reboots: int
    unnumbered: int
    boots_forgotten: int
    boots: list[BootLedger]


class OpenGap(Struct, frozen=True, kw_only=True):
    """Missing numbers of one boot; `seen_at`: when a number above them came first."""

    lift_id: str
    boot: str | None
    first_seq: int
    last_seq: int
    seen_at: datetime


class _Boot(Struct):
    """A row of `boot`, with its spans unpacked."""

    lift_id: str
    boot: str
    first_ms: int
    last_ms: int
    duplicates: int = 0
    unlisted: int = 0
    stored: list[Span] = []
    quarantined: list[Span] = []

    def take(self, batch: LedgerBatch, entry: LedgerEntry) -> None:
        """Add what a batch held; any order, any number of times."""
        self.first_ms = min(self.first_ms, batch.first_received_ms)
        self.last_ms = max(self.last_ms, batch.last_received_ms)
        if not entry.quarantined and self._goes_on(entry.stored):
            return
        before = count(self.stored)
        self.stored = joined(self.stored, spans_of(entry.stored, batch.first_received_ms))
        self.duplicates += len(entry.stored) - (count(self.stored) - before)
        self.stored, unlisted = bounded(self.stored)
        self.unlisted += unlisted
        if entry.quarantined:
            known = joined(self.quarantined, spans_of(entry.quarantined, batch.first_received_ms))
            self.quarantined, _ = bounded(known)

    def _goes_on(self, numbers: list[int]) -> bool:
        """Take numbers that follow on what is there, one by one, as nearly all do; False where they do not."""
        if not self.stored:
            return False
        newest = self.stored[-1]
        if numbers != list(range(newest.last + 1, newest.last + 1 + len(numbers))):
            return False
        self.stored[-1] = Span(newest.first, newest.last + len(numbers), newest.begun_ms)
        return True

    def known(self) -> list[Span]:
        """Return every number that has come, wherever it went."""
        return joined(self.stored, self.quarantined) if self.quarantined else self.stored

    def gaps(self) -> list[Gap]:
        """Return what is listed as missing."""
        return gaps_of(self.known())


class Ledger:
    """The ledger in SQL."""

    def __init__(self, engine: Engine) -> None:
        """Use a migrated database."""
        self._engine = engine

    def note(self, batch: LedgerBatch) -> None:
        """Note a batch, durable on return."""
        if batch.entries or batch.unnumbered:
            with self._engine.begin() as connection:
                connection.execute(sa.insert(pending).values(content=msgspec.msgpack.encode(batch)))

    def fold(self) -> int:
        """Fold what was noted into what is known of each boot; return how many batches.

        Where another process folds at the same moment the rest is left to that.
        """
        folded = 0
        while True:
            noted = self._oldest()
            if not noted or not self._fold(noted):
                return folded
            folded += len(noted)

    def _oldest(self) -> dict[int, LedgerBatch]:
        """Return the oldest batches, by number, as many as one transaction can take."""
        noted: dict[int, LedgerBatch] = {}
        boots: set[tuple[str, str]] = set()
        with reading(self._engine) as connection:
            for row in connection.execute(sa.select(pending).order_by(pending.c.id).limit(FOLD_ROWS_MAX)):
                batch = _batch_of(row.content)
                boots.update([(entry.lift_id, entry.boot) for entry in batch.entries])
                if noted and len(boots) > FOLD_BOOTS_MAX:
                    break
                noted[row.id] = batch
        return noted

    def _fold(self, noted: dict[int, LedgerBatch]) -> bool:
        keys = {(entry.lift_id, entry.boot) for batch in noted.values() for entry in batch.entries}
        with reading(self._engine) as connection:
            boots = _read(connection, keys)
        new = {lift_id for lift_id, _ in keys - boots.keys()}
        for batch in noted.values():
            _take(boots, batch, batch.entries)
        rows = [_row(boots[key]) for key in sorted(boots)]
        with self._engine.begin() as connection:
            taken = connection.execute(sa.delete(pending).where(pending.c.id.in_(noted)))
            if taken.rowcount != len(noted):
                connection.rollback()
                return False
            _write(connection, rows)
            _forget(connection, new)
            _add_to_lifts(connection, _unnumbered(noted.values()))
        return True

    def of(self, lift_id: str) -> LiftLedger:
        """Return what is known of a lift; one that was never heard has no boots."""
        with reading(self._engine) as connection:
            if connection.dialect.name == "postgresql":  # one view of both tables, though a fold may come between
                connection.execution_options(isolation_level="REPEATABLE READ")
            rows = connection.execute(sa.select(boot).where(boot.c.lift_id == lift_id))
            boots = {(row.lift_id, row.boot): _boot_of(row) for row in rows}
            told = connection.execute(sa.select(lift).where(lift.c.lift_id == lift_id)).first()
            noted = [_batch_of(row.content) for row in connection.execute(sa.select(pending).order_by(pending.c.id))]
        unnumbered, forgotten = (told.unnumbered, told.boots_forgotten) if told else (0, 0)
        for batch in noted:
            unnumbered += batch.unnumbered.get(lift_id, 0)
            _take(boots, batch, (entry for entry in batch.entries if entry.lift_id == lift_id))
        in_order = sorted(boots.values(), key=lambda each: (each.first_ms, each.boot))
        return LiftLedger(
            lift_id=lift_id,
            reboots=max(len(in_order) + forgotten - 1, 0),
            unnumbered=unnumbered,
            boots_forgotten=forgotten,
            boots=[_told(each) for each in in_order],
        )

    def open_gaps(self, as_of: datetime, open_for: timedelta, lift_id: str | None = None) -> list[OpenGap]:
        """Return what was missing for longer than `open_for` at `as_of`, ordered by lift, boot and number.

        What has come since counts as there; what was missed later than that is left out.
        """
        self.fold()
        seen_max_ms = to_ms(as_of - open_for)
        query = sa.select(boot).where(boot.c.missing > 0).order_by(boot.c.lift_id, boot.c.boot)
        if lift_id is not None:
            query = query.where(boot.c.lift_id == lift_id)
        with reading(self._engine) as connection:
            boots = [_boot_of(row) for row in connection.execute(query)]
        return [
            OpenGap(
                lift_id=each.lift_id,
                boot=each.boot or None,
                first_seq=gap.first,
                last_seq=gap.last,
                seen_at=from_ms(gap.seen_ms),
            )
            for each in boots
            for gap in each.gaps()
            if gap.seen_ms <= seen_max_ms
        ]


def _take(boots: dict[tuple[str, str], _Boot], batch: LedgerBatch, entries: Iterable[LedgerEntry]) -> None:
    for entry in entries:
        key = (entry.lift_id, entry.boot)
        known = boots.get(key)
        if known is None:
            known = boots[key] = _Boot(*key, batch.first_received_ms, batch.last_received_ms)
        known.take(batch, entry)


def _unnumbered(batches: Iterable[LedgerBatch]) -> dict[str, tuple[int, int]]:
    sums: Counter[str] = Counter()
    for batch in batches:
        sums.update(batch.unnumbered)
    return {lift_id: (some, 0) for lift_id, some in sums.items()}


def _read(connection: Connection, keys: set[tuple[str, str]]) -> dict[tuple[str, str], _Boot]:
    boots = {}
    for chunk in _chunks(sorted({lift_id for lift_id, _ in keys})):
        for row in connection.execute(sa.select(boot).where(boot.c.lift_id.in_(chunk))):
            key = (row.lift_id, row.boot)
            if key in keys:
                boots[key] = _boot_of(row)
    return boots


def _write(connection: Connection, rows: list[dict[str, object]]) -> None:
    if rows:
        insert = insert_new(connection, boot)
        values = {column.name: insert.excluded[column.name] for column in boot.c if not column.primary_key}
        own = [boot.c.lift_id, boot.c.boot]
        connection.execute(insert.on_conflict_do_update(index_elements=own, set_=values), rows)


def _forget(connection: Connection, lift_ids: set[str]) -> None:
    """Let go of the oldest boots of lifts that have too many; how many is kept."""
    for chunk in _chunks(sorted(lift_ids)):
        many = sa.select(boot.c.lift_id).where(boot.c.lift_id.in_(chunk)).group_by(boot.c.lift_id)
        for lift_id in connection.execute(many.having(sa.func.count() > BOOTS_MAX)).scalars().all():
            own = boot.c.lift_id == lift_id
            newest = sa.select(boot.c.boot).where(own).order_by(boot.c.last_received_ms.desc(), boot.c.boot)
            kept = connection.execute(newest.limit(BOOTS_MAX)).scalars().all()
            gone = connection.execute(sa.delete(boot).where(own, boot.c.boot.not_in(kept))).rowcount
            _add_to_lifts(connection, {lift_id: (0, gone)})


def _add_to_lifts(connection: Connection, more: dict[str, tuple[int, int]]) -> None:
    if not more:
        return
    insert = insert_new(connection, lift)
    sums = {name: lift.c[name] + insert.excluded[name] for name in ("unnumbered", "boots_forgotten")}
    rows = [
        {"lift_id": lift_id, "unnumbered": unnumbered, "boots_forgotten": forgotten}
        for lift_id, (unnumbered, forgotten) in sorted(more.items())
    ]
    connection.execute(insert.on_conflict_do_update(index_elements=[lift.c.lift_id], set_=sums), rows)


def _batch_of(content: bytes) -> LedgerBatch:
    return msgspec.msgpack.decode(content, type=LedgerBatch)


def _boot_of(row: sa.Row[Any]) -> _Boot:
    return _Boot(
        row.lift_id,
        row.boot,
        row.first_received_ms,
        row.last_received_ms,
        row.duplicates,
        row.unlisted_missing,
        _SPANS.decode(row.stored_spans),
        _SPANS.decode(row.quarantined_spans),
    )


def _row(known: _Boot) -> dict[str, object]:
    missing = sum(gap.length for gap in known.gaps()) if len(known.stored) > 1 or known.quarantined else 0
    return {
        "lift_id": known.lift_id,
        "boot": known.boot,
        "first_received_ms": known.first_ms,
        "last_received_ms": known.last_ms,
        "duplicates": known.duplicates,
        "unlisted_missing": known.unlisted,
        "missing": missing + known.unlisted,
        "stored_spans": msgspec.msgpack.encode(known.stored),
        "quarantined_spans": msgspec.msgpack.encode(known.quarantined),
    }


def _told(known: _Boot) -> BootLedger:
    numbers = known.known()
    return BootLedger(
        boot=known.boot or None,
        first_seq=numbers[0].first,
        last_seq=numbers[-1].last,
        stored=count(known.stored) - known.unlisted,
        duplicates=known.duplicates,
        quarantined=without(known.quarantined, known.stored),
        gaps=[(gap.first, gap.last) for gap in gaps_of(numbers)],
        unlisted_missing=known.unlisted,
        first_received_at=from_ms(known.first_ms),
        last_received_at=from_ms(known.last_ms),
    )


def _chunks(values: list[str]) -> Iterator[list[str]]:
    return (values[start : start + _CHUNK] for start in range(0, len(values), _CHUNK))
