import pytest

from ingest.messages import Fault, Kind
from tests.unit.api.parts import Client, World


@pytest.fixture
def alert_id(world: World) -> int:
    """An entrapment at lift L1."""
    world.register("L1", "L2")
    return world.trap()


def test_an_entrapment_is_a_critical_alert_that_explains_itself(client: Client, alert_id: int) -> None:
    (alert,) = client.get("/api/v1/alerts").json()["items"]
    assert (alert["id"], alert["lift_id"], alert["kind"], alert["code"]) == (alert_id, "L1", "entrapment", "entrapment")
    assert (alert["priority"], alert["state"]) == (1, "active-unacknowledged")
    assert (alert["raised_at"], alert["cleared_at"]) == ("2026-03-02T12:00:00Z", None)
    assert alert["acknowledged_at"] is None
    assert alert["message"]
    assert alert["evidence"]
    assert client.get(f"/api/v1/work-orders/{alert['work_order_id']}").json()["alert_ids"] == [alert_id]


def test_acknowledging_is_written_down(client: Client, alert_id: int) -> None:
    response = client.post(f"/api/v1/alerts/{alert_id}/acknowledge", by=" Li ", note="calling the car")
    assert response.status_code == 200
    assert (response.json()["state"], response.json()["acknowledged_by"]) == ("active-acknowledged", "Li")
    history = client.get(f"/api/v1/alerts/{alert_id}").json()["history"]
    assert (history[-1]["actor"], history[-1]["note"]) == ("Li", "calling the car")
    assert history[-1]["at"] == "2026-03-02T12:00:00Z"


def test_acknowledging_twice_is_a_conflict(client: Client, alert_id: int) -> None:
    path = f"/api/v1/alerts/{alert_id}/acknowledge"
    assert client.post(path, by="Li").status_code == 200
    again = client.post(path, by="Wu")
    assert again.status_code == 409
    assert again.json()["type"] == "/docs#illegal-transition"


def test_clearing_needs_a_reason(client: Client, alert_id: int) -> None:
    path = f"/api/v1/alerts/{alert_id}/clear"
    assert client.post(path, by="Li").status_code == 422
    assert client.post(path, by="Li", note="  ").status_code == 422
    cleared = client.post(path, by="Li", note="all out,\nseen by the guard")
    assert (cleared.status_code, cleared.json()["state"]) == (200, "cleared-unacknowledged")
    assert client.post(path, by="Li", note="again").status_code == 409


def test_a_comment_changes_nothing_but_the_history(client: Client, alert_id: int) -> None:
    before = client.get(f"/api/v1/alerts/{alert_id}").json()
    assert client.post(f"/api/v1/alerts/{alert_id}/comment", by="Li", note="three persons").status_code == 200
    after = client.get(f"/api/v1/alerts/{alert_id}").json()
    assert after["history"][-1]["note"] == "three persons"
    assert {**after, "history": None} == {**before, "history": None}


@pytest.mark.parametrize("step", ["acknowledge", "clear", "comment"])
def test_an_alert_that_is_not_there_is_not_found(client: Client, step: str) -> None:
    assert client.get("/api/v1/alerts/7").status_code == 404
    assert client.post(f"/api/v1/alerts/7/{step}", by="Li", note="x").status_code == 404


def test_alerts_are_filtered(world: World, alert_id: int) -> None:
    world.say("L2", Kind.FAULT, Fault(code="lift-shaft-device-fault", phase="raised"), at_s=5)
    world.client.post(f"/api/v1/alerts/{alert_id}/clear", by="Li", note="over")

    def lifts(**filters: object) -> list[str]:
        return [alert["lift_id"] for alert in world.client.get("/api/v1/alerts", **filters).json()["items"]]

    assert lifts() == ["L2", "L1"]
    assert lifts(lift_id="L1") == ["L1"]
    assert lifts(kind="lift-stopped") == ["L2"]
    assert lifts(priority=1) == ["L1"]
    assert lifts(state="open") == ["L2"]
    assert lifts(state="cleared-unacknowledged") == ["L1"]
    assert lifts(state="open", lift_id="L1") == []


def test_alerts_come_in_pages_newest_first(world: World) -> None:
    ids = [world.trap(f"L{number}", at_s=number) for number in range(5)]
    pages = world.client.pages("/api/v1/alerts", 2)
    assert [[alert["id"] for alert in page] for page in pages] == [ids[:2:-1], ids[2:0:-1], ids[:1]]
