"""What the counters of a fleet showed week by week, read from the store; and which parts that makes due.

Counters are taken as they stood a whole day before the last midnight: what comes a few hours late has come by then, so
that one day has one answer. Each day asks the store anew for all weeks: a history may have been imported meanwhile.
"""

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from threading import Lock

from msgspec import structs

from analytics.failures import midnight_before
from analytics.findings import Finding
from analytics.usage import Sample, usage_finding, used_between
from analytics.wear_budgets import WEAR_BUDGETS, Counter, WearBudget
from ingest.clock import EPOCH
from ingest.fleet import Visit, VisitKind
from ingest.messages import Counters, Message
from ingest.telemetry_store import TelemetryStore

# Use before that says little about use to come.
WEEKS = 8
_WEEK = timedelta(days=7)
_SLACK = timedelta(days=1)
# A lift that has not said its counters for so long tells nothing of its use.
_SILENT_MAX = timedelta(days=7)
_RESETS_REMEMBERED = 20_000
# The day of the live service, and another that somebody looks at.
_DAYS_KEPT = 2
_RESETTING = (VisitKind.REPAIR, VisitKind.MAINTENANCE)

_Totals = Mapping[str, Message]


class UsageReader:
    """Finds parts that are used up, or soon will be. Safe to share between threads."""

    def __init__(self, store: TelemetryStore, budgets: Mapping[str, WearBudget] = WEAR_BUDGETS) -> None:
        """Read counters from `store`; hold them against `budgets`."""
        self._store = store
        self._budgets = list(budgets.values())
        self._weeks: OrderedDict[datetime, list[_Totals]] = OrderedDict()
        self._at_reset: OrderedDict[tuple[datetime, str, datetime], Message | None] = OrderedDict()
        self._found: tuple[tuple[object, ...], list[Finding]] | None = None
        self._lock = Lock()

    def findings(self, lift_ids: Iterable[str], visits: Iterable[Visit], as_of: datetime) -> list[Finding]:
        """Return what is due by use at an instant; `visits` are those of the lifts until then.

        Raises:
            StoreUnavailableError: the store cannot answer now.
        """
        end = midnight_before(as_of) - _SLACK
        with self._lock:
            weeks = self._weeks_until(end)
            resets = _resets(visits, {budget.name for budget in self._budgets}, end)
            wanted = sorted(set(lift_ids) & weeks[-1].keys())
            key = end, tuple(wanted), tuple(sorted(resets.items()))
            if self._found is None or self._found[0] != key:  # else nothing has changed since the last time
                each = (self._of_lift(lift_id, weeks, resets, as_of, end) for lift_id in wanted)
                self._found = key, [finding for findings in each for finding in findings]
            found = self._found[1]
        return [structs.replace(finding, as_of=as_of) for finding in found]

    def _of_lift(
        self,
        lift_id: str,
        weeks: Sequence[_Totals],
        resets: Mapping[tuple[str, str], datetime],
        as_of: datetime,
        end: datetime,
    ) -> list[Finding]:
        said = [week[lift_id] for week in weeks if lift_id in week]
        found = (
            self._finding(lift_id, budget, said, resets.get((lift_id, budget.name)), as_of, end)
            for budget in self._budgets
        )
        return [finding for finding in found if finding is not None]

    def _weeks_until(self, end: datetime) -> list[_Totals]:
        if end not in self._weeks:
            self._weeks[end] = [self._store.last_counters(at - _SILENT_MAX, at) for at in _instants(end)]
        self._weeks.move_to_end(end)
        while len(self._weeks) > _DAYS_KEPT:
            self._weeks.popitem(last=False)
        return self._weeks[end]

    def _finding(
        self,
        lift_id: str,
        budget: WearBudget,
        said: Sequence[Message],
        reset: datetime | None,
        as_of: datetime,
        end: datetime,
    ) -> Finding | None:
        recent = _samples(said, budget.counter)
        if not recent:
            return None
        lifetime = recent[0].total + used_between(recent)
        used = lifetime if reset is None else self._used_since(end, lift_id, budget.counter, reset, recent)
        return None if used is None else usage_finding(lift_id, budget, recent, used, as_of, since=reset)

    def _used_since(
        self, end: datetime, lift_id: str, counter: Counter, reset: datetime, recent: Sequence[Sample]
    ) -> float | None:
        """Return the use since a visit, by what the counter showed then; None where it did not say."""
        key = end, lift_id, reset
        if key not in self._at_reset:
            self._at_reset[key] = self._store.last_counters(reset - _SILENT_MAX, reset, lift_id).get(lift_id)
            while len(self._at_reset) > _RESETS_REMEMBERED:
                self._at_reset.popitem(last=False)
        message = self._at_reset[key]
        begin = _samples([message], counter) if message is not None else []
        return used_between([*begin, *(each for each in recent if each.at > reset)]) if begin else None


def _instants(end: datetime) -> list[datetime]:
    """Return the last beginnings of whole weeks before `end`, the same for every day of a week, and `end`."""
    last = end - (end - EPOCH) % _WEEK
    weeks = [last - number * _WEEK for number in range(WEEKS, -1, -1)]
    return [*(at for at in weeks if end - at >= _WEEK / 2), end]


def _resets(visits: Iterable[Visit], names: set[str], end: datetime) -> dict[tuple[str, str], datetime]:
    """Return, by lift and budget, the last visit that began its count anew."""
    resets: dict[tuple[str, str], datetime] = {}
    for visit in visits:
        if visit.kind in _RESETTING and visit.cause_code in names and visit.done_at <= end:
            key = visit.lift_id, visit.cause_code
            resets[key] = max(visit.done_at, resets.get(key, visit.done_at))
    return resets


def _samples(said: Iterable[Message], counter: Counter) -> list[Sample]:
    """Return what a counter showed, each message once, oldest first."""
    totals = {
        message.measured_at: getattr(message.body, counter.reading)
        for message in said
        if isinstance(message.body, Counters)
    }
    return [Sample(at, float(total)) for at, total in sorted(totals.items()) if total is not None]
