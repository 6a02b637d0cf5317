from datetime import date, timedelta

import pytest

from analytics.daily_series import day_number
from analytics.feature_book import DAYS_KEPT
from analytics.feature_reader import DAY_MS
from ingest.messages import DoorCycle, Kind, Message
from tests.unit.api.parts import NOON, Client, World

PATH = "/api/v1/lifts/L1/features"
TODAY = day_number(NOON.date())


@pytest.fixture
def told(world: World) -> Client:
    """A lift whose door at floor 2 closed slower each day for 30 days, and at floor 3 as ever."""
    world.register("L1")
    for back in range(1, 31):
        at_ms = (TODAY - back) * DAY_MS
        cycles = [DoorCycle(floor=floor, opening_ms=2_000, closing_ms=ms, seq=floor) for floor, ms in _closings(back)]
        world.service.store.write([Message("L1", Kind.DOOR, at_ms, at_ms, cycle) for cycle in cycles])
    world.compute_days("L1", range(TODAY - 30, TODAY))
    return world.client


def _closings(back: int) -> list[tuple[int, float]]:
    return [(2, 3_300.0 - 10 * back), (3, 3_000.0)]


def test_a_channel_is_told_by_landing_day_by_day(told: Client) -> None:
    items = told.get(PATH, channel="closing_ms").json()["items"]
    assert [(item["channel"], item["floor"], item["direction"]) for item in items] == [
        ("closing_ms", None, None),
        ("closing_ms", 2, None),
        ("closing_ms", 3, None),
    ]
    days = items[1]["days"]
    assert len(days) == 30
    assert days[-1] == {"day": (NOON.date() - timedelta(days=1)).isoformat(), "value": 3_290.0, "count": 1}


def test_one_landing_in_a_half_open_window_of_days(told: Client) -> None:
    window = {"since": "2026-02-20", "until": "2026-02-22"}
    [item] = told.get(PATH, channel="closing_ms", floor=3, **window).json()["items"]
    assert [day["day"] for day in item["days"]] == ["2026-02-20", "2026-02-21"]


def test_all_channels_come_in_pages_and_none_is_missed_or_told_twice(told: Client) -> None:
    whole = told.get(PATH, limit=500).json()["items"]
    assert [item for page in told.pages(PATH, 4) for item in page] == whole
    assert {"closing_ms", "opening_ms", "door_cycles"} <= {item["channel"] for item in whole}


def test_a_lift_without_computed_days_has_none(world: World) -> None:
    world.register("L1")
    assert world.client.get(PATH).json() == {"items": [], "next": None}


@pytest.mark.parametrize(
    "query",
    [
        {"since": "2026-02-20", "until": "2026-02-20"},
        {"since": "2025-02-20"},
        {"channel": "closing_ms", "since": (date(2026, 3, 2) - timedelta(days=DAYS_KEPT + 1)).isoformat()},
        {"since": "yesterday"},
        {"floor": 301},
    ],
)
def test_a_window_that_cannot_be_answered_is_a_problem(told: Client, query: dict[str, str]) -> None:
    assert told.get(PATH, **query).status_code == 422


def test_a_lift_that_is_not_registered_is_not_found(world: World) -> None:
    assert world.client.get(PATH).status_code == 404
