"""The main job, end to end on real parts: a lift speaks, an order opens, and it can be read through the API."""

import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from tests.servers import Mosquitto
from tests.service import ROOT, Service, until

LIFTS = 12
HISTORY_DAYS = 12


@pytest.fixture(params=["embedded and SQLite", "InfluxDB and PostgreSQL"])
def service(request: pytest.FixtureRequest, tmp_path: Path, mosquitto: Mosquitto) -> Iterator[Service]:
    settings = {}
    if request.param == "InfluxDB and PostgreSQL":
        settings = {
            "store_url": request.getfixturevalue("influx_store_url"),
            "database_url": request.getfixturevalue("postgresql_url"),
        }
    with Service(tmp_path, mosquitto.url, **settings) as service:
        yield service


def simulator(*arguments: str) -> None:
    command = [sys.executable, "-m", "simulator", "--lifts", str(LIFTS), "--seed", "7", *arguments]
    subprocess.run(command, cwd=ROOT, check=True, timeout=120, capture_output=True)


class Controller:
    """A controller in the hands of the test."""

    def __init__(self, mosquitto: Mosquitto, lift_id: str) -> None:
        self._lift_id = lift_id
        self._client = Client(CallbackAPIVersion.VERSION2)
        self._client.connect(mosquitto.host, mosquitto.port)
        self._client.loop_start()

    def say(self, kind: str, payload: str) -> None:
        self._client.publish(f"lifts/v1/{self._lift_id}/{kind}", payload, qos=1).wait_for_publish(20)

    def fault(self, code: str, phase: str, at: float) -> None:
        self.say("fault", f'{{"at": {int(at * 1000)}, "code": "{code}", "phase": "{phase}", "passengers": true}}')

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


def entrapments(service: Service, lift_id: str, state: str = "") -> list[dict[str, Any]]:
    return service.items(f"/api/v1/alerts?lift_id={lift_id}&kind=entrapment{state}")


def test_from_the_lift_to_the_order(service: Service, mosquitto: Mosquitto, tmp_path: Path) -> None:
    fleet = tmp_path / "fleet"
    simulator("--register-files", str(fleet))
    service.command("import", str(fleet))
    lifts = service.items("/api/v1/lifts")
    assert len(lifts) == LIFTS

    simulator("--broker", mosquitto.url, "--history-days", str(HISTORY_DAYS), "--once")
    a_door_sticks_again_and_again(mosquitto, lifts[-1]["lift_id"])
    findings = until(
        lambda: [f for f in service.items("/api/v1/findings") if f["kind"] == "repeated-fault"], "a repeated fault"
    )
    assert all(finding["value"] >= finding["limit"] and finding["evidence"] for finding in findings)

    repeated = until(lambda: service.items("/api/v1/alerts?kind=repeated-fault&state=open"), "its alert")
    orders = {order["id"]: order for order in service.items("/api/v1/work-orders")}
    order = orders[repeated[0]["work_order_id"]]
    assert (order["lift_id"], order["kind"], order["cause"]) == (repeated[0]["lift_id"], "repair", repeated[0]["code"])
    assert repeated[0]["id"] in order["alert_ids"]
    keys = Counter((order["lift_id"], order["cause"]) for order in orders.values())
    assert max(keys.values()) == 1, "one open order for a lift and cause"

    loud = {"entrapment", "passenger-alarm", "lift-stopped"}
    rang = [alert for alert in service.items("/api/v1/alerts") if alert["kind"] in loud]
    assert rang == [], "a history is old news and rings nothing"
    assert service.items("/api/v1/quarantine") == []

    people_are_trapped_and_freed(service, mosquitto, lifts[0]["lift_id"])
    assert service.stop() == 0


def a_door_sticks_again_and_again(mosquitto: Mosquitto, lift_id: str) -> None:
    """Three faults within a week, told late: what the simulated days bring of that is chance."""
    controller = Controller(mosquitto, lift_id)
    for days_ago in (3, 2, 1):
        raised = time.time() - days_ago * 86_400
        controller.fault("door-closing-fault", "raised", raised)
        controller.fault("door-closing-fault", "cleared", raised + 300)
    controller.close()


def people_are_trapped_and_freed(service: Service, mosquitto: Mosquitto, lift_id: str) -> None:
    controller = Controller(mosquitto, lift_id)
    begun = time.time()
    for second in range(5):
        controller.fault("entrapment", "raised", begun + second / 10)
        controller.say("fault", "garbage")
    (alert,) = until(lambda: entrapments(service, lift_id, "&state=open"), "the entrapment")
    assert (alert["priority"], alert["code"]) == (1, "entrapment")
    until(lambda: service.items(f"/api/v1/quarantine?lift_id={lift_id}"), "the garbage in quarantine")
    assert len(entrapments(service, lift_id)) == 1

    orders = service.items(f"/api/v1/work-orders?lift_id={lift_id}&kind=rescue")
    assert [order["id"] for order in orders] == [alert["work_order_id"]]
    clock = datetime.fromisoformat(orders[0]["arrive_by"]) - datetime.fromisoformat(orders[0]["opened_at"])
    assert clock == timedelta(minutes=30)

    controller.fault("entrapment", "cleared", time.time() + 1)
    until(lambda: not entrapments(service, lift_id, "&state=open"), "the end of the entrapment")
    (cleared,) = entrapments(service, lift_id)
    assert cleared["cleared_at"] is not None
    assert service.get(f"/api/v1/work-orders/{alert['work_order_id']}")["state"] == "open", "a person closes the order"
    controller.close()
