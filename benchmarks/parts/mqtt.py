"""An MQTT 3.1.1 client on a bare socket, with just what a benchmark needs: it must cost less than what it measures."""

import select
import socket
import struct
import time
from collections.abc import Iterable, Iterator
from itertools import chain, repeat

from benchmarks.parts.traffic import Publication

HOST = "127.0.0.1"
TOPIC_FILTER = "lifts/v1/#"
INFLIGHT_MAX = 20_000
_ANSWER_S_MAX = 30.0
_READ_BYTES = 262_144
_CHUNK = 500
_CONNACK, _PUBLISH, _PUBACK, _SUBACK = 0x20, 0x30, 0x40, 0x90


class MqttError(RuntimeError):
    """The broker did not do what it was asked for."""


class MqttClient:
    """One connection. Acknowledgements are counted, not matched: a benchmark's broker is on the same machine."""

    def __init__(self, port: int, client_id: str, *, clean: bool = True) -> None:
        """Connect; not `clean`: to the session that the broker keeps for `client_id`."""
        self.sent = 0
        self.acknowledged = 0
        self._buffer = bytearray()
        self._packet_ids = chain.from_iterable(repeat(range(1, 65_536)))
        self._socket = socket.create_connection((HOST, port), timeout=_ANSWER_S_MAX)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connect = _text("MQTT") + bytes([4, 2 if clean else 0]) + struct.pack(">H", 0) + _text(client_id)
        self._socket.sendall(_packet(0x10, connect))
        self._until(_CONNACK)

    def subscribe(self, topic_filter: str = TOPIC_FILTER) -> None:
        """Subscribe with QoS 1."""
        self._socket.sendall(_packet(0x82, struct.pack(">H", 1) + _text(topic_filter) + b"\x01"))
        self._until(_SUBACK)

    def send(self, publications: Iterable[Publication]) -> None:
        """Send with QoS 1, as fast as the broker takes it, and read what it has acknowledged."""
        for chunk in _chunks(publications):
            self.sent += len(chunk)
            self._write(b"".join(_publish(each, next(self._packet_ids)) for each in chunk))
            while self.sent - self.acknowledged > INFLIGHT_MAX:
                self._read(_ANSWER_S_MAX)

    def wait_acknowledged(self, within_s: float = _ANSWER_S_MAX) -> None:
        """Wait until everything is acknowledged.

        Raises:
            MqttError: it was not, in time.
        """
        deadline_s = time.monotonic() + within_s
        while self.acknowledged < self.sent:
            if time.monotonic() > deadline_s:
                message = f"the broker acknowledged {self.acknowledged} of {self.sent}"
                raise MqttError(message)
            self._read(0.1)

    def poll(self) -> None:
        """Read what is there without waiting."""
        self._read(0)

    def deliveries(self, within_s: float) -> int:
        """Count the messages that the broker delivers within a time; none of them is acknowledged."""
        deadline_s = time.monotonic() + within_s
        count = 0
        while time.monotonic() < deadline_s:
            count += sum(kind == _PUBLISH for kind in self._read(0.05))
        return count

    def close(self) -> None:
        """Say goodbye."""
        self._socket.sendall(b"\xe0\x00")
        self._socket.close()

    def _write(self, content: bytes) -> None:
        view = memoryview(content)
        while view:
            readable, writable, _ = select.select([self._socket], [self._socket], [], _ANSWER_S_MAX)
            if readable:
                self._read(0)
            if writable:
                view = view[self._socket.send(view) :]

    def _until(self, kind: int) -> None:
        deadline_s = time.monotonic() + _ANSWER_S_MAX
        while kind not in self._read(0.1, only=kind):
            if time.monotonic() > deadline_s:
                message = f"no answer of kind {kind:#x} from the broker"
                raise MqttError(message)

    def _read(self, wait_s: float, only: int | None = None) -> list[int]:
        """Return the kinds of the packets that came; what follows the first `only` is left for later."""
        if select.select([self._socket], [], [], wait_s)[0]:
            content = self._socket.recv(_READ_BYTES)
            if not content:
                message = "the broker closed the connection"
                raise MqttError(message)
            self._buffer += content
        kinds = []
        at = 0
        while (packet := _first_packet(self._buffer, at)) is not None:
            kind, at = packet
            kinds.append(kind)
            self.acknowledged += kind == _PUBACK
            if kind == only:
                break
        del self._buffer[:at]
        return kinds


def make_session(port: int, client_id: str) -> None:
    """Have the broker keep what is published for `client_id`, as if it had been here and gone."""
    client = MqttClient(port, client_id, clean=False)
    client.subscribe()
    client.close()


def left_in_session(port: int, client_id: str) -> int:
    """Return how many messages the broker still holds for `client_id`, and end its session."""
    client = MqttClient(port, client_id, clean=False)
    left = client.deliveries(0.5)
    client.close()
    MqttClient(port, client_id).close()
    return left


def _chunks(publications: Iterable[Publication]) -> Iterator[list[Publication]]:
    chunk: list[Publication] = []
    for publication in publications:
        chunk.append(publication)
        if len(chunk) == _CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _publish(publication: Publication, packet_id: int) -> bytes:
    return _packet(0x32, _text(publication.topic) + struct.pack(">H", packet_id) + publication.payload)


def _packet(kind: int, content: bytes) -> bytes:
    length = len(content)
    digits = bytearray()
    while True:
        length, digit = divmod(length, 128)
        digits.append(digit | (128 if length else 0))
        if not length:
            return bytes([kind]) + digits + content


def _text(text: str) -> bytes:
    encoded = text.encode()
    return struct.pack(">H", len(encoded)) + encoded


def _first_packet(buffer: bytearray, at: int) -> tuple[int, int] | None:
    """Return the kind of the packet that begins at `at` and where it ends; None where it is not there in full."""
    length = shift = 0
    position = at + 1
    while position < len(buffer):
        digit = buffer[position]
        position += 1
        length |= (digit & 127) << shift
        if digit < 128:
            end = position + length
            return (buffer[at] & 0xF0, end) if end <= len(buffer) else None
        shift += 7
    return None
