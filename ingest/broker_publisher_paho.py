"""Publishing over MQTT with paho: MQTT 3.1.1, which every broker speaks; connected when there is something to say."""

import threading

from paho.mqtt.client import Client, MQTTMessageInfo
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from ingest.broker_publisher import PublishError
from ingest.wire import BrokerAddress

CONNECT_S_MAX = 5.0
ACKNOWLEDGE_S_MAX = 10.0
KEEPALIVE_S = 30


class PahoPublisher:
    """The publisher port over MQTT, with a client id of its own and a session that ends with the connection."""

    def __init__(self, address: BrokerAddress, client_id: str, acknowledge_s_max: float = ACKNOWLEDGE_S_MAX) -> None:
        """Speak to `address` as `client_id`, which no other client may use."""
        self._address = address
        self._client_id = client_id
        self._acknowledge_s_max = acknowledge_s_max
        self._client: Client | None = None
        self._lock = threading.Lock()

    def publish(self, topic: str, content: bytes) -> None:
        """See `Publisher.publish`. After a failure the connection is made anew: nothing waits inside a client."""
        with self._lock:
            if self._client is not None and not self._client.is_connected():
                self._let_go()
            try:
                self._client = self._client or self._connected()
                self._wait(self._client.publish(topic, content, qos=1))
            except (OSError, ValueError, RuntimeError) as error:
                self._let_go()
                raise PublishError(str(error)) from error

    def stop(self) -> None:
        """See `Publisher.stop`."""
        with self._lock:
            self._let_go()

    def _connected(self) -> Client:
        address = self._address
        client = Client(CallbackAPIVersion.VERSION2, self._client_id, protocol=MQTTProtocolVersion.MQTTv311)
        client.connect_timeout = CONNECT_S_MAX
        if address.tls:
            client.tls_set()
        if address.username is not None:
            client.username_pw_set(address.username, address.password)
        client.connect(address.host, address.port, KEEPALIVE_S)
        client.loop_start()
        return client

    def _wait(self, info: MQTTMessageInfo) -> None:
        info.wait_for_publish(self._acknowledge_s_max)
        if not info.is_published():
            message = "the broker has not acknowledged it"
            raise TimeoutError(message)

    def _let_go(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            client.disconnect()
            client.loop_stop()
