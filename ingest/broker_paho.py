"""MQTT with paho: a persistent session, QoS 1, and acknowledgements by hand, only after the batch is durable.

MQTT 5 where the broker speaks it, 3.1.1 where it does not. Each connection is a paho client of its own, so that an
acknowledgement can never reach a connection that its message did not come from. The session itself (what was not
acknowledged, what came while we were away) is the broker's.
"""

import random
import threading
from collections import deque
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import structlog
from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from ingest.broker import Delivery
from ingest.clock import Clock, monotonic_s, to_ms
from ingest.wire import TOPIC_FILTER, BrokerAddress

KEEPALIVE_S = 20
ANSWER_S_MAX = 5.0
RETRY_S_MIN = 0.5
RETRY_S_MAX = 15.0
RECEIVE_MAXIMUM = 10_000
QUEUE_MAX = 50_000
# An array of 500 objects takes some 60 times its bytes once it is decoded.
TAKE_BYTES_MAX = 4 * 1024 * 1024
SHORT_S = 5.0
SESSION_EXPIRY_S = 30 * 86_400
_UNSUPPORTED_PROTOCOL = 132
_SESSION_TAKEN_OVER = 142
_RETAIN_IF_NEW_SUBSCRIPTION = 1

log = structlog.get_logger()


class PahoBroker:
    """The broker port over MQTT. `start` returns at once; it connects, and connects again, in its own thread."""

    def __init__(self, address: BrokerAddress, client_id: str, clock: Clock, queue_max: int = QUEUE_MAX) -> None:
        """Speak to `address` as `client_id`; no other client may use that name, a broker serves only one of them."""
        self._address = address
        self._client_id = client_id
        self._clock = clock
        self._queue_max = queue_max
        self._queue: deque[Delivery] = deque()
        self._changed = threading.Condition()
        self._connection = 0
        self._client: Client | None = None
        self._protocol = MQTTProtocolVersion.MQTTv5
        self._connected_since: datetime | None = None
        self._answered = threading.Event()
        self._over = threading.Event()
        self._stopping = threading.Event()
        self._refused = False
        self._thread = threading.Thread(target=self._run, name="mqtt", daemon=True)

    def start(self) -> None:
        """Begin to connect."""
        self._thread.start()

    def stop(self) -> None:
        """Disconnect in order; what is not acknowledged stays in the broker's session."""
        self._stopping.set()
        self._answered.set()
        self._over.set()
        with self._changed:
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join()

    def take(self, most: int, wait_s: float) -> list[Delivery]:
        """See `Broker.take`."""
        with self._changed:
            if not self._queue:
                self._changed.wait(wait_s)
            taken: list[Delivery] = []
            size = 0
            while self._queue and len(taken) < most and size < TAKE_BYTES_MAX:
                taken.append(self._queue.popleft())
                size += len(taken[-1].payload)
            self._changed.notify_all()
        return taken

    def acknowledge(self, deliveries: Sequence[Delivery]) -> None:
        """See `Broker.acknowledge`."""
        client, connection = self._client, self._connection
        if client is None:
            return
        for delivery in deliveries:
            if delivery.qos > 0 and delivery.connection == connection:
                client.ack(delivery.mid, delivery.qos)

    def connected_since(self) -> datetime | None:
        """See `Broker.connected_since`."""
        return self._connected_since

    def _run(self) -> None:
        retry_s = RETRY_S_MIN
        while not self._stopping.is_set():
            begun_s = monotonic_s()
            was_connected = self._serve_one_connection()
            is_short = monotonic_s() - begun_s < SHORT_S
            if self._refused:
                self._refused = False
                self._protocol = MQTTProtocolVersion.MQTTv311
                continue
            self._choose_protocol(was_connected=was_connected, is_short=is_short)
            retry_s = RETRY_S_MIN if was_connected and not is_short else min(retry_s * 2, RETRY_S_MAX)
            self._stopping.wait(random.uniform(retry_s / 2, retry_s))  # noqa: S311 - jitter, not a secret

    def _choose_protocol(self, *, was_connected: bool, is_short: bool) -> None:
        """Go back to MQTT 5, but not straight after a connection that MQTT 5 did not hold.

        A message with properties that paho cannot read ends the connection and comes again at each new one; without
        properties, in 3.1.1, it gets through.
        """
        was_v5 = self._protocol == MQTTProtocolVersion.MQTTv5
        if was_v5 and was_connected and is_short and not self._stopping.is_set():
            log.warning("connection-short", client_id=self._client_id, hint="is another program using this name?")
            self._protocol = MQTTProtocolVersion.MQTTv311
        else:
            self._protocol = MQTTProtocolVersion.MQTTv5

    def _serve_one_connection(self) -> bool:
        """Connect, serve until the connection is over, and tell whether there was one."""
        self._over.clear()
        self._answered.clear()
        if self._stopping.is_set():
            return False
        client = self._new_client()
        try:
            self._connect(client)
        except (OSError, ValueError) as error:
            log.warning("broker-unreachable", broker=repr(self._address), error=str(error))
            return False
        self._connection += 1
        self._client = client
        client.loop_start()
        self._wait_until_over()
        was_connected = self._connected_since is not None or self._stopping.is_set()
        self._client = None
        self._connected_since = None
        client.disconnect()
        client.loop_stop()
        self._forget_unread()
        return was_connected

    def _wait_until_over(self) -> None:
        if not self._answered.wait(ANSWER_S_MAX) and self._protocol == MQTTProtocolVersion.MQTTv5:
            # A broker that knows no MQTT 5 may say nothing at all instead of refusing it.
            self._refused = True
            return
        self._over.wait()

    def _new_client(self) -> Client:
        is_v5 = self._protocol == MQTTProtocolVersion.MQTTv5
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=self._client_id,
            clean_session=None if is_v5 else False,
            protocol=self._protocol,
            reconnect_on_failure=False,
            manual_ack=True,
        )
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        if self._address.tls:
            client.tls_set()
        if self._address.username is not None:
            client.username_pw_set(self._address.username, self._address.password)
        return client

    def _connect(self, client: Client) -> None:
        if self._protocol != MQTTProtocolVersion.MQTTv5:
            client.connect(self._address.host, self._address.port, KEEPALIVE_S)
            return
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.SessionExpiryInterval = SESSION_EXPIRY_S
        properties.ReceiveMaximum = RECEIVE_MAXIMUM
        client.connect(self._address.host, self._address.port, KEEPALIVE_S, clean_start=False, properties=properties)

    def _on_connect(
        self,
        client: Client,
        _userdata: Any,  # noqa: ANN401 - paho's signature
        flags: ConnectFlags,
        reason: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        self._answered.set()
        if reason.is_failure:
            self._refused = reason.value == _UNSUPPORTED_PROTOCOL and self._protocol == MQTTProtocolVersion.MQTTv5
            if not self._refused:
                log.error("broker-refused", broker=repr(self._address), reason=str(reason))
            self._over.set()
            return
        if self._protocol == MQTTProtocolVersion.MQTTv5:
            options = SubscribeOptions(qos=1, retainHandling=_RETAIN_IF_NEW_SUBSCRIPTION)
            client.subscribe(TOPIC_FILTER, options=options)
        else:
            client.subscribe(TOPIC_FILTER, qos=1)
        self._connected_since = self._clock.now()
        log.info("broker-connected", broker=repr(self._address), session_kept=flags.session_present)

    def _on_disconnect(
        self,
        _client: Client,
        _userdata: Any,  # noqa: ANN401 - paho's signature
        flags: DisconnectFlags,
        reason: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        self._answered.set()
        if not self._stopping.is_set():
            log.warning("broker-lost", reason=str(reason))
        if flags.is_disconnect_packet_from_server and reason.value == _SESSION_TAKEN_OVER:
            log.error("client-id-in-use", client_id=self._client_id, hint="another program connected under this name")
        if self._protocol == MQTTProtocolVersion.MQTTv5 and self._connected_since is None:
            # A broker that knows no MQTT 5 may close the connection without an answer instead of refusing it.
            self._refused = not self._stopping.is_set()
        self._over.set()

    def _on_message(self, _client: Client, _userdata: Any, message: MQTTMessage) -> None:  # noqa: ANN401 - paho's
        delivery = Delivery(
            self._connection,
            message.mid,
            message.qos,
            _topic_of(message),
            bytes(message.payload),
            to_ms(self._clock.now()),
            message.retain,
        )
        with self._changed:
            while len(self._queue) >= self._queue_max and not self._over.is_set():
                self._changed.wait(0.5)
            self._queue.append(delivery)
            self._changed.notify_all()

    def _forget_unread(self) -> None:
        """Drop what nobody has taken yet: it is not acknowledged, so it comes again, in order."""
        with self._changed:
            kept = [delivery for delivery in self._queue if delivery.qos == 0]
            self._queue = deque(kept)


def _topic_of(message: MQTTMessage) -> str:
    try:
        return message.topic
    except UnicodeDecodeError:
        return message._topic.decode(errors="replace")  # noqa: SLF001 - paho gives such a topic no other way
