"""What the quarantine holds: its table, a row of it, and what comes in."""

import hashlib
from datetime import datetime

import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy.engine import RowMapping

from ingest import wire
from ingest.clock import from_ms
from ingest.database import Instant, metadata
from ingest.messages import Message, as_reported
from ingest.wire import PAYLOAD_BYTES_MAX, Reason, Refusal

DETAIL_CHARS_MAX = 500
TOPIC_CHARS_MAX = 1_000

quarantined = sa.Table(
    "quarantined",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    # Topic, content and the reason for which it came first; of a summary: lift and reason.
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
    # A row that counts what came beyond the bounds: how often, but not what.
    sa.Column("is_summary", sa.Boolean, nullable=False, server_default=sa.false()),
    # Until then a replay has the row in hand, and no other takes it.
    sa.Column("replaying_until", Instant),
    sa.Index("ix_quarantined_lift_id_reason", "lift_id", "reason"),
    # What waits and came of late, by reason, without a look into the rows; and what was replayed, the earliest first.
    sa.Index("ix_quarantined_waiting", "replayed_at", "last_received_at", "reason"),
)


class Quarantined(Struct, frozen=True):
    """One object, or one whole payload, that was not accepted: a value, not an error.

    `boot` and `seq` are what one object said of itself, as far as it can be read; see `numbers` for all of a payload.
    """

    topic: str
    lift_id: str | None
    payload: bytes
    reason: Reason
    detail: str
    received_ms: int
    boot: str | None = None
    seq: int | None = None

    def numbers(self) -> list[tuple[str | None, int]]:
        """Return `boot` and `seq` of everything in it that told them; nothing for a lift that is not registered."""
        if self.lift_id is None or self.reason is Reason.UNKNOWN_LIFT:
            return []
        return wire.numbers_in(self.payload) if self.seq is None else [(self.boot, self.seq)]


class QuarantinedMessage(Struct, frozen=True):
    """A row of the quarantine. `payload` holds at most 256 KiB of the `payload_bytes` that came, none in a summary."""

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
    is_summary: bool

    @property
    def replayable(self) -> bool:
        """Tell whether everything that came is kept, so that it can go through intake again."""
        return not self.is_summary and len(self.payload) == self.payload_bytes


class Arrival(Struct):
    """What came in, the same thing once: how often, and when last."""

    item: Quarantined
    fingerprint: str
    times: int
    last_received_ms: int


def refused(topic: str, lift_id: str, refusal: Refusal, received_ms: int) -> Quarantined:
    """Return what becomes of an object, or a whole payload, that a registered lift sent and intake refused."""
    content, reason, detail = refusal.content, refusal.reason, refusal.detail
    numbers = wire.numbers_in(content)
    boot, seq = numbers[0] if len(numbers) == 1 else (None, None)
    return Quarantined(topic, lift_id, content, reason, detail, received_ms, boot, seq)


def refused_later(message: Message, reason: Reason, detail: str) -> Quarantined:
    """Return what becomes of a message that was accepted, but cannot be kept.

    Its own bytes are gone by then: what is kept is the message as the contract writes it, without fields that nobody
    knows, and with the controller's own fault code.
    """
    body = as_reported(message.body)
    topic, content = wire.topic_of(message.lift_id, message.kind), wire.encode(body)
    return Quarantined(topic, message.lift_id, content, reason, detail, message.received_ms, body.boot, body.seq)


def arrivals(items: list[Quarantined]) -> list[Arrival]:
    """Return the items with the same ones joined."""
    found: dict[str, Arrival] = {}
    for item in items:
        fingerprint = fingerprint_of(item.topic, item.reason.value, item.payload)
        known = found.get(fingerprint)
        if known is None:
            found[fingerprint] = Arrival(item, fingerprint, 1, item.received_ms)
        else:
            known.times += 1
            known.last_received_ms = max(known.last_received_ms, item.received_ms)
    return list(found.values())


def fingerprint_of(topic: str, reason: str, content: bytes) -> str:
    """Return the key of a row."""
    digest = hashlib.sha256()
    for part in (topic.encode(errors="surrogatepass"), reason.encode(), content):
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return digest.hexdigest()


def row_of(arrival: Arrival) -> dict[str, object]:
    """Return an arrival as a new row."""
    item = arrival.item
    return {
        "fingerprint": arrival.fingerprint,
        "topic": storable(item.topic)[:TOPIC_CHARS_MAX],
        "lift_id": item.lift_id,
        "payload": item.payload[:PAYLOAD_BYTES_MAX],
        "payload_bytes": len(item.payload),
        "reason": item.reason.value,
        "detail": storable(item.detail)[:DETAIL_CHARS_MAX],
        "received_at": from_ms(item.received_ms),
        "last_received_at": from_ms(arrival.last_received_ms),
        "times": arrival.times,
        "is_summary": False,
    }


def summary_row(lift_id: str | None, reason: Reason, detail: str, arrived: list[Arrival]) -> dict[str, object]:
    """Return the row that counts what came from a lift (None: from any) for a reason, beyond what is kept."""
    topic = f"{wire.TOPIC_ROOT}/{lift_id or '+'}/+"
    return {
        "fingerprint": fingerprint_of("", reason.value, (lift_id or "").encode()),
        "topic": topic,
        "lift_id": lift_id,
        "payload": b"",
        "payload_bytes": 0,
        "reason": reason.value,
        "detail": detail,
        "received_at": from_ms(min(arrival.item.received_ms for arrival in arrived)),
        "last_received_at": from_ms(max(arrival.last_received_ms for arrival in arrived)),
        "times": sum(arrival.times for arrival in arrived),
        "is_summary": True,
    }


def message_of(row: RowMapping) -> QuarantinedMessage:
    """Return a row as a value."""
    return QuarantinedMessage(**{name: row[name] for name in QuarantinedMessage.__struct_fields__})


def storable(text: str) -> str:
    """Return text that every database takes: PostgreSQL refuses NUL, and lone surrogates have no UTF-8."""
    return text.replace("\x00", "\N{SYMBOL FOR NULL}").encode(errors="backslashreplace").decode()
