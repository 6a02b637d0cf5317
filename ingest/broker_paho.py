"""MQTT with paho: a persistent session, QoS 1, and acknowledgements by hand, only after the batch is durable.

MQTT 5 where the broker speaks it, 3.1.1 where it does not. Each connection is a paho client of its own
(`ingest.paho_connection`). The session itself (what was not acknowledged, what came while we were away) is the
broker's.
"""

import random
import threading
from collections.abc import Sequence
from datetime import datetime

import structlog
from paho.mqtt.enums import MQTTProtocolVersion

from ingest.broker import Delivery
from ingest.clock import Clock, monotonic_s
from ingest.connection_history import ConnectionHistory
from ingest.delivery_queue import DeliveryQueue
from ingest.paho_connection import KEEPALIVE_S, Connection, Outcome, Terms
from ingest.wire import BrokerAddress

QUEUE_MAX = 50_000
QUEUE_BYTES_MAX = 64 * 1024 * 1024

log = structlog.get_logger()


class PahoBroker:
    """The broker port over MQTT. `start` returns at once; it connects, and connects again, in its own thread."""

    def __init__(
        self,
        address: BrokerAddress,
        client_id: str,
        clock: Clock,
        *,
        share: str | None = None,
        queue_max: int = QUEUE_MAX,
        queue_bytes_max: int = QUEUE_BYTES_MAX,
        keepalive_s: int = KEEPALIVE_S,
    ) -> None:
        """Speak to `address` as `client_id`; no other client may use that name, a broker serves only one of them.

        With `share`, the name of a group, each message goes to one of its members (MQTT 5.0, 4.8.2).
        """
        self._terms = Terms(address=address, client_id=client_id, share=share, keepalive_s=keepalive_s)
        self._clock = clock
        self._queue = DeliveryQueue(queue_max, queue_bytes_max)
        self._history = ConnectionHistory(client_id)
        self._protocol = MQTTProtocolVersion.MQTTv5
        self._connections = 0
        self._connection: Connection | None = None
        self._refusal: str | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="mqtt", daemon=True)

    def start(self) -> None:
        """Begin to connect."""
        self._thread.start()

    def stop(self) -> None:
        """Disconnect in order; what is not acknowledged stays in the broker's session."""
        self._stopping.set()
        if (connection := self._connection) is not None:
            connection.close()
        self._queue.wake()
        if self._thread.is_alive():
            self._thread.join()

    def take(self, most: int, wait_s: float) -> list[Delivery]:
        """See `Broker.take`."""
        return self._queue.take(most, wait_s)

    def acknowledge(self, deliveries: Sequence[Delivery]) -> None:
        """See `Broker.acknowledge`. From any thread; the broker gets them in the order of the calls."""
        if (connection := self._connection) is not None:
            connection.acknowledge(deliveries)

    def connected_since(self) -> datetime | None:
        """See `Broker.connected_since`."""
        connection = self._connection
        return None if connection is None else connection.since

    def trouble(self) -> str | None:
        """See `Broker.trouble`."""
        trouble = self._refusal or self._history.trouble(monotonic_s())
        return trouble or (None if self.connected_since() else "not connected")

    def waiting(self) -> int:
        """See `Broker.waiting`."""
        return len(self._queue)

    def _run(self) -> None:
        while not self._stopping.is_set():
            outcome = self._serve_one_connection()
            self._queue.forget()
            self._refusal = outcome.refusal
            self._history.ends(monotonic_s(), taken_over=outcome.taken_over, refused=outcome.refusal is not None)
            if outcome.taken_over:
                log.error("client-id-in-use", client_id=self._terms.client_id)
            # An MQTT 5 connection that brought what cannot be read would bring it again; 3.1.1 knows no properties.
            is_older = outcome.needs_older_protocol or (outcome.unreadable and self._is_v5)
            self._protocol = MQTTProtocolVersion.MQTTv311 if is_older else MQTTProtocolVersion.MQTTv5
            if not outcome.needs_older_protocol:
                self._wait()

    @property
    def _is_v5(self) -> bool:
        return self._protocol == MQTTProtocolVersion.MQTTv5

    def _wait(self) -> None:
        retry_s = self._history.retry_s()
        self._stopping.wait(random.uniform(retry_s / 2, retry_s))  # noqa: S311 - jitter, not a secret

    def _serve_one_connection(self) -> Outcome:
        self._connections += 1
        connection = Connection(
            self._connections,
            self._terms,
            self._protocol,
            self._queue,
            self._clock,
            on_connected=lambda: self._history.begins(monotonic_s()),
            on_subscribed=self._forget_refusal,
        )
        self._connection = connection
        if self._stopping.is_set():
            connection.close()
        try:
            connection.serve()
        except (OSError, ValueError) as error:
            log.warning("broker-unreachable", broker=repr(self._terms.address), error=str(error))
        finally:
            self._connection = None
        return connection.outcome

    def _forget_refusal(self) -> None:
        self._refusal = None
