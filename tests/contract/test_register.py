"""The register, on SQLite and on PostgreSQL."""

from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy.engine import Engine

from ingest.fleet import Inspection, InspectionOutcome, Lift, Outage, OutageKind, Visit, VisitKind
from ingest.fleet_register import FleetRegister, UnknownLiftError

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


@pytest.fixture
def register(engine: Engine) -> FleetRegister:
    return FleetRegister(engine)


def test_a_lift_is_kept_as_it_was_registered(register: FleetRegister) -> None:
    lift = Lift(
        lift_id="L1",
        site_id="S1",
        site_name="Harbour Plaza",
        site_address="Harbour Street 5",
        maker="Example",
        floors=9,
        commissioned_on=date(2015, 5, 1),
        regime="CN-2012",
        certificate_expires_on=date(2026, 9, 1),
        profile="example-vf200",
    )
    register.register([lift], NOW)
    found = register.find("L1")
    assert found is not None
    assert (found.lift, found.registered_at) == (lift, NOW)
    assert register.find("L2") is None
    assert register.profiles_of_lifts() == {"L1": "example-vf200"}


def test_registering_again_replaces_what_is_known_and_keeps_since_when(register: FleetRegister) -> None:
    register.register([Lift(lift_id="L1", maker="Old", site_id="S1", site_name="Name")], NOW)
    register.register([Lift(lift_id="L1", maker="New", site_id="S1")], NOW + timedelta(days=1))
    found = register.find("L1")
    assert found is not None
    assert (found.lift.maker, found.lift.site_name, found.registered_at) == ("New", "Name", NOW)


def test_a_lift_that_does_not_tell_its_sites_name_does_not_make_it_forgotten(register: FleetRegister) -> None:
    register.register([Lift(lift_id="L1", site_id="S", site_name="Name"), Lift(lift_id="L2", site_id="S")], NOW)
    register.register([Lift(lift_id="L3", site_id="S", site_address="Harbour Street 5")], NOW)
    told = {(item.lift.site_name, item.lift.site_address) for item in register.lifts()}
    assert told == {("Name", "Harbour Street 5")}


def test_a_lift_that_is_known_is_not_overwritten_by_its_first_message(register: FleetRegister) -> None:
    register.register([Lift(lift_id="L1", maker="Example")], NOW)
    register.add_if_unknown(["L1", "L2"], NOW)
    assert [item.lift.maker for item in register.lifts()] == ["Example", None]


def test_lifts_come_in_pages_and_by_site(register: FleetRegister) -> None:
    register.register([Lift(lift_id=f"L{n}", site_id=f"S{n % 2}") for n in range(5)], NOW)
    assert [item.lift.lift_id for item in register.lifts(limit=2)] == ["L0", "L1"]
    assert [item.lift.lift_id for item in register.lifts(after="L1", limit=2)] == ["L2", "L3"]
    assert [item.lift.lift_id for item in register.lifts(site_id="S1")] == ["L1", "L3"]


def test_a_visit_is_recorded_once_and_read_as_of_an_instant(register: FleetRegister) -> None:
    register.register([Lift(lift_id="L1")], NOW)
    visits = [
        Visit(lift_id="L1", kind=VisitKind.REPAIR, done_at=NOW - timedelta(days=n), cause_code="door-closing-fault")
        for n in range(3)
    ]
    assert register.add_visits(visits) == 3
    assert register.add_visits(visits) == 0
    assert [row.visit for row in register.visits(NOW - timedelta(days=1))] == visits[1:]
    assert register.visits(NOW, lift_id="L2") == []
    first = register.visits(NOW, limit=1)[0]
    assert [row.visit for row in register.visits(NOW, after_id=first.id)] == visits[1:]


def test_a_visit_at_a_lift_that_nobody_registered_is_refused_whole(register: FleetRegister) -> None:
    register.register([Lift(lift_id="L1")], NOW)
    visits = [Visit(lift_id=lift_id, kind=VisitKind.REPAIR, done_at=NOW) for lift_id in ("L1", "L9")]
    with pytest.raises(UnknownLiftError, match="L9"):
        register.add_visits(visits)
    assert register.visits(NOW) == []


def test_the_newest_passed_inspection_sets_the_certificate(register: FleetRegister) -> None:
    def inspected(done_on: date, outcome: InspectionOutcome, expires_on: date | None) -> None:
        register.add_inspections(
            [Inspection(lift_id="L1", done_on=done_on, outcome=outcome, certificate_expires_on=expires_on)]
        )

    def expires_on() -> date | None:
        found = register.find("L1")
        assert found is not None
        return found.lift.certificate_expires_on

    register.register([Lift(lift_id="L1", certificate_expires_on=date(2026, 1, 1))], NOW)
    inspected(date(2026, 2, 1), InspectionOutcome.FAILED, None)
    assert expires_on() == date(2026, 1, 1)
    inspected(date(2026, 2, 9), InspectionOutcome.PASSED, date(2027, 2, 9))
    inspected(date(2025, 2, 9), InspectionOutcome.PASSED, date(2026, 2, 9))
    assert expires_on() == date(2027, 2, 9), "an older inspection that is recorded later changes nothing"
    assert len(register.inspections(lift_id="L1")) == 3


def test_outages_are_recorded_once_and_read_by_window(register: FleetRegister) -> None:
    register.register([Lift(lift_id="L1")], NOW)
    outages = [
        Outage(
            lift_id="L1", kind=OutageKind.BREAKDOWN, code="belt", raised_at=NOW, cleared_at=NOW + timedelta(hours=1)
        ),
        Outage(lift_id="L1", kind=OutageKind.PLANNED, raised_at=NOW),
    ]
    assert register.add_outages(outages) == 2
    assert register.add_outages(outages) == 0
    assert sorted(register.outages(NOW - timedelta(days=1), NOW), key=lambda o: o.kind) == outages
    assert register.outages(NOW, NOW + timedelta(days=1)) == [], "(since, until]"
    assert register.outage_count(NOW - timedelta(days=1), NOW) == 2
    assert register.outage_count(NOW, NOW + timedelta(days=1)) == 0


def test_an_instant_without_offset_is_refused(register: FleetRegister) -> None:
    register.register([Lift(lift_id="L1")], NOW)
    with pytest.raises(Exception, match="without offset"):
        register.add_visits([Visit(lift_id="L1", kind=VisitKind.REPAIR, done_at=NOW.replace(tzinfo=None))])


def test_thousands_of_rows_are_taken_in_one_call(register: FleetRegister) -> None:
    register.register([Lift(lift_id="L1")], NOW)
    outages = [
        Outage(lift_id="L1", kind=OutageKind.BREAKDOWN, raised_at=NOW + timedelta(seconds=n)) for n in range(2_500)
    ]
    assert register.add_outages(outages) == 2_500


def test_visits_are_counted_without_being_read(register: FleetRegister) -> None:
    register.register([Lift(lift_id="L1")], NOW)
    register.add_visits([Visit(lift_id="L1", kind=VisitKind.REPAIR, done_at=NOW + timedelta(days=n)) for n in range(3)])
    assert [register.visit_count(NOW + timedelta(days=n)) for n in range(4)] == [0, 1, 2, 3]
