"""MQTT with paho: one connection for each lift, as each controller has its own last will, all driven by one thread.

MQTT 3.1.1, which every broker speaks. What a broker has not acknowledged is sent again after a reconnect, in order.
"""

import selectors
import socket
import ssl
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import islice
from random import Random
from typing import Protocol

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from ingest.clock import monotonic_s
from ingest.messages import Kind, State
from ingest.wire import BrokerAddress, encode, topic_of

KEEPALIVE_S = 30
CONNECT_S_MAX = 5.0
RETRY_S_MIN = 0.5
RETRY_S_MAX = 10.0
# Connections made between two rounds of reading and writing: a fleet that connects must not starve those that stand.
CONNECTS_AT_ONCE = 20
# Beyond what a feed hands over before it waits; paho's own queue is never used.
INFLIGHT_MAX = 1_000
# Every connection pings where it must at least every so many of these rounds.
_MISC_EVERY_S = 0.5
_MISC_ROUNDS = 10
_DOUBLINGS_MAX = 10
LAST_WILL = encode(State(connected=False))

Say = Callable[[str], None]


class Socket(Protocol):
    """What a selector needs of paho's socket, in the clear or not."""

    def fileno(self) -> int:
        """Return its file descriptor."""
        ...


class LiftConnection:
    """One controller's connection, and what it has sent that was not yet acknowledged."""

    def __init__(
        self, lift_id: str, client: Client, selector: selectors.BaseSelector, random: Random, fleet: "Publisher"
    ) -> None:
        """Speak through `client`, which belongs to this connection alone; `selector` shall know its socket."""
        self._fleet = fleet
        self.lift_id = lift_id
        self.connected = False
        self.sessions = 0
        self.retry_at_s: float | None = 0.0
        self._client = client
        self._selector = selector
        self._random = random
        self._failures = 0
        self._refusal = ""
        self._closing = False
        self._away = False
        self._waiting: dict[int, int] = {}
        self._take_part()

    @property
    def unacknowledged(self) -> int:
        """How many payloads wait for their acknowledgement."""
        return len(self._waiting)

    @property
    def unacknowledged_ms(self) -> int | None:
        """The earliest instant among the payloads that wait, None where none does."""
        return min(self._waiting.values(), default=None)

    def publish(self, topic: str, payload: bytes, at_ms: int, *, retain: bool) -> None:
        """Send with QoS 1, again after a reconnect if need be; `at_ms` is the earliest instant in the payload."""
        self._waiting[self._client.publish(topic, payload, qos=1, retain=retain).mid] = at_ms

    def connect(self) -> None:
        """Connect; whether the broker lets us in is known some rounds later.

        Raises:
            OSError: nobody answers there.
        """
        self._client.reconnect()
        self.retry_at_s = None

    def break_off(self) -> None:
        """Vanish without a goodbye, and stay away until `come_back`: the broker sends the last will."""
        self._away = True
        self.retry_at_s = None
        wire = self._client.socket()
        if isinstance(wire, socket.socket):
            with suppress(OSError):
                wire.shutdown(socket.SHUT_RDWR)

    def come_back(self) -> None:
        """Connect again with the next rounds."""
        self._away = False
        if not self.connected:
            self.retry_at_s = 0.0
            self._fleet.wants_in(self)

    def close(self) -> None:
        """Say goodbye, so that the broker sends no last will; it goes out with the next rounds."""
        self._closing = True
        self.retry_at_s = None
        self._client.disconnect()

    def drive(self, mask: int) -> None:
        """Read and write what the socket is ready for."""
        if mask & selectors.EVENT_READ:
            self._client.loop_read()
            # What TLS has already decrypted makes no socket ready.
            while isinstance(secure := self._client.socket(), ssl.SSLSocket) and secure.pending():
                self._client.loop_read()
        if mask & selectors.EVENT_WRITE:
            self._client.loop_write()

    def keep_alive(self) -> None:
        """Ping the broker where there was nothing else to say."""
        self._client.loop_misc()

    def _take_part(self) -> None:
        client, selector = self._client, self._selector
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_publish = self._on_publish
        client.on_socket_open = lambda _client, _data, sock: _register(selector, sock, self)
        client.on_socket_close = lambda _client, _data, sock: _unregister(selector, sock)
        client.on_socket_register_write = lambda _client, _data, sock: _watch(selector, sock, self, write=True)
        client.on_socket_unregister_write = lambda _client, _data, sock: _watch(selector, sock, self, write=False)

    def _on_connect(
        self, _client: Client, _data: object, _flags: ConnectFlags, reason: ReasonCode, _more: Properties | None
    ) -> None:
        if reason.is_failure:
            if str(reason) != self._refusal:
                self._fleet.say(f"the broker refuses {self.lift_id}: {reason}")
            self._refusal = str(reason)
            return
        if not self.connected:
            self._fleet.stands(self, by=1)
        self.connected = True
        self.sessions += 1
        self._failures = 0
        self._refusal = ""

    def _on_disconnect(
        self, _client: Client, _data: object, _flags: DisconnectFlags, _reason: ReasonCode, _more: Properties | None
    ) -> None:
        if self.connected:
            self._fleet.stands(self, by=-1)
        self.connected = False
        if not self._closing and not self._away:
            self.retry_at_s = monotonic_s() + backoff_s(self._failures, self._random)
            self._failures += 1
            self._fleet.wants_in(self)

    def _on_publish(
        self, _client: Client, _data: object, mid: int, _reason: ReasonCode, _more: Properties | None
    ) -> None:
        self._waiting.pop(mid, None)


class Publisher:
    """All connections of a fleet and the one loop that drives them: nothing happens but in `poll`."""

    def __init__(self, address: BrokerAddress, lift_ids: Sequence[str], say: Say, random: Random) -> None:
        """Speak to the broker at `address` for these lifts; `say` is told what a person should know."""
        self._address = address
        self.say = say
        self._random = random
        self._selector = selectors.DefaultSelector()
        self._failures = 0
        self._away_until_s = 0.0
        self._misc_at_s = 0.0
        self._connected = 0
        self._came: list[str] = []
        self._is_whole = False
        tls = ssl.create_default_context() if address.tls else None
        self.connections = {
            lift_id: LiftConnection(lift_id, new_client(address, lift_id, tls), self._selector, random, self)
            for lift_id in lift_ids
        }
        self._outside = deque(self.connections.values())
        self._pinged: deque[LiftConnection] = deque(self.connections.values())

    @property
    def unacknowledged(self) -> int:
        """How many payloads of the connections that stand wait for their acknowledgement."""
        return sum(connection.unacknowledged for connection in self.connections.values() if connection.connected)

    @property
    def connected(self) -> int:
        """How many connections stand."""
        return self._connected

    def stands(self, connection: LiftConnection, *, by: int) -> None:
        """A connection came to stand (`by` 1), or has gone (-1)."""
        self._connected += by
        if by > 0:
            self._came.append(connection.lift_id)

    def wants_in(self, connection: LiftConnection) -> None:
        """A connection will want to connect again when its `retry_at_s` has come."""
        self._outside.append(connection)

    def take_came(self) -> list[str]:
        """Return whose connections came to stand since this was asked last."""
        came, self._came = self._came, []
        return came

    def poll(self, timeout_s: float) -> None:
        """Connect what is due, wait at most `timeout_s` for the sockets, read and write."""
        now_s = monotonic_s()
        self._connect_due(now_s)
        for key, mask in self._selector.select(timeout_s):
            key.data.drive(mask)
        self._keep_alive(now_s)
        self._report()

    def close(self, within_s: float) -> None:
        """Close all connections in order; those that do not close in time are left to the broker's patience."""
        for connection in self.connections.values():
            connection.close()
        deadline_s = monotonic_s() + within_s
        while self._selector.get_map() and monotonic_s() < deadline_s:
            for key, mask in self._selector.select(0.05):
                key.data.drive(mask)
        self._selector.close()

    def _keep_alive(self, now_s: float) -> None:
        """Let a share of the connections ping, so that each does so every few seconds and none waits for all others."""
        if now_s < self._misc_at_s:
            return
        self._misc_at_s = now_s + _MISC_EVERY_S
        for connection in islice(self._pinged, -(-len(self._pinged) // _MISC_ROUNDS)):
            connection.keep_alive()
        self._pinged.rotate(-(-len(self._pinged) // _MISC_ROUNDS))

    def _connect_due(self, now_s: float) -> None:
        if now_s < self._away_until_s:
            return
        for _ in range(min(CONNECTS_AT_ONCE, len(self._outside))):
            connection = self._outside.popleft()
            if connection.retry_at_s is None or connection.connected:
                continue
            if connection.retry_at_s > now_s:
                self._outside.append(connection)
                continue
            try:
                connection.connect()
            except OSError as error:
                # One lift asks for all: a broker that is away would cost each of them the whole time to connect.
                self._outside.append(connection)
                if self._failures == 0:
                    self.say(f"no broker at {self._address}: {error}; trying again")
                self._away_until_s = monotonic_s() + backoff_s(self._failures, self._random)
                self._failures += 1
                return
            self._failures = 0

    def _report(self) -> None:
        whole = self.connected == len(self.connections)
        if whole != self._is_whole:
            self._is_whole = whole
            self.say(f"{self.connected} of {len(self.connections)} lifts are connected to {self._address}")


def new_client(address: BrokerAddress, lift_id: str, tls: ssl.SSLContext | None) -> Client:
    """Return a client that is not yet connected, with the last will of a controller."""
    client = Client(
        CallbackAPIVersion.VERSION2,
        client_id=f"lift-{lift_id}",
        clean_session=True,
        protocol=MQTTProtocolVersion.MQTTv311,
        reconnect_on_failure=False,
    )
    client.connect_timeout = CONNECT_S_MAX
    client.max_inflight_messages_set(INFLIGHT_MAX)
    client.will_set(topic_of(lift_id, Kind.STATE), LAST_WILL, qos=1, retain=True)
    if address.username is not None:
        client.username_pw_set(address.username, address.password)
    if tls is not None:
        client.tls_set_context(tls)
    client.connect_async(address.host, address.port, KEEPALIVE_S)
    return client


def backoff_s(failures: int, random: Random) -> float:
    """Return how long to wait, longer after each failure; the jitter keeps a fleet from coming back all at once."""
    delay_s = min(RETRY_S_MAX, RETRY_S_MIN * 2 ** min(failures, _DOUBLINGS_MAX))
    return float(delay_s * random.uniform(0.5, 1.5))


def _register(selector: selectors.BaseSelector, sock: Socket, connection: LiftConnection) -> None:
    selector.register(sock, selectors.EVENT_READ, connection)


def _unregister(selector: selectors.BaseSelector, sock: Socket) -> None:
    selector.unregister(sock)


def _watch(selector: selectors.BaseSelector, sock: Socket, connection: LiftConnection, *, write: bool) -> None:
    wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if write else 0)
    selector.modify(sock, wanted, connection)
