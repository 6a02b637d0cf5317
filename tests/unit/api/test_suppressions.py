from datetime import timedelta

import pytest

from ingest.messages import Fault, Kind, State
from tests.unit.api.parts import Client, World


@pytest.fixture
def stopped(world: World) -> int:
    """An alert of lift L1, which has stopped."""
    world.register("L1", "L2", site_id="tower")
    world.say("L1", Kind.FAULT, Fault(code="runtime-limit-exceeded", phase="raised", seq=1))
    return world.service.journal.alerts(limit=1)[0].id


def found(client: Client, **wanted: str) -> list[int]:
    return [alert["id"] for alert in client.get("/api/v1/alerts", **wanted).json()["items"]]


def test_an_alert_is_put_aside_with_a_reason_and_taken_off_again(client: Client, stopped: int) -> None:
    answer = client.post(f"/api/v1/alerts/{stopped}/shelve", by="Olga", note="the part comes", minutes=60)
    assert answer.status_code == 200
    shelved = answer.json()
    assert (shelved["suppression"], shelved["shelved_by"], shelved["shelve_reason"]) == (
        "shelved",
        "Olga",
        "the part comes",
    )
    assert shelved["shelved_until"] == "2026-03-02T13:00:00Z"
    assert shelved["state"] == "active-unacknowledged"
    assert found(client, suppression="shelved") == [stopped]
    assert found(client, suppression="none") == []
    assert found(client) == [stopped], "without the filter all are listed, as ever"
    (shelf,) = client.get("/api/v1/alerts/shelves").json()["items"]
    assert (shelf["alert_id"], shelf["returns"]) == (stopped, 0)
    back = client.post(f"/api/v1/alerts/{stopped}/unshelve", by="Olga").json()
    assert (back["suppression"], back["shelved_until"]) == ("none", None)
    actions = [entry["action"] for entry in client.get(f"/api/v1/alerts/{stopped}").json()["history"]]
    assert actions == ["raised", "shelved", "unshelved"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"note": "why", "minutes": 0}, 422),
        ({"note": "why", "minutes": 10_081}, 422),
        ({"note": " ", "minutes": 60}, 422),
        ({"minutes": 60}, 422),
        ({"note": "why"}, 422),
    ],
)
def test_a_shelf_without_a_reason_or_an_end_is_refused(
    client: Client, stopped: int, body: dict[str, object], status: int
) -> None:
    assert client.post(f"/api/v1/alerts/{stopped}/shelve", by="Olga", **body).status_code == status


def test_what_is_not_on_a_shelf_or_is_there_already_is_a_conflict(client: Client, stopped: int) -> None:
    assert client.post(f"/api/v1/alerts/{stopped}/unshelve", by="Olga").status_code == 409
    order = {"by": "Olga", "note": "why", "minutes": 60}
    assert client.post(f"/api/v1/alerts/{stopped}/shelve", **order).status_code == 200
    assert client.post(f"/api/v1/alerts/{stopped}/shelve", **order).status_code == 409
    assert client.post("/api/v1/alerts/99/shelve", **order).status_code == 404


def test_people_in_danger_are_neither_put_aside_nor_taken_out(client: Client, world: World) -> None:
    world.register("L1")
    alert_id = world.trap()
    refused = client.post(f"/api/v1/alerts/{alert_id}/shelve", by="Olga", note="again", minutes=30)
    assert refused.status_code == 409
    out = {"lift_id": "L1", "by": "Olga", "note": "it is rebuilt"}
    assert client.post("/api/v1/suppressions/out-of-service", kind="entrapment", **out).status_code == 409
    assert client.post("/api/v1/suppressions/out-of-service", **out).status_code == 201
    assert client.get(f"/api/v1/alerts/{alert_id}").json()["suppression"] == "none"


def test_a_lift_is_taken_out_and_back_in(client: Client, world: World, stopped: int) -> None:
    out = client.post("/api/v1/suppressions/out-of-service", lift_id="L1", by="Olga", note="it is rebuilt")
    assert (out.status_code, out.json()["until"], out.json()["stale"]) == (201, None, False)
    assert client.get(f"/api/v1/alerts/{stopped}").json()["suppression"] == "out-of-service"
    again = client.post("/api/v1/suppressions/out-of-service", lift_id="L1", by="Olga", note="twice")
    assert again.status_code == 409
    assert client.post(f"/api/v1/suppressions/{out.json()['id']}/end", by="Olga", note="done").status_code == 200
    assert client.post(f"/api/v1/suppressions/{out.json()['id']}/end", by="Olga").status_code == 409
    assert client.post("/api/v1/suppressions/99/end", by="Olga").status_code == 404
    world.service.desk.watch(world.clock.now(), None)
    assert client.get(f"/api/v1/alerts/{stopped}").json()["suppression"] == "none"
    assert client.get("/api/v1/suppressions").json()["items"] == []
    (ended,) = client.get("/api/v1/suppressions", ended=True).json()["items"]
    assert (ended["ended_by"], ended["end_note"]) == ("Olga", "done")


def test_who_works_at_a_lift_checks_in_for_some_hours_at_most(client: Client, world: World) -> None:
    world.register("L1")
    visit = {"lift_id": "L1", "by": "Ines"}
    too_long = client.post("/api/v1/suppressions/check-ins", until="2026-03-03T12:00:00Z", **visit)
    assert too_long.status_code == 409
    checked_in = client.post("/api/v1/suppressions/check-ins", until="2026-03-02T15:00:00Z", **visit)
    assert checked_in.status_code == 201
    world.say("L1", Kind.FAULT, Fault(code="runtime-limit-exceeded", phase="raised", seq=1), at_s=60)
    (alert,) = client.get("/api/v1/alerts").json()["items"]
    assert (alert["suppression"], alert["suppressed_by"], alert["work_order_id"]) == (
        "suppressed",
        "check-in of Ines",
        None,
    )
    assert len(client.get("/api/v1/suppressions", source="check-in").json()["items"]) == 1


def test_open_alerts_are_grouped_by_site_and_kind(client: Client, world: World, stopped: int) -> None:
    world.say("L2", Kind.FAULT, Fault(code="runtime-limit-exceeded", phase="raised", seq=1))
    client.post(f"/api/v1/alerts/{stopped}/acknowledge", by="Olga")
    answer = client.get("/api/v1/alerts/groups").json()
    (group,) = answer["items"]
    assert (group["site_id"], group["kind"], group["alerts"], group["unacknowledged"]) == (
        "tower",
        "lift-stopped",
        2,
        1,
    )
    assert (group["priority"], answer["flood"]) == (2, False)


def test_the_first_page_counts_what_is_silent_and_does_not_list_it(client: Client, stopped: int) -> None:
    assert "runtime limit exceeded" in client.get("/").text
    client.post(f"/api/v1/alerts/{stopped}/shelve", by="Olga", note="the part comes", minutes=60)
    page = client.get("/").text
    assert "1 shelved" in page
    assert "runtime limit exceeded" not in page.partition('id="work-orders"')[0]


def test_a_lift_that_runs_with_open_doors_rings_after_half_a_minute(client: Client, world: World) -> None:
    world.register("L1")
    world.say("L1", Kind.STATE, State(moving=True, door="opened", floor=3))
    world.service.desk.watch(world.clock.now(), None)
    assert found(client) == []
    world.service.desk.watch(world.clock.advance(timedelta(seconds=30)), None)
    (alert,) = client.get("/api/v1/alerts").json()["items"]
    assert (alert["kind"], alert["priority"], alert["message"]) == (
        "door-open-while-moving",
        1,
        "Lift L1 moves with its doors open, floor 3",
    )
