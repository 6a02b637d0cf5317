"""paho's MQTT client with a receive path for bulk: many packets by one read, and no object but the delivery.

paho reads each packet with three calls of `recv`, and makes a dozen objects and takes seven locks for each message.
Here one `recv` brings what has arrived, up to `READ_BYTES`; PUBLISH packets of QoS 0 and 1 are read straight from
that buffer (`ingest.publish_packets`) and go to the queue in one chunk. Every other packet is handed to paho, whole,
through `_sock_recv`, the one door by which it reads; connecting, pings, subscriptions, TLS and all that is sent
remain paho's.

What is overridden is private to paho. `tests/unit/ingest/test_paho_client.py` states all of it, so that a new paho
that has changed it fails there and not in service; `pyproject.toml` lets no newer one in than was tried.
"""

import contextlib
import select
import socket
import ssl
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import structlog
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MessageType, MQTTErrorCode, MQTTProtocolVersion

from ingest.clock import monotonic_s
from ingest.delivery_queue import DeliveryQueue
from ingest.publish_packets import pubacks, read_publishes

if TYPE_CHECKING:
    from paho.mqtt.client import SocketLike

READ_BYTES = 128 * 1024
TLS_RECORD_BYTES_MAX = 16 * 1024
# While there is no room in the queue, pings and acknowledgements go out this often.
PAUSE_S = 0.25
_SECOND_MS = 1_000
# Linux only; elsewhere a dead peer is noticed as soon as reading goes on.
_PEER_GONE = select.POLLERR | select.POLLHUP | getattr(select, "POLLRDHUP", 0)
_USER_TIMEOUT: int | None = getattr(socket, "TCP_USER_TIMEOUT", None)

log = structlog.get_logger()


class BulkClient(Client):
    """One connection. What it receives goes to `queue`; nothing is acknowledged but through `acknowledge`."""

    def __init__(
        self,
        connection: int,
        client_id: str,
        protocol: MQTTProtocolVersion,
        queue: DeliveryQueue,
        now_ms: Callable[[], int],
        *,
        ping_s: int,
        on_end: Callable[[], None],
        pause_s: float = PAUSE_S,
    ) -> None:
        """Number the deliveries with `connection`; ping after `ping_s` of silence; call `on_end` when it is over."""
        self._is_v5 = protocol == MQTTProtocolVersion.MQTTv5
        super().__init__(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            clean_session=None if self._is_v5 else False,
            protocol=protocol,
            reconnect_on_failure=False,
            manual_ack=True,
        )
        self.connection = connection
        self._queue = queue
        self._now_ms = now_ms
        self._ping_s = ping_s
        self._on_end = on_end
        self._pause_s = pause_s
        self._parts: list[bytes] = []
        self._bytes_held = 0
        self._bytes_needed = 0
        self._packet_for_paho = b""
        self._settled = threading.Event()

    def acknowledge(self, mids: Sequence[int]) -> None:
        """Send the PUBACKs of these packet identifiers, in this order, behind those sent before; from any thread."""
        self._packet_queue(MessageType.PUBACK, pubacks(mids), 0, 1)

    def settle(self, wait_s: float) -> None:
        """Wait until the broker has dealt with all that was sent, at most `wait_s` seconds.

        mosquitto forgets what it has not read of a connection that is closed: thousands of acknowledgements.
        """
        self._settled.clear()
        self._send_pingreq()
        self._settled.wait(wait_s)

    def loop_read(self, max_packets: int = 1) -> MQTTErrorCode:  # noqa: ARG002 - paho's signature
        """Read once from the socket and deal with all packets that are complete; nothing while the queue is full."""
        if self._sock is None:
            return MQTTErrorCode.MQTT_ERR_NO_CONN
        if not self._queue.wait_for_room(self._pause_s):
            return self._pause()
        try:
            data = self._receive()
        except BlockingIOError:
            return MQTTErrorCode.MQTT_ERR_SUCCESS
        except OSError:
            data = b""
        if not data:
            return self._loop_rc_handle(MQTTErrorCode.MQTT_ERR_CONN_LOST)
        self._last_bytes_received = monotonic_s()
        self._parts.append(data)
        self._bytes_held += len(data)
        if self._bytes_held < self._bytes_needed:
            return MQTTErrorCode.MQTT_ERR_SUCCESS
        return self._deal_with(b"".join(self._parts))

    def _receive(self) -> bytes:
        data = super()._sock_recv(READ_BYTES)
        if not isinstance(self._sock, ssl.SSLSocket):
            return data
        # TLS gives one record by one read, and brokers make a record of each packet.
        records = [data]
        size = len(data)
        with contextlib.suppress(BlockingIOError):
            while data and size < READ_BYTES:
                data = super()._sock_recv(TLS_RECORD_BYTES_MAX)
                records.append(data)
                size += len(data)
        return b"".join(records)

    def _pause(self) -> MQTTErrorCode:
        """Leave what has come with the socket, so that the broker has to wait; the connection stays alive.

        The answer to a ping stands behind what is not read, so it cannot be missed: paho goes on to ping, but waits
        for no answer. That the broker is gone the kernel tells us.
        """
        self._ping_t = 0.0
        self._last_bytes_received = monotonic_s()
        if self._sock is not None and _is_peer_gone(self._sock):
            return self._loop_rc_handle(MQTTErrorCode.MQTT_ERR_CONN_LOST)
        return MQTTErrorCode.MQTT_ERR_SUCCESS

    def _deal_with(self, buffer: bytes) -> MQTTErrorCode:
        received_ms = self._now_ms()
        position = 0
        while True:
            read = read_publishes(buffer, position, self.connection, received_ms, is_v5=self._is_v5)
            if read.deliveries:
                self._queue.put(read.deliveries, read.end - position)
            if read.next_end is None:
                return self._loop_rc_handle(MQTTErrorCode.MQTT_ERR_PROTOCOL)
            if read.next_end > len(buffer):
                self._hold(buffer[read.end :], read.next_end - read.end)
                return MQTTErrorCode.MQTT_ERR_SUCCESS
            result = self._hand_to_paho(buffer[read.end : read.next_end])
            if result != MQTTErrorCode.MQTT_ERR_SUCCESS or self._sock is None:
                return result
            position = read.next_end

    def _hold(self, rest: bytes, needed: int) -> None:
        self._parts = [rest] if rest else []
        self._bytes_held = len(rest)
        self._bytes_needed = needed

    def _hand_to_paho(self, packet: bytes) -> MQTTErrorCode:
        self._packet_for_paho = packet
        result = self._packet_read()
        return self._loop_rc_handle(result) if result > 0 else result

    def _sock_recv(self, bufsize: int) -> bytes:
        data = self._packet_for_paho[:bufsize]
        self._packet_for_paho = self._packet_for_paho[bufsize:]
        if not data:
            raise BlockingIOError
        return data

    def _handle_pingresp(self) -> MQTTErrorCode:
        self._settled.set()
        return super()._handle_pingresp()

    def _handle_connack(self) -> MQTTErrorCode:
        result = super()._handle_connack()
        # From here on paho's keepalive is only our own patience with a silent broker, which it may be told to lengthen.
        self._keepalive = min(self._keepalive or self._ping_s, self._ping_s)
        return result

    def _create_socket(self) -> "SocketLike":
        sock = super()._create_socket()
        if _USER_TIMEOUT is not None and isinstance(sock, socket.socket):
            sock.setsockopt(socket.IPPROTO_TCP, _USER_TIMEOUT, 2 * self._ping_s * _SECOND_MS)
        return sock

    def _thread_main(self) -> None:
        try:
            super()._thread_main()
        except Exception:
            log.exception("connection-failed", connection=self.connection)
        finally:
            self._on_end()


def _is_peer_gone(sock: "SocketLike") -> bool:
    poll = select.poll()
    poll.register(sock.fileno(), _PEER_GONE)
    return bool(poll.poll(0))
