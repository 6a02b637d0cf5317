"""Where a fleet's year of breakdowns comes from: register and store, read again only when there is something new."""

from collections import OrderedDict
from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta
from threading import Lock

from msgspec import Struct, structs

from analytics.failures import WINDOW_DAYS, FleetFailures, Observed, fleet_failures, midnight_before
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


class FailureHistory(Struct, frozen=True):
    """A year of a fleet up to a midnight: every fault, and what of it were breakdowns."""

    failures: FleetFailures
    occurrences: list[Occurrence]


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
        observed = tuple(_observed(lift) for lift in (self._register.lifts() if lifts is None else lifts))
        with self._lock:
            news = self._store.fault_count(since, until), self._register.outage_count(since, until)
            key = (until, *news, hash(observed))
            if key not in self._known:
                self._known[key] = self._read(observed, since, until)
            self._known.move_to_end(key)
            while len(self._known) > _DAYS_KEPT:
                self._known.popitem(last=False)
            return self._known[key]

    def _read(self, observed: Sequence[Observed], since: datetime, until: datetime) -> FailureHistory:
        last = from_ms(to_ms(until) - 1)
        found = occurrences_as_of(self._store.faults(since, until), self._register.outages(since, last), until)
        return FailureHistory(fleet_failures(observed, found, until, self._window_days), found)


def occurrences_as_of(faults: Sequence[Message], outages: Sequence[Outage], as_of: datetime) -> list[Occurrence]:
    """Return what had occurred; an outage that ended later was open then."""
    then = [
        structs.replace(item, cleared_at=None) if item.cleared_at is not None and item.cleared_at > as_of else item
        for item in outages
    ]
    return joined(occurrences(faults), outage_occurrences(then))


def _observed(registered: RegisteredLift) -> Observed:
    """Return from when to when a lift is observed: as its history says, else since we have known it."""
    lift = registered.lift
    since = registered.registered_at
    if lift.observed_from is not None:
        since = datetime.combine(lift.observed_from, time(), UTC)
    until = None
    if lift.observed_to is not None:
        until = datetime.combine(lift.observed_to, time(), UTC) + timedelta(days=1)
    return Observed(lift.lift_id, since, until)
