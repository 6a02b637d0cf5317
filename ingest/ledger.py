"""The ledger: for each lift and boot, which of its numbers are here, so that completeness can be proved.

A batch is noted in one statement, cheaply, before it is acknowledged (`note`). Now and then the rows are folded into
what is known of each boot (`fold`): read and worked out beside everybody else, then written in one short transaction,
which comes to nothing where another process has folded one of the rows meanwhile. What is noted is told at once, folded
or not. A batch that is noted twice, after a crash, adds duplicates and nothing else; batches may be folded in any
order.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import msgspec
import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy.engine import Connection, Engine

from ingest.clock import from_ms, to_ms
from ingest.database import insert_new, metadata, reading
from ingest.ledger_batch import PARTS, LedgerBatch, LedgerEntry, part_of
from ingest.ledger_boot import Boot
from ingest.ledger_spans import Span, count

__all__ = ["BootLedger", "Ledger", "LedgerBatch", "LiftLedger", "OpenGap"]

# A controller that makes up a new boot for every message must not fill the database.
BOOTS_MAX = 200
# Boots in one transaction of a fold, which alarms may have to wait for: at most 100 ms on a small machine.
FOLD_BOOTS_MAX = 3_000
FOLD_ROWS_MAX = 500
_FOLD_LOCK = 0x4C454447  # "LEDG"
_CHUNK = 500
_SPANS = msgspec.msgpack.Decoder(list[Span])

pending = sa.Table(
    "ledger_pending",
    metadata,
    # Some hundred rows a second use up 32 bits within months. SQLite counts in 64 bits, but under this name only.
    sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
    sa.Column("part", sa.SmallInteger, nullable=False, index=True),
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
    sa.Column("unlisted_quarantined", sa.BigInteger, nullable=False),
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
    sa.Column("stored_forgotten", sa.BigInteger, nullable=False),
    sa.Column("missing_forgotten", sa.BigInteger, nullable=False),
)
_SUMS = ("unnumbered", "boots_forgotten", "stored_forgotten", "missing_forgotten")


class BootLedger(Struct, frozen=True, kw_only=True):
    """What is known of one boot. `boot` None: the lift names none.

    `stored` and `quarantined` count numbers that are in the telemetry store (or on their way, in the spool), and in
    quarantine alone; `duplicates` counts messages whose number was stored before, redeliveries by the broker among
    them. `gaps` holds [from, to] of what is in neither; `unlisted_missing` counts missing numbers of so many old gaps
    that they are no longer listed (one that comes after all counts as a duplicate).
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
    """What is known of one lift, boots in the order in which they were first heard of; `unnumbered` had no `seq`.

    Of `boots_forgotten` older boots only the sums are left: how many numbers were stored, how many were missing.
    """

    lift_id: str
    reboots: int
    unnumbered: int
    boots_forgotten: int
    stored_forgotten: int
    missing_forgotten: int
    boots: list[BootLedger]


class OpenGap(Struct, frozen=True, kw_only=True):
    """Missing numbers of one boot; `seen_at`: when a number above them came first."""

    lift_id: str
    boot: str | None
    first_seq: int
    last_seq: int
    seen_at: datetime


class Ledger:
    """The ledger in SQL."""

    def __init__(self, engine: Engine) -> None:
        """Use a migrated database."""
        self._engine = engine

    def note(self, batch: LedgerBatch) -> None:
        """Note a batch, durable on return."""
        rows = [{"part": part, "content": msgspec.msgpack.encode(some)} for part, some in batch.parts().items()]
        if rows:
            with self._engine.begin() as connection:
                connection.execute(sa.insert(pending), rows)

    def fold(self) -> int:
        """Fold what was noted into what is known of each boot; return how many rows of it.

        Where another process folds at the same moment the rest is left to that.
        """
        folded = 0
        with _alone(self._engine) as is_alone:
            for part in range(PARTS if is_alone else 0):
                while (noted := self._oldest(part)) and self._fold(noted):
                    folded += len(noted)
        return folded

    def _oldest(self, part: int) -> dict[int, LedgerBatch]:
        """Return the oldest batches of a part, by number, as many as one transaction can take."""
        noted: dict[int, LedgerBatch] = {}
        boots: set[tuple[str, str]] = set()
        own = sa.select(pending).where(pending.c.part == part).order_by(pending.c.id)
        with reading(self._engine) as connection:
            for row in connection.execute(own.limit(FOLD_ROWS_MAX)):
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
            _take(boots, batch)
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
        own = sa.select(pending.c.content).where(pending.c.part == part_of(lift_id)).order_by(pending.c.id)
        with _snapshot(self._engine) as connection:
            rows = connection.execute(sa.select(boot).where(boot.c.lift_id == lift_id))
            boots = {(row.lift_id, row.boot): _boot_of(row) for row in rows}
            told = connection.execute(sa.select(lift).where(lift.c.lift_id == lift_id)).mappings().first()
            noted = [_batch_of(content) for content in connection.execute(own).scalars()]
        sums = {name: told[name] if told else 0 for name in _SUMS}
        for batch in noted:
            sums["unnumbered"] += batch.unnumbered.get(lift_id, 0)
            _take(boots, batch, lambda entry: entry.lift_id == lift_id)
        in_order = sorted(boots.values(), key=lambda each: (each.first_ms, each.boot))
        return LiftLedger(
            lift_id=lift_id,
            reboots=max(len(in_order) + sums["boots_forgotten"] - 1, 0),
            boots=[_told(each) for each in in_order],
            **sums,
        )

    def open_gaps(self, as_of: datetime, open_for: timedelta, lift_id: str | None = None) -> list[OpenGap]:
        """Return what was missing for longer than `open_for` at `as_of`, ordered by lift, boot and number.

        What has come since counts as there; what was missed later than that is left out, and so is what only a history
        shows to be missing.
        """
        self.fold()
        seen_max_ms = to_ms(as_of - open_for)
        query = sa.select(boot).where(boot.c.missing > 0).order_by(boot.c.lift_id, boot.c.boot)
        late = sa.select(pending.c.content)
        if lift_id is not None:
            query = query.where(boot.c.lift_id == lift_id)
            late = late.where(pending.c.part == part_of(lift_id))
        with _snapshot(self._engine) as connection:
            boots = {(row.lift_id, row.boot): _boot_of(row) for row in connection.execute(query)}
            noted = [_batch_of(content) for content in connection.execute(late).scalars()]
        for batch in noted:  # what another process is folding, or has come since: it may close a gap
            _take(boots, batch, lambda entry: (entry.lift_id, entry.boot) in boots)
        return [
            OpenGap(
                lift_id=each.lift_id,
                boot=each.boot or None,
                first_seq=gap.first,
                last_seq=gap.last,
                seen_at=from_ms(gap.seen_ms),
            )
            for each in boots.values()
            for gap in each.gaps()
            if gap.seen_ms <= seen_max_ms
        ]


@contextmanager
def _alone(engine: Engine) -> Iterator[bool]:
    """Tell whether nobody else folds, and keep it so.

    On SQLite rows are committed in the order of their numbers, so that two folds at once take the same row, and the one
    that comes second notices.
    """
    with engine.connect() as connection:
        lock = sa.select(sa.func.pg_try_advisory_xact_lock(_FOLD_LOCK))
        yield connection.dialect.name != "postgresql" or bool(connection.execute(lock).scalar())


@contextmanager
def _snapshot(engine: Engine) -> Iterator[Connection]:
    """Give a connection whose reads see one moment, though a fold may come between them."""
    with reading(engine) as connection:
        if connection.dialect.name == "postgresql":
            connection.execution_options(isolation_level="REPEATABLE READ")
        yield connection


def _take(
    boots: dict[tuple[str, str], Boot], batch: LedgerBatch, is_wanted: Callable[[LedgerEntry], bool] | None = None
) -> None:
    for entry in batch.entries:
        if is_wanted is not None and not is_wanted(entry):
            continue
        key = (entry.lift_id, entry.boot)
        known = boots.get(key)
        if known is None:
            known = boots[key] = Boot(*key, entry.first_received_ms, entry.last_received_ms)
        known.take(entry, is_history=batch.is_history)


def _unnumbered(batches: Iterable[LedgerBatch]) -> dict[str, dict[str, int]]:
    sums: Counter[str] = Counter()
    for batch in batches:
        sums.update(batch.unnumbered)
    return {lift_id: {"unnumbered": some} for lift_id, some in sums.items()}


def _read(connection: Connection, keys: set[tuple[str, str]]) -> dict[tuple[str, str], Boot]:
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
    """Let go of the oldest boots of lifts that have too many; their sums are kept."""
    for chunk in _chunks(sorted(lift_ids)):
        many = sa.select(boot.c.lift_id).where(boot.c.lift_id.in_(chunk)).group_by(boot.c.lift_id)
        for lift_id in connection.execute(many.having(sa.func.count() > BOOTS_MAX)).scalars().all():
            own = sa.select(boot).where(boot.c.lift_id == lift_id)
            newest_first = connection.execute(own.order_by(boot.c.last_received_ms.desc(), boot.c.boot))
            old = [_boot_of(row) for row in newest_first][BOOTS_MAX:]
            for names in _chunks([each.boot for each in old]):
                connection.execute(sa.delete(boot).where(boot.c.lift_id == lift_id, boot.c.boot.in_(names)))
            sums = {
                "boots_forgotten": len(old),
                "stored_forgotten": sum(each.stored_count() for each in old),
                "missing_forgotten": sum(each.missing() + each.unlisted_missing for each in old),
            }
            _add_to_lifts(connection, {lift_id: sums})


def _add_to_lifts(connection: Connection, more: dict[str, dict[str, int]]) -> None:
    if not more:
        return
    insert = insert_new(connection, lift)
    sums = {name: lift.c[name] + insert.excluded[name] for name in _SUMS}
    rows = [{"lift_id": lift_id, **dict.fromkeys(_SUMS, 0), **more[lift_id]} for lift_id in sorted(more)]
    connection.execute(insert.on_conflict_do_update(index_elements=[lift.c.lift_id], set_=sums), rows)


def _batch_of(content: bytes) -> LedgerBatch:
    return msgspec.msgpack.decode(content, type=LedgerBatch)


def _boot_of(row: sa.Row[Any]) -> Boot:
    return Boot(
        row.lift_id,
        row.boot,
        row.first_received_ms,
        row.last_received_ms,
        row.duplicates,
        row.unlisted_missing,
        row.unlisted_quarantined,
        _SPANS.decode(row.stored_spans),
        _SPANS.decode(row.quarantined_spans),
    )


def _row(known: Boot) -> dict[str, object]:
    return {
        "lift_id": known.lift_id,
        "boot": known.boot,
        "first_received_ms": known.first_ms,
        "last_received_ms": known.last_ms,
        "duplicates": known.duplicates,
        "unlisted_missing": known.unlisted_missing,
        "unlisted_quarantined": known.unlisted_quarantined,
        "missing": known.missing(),
        "stored_spans": msgspec.msgpack.encode(known.stored),
        "quarantined_spans": msgspec.msgpack.encode(known.quarantined),
    }


def _told(known: Boot) -> BootLedger:
    numbers = known.known()
    return BootLedger(
        boot=known.boot or None,
        first_seq=numbers[0].first,
        last_seq=numbers[-1].last,
        stored=known.stored_count(),
        duplicates=known.duplicates,
        quarantined=count(known.quarantined) + known.unlisted_quarantined,
        gaps=[(gap.first, gap.last) for gap in known.gaps()],
        unlisted_missing=known.unlisted_missing,
        first_received_at=from_ms(known.first_ms),
        last_received_at=from_ms(known.last_ms),
    )


def _chunks(values: list[str]) -> Iterator[list[str]]:
    return (values[start : start + _CHUNK] for start in range(0, len(values), _CHUNK))
