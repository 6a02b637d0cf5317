"""What stands in a row of the spool: messages in a form of its own, that no telemetry store's form depends on.

Version 1 is zlib around MessagePack: an array with a map for each message, keyed by the names of `Message` and of the
contract; what has its default is left out, an instant that came as text is MessagePack's own timestamp. Later versions
read it for ever: `tests/data/spool/` holds a file of it.
"""

import zlib
from collections.abc import Sequence
from functools import reduce
from operator import or_
from typing import Any

import msgspec
from msgspec import UNSET, Struct

from ingest.messages import STORED_TYPE, Body, Kind, Message

VERSION = 1
# Level 1: higher ones win a tenth of the size for twice the time.
_LEVEL = 1
# What decoding raises for bytes that are not ours, or not any more.
UNREADABLE = (zlib.error, msgspec.DecodeError, UnicodeDecodeError, RecursionError, TypeError, ValueError, KeyError)


class _Spooled(Struct, frozen=True, gc=False):
    lift_id: str
    measured_ms: int
    received_ms: int
    late: bool


def _form_of(kind: Kind) -> type[Struct]:
    return msgspec.defstruct(
        f"Spooled{kind.name.title()}",
        [("body", STORED_TYPE[kind])],
        bases=(_Spooled,),
        tag=kind.value,
        tag_field="kind",
        frozen=True,
        gc=False,
    )


_FORM = {kind: _form_of(kind) for kind in Kind}
_KIND = {form: kind for kind, form in _FORM.items()}
_ENCODER = msgspec.msgpack.Encoder()
_DECODER: msgspec.msgpack.Decoder[list[Any]] = msgspec.msgpack.Decoder(list[reduce(or_, _FORM.values())])  # type: ignore[misc]


def encoded(messages: Sequence[Message]) -> bytes:
    """Return messages as the content of a row of `VERSION`."""
    return zlib.compress(_ENCODER.encode(list(messages)), _LEVEL)


def decoded(version: int, content: bytes) -> list[Message]:
    """Return the messages of a row.

    Raises:
        UNREADABLE: another version, or damaged.
    """
    if version != VERSION:
        message = f"format {version}; this version of the service reads {VERSION}"
        raise ValueError(message)
    packed = zlib.decompress(content)
    try:
        spooled = _DECODER.decode(packed)
    except msgspec.ValidationError:
        return _decoded_unchecked(packed)
    return [Message(s.lift_id, _KIND[type(s)], s.measured_ms, s.received_ms, s.body, s.late) for s in spooled]


def _decoded_unchecked(packed: bytes) -> list[Message]:
    """Return messages without asking for the bounds of the contract, which may have moved since they were accepted."""
    rows: list[dict[str, Any]] = msgspec.msgpack.decode(packed)
    return [
        Message(**{**row, "kind": Kind(row["kind"]), "body": _body(Kind(row["kind"]), row["body"])}) for row in rows
    ]


def _body(kind: Kind, values: dict[str, Any]) -> Body:
    return STORED_TYPE[kind](**{"at": UNSET, **values})
