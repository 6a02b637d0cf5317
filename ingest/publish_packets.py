"""MQTT's two packets that come and go by the thousand, PUBLISH and PUBACK, read and written in bulk (pure).

MQTT 5.0 (OASIS, 2019-03-07), 2.1.4 for the lengths, 3.3 for PUBLISH, 3.4 for PUBACK; the same in 3.1.1 but for the
properties.
"""

import struct
from collections.abc import Sequence
from typing import NamedTuple

from ingest.broker import Delivery

# 3.4.2.1: a PUBACK that says nothing but success has two bytes behind its header, the packet identifier.
_PUBACK_WITHOUT_MID = 0x40_02_00_00
_PUBLISH = 0x30
_QOS_2 = 0x04
_QOS = 0x06
_RETAIN = 0x01
_LENGTH_BYTES_MAX = 4


class _MalformedError(ValueError):
    """The bytes are no MQTT packet."""


class Publishes(NamedTuple):
    """What stood at the beginning of a buffer.

    `end` is where it ends and the next packet begins; `next_end` is where that one ends: beyond the buffer while it is
    not complete, within it where it is no PUBLISH of QoS 0 or 1, None where it is no MQTT at all.
    """

    deliveries: list[Delivery]
    end: int
    next_end: int | None


def read_publishes(buffer: bytes, begin: int, connection: int, received_ms: int, *, is_v5: bool) -> Publishes:
    """Read from `begin` on for as long as complete PUBLISH packets of QoS 0 or 1 follow each other."""
    deliveries: list[Delivery] = []
    size = len(buffer)
    position = begin
    try:
        while True:
            body, end = _bounds(buffer, position, size)
            if end > size or buffer[position] & (0xF0 | _QOS_2) != _PUBLISH:
                break
            deliveries.append(_read(buffer, position, body, end, connection, received_ms, is_v5=is_v5))
            position = end
    except (IndexError, _MalformedError):
        return Publishes(deliveries, position, None)
    return Publishes(deliveries, position, end)


def pubacks(mids: Sequence[int]) -> bytes:
    """Return the acknowledgements of these packet identifiers, one packet behind the other."""
    return struct.pack(f">{len(mids)}I", *[_PUBACK_WITHOUT_MID | mid for mid in mids])


def _bounds(buffer: bytes, position: int, size: int) -> tuple[int, int]:
    """Return where the body of the packet at `position` begins and ends; beyond `size` where nobody can know yet."""
    body = position + 2
    if body > size:
        return body, size + 1
    length = buffer[position + 1]
    if length > 127:  # noqa: PLR2004 - the highest bit says that another byte follows
        if body >= size:
            return body, size + 1
        length, body = _long_length(buffer, position + 1, size)
        if not body:
            return body, size + 1
    return body, body + length


def _long_length(buffer: bytes, position: int, size: int) -> tuple[int, int]:
    """Return a length of up to four bytes and where it ends; 0 for the latter where the buffer ends before.

    Raises:
        _MalformedError: it goes on beyond four bytes.
    """
    length = 0
    for place in range(_LENGTH_BYTES_MAX):
        if position + place >= size:
            return 0, 0
        byte = buffer[position + place]
        length |= (byte & 127) << (7 * place)
        if byte < 128:  # noqa: PLR2004 - the highest bit says that another byte follows
            return length, position + place + 1
    message = "a length of more than four bytes"
    raise _MalformedError(message)


def _read(
    buffer: bytes, position: int, body: int, end: int, connection: int, received_ms: int, *, is_v5: bool
) -> Delivery:
    first = buffer[position]
    content = topic_end = body + 2 + (buffer[body] << 8 | buffer[body + 1])
    mid = 0
    if first & _QOS:
        mid = buffer[content] << 8 | buffer[content + 1]
        content += 2
    if is_v5:
        # Nothing in the properties of a PUBLISH is meant for us; their length is all that is read of them.
        length = buffer[content]
        content += 1
        if length > 127:  # noqa: PLR2004 - the highest bit says that another byte follows
            length, content = _long_length(buffer, content - 1, end)
        content += length
    if content > end:
        message = "a PUBLISH shorter than it says"
        raise _MalformedError(message)
    topic = buffer[body + 2 : topic_end].decode("utf-8", "replace")
    return Delivery(
        connection, mid, (first & _QOS) >> 1, topic, buffer[content:end], received_ms, bool(first & _RETAIN)
    )
