"""One MQTT connection from its first byte to its last: connect, subscribe, and what became of it."""

import threading
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import structlog
from msgspec import Struct
from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.enums import MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from ingest.broker import Delivery
from ingest.clock import Clock, to_ms
from ingest.delivery_queue import DeliveryQueue
from ingest.paho_client import BulkClient
from ingest.wire import TOPIC_FILTER, BrokerAddress

# What the broker is told; it waits one and a half times as long for a sign of life.
KEEPALIVE_S = 10
# We ping sooner. paho pings after so much silence, waits as long again for the answer, and looks at its watch once a
# second: with 8 s for each a half-open connection is noticed within 18 s.
_PING_EARLIER_S = 2
CONNECT_S_MAX = 5.0
ANSWER_S_MAX = 5.0
SETTLE_S_MAX = 1.0
RECEIVE_MAXIMUM = 10_000
SESSION_EXPIRY_S = 30 * 86_400
_UNSUPPORTED_PROTOCOL = 132
_PROTOCOL_ERROR = 130
_SESSION_TAKEN_OVER = 142
_RETAIN_IF_NEW_SUBSCRIPTION = 1

log = structlog.get_logger()


class Terms(Struct, frozen=True, kw_only=True):
    """How we speak to the broker. `share`: the group whose members share the load, None to be served alone."""

    address: BrokerAddress
    client_id: str
    share: str | None = None
    keepalive_s: int = KEEPALIVE_S

    def __post_init__(self) -> None:
        """Refuse a group that is none.

        Raises:
            ValueError: the name is empty or has one of `/`, `+`, `#` in it (MQTT 5.0, 4.8.2).
        """
        if self.share is not None and (not self.share or set(self.share) & set("/+#")):
            message = f"no name of a group of subscribers: {self.share!r}"
            raise ValueError(message)

    @property
    def topic_filter(self) -> str:
        """What is subscribed to."""
        return TOPIC_FILTER if self.share is None else f"$share/{self.share}/{TOPIC_FILTER}"


class Outcome(Struct, kw_only=True):
    """What became of a connection. `refusal`: why the broker would not have us, in words."""

    refusal: str | None = None
    needs_older_protocol: bool = False
    taken_over: bool = False
    unreadable: bool = False


class Connection:
    """A client of its own, so that an acknowledgement never reaches a connection that its message did not come from."""

    def __init__(
        self,
        number: int,
        terms: Terms,
        protocol: MQTTProtocolVersion,
        queue: DeliveryQueue,
        clock: Clock,
        on_connected: Callable[[], None],
        on_subscribed: Callable[[], None],
    ) -> None:
        """Prepare; nothing is sent before `serve`."""
        self.number = number
        self.outcome = Outcome()
        self._terms = terms
        self._is_v5 = protocol == MQTTProtocolVersion.MQTTv5
        self._queue = queue
        self._clock = clock
        self._on_connected = on_connected
        self._on_subscribed = on_subscribed
        self._connected_at: datetime | None = None
        self._answered = threading.Event()
        self._over = threading.Event()
        self._client = self._new_client(protocol)

    def serve(self) -> None:
        """Connect and serve until the connection is over or `close` was called.

        Raises:
            OSError: nobody answers there, or not with the certificate that we expect.
            ValueError: the address is none.
        """
        client = self._client
        self._connect()
        client.loop_start()
        if not self._answered.wait(ANSWER_S_MAX):
            self._is_silent()
        self._over.wait()
        if client.socket() is not None:
            client.settle(SETTLE_S_MAX)
        client.disconnect()
        client.loop_stop()

    @property
    def since(self) -> datetime | None:
        """Since when it stands; None before and afterwards."""
        return None if self._over.is_set() else self._connected_at

    def close(self) -> None:
        """Let `serve` end, in order."""
        self._answered.set()
        self._over.set()

    def acknowledge(self, deliveries: Sequence[Delivery]) -> None:
        """Acknowledge those that came over this connection."""
        deliveries = [delivery for delivery in deliveries if delivery.connection == self.number]
        mids = [delivery.mid for delivery in deliveries if delivery.qos == 1]
        if mids:
            self._client.acknowledge(mids)
        for delivery in deliveries:
            if delivery.qos > 1:
                self._client.ack(delivery.mid, delivery.qos)

    def _new_client(self, protocol: MQTTProtocolVersion) -> BulkClient:
        terms = self._terms
        client = BulkClient(
            self.number,
            terms.client_id,
            protocol,
            self._queue,
            self._now_ms,
            ping_s=max(1, terms.keepalive_s - _PING_EARLIER_S),
            on_end=self.close,
        )
        client.connect_timeout = CONNECT_S_MAX
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        if terms.address.tls:
            client.tls_set()
        if terms.address.username is not None:
            client.username_pw_set(terms.address.username, terms.address.password)
        return client

    def _connect(self) -> None:
        address, keepalive_s = self._terms.address, self._terms.keepalive_s
        if not self._is_v5:
            self._client.connect(address.host, address.port, keepalive_s)
            return
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.SessionExpiryInterval = SESSION_EXPIRY_S
        properties.ReceiveMaximum = RECEIVE_MAXIMUM
        self._client.connect(address.host, address.port, keepalive_s, clean_start=False, properties=properties)

    def _is_silent(self) -> None:
        """Give up; a broker that knows no MQTT 5 may say nothing at all instead of refusing it."""
        self.outcome.needs_older_protocol = self._is_v5
        self._over.set()

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
            self.outcome.needs_older_protocol = self._is_v5 and reason.value == _UNSUPPORTED_PROTOCOL
            if not self.outcome.needs_older_protocol:
                self._is_refused(f"the broker refuses the connection: {reason}")
            return
        self._subscribe(client)
        self._connected_at = self._clock.now()
        self._on_connected()
        log.info("broker-connected", broker=repr(self._terms.address), session_kept=flags.session_present)

    def _subscribe(self, client: Client) -> None:
        topic_filter = self._terms.topic_filter
        if self._is_v5:
            options = SubscribeOptions(qos=1, retainHandling=_RETAIN_IF_NEW_SUBSCRIPTION)
            client.subscribe(topic_filter, options=options)
        else:
            client.subscribe(topic_filter, qos=1)
        if topic_filter != TOPIC_FILTER:
            # The session may be older than the group: everything would come twice.
            client.unsubscribe(TOPIC_FILTER)

    def _on_subscribe(
        self,
        _client: Client,
        _userdata: Any,  # noqa: ANN401 - paho's signature
        _mid: int,
        reasons: list[ReasonCode],
        _properties: Properties | None,
    ) -> None:
        failures = [str(reason) for reason in reasons if reason.is_failure]
        if failures:
            self._is_refused(f"the broker refuses the subscription to {self._terms.topic_filter}: {failures[0]}")
        else:
            self._on_subscribed()

    def _is_refused(self, words: str) -> None:
        log.error("broker-refused", broker=repr(self._terms.address), reason=words)
        self.outcome.refusal = words
        self._over.set()

    def _on_disconnect(
        self,
        _client: Client,
        _userdata: Any,  # noqa: ANN401 - paho's signature
        flags: DisconnectFlags,
        reason: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        outcome = self.outcome
        if not self._over.is_set():
            log.warning("broker-lost", reason=str(reason))
            # A broker that knows no MQTT 5 may close the connection without an answer instead of refusing it.
            outcome.needs_older_protocol = self._is_v5 and not self._answered.is_set()
        if flags.is_disconnect_packet_from_server:
            outcome.taken_over = reason.value == _SESSION_TAKEN_OVER
        elif reason.value == _PROTOCOL_ERROR:
            outcome.unreadable = True
        self.close()

    def _on_message(self, _client: Client, _userdata: Any, message: MQTTMessage) -> None:  # noqa: ANN401 - paho's
        """Take what paho has read itself: QoS 2, which nobody should send us, for it is not what we subscribe to."""
        topic = message._topic.decode(errors="replace")  # noqa: SLF001 - its property raises where it is no UTF-8
        payload = bytes(message.payload)
        delivery = Delivery(self.number, message.mid, message.qos, topic, payload, self._now_ms(), message.retain)
        self._queue.put([delivery], len(payload))

    def _now_ms(self) -> int:
        return to_ms(self._clock.now())
