"""The feature book on every engine: what is kept comes back, marks outlive everything but the work they ask for."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa
from msgspec import structs
from sqlalchemy.engine import Engine

from analytics.catching_up import catch_up
from analytics.feature_book import DAYS_KEPT, FeatureBook, Mark, book_state, lift_day
from analytics.feature_format import FORMAT, packed
from analytics.feature_reader import KINDS
from analytics.features import DOOR_RECORD, LEVEL_RECORD, LIFT_RECORD, DayValues
from api.composition import MIGRATIONS
from ingest.database import migrate, open_engine
from ingest.messages import Fault, Kind, Message
from ingest.telemetry_store_embedded import EmbeddedTelemetryStore
from ingest.telemetry_store_influx import InfluxTelemetryStore
from simulator.fleet import make_fleet
from simulator.lift import messages

DAY = 20_000


@pytest.fixture
def book(engine: Engine) -> FeatureBook:
    return FeatureBook(engine)


def values(*days: int, closing_ms: float = 3_000.0, faults: Mapping[int, Mapping[str, int]] | None = None) -> DayValues:
    """Return days with one door record each, and the record of the lift."""
    doors = np.zeros(len(days), dtype=DOOR_RECORD)
    doors["day"], doors["floor"], doors["count"], doors["values"] = days, 3, 7, closing_ms
    lift = np.zeros(len(days), dtype=LIFT_RECORD)
    lift["day"] = days
    return DayValues(doors, np.zeros(0, dtype=LEVEL_RECORD), lift, faults or {})


def rows(lift_id: str, of_days: DayValues) -> dict[tuple[str, int], bytes]:
    return {(lift_id, day): row for day, row in packed(of_days).items()}


def kept_days(book: FeatureBook, lift_id: str = "L1") -> list[int]:
    found = book.values([lift_id], 0, 10**6)
    days: list[int] = found.lift["day"].tolist()
    return days


def test_a_new_book_holds_nothing_and_asks_for_nothing(book: FeatureBook) -> None:
    assert book.values(["L1"], DAY, DAY).lift_ids == []
    assert kept_days(book) == []
    assert book.stale(DAY, limit=10) == []
    assert book.revision() == 0


def test_what_is_kept_comes_back_in_the_order_of_the_days(book: FeatureBook) -> None:
    faults = {DAY + 1: {"door-closing-fault": 2}}
    of_days = values(DAY, DAY + 1, closing_ms=3_141.5, faults=faults)
    book.keep(rows("L1", of_days), [])
    found = book.values(["L1", "L2"], DAY, DAY + 1)
    assert found.lift_ids == ["L1"]
    assert (found.of("L1").doors == of_days.doors).all()
    assert (found.of("L1").lift == of_days.lift).all()
    assert found.of("L1").faults == faults


def test_only_the_days_and_lifts_that_are_asked_for_come_back(book: FeatureBook) -> None:
    book.keep(rows("L1", values(DAY, DAY + 1, DAY + 2)) | rows("L2", values(DAY)), [])
    found = book.values(["L1"], DAY + 1, DAY + 1)
    assert (found.lift_ids, found.lift["day"].tolist()) == (["L1"], [DAY + 1])
    both = book.values(["L2", "L1"], DAY, DAY)
    assert {lift_id: both.of(lift_id).doors["day"].tolist() for lift_id in both.lift_ids} == {"L1": [DAY], "L2": [DAY]}


def test_a_day_that_is_computed_again_takes_the_place_of_the_one_before(book: FeatureBook) -> None:
    book.keep(rows("L1", values(DAY, closing_ms=3_000.0)), [])
    book.keep(rows("L1", values(DAY, closing_ms=3_500.0)), [])
    assert book.values(["L1"], DAY, DAY).doors["values"][0, 1] == pytest.approx(3_500.0)


def test_a_mark_stays_until_its_day_is_kept(book: FeatureBook) -> None:
    book.mark({("L1", DAY), ("L2", DAY)})
    marks = book.stale(DAY, limit=10)
    assert marks == [Mark("L1", DAY), Mark("L2", DAY)]
    book.keep(rows("L1", values(DAY)), marks[:1])
    assert book.stale(DAY, limit=10) == [Mark("L2", DAY)]


def test_a_mark_that_is_set_again_while_its_day_is_computed_stays(book: FeatureBook) -> None:
    book.mark({("L1", DAY)})
    marks = book.stale(DAY, limit=10)
    book.mark({("L1", DAY)})
    book.keep(rows("L1", values(DAY)), marks)
    assert book.stale(DAY, limit=10) == [Mark("L1", DAY, 2)]


def test_a_mark_of_a_day_that_held_nothing_is_taken_away_too(book: FeatureBook) -> None:
    book.mark({("L1", DAY)})
    book.keep({}, book.stale(DAY, limit=10))
    assert not book.is_stale(0, DAY)
    assert book.revision() == 0


def test_a_day_that_is_not_over_is_not_asked_for(book: FeatureBook) -> None:
    book.mark({("L1", DAY), ("L1", DAY + 1)})
    assert book.stale(DAY, limit=10) == [Mark("L1", DAY)]


def test_many_days_are_marked_at_once_and_handed_out_some_at_a_time(book: FeatureBook) -> None:
    days = {(f"L{number:04}", DAY + number % 3) for number in range(1_203)}
    book.mark(days)
    assert len(book.stale(DAY + 2, limit=5_000)) == len(days)
    assert len(book.stale(DAY + 2, limit=7)) == 7


def test_a_reader_sees_which_lifts_have_changed(book: FeatureBook) -> None:
    book.keep(rows("L1", values(DAY)) | rows("L2", values(DAY)), [])
    seen = book.revision()
    assert book.changed_since(seen) == {}
    book.keep(rows("L2", values(DAY - 40)), [])
    assert set(book.changed_since(seen)) == {"L2"}
    assert book.revision() > seen


def test_days_beyond_what_is_kept_are_forgotten_for_each_lift_by_its_own_newest(book: FeatureBook) -> None:
    old = DAY - DAYS_KEPT
    book.keep(rows("L1", values(old, old + 1)) | rows("L2", values(old)), [])
    book.keep(rows("L1", values(DAY)), [])
    assert kept_days(book) == [old + 1, DAY]
    assert kept_days(book, "L2") == [old]


def test_another_format_is_computed_anew(engine: Engine, book: FeatureBook) -> None:
    book.keep(rows("L1", values(DAY)), [])
    book.renew()
    assert not book.is_stale(0, DAY)
    with engine.begin() as connection:
        connection.execute(sa.update(book_state).values(format=FORMAT - 1))
    book.mark({("L1", DAY)})
    book.renew()
    book.renew()
    assert book.stale(DAY, limit=10) == [Mark("L1", DAY)]


def test_what_another_version_wrote_is_not_read(book: FeatureBook) -> None:
    book.keep({("L1", DAY): bytes([FORMAT + 1]) + b"of the future"}, [])
    book.keep(rows("L1", values(DAY + 1)), [])
    assert kept_days(book) == [DAY + 1]


def test_what_is_to_be_computed_is_asked_by_day(book: FeatureBook) -> None:
    assert book.newest_stale(DAY) is None
    book.mark([("L1", DAY - 400), ("L1", DAY - 2), ("L2", DAY - 2), ("L2", DAY - 1), ("L2", DAY + 1)])
    assert [book.newest_stale(day) for day in (DAY + 1, DAY, DAY - 2, DAY - 3)] == [
        DAY + 1,
        DAY - 1,
        DAY - 2,
        DAY - 400,
    ]
    assert book.newest_stale(DAY - 401) is None
    assert book.stale(DAY, since_day=DAY - 2, limit=10) == [
        Mark("L1", DAY - 2),
        Mark("L2", DAY - 2),
        Mark("L2", DAY - 1),
    ]
    assert book.stale_lifts(DAY - 2, DAY) == {"L1": 1, "L2": 2}
    assert book.is_stale(DAY - 10, DAY - 2)
    assert not book.is_stale(DAY - 10, DAY - 3)


def test_influxdb_and_postgresql_hold_the_daily_values_that_the_embedded_stores_hold(
    request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """The same messages of a simulated lift, computed through either pair of stores, are the same bytes."""
    url, postgresql = request.getfixturevalue("influx_store_url"), request.getfixturevalue("postgresql_url")
    until_ms = (DAY + 1) * 86_400_000
    spec = make_fleet(5, 1, 0.1)[0]
    said = [
        Message(spec.lift_id, each.kind, each.at_ms, each.at_ms, structs.replace(each.body, seq=number, boot="b"))
        for number, each in enumerate(messages(spec, until_ms - 3 * 86_400_000, until_ms))
        if each.kind in KINDS and each.kind is not Kind.FAULT
    ]
    at_ms = until_ms - 5_000_000
    said.append(Message(spec.lift_id, Kind.FAULT, at_ms, at_ms, Fault(at=at_ms, code="brake-fault", phase="raised")))
    kept = []
    for database, store in (
        (request.getfixturevalue("sqlite_engine"), EmbeddedTelemetryStore(tmp_path / "telemetry.sqlite")),
        (open_engine(postgresql), InfluxTelemetryStore(url, page_rows=700)),
    ):
        migrate(database, MIGRATIONS)
        book = FeatureBook(database)
        store.write(said)
        book.mark({(spec.lift_id, day) for day in range(DAY - 3, DAY + 1)})
        assert catch_up(book, store, DAY)
        with database.connect() as connection:
            query = sa.select(lift_day.c.day, lift_day.c.features).order_by(lift_day.c.day)
            kept.append([tuple(row) for row in connection.execute(query)])
        store.close()
        database.dispose()
    assert [day for day, _ in kept[0]] == [DAY - 2, DAY - 1, DAY]
    assert kept[0] == kept[1]
