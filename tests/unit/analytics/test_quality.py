from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs
from msgspec.structs import astuple
from sqlalchemy.engine import Engine

from analytics.failure_reader import FailureReader
from analytics.finding_history import NO_PREDICTIONS, FindingHistory, ToldFinding, note_findings
from analytics.findings import Finding, FindingBook, FindingKind
from analytics.occurrences import Occurrence
from analytics.outcomes import EXPECTED, NO_FAULT, Answers, Judged, Outcome
from analytics.quality import Exposure, KindQuality, QualitySettings, quality_of, window_of
from analytics.quality_reader import QualityReader
from ingest.faults import CANONICAL
from ingest.fleet import Lift, Outage, OutageKind, Visit, VisitKind
from ingest.fleet_register import FleetRegister
from ingest.telemetry_store import MemoryTelemetryStore

START = datetime(2026, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
DOOR, BRAKE = "door-closing-fault", "brake-fault"
DOCUMENT = Path(__file__).parents[3] / "docs" / "quality.md"


def told(
    day: float = 0, kind: str = "drift", component: str | None = "landing-door", confidence: float | None = None
) -> ToldFinding:
    return ToldFinding(
        lift_id="L1",
        kind=kind,
        component=component,
        code=None,
        floor=None,
        confidence=confidence,
        first_at=START + day * DAY,
        ended_at=None,
    )


def repair(day: float, cause: str, lift_id: str = "L1") -> Visit:
    return Visit(lift_id=lift_id, kind=VisitKind.REPAIR, done_at=START + day * DAY, cause_code=cause)


def fault(day: float, code: str, lift_id: str = "L1", kind: OutageKind = OutageKind.BREAKDOWN) -> Occurrence:
    return Occurrence(lift_id=lift_id, code=code, raised_at=START + day * DAY, source="message", kind=kind)


def judged(
    finding: ToldFinding,
    *,
    visits: tuple[Visit, ...] = (),
    faults: tuple[Occurrence, ...] = (),
    until: float = 100,
) -> Judged:
    return Answers(visits, faults, START + until * DAY).judge(finding)


def test_every_kind_of_finding_is_judged_or_predicts_nothing() -> None:
    predictions = {kind.value for kind in FindingKind} - {kind.value for kind in NO_PREDICTIONS}
    assert predictions <= set(EXPECTED)


@pytest.mark.parametrize("kind", sorted(EXPECTED))
def test_what_counts_as_true_stands_in_the_documentation(kind: str) -> None:
    section = DOCUMENT.read_text().partition("## Live quality")[2].partition("\n## ")[0]
    (row,) = [line for line in section.splitlines() if line.startswith(f"| `{kind}` |")]
    assert row.endswith(f"| {EXPECTED[kind].days} days |")


@pytest.mark.parametrize(
    "cause", [DOOR, "door-opening-fault", "safety-interlock-fault", "landing-door", "door-rollers"]
)
def test_a_repair_that_found_the_part_proves_a_finding_about_it(cause: str) -> None:
    answer = judged(told(), visits=(repair(12, cause),))
    assert (answer.outcome, answer.at) == (Outcome.TRUE, START + 12 * DAY)


@pytest.mark.parametrize("cause", [BRAKE, "overspeed", "doorman"])
def test_a_repair_of_something_else_proves_nothing(cause: str) -> None:
    assert judged(told(), visits=(repair(12, cause),)).outcome is Outcome.FALSE


@pytest.mark.parametrize(
    "component", ["rear-car-door", "landing-vane", "motor", "start-circuit", "guide-shoes", "brake"]
)
def test_every_part_that_wears_has_a_fault_code_that_proves_it(component: str) -> None:
    proofs = [code for code in CANONICAL if judged(told(component=component), faults=(fault(5, code),)).outcome is T]
    assert proofs
    assert len(proofs) < len(CANONICAL) / 3


def test_a_breakdown_of_the_part_proves_it_too() -> None:
    assert judged(told(), faults=(fault(3, BRAKE), fault(40, DOOR))).at == START + 40 * DAY


@pytest.mark.parametrize("kind", sorted(EXPECTED))
def test_a_fault_that_the_controller_got_over_proves_what_speaks_of_faults_and_not_what_speaks_of_breakdowns(
    kind: str,
) -> None:
    passed = structs.replace(fault(3, DOOR), cleared_at=START + 3 * DAY + timedelta(minutes=2))
    stood = structs.replace(fault(9, DOOR), cleared_at=START + 9 * DAY + timedelta(hours=2))
    both = judged(told(kind=kind), faults=(passed, stood))
    speaks_of_faults = kind in {"repeated-fault", "drift", "anomaly"}
    assert (both.outcome, both.at) == (Outcome.TRUE, (passed if speaks_of_faults else stood).raised_at)


def test_what_came_before_it_was_told_too_late_or_elsewhere_proves_nothing() -> None:
    faults = fault(-1, DOOR), fault(0, DOOR), fault(60.01, DOOR), fault(5, DOOR, "L2")
    assert judged(told(), faults=faults).outcome is Outcome.FALSE
    external = fault(5, DOOR, kind=OutageKind.EXTERNAL)
    assert judged(told(), faults=(external,)).outcome is Outcome.FALSE


def test_a_repair_that_found_no_fault_disproves_it() -> None:
    answer = judged(told(), visits=(repair(5, NO_FAULT),), faults=(fault(20, DOOR),))
    assert (answer.outcome, answer.at) == (Outcome.FALSE, START + 5 * DAY)


def test_until_its_days_have_passed_a_finding_is_open() -> None:
    assert judged(told(), until=60).outcome is Outcome.OPEN
    assert judged(told(), until=60.1).outcome is Outcome.FALSE
    assert judged(told(), faults=(fault(10, DOOR),), until=11).outcome is Outcome.TRUE
    assert judged(told(), faults=(fault(10, DOOR),), until=9).outcome is Outcome.OPEN, "not known yet"


def test_a_finding_of_no_part_is_proved_by_whatever_comes() -> None:
    for kind, component in (("often-failing", None), ("worsening", None), ("anomaly", "brake")):
        assert judged(told(kind=kind, component=component), faults=(fault(5, DOOR),)).outcome is Outcome.TRUE


def test_a_finding_about_a_code_is_proved_by_its_component() -> None:
    finding = structs.replace(told(kind="repeated-fault", component="door"), code=DOOR)
    assert judged(finding, visits=(repair(5, "door-opening-fault"),)).outcome is Outcome.TRUE
    own = structs.replace(told(kind="often-failing", component=None), code="belt")
    assert judged(own, faults=(fault(5, "belt"),)).outcome is Outcome.TRUE
    assert judged(own, faults=(fault(5, DOOR),)).outcome is Outcome.FALSE


def chance(*answers: tuple[float, str], watched: Sequence[tuple[float, float]] = ((0, 100),)) -> float | None:
    spans = {"L1": [(START + begin * DAY, START + end * DAY) for begin, end in watched]}
    visits = tuple(repair(day, cause) for day, cause in answers)
    return Answers(visits, (), START + 160 * DAY).by_chance(told(), spans)


@pytest.mark.parametrize(
    ("answers", "share"),
    [
        ((), 0.0),
        (((80, DOOR),), 0.6),  # told from day 20 to day 80
        (((80, DOOR), (81, DOOR)), 0.61),  # the fault and its repair are not two chances
        (((30, DOOR),), 0.3),
        (((80, BRAKE),), 0.0),
        (((50, NO_FAULT), (80, DOOR)), 0.3),  # told before day 50 it was called false
        (((130, DOOR),), 0.3),  # told from day 70 on
        (((-5, DOOR),), 0.0),
    ],
)
def test_chance_is_the_share_of_days_on_which_telling_it_would_have_been_right(
    answers: tuple[tuple[float, str], ...], share: float
) -> None:
    assert chance(*answers) == pytest.approx(share)


def test_chance_counts_only_days_on_which_a_lift_was_watched_and_a_finding_had_its_time() -> None:
    assert chance((80, DOOR), watched=((0, 40), (60, 80))) == pytest.approx(40 / 60)
    assert chance((80, DOOR), watched=((0, 160),)) == pytest.approx(0.6), "after day 100 nobody can know yet"
    assert chance((80, DOOR), watched=((120, 160),)) is None
    assert chance((80, DOOR), watched=()) is None


@given(
    st.lists(
        st.tuples(st.integers(-10, 150), st.sampled_from([DOOR, BRAKE, NO_FAULT])),
        max_size=6,
        unique_by=lambda it: it[0],
    )
)
def test_chance_is_what_judging_a_finding_of_every_day_gives(answers: list[tuple[int, str]]) -> None:
    known = Answers([repair(day, cause) for day, cause in answers], (), START + 160 * DAY)
    right = [known.judge(told(day + 0.5)).outcome is Outcome.TRUE for day in range(100)]
    assert chance(*answers) == pytest.approx(sum(right) / len(right))


@given(st.lists(st.tuples(st.floats(-10, 90), st.sampled_from([DOOR, BRAKE, NO_FAULT])), max_size=8), st.floats(0, 120))
def test_what_was_true_or_false_once_stays_so(answers: list[tuple[float, str]], until: float) -> None:
    visits = tuple(repair(day, cause) for day, cause in answers)
    then, later = judged(told(), visits=visits, until=until), judged(told(), visits=visits, until=200)
    assert then.outcome is Outcome.OPEN or then == later


def quality(
    outcomes: Sequence[tuple[Outcome, float]],
    *,
    settings: QualitySettings | None = None,
    confidence: float | None = None,
) -> KindQuality:
    items = [
        Judged(told(confidence=confidence), outcome, None if outcome is Outcome.OPEN else START + days * DAY)
        for outcome, days in outcomes
    ]
    kinds = quality_of(items, [0.05] * len(items), Exposure(100, 365.25), settings)
    return next(each for each in kinds if each.kind == "drift")


T, F, OPEN = Outcome.TRUE, Outcome.FALSE, Outcome.OPEN


def test_precision_is_the_share_of_what_was_judged_and_says_how_sure_it_is() -> None:
    known = quality([(T, 10), (T, 20), (T, 30), (F, 60), (OPEN, 0)])
    assert (known.told, known.judged, known.true, known.open) == (5, 4, 3, 1)
    assert known.precision == 0.75
    assert known.precision_low is not None
    assert known.precision_high is not None
    # Jeffreys' bounds for 3 of 4: the 5th and 95th percentile of beta(3.5, 1.5).
    assert [known.precision_low, known.precision_high] == pytest.approx([0.3493, 0.9540], abs=1e-4)
    assert known.lead_days is not None
    assert astuple(known.lead_days) == pytest.approx((12, 20, 28))
    assert known.per_lift_month == pytest.approx(5 / 1_200)
    assert known.by_chance == pytest.approx(0.05)


def test_nothing_judged_is_no_precision() -> None:
    known = quality([(OPEN, 0)])
    assert (known.precision, known.precision_low, known.lead_days, known.calibration_error) == (None, None, None, None)
    assert not known.report_only


def test_every_kind_that_predicts_is_told_even_where_nothing_was() -> None:
    kinds = quality_of([], [], Exposure(0, 0))
    assert [each.kind for each in kinds] == sorted(EXPECTED)
    assert {each.per_lift_month for each in kinds} == {None}


@pytest.mark.parametrize(
    ("true", "false", "quiet"), [(0, 19, False), (0, 20, True), (9, 11, True), (10, 10, False), (20, 0, False)]
)
def test_a_kind_below_its_floor_over_twenty_judged_is_reported_only(*, true: int, false: int, quiet: bool) -> None:
    assert quality([(T, 1)] * true + [(F, 60)] * false).report_only is quiet


def test_the_owner_sets_the_floor_and_none_never_silences() -> None:
    outcomes = [(T, 1.0)] * 8 + [(F, 60.0)] * 2
    assert quality(outcomes, settings=QualitySettings(precision_floor=0.9, judged_min=10)).report_only
    assert not quality([(F, 60.0)] * 50, settings=QualitySettings(precision_floor=0)).report_only
    for wrong in ({"precision_floor": 1.0}, {"precision_floor": -0.1}, {"judged_min": 0}):
        with pytest.raises(ValueError, match="precision_floor"):
            QualitySettings(**wrong)


def test_confidence_is_held_against_what_came_true() -> None:
    known = quality([(T, 1)] * 6 + [(F, 60)] * 4, confidence=0.9)
    (only,) = known.calibration
    assert (only.low, only.high, only.count, only.true_share) == (0.8, 1.0, 10, 0.6)
    assert known.calibration_error == pytest.approx(0.3)
    assert quality([(T, 1)] * 3, confidence=1.0).calibration[0].high == 1.0


def test_findings_count_from_when_they_were_first_written_down() -> None:
    assert window_of(START, None) == (START - 365 * DAY, 365)
    assert window_of(START, START - 30 * DAY)[1] == 30
    assert window_of(START, START - 900 * DAY)[1] == 365


class Fleet:
    """A register, a history and a reader, by day."""

    def __init__(self, engine: Engine) -> None:
        self.register = FleetRegister(engine)
        self.register.register([Lift(lift_id=f"L{number}") for number in range(30)], START)
        failures = FailureReader(self.register, MemoryTelemetryStore())
        self.book = FindingBook(engine, note_findings)
        self.quality = QualityReader(FindingHistory(engine), self.register, failures)

    def tell(self, day: float, *lifts: int) -> list[Finding]:
        findings = [finding(f"L{number}", day) for number in lifts]
        self.book.replace(findings, START + day * DAY)
        return findings

    def of(self, day: float) -> KindQuality:
        return next(each for each in self.quality.quality(START + day * DAY).kinds if each.kind == "repeated-fault")


def finding(lift_id: str, day: float) -> Finding:
    at = START + day * DAY
    return Finding(
        lift_id=lift_id,
        kind=FindingKind.REPEATED_FAULT,
        component="door",
        code=DOOR,
        as_of=at,
        found_at=at,
        value=3,
        limit=3,
        reason="3 times",
        evidence=[],
    )


@pytest.fixture
def fleet(sqlite_engine: Engine) -> Fleet:
    return Fleet(sqlite_engine)


def test_repairs_and_breakdowns_that_are_recorded_judge_what_was_told(fleet: Fleet) -> None:
    fleet.tell(1, 0, 1, 2, 3)
    fleet.register.add_visits([repair(5, DOOR, "L0"), repair(5, NO_FAULT, "L1")])
    fleet.register.add_outages([Outage(lift_id="L2", kind=OutageKind.BREAKDOWN, code=DOOR, raised_at=START + 9 * DAY)])
    known = fleet.of(20)
    assert (known.told, known.true, known.judged, known.open) == (4, 2, 3, 1)
    assert fleet.of(40).judged == 4
    assert fleet.of(7.5).true == 1, "as of then"
    assert fleet.of(0.5).told == 0


def test_what_is_recorded_late_is_seen(fleet: Fleet) -> None:
    fleet.tell(1, 0)
    assert fleet.of(40).true == 0
    fleet.register.add_visits([repair(5, DOOR, "L0")])
    assert fleet.of(40).true == 1


def breakdown(lift_id: str, day: float) -> Outage:
    at = START + day * DAY
    return Outage(
        lift_id=lift_id, kind=OutageKind.BREAKDOWN, code=DOOR, raised_at=at, cleared_at=at + timedelta(hours=1)
    )


def test_what_came_before_the_year_is_no_chance_in_it(fleet: Fleet) -> None:
    lifts = [Lift(lift_id=f"L{number}", observed_from=(START - 800 * DAY).date()) for number in range(30)]
    fleet.register.register(lifts, START)
    fleet.register.add_visits([repair(-500 - number, DOOR, f"L{number}") for number in range(30)])
    fleet.tell(1, 0)
    assert fleet.of(40).by_chance == 0.0


def test_a_lift_that_always_fails_makes_no_chance_for_the_others(fleet: Fleet) -> None:
    fleet.register.add_outages([breakdown("L0", day) for day in range(100)])
    fleet.tell(1, 0)
    assert fleet.of(100).by_chance == pytest.approx(1 / 30)


def test_chance_is_not_known_before_a_finding_could_have_had_its_time(fleet: Fleet) -> None:
    fleet.tell(1, 0)
    fleet.register.add_outages([breakdown("L0", 5)])
    known = fleet.of(20)
    assert (known.true, known.by_chance) == (1, None)


def test_a_kind_that_was_wrong_too_often_says_so_in_its_findings(fleet: Fleet) -> None:
    findings = fleet.tell(1, *range(25))
    assert fleet.quality.marked(findings, START + 20 * DAY) == findings
    marked = fleet.quality.marked(findings, START + 40 * DAY)
    assert all(each.report_only for each in marked)
    assert marked[0].reason == "3 times (report only: of 25 such findings in a year 0 came true)"
