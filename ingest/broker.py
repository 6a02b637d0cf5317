"""The broker as the ingest worker sees it: deliveries that stay the broker's until they are acknowledged.

The port and its form in memory; `broker_paho` speaks MQTT, `broker_embedded` starts a broker for a demonstration.
"""

from collections import deque
from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from msgspec import Struct
from msgspec.structs import replace


class Delivery(Struct, frozen=True, gc=False):
    """One MQTT message at our door. `connection` and `mid` are what its acknowledgement needs.

    `retained`: the broker kept it and tells it to a new subscription; when the lift said it, nobody knows.
    It holds nothing but numbers and bytes, so the garbage collector need not look at it: 50,000 may wait.
    """

    connection: int
    mid: int
    qos: int
    topic: str
    payload: bytes
    received_ms: int
    retained: bool = False


class Broker(Protocol):
    """Where deliveries come from. What is not acknowledged comes again after the next connection."""

    def take(self, most: int, wait_s: float) -> list[Delivery]:
        """Return up to `most` deliveries, oldest first; wait at most `wait_s` seconds for the first."""
        ...

    def acknowledge(self, deliveries: Sequence[Delivery]) -> None:
        """Tell the broker that these are durable here. Those of an earlier connection are passed over: they come again.

        A packet identifier means nothing on another connection: a broker that lost its sessions uses it anew, and an
        acknowledgement by the old number would let go of a message that nobody has kept.
        """
        ...

    def connected_since(self) -> datetime | None:
        """Return since when we are connected and subscribed; None while we are not."""
        ...

    def trouble(self) -> str | None:
        """Return in words what is wrong with the connection, None where nothing is: "not connected", a refusal.

        Two programs under one client id, or a connection that breaks again and again, stay named until a connection
        has held for a while undisturbed: between two disturbances all looks well.
        """
        ...

    def waiting(self) -> int:
        """Return how many deliveries are in our memory and were not yet taken."""
        ...


class MemoryBroker:
    """The port in memory: for tests of what stands above it."""

    def __init__(self, connected_since: datetime | None = None) -> None:
        """Start empty, on the first connection."""
        self._connection = 1
        self._mid = 0
        self._waiting: deque[Delivery] = deque()
        self._unacknowledged: dict[int, Delivery] = {}
        self._connected_since = connected_since
        self._trouble: str | None = None

    def publish(self, topic: str, payload: bytes, received_ms: int, *, retained: bool = False) -> None:
        """Put one message before the worker."""
        self._mid += 1
        self._waiting.append(Delivery(self._connection, self._mid, 1, topic, payload, received_ms, retained))

    def reconnect(self) -> None:
        """Begin a new connection: what was not acknowledged is delivered again."""
        self._connection += 1
        again = [*self._unacknowledged.values(), *self._waiting]
        self._unacknowledged = {}
        self._waiting = deque(replace(delivery, connection=self._connection) for delivery in again)

    def disturb(self, words: str | None) -> None:
        """Have trouble, or none any more."""
        self._trouble = words

    def take(self, most: int, wait_s: float) -> list[Delivery]:  # noqa: ARG002 - in memory there is nothing to wait for
        """See `Broker.take`."""
        taken = [self._waiting.popleft() for _ in range(min(most, len(self._waiting)))]
        self._unacknowledged.update((delivery.mid, delivery) for delivery in taken)
        return taken

    def acknowledge(self, deliveries: Sequence[Delivery]) -> None:
        """See `Broker.acknowledge`."""
        for delivery in deliveries:
            if delivery.connection == self._connection:
                self._unacknowledged.pop(delivery.mid, None)

    def connected_since(self) -> datetime | None:
        """See `Broker.connected_since`."""
        return self._connected_since

    def trouble(self) -> str | None:
        """See `Broker.trouble`."""
        return self._trouble or (None if self._connected_since else "not connected")

    def waiting(self) -> int:
        """See `Broker.waiting`."""
        return len(self._waiting)
