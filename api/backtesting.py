"""`liftwatch backtest`: a history folder read, predictions written, a report said."""

import csv
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime, timedelta
from pathlib import Path
from typing import TextIO, TypeVar

from msgspec import Struct

from analytics.assessment import AssessmentSettings
from analytics.backtest import BacktestPlan, backtest
from analytics.backtest_report import COLUMNS, csv_rows, report_lines
from analytics.backtest_rule import RULES, RulePast, backtest_rule
from analytics.failures import end_of, midnight_before
from analytics.findings import FindingKind, rfc3339
from analytics.occurrences import Occurrence, joined, occurrences, outage_occurrences
from analytics.outage_history import OutageHistory, instant_of
from api.settings import Settings
from ingest.clock import to_ms
from ingest.faults import load_profiles
from ingest.fleet import Lift, Outage, Visit
from ingest.history import MESSAGE_FILES, HistoryError
from ingest.history_files import LIFTS, OUTAGES, VISITS, HistoryProblem, Row, read_messages, read_table
from ingest.intake import Intake, IntakeLimits
from ingest.messages import Fault, Message

_WARM_DAYS, _STEP_DAYS_MAX = 90, 366.0
_T = TypeVar("_T")
_Tell = Callable[[str], None]


class FleetPast(Struct, frozen=True, kw_only=True):
    """What a history folder tells of breakdowns: `until` is the last instant that it tells of."""

    lifts: list[Lift]
    found: list[Occurrence]
    visits: list[Visit]
    until: datetime


def read_past(folder: Path, intake: Intake, now: datetime, tell: _Tell) -> FleetPast:
    """Read the lifts, outages, visits and fault messages of a history folder; `tell` hears of lines with problems.

    Messages that are ahead of `now` are refused, as they are when they come.

    Raises:
        HistoryError: the folder holds no `lifts.csv`, or nothing happened in it.
    """
    if not (folder / LIFTS.file).is_file():
        message = f"{folder}: no {LIFTS.file}"
        raise HistoryError(message)
    lifts = {lift.lift_id: lift for lift in _told(read_table(folder / LIFTS.file, LIFTS), tell)}
    outages: list[Outage] = []
    visits: list[Visit] = []
    if (folder / OUTAGES.file).is_file():
        outages = list(_told(read_table(folder / OUTAGES.file, OUTAGES), tell))
    if (folder / VISITS.file).is_file():
        visits = list(_told(read_table(folder / VISITS.file, VISITS), tell))
    faults, last_said = _faults(folder, lifts, intake, now, tell)
    found = joined(occurrences(faults), outage_occurrences(outages))
    instants = [item.raised_at for item in found]
    instants += [min(item.cleared_at, now) for item in found if item.cleared_at is not None]
    instants += [visit.done_at for visit in visits] + ([last_said] if last_said else [])
    if not instants:
        message = f"{folder}: nothing happened in it"
        raise HistoryError(message)
    return FleetPast(
        lifts=list(lifts.values()), found=found, visits=visits, until=_end(lifts.values(), max(instants), now)
    )


def _end(lifts: Iterable[Lift], last: datetime, now: datetime) -> datetime:
    """Return the end of a history: its last record, or the end of the last day on which any lift is observed.

    A day that is still to come tells nothing yet.
    """
    ends = [end_of(lift.observed_to) for lift in lifts if lift.observed_to is not None]
    return max([last, *(min(end, now) for end in ends)])


def _told(rows: Iterator[Row[_T] | HistoryProblem], tell: _Tell) -> Iterator[_T]:
    for row in rows:
        if isinstance(row, HistoryProblem):
            tell(f"{row.file}:{row.line}: {row.reason}")
        else:
            yield row.value


def _faults(
    folder: Path, lifts: Mapping[str, Lift], intake: Intake, now: datetime, tell: _Tell
) -> tuple[list[Message], datetime | None]:
    """Return the fault messages of a history, and when its last message was measured."""
    faults: list[Message] = []
    last_at: datetime | None = None
    received_ms = to_ms(now)
    profiles = {lift_id: lift.profile for lift_id, lift in lifts.items()}
    for name in MESSAGE_FILES:
        if (folder / name).is_file():
            for line in _told(read_messages(folder / name), tell):
                for message in intake.take(line.topic, line.content, received_ms, profiles.get).accepted:
                    faults += [message] if isinstance(message.body, Fault) else []
                    last_at = message.measured_at if last_at is None else max(last_at, message.measured_at)
    return faults, last_at


class PredictionsError(Exception):
    """The file for the predictions cannot be written."""


def run_backtest(past: FleetPast, plan: BacktestPlan, out: Path | None, say: Callable[[str], object]) -> None:
    """Write the predictions to `out` and say the report.

    Raises:
        PredictionsError: `out` cannot be written.
    """
    with _opened(out) as file:
        predicted = backtest(OutageHistory.of(past.lifts, past.found, past.until), plan)
        if file is not None:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(COLUMNS)
            for one in predicted:
                writer.writerows(csv_rows(one))
    for one in predicted:
        for line in report_lines(one):
            say(line)
        say("")


def _opened(out: Path | None) -> AbstractContextManager[TextIO | None]:
    """Open the file before the work begins: what cannot be written is better known at once."""
    try:
        return nullcontext() if out is None else out.open("w", encoding="utf-8", newline="")
    except OSError as error:
        message = f"--out {out}: {error.strerror}"
        raise PredictionsError(message) from error


def run_rule(
    past: FleetPast, kind: FindingKind, plan: BacktestPlan, settings: AssessmentSettings, say: Callable[[str], object]
) -> None:
    """Say what a rule, as it is set, would have raised at the plan's origins.

    Raises:
        ValueError: fewer than two of the origins lie in the history.
    """
    origins = [instant_of(day) for day in plan.origins() if instant_of(day) <= past.until]
    known = RulePast(found=past.found, visits=past.visits, lifts=len(past.lifts), until=past.until)
    say(backtest_rule(kind, known, origins, settings).line())


def plan_of(
    past: FleetPast, since: datetime | None, until: datetime | None, every_days: float, horizons: Sequence[float]
) -> BacktestPlan:
    """Return a plan: from 90 days after the first record to the end of the history, where nothing else is said.

    Raises:
        ValueError: no origin, or too many.
    """
    first = min((item.raised_at for item in past.found), default=past.until)
    begin = since or midnight_before(first) + timedelta(days=_WARM_DAYS)
    _in_order(past, begin, until, is_told=since is not None)
    return BacktestPlan(since=begin, until=until or past.until, every_days=every_days, horizons=tuple(horizons))


def _in_order(past: FleetPast, begin: datetime, until: datetime | None, *, is_told: bool) -> None:
    """Refuse a time without an origin, in words that say which option to change.

    Raises:
        ValueError: the time is over before it has begun, or the history is.
    """
    first = f"--from {rfc3339(begin)}" if is_told else f"{_WARM_DAYS} days after the first record, {rfc3339(begin)},"
    hint = "" if is_told else "; say an earlier one with --from"
    if until is not None and until < begin:
        message = f"--to {rfc3339(until)} is before the first origin: {first.removesuffix(',')}{hint}"
        raise ValueError(message)
    if past.until < begin:
        message = f"the history ends at {rfc3339(past.until)}: {first} is after that{hint}"
        raise ValueError(message)


def days_in(text: str) -> float:
    """Return the days of `7d`, or of a bare number.

    Raises:
        ValueError: neither.
    """
    try:
        days = float(text.removesuffix("d"))
    except ValueError:
        days = 0.0
    if not 0.0 < days < _STEP_DAYS_MAX:
        message = f"--every {text}: expected days, such as 7d"
        raise ValueError(message)
    return days


def known_rule(text: str) -> FindingKind:
    """Return a rule that can be backtested.

    Raises:
        ValueError: there is none of that name.
    """
    for kind in RULES:
        if kind.value == text:
            return kind
    message = f"--rule {text}: not a rule that can be backtested; known: {', '.join(RULES)}"
    raise ValueError(message)


def past_intake(settings: Settings) -> Intake:
    """Return an intake that takes messages of any age; no clock is corrected.

    Raises:
        ValueError: a profile cannot be used.
    """
    limits = settings.intake_limits
    anything = IntakeLimits(future_max_ms=limits.future_max_ms, late_after_ms=0, age_max_ms=None)
    return Intake(load_profiles(settings.profiles_dir), anything)
