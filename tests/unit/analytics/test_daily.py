"""The join of daily values: a block is judged once for a day and a state of its data; whoever asks gets the same."""

from datetime import UTC, datetime, timedelta
from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.engine import Engine

from analytics.catching_up import JUDGED_DAYS
from analytics.daily import BLOCK_LIFTS, HELD_DAYS, STALE_DAYS_MAX, Block, Daily, blocks_of
from analytics.feature_book import FeatureBook
from analytics.feature_reader import DAY_MS
from analytics.findings import Finding, FindingKind
from analytics.stale_days import SETTLED_MS
from ingest.clock import EPOCH, to_ms
from ingest.fleet import Lift, Visit, VisitKind
from ingest.fleet_register import FleetRegister
from ingest.messages import Kind, Message, Trip
from ingest.telemetry_store import MemoryTelemetryStore

MORNING = datetime(2026, 3, 2, 6, 0, tzinfo=UTC)
YESTERDAY = to_ms(MORNING) // DAY_MS - 1


class Judged:
    """A judge that remembers what it was asked, and finds one thing of each lift that has made trips."""

    def __init__(self) -> None:
        """Remember nothing."""
        self.blocks: list[Block] = []

    def __call__(self, block: Block) -> list[Finding]:
        """Find how many trips each lift made on its last day."""
        self.blocks.append(block)
        trips = {
            key.lift_id: values[-1]
            for key, values in zip(block.series.keys, block.series.values, strict=True)
            if key.channel == "trips"
        }
        return [_found(lift_id, float(value), block.as_of) for lift_id, value in trips.items() if value >= 0]


def _found(lift_id: str, value: float, as_of: datetime) -> Finding:
    return Finding(
        lift_id=lift_id,
        kind=FindingKind.FLOODING,
        as_of=as_of,
        found_at=as_of,
        value=value,
        limit=0,
        reason="trips",
        evidence=[],
    )


class Fleet:
    """Lifts that made trips, what is computed of them, and a judge."""

    def __init__(self, engine: Engine) -> None:
        """Register two lifts that made one trip yesterday."""
        self.register, self.store, self.book = FleetRegister(engine), MemoryTelemetryStore(), FeatureBook(engine)
        self.judge = Judged()
        self.daily = self.new_daily()
        self.register.register([Lift(lift_id="L1"), Lift(lift_id="L2")], MORNING)
        self.trip("L1")
        self.trip("L2")
        self.daily.catch_up(MORNING)

    def new_daily(self) -> Daily:
        return Daily(self.book, self.store, self.register, [self.judge])

    def trip(self, lift_id: str, day: int = YESTERDAY, second: int = 0) -> None:
        at_ms = day * DAY_MS + second * 1_000
        body = Trip(at=at_ms, seq=second, from_floor=1, to_floor=2, duration_ms=9_000)
        self.store.write([Message(lift_id, Kind.TRIP, at_ms, at_ms, body)])
        self.book.mark({(lift_id, day)})

    def found(self, as_of: datetime = MORNING, lift_ids: list[str] | None = None) -> dict[str, float]:
        return {item.lift_id: item.value for item in self.daily.findings(as_of, lift_ids)}


@pytest.fixture
def fleet(sqlite_engine: Engine) -> Fleet:
    return Fleet(sqlite_engine)


def test_findings_are_those_of_the_days_that_are_over(fleet: Fleet) -> None:
    fleet.trip("L1", YESTERDAY + 1)
    assert fleet.found() == {"L1": 1.0, "L2": 1.0}
    [block] = fleet.judge.blocks
    assert block.as_of == EPOCH + timedelta(days=YESTERDAY + 1)
    assert [lift.lift_id for lift in block.lifts] == ["L1", "L2"]
    assert block.series.values.shape[1] == 1


def test_a_finding_bears_the_instant_that_was_asked_for(fleet: Fleet) -> None:
    assert {item.as_of for item in fleet.daily.findings(MORNING)} == {MORNING}


def test_a_block_is_judged_once_a_day(fleet: Fleet) -> None:
    for minute in range(3):
        fleet.found(MORNING + timedelta(minutes=minute))
    assert len(fleet.judge.blocks) == 1
    fleet.found(MORNING + timedelta(days=1))
    assert len(fleet.judge.blocks) == 2


def test_a_late_message_is_judged_once_it_is_computed(fleet: Fleet) -> None:
    fleet.found()
    fleet.trip("L2", second=1)
    fleet.daily.catch_up(MORNING)
    assert fleet.found() == {"L1": 1.0, "L2": 2.0}
    fleet.found()
    assert len(fleet.judge.blocks) == 2


def test_a_visit_is_judged_at_once(fleet: Fleet) -> None:
    fleet.found()
    visit = Visit(lift_id="L1", kind=VisitKind.REPAIR, done_at=MORNING - timedelta(minutes=1))
    fleet.register.add_visits([visit])
    fleet.found()
    assert [list(block.visits) for block in fleet.judge.blocks] == [[], [visit]]


def test_a_visit_after_the_instant_is_not_known(fleet: Fleet) -> None:
    fleet.register.add_visits([Visit(lift_id="L1", kind=VisitKind.REPAIR, done_at=MORNING + timedelta(minutes=1))])
    fleet.found()
    assert list(fleet.judge.blocks[0].visits) == []


def test_a_new_lift_is_judged_with_its_like(fleet: Fleet) -> None:
    fleet.found()
    fleet.register.register([Lift(lift_id="L3")], MORNING)
    fleet.trip("L3")
    fleet.daily.catch_up(MORNING)
    assert set(fleet.found()) == {"L1", "L2", "L3"}


def test_who_asks_for_one_lift_gets_what_the_whole_fleet_gets(fleet: Fleet) -> None:
    assert fleet.found(lift_ids=["L2"]) == {"L2": 1.0}
    assert len(fleet.judge.blocks[0].lifts) == 2
    fleet.found()
    assert len(fleet.judge.blocks) == 1


def test_visits_that_are_handed_in_are_those_that_would_be_read(fleet: Fleet) -> None:
    fleet.register.add_visits([Visit(lift_id="L1", kind=VisitKind.REPAIR, done_at=MORNING)])
    visits = [item.visit for item in fleet.register.visits(MORNING)]
    fleet.daily.findings(MORNING, visits=visits)
    fleet.found(lift_ids=["L1"])
    assert len(fleet.judge.blocks) == 1


def test_another_process_finds_the_same(fleet: Fleet) -> None:
    assert fleet.new_daily().findings(MORNING) == fleet.daily.findings(MORNING)


def test_yesterday_s_findings_stand_while_the_new_day_is_computed(fleet: Fleet) -> None:
    fleet.found()
    fleet.trip("L1", YESTERDAY + 1)
    tomorrow = MORNING + timedelta(days=1)
    assert fleet.found(tomorrow) == {"L1": 1.0, "L2": 1.0}
    assert len(fleet.judge.blocks) == 1
    fleet.daily.catch_up(tomorrow)
    assert fleet.found(tomorrow) == {"L1": 1.0}


def test_who_has_just_started_judges_what_is_computed_by_then(fleet: Fleet) -> None:
    fleet.trip("L1", second=1)
    assert fleet.found() == {"L1": 1.0, "L2": 1.0}


def test_just_after_midnight_the_day_before_is_not_settled(fleet: Fleet) -> None:
    midnight = EPOCH + timedelta(days=YESTERDAY + 1)
    fleet.found(midnight + timedelta(milliseconds=SETTLED_MS - 1))
    assert fleet.judge.blocks == []
    fleet.found(midnight + timedelta(milliseconds=SETTLED_MS))
    assert len(fleet.judge.blocks) == 1


def test_lifts_that_are_built_alike_stand_in_one_block() -> None:
    lifts = [Lift(lift_id=f"L{number:03}", drive=("a", "b")[number % 2]) for number in range(2 * BLOCK_LIFTS)]
    blocks = blocks_of(lifts)
    assert sum(len({lift.drive for lift in block}) > 1 for block in blocks) <= 1
    assert max(len(block) for block in blocks) <= BLOCK_LIFTS
    assert list(chain(*blocks)) == sorted(lifts, key=lambda lift: (lift.drive, lift.lift_id))
    assert blocks_of([]) == []


@given(st.integers(0, 999))
def test_a_lift_that_is_registered_changes_few_blocks(number: int) -> None:
    lifts = [Lift(lift_id=f"L{each:04}") for each in range(0, 2_000, 2)]
    before = {tuple(block) for block in blocks_of(lifts)}
    after = {tuple(block) for block in blocks_of([*lifts, Lift(lift_id=f"L{2 * number + 1:04}")])}
    assert len(after - before) <= 8 < len(after)


def test_what_was_found_stands_for_more_than_one_night(fleet: Fleet) -> None:
    fleet.found()
    fleet.trip("L1", YESTERDAY + 1)
    for day in range(1, HELD_DAYS + 1):
        assert fleet.found(MORNING + timedelta(days=day)) == {"L1": 1.0, "L2": 1.0}
    assert len(fleet.judge.blocks) == 1


def test_a_day_that_is_never_computed_does_not_freeze_what_was_found(fleet: Fleet) -> None:
    fleet.found()
    fleet.trip("L1", YESTERDAY + 1)
    for day in range(1, HELD_DAYS + 2):
        found = fleet.found(MORNING + timedelta(days=day))
    assert found == {}
    assert len(fleet.judge.blocks) == 2


def test_a_lift_that_is_behind_holds_its_own_block_alone(fleet: Fleet) -> None:
    others = [Lift(lift_id=f"M{number:03}", drive="other") for number in range(BLOCK_LIFTS)]
    fleet.register.register(others, MORNING)
    fleet.trip("M099")
    fleet.daily.catch_up(MORNING)
    fleet.found()
    fleet.trip("M099", second=1)
    fleet.daily.catch_up(MORNING)
    fleet.trip("L1", second=1)
    assert fleet.found() == {"L1": 1.0, "L2": 1.0, "M099": 2.0}


def test_of_a_lift_whose_imported_year_is_half_computed_nothing_is_found(fleet: Fleet) -> None:
    for day in range(1, STALE_DAYS_MAX + 2):
        fleet.trip("L1", YESTERDAY - day)
    assert fleet.found() == {"L2": 1.0}
    fleet.daily.catch_up(MORNING)
    assert fleet.found() == {"L1": 1.0, "L2": 1.0}


def test_years_that_are_still_to_be_computed_hold_up_no_judgement(fleet: Fleet) -> None:
    for day in range(JUDGED_DAYS, JUDGED_DAYS + 20):
        fleet.trip("L1", YESTERDAY - day)
    fleet.trip("L1", second=1)
    assert not fleet.daily.catch_up(MORNING, lambda: False)  # there was time for the newest alone
    assert fleet.found() == {"L1": 2.0, "L2": 1.0}
