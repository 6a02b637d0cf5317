from datetime import timedelta

import pytest

from ingest.messages import Fault, Kind
from tests.unit.api.parts import NOON, Client, World

PATH = "/api/v1/work-orders/1"


@pytest.fixture
def order(world: World) -> World:
    """The rescue order of an entrapment at lift L1."""
    world.register("L1")
    world.trap()
    return world


def move(client: Client, to: str, **words: object) -> int:
    return client.post(f"{PATH}/transitions", to=to, by="Li", **words).status_code


def test_an_entrapment_opens_one_order_with_a_clock(order: World) -> None:
    (found,) = order.client.get("/api/v1/work-orders").json()["items"]
    assert (found["lift_id"], found["kind"], found["cause"], found["state"]) == ("L1", "rescue", "entrapment", "open")
    assert found["number"].startswith("WO-2026-")
    assert (found["opened_at"], found["arrive_by"]) == ("2026-03-02T12:00:00Z", "2026-03-02T12:30:00Z")
    assert found["recurrence_of"] is None
    (alert,) = order.client.get("/api/v1/alerts").json()["items"]
    assert "trapped" in alert["message"]
    assert order.client.get(PATH).json()["guidance"] == [alert["guidance"]]  # who goes there need not look for it


def test_an_order_goes_its_way_and_tells_it(order: World) -> None:
    assert move(order.client, "assigned", assigned_to="Chan") == 200
    order.clock.advance(timedelta(minutes=20))
    assert move(order.client, "on-site") == 200
    assert move(order.client, "done", cause_code="door-lock") == 200
    told = order.client.get(PATH).json()
    assert (told["state"], told["assigned_to"], told["cause_code"]) == ("done", "Chan", "door-lock")
    assert told["arrived_at"] == "2026-03-02T12:20:00Z"
    assert told["legal_next"] == ["verified", "closed"]
    assert [entry["actor"] for entry in told["history"]][-3:] == ["Li"] * 3
    assert [visit["work_order"] for visit in order.client.get("/api/v1/visits").json()["items"]] == [told["number"]]


def test_a_step_that_may_not_be_taken_names_those_that_may(order: World) -> None:
    response = order.client.post(f"{PATH}/transitions", to="closed", by="Li")
    assert response.status_code == 409
    problem = response.json()
    assert problem["type"] == "/docs#illegal-transition"
    assert problem["legal_next"] == ["assigned", "accepted", "en-route", "on-site", "cancelled"]
    assert problem["legal_next"] == order.client.get(PATH).json()["legal_next"]


def test_a_step_without_what_it_needs_says_what(order: World) -> None:
    response = order.client.post(f"{PATH}/transitions", to="assigned", by="Li")
    assert response.status_code == 409
    assert "assigned_to" in response.json()["detail"]


def test_a_state_that_does_not_exist_is_invalid(order: World) -> None:
    assert move(order.client, "lost") == 422


def test_work_done_at_a_lift_that_is_not_registered_is_done_all_the_same(world: World) -> None:
    world.trap("STRANGER")
    assert move(world.client, "on-site") == 200
    assert move(world.client, "done", cause_code="door-lock") == 200
    assert world.client.get(PATH).json()["state"] == "done"


def test_an_order_that_is_not_there_is_not_found(client: Client) -> None:
    assert client.get("/api/v1/work-orders/7").status_code == 404
    assert client.post("/api/v1/work-orders/7/transitions", to="done", by="Li").status_code == 404


def test_orders_are_filtered_and_come_in_pages(world: World) -> None:
    world.register("L1", "L2", "L3")
    world.trap("L1")
    world.trap("L2", at_s=1)
    world.say("L3", Kind.FAULT, Fault(code="lift-shaft-device-fault", phase="raised"), at_s=2)
    move(world.client, "on-site")

    def lifts(**filters: object) -> list[str]:
        pages = world.client.pages("/api/v1/work-orders", 1, **filters)
        return [order["lift_id"] for page in pages for order in page]

    assert lifts() == ["L3", "L2", "L1"]
    assert lifts(kind="rescue") == ["L2", "L1"]
    assert lifts(state="open") == ["L3", "L2"]
    assert lifts(lift_id="L2") == ["L2"]


def test_an_order_after_one_that_is_done_is_linked_to_it(order: World) -> None:
    order.say("L1", Kind.FAULT, Fault(code="entrapment", phase="cleared", seq=1), at_s=60)
    move(order.client, "on-site")
    move(order.client, "done", cause_code="door-lock")
    order.clock.advance(timedelta(days=2))
    order.trap(at_s=(order.clock.now() - NOON).total_seconds())
    newest = order.client.get("/api/v1/work-orders").json()["items"][0]
    assert (newest["id"], newest["recurrence_of"]) == (2, 1)
