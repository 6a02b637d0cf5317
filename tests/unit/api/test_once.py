"""What a client sends twice because the first answer was lost happens once."""

from typing import Any

import pytest

from api.app import create_app
from api.auth import Access
from ingest.messages import Fault, Kind
from tests.unit.api.parts import World

# The same record, or the same rows, again: nothing changes, with a key or without one.
BY_THEMSELVES = {
    "/api/v1/visits",
    "/api/v1/inspections",
    "/api/v1/quarantine/replay",
    "/api/v1/quarantine/{quarantined_id}/replay",
}
BY = {"by": "Li"}
HOOK = {"name": "CMMS", "url": "https://cmms.example/hooks", "topics": ["*"]}
SOON = "2026-03-02T14:00:00Z"
REQUESTS: list[tuple[str, dict[str, Any]]] = [
    ("alerts/1/acknowledge", BY),
    ("alerts/1/comment", {**BY, "note": "the caretaker is there"}),
    ("alerts/1/clear", {**BY, "note": "seen"}),
    ("alerts/2/shelve", {**BY, "note": "known", "minutes": 30}),
    ("cases/1/stages", {**BY, "stage": "arrived"}),
    ("cases/1/people", {**BY, "people": ["Chan"]}),
    ("shift/entries", {**BY, "text": "wind"}),
    ("shift/handovers", {**BY, "text": "quiet"}),
    ("shift/rounds", {**BY, "day": "2026-03-02", "checks": [{"system": "cameras", "works": True}]}),
    ("suppressions/check-ins", {**BY, "lift_id": "L1", "until": SOON}),
    ("suppressions/out-of-service", {**BY, "lift_id": "L1", "note": "rebuilt"}),
    ("webhooks", HOOK),
    ("webhooks/1/rotate-secret", {"keep_h": 24}),
    ("webhooks/1/test", BY),
    ("webhooks/1/redeliver", {"since": "2026-03-01T00:00:00Z"}),
    ("subscriptions", {"name": "Li", "channel": "email", "address": "li@lifts.example"}),
    ("subscriptions/2/test", BY),
    ("chains", {"name": "night", "priorities": [1], "steps": [{"wait_min": 5, "subscription_id": 1}]}),
]


@pytest.fixture
def busy(world: World) -> World:
    world.register("L1")
    world.trap()
    world.say("L1", Kind.FAULT, Fault(code="power-supply-fault", phase="raised"))
    world.client.post("/api/v1/webhooks", **HOOK)
    world.client.post("/api/v1/subscriptions", name="Li", channel="email", address="li@lifts.example")
    return world


def test_the_same_request_with_its_key_happens_once(busy: World) -> None:
    for number, (path, body) in enumerate(REQUESTS):
        headers = {"Idempotency-Key": f"k{number}"}
        first, again = (busy.client.request("POST", f"/api/v1/{path}", json=body, headers=headers) for _ in range(2))
        assert first.status_code in {200, 201, 202}, first.text
        assert (again.status_code, again.content) == (first.status_code, first.content), path
        replayed = [answer.headers.get("idempotent-replayed") for answer in (first, again)]
        assert replayed == [None, "true"], path


def test_every_post_that_would_do_something_twice_takes_a_key(world: World) -> None:
    paths = create_app(world.service, Access(None)).openapi()["paths"]
    without = {
        path
        for path, methods in paths.items()
        if "post" in methods and "Idempotency-Key" not in {one["name"] for one in methods["post"].get("parameters", [])}
    }
    assert without == BY_THEMSELVES


def test_what_was_refused_may_be_sent_again_with_its_key(busy: World) -> None:
    def send() -> int:
        headers = {"Idempotency-Key": "k1"}
        return busy.client.request("POST", "/api/v1/webhooks/9/test", json=BY, headers=headers).status_code

    assert send() == 404
    for _ in range(7):
        busy.client.post("/api/v1/webhooks", **HOOK)
    assert send() == 202
