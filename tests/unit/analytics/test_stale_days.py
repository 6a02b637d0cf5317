"""Which days are marked: each once while it lasts, and again by whatever comes of it later."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy.engine import Engine

from analytics.feature_book import FeatureBook, Mark
from analytics.feature_reader import DAY_MS
from analytics.stale_days import SETTLED_MS, StaleDays, last_settled_day
from ingest.clock import ManualClock, to_ms
from ingest.messages import Body, Kind, Message, State, Trip

MIDNIGHT = datetime(2026, 3, 2, tzinfo=UTC)
TODAY = to_ms(MIDNIGHT) // DAY_MS
NOON = MIDNIGHT + timedelta(hours=12)


class Marked(FeatureBook):
    """A book that counts how often it is written."""

    writes = 0

    def mark(self, lift_days: object) -> None:
        """Count."""
        self.writes += 1
        super().mark(lift_days)  # type: ignore[arg-type]


@pytest.fixture
def book(sqlite_engine: Engine) -> Marked:
    return Marked(sqlite_engine)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOON)


@pytest.fixture
def stale_days(book: Marked, clock: ManualClock) -> StaleDays:
    return StaleDays(book, clock)


def said(at: datetime, lift_id: str = "L1", kind: Kind = Kind.TRIP) -> Message:
    body: Body = Trip(from_floor=1, to_floor=2, duration_ms=9_000) if kind is Kind.TRIP else State(floor=1)
    return Message(lift_id, kind, to_ms(at), to_ms(at), body)


def test_a_day_that_lasts_is_marked_once_however_much_comes_of_it(book: Marked, stale_days: StaleDays) -> None:
    for minute in range(5):
        stale_days.note([said(NOON + timedelta(minutes=minute)), said(NOON, "L2")])
    assert book.stale(TODAY, limit=9) == [Mark("L1", TODAY), Mark("L2", TODAY)]
    assert book.writes == 1


def test_a_day_that_is_over_is_marked_again_by_each_batch(book: Marked, stale_days: StaleDays) -> None:
    for _ in range(3):
        stale_days.note([said(NOON - timedelta(days=1))])
    assert book.stale(TODAY, limit=9) == [Mark("L1", TODAY - 1, 3)]


def test_a_late_message_marks_a_day_that_was_marked_while_it_lasted(
    book: Marked, stale_days: StaleDays, clock: ManualClock
) -> None:
    stale_days.note([said(NOON)])
    book.keep({}, book.stale(TODAY, limit=9))
    clock.advance(timedelta(hours=12, milliseconds=SETTLED_MS))
    stale_days.note([said(NOON)])
    assert book.stale(TODAY, limit=9) == [Mark("L1", TODAY)]


def test_whoever_starts_again_marks_again(book: Marked, clock: ManualClock) -> None:
    for _ in range(2):
        StaleDays(book, clock).note([said(NOON)])
    assert book.stale(TODAY, limit=9) == [Mark("L1", TODAY, 2)]


def test_what_daily_values_are_not_made_of_marks_nothing(book: Marked, stale_days: StaleDays) -> None:
    stale_days.note([said(NOON, kind=Kind.STATE)])
    stale_days.note([])
    assert book.writes == 0


def test_a_day_is_settled_some_time_after_its_end() -> None:
    end_ms = to_ms(MIDNIGHT) + SETTLED_MS
    assert last_settled_day(end_ms - 1) == TODAY - 2
    assert last_settled_day(end_ms) == TODAY - 1


def test_no_day_is_settled_while_it_still_counts_as_lasting_for_who_marks(
    book: Marked, stale_days: StaleDays, clock: ManualClock
) -> None:
    stale_days.note([said(NOON)])
    clock.advance(timedelta(hours=12, milliseconds=SETTLED_MS - 1))
    stale_days.note([said(NOON)])
    assert book.stale(TODAY, limit=9) == [Mark("L1", TODAY, 2)]
