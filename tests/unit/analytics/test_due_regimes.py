"""Duties of the other regimes: by year of use, of two sorts of inspection, for old lifts."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.due import Certification, DutyRecord, barred_from, due_finding, midnight, passed_as_visits, shifted
from analytics.findings import Finding, FindingKind
from analytics.regimes import REGIMES, Duty, InYears, Span
from analytics.settings import AssessmentSettings
from ingest.fleet import Inspection, InspectionOutcome, Visit, VisitKind

COMMISSIONED = date(2020, 3, 15)
NOON = timedelta(hours=12)


def duty(regime: str, name: str | None) -> Duty:
    (found,) = [each for each in REGIMES[regime].duties if each.name == name]
    return found


INSPECTION, SELF_TEST = duty("CN-2023", "periodic-inspection"), duty("CN-2023", "self-test")
GOVERNOR = duty("CN-2023", "governor-check")
MAIN, BETWEEN = duty("DE-BETRSICHV", "main-inspection"), duty("DE-BETRSICHV", "intermediate-inspection")


def inspected(day: date, about: str | None = None, kind: VisitKind = VisitKind.INSPECTION) -> Visit:
    return Visit(lift_id="L1", kind=kind, done_at=midnight(day) + NOON, cause_code=about)


def found(
    rule: Duty,
    on: date,
    visits: Sequence[Visit] = (),
    *,
    counts_from: date = COMMISSIONED,
    commissioned_on: date | None = COMMISSIONED,
    expires_on: date | None = None,
) -> Finding | None:
    last = {visit.kind: visit for visit in sorted(visits, key=lambda visit: visit.done_at)}
    record = DutyRecord(
        lift_id="L1",
        counts_from=counts_from,
        last_visits=last,
        certification=Certification(expires_on=expires_on),
        visits=visits,
        commissioned_on=commissioned_on,
    )
    return due_finding(rule, record, midnight(on) + NOON, AssessmentSettings())


@pytest.mark.parametrize(
    ("on", "kind"),
    [
        (date(2021, 1, 14), None),
        (date(2021, 1, 15), FindingKind.INSPECTION_DUE),
        (date(2021, 3, 15), FindingKind.INSPECTION_DUE),
        (date(2021, 3, 16), FindingKind.INSPECTION_OVERDUE),
    ],
)
def test_the_first_inspection_is_due_after_one_year_at_most_two_months_early(
    on: date, kind: FindingKind | None
) -> None:
    finding = found(INSPECTION, on)
    assert (finding and finding.kind) == kind


def test_an_early_or_late_inspection_does_not_move_the_next_one() -> None:
    for day in (date(2021, 1, 20), date(2021, 3, 15), date(2021, 9, 1)):
        done = [inspected(day)]
        assert found(INSPECTION, date(2024, 1, 14), done) is None
        finding = found(INSPECTION, date(2024, 3, 10), done)
        assert finding is not None
        assert finding.days_left == 5
        assert "year 4 after commissioning on 2020-03-15" in finding.reason


def test_an_inspection_before_its_window_meets_nothing() -> None:
    finding = found(INSPECTION, date(2021, 3, 20), [inspected(date(2020, 12, 1))])
    assert finding is not None
    assert finding.kind is FindingKind.INSPECTION_OVERDUE


def test_a_year_that_was_missed_before_we_knew_the_lift_is_nobodys_debt() -> None:
    assert found(INSPECTION, date(2025, 1, 1), counts_from=date(2024, 6, 1)) is None
    assert found(INSPECTION, date(2027, 2, 1), counts_from=date(2024, 6, 1)) is not None


def test_a_year_that_was_missed_stays_overdue_until_the_next_one_is_done() -> None:
    assert found(INSPECTION, date(2023, 1, 1)) is not None
    assert found(INSPECTION, date(2024, 4, 1), [inspected(date(2024, 2, 1))]) is None


def test_what_an_operator_reads_says_who_and_by_which_rule() -> None:
    finding = found(INSPECTION, date(2021, 3, 1))
    assert finding is not None
    assert finding.reason == (
        "Periodic inspection (by the inspection body) due by 2021-03-15, 14 days left: year 1 after commissioning on "
        "2020-03-15 (TSG T7001-2023)"
    )
    assert (finding.code, finding.key) == ("periodic-inspection", "periodic-inspection")


def test_beyond_the_last_year_the_certificate_tells_and_before_it_does_not() -> None:
    old = {"commissioned_on": date(2005, 3, 15), "counts_from": date(2022, 1, 1)}
    expired = date(2026, 5, 1)
    finding = found(INSPECTION, date(2026, 5, 10), expires_on=expired, **old)  # type: ignore[arg-type]
    assert finding is not None
    assert "the certificate was valid until 2026-05-01" in finding.reason
    assert found(INSPECTION, date(2026, 5, 10), **old) is None  # type: ignore[arg-type]
    assert found(INSPECTION, date(2026, 5, 10), commissioned_on=None, expires_on=expired) is not None
    young = found(INSPECTION, date(2022, 5, 10), [inspected(date(2021, 3, 1))], expires_on=date(2022, 5, 1))
    assert young is None


def test_a_lift_must_not_run_once_its_year_has_passed() -> None:
    record = DutyRecord(
        lift_id="L1",
        counts_from=COMMISSIONED,
        last_visits={},
        certification=Certification(),
        commissioned_on=COMMISSIONED,
    )
    assert barred_from(INSPECTION, record, midnight(date(2021, 3, 15)) + NOON) is None
    assert barred_from(INSPECTION, record, midnight(date(2021, 4, 1))) == midnight(date(2021, 3, 16))


def test_only_a_visit_about_the_self_test_is_one() -> None:
    plain = inspected(date(2022, 3, 1), kind=VisitKind.MAINTENANCE)
    own = inspected(date(2022, 3, 1), "self-test", VisitKind.MAINTENANCE)
    finding = found(SELF_TEST, date(2022, 3, 16), [plain])
    assert finding is not None
    assert finding.kind is FindingKind.MAINTENANCE_OVERDUE
    assert found(SELF_TEST, date(2022, 3, 16), [own]) is None


def test_the_governor_is_checked_every_second_year_and_every_year_once_the_lift_is_old() -> None:
    done = [inspected(date(2030, 6, 1), "governor-check", VisitKind.MAINTENANCE)]
    assert found(GOVERNOR, date(2032, 5, 30), done) is not None
    assert found(GOVERNOR, date(2032, 4, 30), done) is None
    old = date(2010, 1, 1)
    assert found(GOVERNOR, date(2031, 4, 30), done, commissioned_on=old) is None
    assert found(GOVERNOR, date(2031, 5, 1), done, commissioned_on=old) is not None
    turning = date(2016, 3, 1)  # 15 years old on 2031-03-01: less than a year after the check
    finding = found(GOVERNOR, date(2031, 6, 2), done, commissioned_on=turning)
    assert finding is not None
    assert finding.days_left == -1


def test_germany_has_a_main_inspection_in_two_years_and_one_of_either_sort_each_year() -> None:
    main, between = inspected(date(2024, 1, 10), "main-inspection"), inspected(date(2025, 1, 8))
    assert found(BETWEEN, date(2025, 1, 5), [main]) is not None
    assert found(BETWEEN, date(2025, 2, 1), [main, between]) is None
    assert found(MAIN, date(2025, 2, 1), [main, between]) is None
    finding = found(MAIN, date(2026, 1, 11), [main, between])
    assert finding is not None
    assert (finding.kind, finding.days_left) == (FindingKind.INSPECTION_OVERDUE, -1)


@pytest.mark.parametrize(
    ("regime", "name", "days"),
    [
        ("UK-LOLER", "thorough-examination", 181),
        ("UK-LOLER-GOODS", "thorough-examination", 365),
        ("US-A17.1", "category-1-test", 365),
        ("FR", None, 42),
        ("HK", None, 31),
        ("HK", "yearly-examination", 365),
        ("SG", None, 31),
        ("SG-RMD", None, 90),
    ],
)
def test_the_last_day_in_time_of_each_regime(regime: str, name: str | None, days: int) -> None:
    rule = duty(regime, name)
    start = date(2025, 1, 1)
    kind = VisitKind.MAINTENANCE if name is None else VisitKind.INSPECTION
    done = [inspected(start, kind=kind)]
    on_time, late = found(rule, start + timedelta(days), done), found(rule, start + timedelta(days + 1), done)
    assert on_time is not None
    assert late is not None
    assert (on_time.days_left, late.days_left) == (0, -1)


def test_an_inspection_that_was_passed_is_a_visit_and_a_failed_one_is_none() -> None:
    day = date(2025, 5, 1)
    passed, failed = (
        Inspection(lift_id="L1", done_on=day, outcome=outcome)
        for outcome in (InspectionOutcome.PASSED, InspectionOutcome.FAILED)
    )
    (visit,) = passed_as_visits([passed, failed], midnight(day))
    assert (visit.kind, visit.done_at) == (VisitKind.INSPECTION, midnight(day))
    assert passed_as_visits([passed], midnight(day) - timedelta(minutes=1)) == []


DAYS = st.dates(date(2020, 4, 1), date(2036, 1, 1))


@given(on=DAYS, visits=st.lists(DAYS, max_size=12))
def test_what_is_found_follows_from_what_was_done_until_then(on: date, visits: list[date]) -> None:
    done = [inspected(day) for day in visits if day <= on]
    assert found(INSPECTION, on, done) == found(INSPECTION, on, done[::-1])
    finding = found(INSPECTION, on, done)
    if finding is not None:
        assert finding.found_at <= midnight(on) + NOON
        year = next(item["year"] for item in finding.evidence)
        assert isinstance(INSPECTION.due, InYears)
        assert year in INSPECTION.due.years
        assert found(INSPECTION, on, [*done, inspected(on)]) is None


@given(on=DAYS)
def test_one_day_has_one_answer_at_all_hours(on: date) -> None:
    def at(hour: datetime) -> Finding | None:
        record = DutyRecord(
            lift_id="L1",
            counts_from=COMMISSIONED,
            last_visits={},
            certification=Certification(),
            commissioned_on=COMMISSIONED,
        )
        return due_finding(INSPECTION, record, hour, AssessmentSettings())

    early, late = at(midnight(on)), at(midnight(on) + timedelta(hours=23, minutes=59))
    assert (early and early.reason) == (late and late.reason)
    assert shifted(on, Span(days=1)) > on
