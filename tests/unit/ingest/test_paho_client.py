"""Our receive path inside paho's client: what it leans on is still there, and what it does with packets and pauses."""

import contextlib
import inspect
import os
from collections import deque
from collections.abc import Iterator

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion

from ingest.broker import Delivery
from ingest.delivery_queue import DeliveryQueue
from ingest.paho_client import BulkClient

PUBLISH = b"\x32\x08\x00\x01t\x00\x07abc"
PINGRESP = b"\xd0\x00"
NOW_MS = 1_770_000_000_000


class Wire:
    """A socket that gives what it was told to, read by read, and keeps what is sent."""

    def __init__(self, *reads: bytes) -> None:
        self.reads = deque(reads)
        self.sent = b""
        self.closed = False
        self.peer = -1

    def recv(self, _size: int) -> bytes:
        if not self.reads:
            raise BlockingIOError
        return self.reads.popleft()

    def send(self, data: bytes | bytearray) -> int:
        self.sent += data
        return len(data)

    def close(self) -> None:
        self.closed = True

    def fileno(self) -> int:
        return self.peer

    def setblocking(self, flag: bool) -> None:
        pass


def client_on(wire: Wire, queue: DeliveryQueue | None = None) -> BulkClient:
    client = BulkClient(
        4,
        "test",
        MQTTProtocolVersion.MQTTv311,
        queue if queue is not None else DeliveryQueue(100, 10_000),
        lambda: NOW_MS,
        ping_s=8,
        on_end=lambda: None,
        pause_s=0.0,
    )
    client._sock = wire
    return client


def delivery(payload: bytes = b"abc") -> Delivery:
    return Delivery(4, 7, 1, "t", payload, NOW_MS, retained=False)


OVERRIDDEN = {
    "__init__",
    "loop_read",
    "_sock_recv",
    "_handle_connack",
    "_handle_pingresp",
    "_create_socket",
    "_thread_main",
}
CALLED = {"_packet_read", "_packet_queue", "_loop_rc_handle", "_send_pingreq"}


@pytest.mark.parametrize("name", sorted(OVERRIDDEN | CALLED))
def test_what_we_call_or_override_is_still_a_method_of_paho(name: str) -> None:
    assert callable(getattr(Client, name, None))


@pytest.mark.parametrize("name", ["_sock", "_ping_t", "_last_bytes_received", "_keepalive"])
def test_what_we_read_or_set_is_still_an_attribute_of_paho(name: str) -> None:
    assert hasattr(Client(CallbackAPIVersion.VERSION2), name)


def test_nothing_of_ours_hides_a_name_of_paho_by_chance() -> None:
    ours = {name for name in vars(BulkClient) if not name.startswith("__") or name == "__init__"}
    assert {name for name in ours if hasattr(Client, name)} == OVERRIDDEN
    paho = Client(CallbackAPIVersion.VERSION2)
    fields = set(vars(client_on(Wire()))) - set(vars(paho))
    assert {name for name in fields if hasattr(Client, name)} == set()


def test_paho_still_reads_through_one_door_and_loops_through_ours() -> None:
    assert "self._sock_recv(" in inspect.getsource(Client._packet_read)
    assert "recv(" not in inspect.getsource(Client._packet_read).replace("self._sock_recv(", "")
    assert "self.loop_read()" in inspect.getsource(Client._loop)
    assert "_thread_main" in inspect.getsource(Client.loop_start)
    assert "self._keepalive" in inspect.getsource(Client._check_keepalive)
    assert "self._create_socket()" in inspect.getsource(Client.reconnect)
    assert "self._handle_pingresp()" in inspect.getsource(Client._packet_handle)
    assert "self._handle_connack()" in inspect.getsource(Client._packet_handle)


def test_paho_still_sends_what_is_queued_as_it_is() -> None:
    wire = Wire()
    client_on(wire).acknowledge([1, 2, 515])
    assert wire.sent == b"\x40\x02\x00\x01\x40\x02\x00\x02\x40\x02\x02\x03"


def test_one_read_serves_many_packets() -> None:
    queue = DeliveryQueue(100, 10_000)
    client = client_on(Wire(PUBLISH * 3 + PINGRESP + PUBLISH), queue)
    client._ping_t = 1.0
    assert client.loop_read() == MQTTErrorCode.MQTT_ERR_SUCCESS
    assert queue.take(10, 0) == [delivery()] * 4
    assert client._ping_t == 0


def test_packets_that_come_byte_by_byte_are_put_together() -> None:
    queue = DeliveryQueue(100, 10_000)
    stream = PUBLISH + PINGRESP + PUBLISH
    client = client_on(Wire(*(bytes([byte]) for byte in stream)), queue)
    for _ in stream:
        assert client.loop_read() == MQTTErrorCode.MQTT_ERR_SUCCESS
    assert queue.take(10, 0) == [delivery(), delivery()]


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """Something of which the kernel says whether its other end is there."""
    ends = os.pipe()
    yield ends
    for end in ends:
        with contextlib.suppress(OSError):
            os.close(end)


def test_nothing_is_read_while_the_queue_is_full_and_nothing_is_lost(pipe: tuple[int, int]) -> None:
    queue = DeliveryQueue(1, 10_000)
    wire = Wire(PUBLISH, PUBLISH)
    wire.peer = pipe[0]
    client = client_on(wire, queue)
    client.loop_read()
    client._ping_t = 1.0
    assert client.loop_read() == MQTTErrorCode.MQTT_ERR_SUCCESS
    assert (len(queue), len(wire.reads)) == (1, 1)
    assert client._ping_t == 0, "the answer to the ping stands behind what was not read: it cannot be waited for"
    queue.take(1, 0)
    client.loop_read()
    assert queue.take(1, 0) == [delivery()]


def test_a_broker_that_goes_while_nothing_is_read_is_missed(pipe: tuple[int, int]) -> None:
    queue = DeliveryQueue(1, 10_000)
    wire = Wire(PUBLISH, PUBLISH)
    wire.peer = pipe[0]
    client = client_on(wire, queue)
    client.loop_read()
    os.close(pipe[1])
    assert client.loop_read() == MQTTErrorCode.MQTT_ERR_CONN_LOST
    assert wire.closed


@pytest.mark.parametrize("reads", [(b"",), (b"\x32\xff\xff\xff\xff\x7f",), (b"\x32\x02\x00\x09",), (b"\x00\x00",)])
def test_an_end_or_bytes_that_are_no_mqtt_close_the_connection(reads: tuple[bytes, ...]) -> None:
    wire = Wire(*reads)
    client = client_on(wire)
    assert client.loop_read() != MQTTErrorCode.MQTT_ERR_SUCCESS
    assert wire.closed


def test_what_came_before_bytes_that_are_no_mqtt_is_delivered() -> None:
    queue = DeliveryQueue(100, 10_000)
    client_on(Wire(PUBLISH + b"\x32\x02\x00\x09"), queue).loop_read()
    assert queue.take(10, 0) == [delivery()]


def test_a_broker_may_not_lengthen_our_patience() -> None:
    wire = Wire(b"\x20\x02\x00\x00")
    client = client_on(wire)
    client._keepalive = 600
    client.loop_read()
    assert client._keepalive == 8
