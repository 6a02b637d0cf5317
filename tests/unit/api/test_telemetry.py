from datetime import timedelta

import pytest

from ingest.clock import to_ms
from ingest.messages import Alarm, DoorCycle, Fault, Kind, Levelling, Message
from tests.unit.api.parts import NOON, Client, World

PATH = "/api/v1/lifts/L1/telemetry"


@pytest.fixture
def told(world: World) -> Client:
    """A lift that closed its door once a minute from 11:00 to 12:00, slower each time."""
    world.register("L1")
    noon_ms = to_ms(NOON)
    cycles = [
        DoorCycle(floor=2, opening_ms=2_000, closing_ms=3_000 + minute, seq=minute, boot="b1") for minute in range(60)
    ]
    world.service.store.write(
        [Message("L1", Kind.DOOR, noon_ms - (60 - n) * 60_000, noon_ms, cycle) for n, cycle in enumerate(cycles)]
    )
    world.service.store.write([Message("L1", Kind.FAULT, noon_ms, noon_ms, Fault(code="overspeed", phase="raised"))])
    return world.client


def test_the_last_day_of_every_kind_is_what_is_shown_at_first(told: Client) -> None:
    items = told.get(PATH).json()["items"]
    assert len(items) == 61
    assert items[0] == {
        "kind": "door",
        "measured_at": "2026-03-02T11:00:00Z",
        "received_at": "2026-03-02T12:00:00Z",
        "late": False,
        "seq": 0,
        "boot": "b1",
        "readings": {"floor": 2, "door": "front", "opening_ms": 2000.0, "closing_ms": 3000.0, "reversals": 0},
    }
    assert (items[-1]["kind"], items[-1]["readings"]) == ("fault", {"code": "overspeed", "phase": "raised"})


def test_one_kind_in_a_half_open_window(told: Client) -> None:
    window = {"since": "2026-03-02T11:10:00Z", "until": "2026-03-02T19:12:00+08:00"}
    items = told.get(PATH, kind="door", **window).json()["items"]
    assert [item["seq"] for item in items] == [10, 11]


def test_an_end_without_a_beginning_means_the_day_before_it(told: Client) -> None:
    assert len(told.get(PATH, until="2026-03-02T11:05:00Z").json()["items"]) == 5
    assert told.get(PATH, until="2026-03-02T11:00:00Z").json()["items"] == []


def test_messages_come_in_pages_and_none_is_missed_or_shown_twice(told: Client) -> None:
    pages = told.pages(PATH, 7)
    assert [len(page) for page in pages] == [7] * 8 + [5]
    assert [item for page in pages for item in page] == told.get(PATH).json()["items"]
    assert [item["seq"] for (item,) in told.pages(PATH, 1, kind="door")] == list(range(60))


def test_messages_of_two_kinds_at_one_key_are_both_shown(world: World) -> None:
    world.register("L1")
    world.say("L1", Kind.ALARM, Alarm(type="button", seq=5))
    world.say("L1", Kind.DOOR, DoorCycle(floor=1, opening_ms=1, closing_ms=1, seq=5))
    world.say("L1", Kind.LEVELLING, Levelling(floor=1, error_mm=-3.5, seq=5))
    kinds = [item["kind"] for (item,) in world.client.pages(PATH, 1)]
    assert kinds == ["alarm", "door", "levelling"]


def test_a_message_of_a_clock_that_runs_ahead_is_shown(world: World) -> None:
    world.register("L1")
    world.stand("L1", at_s=300)
    assert len(world.client.get(PATH).json()["items"]) == 1


def test_one_reading_by_windows(told: Client) -> None:
    answer = told.get(PATH, kind="door", reading="closing_ms", every_s=1800).json()
    assert answer == {
        "items": [
            {"start_at": "2026-03-02T11:00:00Z", "count": 30, "mean": 3014.5, "smallest": 3000.0, "largest": 3029.0},
            {"start_at": "2026-03-02T11:30:00Z", "count": 30, "mean": 3044.5, "smallest": 3030.0, "largest": 3059.0},
        ],
        "next": None,
    }


@pytest.mark.parametrize(
    ("parameters", "at", "said"),
    [
        ({"kind": "door", "reading": "closing_ms"}, "query", "go together"),
        ({"kind": "door", "every_s": 60}, "query", "go together"),
        ({"reading": "closing_ms", "every_s": 60}, "query", "needs kind"),
        ({"kind": "door", "reading": "closing_ms", "every_s": 60, "cursor": "MQ"}, "query", "no pages"),
        ({"kind": "door", "reading": "door", "every_s": 60}, "query.reading", "closing_ms"),
        ({"kind": "door", "reading": "closing_ms", "every_s": 1}, "query.every_s", "windows"),
        ({"kind": "door", "reading": "closing_ms", "every_s": 0}, "query.every_s", ""),
        ({"kind": "noise"}, "query.kind", ""),
        ({"since": "2026-03-03T00:00:00Z", "until": "2026-03-02T00:00:00Z"}, "query.since", "until"),
        ({"since": "2026-03-03T00:00:00Z"}, "query.since", "until"),
        ({"since": "2026-03-02"}, "query.since", "RFC 3339"),
        ({"cursor": "eA"}, "query.cursor", ""),
    ],
)
def test_questions_that_make_no_sense_are_named(
    told: Client, parameters: dict[str, object], at: str, said: str
) -> None:
    response = told.get(PATH, **parameters)
    assert response.status_code == 422
    (error,) = response.json()["errors"]
    assert error["at"] == at
    assert said in error["detail"]


def test_a_lift_that_is_not_registered_has_no_telemetry(client: Client) -> None:
    assert client.get("/api/v1/lifts/L9/telemetry").status_code == 404


def test_a_late_message_is_marked(world: World) -> None:
    world.register("L1")
    world.say("L1", Kind.ALARM, Alarm(type="test"), at_s=-timedelta(hours=2).total_seconds(), late=True)
    (item,) = world.client.get(PATH).json()["items"]
    assert item["late"] is True
