"""Floods are read out of the quarantine, on each engine."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy.engine import Engine

from ingest.clock import to_ms
from ingest.floods import Flood, Floods
from ingest.quarantine import Quarantine, Quarantined
from ingest.wire import Reason

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)


class Ward:
    """A quarantine, and the floods in it."""

    def __init__(self, engine: Engine) -> None:
        self.quarantine = Quarantine(engine)
        self.floods = Floods(engine)

    def refuse(self, content: str, minute: int, lift_id: str | None = "L1", reason: Reason = Reason.FLOODING) -> None:
        at_ms = to_ms(NOON + minute * MINUTE)
        self.quarantine.add([Quarantined("lifts/v1/L1/door", lift_id, content.encode(), reason, "", at_ms)])

    def at(self, minute: int, lift_id: str | None = None) -> list[Flood]:
        until = NOON + minute * MINUTE
        return self.floods.between(until - HOUR, until, lift_id)


@pytest.fixture
def ward(engine: Engine) -> Ward:
    return Ward(engine)


def test_a_flood_is_what_was_refused_for_it_within_the_window(ward: Ward) -> None:
    assert ward.at(0) == []
    for minute in (1, 2, 3):
        ward.refuse(f"{minute}", minute)
    ward.refuse("4", 4, reason=Reason.TOO_OLD)
    ward.refuse("5", 5, lift_id=None)
    ward.refuse("6", 6, lift_id="L2")
    one, other = ward.at(10)
    assert one == Flood(lift_id="L1", messages=3, first_at=NOON + MINUTE, last_at=NOON + 3 * MINUTE)
    assert (other.lift_id, other.messages) == ("L2", 1)
    assert ward.at(10, "L2") == [other]


def test_nothing_later_counts_and_nothing_older_than_the_window(ward: Ward) -> None:
    ward.refuse("a", 1)
    ward.refuse("b", 20)
    assert [flood.messages for flood in ward.at(10)] == [1]
    assert [flood.messages for flood in ward.at(60)] == [2]
    assert [flood.messages for flood in ward.at(61)] == [1], "the first is an hour old"
    assert ward.at(80) == []


def test_the_same_content_again_and_again_counts_as_far_as_it_is_known(ward: Ward) -> None:
    for minute in (1, 2, 3):
        ward.refuse("a", minute)
    assert [flood.messages for flood in ward.at(10)] == [3]
    assert [flood.messages for flood in ward.at(2)] == [1], "it came again later, who knows how often until then"
    ward.refuse("a", 90)
    (flood,) = ward.at(100)
    assert (flood.messages, flood.first_at) == (1, NOON + 90 * MINUTE)
    assert ward.at(70) == []
