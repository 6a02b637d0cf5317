"""A service that is killed in the middle of ingest has, once it is back, every acknowledged message once."""

import time
from pathlib import Path

from paho.mqtt.client import Client, MQTTMessageInfo
from paho.mqtt.enums import CallbackAPIVersion

from tests.servers import Mosquitto
from tests.service import Service, until

LIFT = "KILLED"
KILLS = 3
MESSAGES = 6_000


class Lift:
    """Publishes numbered door cycles as fast as the broker takes them, and knows which were acknowledged."""

    def __init__(self, mosquitto: Mosquitto) -> None:
        self._published: list[MQTTMessageInfo] = []
        self._client = Client(CallbackAPIVersion.VERSION2, reconnect_on_failure=False)
        self._client.connect(mosquitto.host, mosquitto.port)
        self._client.loop_start()

    def publish(self, seq: int) -> None:
        at = int(time.time() * 1000)
        payload = f'{{"at": {at}, "seq": {seq}, "boot": "b", "floor": 1, "opening_ms": 1, "closing_ms": 1}}'
        self._published.append(self._client.publish(f"lifts/v1/{LIFT}/door", payload, qos=1))

    def acknowledged(self) -> set[int]:
        for info in self._published:
            info.wait_for_publish(30)
        return {seq for seq, info in enumerate(self._published) if info.is_published()}

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


def stored(service: Service) -> list[int]:
    page = f"/api/v1/lifts/{LIFT}/telemetry?kind=door&limit=500"
    return [message["seq"] for message in service.items(page)]


def test_a_service_killed_during_ingest_has_every_acknowledged_message_once(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    service = Service(tmp_path, mosquitto.url, auto_register="1")
    service.start()
    lift = Lift(mosquitto)
    for seq in range(MESSAGES):
        lift.publish(seq)
        if seq % (MESSAGES // (KILLS + 1)) == MESSAGES // (KILLS + 1) - 1 and seq + 1 < MESSAGES:
            until(lambda: service.get("/api/v1/lifts")["items"], "the first messages")
            service.kill()
            service.start()
    assert lift.acknowledged() == set(range(MESSAGES))
    lift.close()
    until(lambda: len(stored(service)) >= MESSAGES, "all messages")
    assert sorted(stored(service)) == list(range(MESSAGES))
    assert service.stop() == 0
