"""A history that was recorded elsewhere, taken in: lifts, outages, visits and messages.

A line that cannot be used is a value, not an exception: it is reported with file and line, and the lines after it go
on. What is read is written in batches, so that a history of any length fits into memory. Taking the same history in
twice changes nothing, but that quarantine and ledger count what they are given again.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import TypeVar

import msgspec
from msgspec import Struct, structs

from ingest.clock import to_ms
from ingest.fleet import InspectionOutcome, Lift, Outage, Visit
from ingest.fleet_register import FleetRegister
from ingest.history_files import (
    LIFTS,
    OUTAGES,
    VISITS,
    HistoryProblem,
    MessageLine,
    Row,
    Table,
    read_messages,
    read_table,
)
from ingest.intake import FUTURE_MAX, UNKNOWN_LIFT, Intake, UnknownLift
from ingest.ledger import Ledger, LedgerBatch
from ingest.messages import Message
from ingest.quarantine import Quarantine, Quarantined, refused_later
from ingest.telemetry_store import StoreRefusedError, TelemetryStore, storable_key_ns
from ingest.wire import Reason

PROBLEMS_MAX = 100
BATCH = 5_000
QUARANTINE_BATCH = 100
# The ledger is folded as often as this, so that what it has noted does not grow with the history.
FLUSHES_A_FOLD = 20
MESSAGE_FILES = ("messages.ndjson", "messages.ndjson.gz")

_T = TypeVar("_T")
_Dated = TypeVar("_Dated", bound=Outage | Visit)


class HistoryError(ValueError):
    """A folder that holds no history."""


class ImportReport(Struct, kw_only=True):
    """What became of a history: counts by name, the regimes that its lifts follow, and the first of the problems.

    `lifts`, `outages`, `visits` and `messages` count what was read and accepted, `outages_new` and `visits_new` what
    was not known before, `messages_refused` what went to quarantine.
    """

    counts: dict[str, int]
    regimes: frozenset[str] = frozenset()
    problems: list[HistoryProblem] = msgspec.field(default_factory=list)
    problem_count: int = 0

    def summary(self) -> str:
        """Return one line for a person."""
        count = self.counts
        return (
            f"{count['lifts']} lifts, {count['outages']} outages ({count['outages_new']} new), "
            f"{count['visits']} visits ({count['visits_new']} new), {count['messages']} messages "
            f"({count['messages_refused']} refused); lines with problems: {self.problem_count}"
        )


_COUNTS = ("lifts", "outages", "outages_new", "visits", "visits_new", "messages", "messages_refused", "unknown_fields")


def _nobody(_stored: Sequence[Message]) -> None:
    """Tell nobody."""


def import_history(
    folder: Path,
    register: FleetRegister,
    store: TelemetryStore,
    intake: Intake,
    quarantine: Quarantine,
    now: datetime,
    ledger: Ledger,
    on_stored: Callable[[Sequence[Message]], None] = _nobody,
) -> ImportReport:
    """Take in the history in `folder`: lifts first, then what happened to them.

    What a file leaves open about a lift that is registered stays as it is, and so does a certificate that an
    inspection on record has set. Messages go through `intake`, which should allow any age; they are old news, whatever
    their age (`late`), and what intake refuses goes to quarantine. What speaks of a lift that is not registered is a
    problem of its line. The numbers of the messages count in `ledger`, so that a buffer that is read out at the site
    closes gaps; what is missing between them is told there, but was never expected. `on_stored` is told what the store
    has taken.

    Raises:
        HistoryError: the folder holds no `lifts.csv`.
        StoreUnavailableError: the store cannot take the messages now; the import can be repeated.
    """
    if not (folder / LIFTS.file).is_file():
        message = f"{folder}: no {LIFTS.file}"
        raise HistoryError(message)
    report = ImportReport(counts=dict.fromkeys(_COUNTS, 0))
    _import_lifts(folder, register, report, now)
    profiles = register.profiles_of_lifts()
    for outages in _known_batches(folder, OUTAGES, profiles, report, now):
        report.counts["outages"] += len(outages)
        report.counts["outages_new"] += register.add_outages(outages)
    for visits in _known_batches(folder, VISITS, profiles, report, now):
        report.counts["visits"] += len(visits)
        report.counts["visits_new"] += register.add_visits(visits)
    taker = _MessageTaker(store, intake, quarantine, ledger, profiles, report, to_ms(now), on_stored)
    for name in MESSAGE_FILES:
        if (folder / name).is_file():
            for line in _without_problems(read_messages(folder / name), report):
                taker.take(line.value)
    taker.flush()
    ledger.fold()
    return report


def _without_problems(rows: Iterable[Row[_T] | HistoryProblem], report: ImportReport) -> Iterator[Row[_T]]:
    for row in rows:
        if isinstance(row, HistoryProblem):
            _note(report, row)
        else:
            yield row


def _note(report: ImportReport, problem: HistoryProblem) -> None:
    report.problem_count += 1
    if len(report.problems) < PROBLEMS_MAX:
        report.problems.append(problem)


def _import_lifts(folder: Path, register: FleetRegister, report: ImportReport, now: datetime) -> None:
    known = {item.lift.lift_id: item.lift for item in register.lifts()}
    records = (item.inspection for item in register.inspections())
    certified = {
        item.lift_id
        for item in records
        if item.outcome is InspectionOutcome.PASSED and item.certificate_expires_on is not None
    }
    lifts: dict[str, Lift] = {}
    for row in _without_problems(read_table(folder / LIFTS.file, LIFTS), report):
        if row.value.lift_id in lifts:
            _note(report, HistoryProblem(LIFTS.file, row.line, f"{row.value.lift_id}: named before in this file"))
        else:
            lifts[row.value.lift_id] = row.value
    report.regimes = frozenset(lift.regime for lift in lifts.values() if lift.regime is not None)
    merged = (_merged(known.get(name), lift, is_certified=name in certified) for name, lift in lifts.items())
    report.counts["lifts"] = register.register(merged, now)


def _merged(known: Lift | None, told: Lift, *, is_certified: bool) -> Lift:
    if known is None:
        return told
    values = {name: value for name, value in structs.asdict(told).items() if value is not None}
    if is_certified:
        values.pop("certificate_expires_on", None)
    return structs.replace(known, **values)


def _known_batches(
    folder: Path, table: Table[_Dated], known: Mapping[str, object], report: ImportReport, now: datetime
) -> Iterator[list[_Dated]]:
    """Yield what a file tells of registered lifts, in batches; nothing where there is no such file."""
    path = folder / table.file
    if not path.is_file():
        return
    good = _placed(table.file, _without_problems(read_table(path, table), report), known, report, now)
    while batch := list(islice(good, BATCH)):
        yield batch


def _placed(
    file: str, rows: Iterable[Row[_Dated]], known: Mapping[str, object], report: ImportReport, now: datetime
) -> Iterator[_Dated]:
    latest = now + FUTURE_MAX
    for row in rows:
        at = _happened_at(row.value)
        if row.value.lift_id not in known:
            _note(report, HistoryProblem(file, row.line, f"{row.value.lift_id}: not registered"))
        elif at > latest:
            _note(report, HistoryProblem(file, row.line, f"{at.isoformat()}: in the future"))
        else:
            yield row.value


def _happened_at(value: Outage | Visit) -> datetime:
    return value.raised_at if isinstance(value, Outage) else value.done_at


class _MessageTaker:
    """Brings messages through intake to store and quarantine, in batches."""

    def __init__(
        self,
        store: TelemetryStore,
        intake: Intake,
        quarantine: Quarantine,
        ledger: Ledger,
        profiles: Mapping[str, str | None],
        report: ImportReport,
        received_ms: int,
        on_stored: Callable[[Sequence[Message]], None],
    ) -> None:
        self._store, self._intake, self._quarantine, self._ledger = store, intake, quarantine, ledger
        self._profiles, self._report, self._received_ms = profiles, report, received_ms
        self._on_stored = on_stored
        self._accepted: list[Message] = []
        self._refused: list[Quarantined] = []
        self._flushes = 0

    def take(self, line: MessageLine) -> None:
        taken = self._intake.take(line.topic, line.content, self._received_ms, self._profile_of)
        self._report.counts["unknown_fields"] += taken.unknown_fields
        self._refused += taken.quarantined
        for message in taken.accepted:
            refused = _unplaceable(message)
            if refused is not None:
                self._refused.append(refused)
            else:
                self._accepted.append(message if message.late else structs.replace(message, late=True))
        if len(self._accepted) >= BATCH or len(self._refused) >= QUARANTINE_BATCH:
            self.flush()

    def flush(self) -> None:
        self._store.write(self._accepted)
        self._on_stored(self._accepted)
        self._quarantine.add(self._refused)
        self._ledger.note(LedgerBatch.of(self._accepted, self._refused, is_history=True))
        self._flushes += 1
        if self._flushes % FLUSHES_A_FOLD == 0:
            self._ledger.fold()
        self._report.counts["messages"] += len(self._accepted)
        self._report.counts["messages_refused"] += len(self._refused)
        self._accepted, self._refused = [], []

    def _profile_of(self, lift_id: str) -> str | UnknownLift | None:
        return self._profiles.get(lift_id, UNKNOWN_LIFT)


def _unplaceable(message: Message) -> Quarantined | None:
    """Return why a message that intake accepts has no place in a history; None where it has one."""
    if message.body.at is msgspec.UNSET:  # a last will: true when it arrives, but nobody knows when that was
        reason, detail = Reason.NO_INSTANT, "`at` is missing, and a history does not tell when it arrived"
    else:
        try:
            storable_key_ns(message)
        except StoreRefusedError as error:
            reason, detail = Reason.TOO_OLD, str(error)
        else:
            return None
    return refused_later(message, reason, detail)
