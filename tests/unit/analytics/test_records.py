"""What counts of years of visits and inspections: as much as all of them would tell, and read once."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.engine import Engine

from analytics import records
from analytics.due import certification_as_of
from analytics.records import RECENT, RecordReader, begin_of, needed_inspections, needed_visits
from ingest.fleet import Inspection, InspectionOutcome, Lift, Visit, VisitKind
from ingest.fleet_register import FleetRegister, RegisteredVisit

NOW = datetime(2026, 3, 2, 6, 0, tzinfo=UTC)


def visit(days: float, lift_id: str = "L1", kind: VisitKind = VisitKind.MAINTENANCE, cause: str | None = None) -> Visit:
    return Visit(lift_id=lift_id, kind=kind, done_at=NOW - timedelta(days=days), cause_code=cause)


class Counting(FleetRegister):
    """A register that counts the visits it has handed out."""

    handed_out = 0

    def visits(
        self, until: datetime, *, lift_id: str | None = None, after_id: int = 0, limit: int | None = None
    ) -> list[RegisteredVisit]:
        """Count."""
        found = super().visits(until, lift_id=lift_id, after_id=after_id, limit=limit)
        self.handed_out += len(found)
        return found


@pytest.fixture
def register(sqlite_engine: Engine) -> Counting:
    register = Counting(sqlite_engine)
    register.register([Lift(lift_id="L1"), Lift(lift_id="L2")], NOW)
    return register


def test_of_old_visits_only_the_last_of_each_sort_counts(register: Counting) -> None:
    old = [visit(days, lift_id) for days in (900, 800, 700) for lift_id in ("L1", "L2")]
    ropes = visit(1_500, kind=VisitKind.REPAIR, cause="ropes")
    recent = [visit(days) for days in (390, 2)]
    register.add_visits([*old, ropes, *recent])
    found = RecordReader(register).visits(NOW)
    assert sorted(found, key=lambda item: item.done_at) == [ropes, visit(700), visit(700, "L2"), *recent]


def test_rows_are_read_once_and_then_what_is_new(register: Counting, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "_PAGE", 3)
    register.add_visits([visit(days) for days in range(10)])
    reader = RecordReader(register)
    assert len(reader.visits(NOW)) == 10
    register.add_visits([visit(0.5), visit(-3)])
    assert len(reader.visits(NOW)) == 11  # the other is done in three days
    assert len(reader.visits(NOW + timedelta(days=4))) == 12
    assert len(reader.visits(NOW + timedelta(minutes=1))) == 11
    assert register.handed_out == 12
    assert len(reader.visits(NOW + timedelta(days=700))) == 1
    assert len(reader.visits(NOW - timedelta(days=5))) == 5  # a day before any that is remembered is read for itself
    assert register.handed_out == 24


def test_a_row_whose_number_comes_late_is_not_missed(register: Counting) -> None:
    class Hiding(Counting):
        hidden = 2

        def visits(
            self, until: datetime, *, lift_id: str | None = None, after_id: int = 0, limit: int | None = None
        ) -> list[RegisteredVisit]:
            found = super().visits(until, lift_id=lift_id, after_id=after_id, limit=limit)
            return [each for each in found if each.id != self.hidden]

    register.add_visits([visit(days) for days in range(5)])
    hiding = Hiding(register._engine)
    reader = RecordReader(hiding)
    assert len(reader.visits(NOW)) == 4
    Hiding.hidden = 0
    assert len(reader.visits(NOW)) == 5


KINDS = st.sampled_from(list(VisitKind))
CAUSES = st.sampled_from([None, "ropes", "door-parts"])


@given(st.lists(st.builds(visit, st.integers(0, 3_000), kind=KINDS, cause=CAUSES), max_size=25), st.integers(0, 900))
def test_what_counts_now_is_what_counts_of_what_counted_before(visits: Sequence[Visit], days: int) -> None:
    later = begin_of(NOW + timedelta(days=days))
    of_before, of_all = needed_visits(needed_visits(visits, begin_of(NOW)), later), needed_visits(visits, later)
    assert sorted(map(repr, of_before)) == sorted(map(repr, of_all))


def inspection(days: int, outcome: InspectionOutcome, expires: int | None) -> Inspection:
    on = NOW.date() - timedelta(days=days)
    return Inspection(
        lift_id="L1",
        done_on=on,
        outcome=outcome,
        certificate_expires_on=on + timedelta(days=expires) if expires else None,
    )


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(
        st.builds(
            inspection,
            st.integers(-400, 3_000),
            st.sampled_from(list(InspectionOutcome)),
            st.one_of(st.none(), st.just(365)),
        ),
        max_size=12,
        unique_by=lambda item: item.done_on,
    ),
    st.integers(0, 300),
)
def test_the_certificate_is_the_same_as_all_inspections_tell(told: Sequence[Inspection], days: int) -> None:
    lift = Lift(lift_id="L1", certificate_expires_on=date(2030, 1, 1))
    needed = needed_inspections(told, begin_of(NOW))
    as_of = NOW + timedelta(days=days)
    assert certification_as_of(lift, needed, as_of) == certification_as_of(lift, told, as_of)
    assert all(item in needed for item in told if item.done_on > (NOW - RECENT).date())
