"""Chains and shifts over HTTP."""

from datetime import timedelta
from typing import Any

import pytest

from tests.unit.api.parts import World

STEPS = [{"wait_min": 5, "team": "north"}, {"wait_min": 10, "team": "heads"}]
CHAIN = {"name": "night", "priorities": [1, 2], "steps": STEPS, "repeats": 2}


def test_a_chain_is_made_changed_and_removed(world: World) -> None:
    made = world.client.post("/api/v1/chains", **CHAIN)
    assert (made.status_code, made.json()["steps"][1]["team"]) == (201, "heads")
    changed = world.client.put("/api/v1/chains/1", **{**CHAIN, "enabled": False}).json()
    assert changed["enabled"] is False
    assert world.client.get("/api/v1/chains/1").json() == changed
    assert world.client.get("/api/v1/chains").json()["items"] == [changed]
    assert world.client.request("DELETE", "/api/v1/chains/1").status_code == 204
    assert world.client.get("/api/v1/chains/1").status_code == 404
    assert world.client.get("/api/v1/escalations", alert_id=1).json()["items"] == []


@pytest.mark.parametrize(
    ("fields", "at"),
    [
        ({"steps": []}, "body.steps"),
        ({"steps": [{"wait_min": 5}]}, "body.steps.0"),
        ({"steps": [{"wait_min": 5, "subscription_id": 7}]}, "body.steps.0.subscription_id"),
        ({"priorities": []}, "body.priorities"),
        ({"repeats": 100}, "body.repeats"),
    ],
)
def test_a_chain_that_tells_nobody_is_refused(world: World, fields: dict[str, Any], at: str) -> None:
    answer = world.client.post("/api/v1/chains", **{**CHAIN, **fields})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["at"] == at


def test_a_shift_is_handed_over_and_taken(world: World) -> None:
    world.trap()
    line = world.client.post("/api/v1/shift/entries", by="Li", text="rescue on its way to L1", lift_id="L1")
    assert line.status_code == 201
    handed = world.client.post("/api/v1/shift/handovers", by="Li", text="mind L1").json()
    assert handed["standing"]["alerts"][0]["kind"] == "entrapment"
    assert world.client.get("/api/v1/shift").json()["waiting"]["id"] == handed["id"]
    again = world.client.post("/api/v1/shift/handovers", by="Wu", text="and me")
    assert (again.status_code, again.json()["type"]) == (409, "/docs#illegal-transition")
    path = f"/api/v1/shift/handovers/{handed['id']}"
    assert world.client.post(f"{path}/confirm", by="Li").status_code == 409
    world.clock.advance(timedelta(minutes=3))
    assert world.client.post(f"{path}/confirm", by="Chan", remark="read").json()["incoming"] == "Chan"
    assert world.client.get(path).json()["remark"] == "read"
    assert world.client.get("/api/v1/shift").json()["waiting"] is None
    assert len(world.client.get("/api/v1/shift/handovers").json()["items"]) == 1
    assert world.client.get("/api/v1/shift/entries").json()["items"][0]["lift_id"] == "L1"
    assert world.client.get("/api/v1/shift/handovers/9").status_code == 404


def test_a_round_is_recorded_for_its_day(world: World) -> None:
    path = "/api/v1/shift/rounds"
    checks = [{"system": "intercom", "works": True}, {"system": "video", "works": False, "note": "camera 3"}]
    assert "2026-03-02" in world.client.get("/api/v1/shift").json()["days_without_round"]
    assert world.client.post(path, by="Li", day="2026-03-02", checks=checks).status_code == 201
    assert "2026-03-02" not in world.client.get("/api/v1/shift", day="2026-03-02").json()["days_without_round"]
    assert world.client.get(path).json()["items"][0]["checks"][1]["note"] == "camera 3"
    assert world.client.post(path, by="Li", day="2026-03-04", checks=checks).status_code == 422
    assert world.client.post(path, by="Li", day="2026-03-02", checks=[]).status_code == 422
