from datetime import timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from ingest.messages import Kind, State
from ingest.telemetry_store import StoreUnavailableError
from tests.unit.api.parts import NOON, Client, SilentStore, World, world_on


def test_an_empty_register_is_an_empty_list(client: Client) -> None:
    assert client.get("/api/v1/lifts").json() == {"items": [], "next": None}


def test_a_lift_is_registered_and_found(client: Client) -> None:
    told = {
        "site_id": "S1",
        "site_name": "Harbour Plaza",
        "floors": 20,
        "regime": "CN-2012",
        "profile": "example-vf200",
    }
    created = client.put("/api/v1/lifts/L1", **told, commissioned_on="2015-06-01")
    assert created.status_code == 201
    assert client.get("/api/v1/lifts/L1").json() == created.json()
    assert created.json() | told == created.json()
    assert created.json()["registered_at"] == "2026-03-02T12:00:00Z"
    assert (created.json()["connected"], created.json()["last_message_at"]) == (False, None)


def test_a_field_left_out_stays_and_null_forgets_it(world: World) -> None:
    world.client.put("/api/v1/lifts/L1", maker="Maker", team="North", certificate_expires_on="2026-12-31")
    world.clock.advance(timedelta(days=1))
    changed = world.client.put("/api/v1/lifts/L1", team=None, floors=7)
    assert changed.status_code == 200
    lift = changed.json()
    assert (lift["maker"], lift["team"], lift["floors"]) == ("Maker", None, 7)
    assert lift["certificate_expires_on"] == "2026-12-31"
    assert lift["registered_at"] == "2026-03-02T12:00:00Z"


@pytest.mark.parametrize(
    ("body", "at", "said"),
    [
        ({"regime": "XX-1"}, "body.regime", "CN-2012"),
        ({"profile": "nobody"}, "body.profile", "example-vf200"),
        ({"site_name": "Nowhere"}, "body.site_name", "site_id"),
        ({"site_address": "Nowhere 1"}, "body.site_address", "site_id"),
        ({"floors": 0}, "body.floors", ""),
        ({"makr": "Maker"}, "body.makr", ""),
        ({"team": "a\nb"}, "body.team", ""),
        ({"team": "x" * 201}, "body.team", ""),
        ({"commissioned_on": 17}, "body.commissioned_on", "2026-01-31"),
        ({"commissioned_on": "9999-12-31"}, "body.commissioned_on", ""),
        ({"commissioned_on": "2026-02-30"}, "body.commissioned_on", ""),
    ],
)
def test_what_cannot_be_registered_is_named(world: World, body: dict[str, object], at: str, said: str) -> None:
    response = world.client.put("/api/v1/lifts/L1", **body)
    assert response.status_code == 422
    (error,) = response.json()["errors"]
    assert error["at"] == at
    assert said in error["detail"]
    assert world.service.register.find("L1") is None


def test_a_lift_that_nobody_registered_is_not_found(client: Client) -> None:
    response = client.get("/api/v1/lifts/L9")
    assert response.status_code == 404
    assert "L9" in response.json()["detail"]


def test_a_lift_shows_how_it_stands(world: World) -> None:
    world.register("L1", site_id="S1")
    world.stand("L1", floor=4, door="closed", moving=True)
    world.trap("L1", at_s=30)
    lift = world.client.get("/api/v1/lifts/L1").json()
    assert lift["connected"] is True
    assert lift["silent"] is False
    assert lift["last_message_at"] == "2026-03-02T12:00:30Z"
    assert (lift["service_mode"], lift["floor"], lift["door"], lift["moving"]) == ("normal", 4, "closed", True)
    assert lift["state_at"] == "2026-03-02T12:00:00Z"
    assert lift["open_alerts"] == 1
    assert lift["telemetry"] == "available"


def test_a_lift_whose_connection_broke_is_not_connected_and_later_silent(world: World) -> None:
    world.register("L1")
    world.stand("L1")
    world.say("L1", Kind.STATE, State(connected=False), at_s=60)
    assert world.client.get("/api/v1/lifts/L1").json()["connected"] is False
    world.service.desk.watch(NOON + timedelta(hours=1), NOON)
    lift = world.client.get("/api/v1/lifts/L1").json()
    assert (lift["silent"], lift["open_alerts"]) == (True, 1)


def test_lifts_come_in_pages_by_id_and_by_site(world: World) -> None:
    world.register("L3", "L1", "L5", site_id="S1")
    world.register("L2", "L4", site_id="S2")
    ids = [[lift["lift_id"] for lift in page] for page in world.client.pages("/api/v1/lifts", 2)]
    assert ids == [["L1", "L2"], ["L3", "L4"], ["L5"]]
    assert [lift["lift_id"] for (lift,) in world.client.pages("/api/v1/lifts", 1, site_id="S2")] == ["L2", "L4"]
    assert world.client.get("/api/v1/lifts", site_id="S9").json()["items"] == []


def test_a_page_that_ends_with_the_list_has_no_next(world: World) -> None:
    world.register("L1", "L2")
    assert world.client.get("/api/v1/lifts", limit=2).json()["next"] is None


def test_lifts_are_listed_while_the_telemetry_store_is_away(sqlite_engine: Engine) -> None:
    world = world_on(sqlite_engine, SilentStore())
    world.register("L1", "L2")
    with pytest.raises(StoreUnavailableError):
        world.service.store.latest_states()
    lifts = world.client.get("/api/v1/lifts").json()["items"]
    assert [(lift["telemetry"], lift["service_mode"]) for lift in lifts] == [("unavailable", None)] * 2


def test_alerts_and_orders_never_need_the_telemetry_store(sqlite_engine: Engine) -> None:
    world = world_on(sqlite_engine, SilentStore())
    world.register("L1")
    alert_id = world.trap()
    assert world.client.get(f"/api/v1/alerts/{alert_id}").status_code == 200
    assert len(world.client.get("/api/v1/work-orders").json()["items"]) == 1
    assert world.client.get("/").status_code == 200


def test_a_page_of_lifts_asks_no_more_questions_for_more_lifts(world: World, sqlite_engine: Engine) -> None:
    world.register(*(f"L{number}" for number in range(40)))
    asked: list[str] = []
    sa.event.listen(sqlite_engine, "before_cursor_execute", lambda *args: asked.append(args[2]))
    counts = []
    for limit in (1, 40):
        asked.clear()
        assert len(world.client.get("/api/v1/lifts", limit=limit).json()["items"]) == limit
        counts.append(len(asked))
    assert counts[0] == counts[1]
