"""Where a fleet's year of breakdowns comes from: register and store, read again only when there is something new."""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, time, timedelta
from threading import Lock

from msgspec import Struct, structs

from analytics.failures import WINDOW_DAYS, FleetFailures, Observed, end_of, fleet_failures, midnight_before
from analytics.occurrences import Occurrence, joined, occurrences, outage_occurrences
from ingest.clock import from_ms, to_ms
from ingest.fleet import Outage
from ingest.fleet_register import FleetRegister, RegisteredLift
from ingest.messages import Message
from ingest.telemetry_store import TelemetryStore

# The day of the live service, and another that somebody looks at.
_DAYS_KEPT = 2
# Read before the window begins: a fault that is only said again in it is not new, an outage may have begun before it.
_SAID_BEFORE = timedelta(days=60)
# What a lift says first may be so much older than its registration, without there being a log of it.
_ON_ITS_WAY = timedelta(days=1)


class FailureHistory(Struct, frozen=True):
    """A year of a fleet up to a midnight: every fault, what were breakdowns, and since when each lift is observed."""

    failures: FleetFailures
    occurrences: list[Occurrence]
    observed_since: Mapping[str, datetime]


class _Told(Struct, frozen=True):
    """What the register tells of a lift: since when it is observed, or (not `is_told`) known."""

    lift_id: str
    since: datetime
    until: datetime | None
    is_told: bool


class FailureReader:
    """Reads the year before the midnight that an instant follows. The same data give the same year, whenever read."""

    def __init__(self, register: FleetRegister, store: TelemetryStore, window_days: int = WINDOW_DAYS) -> None:
        """Read from `register` and `store`."""
        self._register = register
        self._store = store
        self._window_days = window_days
        self._known: OrderedDict[tuple[object, ...], FailureHistory] = OrderedDict()
        self._lock = Lock()

    def history(self, as_of: datetime, lifts: Sequence[RegisteredLift] | None = None) -> FailureHistory:
        """Return the year of the whole fleet (`lifts`, where they have been read already) as of an instant.

        What happened before the midnight and was told later counts, as soon as it has come.

        Raises:
            StoreUnavailableError: the store cannot answer now.
        """
        until = midnight_before(as_of)
        since = until - timedelta(days=self._window_days) - _SAID_BEFORE
        told = tuple(_told(lift) for lift in (self._register.lifts() if lifts is None else lifts))
        with self._lock:
            news = self._store.fault_count(since, until), self._register.outage_count(since, until)
            key = (until, *news, hash(told))
            if key not in self._known:
                self._known[key] = self._read(told, since, until)
            self._known.move_to_end(key)
            while len(self._known) > _DAYS_KEPT:
                self._known.popitem(last=False)
            return self._known[key]

    def _read(self, told: Sequence[_Told], since: datetime, until: datetime) -> FailureHistory:
        last = from_ms(to_ms(until) - 1)
        found = occurrences_as_of(self._store.faults(since, until), self._register.outages(since, last), until)
        observed = _observed_by_records(told, found)
        since_of = {lift.lift_id: lift.since for lift in observed}
        return FailureHistory(fleet_failures(observed, found, until, self._window_days), found, since_of)


def occurrences_as_of(faults: Sequence[Message], outages: Sequence[Outage], as_of: datetime) -> list[Occurrence]:
    """Return what had occurred; an outage that ended later was open then."""
    then = [
        structs.replace(item, cleared_at=None) if item.cleared_at is not None and item.cleared_at > as_of else item
        for item in outages
    ]
    return joined(occurrences(faults), outage_occurrences(then))


def _told(registered: RegisteredLift) -> _Told:
    lift = registered.lift
    until = None if lift.observed_to is None else end_of(lift.observed_to)
    if lift.observed_from is None:
        return _Told(lift.lift_id, registered.registered_at, until, is_told=False)
    return _Told(lift.lift_id, datetime.combine(lift.observed_from, time(), UTC), until, is_told=True)


def _observed_by_records(lifts: Sequence[_Told], found: Sequence[Occurrence]) -> list[Observed]:
    """Return from when to when lifts are observed: as their history says, else since we have known them.

    A lift with records from before that was in a log that was brought in: it is observed since the first record of any
    lift. Since its own first one would be too short: just the lifts that break down often would have begun with it.
    """
    first: dict[str, datetime] = {}
    for item in found:
        first[item.lift_id] = min(item.raised_at, first.get(item.lift_id, item.raised_at))
    of_any = min(first.values(), default=None)
    observed = []
    for lift in lifts:
        own, since = first.get(lift.lift_id, lift.since), lift.since
        if not lift.is_told and of_any is not None and own < since - _ON_ITS_WAY:
            since = of_any
        observed.append(Observed(lift.lift_id, since, lift.until))
    return observed
