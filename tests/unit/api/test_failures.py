from datetime import timedelta
from typing import Any

import pytest

from ingest.fleet import Outage, OutageKind
from tests.unit.api.parts import NOON, Client, World

FACTS = {"name", "breakdowns", "per_year", "low", "high", "fleet_per_year"}


@pytest.fixture
def year(world: World) -> World:
    """Ten lifts of a year: each stood twice for its doors, L3 eight times more for its brake, L4 twice as planned."""
    names = [f"L{number}" for number in range(10)]
    world.register(*names, observed_from=(NOON - timedelta(days=400)).date())
    for number, lift_id in enumerate(names):
        for day in (100 + number, 250 + number):
            stand(world, lift_id, day, "door-closing-fault")
    for day in range(5, 165, 20):
        stand(world, "L3", day, "brake-fault")
    for day in (30, 60):
        stand(world, "L4", day, "repaint", OutageKind.PLANNED)
    return world


def stand(world: World, lift_id: str, days_ago: float, code: str, kind: OutageKind = OutageKind.BREAKDOWN) -> None:
    raised_at = NOON - timedelta(days=days_ago)
    outage = Outage(
        lift_id=lift_id, kind=kind, code=code, raised_at=raised_at, cleared_at=raised_at + timedelta(hours=2)
    )
    world.service.register.add_outages([outage])


def ranking(client: Client, **query: Any) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = client.get("/api/v1/failures/ranking", **query).json()["items"]
    return items


def test_a_lifts_breakdowns_stand_beside_its_fleets(year: World) -> None:
    answer = year.client.get("/api/v1/lifts/L3/failures").json()
    assert (answer["lift_id"], answer["since"], answer["until"]) == (
        "L3",
        "2025-03-02T00:00:00Z",
        "2026-03-02T00:00:00Z",
    )
    assert (answer["days_at_risk"], answer["by_code"]) == (365, {"door-closing-fault": 2, "brake-fault": 8})
    rate = answer["rate"]
    assert (set(rate), rate["breakdowns"]) == (FACTS, 10)
    assert rate["fleet_per_year"] < rate["low"] < rate["per_year"] < rate["high"]
    assert answer["worst_tenth"] > 0.8
    assert [part["name"] for part in answer["by_component"]] == ["brake", "door"]
    assert answer["trend"]["shape"] > 1
    last = answer["cumulative"][-1]
    assert (last["day"], last["own"], last["mean"], last["lifts"]) == (365, 10, pytest.approx(2.8), 10)
    assert len(answer["cumulative"]) == 53


def test_what_counts_as_no_breakdown_stands_apart(year: World) -> None:
    answer = year.client.get("/api/v1/lifts/L4/failures").json()
    assert answer["apart"] == {"planned": 2, "external": 0, "other": 0}
    assert answer["rate"]["breakdowns"] == 2


def test_a_lift_without_breakdowns_has_a_rate_and_no_trend(world: World) -> None:
    world.register("L1")
    answer = world.client.get("/api/v1/lifts/L1/failures").json()
    assert (answer["trend"], answer["by_component"], answer["cumulative"]) == (None, [], [])
    assert answer["rate"]["per_year"] > 0


def test_a_lift_that_is_not_registered_has_none(client: Client) -> None:
    assert client.get("/api/v1/lifts/L9/failures").status_code == 404


def test_only_what_was_known_then_counts(year: World) -> None:
    then = (NOON - timedelta(days=200)).isoformat()
    answer = year.client.get("/api/v1/lifts/L3/failures", as_of=then).json()
    assert answer["rate"]["breakdowns"] == 1
    stand(year, "L3", 20.5, "brake-fault")
    assert year.client.get("/api/v1/lifts/L3/failures", as_of=then).json() == answer
    assert year.client.get("/api/v1/lifts/L3/failures").json()["rate"]["breakdowns"] == 11, "what is new is read"


def test_lifts_are_ranked_and_the_ranking_says_how_sure_it_is(year: World) -> None:
    items = ranking(year.client)
    assert [item["rank"] for item in items] == list(range(1, 11))
    assert (items[0]["rate"]["name"], items[0]["lifts"]) == ("L3", 1)
    assert items[0]["worst_tenth"] > 0.8
    assert items[1]["worst_tenth"] < 0.3
    assert sum(item["worst_tenth"] for item in items) == pytest.approx(1)
    doors = ranking(year.client, component="door")
    assert {item["rate"]["breakdowns"] for item in doors} == {2}
    assert ranking(year.client, component="nothing") == []


def test_components_and_codes_are_ranked_over_the_fleet(year: World) -> None:
    (door, brake) = ranking(year.client, by="component")
    assert (door["rate"]["name"], door["rate"]["breakdowns"], door["lifts"]) == ("door", 20, 10)
    assert (brake["rate"]["name"], brake["rate"]["breakdowns"], brake["lifts"]) == ("brake", 8, 1)
    assert door["rate"]["per_year"] == pytest.approx(2, rel=0.01)
    assert door["rate"]["low"] < 2 < door["rate"]["high"]
    assert (door["worst_tenth"], door["apart"], door["days_at_risk"]) == (None, None, 3650)
    assert [item["rate"]["name"] for item in ranking(year.client, by="code")] == ["door-closing-fault", "brake-fault"]


def test_the_ranking_comes_in_pages(year: World) -> None:
    pages = year.client.pages("/api/v1/failures/ranking", 4)
    assert [len(page) for page in pages] == [4, 4, 2]
    assert [item for page in pages for item in page] == ranking(year.client)


@pytest.mark.parametrize("query", [{"by": "moon"}, {"cursor": "nonsense"}])
def test_what_nobody_can_rank_by_is_refused(client: Client, query: dict[str, str]) -> None:
    assert client.get("/api/v1/failures/ranking", **query).status_code == 422


def test_a_lift_that_was_never_at_risk_has_no_place_in_the_ranking(year: World) -> None:
    year.register("L10")
    year.register(
        "L11", observed_from=(NOON - timedelta(days=900)).date(), observed_to=(NOON - timedelta(days=500)).date()
    )
    assert {item["rate"]["name"] for item in ranking(year.client)} == {f"L{number}" for number in range(10)}


def test_a_fleet_that_was_registered_today_ranks_nobody(world: World) -> None:
    world.register("L1", "L2")
    assert ranking(world.client) == []
