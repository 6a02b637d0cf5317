"""Faults that come again, and repairs that did not hold. Pure."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from msgspec import Struct

from analytics.findings import EVIDENCE_MAX, Finding, FindingKind, in_words, rfc3339, said
from analytics.occurrences import Occurrence, has_passed, place
from analytics.settings import AssessmentSettings
from ingest.faults import component_of
from ingest.fleet import OutageKind, Visit, VisitKind

_ONE_DAY = timedelta(days=1)


def repeated_faults(
    found: Iterable[Occurrence], as_of: datetime, settings: AssessmentSettings | None = None
) -> list[Finding]:
    """Return, by lift and code, what came at least n times in the window that ends with `as_of` (inclusive).

    Liftwatch's own rule, 3 in 7 days unless it is set otherwise; no standard gives a number. `value` is how many
    times, `found_at` the instant of the nth.
    """
    settings = settings or AssessmentSettings()
    since = as_of - timedelta(days=settings.repeated_fault_days)
    findings = []
    for (lift_id, code), items in _counted(found, since, as_of).items():
        if len(items) >= settings.repeated_fault_count_min:
            findings.append(_repeated(lift_id, code, items, as_of, settings))
    return sorted(findings, key=lambda item: (item.lift_id, item.code or ""))


def _counted(found: Iterable[Occurrence], since: datetime, as_of: datetime) -> dict[tuple[str, str], list[Occurrence]]:
    """Return what counts against a lift in (since, as_of], by lift and code, oldest first."""
    by_cause: dict[tuple[str, str], list[Occurrence]] = defaultdict(list)
    for item in found:
        if item.kind is OutageKind.BREAKDOWN and since < item.raised_at <= as_of:
            by_cause[item.lift_id, item.code].append(item)
    for items in by_cause.values():
        items.sort(key=place)
    return by_cause


def _repeated(
    lift_id: str, code: str, items: list[Occurrence], as_of: datetime, settings: AssessmentSettings
) -> Finding:
    count_min, window = settings.repeated_fault_count_min, _days(settings.repeated_fault_days)
    return Finding(
        lift_id=lift_id,
        kind=FindingKind.REPEATED_FAULT,
        component=component_of(code),
        code=code,
        floor=_only_floor(items),
        as_of=as_of,
        found_at=items[count_min - 1].raised_at,
        value=float(len(items)),
        limit=float(count_min),
        reason=f"{_begun(code)} {len(items)} times in {window}{_where(items)}, the last at {said(items[-1].raised_at)} "
        f"(Liftwatch's rule: {count_min} times in {window} is a repeated fault)",
        evidence=[_fault_evidence(item, as_of) for item in items[-EVIDENCE_MAX:]],
    )


def _only_floor(items: Sequence[Occurrence]) -> int | None:
    """Return the floor at which all of them came; None where they differ, or some do not tell."""
    floors = {item.floor for item in items}
    return floors.pop() if len(floors) == 1 else None


def _where(items: Sequence[Occurrence]) -> str:
    """Return where the car was: one landing alone is looked at first, many speak of the car; nothing where untold."""
    floors = Counter(item.floor for item in items if item.floor is not None)
    floor, count = min(floors.items(), key=lambda pair: (-pair[1], pair[0]), default=(0, 0))
    if count == len(items):
        return f", all at floor {floor}"
    if 2 * count > len(items):
        return f", {count} of them at floor {floor}"
    return f", at {len(floors)} different floors" if len(floors) > 1 else ""


def _fault_evidence(item: Occurrence, as_of: datetime) -> dict[str, Any]:
    is_over = item.cleared_at is not None and item.cleared_at <= as_of
    return {
        "kind": "fault",
        "raised_at": rfc3339(item.raised_at),
        "cleared_at": rfc3339(item.cleared_at) if is_over and item.cleared_at is not None else None,
        "floor": item.floor,
        "fault_id": item.fault_id,
        "source": item.source,
    }


class _Repair(Struct, frozen=True):
    """One completed repair: the visits of one work order are one, completed by the last of them."""

    cause: str
    done_at: datetime
    work_order: str | None


class _Return(Struct, frozen=True):
    """A repair that did not hold: when the fault returned first and last, and by which occurrences (none: a visit)."""

    repair: _Repair
    first_at: datetime
    last_at: datetime
    faults: list[Occurrence]


def repeat_repairs(
    found: Iterable[Occurrence],
    visits: Iterable[Visit],
    as_of: datetime,
    settings: AssessmentSettings | None = None,
) -> list[Finding]:
    """Return, by lift and cause, the repairs after which the same fault came again within 30 days (AS-02, SD-17).

    What the controller got over by itself before anybody was called is no return: the repair held, and if it goes on it
    is a repeated fault. A second repair of the same cause within that time says so too, where no fault message did.
    The finding holds for as long after the last return, unless a repair of that cause has answered it. `value` is the
    days from the repair to the first return, `limit` the days that a repair has to hold.
    """
    settings = settings or AssessmentSettings()
    window = timedelta(days=settings.repeat_repair_days)
    # A fault that a repair of this window answered can be one window older than that.
    faults = _counted((item for item in found if not has_passed(item)), as_of - 2 * window, as_of)
    findings = []
    for lift_id, repairs in _repairs_by_lift(visits, as_of).items():
        for cause in {repair.cause for repair in repairs}:
            same_cause = [repair for repair in repairs if repair.cause == cause]
            back = _last_return(same_cause, faults.get((lift_id, cause), []), window)
            if back is not None and as_of - back.last_at < window:
                findings.append(_repeat_repair(lift_id, repairs, back, as_of, settings))
    return sorted(findings, key=lambda item: (item.lift_id, item.code or ""))


def _repairs_by_lift(visits: Iterable[Visit], as_of: datetime) -> dict[str, list[_Repair]]:
    """Return the repairs with a known cause that were completed by `as_of`, oldest first."""
    completed: dict[tuple[str, str, object], _Repair] = {}
    for visit in sorted(visits, key=lambda visit: (visit.lift_id, visit.done_at)):
        if visit.kind is VisitKind.REPAIR and visit.cause_code and visit.done_at <= as_of:
            key = visit.lift_id, visit.cause_code, visit.work_order or visit.done_at
            completed[key] = _Repair(visit.cause_code, visit.done_at, visit.work_order)
    by_lift: dict[str, list[_Repair]] = defaultdict(list)
    for (lift_id, *_), repair in completed.items():
        by_lift[lift_id].append(repair)
    return {
        lift_id: sorted(repairs, key=lambda item: (item.done_at, item.cause)) for lift_id, repairs in by_lift.items()
    }


def _last_return(repairs: list[_Repair], faults: list[Occurrence], window: timedelta) -> _Return | None:
    """Return how the last repair of a cause failed to hold, else that it was itself a second one without a message."""
    last = repairs[-1]
    after = [item for item in faults if last.done_at < item.raised_at <= last.done_at + window]
    if after:
        return _Return(last, after[0].raised_at, after[-1].raised_at, after)
    for before, again in pairwise(repairs[-2:]):
        is_answer = any(before.done_at < item.raised_at <= again.done_at for item in faults)
        if not is_answer and again.done_at - before.done_at <= window:
            return _Return(before, again.done_at, again.done_at, [])
    return None


def _repeat_repair(
    lift_id: str, repairs: list[_Repair], back: _Return, as_of: datetime, settings: AssessmentSettings
) -> Finding:
    cause = back.repair.cause
    run = _in_a_row(repairs, cause)
    shown = run if back.repair in run else [back.repair, *run]
    held = back.first_at - back.repair.done_at
    how = "came again" if back.faults else "was repaired again"
    limit = _days(settings.repeat_repair_days)
    half = EVIDENCE_MAX // 2
    return Finding(
        lift_id=lift_id,
        kind=FindingKind.REPEAT_REPAIR,
        component=component_of(cause),
        code=cause,
        as_of=as_of,
        found_at=back.first_at,
        value=held / _ONE_DAY,
        limit=float(settings.repeat_repair_days),
        reason=f"{_begun(cause)} {how} {_span(held)} after the repair of {said(back.repair.done_at)}"
        f"{_and_before(len(run))} (AS-02, SD-17; a repair has to hold {limit} here)",
        evidence=[_repair_evidence(repair, len(run)) for repair in shown[-half:]]
        + [_fault_evidence(item, as_of) for item in back.faults[-half:]],
    )


def _begun(code: str) -> str:
    """Return a code at the beginning of a sentence."""
    words = in_words(code)
    return words if words == code else words.capitalize()


def _and_before(repairs: int) -> str:
    return f"; repairs of it in a row: {repairs}" if repairs > 1 else ""


def _span(span: timedelta) -> str:
    """Return a time in words; hours where "0.0 days" would say nothing."""
    if span >= _ONE_DAY:
        return f"{span / _ONE_DAY:.1f} days"
    hours = int(span / timedelta(hours=1))
    return "less than an hour" if hours < 1 else f"{hours} hour{'s' if hours > 1 else ''}"


def _in_a_row(repairs: list[_Repair], cause: str) -> list[_Repair]:
    """Return the newest unbroken run of repairs of `cause` (AS-02: a repair of another cause begins anew)."""
    run: list[_Repair] = []
    for repair in reversed(repairs):
        if repair.cause == cause:
            run.insert(0, repair)
        elif run:
            break
    return run


def _repair_evidence(repair: _Repair, in_a_row: int) -> dict[str, Any]:
    return {
        "kind": "repair",
        "done_at": rfc3339(repair.done_at),
        "work_order": repair.work_order,
        "repairs_in_a_row": in_a_row,
    }


def _days(count: int) -> str:
    return "1 day" if count == 1 else f"{count} days"
