import base64
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from api.schemas import PREVIEW_CHARS_MAX
from ingest.clock import to_ms
from ingest.intake import UNKNOWN_LIFT, Intake
from ingest.messages import Kind, Message
from ingest.quarantine import Quarantined, Selection, Settled
from ingest.telemetry_store import MemoryTelemetryStore, StoreUnavailableError
from ingest.wire import Reason
from tests.unit.api.parts import NOON, Client, World, world_on


class DeafStore(MemoryTelemetryStore):
    """A telemetry store that takes nothing at present."""

    def write(self, messages: Sequence[Message]) -> None:
        raise StoreUnavailableError(messages)


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
        "is_summary": False,
        "replayable": True,
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

    world.service.quarantine.settle([Settled(3)], NOON)
    assert payloads() == ["3", "2", "1"]
    assert payloads(reason="not-json") == ["3", "1"]
    assert payloads(lift_id="L1") == ["2", "1"]
    assert payloads(replayed="true") == ["3"]
    assert payloads(replayed="false", since="2026-03-02T20:00:00+08:00") == ["2", "1"]
    assert payloads(until="2026-03-02T12:00:00Z") == []


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


def refuse(world: World, *contents: str, kind: str = "fault") -> None:
    """Let L1 say something before it is registered."""
    for content in contents:
        taken = Intake({}).take(f"lifts/v1/L1/{kind}", content.encode(), to_ms(NOON), lambda _: UNKNOWN_LIFT)
        world.service.quarantine.add(taken.quarantined)


def entrapment(seq: int) -> str:
    return f'{{"at": {to_ms(NOON)}, "code": "entrapment", "phase": "raised", "seq": {seq}}}'


def replayed(**counts: Any) -> dict[str, Any]:
    none = dict.fromkeys(("rows", "replayed", "messages", "rest", "refused", "unreplayable"), 0)
    return {**none, "dry_run": False, "next": None, **counts}


def stored(world: World) -> Sequence[object]:
    return world.service.store.messages("L1", Kind.FAULT, NOON - timedelta(days=1), NOON + timedelta(days=1))


def test_a_replay_brings_messages_to_the_store_and_wakes_nobody(world: World) -> None:
    refuse(world, entrapment(1), entrapment(2))
    world.register("L1")
    told = world.client.post("/api/v1/quarantine/replay", reason="unknown-lift", lift_id="L1", dry_run=True)
    assert told.json() == replayed(rows=2, replayed=2, messages=2, dry_run=True)
    assert stored(world) == []
    done = world.client.post("/api/v1/quarantine/replay", reason="unknown-lift", lift_id="L1")
    assert (done.status_code, done.json()) == (200, replayed(rows=2, replayed=2, messages=2))
    assert len(stored(world)) == 2
    assert world.client.get("/api/v1/alerts").json()["items"] == []
    items = world.client.get("/api/v1/quarantine").json()["items"]
    assert [item["replayed_at"] for item in items] == ["2026-03-02T12:00:00Z"] * 2
    assert world.client.post("/api/v1/quarantine/replay").json() == replayed()


def test_a_replay_takes_the_filters_of_the_list_and_goes_on_where_it_ended(world: World) -> None:
    refuse(world, *map(entrapment, range(5)))
    world.register("L1")
    window = {"since": "2026-03-02T12:00:00Z", "until": "2026-03-02T12:00:01Z"}
    first = world.client.post("/api/v1/quarantine/replay", limit=3, **window).json()
    assert first == replayed(rows=3, replayed=3, messages=3, next=first["next"])
    rest = world.client.post("/api/v1/quarantine/replay", limit=3, cursor=first["next"], **window).json()
    assert rest == replayed(rows=2, replayed=2, messages=2)
    assert world.client.post("/api/v1/quarantine/replay", until="2026-03-02T12:00:00Z").json() == replayed()


@pytest.mark.parametrize(
    ("body", "at"),
    [
        ({"limit": 1_001}, "body.limit"),
        ({"limit": 0}, "body.limit"),
        ({"cursor": "?"}, "body.cursor"),
        ({"reason": "noise"}, "body.reason"),
        ({"since": "yesterday"}, "body.since"),
        ({"replayed": True}, "body.replayed"),
    ],
)
def test_a_replay_that_does_not_fit_is_refused(client: Client, body: dict[str, Any], at: str) -> None:
    refused = client.post("/api/v1/quarantine/replay", **body)
    assert (refused.status_code, refused.json()["errors"][0]["at"]) == (422, at)


def test_one_message_is_replayed_once(world: World) -> None:
    refuse(world, entrapment(1))
    path = "/api/v1/quarantine/1/replay"
    assert world.client.request("POST", path).json() == replayed(rows=1, refused=1), "nobody has registered the lift"
    world.register("L1")
    assert world.client.request("POST", path).json() == replayed(rows=1, replayed=1, messages=1)
    again = world.client.request("POST", path)
    assert (again.status_code, "replayed at 2026-03-02T12:00:00" in again.json()["detail"]) == (409, True)
    assert world.client.request("POST", "/api/v1/quarantine/2/replay").status_code == 404


def test_what_is_not_kept_whole_cannot_be_replayed(world: World) -> None:
    keep(world, b"x" * 300_000, reason=Reason.TOO_LARGE)
    refused = world.client.request("POST", "/api/v1/quarantine/1/replay")
    assert (refused.status_code, "not all that came is kept" in refused.json()["detail"]) == (409, True)
    assert world.client.post("/api/v1/quarantine/replay").json() == replayed(unreplayable=1)
    assert not world.client.get("/api/v1/quarantine/1").json()["replayable"]


def test_what_another_replay_has_in_hand_is_left_to_it(world: World) -> None:
    refuse(world, entrapment(1))
    until = NOON + timedelta(minutes=1)
    world.service.quarantine.claim(Selection(), limit=1, after_id=0, now=NOON, until=until)
    assert world.client.request("POST", "/api/v1/quarantine/1/replay").status_code == 409


def test_a_replay_needs_the_token_and_no_foreign_page_may_ask_for_it(sqlite_engine: Engine) -> None:
    guarded = world_on(sqlite_engine, token="s3cret").client
    for path in ("/api/v1/quarantine/replay", "/api/v1/quarantine/1/replay"):
        assert guarded.post(path).status_code == 401
        basic = {"Authorization": "Basic " + base64.b64encode(b"any:s3cret").decode()}
        assert guarded.request("POST", path, json={}, headers=basic).status_code == 401
        foreign = {"Authorization": "Bearer s3cret", "Sec-Fetch-Site": "cross-site"}
        assert guarded.request("POST", path, json={}, headers=foreign).status_code == 403


def test_a_replay_while_the_store_is_away_is_put_off(sqlite_engine: Engine) -> None:
    world = world_on(sqlite_engine, DeafStore())
    refuse(world, entrapment(1))
    world.register("L1")
    assert world.client.post("/api/v1/quarantine/replay").status_code == 503
    assert world.client.get("/api/v1/quarantine/1").json()["replayed_at"] is None
