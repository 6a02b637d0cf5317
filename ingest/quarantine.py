"""Quarantine: what was not accepted, with its reason. Nothing is dropped; the same thing twice is one row, counted."""

import hashlib
from collections import Counter
from collections.abc import Iterable
from datetime import datetime

import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy.engine import Engine, RowMapping

from ingest.clock import from_ms
from ingest.database import Instant, insert_new, metadata, reading
from ingest.wire import PAYLOAD_BYTES_MAX, Reason

DETAIL_CHARS_MAX = 500
TOPIC_CHARS_MAX = 1_000

quarantined = sa.Table(
    "quarantined",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("fingerprint", sa.String(64), unique=True),
    sa.Column("topic", sa.String(TOPIC_CHARS_MAX), nullable=False),
    sa.Column("lift_id", sa.String(64), index=True),
    sa.Column("payload", sa.LargeBinary, nullable=False),
    sa.Column("payload_bytes", sa.Integer, nullable=False),
    sa.Column("reason", sa.String(40), nullable=False, index=True),
    sa.Column("detail", sa.String(DETAIL_CHARS_MAX), nullable=False),
    sa.Column("received_at", Instant, nullable=False),
    sa.Column("last_received_at", Instant, nullable=False),
    sa.Column("times", sa.Integer, nullable=False),
    sa.Column("replayed_at", Instant),
)


class Quarantined(Struct, frozen=True):
    """One object, or one whole payload, that was not accepted: a value, not an error."""

    topic: str
    lift_id: str | None
    payload: bytes
    reason: Reason
    detail: str
    received_ms: int
    boot: str | None = None
    seq: int | None = None


class QuarantinedMessage(Struct, frozen=True):
    """A row of the quarantine. `payload` holds at most 256 KiB of the `payload_bytes` that came."""

    id: int
    topic: str
    lift_id: str | None
    payload: bytes
    payload_bytes: int
    reason: str
    detail: str
    received_at: datetime
    last_received_at: datetime
    times: int
    replayed_at: datetime | None


class Quarantine:
    """The quarantine in SQL."""

    def __init__(self, engine: Engine) -> None:
        """Use a migrated database."""
        self._engine = engine

    def add(self, items: Iterable[Quarantined]) -> None:
        """Keep what was not accepted, durable on return. The same topic, payload and reason again only counts."""
        by_fingerprint: dict[str, Quarantined] = {}
        times: Counter[str] = Counter()
        for item in items:
            fingerprint = _fingerprint(item)
            by_fingerprint.setdefault(fingerprint, item)
            times[fingerprint] += 1
        if not by_fingerprint:
            return
        with self._engine.begin() as connection:
            for fingerprint, item in by_fingerprint.items():
                row = _row(item, fingerprint, times[fingerprint])
                statement = insert_new(connection, quarantined).values(row)
                again = {
                    "times": quarantined.c.times + times[fingerprint],
                    "last_received_at": row["last_received_at"],
                }
                connection.execute(
                    statement.on_conflict_do_update(index_elements=[quarantined.c.fingerprint], set_=again)
                )

    def list(
        self, *, limit: int, before_id: int | None = None, reason: str | None = None, lift_id: str | None = None
    ) -> list[QuarantinedMessage]:
        """Return at most `limit` rows, newest first, below `before_id`."""
        query = sa.select(quarantined).order_by(quarantined.c.id.desc()).limit(limit)
        if before_id is not None:
            query = query.where(quarantined.c.id < before_id)
        if reason is not None:
            query = query.where(quarantined.c.reason == reason)
        if lift_id is not None:
            query = query.where(quarantined.c.lift_id == lift_id)
        with reading(self._engine) as connection:
            return [_message_of(row) for row in connection.execute(query).mappings()]

    def find(self, number: int) -> QuarantinedMessage | None:
        """Return one row, None where there is none of that number."""
        with reading(self._engine) as connection:
            row = connection.execute(sa.select(quarantined).where(quarantined.c.id == number)).mappings().first()
        return None if row is None else _message_of(row)


def _fingerprint(item: Quarantined) -> str:
    digest = hashlib.sha256()
    for part in (item.topic.encode(errors="surrogatepass"), item.reason.value.encode(), item.payload):
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return digest.hexdigest()


def _row(item: Quarantined, fingerprint: str, times: int) -> dict[str, object]:
    received_at = from_ms(item.received_ms)
    return {
        "fingerprint": fingerprint,
        "topic": _storable(item.topic)[:TOPIC_CHARS_MAX],
        "lift_id": item.lift_id,
        "payload": item.payload[:PAYLOAD_BYTES_MAX],
        "payload_bytes": len(item.payload),
        "reason": item.reason.value,
        "detail": _storable(item.detail)[:DETAIL_CHARS_MAX],
        "received_at": received_at,
        "last_received_at": received_at,
        "times": times,
    }


def _storable(text: str) -> str:
    """Return text that every database takes: PostgreSQL refuses NUL, and lone surrogates have no UTF-8."""
    return text.replace("\x00", "\N{SYMBOL FOR NULL}").encode(errors="backslashreplace").decode()


def _message_of(row: RowMapping) -> QuarantinedMessage:
    return QuarantinedMessage(**{name: row[name] for name in QuarantinedMessage.__struct_fields__})
