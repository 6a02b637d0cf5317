"""The fleet of a trial on the wire: publishes what is due, again after each lost connection, and notes each PUBACK."""

import time
from collections.abc import Sequence
from typing import Any, NamedTuple, Self

from paho.mqtt.client import Client, MQTTMessageInfo
from paho.mqtt.enums import CallbackAPIVersion

from tests.chaos.content import Publication
from tests.servers import HOST
from tests.service import until

CONNECT_S_MAX = 10.0


class Puback(NamedTuple):
    """When an acknowledgement came, and when the connection began on which it came; on the monotonic clock."""

    at_s: float
    connected_s: float


class FleetPublisher:
    """One MQTT connection that speaks for all lifts, QoS 1, straight to the broker."""

    def __init__(self, port: int, name: str) -> None:
        """Connect to the broker at `port` as client `name`."""
        self._sent: list[tuple[Publication, MQTTMessageInfo]] = []
        self._pubacks: dict[int, Puback] = {}
        self._connected_s = 0.0
        # A session that the broker keeps: what it lost with a connection comes again, in order.
        self._client = Client(CallbackAPIVersion.VERSION2, client_id=name, clean_session=False)
        self._client.max_inflight_messages_set(500)
        self._client.reconnect_delay_set(0.1, 0.5)  # type: ignore[arg-type]
        self._client.on_publish = self._on_publish
        self._client.on_connect = self._on_connect
        self._client.connect(HOST, port, keepalive=10)
        self._client.loop_start()
        until(self._client.is_connected, "the fleet's connection", CONNECT_S_MAX)

    def __enter__(self) -> Self:
        """Give itself; it is connected already."""
        return self

    def __exit__(self, *_error: object) -> None:
        """Leave nothing running."""
        self._client.disconnect()
        self._client.loop_stop()

    def run(self, script: Sequence[Publication], begun_s: float) -> None:
        """Publish each message when it is due, counted from `begun_s` on the monotonic clock."""
        for publication in script:
            time.sleep(max(begun_s + publication.due_s - time.monotonic(), 0))
            info = self._client.publish(publication.topic, publication.payload, qos=1, retain=publication.retain)
            self._sent.append((publication, info))

    def is_done(self) -> bool:
        """Tell whether the broker has acknowledged everything."""
        return len(self._pubacks) >= len(self._sent)

    def acknowledged(self) -> list[tuple[Publication, Puback]]:
        """Return what the broker has acknowledged, and when."""
        return [(each, self._pubacks[info.mid]) for each, info in self._sent if info.mid in self._pubacks]

    def _on_connect(self, *_given: object) -> None:
        self._connected_s = time.monotonic()

    def _on_publish(self, _client: Client, _userdata: Any, mid: int, *_more: object) -> None:
        self._pubacks[mid] = Puback(time.monotonic(), self._connected_s)
