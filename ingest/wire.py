"""The MQTT contract, version 1: broker addresses, topics, and the codec between bytes and messages.

Nothing else knows JSON.

A payload is decoded once, from bytes straight into typed structs. What does not fit is not an exception but a value:
a `Refusal` with the bytes, the reason and the decoder's own words.
"""

import re
from collections.abc import Sequence
from enum import StrEnum
from functools import lru_cache
from urllib.parse import unquote, urlsplit

import msgspec
from msgspec import Struct

from ingest.messages import WIRE_TYPE, Body, Boot, Count, Kind

TOPIC_ROOT = "lifts/v1"
TOPIC_FILTER = f"{TOPIC_ROOT}/#"
PAYLOAD_BYTES_MAX = 256 * 1024
OBJECTS_MAX = 500
# Ten kinds of topic for 10,000 lifts: some 25 MB at the most.
TOPICS_CACHED = 100_000
LIFT_ID_PATTERN = r"[A-Za-z0-9_-]{1,64}"

_TOPIC = re.compile(rf"{TOPIC_ROOT}/({LIFT_ID_PATTERN})/([a-z]+)\Z")
_LIFT_ID = re.compile(rf"{LIFT_ID_PATTERN}\Z")
_KINDS = {kind.value: kind for kind in Kind}
_UNKNOWN_FIELD = "unknown field"
# What msgspec raises for bytes that are no JSON; its ValidationError (JSON, but not ours) is a DecodeError too.
_MALFORMED = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class Reason(StrEnum):
    """Why something was not accepted."""

    UNKNOWN_TOPIC = "unknown-topic"
    UNKNOWN_KIND = "unknown-kind"
    UNKNOWN_LIFT = "unknown-lift"
    UNKNOWN_CODE = "unknown-fault-code"
    TOO_LARGE = "too-large"
    TOO_MANY = "too-many-objects"
    NOT_JSON = "not-json"
    WRONG_TYPE = "wrong-type"
    IMPLAUSIBLE = "implausible-value"
    NO_INSTANT = "no-instant"
    FUTURE = "from-the-future"
    TOO_OLD = "too-old"
    STORE_REFUSED = "store-refused"
    FLOODING = "flooding"


class Refusal(Struct, frozen=True):
    """One object, or one whole payload, that does not fit the contract."""

    content: bytes
    reason: Reason
    detail: str


class Decoded(Struct):
    """What a payload held: the objects that fit, those that do not, and how many fields nobody knows.

    `contents` are the bytes of each of `bodies` where the payload had to be taken apart anyway; see `contents_of`.
    """

    bodies: list[Body]
    refusals: list[Refusal]
    unknown_fields: int = 0
    contents: list[bytes] | None = None


class _Numbered(Struct, frozen=True):
    """What the ledger wants to know of an object that was not accepted."""

    seq: Count | None = None
    boot: Boot | None = None


_PAYLOAD = {kind: msgspec.json.Decoder(body | list[body]) for kind, body in WIRE_TYPE.items()}  # type: ignore[valid-type]
_OBJECT = {kind: msgspec.json.Decoder(body) for kind, body in WIRE_TYPE.items()}
_RAW_OBJECTS = msgspec.json.Decoder(list[msgspec.Raw] | dict[str, msgspec.Raw])
_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_NUMBERED = msgspec.json.Decoder(_Numbered)
_ENCODER = msgspec.json.Encoder()


def is_lift_id(text: str) -> bool:
    """Tell whether `text` can name a lift: 1 to 64 of `A-Z a-z 0-9 _ -`."""
    return _LIFT_ID.match(text) is not None


def topic_of(lift_id: str, kind: Kind) -> str:
    """Return the topic on which a lift sends a kind of message."""
    return f"{TOPIC_ROOT}/{lift_id}/{kind.value}"


@lru_cache(maxsize=TOPICS_CACHED)
def parse_topic(topic: str) -> tuple[str, Kind] | Reason:
    """Return lift and kind of a topic, or why it is not one of ours."""
    match = _TOPIC.match(topic)
    if match is None:
        return Reason.UNKNOWN_TOPIC
    kind = _KINDS.get(match[2])
    return Reason.UNKNOWN_KIND if kind is None else (match[1], kind)


def encode(bodies: Body | Sequence[Body]) -> bytes:
    """Return one object, or an array of them, as a payload of the contract."""
    return _ENCODER.encode(bodies)


def decode_plain(kind: Kind, payload: bytes) -> Body | list[Body] | None:
    """Return what a payload holds where all of it fits the contract; None where `decode` has to look closer."""
    if len(payload) > PAYLOAD_BYTES_MAX:
        return None
    try:
        decoded: Body | list[Body] = _PAYLOAD[kind].decode(payload)
    except _MALFORMED:
        return None
    return decoded


def decode(kind: Kind, payload: bytes) -> Decoded:
    """Return what a payload holds. Never raises for bad input: each object that does not fit is a `Refusal`."""
    if len(payload) > PAYLOAD_BYTES_MAX:
        return _refused(payload, Reason.TOO_LARGE, f"{len(payload)} bytes, at most {PAYLOAD_BYTES_MAX}")
    try:
        decoded = _PAYLOAD[kind].decode(payload)
    except _MALFORMED:
        return _decode_apart(kind, payload)
    bodies = decoded if isinstance(decoded, list) else [decoded]
    return _counted(payload, Decoded(bodies, []))


def contents_of(payload: bytes, decoded: Decoded) -> list[bytes]:
    """Return the bytes of each of `decoded.bodies` as they came. Costs a second pass: only for what is not accepted."""
    if decoded.contents is None:
        decoded.contents = _objects_in(payload)
    return decoded.contents


def numbers_in(content: bytes) -> list[tuple[str | None, int]]:
    """Return `boot` and `seq` of each object in `content` that tells them, however little else fits. Never raises."""
    if len(content) > PAYLOAD_BYTES_MAX:
        return []
    try:
        objects = _objects_in(content)
    except _MALFORMED:
        return []
    found = (_number_of(item) for item in objects)
    return [number for number in found if number is not None]


def _objects_in(payload: bytes) -> list[bytes]:
    raw = _RAW_OBJECTS.decode(payload)
    return [bytes(item) for item in raw] if isinstance(raw, list) else [payload]


def _number_of(content: bytes) -> tuple[str | None, int] | None:
    try:
        found = _NUMBERED.decode(content)
    except _MALFORMED:
        return None
    return None if found.seq is None else (found.boot, found.seq)


def _decode_apart(kind: Kind, payload: bytes) -> Decoded:
    """Take a payload apart, so that one object that does not fit costs none of the others."""
    try:
        objects = _objects_in(payload)
    except msgspec.ValidationError as error:
        return _refused(payload, Reason.WRONG_TYPE, str(error))
    except _MALFORMED as error:
        return _refused(payload, Reason.NOT_JSON, str(error))
    if not objects or len(objects) > OBJECTS_MAX:
        return _refused_count(payload, len(objects))
    decoded = Decoded([], [], contents=[])
    for content in objects:
        body = _decode_object(kind, content, decoded)
        if body is not None:
            decoded.bodies.append(body)
            contents_of(payload, decoded).append(content)
    return decoded


def _decode_object(kind: Kind, content: bytes, decoded: Decoded) -> Body | None:
    """Return the object; where it does not fit, add the refusal and return None."""
    try:
        return _OBJECT[kind].decode(content)
    except msgspec.ValidationError as error:
        if _UNKNOWN_FIELD in str(error):
            return _decode_known_fields(kind, content, decoded)
        decoded.refusals.append(_explain(content, error))
    except _MALFORMED as error:
        decoded.refusals.append(Refusal(content, Reason.NOT_JSON, str(error)))
    return None


def _decode_known_fields(kind: Kind, content: bytes, decoded: Decoded) -> Body | None:
    try:
        fields = _FIELDS.decode(content)
        known = {name: value for name, value in fields.items() if name in WIRE_TYPE[kind].__struct_fields__}
        body = _OBJECT[kind].decode(_ENCODER.encode(known))
    except msgspec.ValidationError as error:
        decoded.refusals.append(_explain(content, error))
    except _MALFORMED as error:
        decoded.refusals.append(Refusal(content, Reason.NOT_JSON, str(error)))
    else:
        decoded.unknown_fields += len(fields) - len(known)
        return body
    return None


def _explain(content: bytes, error: msgspec.ValidationError) -> Refusal:
    """Sort msgspec's words into the two that an operator can act on: the wrong type, or a value that cannot be."""
    words = str(error)
    wrong_type = ", got `" in words or "missing required field" in words or "enum" in words
    return Refusal(content, Reason.WRONG_TYPE if wrong_type else Reason.IMPLAUSIBLE, words)


def _counted(payload: bytes, decoded: Decoded) -> Decoded:
    count = len(decoded.bodies)
    return decoded if 1 <= count <= OBJECTS_MAX else _refused_count(payload, count)


def _refused_count(payload: bytes, count: int) -> Decoded:
    if count == 0:
        return _refused(payload, Reason.WRONG_TYPE, "an empty array")
    return _refused(payload, Reason.TOO_MANY, f"{count} objects, at most {OBJECTS_MAX}")


def _refused(payload: bytes, reason: Reason, detail: str) -> Decoded:
    return Decoded([], [Refusal(payload, reason, detail)])


class BrokerAddress(Struct, frozen=True, kw_only=True):
    """Where the broker is and who we are to it. The password stands in no log and no repr."""

    host: str
    port: int
    tls: bool = False
    username: str | None = None
    password: str | None = None

    def __repr__(self) -> str:
        """Say where, not with which password."""
        return f"{'mqtts' if self.tls else 'mqtt'}://{self.host}:{self.port}"


def parse_broker_url(url: str) -> BrokerAddress:
    """Return the address in `mqtt://` or `mqtts://user:password@host:port`.

    Raises:
        ValueError: another scheme, no host, or a port that is none.
    """
    message = "expected mqtt://host:port or mqtts://user:password@host:port"
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError:  # its words may hold a part of the password
        raise ValueError(message) from None
    if parts.scheme not in ("mqtt", "mqtts") or not parts.hostname:
        raise ValueError(message)
    tls = parts.scheme == "mqtts"
    return BrokerAddress(
        host=parts.hostname,
        port=port or (8883 if tls else 1883),
        tls=tls,
        username=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password) if parts.password else None,
    )
