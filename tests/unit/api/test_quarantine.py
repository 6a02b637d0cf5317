import base64

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from api.schemas import PREVIEW_CHARS_MAX
from ingest.clock import to_ms
from ingest.quarantine import Quarantined
from ingest.wire import Reason
from tests.unit.api.parts import NOON, Client, World


def keep(world: World, payload: bytes, lift_id: str | None = "L1", reason: Reason = Reason.NOT_JSON) -> None:
    item = Quarantined(f"lifts/v1/{lift_id}/door", lift_id, payload, reason, "line 1", to_ms(NOON))
    world.service.quarantine.add([item])


def test_garbage_is_listed_with_its_reason(world: World) -> None:
    keep(world, b"\xff garbage \x00")
    (item,) = world.client.get("/api/v1/quarantine").json()["items"]
    assert item == {
        "id": 1,
        "topic": "lifts/v1/L1/door",
        "lift_id": "L1",
        "payload": "\N{REPLACEMENT CHARACTER} garbage \x00",
        "payload_bytes": 11,
        "reason": "not-json",
        "detail": "line 1",
        "received_at": "2026-03-02T12:00:00Z",
        "last_received_at": "2026-03-02T12:00:00Z",
        "times": 1,
        "replayed_at": None,
    }


def test_one_is_shown_whole_to_the_byte(world: World) -> None:
    payload = "塔".encode() * 5_000 + b"\xff"
    keep(world, payload)
    whole = world.client.get("/api/v1/quarantine/1").json()
    assert base64.b64decode(whole["payload_base64"]) == payload
    assert whole["payload"] == payload.decode(errors="replace")
    (listed,) = world.client.get("/api/v1/quarantine").json()["items"]
    assert listed["payload"] == "塔" * PREVIEW_CHARS_MAX
    assert listed["payload_bytes"] == len(payload)


def test_one_that_is_not_there_is_not_found(client: Client) -> None:
    assert client.get("/api/v1/quarantine/7").status_code == 404


def test_quarantine_is_filtered(world: World) -> None:
    keep(world, b"1")
    keep(world, b"2", reason=Reason.FUTURE)
    keep(world, b"3", lift_id="L2")

    def payloads(**filters: str) -> list[str]:
        return [item["payload"] for item in world.client.get("/api/v1/quarantine", **filters).json()["items"]]

    assert payloads() == ["3", "2", "1"]
    assert payloads(reason="not-json") == ["3", "1"]
    assert payloads(lift_id="L1") == ["2", "1"]


@pytest.mark.parametrize("limit", [1, 19, 20, 21, 45, 100])
def test_pages_of_any_size_hold_everything_once(world: World, limit: int) -> None:
    for number in range(45):
        keep(world, b"%d" % number)
    pages = world.client.pages("/api/v1/quarantine", limit)
    assert [int(item["payload"]) for page in pages for item in page] == list(range(44, -1, -1))
    assert all(len(page) == limit for page in pages[:-1])


def test_a_list_reads_few_payloads_at_a_time(world: World, sqlite_engine: Engine) -> None:
    for number in range(60):
        keep(world, b"%d" % number)
    asked: list[tuple[object, ...]] = []
    sa.event.listen(sqlite_engine, "before_cursor_execute", lambda *args: asked.append(args[3]))
    world.client.get("/api/v1/quarantine", limit=50)
    assert [parameters[-2] for parameters in asked if parameters] == [20, 20, 11]
