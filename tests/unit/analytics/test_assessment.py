from datetime import UTC, date, datetime, timedelta
from itertools import product

import pytest
from sqlalchemy.engine import Engine

from analytics.assessment import Assessment, AssessmentSettings, Reports
from analytics.findings import Finding, FindingKind
from analytics.regimes import REGIMES
from ingest.clock import to_ms
from ingest.controller_clocks import WrongClock
from ingest.fleet import Inspection, InspectionOutcome, Lift, Outage, OutageKind, Visit, VisitKind
from ingest.fleet_register import FleetRegister, UnknownLiftError
from ingest.floods import Flood
from ingest.ledger import Ledger, LedgerBatch, OpenGap
from ingest.messages import Counters, Fault, Kind, Message, Trip
from ingest.telemetry_store import MemoryTelemetryStore
from tests.unit.analytics.test_reporting import wrong_clock

START = datetime(2026, 3, 1, tzinfo=UTC)
DAY = timedelta(days=1)
DOOR = "door-closing-fault"


def at(day: float) -> datetime:
    return START + day * DAY


class Fleet:
    """A register and a store, and the words to fill them; days count from the start."""

    def __init__(self, engine: Engine) -> None:
        self.register = FleetRegister(engine)
        self.store = MemoryTelemetryStore()

    def lift(self, lift_id: str, regime: str | None = None, **known: date) -> None:
        self.register.register([Lift(lift_id=lift_id, regime=regime, **known)], START)  # type: ignore[arg-type]

    def fault(self, lift_id: str, *days: float, code: str = DOOR) -> None:
        for day in days:
            at_ms = to_ms(at(day))
            body = Fault(at=at_ms, code=code, phase="raised")
            self.store.write([Message(lift_id, Kind.FAULT, at_ms, at_ms, body)])

    def outage(self, lift_id: str, day: float, cleared: float | None = None) -> None:
        cleared_at = None if cleared is None else at(cleared)
        kind = OutageKind.BREAKDOWN
        outage = Outage(lift_id=lift_id, kind=kind, code=DOOR, raised_at=at(day), cleared_at=cleared_at)
        self.register.add_outages([outage])

    def visit(self, lift_id: str, day: float, kind: VisitKind, cause: str | None = None) -> None:
        self.register.add_visits([Visit(lift_id=lift_id, kind=kind, done_at=at(day), cause_code=cause)])

    def inspection(self, lift_id: str, done_on: date, expires_on: date) -> None:
        passed = InspectionOutcome.PASSED
        self.register.add_inspections(
            [Inspection(lift_id=lift_id, done_on=done_on, outcome=passed, certificate_expires_on=expires_on)]
        )

    def trip(self, lift_id: str, *days: float) -> None:
        for day in days:
            at_ms = to_ms(at(day))
            body = Trip(at=at_ms, from_floor=0, to_floor=1, duration_ms=9_000)
            self.store.write([Message(lift_id, Kind.TRIP, at_ms, at_ms, body)])

    def assess(
        self, day: float, lift_ids: list[str] | None = None, settings: AssessmentSettings | None = None
    ) -> list[Finding]:
        return Assessment(self.register, self.store, settings).assess(at(day), lift_ids)


@pytest.fixture
def fleet(sqlite_engine: Engine) -> Fleet:
    return Fleet(sqlite_engine)


def named(findings: list[Finding]) -> list[tuple[str, str]]:
    return [(finding.lift_id, finding.kind.value) for finding in findings]


def test_a_fleet_of_which_nothing_is_known_has_no_findings(fleet: Fleet) -> None:
    assert fleet.assess(0) == []
    fleet.lift("L1")
    assert fleet.assess(1000) == []


def test_faults_told_by_the_lift_and_by_an_outage_log_add_up(fleet: Fleet) -> None:
    fleet.lift("L1")
    fleet.fault("L1", 1, 2)
    fleet.outage("L1", 2.000005)  # half a second later: the same fault
    assert fleet.assess(4) == []
    fleet.outage("L1", 3)
    (finding,) = fleet.assess(4)
    assert (finding.value, finding.found_at, finding.as_of) == (3, at(3), at(4))
    assert [item["source"] for item in finding.evidence] == ["message", "message", "outage"]


def test_messages_that_stay_missing_are_found_until_they_come(fleet: Fleet, sqlite_engine: Engine) -> None:
    fleet.lift("L1")
    ledger = Ledger(sqlite_engine)
    assessment = Assessment(fleet.register, fleet.store, reports=Reports(gaps=ledger))

    def hear(day: float, *seqs: int) -> None:
        at_ms = to_ms(at(day))
        said = [Message("L1", Kind.TRIP, at_ms, at_ms, Counters(at=at_ms, seq=seq, boot="b")) for seq in seqs]
        ledger.note(LedgerBatch.of(said, []))

    hear(1, 1, 2, 5)
    hour = 1 / 24
    assert assessment.assess(at(1 + 0.9 * hour)) == []
    (finding,) = assessment.assess(at(1 + hour))
    assert (finding.kind, finding.value, finding.found_at) == (FindingKind.MESSAGES_MISSING, 2, at(1 + hour))
    hear(3, 4, 9)
    (finding,) = assessment.assess(at(2), ["L1"])
    assert finding.value == 1, "what came later fills, what was missed later does not count yet"
    assert [item.value for item in assessment.assess(at(4))] == [4]
    hear(5, 3, 6, 7, 8)
    assert assessment.assess(at(2)) == assessment.assess(at(6)) == []


def test_a_fault_at_the_very_instant_counts_and_one_after_it_does_not(fleet: Fleet) -> None:
    fleet.lift("L1")
    fleet.fault("L1", 1, 2, 3)
    assert named(fleet.assess(3)) == [("L1", "repeated-fault")]
    assert fleet.assess(3 - 1 / 86_400_000) == []


def test_a_fault_that_is_said_again_within_the_window_is_not_a_new_one(fleet: Fleet) -> None:
    fleet.lift("L1")
    ten_minutes = 10 / 24 / 60
    fleet.fault("L1", 1 - ten_minutes, 1 + ten_minutes / 10, 3, 5)  # it began before the window and goes on in it
    assert fleet.assess(8, settings=AssessmentSettings(repeat_repair_days=1)) == []


def test_an_outage_that_ended_later_was_open_then(fleet: Fleet) -> None:
    fleet.lift("L1")
    for day in (1, 2, 3):
        fleet.outage("L1", day, cleared=day + 0.5)
    (finding,) = fleet.assess(3.2)
    assert [item["cleared_at"] is None for item in finding.evidence] == [False, False, True]


def test_a_repair_that_did_not_hold_is_found(fleet: Fleet) -> None:
    fleet.lift("L1")
    fleet.visit("L1", 1, VisitKind.REPAIR, DOOR)
    fleet.fault("L1", 5)
    assert named(fleet.assess(6)) == [("L1", "repeat-repair")]
    assert fleet.assess(4) == []


def test_a_fault_that_was_answered_is_not_forgotten_while_its_repair_counts(fleet: Fleet) -> None:
    fleet.lift("L1")
    fleet.visit("L1", 0, VisitKind.REPAIR, DOOR)
    fleet.fault("L1", 1)
    fleet.visit("L1", 29, VisitKind.REPAIR, DOOR)
    assert fleet.assess(58) == []


def test_a_visit_falls_due_and_is_overdue_until_it_is_made(fleet: Fleet) -> None:
    fleet.lift("L1", "CN-2012")
    fleet.visit("L1", 0.5, VisitKind.MAINTENANCE)
    fleet.visit("L1", 17.5, VisitKind.MAINTENANCE)
    assert fleet.assess(11) == []
    assert named(fleet.assess(12)) == [("L1", "maintenance-due")]
    assert named(fleet.assess(16)) == [("L1", "maintenance-overdue")]
    assert fleet.assess(18) == []


@pytest.mark.parametrize(
    ("known", "first_day"),
    [
        ({}, 0),
        ({"commissioned_on": date(2026, 3, 11)}, 10),
        ({"observed_from": date(2026, 3, 11), "commissioned_on": date(2020, 1, 1)}, 10),
        ({"observed_from": date(2020, 1, 1)}, 0),
    ],
)
def test_visits_count_from_the_day_on_which_the_lift_was_known_to_run(
    fleet: Fleet, known: dict[str, date], first_day: int
) -> None:
    fleet.lift("L1", "CN-2012", **known)
    assert named(fleet.assess(first_day + 15)) == [("L1", "maintenance-due")]
    assert named(fleet.assess(first_day + 16)) == [("L1", "maintenance-overdue")]


def test_a_lift_without_a_known_regime_owes_nothing(fleet: Fleet) -> None:
    fleet.lift("L1", certificate_expires_on=date(2020, 1, 1))
    fleet.lift("L2", "Atlantis-1900", certificate_expires_on=date(2020, 1, 1))
    fleet.trip("L1", 5)
    assert fleet.assess(100) == []


def test_the_newest_inspection_that_was_known_then_decides(fleet: Fleet) -> None:
    fleet.lift("L1", "CN-2012")
    fleet.inspection("L1", date(2025, 3, 20), date(2026, 3, 20))
    fleet.visit("L1", 30, VisitKind.MAINTENANCE)
    fleet.inspection("L1", date(2026, 3, 31), date(2027, 3, 20))
    assert ("L1", "inspection-due") in named(fleet.assess(5))
    assert ("L1", "inspection-overdue") in named(fleet.assess(25))
    assert fleet.assess(30.5) == []


def test_a_lift_that_runs_after_its_certificate_expired_is_found(fleet: Fleet) -> None:
    fleet.lift("L1", "CN-2012", certificate_expires_on=date(2026, 3, 5))
    fleet.visit("L1", 5, VisitKind.MAINTENANCE)
    fleet.trip("L1", 4.99)
    assert named(fleet.assess(6)) == [("L1", "inspection-overdue")]
    fleet.trip("L1", 5, 6.5, 7)
    both = [("L1", "inspection-overdue"), ("L1", "no-valid-certificate")]
    assert named(fleet.assess(6)) == both
    barred = fleet.assess(7)[1]
    assert (barred.found_at, barred.value) == (at(5), 2)
    assert barred.evidence[1] == {
        "kind": "trips",
        "first_at": "2026-03-06T00:00:00Z",
        "last_at": "2026-03-08T00:00:00Z",
    }


def test_the_day_of_expiry_is_still_valid(fleet: Fleet) -> None:
    fleet.lift("L1", "CN-2012", certificate_expires_on=date(2026, 3, 5))
    fleet.trip("L1", 4.5)
    assert named(fleet.assess(4.9)) == [("L1", "inspection-due")]


def build_a_mixed_fleet(fleet: Fleet) -> None:
    fleet.lift("L2", "CN-2012", certificate_expires_on=date(2026, 3, 5))
    fleet.lift("L1", "CN-2012")
    fleet.fault("L1", 14, 15, 16)
    fleet.fault("L1", 14.1, 15.1, 16.1, code="brake-fault")
    fleet.visit("L1", 14.5, VisitKind.REPAIR, DOOR)
    fleet.trip("L2", 10)


def test_findings_are_ordered_by_lift_kind_and_code(fleet: Fleet) -> None:
    build_a_mixed_fleet(fleet)
    findings = fleet.assess(17)
    assert [(finding.lift_id, finding.kind.value, finding.code) for finding in findings] == [
        ("L1", "maintenance-overdue", None),
        ("L1", "repeat-repair", DOOR),
        ("L1", "repeated-fault", "brake-fault"),
        ("L1", "repeated-fault", DOOR),
        ("L2", "inspection-overdue", None),
        ("L2", "maintenance-overdue", None),
        ("L2", "no-valid-certificate", None),
    ]


def test_a_lift_assessed_alone_has_the_findings_that_it_has_in_the_fleet(fleet: Fleet) -> None:
    build_a_mixed_fleet(fleet)
    whole = fleet.assess(17)
    for lift_id in ("L1", "L2"):
        assert fleet.assess(17, [lift_id]) == [finding for finding in whole if finding.lift_id == lift_id]
    assert fleet.assess(17, ["L2", "L1", "L2"]) == whole
    assert fleet.assess(17, []) == []


def test_a_lift_that_is_not_registered_cannot_be_assessed(fleet: Fleet) -> None:
    with pytest.raises(UnknownLiftError, match="not registered: L9"):
        fleet.assess(1, ["L9"])


@pytest.mark.parametrize("day", [0, 5, 13, 15, 17, 30, 44.9])
def test_what_happens_later_changes_nothing_that_was_found_before(fleet: Fleet, day: float) -> None:
    build_a_mixed_fleet(fleet)
    before = fleet.assess(day)
    later = day + 0.001
    for code in (DOOR, "brake-fault"):
        fleet.fault("L1", later, later + 1, later + 2, code=code)
    fleet.outage("L1", later + 3)
    fleet.visit("L1", later, VisitKind.REPAIR, DOOR)
    fleet.visit("L1", later, VisitKind.MAINTENANCE)
    fleet.visit("L2", later, VisitKind.MAINTENANCE)
    fleet.trip("L2", later)
    assert fleet.assess(day) == before


def test_the_owners_limits_reach_every_rule(fleet: Fleet) -> None:
    fleet.lift("L1", "CN-2012")
    fleet.fault("L1", 0.5, 7.5)
    fleet.visit("L1", 1, VisitKind.REPAIR, DOOR)
    strict = AssessmentSettings(
        repeated_fault_count_min=2, repeated_fault_days=90, repeat_repair_days=6, visit_due_soon_days=7
    )
    assert named(fleet.assess(8, settings=strict)) == [("L1", "maintenance-due"), ("L1", "repeated-fault")]
    assert named(fleet.assess(8)) == [("L1", "repeat-repair")]


def test_every_kind_of_finding_can_be_found(fleet: Fleet) -> None:
    build_a_mixed_fleet(fleet)
    fleet.lift("L3", "CN-2012", certificate_expires_on=date(2026, 4, 1))
    fleet.visit("L3", 4, VisitKind.MAINTENANCE)
    fleet.fault("L3", 1, 9, 16)
    reports = Reports(gaps=_Missing(), floods=_Missing(), clocks=_Missing())
    found = Assessment(fleet.register, fleet.store, reports=reports).assess(at(17))
    usual = set(FindingKind) - _OF_A_FLEET_AND_A_YEAR - _BY_USE - _OF_DAILY_VALUES
    assert {finding.kind for finding in found} == usual


def test_what_a_year_of_the_fleet_tells_is_found_of_one_lift_and_of_all_alike(fleet: Fleet) -> None:
    for number in range(20):
        fleet.lift(f"L{number}", observed_from=START.date())
        fleet.fault(f"L{number}", 20 + number, 170 + number)
    fleet.fault("L3", *range(1, 360, 12), code="brake-fault")
    fleet.fault("L4", *range(260, 360, 9), code="position-lost")
    found = [finding for finding in fleet.assess(366) if finding.kind in _OF_A_FLEET_AND_A_YEAR]
    kinds = [("L3", "often-failing", "brake"), ("L4", "often-failing", "position"), ("L4", "worsening", None)]
    assert [(finding.lift_id, finding.kind.value, finding.component) for finding in found] == kinds
    assert [finding for finding in fleet.assess(366, ["L4"]) if finding.kind in _OF_A_FLEET_AND_A_YEAR] == found[1:]
    fleet.fault("L3", 365.5)
    assert [finding.value for finding in fleet.assess(365.9, ["L3"])] != [], "the day itself does not count yet"


def test_what_is_due_by_use_is_found(fleet: Fleet) -> None:
    fleet.lift("L1")
    for day in range(60):
        at_ms = to_ms(at(day + 0.5))
        body = Counters(at=at_ms, door_cycles_total=2_960_000 + 600 * day)
        fleet.store.write([Message("L1", Kind.COUNTERS, at_ms, at_ms, body)])
    assert named(fleet.assess(50)) == named(fleet.assess(50, ["L1"])) == [("L1", "usage-due")]


_OF_A_FLEET_AND_A_YEAR = {FindingKind.OFTEN_FAILING, FindingKind.WORSENING, FindingKind.BREAKDOWN_LIKELY}
_BY_USE = {FindingKind.USAGE_DUE, FindingKind.USAGE_OVERDUE}
_OF_DAILY_VALUES = {FindingKind.DRIFT, FindingKind.ANOMALY}


class _Missing:
    """Tells of a lift that reports badly in every way."""

    def open_gaps(self, as_of: datetime, open_for: timedelta, lift_id: str | None = None) -> list[OpenGap]:
        return [OpenGap(lift_id=lift_id or "L3", boot=None, first_seq=1, last_seq=1, seen_at=as_of - open_for)]

    def between(self, since: datetime, until: datetime, lift_id: str | None = None) -> list[Flood]:
        return [Flood(lift_id=lift_id or "L3", messages=1, first_at=since, last_at=until)]

    def wrong(self, as_of: datetime) -> list[WrongClock]:  # noqa: ARG002 - always
        return [wrong_clock(60_000, "L3")]


@pytest.mark.parametrize("day", [date.min, date(1900, 1, 1), date(2026, 3, 5), date.max])
def test_a_lift_with_any_legal_day_keeps_no_other_from_being_judged(fleet: Fleet, day: date) -> None:
    fields = ("observed_from", "observed_to", "commissioned_on", "certificate_expires_on")
    for number, (regime, name) in enumerate(product(REGIMES, fields)):
        fleet.lift(f"L{number + 2}", regime, **{name: day})
    fleet.lift("L1")
    fleet.fault("L1", 1, 2, 3)
    assert ("L1", "repeated-fault") in named(fleet.assess(5))
