"""A look at what passes between broker and service: which messages were delivered, and which the service acknowledged.

So that after a killed broker it can be told, message by message, who lost it: what the service acknowledged is the
service's; what it never acknowledged was the broker's to keep.
"""

import threading
import time
from collections import Counter
from collections.abc import Iterator

_CONNECT, _PUBLISH, _PUBACK, _SUBACK = 1, 3, 4, 9
_MQTT_5 = 5


class MqttTap:
    """Reads along on the connections of a `TcpProxy`."""

    def __init__(self) -> None:
        """Know nothing yet."""
        self._lock = threading.Lock()
        self._buffers: dict[tuple[int, bool], bytearray] = {}
        self._is_v5: dict[int, bool] = {}
        self._outstanding: dict[int, dict[int, tuple[str, bytes]]] = {}
        self.acknowledged: Counter[tuple[str, bytes]] = Counter()
        self.delivered = 0
        self.offered: set[tuple[str, bytes]] = set()
        self.subscribed_s: list[float] = []

    def __call__(self, number: int, is_client: bool, data: bytes) -> None:
        """Take what one side of a connection has said; nothing: the connection is over."""
        with self._lock:
            if not data:
                self._forget(number)
                return
            buffer = self._buffers.setdefault((number, is_client), bytearray())
            buffer += data
            for kind, flags, body in _packets(buffer):
                self._take(number, kind, flags, body)

    def outstanding(self) -> int:
        """Return how many messages are delivered and not acknowledged, on the connections that are open."""
        with self._lock:
            return sum(len(waiting) for waiting in self._outstanding.values())

    def _take(self, number: int, kind: int, flags: int, body: bytes) -> None:
        if kind == _CONNECT:
            name_length = int.from_bytes(body[:2], "big")
            self._is_v5[number] = body[2 + name_length] == _MQTT_5
        elif kind == _PUBLISH and flags & 0b110:
            mid, topic, payload = _publish(body, is_v5=self._is_v5.get(number, True))
            self._outstanding.setdefault(number, {})[mid] = (topic, payload)
            self.offered.add((topic, payload))
            self.delivered += 1
        elif kind == _PUBACK:
            message = self._outstanding.get(number, {}).pop(int.from_bytes(body[:2], "big"), None)
            if message is not None:
                self.acknowledged[message] += 1

        elif kind == _SUBACK:
            self.subscribed_s.append(time.monotonic())

    def _forget(self, number: int) -> None:
        self._outstanding.pop(number, None)
        for is_client in (True, False):
            self._buffers.pop((number, is_client), None)


def _packets(buffer: bytearray) -> Iterator[tuple[int, int, bytes]]:
    """Take whole packets off the front of a buffer: type, flags and what follows the fixed header."""
    while True:
        length, shift, place = 0, 0, 1
        while place < len(buffer):
            length |= (buffer[place] & 0x7F) << shift
            shift += 7
            place += 1
            if not buffer[place - 1] & 0x80:
                break
        else:
            return
        if len(buffer) < place + length:
            return
        packet = bytes(buffer[: place + length])
        del buffer[: place + length]
        yield packet[0] >> 4, packet[0] & 0x0F, packet[place:]


def _publish(body: bytes, *, is_v5: bool) -> tuple[int, str, bytes]:
    """Return number, topic and payload of a PUBLISH of QoS 1 or 2."""
    topic_end = 2 + int.from_bytes(body[:2], "big")
    topic = body[2:topic_end].decode(errors="replace")
    mid = int.from_bytes(body[topic_end : topic_end + 2], "big")
    start = topic_end + 2
    if is_v5:
        length, shift = 0, 0
        while True:
            octet = body[start]
            length |= (octet & 0x7F) << shift
            shift, start = shift + 7, start + 1
            if not octet & 0x80:
                break
        start += length
    return mid, topic, body[start:]
