"""A listener at a broker, with paho itself, that outlives the broker's absence."""

import threading
from typing import Any

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion

from tests.servers import Mosquitto

MARK = "liftwatch/listener/mark"


class MqttListener:
    """Keeps what arrives below a topic, in order."""

    def __init__(self, broker: Mosquitto, topic_filter: str) -> None:
        self._heard: list[tuple[str, bytes]] = []
        self._subscribed = threading.Event()
        self._marked = threading.Event()
        self._client = Client(CallbackAPIVersion.VERSION2, "listener", clean_session=False)
        self._client.reconnect_delay_set(0.1, 0.2)  # type: ignore[arg-type]
        self._client.on_connect = lambda client, *_: client.subscribe([(topic_filter, 1), (MARK, 1)])
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._client.on_message = self._take
        self._client.connect(broker.host, broker.port)
        self._client.loop_start()
        assert self._subscribed.wait(10)

    def heard(self) -> list[tuple[str, bytes]]:
        """All that arrived until now: a mark of our own is waited for, and what was sent before it is here."""
        self._marked.clear()
        self._client.publish(MARK, b"", qos=1)
        assert self._marked.wait(10)
        return list(self._heard)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def _take(self, _client: Client, _userdata: Any, message: MQTTMessage) -> None:
        if message.topic == MARK:
            self._marked.set()
        else:
            self._heard.append((message.topic, bytes(message.payload)))
