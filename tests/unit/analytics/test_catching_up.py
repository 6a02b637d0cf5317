"""From messages in the store to daily values in the book: the same as the plain columns, in pieces, once, resumable."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import count

import numpy as np
import pytest
from msgspec import structs
from sqlalchemy.engine import Engine

from analytics import catching_up
from analytics.catching_up import catch_up
from analytics.feature_book import FeatureBook, Mark
from analytics.feature_reader import DAY_MS, KINDS, readings_of_days
from analytics.features import DayValues
from benchmarks.simulated_fleet import lift_values
from ingest.clock import to_ms
from ingest.messages import Body, DoorCycle, Fault, FaultReport, Kind, Levelling, Message, Trip
from ingest.telemetry_store import PAGE_MAX, MemoryTelemetryStore
from simulator.fleet import LiftSpec, make_fleet
from simulator.lift import messages
from simulator.living import life_of

UNTIL_MS = to_ms(datetime(2026, 3, 2, tzinfo=UTC))
LAST = UNTIL_MS // DAY_MS - 1
DAYS = 9


class Counting(MemoryTelemetryStore):
    """A store that counts how often it is asked for trips."""

    asked = 0

    def messages(
        self,
        lift_id: str,
        kind: Kind,
        since: datetime,
        until: datetime,
        *,
        limit: int = PAGE_MAX,
        after_ns: int | None = None,
    ) -> list[Message]:
        """Count."""
        self.asked += kind is Kind.TRIP
        return super().messages(lift_id, kind, since, until, limit=limit, after_ns=after_ns)


@pytest.fixture
def book(sqlite_engine: Engine) -> FeatureBook:
    return FeatureBook(sqlite_engine)


@pytest.fixture
def store() -> Counting:
    return Counting()


def trip(day: int, second: int = 0, lift_id: str = "L1") -> Message:
    at_ms = day * DAY_MS + second * 1_000
    body = Trip(at=at_ms, seq=second, boot="a", from_floor=1, to_floor=2, duration_ms=9_000)
    return Message(lift_id, Kind.TRIP, at_ms, at_ms, body)


def taken(store: MemoryTelemetryStore, book: FeatureBook, some: Sequence[Message]) -> None:
    store.write(some)
    book.mark({(message.lift_id, message.measured_ms // DAY_MS) for message in some if message.kind in KINDS})


def trips_of(book: FeatureBook, lift_id: str = "L1") -> dict[int, float]:
    lift = book.values([lift_id], 0, 10**6).lift
    return dict(zip(lift["day"].tolist(), lift["values"][:, 5].tolist(), strict=True))


def a_simulated_lift() -> tuple[LiftSpec, list[Message]]:
    """Return a lift that has faults within the days, and what it says on them."""
    for spec in make_fleet(5, 30, 0.2):
        life = life_of(spec, UNTIL_MS)
        if any(UNTIL_MS - DAYS * DAY_MS < period.raised_ms < UNTIL_MS for period in life.periods):
            numbers = count()
            said = [
                Message(
                    spec.lift_id,
                    each.kind,
                    each.at_ms,
                    each.at_ms,
                    structs.replace(_canonical(each.body), seq=next(numbers), boot="b"),
                )
                for each in messages(spec, UNTIL_MS - DAYS * DAY_MS, UNTIL_MS)
            ]
            return spec, said
    raise AssertionError


def _canonical(body: Body) -> Body:
    return Fault(**structs.asdict(body)) if isinstance(body, FaultReport) else body


def same(one: DayValues, other: DayValues) -> bool:
    return all(
        np.array_equal(getattr(one, part)[name], getattr(other, part)[name], equal_nan=True)
        for part in ("doors", "levels", "lift")
        for name in getattr(one, part).dtype.names
    )


def test_the_book_holds_what_the_simulator_s_columns_tell_without_messages(store: Counting, book: FeatureBook) -> None:
    spec, said = a_simulated_lift()
    taken(store, book, said)
    assert catch_up(book, store, LAST)
    found = book.values([spec.lift_id], 0, LAST).of(spec.lift_id)
    life = structs.replace(life_of(spec, UNTIL_MS), reboots=[])
    expected = lift_values(spec, life, UNTIL_MS - DAYS * DAY_MS, UNTIL_MS)
    assert same(found, expected)
    assert found.faults == expected.faults
    assert found.faults


def test_what_is_computed_once_is_not_read_again(store: Counting, book: FeatureBook) -> None:
    taken(store, book, [trip(LAST)])
    assert catch_up(book, store, LAST)
    asked = store.asked
    assert catch_up(book, store, LAST)
    assert store.asked == asked == 1


def test_a_late_message_changes_its_day_alone(store: Counting, book: FeatureBook) -> None:
    taken(store, book, [trip(LAST - 1), trip(LAST)])
    catch_up(book, store, LAST)
    seen = book.revision()
    taken(store, book, [trip(LAST - 1, 5)])
    catch_up(book, store, LAST)
    assert trips_of(book) == {LAST - 1: 2.0, LAST: 1.0}
    assert set(book.changed_since(seen)) == {"L1"}


def test_a_day_that_is_not_over_waits(store: Counting, book: FeatureBook) -> None:
    taken(store, book, [trip(LAST), trip(LAST + 1)])
    assert catch_up(book, store, LAST)
    assert trips_of(book) == {LAST: 1.0}
    assert book.is_stale(0, LAST + 1)


def test_many_days_are_read_some_at_a_time(store: Counting, book: FeatureBook) -> None:
    days = range(LAST - 15, LAST + 1)
    taken(store, book, [trip(day) for day in days])
    catch_up(book, store, LAST)
    assert trips_of(book) == dict.fromkeys(days, 1.0)
    assert store.asked == -(-len(days) // catching_up.DAYS_READ)


def test_who_has_no_time_left_goes_on_later(store: Counting, book: FeatureBook) -> None:
    lifts = 2 * catching_up.DAYS_KEPT_AT_ONCE + 1
    taken(store, book, [trip(LAST, lift_id=f"L{number:04}") for number in range(lifts)])
    assert not catch_up(book, store, LAST, has_time=lambda: False)
    assert len(book.stale(LAST, limit=lifts)) == lifts - catching_up.DAYS_KEPT_AT_ONCE
    assert catch_up(book, store, LAST)


def test_a_lift_that_said_nothing_has_no_day(store: Counting, book: FeatureBook) -> None:
    book.mark({("L1", LAST)})
    assert catch_up(book, store, LAST)
    assert trips_of(book) == {}
    assert readings_of_days(store, "L1", LAST, LAST) is None


def test_more_than_a_page_of_a_day_is_read_whole(store: Counting, book: FeatureBook) -> None:
    taken(store, book, [trip(LAST, second) for second in range(10_001)])
    catch_up(book, store, LAST)
    assert trips_of(book) == {LAST: 10_001.0}


def test_each_run_of_the_controller_but_the_first_of_a_day_is_a_reboot(store: Counting, book: FeatureBook) -> None:
    some = [trip(LAST, second) for second in range(4)]
    boots = ("a", "a", "b", "c")
    taken(
        store,
        book,
        [structs.replace(m, body=structs.replace(m.body, boot=b)) for m, b in zip(some, boots, strict=True)],
    )
    catch_up(book, store, LAST)
    lift = book.values(["L1"], LAST, LAST).lift
    assert lift["values"][0, -1] == pytest.approx(2.0)


def test_what_a_message_does_not_say_is_no_value(store: Counting, book: FeatureBook) -> None:
    at_ms = LAST * DAY_MS
    bodies = {
        Kind.DOOR: DoorCycle(at=at_ms, floor=2, door="rear", opening_ms=2_000, closing_ms=3_000),
        Kind.LEVELLING: Levelling(at=at_ms, floor=2, error_mm=-3.0),
    }
    taken(store, book, [Message("L1", kind, at_ms, at_ms, body) for kind, body in bodies.items()])
    catch_up(book, store, LAST)
    found = book.values(["L1"], LAST, LAST)
    assert found.doors["rear"].tolist() == [1, 1]
    assert np.isnan(found.doors["values"][:, 3:5]).all()
    assert found.levels["direction"].tolist() == [0, 0]
    assert found.levels["values"][:, 0].tolist() == [-3.0, -3.0]


class Poisoned(Counting):
    """A store of which one lift cannot be read."""

    def messages(
        self,
        lift_id: str,
        kind: Kind,
        since: datetime,
        until: datetime,
        *,
        limit: int = PAGE_MAX,
        after_ns: int | None = None,
    ) -> list[Message]:
        """Fail for L1."""
        if lift_id == "L1":
            message = "a mistake of ours"
            raise ValueError(message)
        return super().messages(lift_id, kind, since, until, limit=limit, after_ns=after_ns)


def test_a_lift_whose_day_cannot_be_computed_keeps_no_other_from_its_values(book: FeatureBook) -> None:
    store = Poisoned()
    taken(store, book, [trip(LAST, lift_id=lift_id) for lift_id in ("L0", "L1", "L2")])
    with pytest.raises(ExceptionGroup) as told:
        catch_up(book, store, LAST)
    assert told.value.exceptions[0].__notes__ == [f"L1, days {LAST} to {LAST} from 1970"]
    assert (trips_of(book, "L0"), trips_of(book, "L2")) == ({LAST: 1.0}, {LAST: 1.0})
    assert [mark.lift_id for mark in book.stale(LAST, limit=10)] == ["L1"]
    assert book.stale_lifts(0, LAST) == {"L1": 1}


def test_the_newest_days_are_computed_first_and_years_that_were_imported_last(
    store: Counting, book: FeatureBook
) -> None:
    """The last week of all lifts, then lift by lift what a judgement rests on; and any stop keeps what was done."""
    backs = {"L1": (0, 5, 40, 90, 400), "L2": (0, 40, 300), "L3": (6, 120)}
    taken(store, book, [trip(LAST - back, lift_id=lift_id) for lift_id, days in backs.items() for back in days])
    computed: list[tuple[str, int]] = []

    class Watching(FeatureBook):
        def keep(self, rows: Mapping[tuple[str, int], bytes], marks: Iterable[Mark]) -> None:
            computed.extend((lift_id, LAST - day) for lift_id, day in rows)
            super().keep(rows, marks)

    watching = Watching(book._engine)
    assert not catch_up(watching, store, LAST, lambda: False)
    first = [("L1", 5), ("L1", 0), ("L2", 0), ("L3", 6)]
    assert computed == first
    assert catch_up(watching, store, LAST)
    then = [("L1", 90), ("L1", 40), ("L2", 40), ("L3", 120), ("L2", 300), ("L1", 400)]
    assert computed == first + then
