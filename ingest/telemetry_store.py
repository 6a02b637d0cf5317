"""The telemetry store: one port, and its form in memory. One contract suite holds every form of it.

Windows are half open: a message belongs to [since, until) by its controller's clock (`measured_at`).
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Protocol

from msgspec import Struct, structs

from ingest.clock import from_ms, to_ms
from ingest.messages import SUB_MS_DIGITS, Fault, Kind, Message, State, readings_of

PAGE_MAX = 10_000


class StoreUnavailableError(Exception):
    """The store cannot take or give anything at present; the same call may succeed later."""


class StoreRefusedError(Exception):
    """The store will never take this batch as it is."""


class LatestState(Struct, frozen=True):
    """The newest known value of each reading of `state`; `measured_at` is the instant of the newest message."""

    measured_at: datetime
    state: State


class Aggregate(Struct, frozen=True):
    """One window of one reading: how many values, and their mean, smallest and largest, in the reading's own unit."""

    start_at: datetime
    count: int
    mean: float
    smallest: float
    largest: float


class TelemetryStore(Protocol):
    """Keeps every accepted message and answers the questions that the service asks of them."""

    def write(self, messages: Sequence[Message]) -> None:
        """Keep the messages; they are durable on return. Writing the same message again changes nothing.

        Raises:
            StoreUnavailableError: nothing is promised; write the same messages again.
            StoreRefusedError: the store can never take them as they are.
        """
        ...

    def latest_states(self, lift_ids: Sequence[str] | None = None) -> dict[str, LatestState]:
        """Return, by lift, the newest value of each reading of `state` (all lifts where `lift_ids` is None)."""
        ...

    def messages(
        self,
        lift_id: str,
        kind: Kind,
        since: datetime,
        until: datetime,
        *,
        limit: int = PAGE_MAX,
        after_ns: int | None = None,
    ) -> list[Message]:
        """Return at most `limit` messages of a lift in [since, until), oldest first, with `key_ns` above `after_ns`."""
        ...

    def aggregates(
        self, lift_id: str, kind: Kind, reading: str, since: datetime, until: datetime, every: timedelta
    ) -> list[Aggregate]:
        """Return a numeric reading by windows of `every` in [since, until), oldest first, empty windows left out.

        Windows begin at whole multiples of `every` since 1970 UTC; the first and the last may be cut by the bounds.

        Raises:
            ValueError: the kind has no such reading, it is no number, or `every` is not at least a millisecond.
        """
        ...

    def faults(self, since: datetime, until: datetime, lift_id: str | None = None) -> list[Message]:
        """Return all fault messages in [since, until) of one lift, or of all, ordered by lift and instant."""
        ...

    def last_trip_at(self, lift_id: str, since: datetime, until: datetime) -> datetime | None:
        """Return when the lift's last trip in [since, until) was measured; None where it made none."""
        ...

    def ping(self) -> None:
        """Return if the store answers.

        Raises:
            StoreUnavailableError: it does not.
        """
        ...

    def close(self) -> None:
        """Let go of files and connections."""
        ...


def numeric_reading(kind: Kind, reading: str) -> str:
    """Return `reading` if it is a number of `kind`.

    Raises:
        ValueError: the kind has no such reading, or it is no number.
    """
    if readings_of(kind).get(reading) not in (int, float):
        numbers = ", ".join(name for name, form in readings_of(kind).items() if form in (int, float))
        message = f"{kind.value} has no number named {reading}; it has: {numbers or 'none'}"
        raise ValueError(message)
    return reading


def window_start(instant: datetime, every: timedelta) -> datetime:
    """Return the start of the window of width `every` that holds `instant`.

    Raises:
        ValueError: `every` is not at least a millisecond.
    """
    every_ms = every // timedelta(milliseconds=1)
    if every_ms < 1:
        message = "a window is at least one millisecond wide"
        raise ValueError(message)
    return from_ms(to_ms(instant) // every_ms * every_ms)


class MemoryTelemetryStore:
    """The port kept in a dictionary: for tests, and as the plainest statement of what the port means."""

    def __init__(self) -> None:
        """Start empty."""
        self._rows: dict[tuple[str, Kind, int], Message] = {}

    def write(self, messages: Sequence[Message]) -> None:
        """See `TelemetryStore.write`."""
        for message in messages:
            self._rows.setdefault((message.lift_id, message.kind, message.key_ns), message)

    def _select(self, kind: Kind, since: datetime, until: datetime, lift_id: str | None) -> list[Message]:
        start, end = to_ms(since) * SUB_MS_DIGITS, to_ms(until) * SUB_MS_DIGITS
        found = [
            (key, message)
            for key, message in self._rows.items()
            if key[1] is kind and start <= key[2] < end and lift_id in (None, key[0])
        ]
        return [message for _, message in sorted(found, key=lambda pair: (pair[0][0], pair[0][2]))]

    def latest_states(self, lift_ids: Sequence[str] | None = None) -> dict[str, LatestState]:
        """See `TelemetryStore.latest_states`."""
        states: dict[str, LatestState] = {}
        for (lift_id, kind, _), message in sorted(self._rows.items(), key=lambda pair: pair[0][2]):
            if kind is not Kind.STATE or (lift_ids is not None and lift_id not in lift_ids):
                continue
            known = {
                name: value for name in readings_of(Kind.STATE) if (value := getattr(message.body, name)) is not None
            }
            before = states[lift_id].state if lift_id in states else State()
            states[lift_id] = LatestState(message.measured_at, structs.replace(before, **known))
        return states

    def messages(
        self,
        lift_id: str,
        kind: Kind,
        since: datetime,
        until: datetime,
        *,
        limit: int = PAGE_MAX,
        after_ns: int | None = None,
    ) -> list[Message]:
        """See `TelemetryStore.messages`."""
        found = self._select(kind, since, until, lift_id)
        return [message for message in found if after_ns is None or message.key_ns > after_ns][:limit]

    def aggregates(
        self, lift_id: str, kind: Kind, reading: str, since: datetime, until: datetime, every: timedelta
    ) -> list[Aggregate]:
        """See `TelemetryStore.aggregates`."""
        numeric_reading(kind, reading)
        windows: dict[datetime, list[float]] = {window_start(since, every): []}
        for message in self._select(kind, since, until, lift_id):
            value = getattr(message.body, reading)
            if value is not None:
                windows.setdefault(window_start(message.measured_at, every), []).append(float(value))
        return [
            Aggregate(start_at, len(values), sum(values) / len(values), min(values), max(values))
            for start_at, values in sorted(windows.items())
            if values
        ]

    def faults(self, since: datetime, until: datetime, lift_id: str | None = None) -> list[Message]:
        """See `TelemetryStore.faults`."""
        return [m for m in self._select(Kind.FAULT, since, until, lift_id) if isinstance(m.body, Fault)]

    def last_trip_at(self, lift_id: str, since: datetime, until: datetime) -> datetime | None:
        """See `TelemetryStore.last_trip_at`."""
        trips = self._select(Kind.TRIP, since, until, lift_id)
        return trips[-1].measured_at if trips else None

    def ping(self) -> None:
        """See `TelemetryStore.ping`."""

    def close(self) -> None:
        """See `TelemetryStore.close`."""
