"""One suite for every form of the broker port: what is not acknowledged comes again, what is does not."""

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest
from msgspec.structs import replace
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from ingest.broker import Broker, Delivery, MemoryBroker
from ingest.broker_paho import PahoBroker
from ingest.clock import SystemClock
from ingest.wire import parse_broker_url
from tests.servers import Mosquitto

PATIENCE_S = 20.0


class MemoryCase:
    def __init__(self) -> None:
        self._broker = MemoryBroker(datetime(2026, 3, 2, tzinfo=UTC))
        self.broker: Broker = self._broker

    def publish(self, topic: str, payload: bytes) -> None:
        self._broker.publish(topic, payload, 0)

    def reconnect(self) -> None:
        self._broker.reconnect()

    def close(self) -> None:
        pass


class PahoCase:
    def __init__(self, mosquitto: Mosquitto) -> None:
        self._mosquitto = mosquitto
        self._begin()
        self._sender = Client(CallbackAPIVersion.VERSION2)
        self._sender.connect(mosquitto.host, mosquitto.port)
        self._sender.loop_start()

    def _begin(self) -> None:
        self._broker = PahoBroker(parse_broker_url(self._mosquitto.url), "liftwatch-test", SystemClock())
        self.broker: Broker = self._broker
        self._broker.start()
        until(lambda: self._broker.connected_since() is not None)

    def publish(self, topic: str, payload: bytes) -> None:
        self._sender.publish(topic, payload, qos=1).wait_for_publish(PATIENCE_S)

    def reconnect(self) -> None:
        self._broker.stop()
        self._begin()

    def close(self) -> None:
        self._broker.stop()
        self._sender.disconnect()
        self._sender.loop_stop()


@pytest.fixture(params=["memory", "mosquitto"])
def case(request: pytest.FixtureRequest) -> Iterator[MemoryCase | PahoCase]:
    made = MemoryCase() if request.param == "memory" else PahoCase(request.getfixturevalue("mosquitto"))
    yield made
    made.close()


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def take(case: MemoryCase | PahoCase, count: int) -> list[Delivery]:
    taken: list[Delivery] = []
    deadline = time.monotonic() + PATIENCE_S
    while len(taken) < count and time.monotonic() < deadline:
        taken += case.broker.take(count - len(taken), 0.1)
    return taken


def contents(deliveries: list[Delivery]) -> list[bytes]:
    return [delivery.payload for delivery in deliveries]


def test_deliveries_come_in_order_with_topic_and_bytes(case: MemoryCase | PahoCase) -> None:
    for number in range(20):
        case.publish("lifts/v1/L1/door", b"\x00%d" % number)
    taken = take(case, 20)
    assert contents(taken) == [b"\x00%d" % number for number in range(20)]
    assert {delivery.topic for delivery in taken} == {"lifts/v1/L1/door"}
    assert case.broker.take(1, 0.05) == []


def test_no_more_is_given_than_was_asked_for(case: MemoryCase | PahoCase) -> None:
    for number in range(5):
        case.publish("lifts/v1/L1/door", b"%d" % number)
    assert len(take(case, 3)) == 3
    assert len(take(case, 2)) == 2


def test_what_is_not_acknowledged_comes_again_after_the_next_connection(case: MemoryCase | PahoCase) -> None:
    for number in range(6):
        case.publish("lifts/v1/L1/door", b"%d" % number)
    taken = take(case, 6)
    case.broker.acknowledge(taken[:4])
    case.reconnect()
    assert contents(take(case, 2)) == [b"4", b"5"]
    assert case.broker.take(1, 0.2) == []


def test_an_acknowledgement_of_an_earlier_connection_lets_go_of_nothing(case: MemoryCase | PahoCase) -> None:
    case.publish("lifts/v1/L1/door", b"kept")
    old = take(case, 1)
    case.reconnect()
    take(case, 1)
    case.broker.acknowledge([replace(delivery, connection=delivery.connection - 1) for delivery in old])
    case.reconnect()
    assert contents(take(case, 1)) == [b"kept"]


def test_being_connected_is_told(case: MemoryCase | PahoCase) -> None:
    assert case.broker.connected_since() is not None


def test_a_connection_without_trouble_says_so(case: MemoryCase | PahoCase) -> None:
    assert case.broker.trouble() is None


def test_deliveries_that_nobody_took_are_counted(case: MemoryCase | PahoCase) -> None:
    for number in range(5):
        case.publish("lifts/v1/L1/door", b"%d" % number)
    until(lambda: case.broker.waiting() == 5)
    take(case, 2)
    assert case.broker.waiting() == 3
    take(case, 3)
    assert case.broker.waiting() == 0


def test_a_portion_may_be_acknowledged_later_than_the_one_behind_it(case: MemoryCase | PahoCase) -> None:
    for number in range(6):
        case.publish("lifts/v1/L1/door", b"%d" % number)
    taken = take(case, 6)
    case.broker.acknowledge(taken[3:6])
    case.broker.acknowledge(taken[0:1])
    case.broker.acknowledge([])
    case.reconnect()
    assert contents(take(case, 2)) == [b"1", b"2"]


def test_who_is_not_connected_says_so() -> None:
    nowhere = PahoBroker(parse_broker_url("mqtt://127.0.0.1:9"), "liftwatch-test", SystemClock())
    for broker in (MemoryBroker(), nowhere):
        assert broker.trouble() == "not connected"
        assert broker.connected_since() is None


def test_what_came_while_we_were_away_is_delivered(mosquitto: Mosquitto) -> None:
    case = PahoCase(mosquitto)
    case._broker.stop()
    case.publish("lifts/v1/L1/door", b"meanwhile")
    case._begin()
    assert contents(take(case, 1)) == [b"meanwhile"]
    case.close()


def test_a_broker_that_comes_back_is_found_again(mosquitto: Mosquitto) -> None:
    case = PahoCase(mosquitto)
    mosquitto.kill()
    until(lambda: case.broker.connected_since() is None)
    mosquitto.start()
    until(lambda: case.broker.connected_since() is not None)
    case.close()


@pytest.mark.parametrize("url", ["http://h", "mqtt://", "h:1883", "mqtt://h:port", "mqtt://h:99999", ""])
def test_a_url_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_broker_url(url)


def test_a_url_gives_host_port_and_credentials_and_hides_the_password() -> None:
    address = parse_broker_url("mqtts://centre:p%40ss@broker.example")
    assert (address.host, address.port, address.tls) == ("broker.example", 8883, True)
    assert (address.username, address.password) == ("centre", "p@ss")
    assert "p@ss" not in repr(address)
