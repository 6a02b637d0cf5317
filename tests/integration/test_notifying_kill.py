"""A receiver that is away and a service that is killed meanwhile: what happened is told all the same, under one id."""

import time
from pathlib import Path

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from tests.mqtt_listener import MqttListener
from tests.servers import Mosquitto
from tests.service import Service, until
from tests.unit.alerts.receiver import Receiver


def say_entrapment(mosquitto: Mosquitto, lift_id: str) -> None:
    client = Client(CallbackAPIVersion.VERSION2)
    client.connect(mosquitto.host, mosquitto.port)
    client.loop_start()
    content = f'{{"at": {int(time.time() * 1000)}, "code": "entrapment", "phase": "raised", "floor": 3}}'
    client.publish(f"lifts/v1/{lift_id}/fault", content, qos=1).wait_for_publish(10)
    client.disconnect()
    client.loop_stop()


def test_what_a_killed_service_had_to_tell_is_told_after_its_restart(tmp_path: Path, mosquitto: Mosquitto) -> None:
    receiver = Receiver()
    receiver.status = 503
    listener = MqttListener(mosquitto, "liftwatch/v1/alerts/#")
    service = Service(tmp_path, mosquitto.url, auto_register="1", webhook_private="1")
    try:
        with service:
            hook = {"name": "CMMS", "url": receiver.url, "topics": ["alert.raised"]}
            service.send("POST", "/api/v1/webhooks", hook)
            service.send("POST", "/api/v1/subscriptions", {"channel": "mqtt", "name": "broker", "topics": ["alert.*"]})
            say_entrapment(mosquitto, "L1")
            until(lambda: receiver.received, "the first attempt")
            until(lambda: service.items("/api/v1/notifications?state=delivered"), "the broker to be told")
            service.kill()
            receiver.status = 204
            service.start()
            until(lambda: len(receiver.received) > 1, "the next attempt")
            until(lambda: not service.items("/api/v1/notifications?state=waiting"), "everything to be delivered")
            assert service.get("/readyz")
            assert service.stop() == 0
        assert len({(each.message_id, each.content) for each in receiver.received}) == 1
        assert [topic for topic, _ in listener.heard()] == ["liftwatch/v1/alerts/L1/raised"]
    finally:
        listener.close()
        receiver.close()
