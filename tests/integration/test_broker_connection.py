"""The connection to a real mosquitto: half-open, without room, shared, refused, and under a name used twice."""

import contextlib
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from ingest.broker import Delivery
from ingest.broker_paho import PahoBroker
from ingest.clock import SystemClock
from ingest.connection_history import RETRY_S_MAX
from ingest.paho_connection import _PING_EARLIER_S, ANSWER_S_MAX, CONNECT_S_MAX, KEEPALIVE_S
from ingest.wire import parse_broker_url
from tests.integration.half_open import HalfOpenWay
from tests.integration.scripted_broker import (
    CONNACK,
    DISCONNECT_TAKEN_OVER,
    NOT_AUTHORIZED,
    SUBACK,
    SUBACK_NOT_AUTHORIZED,
    ScriptedBroker,
)
from tests.servers import Mosquitto, find_program

PATIENCE_S = 40.0
# With it a client pings after one second, and mosquitto drops one that is silent for four and a half.
SHORT_KEEPALIVE_S = 3
BROKERS_PATIENCE_S = 4.5


@contextlib.contextmanager
def listening(url: str, client_id: str = "liftwatch-test", **options: Any) -> Iterator[PahoBroker]:
    broker = PahoBroker(parse_broker_url(url), client_id, SystemClock(), **options)
    broker.start()
    try:
        yield broker
    finally:
        broker.stop()


@pytest.fixture
def publish(mosquitto: Mosquitto) -> Iterator[Callable[[range, int], None]]:
    """Publish numbered messages, acknowledged by the broker."""
    sender = Client(CallbackAPIVersion.VERSION2)
    sender.max_inflight_messages_set(1_000)
    sender.connect(mosquitto.host, mosquitto.port)
    sender.loop_start()

    def send(numbers: range, size: int = 20) -> None:
        sent = [sender.publish("lifts/v1/L1/door", b"%d" % number + bytes(size), qos=1) for number in numbers]
        for one in sent:
            one.wait_for_publish(PATIENCE_S)

    yield send
    sender.disconnect()
    sender.loop_stop()


def until(condition: Callable[[], object], patience_s: float = PATIENCE_S) -> None:
    deadline = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def take(broker: PahoBroker, count: int, portion: int = 1_000) -> list[Delivery]:
    taken: list[Delivery] = []
    deadline = time.monotonic() + PATIENCE_S
    while len(taken) < count and time.monotonic() < deadline:
        got = broker.take(min(portion, count - len(taken)), 0.1)
        broker.acknowledge(got)
        taken += got
    return taken


def numbers_of(deliveries: list[Delivery]) -> list[int]:
    return [int(delivery.payload.rstrip(b"\0")) for delivery in deliveries]


def test_half_open_is_noticed_within_20_s_and_a_broker_is_found_again_within_30_s() -> None:
    granularity_s = 1
    assert 2 * (KEEPALIVE_S - _PING_EARLIER_S + granularity_s) <= 20
    assert RETRY_S_MAX + CONNECT_S_MAX + ANSWER_S_MAX <= 30


def test_a_half_open_connection_is_noticed_and_replaced(mosquitto: Mosquitto, publish: Callable[[range], None]) -> None:
    with (
        HalfOpenWay(mosquitto.port) as way,
        listening(f"mqtt://127.0.0.1:{way.port}", keepalive_s=SHORT_KEEPALIVE_S) as broker,
    ):
        until(broker.connected_since)
        way.swallow()
        begun = time.monotonic()
        until(lambda: broker.connected_since() is None)
        assert time.monotonic() - begun < 10
        assert broker.trouble() == "not connected"
        publish(range(5))
        way.heal()
        assert numbers_of(take(broker, 5)) == [0, 1, 2, 3, 4]
        assert broker.trouble() is None


@pytest.mark.parametrize("bound", [{"queue_max": 100}, {"queue_bytes_max": 100_000}])
def test_without_room_the_broker_waits_and_the_connection_lives(
    mosquitto: Mosquitto, publish: Callable[[range, int], None], bound: dict[str, Any]
) -> None:
    count, size = 3_000, 1_000
    with listening(mosquitto.url, keepalive_s=SHORT_KEEPALIVE_S, **bound) as broker:
        until(broker.connected_since)
        publish(range(count), size)
        time.sleep(2 * BROKERS_PATIENCE_S)
        assert 0 < broker.waiting() <= 400
        taken = take(broker, count)
        assert numbers_of(taken) == list(range(count))
        assert {delivery.connection for delivery in taken} == {1}
        assert broker.waiting() == 0
        assert broker.trouble() is None


def test_it_stops_at_once_while_there_is_no_room(mosquitto: Mosquitto, publish: Callable[[range, int], None]) -> None:
    with listening(mosquitto.url, queue_max=10) as broker:
        until(broker.connected_since)
        publish(range(1_000), 1_000)
        until(lambda: broker.waiting() >= 10)
        begun = time.monotonic()
    assert time.monotonic() - begun < 3


@pytest.fixture
def secure_mosquitto(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mosquitto]:
    """A broker with a certificate that this process trusts."""
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    new: list[str | Path] = [find_program("openssl"), "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([*new, *names, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    server = Mosquitto(tmp_path, [f"certfile {certificate}", f"keyfile {key}"])
    yield server
    server.stop()


def test_messages_of_every_size_come_through_tls(secure_mosquitto: Mosquitto) -> None:
    url = f"mqtts://127.0.0.1:{secure_mosquitto.port}"
    sizes = [0, 1, 200, 16_384, 200_000] * 40
    sender = Client(CallbackAPIVersion.VERSION2)
    sender.tls_set()
    sender.connect(secure_mosquitto.host, secure_mosquitto.port)
    sender.loop_start()
    with listening(url, queue_bytes_max=1_000_000) as broker:
        until(broker.connected_since)
        for number, size in enumerate(sizes):
            sender.publish("lifts/v1/L1/door", b"%d" % number + bytes(size), qos=1).wait_for_publish(PATIENCE_S)
        assert numbers_of(take(broker, len(sizes), 7)) == list(range(len(sizes)))
    sender.disconnect()
    sender.loop_stop()


def test_acknowledgements_of_any_portion_from_another_thread_let_go_of_exactly_those(
    mosquitto: Mosquitto, publish: Callable[[range], None]
) -> None:
    with listening(mosquitto.url) as broker:
        until(broker.connected_since)
        publish(range(1_000))
        taken: list[Delivery] = []
        while len(taken) < 1_000:
            taken += broker.take(300, 0.1)
        portions = [taken[0:1], taken[1:8], taken[8:700], taken[701:900]]
        acknowledging = threading.Thread(target=lambda: deque(map(broker.acknowledge, portions)))
        acknowledging.start()
        acknowledging.join()
    with listening(mosquitto.url) as broker:
        assert numbers_of(take(broker, 101)) == [700, *range(900, 1_000)]
        assert broker.take(1, 0.2) == []


def test_a_group_shares_the_load_and_each_message_comes_once(
    mosquitto: Mosquitto, publish: Callable[[range], None]
) -> None:
    with (
        listening(mosquitto.url, "one", share="liftwatch") as one,
        listening(mosquitto.url, "two", share="liftwatch") as two,
    ):
        until(lambda: one.connected_since() and two.connected_since())
        time.sleep(0.5)  # the subscriptions
        publish(range(400))
        until(lambda: one.waiting() + two.waiting() == 400)
        taken = {broker: take(broker, broker.waiting()) for broker in (one, two)}
        assert sorted(numbers_of([*taken[one], *taken[two]])) == list(range(400))
        assert min(len(taken[one]), len(taken[two])) > 100
        assert {delivery.topic for delivery in [*taken[one], *taken[two]]} == {"lifts/v1/L1/door"}


def test_a_session_that_joins_a_group_gives_up_what_it_received_alone(
    mosquitto: Mosquitto, publish: Callable[[range], None]
) -> None:
    with listening(mosquitto.url) as alone:
        until(alone.connected_since)
        time.sleep(0.3)
    with listening(mosquitto.url, share="liftwatch") as shared:
        until(shared.connected_since)
        time.sleep(0.5)  # the subscriptions
        publish(range(10))
        assert numbers_of(take(shared, 10)) == list(range(10))
        assert shared.take(1, 0.5) == []


@pytest.mark.parametrize("share", ["", "a/b", "a+", "#"])
def test_a_group_needs_a_name_that_mqtt_allows(share: str) -> None:
    with pytest.raises(ValueError, match="group of subscribers"):
        PahoBroker(parse_broker_url("mqtt://h"), "name", SystemClock(), share=share)


def test_a_name_that_two_use_is_suspected_and_not_cleared_at_once(mosquitto: Mosquitto) -> None:
    with listening(mosquitto.url) as first:
        until(first.connected_since)
        with listening(mosquitto.url):
            until(lambda: "is client id liftwatch-test used by another program?" in (first.trouble() or ""))
        until(first.connected_since)
        assert "is client id liftwatch-test used by another program?" in (first.trouble() or "")


def test_a_name_of_which_the_broker_says_that_another_uses_it_is_told() -> None:
    with ScriptedBroker(CONNACK, SUBACK + DISCONNECT_TAKEN_OVER) as server, listening(server.url) as broker:
        until(lambda: broker.trouble() == "client id liftwatch-test is used by another program")


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        ((CONNACK, SUBACK_NOT_AUTHORIZED), "the broker refuses the subscription to lifts/v1/#: Not authorized"),
        ((NOT_AUTHORIZED,), "the broker refuses the connection: Not authorized"),
    ],
)
def test_a_refusal_is_told(answers: tuple[bytes, ...], words: str) -> None:
    with ScriptedBroker(*answers) as server, listening(server.url) as broker:
        until(lambda: broker.trouble() == words)
        until(lambda: broker.connected_since() is None)
