"""Visits and inspections that are due or overdue, and lifts that run though they must not. Pure.

Days are UTC dates for now: a lift knows no time zone yet, so near midnight a duty can change a day early or late.
"""

import calendar
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from msgspec import Struct

from analytics.findings import Finding, FindingKind, rfc3339, said
from analytics.regimes import Certificate, Duty, DutyKind, InYears, SinceLast, Span
from analytics.settings import AssessmentSettings
from ingest.fleet import Inspection, InspectionOutcome, Lift, Visit, VisitKind

_ONE_DAY = timedelta(days=1)
_KINDS = {
    DutyKind.MAINTENANCE: (FindingKind.MAINTENANCE_DUE, FindingKind.MAINTENANCE_OVERDUE),
    DutyKind.INSPECTION: (FindingKind.INSPECTION_DUE, FindingKind.INSPECTION_OVERDUE),
}
_VALID, _VALID_ONCE = "the certificate is valid until", "the certificate was valid until"
_NOUNS = {DutyKind.MAINTENANCE: "maintenance visit", DutyKind.INSPECTION: "inspection"}


class Certification(Struct, frozen=True, kw_only=True):
    """Until when a lift is certified (None: not known), and when it failed an inspection that none passed since."""

    expires_on: date | None = None
    failed_on: date | None = None


class DutyRecord(Struct, frozen=True, kw_only=True):
    """What is known of one lift's visits and certificate as of an instant.

    `counts_from` is the day from which a visit is counted where none is on record. `last_visits` are the last ones of
    each kind, `visits` all that a duty by year or about something can rest on (inspections passed among them).
    """

    lift_id: str
    counts_from: date
    last_visits: Mapping[VisitKind, Visit]
    certification: Certification
    visits: Sequence[Visit] = ()
    commissioned_on: date | None = None


class Deadline(Struct, frozen=True, kw_only=True):
    """The last day that is still in time, the day it is counted from (None: not counted), and what says so."""

    day: date
    counted_from: date | None = None
    words: str
    evidence: dict[str, Any]


class BarredTrips(Struct, frozen=True):
    """The first and the last trip that a lift made though it must not be used."""

    first_at: datetime
    last_at: datetime


def utc_date(instant: datetime) -> date:
    """Return the UTC date of an aware instant."""
    return instant.astimezone(UTC).date()


def midnight(day: date) -> datetime:
    """Return the instant at which a day begins in UTC."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def shifted(day: date, span: Span, direction: int = 1) -> date:
    """Return the day one `span` after `day` (before it: `direction` -1), at most the last day that a date can hold.

    31 March less a month is the last of February.
    """
    year, month = divmod(day.year * 12 + day.month - 1 + direction * span.months, 12)
    try:
        last = calendar.monthrange(year, month + 1)[1]
        return date(year, month + 1, min(day.day, last)) + direction * timedelta(days=span.days)
    except (OverflowError, ValueError):  # "valid for ever" is written as 9999-12-31 in some registers
        return date.max if direction > 0 else date.min


def certification_as_of(lift: Lift, inspections: Iterable[Inspection], as_of: datetime) -> Certification:
    """Return what was known of a lift's certificate at an instant: by its inspections until then, else by the register.

    The register holds the newest certificate alone. Where a later inspection has already replaced the one of then,
    and no earlier inspection is on record, it is not known.
    """
    today = utc_date(as_of)
    by_day = sorted(inspections, key=lambda item: item.done_on)
    passed = [item for item in by_day if item.outcome is InspectionOutcome.PASSED]
    failed = [item.done_on for item in by_day if item.outcome is InspectionOutcome.FAILED and item.done_on <= today]
    certified = [item for item in passed if item.certificate_expires_on is not None]
    known = [item for item in certified if item.done_on <= today]
    last_passed = max((item.done_on for item in passed if item.done_on <= today), default=date.min)
    failed_on = min((day for day in failed if day > last_passed), default=None)
    if known:
        return Certification(expires_on=known[-1].certificate_expires_on, failed_on=failed_on)
    return Certification(expires_on=None if certified else lift.certificate_expires_on, failed_on=failed_on)


def passed_as_visits(inspections: Iterable[Inspection], as_of: datetime) -> list[Visit]:
    """Return the inspections that a lift had passed by an instant as the visits that they were, at the day's begin."""
    return [
        Visit(lift_id=item.lift_id, kind=VisitKind.INSPECTION, done_at=midnight(item.done_on))
        for item in inspections
        if item.outcome is InspectionOutcome.PASSED and item.done_on <= utc_date(as_of)
    ]


def deadline_of(duty: Duty, record: DutyRecord) -> Deadline | None:
    """Return by when a duty is owed; None where that is not known (no certificate on record)."""
    if isinstance(duty.due, Certificate):
        return _by_certificate(record.certification)
    if isinstance(duty.due, InYears):
        by_year = _in_years(duty, duty.due, record)
        return _by_certificate(record.certification) if by_year is None and duty.due.else_certificate else by_year
    return _since_last(duty, duty.due, record)


def _by_certificate(certification: Certification) -> Deadline | None:
    if certification.expires_on is None:
        return None
    day = certification.expires_on
    evidence = {"kind": "certificate", "expires_on": day.isoformat()}
    return Deadline(day=day, words=f"{_VALID} {day}", evidence=evidence)


def _since_last(duty: Duty, due: SinceLast, record: DutyRecord) -> Deadline:
    last = max(_that_count(due, record), key=lambda visit: visit.done_at, default=None)
    start = record.counts_from if last is None else utc_date(last.done_at)
    day = shifted(start, due.period)
    if due.later is not None and record.commissioned_on is not None:
        old_from = shifted(record.commissioned_on, Span(months=12 * due.later.after_years))
        day = min(day, max(old_from, shifted(start, due.later.period)))
    apart = f"at most {(day - start).days} days may pass"
    if last is None:
        words = f"none is on record since {start}, {apart}"
        evidence: dict[str, Any] = {"kind": "no-visit-on-record", "counts_from": start.isoformat()}
    else:
        words = f"the last {_noun(duty)} was on {start}, {apart}"
        evidence = {"kind": last.kind.value, "done_at": rfc3339(last.done_at), "work_order": last.work_order}
    return Deadline(day=day, counted_from=start, words=words, evidence=evidence)


def _that_count(due: SinceLast | InYears, record: DutyRecord) -> list[Visit]:
    if due.about is None and isinstance(due, SinceLast):
        visits = [visit for kind, visit in record.last_visits.items() if kind in due.resets_on]
        return visits + [visit for visit in record.visits if visit.kind in due.resets_on]
    return [visit for visit in record.visits if visit.kind in due.resets_on and due.about in (None, visit.cause_code)]


def _in_years(duty: Duty, due: InYears, record: DutyRecord) -> Deadline | None:
    """Return the first year's day since the last one that was met; None where none is left, or none is known.

    A day is met from `early` before it until the window of the next one opens. Days before `counts_from` are nobody's.
    """
    if record.commissioned_on is None:
        return None
    days = [shifted(record.commissioned_on, Span(months=12 * year)) for year in due.years]
    opens = [shifted(day, duty.early, -1) for day in days]
    done = [utc_date(visit.done_at) for visit in _that_count(due, record)]
    open_day = None
    for number, day in enumerate(days):
        until = opens[number + 1] if number + 1 < len(days) else date.max
        if any(opens[number] <= each < until for each in done):
            open_day = None
        elif open_day is None and day >= record.counts_from:
            open_day = number
    if open_day is None:
        return None
    year = due.years[open_day]
    words = f"year {year} after commissioning on {record.commissioned_on}"
    evidence = {"kind": "commissioned", "commissioned_on": record.commissioned_on.isoformat(), "year": year}
    return Deadline(day=days[open_day], words=words, evidence=evidence)


def due_finding(duty: Duty, record: DutyRecord, as_of: datetime, settings: AssessmentSettings) -> Finding | None:
    """Return that a duty is due or overdue as of an instant; None while it is neither, or where nothing is known.

    The day itself is still in time (MP-01: a visit on day 15 is, one on day 16 is not). `days_left` counts whole
    days until that day and is negative after it. `value` and `limit` are days: since the last visit against the
    longest time between two; for a certificate the days that are left against the days of warning, and once it has
    expired the days since against none.
    """
    deadline = deadline_of(duty, record)
    if deadline is None:
        return None
    due_on = shifted(deadline.day, _early(duty, settings), -1)
    today = utc_date(as_of)
    if today < due_on:
        return None
    is_overdue = today > deadline.day
    value, limit = _measure(deadline, due_on, today)
    return Finding(
        lift_id=record.lift_id,
        kind=_KINDS[duty.kind][is_overdue],
        code=duty.name,
        as_of=as_of,
        found_at=midnight(deadline.day + _ONE_DAY if is_overdue else due_on),
        value=value,
        limit=limit,
        days_left=float((deadline.day - today).days),
        reason=_reason(duty, deadline, today),
        evidence=[deadline.evidence],
    )


def _early(duty: Duty, settings: AssessmentSettings) -> Span:
    if duty.kind is DutyKind.MAINTENANCE and duty.name is None and settings.visit_due_soon_days is not None:
        return Span(days=settings.visit_due_soon_days)
    return duty.early


def _measure(deadline: Deadline, due_on: date, today: date) -> tuple[float, float]:
    if deadline.counted_from is not None:
        return float((today - deadline.counted_from).days), float((deadline.day - deadline.counted_from).days)
    left = (deadline.day - today).days
    return (float(left), float((deadline.day - due_on).days)) if left >= 0 else (float(-left), 0.0)


def _reason(duty: Duty, deadline: Deadline, today: date) -> str:
    left, words = (deadline.day - today).days, deadline.words
    noun = _noun(duty).capitalize()
    if left < 0:
        when = f"overdue by {_days(-left)}, since {deadline.day + _ONE_DAY}"
        words = words.replace(_VALID, _VALID_ONCE)
    else:
        when = f"due by {deadline.day}, " + (f"{_days(left)} left" if left else "today is the last day")
    by = "" if duty.who is None else f" (by the {duty.who})"
    return f"{noun}{by} {when}: {words} ({', '.join(duty.sources)})"


def _noun(duty: Duty) -> str:
    return _NOUNS[duty.kind] if duty.name is None else duty.name.replace("-", " ")


def _days(count: int) -> str:
    return "1 day" if count == 1 else f"{count} days"


def barred_from(duty: Duty, record: DutyRecord, as_of: datetime) -> datetime | None:
    """Return from when on each trip breaks a duty that blocks use (IN-05); None where none does yet.

    The day after the deadline, or after a failed inspection: its hour is not on record.
    """
    if duty.blocks_use is None:
        return None
    deadline = deadline_of(duty, record)
    days = [deadline.day] if deadline else []
    if record.certification.failed_on is not None:
        days.append(record.certification.failed_on)
    last_day = min(days, default=date.max)
    return midnight(last_day + _ONE_DAY) if last_day < utc_date(as_of) else None


def barred_use(duty: Duty, record: DutyRecord, trips: BarredTrips, as_of: datetime) -> Finding | None:
    """Return that a lift runs without a valid certificate (IN-05); None where no duty bars it.

    `value` is the days from the end of its certification to its last trip, `limit` none.
    """
    since = barred_from(duty, record, as_of)
    if since is None:
        return None
    first_at, last_at = rfc3339(trips.first_at), rfc3339(trips.last_at)
    return Finding(
        lift_id=record.lift_id,
        kind=FindingKind.NO_VALID_CERTIFICATE,
        as_of=as_of,
        found_at=trips.first_at,
        value=(trips.last_at - since) / _ONE_DAY,
        limit=0.0,
        reason=f"Runs without a valid certificate: {_why_barred(record.certification, since)}, "
        f"it has made trips since {said(trips.first_at)}, the last at {said(trips.last_at)} ({duty.blocks_use})",
        evidence=[
            {"kind": "certificate", "ended_at": rfc3339(since)},
            {"kind": "trips", "first_at": first_at, "last_at": last_at},
        ],
    )


def _why_barred(certification: Certification, since: datetime) -> str:
    last_day = utc_date(since) - _ONE_DAY
    if certification.failed_on == last_day:
        return f"it failed the inspection of {last_day}"
    return f"its certificate was valid until {last_day}"
