"""The demonstration's own brokers, and MQTT 3.1.1 where a broker speaks nothing newer."""

import shutil
import time
from pathlib import Path

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from benchmarks.parts.programs import free_port
from ingest.broker_embedded import EmbeddedBroker, EmbeddedBrokerError
from ingest.broker_paho import PahoBroker
from ingest.clock import SystemClock
from ingest.wire import parse_broker_url
from tests.servers import find_program
from tests.service import until


@pytest.fixture(params=["mosquitto", "amqtt"])
def embedded(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> EmbeddedBroker:
    if request.param == "amqtt":
        monkeypatch.setattr(shutil, "which", lambda *_args, **_named: None)
    else:
        find_program("mosquitto")
    return EmbeddedBroker(free_port(), tmp_path)


def test_a_message_goes_through_the_embedded_broker(embedded: EmbeddedBroker) -> None:
    embedded.start()
    url = f"mqtt://127.0.0.1:{embedded._port}"
    ours = PahoBroker(parse_broker_url(url), "liftwatch-test", SystemClock())
    ours.start()
    until(lambda: ours.connected_since() is not None, "the connection")
    lift = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv311)
    lift.connect("127.0.0.1", embedded._port)
    lift.loop_start()
    lift.publish("lifts/v1/L1/door", b"through", qos=1).wait_for_publish(10)
    taken = until(lambda: ours.take(10, 0.1), "the delivery")
    ours.acknowledge(taken)
    assert [delivery.payload for delivery in taken] == [b"through"]
    lift.disconnect()
    lift.loop_stop()
    ours.stop()
    assert embedded.is_alive()
    embedded.stop()
    assert not embedded.is_alive()


def test_a_broker_that_cannot_start_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(EmbeddedBroker, "_command", lambda _self: ["false"])
    with pytest.raises(EmbeddedBrokerError, match="did not start"):
        EmbeddedBroker(free_port(), tmp_path).start()


def test_stopping_while_the_broker_is_unreachable_does_not_hang() -> None:
    ours = PahoBroker(parse_broker_url(f"mqtt://127.0.0.1:{free_port()}"), "liftwatch-test", SystemClock())
    ours.start()
    time.sleep(0.1)
    ours.stop()
    assert ours.connected_since() is None
