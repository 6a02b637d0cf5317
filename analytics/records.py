"""The visits and inspections of a fleet that anything can still rest on, read once and then only what is new.

A register holds years of them, and the service asks every minute. What is older than `RECENT` counts only as the last
of its sort: of visits the last of each lift, kind and cause, of inspections those since the last certificate.
"""

from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from threading import Lock
from typing import Generic, TypeVar

from msgspec import Struct

from analytics.failures import midnight_before
from ingest.fleet import Inspection, InspectionOutcome, Visit
from ingest.fleet_register import FleetRegister

# Longer than what daily values (308 days) and repeated repairs (twice 200) look at.
RECENT = timedelta(days=400)
# The day of the live service, and another that somebody looks at.
_DAYS_KEPT = 2
_PAGE = 50_000
_ALWAYS = datetime(9999, 12, 31, tzinfo=UTC)
_Record = TypeVar("_Record")


class RecordReader:
    """Reads visits and inspections from the register. Safe to share between threads; the same rows, the same answer."""

    def __init__(self, register: FleetRegister) -> None:
        """Read from `register`."""

        def visits(after_id: int) -> list[tuple[int, Visit]]:
            return [(row.id, row.visit) for row in register.visits(_ALWAYS, after_id=after_id, limit=_PAGE)]

        def inspections(after_id: int) -> list[tuple[int, Inspection]]:
            return [(row.id, row.inspection) for row in register.inspections(after_id=after_id, limit=_PAGE)]

        self._visits = _Remembered(visits, lambda: register.visit_count(_ALWAYS), needed_visits)
        self._inspections = _Remembered(inspections, register.inspection_count, needed_inspections)

    def visits(self, as_of: datetime) -> list[Visit]:
        """Return the visits of all lifts that count as of an instant; the older ones first."""
        return [visit for visit in self._visits.needed(begin_of(as_of)) if visit.done_at <= as_of]

    def inspections(self, as_of: datetime) -> list[Inspection]:
        """Return the inspections of all lifts that count as of an instant, and those after it."""
        return list(self._inspections.needed(begin_of(as_of)))


class _Known(Struct, Generic[_Record], frozen=True):
    """What was read: how many rows, the number of the newest, and what of them is needed."""

    rows: int
    last_id: int
    records: Sequence[_Record]


class _Remembered(Generic[_Record]):
    """The rows of a table to which rows are only added, for the last days that were asked for."""

    def __init__(
        self,
        read: Callable[[int], list[tuple[int, _Record]]],
        count: Callable[[], int],
        needed: Callable[[Iterable[_Record], datetime], list[_Record]],
    ) -> None:
        """Read rows behind a number, and their count; `needed` says what of them counts from an instant on."""
        self._read, self._count, self._needed = read, count, needed
        self._days: OrderedDict[datetime, _Known[_Record]] = OrderedDict()
        self._lock = Lock()

    def needed(self, begin: datetime) -> Sequence[_Record]:
        """Return the records that are needed from `begin` on."""
        with self._lock:
            before = [day for day in self._days if day <= begin]
            known = self._days[max(before)] if before else self._nothing()
            if begin not in self._days:
                known = _Known(known.rows, known.last_id, self._needed(known.records, begin))
            known = self._with_news(known, begin)
            if known.rows != self._count():  # a number may come late where several write
                known = self._with_news(self._nothing(), begin)
            self._days[begin] = known
            self._days.move_to_end(begin)
            while len(self._days) > _DAYS_KEPT:
                self._days.popitem(last=False)
            return known.records

    @staticmethod
    def _nothing() -> _Known[_Record]:
        return _Known(0, 0, [])

    def _with_news(self, known: _Known[_Record], begin: datetime) -> _Known[_Record]:
        while new := self._read(known.last_id):
            records = self._needed([*known.records, *(record for _, record in new)], begin)
            known = _Known(known.rows + len(new), new[-1][0], records)
        return known


def begin_of(as_of: datetime) -> datetime:
    """Return from when on every record counts: the same for all instants of a day."""
    return midnight_before(as_of) - RECENT


def needed_visits(visits: Iterable[Visit], begin: datetime) -> list[Visit]:
    """Return the visits after `begin`, and before them the last ones until then of each lift, kind and cause."""
    recent: list[Visit] = []
    last: dict[tuple[str, str, str | None], Visit] = {}
    for visit in visits:
        if visit.done_at > begin:
            recent.append(visit)
            continue
        key = visit.lift_id, visit.kind.value, visit.cause_code
        before = last.get(key)
        if before is None or before.done_at < visit.done_at:
            last[key] = visit
    return [*last.values(), *recent]


def needed_inspections(inspections: Iterable[Inspection], begin: datetime) -> list[Inspection]:
    """Return the inspections of each lift from that on whose certificate was the newest at `begin`."""
    day = begin.date()
    since: dict[str, date] = defaultdict(lambda: date.min)
    told = list(inspections)
    for item in told:
        certified = item.outcome is InspectionOutcome.PASSED and item.certificate_expires_on is not None
        if certified and item.done_on <= day:
            since[item.lift_id] = max(item.done_on, since[item.lift_id])
    return [item for item in told if item.done_on >= since[item.lift_id]]
