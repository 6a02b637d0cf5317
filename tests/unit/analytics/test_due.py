from datetime import date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.due import (
    BarredTrips,
    Certification,
    DutyRecord,
    barred_from,
    barred_use,
    certification_as_of,
    due_finding,
    midnight,
    shifted,
)
from analytics.findings import Finding, FindingKind
from analytics.regimes import REGIMES, Duty, DutyKind, SinceLast, Span
from analytics.settings import AssessmentSettings
from ingest.fleet import Inspection, InspectionOutcome, Lift, Visit, VisitKind

VISIT, INSPECTION = REGIMES["CN-2012"].duties
DAY0 = date(2026, 3, 1)
ONE_DAY = timedelta(days=1)
NOON = timedelta(hours=12)


def record(
    *,
    visit_at: datetime | None = None,
    kind: VisitKind = VisitKind.MAINTENANCE,
    expires_on: date | None = None,
    failed_on: date | None = None,
) -> DutyRecord:
    visits = {} if visit_at is None else {kind: Visit(lift_id="L1", kind=kind, done_at=visit_at, work_order="WO-7")}
    known = Certification(expires_on=expires_on, failed_on=failed_on)
    return DutyRecord(lift_id="L1", counts_from=DAY0, last_visits=visits, certification=known)


def visit_after(days: int, settings: AssessmentSettings | None = None, hour: timedelta = NOON) -> Finding | None:
    """What is found `days` after a visit late on the first day."""
    known = record(visit_at=midnight(DAY0) + timedelta(hours=23))
    return due_finding(VISIT, known, midnight(DAY0) + days * ONE_DAY + hour, settings or AssessmentSettings())


def inspection_on(day: date, expires_on: date | None = None) -> Finding | None:
    known = record(expires_on=expires_on or date(2026, 6, 15))
    return due_finding(INSPECTION, known, midnight(day) + NOON, AssessmentSettings())


@pytest.mark.parametrize(
    ("days", "kind", "days_left"),
    [
        (0, None, None),
        (11, None, None),
        (12, FindingKind.MAINTENANCE_DUE, 3),
        (14, FindingKind.MAINTENANCE_DUE, 1),
        (15, FindingKind.MAINTENANCE_DUE, 0),
        (16, FindingKind.MAINTENANCE_OVERDUE, -1),
        (17, FindingKind.MAINTENANCE_OVERDUE, -2),
        (400, FindingKind.MAINTENANCE_OVERDUE, -385),
    ],
)
def test_a_visit_on_day_15_is_in_time_and_on_day_16_it_is_not(
    days: int, kind: FindingKind | None, days_left: float | None
) -> None:
    finding = visit_after(days)
    assert (finding and finding.kind, finding and finding.days_left) == (kind, days_left)
    if finding is not None:
        assert (finding.value, finding.limit) == (days, 15)


@pytest.mark.parametrize(("days", "found_after"), [(12, 12), (15, 12), (16, 16), (40, 16)])
def test_a_duty_is_found_on_the_day_that_it_fell_due(days: int, found_after: int) -> None:
    finding = visit_after(days)
    assert finding is not None
    assert finding.found_at == midnight(DAY0) + found_after * ONE_DAY


def test_the_last_instant_of_day_15_is_still_in_time() -> None:
    finding = visit_after(15, hour=ONE_DAY - timedelta(microseconds=1))
    assert finding is not None
    assert finding.kind is FindingKind.MAINTENANCE_DUE


def test_the_owner_sets_how_many_days_before_a_visit_is_due_soon() -> None:
    settings = AssessmentSettings(visit_due_soon_days=0)
    assert visit_after(14, settings) is None
    assert visit_after(15, settings) is not None


def test_a_mechanic_reads_when_the_visit_was_due_and_by_which_rule() -> None:
    soon, late = visit_after(14), visit_after(17)
    assert soon is not None
    assert late is not None
    assert soon.reason == (
        "Maintenance visit due by 2026-03-16, 1 day left: "
        "the last maintenance visit was on 2026-03-01, at most 15 days may pass (MP-01, MP-02)"
    )
    assert late.reason.startswith("Maintenance visit overdue by 2 days, since 2026-03-17: ")
    assert late.evidence == [{"kind": "maintenance", "done_at": "2026-03-01T23:00:00Z", "work_order": "WO-7"}]


def test_a_lift_without_a_visit_on_record_counts_from_its_first_day() -> None:
    finding = due_finding(VISIT, record(), midnight(DAY0) + 16 * ONE_DAY, AssessmentSettings())
    assert finding is not None
    assert finding.kind is FindingKind.MAINTENANCE_OVERDUE
    assert finding.evidence == [{"kind": "no-visit-on-record", "counts_from": "2026-03-01"}]
    assert "none is on record since 2026-03-01" in finding.reason


def test_a_repair_does_not_stand_for_a_maintenance_visit() -> None:
    known = record(visit_at=midnight(DAY0) + 10 * ONE_DAY, kind=VisitKind.REPAIR)
    finding = due_finding(VISIT, known, midnight(DAY0) + 16 * ONE_DAY, AssessmentSettings())
    assert finding is not None
    assert finding.kind is FindingKind.MAINTENANCE_OVERDUE


@pytest.mark.parametrize(
    ("day", "kind", "days_left"),
    [
        (date(2026, 5, 14), None, None),
        (date(2026, 5, 15), FindingKind.INSPECTION_DUE, 31),
        (date(2026, 6, 15), FindingKind.INSPECTION_DUE, 0),
        (date(2026, 6, 16), FindingKind.INSPECTION_OVERDUE, -1),
    ],
)
def test_an_inspection_is_due_a_month_before_the_certificate_expires(
    day: date, kind: FindingKind | None, days_left: float | None
) -> None:
    finding = inspection_on(day)
    assert (finding and finding.kind, finding and finding.days_left) == (kind, days_left)


def test_the_figures_of_an_inspection_are_days_left_then_days_over() -> None:
    soon, late = inspection_on(date(2026, 5, 20)), inspection_on(date(2026, 6, 20))
    assert soon is not None
    assert late is not None
    assert (soon.value, soon.limit, soon.found_at) == (26, 31, midnight(date(2026, 5, 15)))
    assert (late.value, late.limit, late.found_at) == (5, 0, midnight(date(2026, 6, 16)))
    assert soon.reason == (
        "Inspection due by 2026-06-15, 26 days left: the certificate is valid until 2026-06-15 (IN-01)"
    )


def test_a_lift_whose_certificate_is_not_known_is_not_called_overdue() -> None:
    assert due_finding(INSPECTION, record(), midnight(DAY0), AssessmentSettings()) is None


@pytest.mark.parametrize(
    ("day", "span", "before"),
    [
        (date(2026, 3, 31), Span(months=1), date(2026, 2, 28)),
        (date(2028, 3, 30), Span(months=1), date(2028, 2, 29)),
        (date(2026, 7, 31), Span(months=1), date(2026, 6, 30)),
        (date(2026, 1, 15), Span(months=1), date(2025, 12, 15)),
        (date(2026, 1, 15), Span(months=13, days=1), date(2024, 12, 14)),
        (date(1, 1, 1), Span(months=1), date.min),
        (date(1, 1, 1), Span(days=1), date.min),
    ],
)
def test_a_month_before_keeps_the_day_or_takes_the_last_one(day: date, span: Span, before: date) -> None:
    assert shifted(day, span, -1) == before


def test_a_certificate_that_is_valid_for_ever_never_expires() -> None:
    for_ever = record(expires_on=date.max)
    as_of = midnight(date(9999, 1, 1))
    assert shifted(date.max, Span(days=1)) == date.max
    assert due_finding(INSPECTION, for_ever, as_of, AssessmentSettings()) is None
    assert barred_from(INSPECTION, for_ever, as_of) is None


@given(day=st.dates(), months=st.integers(0, 240), days=st.integers(0, 800))
def test_a_span_back_never_lands_after_the_day(day: date, months: int, days: int) -> None:
    assert shifted(day, Span(months=months, days=days), -1) <= day <= shifted(day, Span(months=months, days=days))


def test_other_regimes_count_inspections_from_the_last_one() -> None:
    half_yearly = Duty(
        kind=DutyKind.INSPECTION,
        due=SinceLast(period=Span(months=6), resets_on=frozenset({VisitKind.INSPECTION})),
        early=Span(days=14),
        sources=("an example",),
    )
    known = record(visit_at=midnight(date(2026, 8, 31)), kind=VisitKind.INSPECTION)
    finding = due_finding(half_yearly, known, midnight(date(2027, 3, 1)), AssessmentSettings())
    assert finding is not None
    assert (finding.kind, finding.value, finding.limit) == (FindingKind.INSPECTION_OVERDUE, 182, 181)


@pytest.mark.parametrize(
    ("expires_on", "failed_on", "barred_on"),
    [
        (None, None, None),
        (date(2026, 3, 9), None, date(2026, 3, 10)),
        (date(2026, 3, 10), None, None),
        (date(2027, 3, 1), date(2026, 3, 5), date(2026, 3, 6)),
        (date(2026, 3, 2), date(2026, 3, 5), date(2026, 3, 3)),
        (None, date(2026, 3, 5), date(2026, 3, 6)),
        (None, date(2026, 3, 10), None),
    ],
)
def test_a_lift_is_barred_from_the_day_after_expiry_or_a_failed_inspection(
    expires_on: date | None, failed_on: date | None, barred_on: date | None
) -> None:
    since = barred_from(INSPECTION, record(expires_on=expires_on, failed_on=failed_on), midnight(date(2026, 3, 10)))
    assert since == (midnight(barred_on) if barred_on else None)


def test_a_duty_that_does_not_block_use_bars_nothing() -> None:
    as_of = midnight(DAY0) + 100 * ONE_DAY
    trips = BarredTrips(as_of, as_of)
    assert barred_from(VISIT, record(), as_of) is None
    assert barred_use(VISIT, record(), trips, as_of) is None


def test_trips_after_the_certificate_expired_are_found_from_the_first_of_them() -> None:
    as_of = midnight(date(2026, 3, 20))
    trips = BarredTrips(midnight(date(2026, 3, 12)), midnight(date(2026, 3, 15)) + NOON)
    finding = barred_use(INSPECTION, record(expires_on=date(2026, 3, 9)), trips, as_of)
    assert finding is not None
    assert (finding.kind, finding.found_at) == (FindingKind.NO_VALID_CERTIFICATE, trips.first_at)
    assert (finding.value, finding.limit) == (5.5, 0)
    assert finding.reason == (
        "Runs without a valid certificate: its certificate was valid until 2026-03-09, it has made trips since "
        "2026-03-12 00:00 UTC, the last at 2026-03-15 12:00 UTC (IN-05)"
    )


def test_trips_after_a_failed_inspection_say_so() -> None:
    as_of = midnight(date(2026, 3, 20))
    known = record(expires_on=date(2027, 3, 9), failed_on=date(2026, 3, 9))
    finding = barred_use(INSPECTION, known, BarredTrips(as_of, as_of), as_of)
    assert finding is not None
    assert "it failed the inspection of 2026-03-09" in finding.reason


def inspected(done_on: date, expires_on: date | None, *, passed: bool = True) -> Inspection:
    outcome = InspectionOutcome.PASSED if passed else InspectionOutcome.FAILED
    return Inspection(lift_id="L1", done_on=done_on, outcome=outcome, certificate_expires_on=expires_on)


FIRST = inspected(date(2025, 1, 10), date(2026, 1, 31))
SECOND = inspected(date(2026, 1, 20), date(2027, 1, 31))
FAILED = inspected(date(2026, 6, 1), None, passed=False)
FAILED_AGAIN = inspected(date(2026, 6, 9), None, passed=False)
PASSED_AT_LAST = inspected(date(2026, 7, 1), None)
REGISTERED = Lift(lift_id="L1", certificate_expires_on=date(2030, 1, 1))


@pytest.mark.parametrize(
    ("inspections", "day", "expires_on", "failed_on"),
    [
        ([], date(2026, 1, 19), date(2030, 1, 1), None),
        ([SECOND, FIRST], date(2026, 1, 19), date(2026, 1, 31), None),
        ([SECOND, FIRST], date(2026, 1, 20), date(2027, 1, 31), None),
        ([SECOND], date(2026, 1, 19), None, None),
        ([FAILED], date(2026, 5, 31), date(2030, 1, 1), None),
        ([FAILED], date(2026, 6, 1), date(2030, 1, 1), date(2026, 6, 1)),
        ([FAILED_AGAIN, FAILED, SECOND], date(2026, 6, 30), date(2027, 1, 31), date(2026, 6, 1)),
        ([PASSED_AT_LAST, FAILED, SECOND], date(2026, 7, 1), date(2027, 1, 31), None),
    ],
)
def test_a_certificate_is_what_was_known_of_it_then(
    inspections: list[Inspection], day: date, expires_on: date | None, failed_on: date | None
) -> None:
    known = certification_as_of(REGISTERED, inspections, midnight(day) + NOON)
    assert (known.expires_on, known.failed_on) == (expires_on, failed_on)


@given(
    days=st.lists(st.dates(date(2025, 1, 1), date(2026, 12, 31)), unique=True, min_size=1, max_size=6),
    as_of=st.dates(date(2025, 1, 1), date(2026, 12, 31)),
)
def test_inspections_after_the_instant_do_not_change_a_certificate_known_then(days: list[date], as_of: date) -> None:
    done = [inspected(day, day + 365 * ONE_DAY) for day in days]
    known = [item for item in done if item.done_on <= as_of]
    if known:
        at = midnight(as_of)
        assert certification_as_of(REGISTERED, done, at) == certification_as_of(REGISTERED, known, at)
