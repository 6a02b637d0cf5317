from datetime import timedelta

import pytest

from ingest.messages import Fault, Kind
from tests.unit.api.parts import NOON, World


def three_alerts(world: World) -> None:
    world.register("L1", "L2")
    world.trap("L1")
    for at_s, lift_id in ((600, "L1"), (1_200, "L2")):
        world.say(lift_id, Kind.FAULT, Fault(code="lift-shaft-device-fault", phase="raised"), at_s=at_s)
    world.clock.advance(timedelta(minutes=30))
    world.client.post("/api/v1/alerts/1/acknowledge", by="Li")


def test_the_figures_of_a_window_are_told_by_day_and_by_shift(world: World) -> None:
    three_alerts(world)
    window = {"from": "2026-03-02T00:00:00Z", "to": "2026-03-03T00:00:00Z"}
    told = world.client.get("/api/v1/kpis", **window, by="shift").json()
    total = told["total"]
    assert (total["alarm_count"], total["maximum_unack_s"], total["acknowledge_median_s"]) == (3, 42_600.0, 1_800.0)
    assert total["priority_mix"]["priority_1"] == 1
    assert total["average_alarm_rate"] == pytest.approx(3 / 144)
    assert [(part["name"], part["alarm_count"]) for part in told["periods"]] == [
        ("2026-03-02 night", 0),
        ("2026-03-02 early", 3),
        ("2026-03-02 late", 0),
    ]
    by_day = world.client.get("/api/v1/kpis", **window, by="day").json()
    assert [part["alarm_count"] for part in by_day["periods"]] == [3]
    assert world.client.get("/api/v1/kpis").json()["periods"] == []


@pytest.mark.parametrize(
    "window",
    [
        {"from": "2026-03-02T00:00:00Z", "to": "2026-03-02T00:00:00Z"},
        {"from": "2025-03-02T00:00:00Z", "to": "2026-03-02T00:00:00Z"},
        {"from": "2027-03-02T00:00:00Z"},
        {"by": "year"},
        {"since": "2026-03-02T00:00:00Z"},
    ],
)
def test_a_window_that_cannot_be_told_is_a_problem(world: World, window: dict[str, str]) -> None:
    assert world.client.get("/api/v1/kpis", **window).status_code == 422


def test_the_page_tells_the_figures_beside_their_aims(world: World) -> None:
    three_alerts(world)
    for path in ("/kpis", "/kpis?span=1d&by=shift", "/kpis?span=30d&by=day"):
        text = world.client.get(path).text
        assert "3 alerts in" in text
        assert "below 1 %" in text
        assert "lift shaft device fault" in text
        assert NOON.strftime("%Y-%m-%d") in text
    assert world.client.get("/kpis?span=9d").status_code == 422
