"""Killed in the middle of ingest: once all is back, every acknowledged message is there, once."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import pytest
from paho.mqtt.client import Client, MQTTMessageInfo
from paho.mqtt.enums import CallbackAPIVersion

from tests.servers import Mosquitto, Postgresql
from tests.service import Service, until

LIFT = "KILLED"
KILLS = 3
MESSAGES = 6_000


@pytest.fixture
def own_postgresql() -> Iterator[Postgresql]:
    """A server that the test may kill."""
    server = Postgresql()
    yield server
    server.close()


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

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()


def stored(service: Service) -> list[int]:
    if not service.items("/api/v1/lifts"):
        return []
    page = f"/api/v1/lifts/{LIFT}/telemetry?kind=door&limit=500"
    return [message["seq"] for message in service.items(page)]


def test_a_service_killed_during_ingest_has_every_acknowledged_message_once(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    with Service(tmp_path, mosquitto.url, auto_register="1") as service, Lift(mosquitto) as lift:
        for seq in range(MESSAGES):
            lift.publish(seq)
            if seq % (MESSAGES // (KILLS + 1)) == MESSAGES // (KILLS + 1) - 1 and seq + 1 < MESSAGES:
                until(lambda: stored(service), "the first messages")
                service.kill()
                service.start()
        assert lift.acknowledged() == set(range(MESSAGES))
        until(lambda: len(stored(service)) >= MESSAGES, "all messages")
        assert sorted(stored(service)) == list(range(MESSAGES))
        assert service.stop() == 0


def test_a_database_that_is_killed_and_comes_back_costs_no_message(
    tmp_path: Path, mosquitto: Mosquitto, own_postgresql: Postgresql
) -> None:
    with (
        own_postgresql.database() as name,
        Service(tmp_path, mosquitto.url, auto_register="1", database_url=own_postgresql.url(name)) as service,
        Lift(mosquitto) as lift,
    ):
        for seq in range(500):
            lift.publish(seq)
        until(lambda: len(stored(service)) == 500, "the first messages")
        own_postgresql.kill()
        for seq in range(500, 1_000):
            lift.publish(seq)
        assert len(lift.acknowledged()) == 1_000
        own_postgresql.start()
        service.until_ready()
        until(lambda: len(stored(service)) >= 1_000, "the messages of the outage")
        assert sorted(stored(service)) == list(range(1_000))
        assert service.stop() == 0
