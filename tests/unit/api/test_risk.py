from datetime import timedelta

import pytest

from analytics.findings import FindingKind
from ingest.fleet import Outage, OutageKind
from tests.unit.analytics.fleets_of_chance import START, in_bursts
from tests.unit.api.parts import NOON, World


def stand(world: World, lift_id: str, days_ago: float, code: str) -> None:
    raised_at = NOON - timedelta(days=days_ago)
    outage = Outage(
        lift_id=lift_id,
        kind=OutageKind.BREAKDOWN,
        code=code,
        raised_at=raised_at,
        cleared_at=raised_at + timedelta(hours=2),
    )
    world.service.register.add_outages([outage])


def test_from_the_first_day_on_a_lift_has_a_risk(world: World) -> None:
    world.register("L1")
    answer = world.client.get("/api/v1/lifts/L1/risk").json()
    week, month = answer["horizons"]
    assert (week["horizon_days"], month["horizon_days"]) == (7, 30)
    assert 0.0 < week["probability"] < month["probability"] < 0.5
    assert (week["method"], week["score"]) == ("rates", None)
    assert answer["reasons"] == ["it has not been observed for a day yet"]


def test_a_lift_that_breaks_down_often_stands_above_its_fleet_and_says_why(world: World) -> None:
    since = (NOON - timedelta(days=200)).date()
    world.register("L1", "L2", "L3", observed_from=since)
    for days_ago in range(2, 120, 10):
        stand(world, "L1", days_ago, "door-closing-fault")
    stand(world, "L1", 50, "brake-fault")
    answer = world.client.get("/api/v1/lifts/L1/risk").json()
    month = answer["horizons"][1]
    assert month["probability"] > month["base_probability"]
    assert [one["component"] for one in answer["components"]] == ["door", "brake"]
    assert answer["reasons"][0].startswith("10 breakdowns in the last 90 days")
    quiet = world.client.get("/api/v1/lifts/L2/risk").json()
    assert quiet["horizons"][1]["probability"] < month["probability"]


def test_what_nobody_has_seen_of_a_lift_is_divided_as_the_fleet_breaks_down(world: World) -> None:
    world.register("L1", "L2", "L3", "L4", "L5", observed_from=(NOON - timedelta(days=3)).date())
    for lift_id in ("L1", "L2", "L3"):
        stand(world, lift_id, 1.5, "door-closing-fault")
    stand(world, "L4", 1.5, "brake-fault")
    quiet = world.client.get("/api/v1/lifts/L5/risk").json()
    by_part = {one["component"]: one["expected_count"] for one in quiet["components"]}
    assert by_part["door"] > 1.5 * by_part["brake"]
    assert sum(by_part.values()) < 2 * quiet["horizons"][1]["expected_count"]


def test_what_came_later_is_not_known(world: World) -> None:
    world.register("L1", observed_from=(NOON - timedelta(days=100)).date())
    before = world.client.get("/api/v1/lifts/L1/risk", as_of="2026-02-20T00:00:00Z").json()
    stand(world, "L1", 3, "brake-fault")
    assert world.client.get("/api/v1/lifts/L1/risk", as_of="2026-02-20T00:00:00Z").json() == before


def test_an_unknown_lift_has_none(world: World) -> None:
    assert world.client.get("/api/v1/lifts/L9/risk").status_code == 404


@pytest.fixture(name="scored")
def world_with_a_year(world: World) -> World:
    """A fleet of 60 whose breakdowns come in bursts, the last of them shortly before noon."""
    shift = NOON - timedelta(days=300) - START
    world.register(*(f"L{number:03d}" for number in range(60)), observed_from=(NOON - timedelta(days=300)).date())
    outages = [
        Outage(
            lift_id=item.lift_id,
            kind=item.kind,
            code=item.code,
            raised_at=item.raised_at + shift,
            cleared_at=None if item.cleared_at is None else item.cleared_at + shift,
        )
        for item in in_bursts(2)
    ]
    world.service.register.add_outages(list({(item.lift_id, item.raised_at): item for item in outages}.values()))
    return world


def test_nobody_waits_for_a_model_and_a_scored_one_finds_what_is_likely(scored: World) -> None:
    at = {"as_of": NOON.isoformat()}
    first = scored.client.get("/api/v1/lifts/L000/risk").json()
    assert (first["provisional"], first["horizons"][0]["method"]) == (True, "rates")
    assert scored.client.get("/api/v1/findings", **at).json()["provisional"]
    assert scored.service.risks.is_wanted
    scored.service.risks.catch_up(NOON)
    assert not scored.client.get("/api/v1/findings", **at).json()["provisional"]
    answer = scored.client.get("/api/v1/lifts/L000/risk").json()
    assert not answer["provisional"]
    score = answer["horizons"][0]["score"]
    assert score["brier_skill"] >= score["rates_brier_skill"]
    assert score["trained_until"] <= answer["predicted_at"]
    found = [one for one in scored.service.assessment.assess(NOON) if one.kind is FindingKind.BREAKDOWN_LIKELY]
    risk = scored.service.risks.risk(NOON)
    model = risk.models[30.0]
    if model is not None and model.held_out.threshold is not None:
        assert all(one.value >= one.limit >= model.held_out.threshold for one in found)
        assert all("likely" in one.reason and one.evidence[0]["reasons"] for one in found)
    else:
        assert found == []
