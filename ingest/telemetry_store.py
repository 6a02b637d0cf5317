"""The telemetry store: one port, and its form in memory. One contract suite holds every form of it.

Windows are half open: a message belongs to [since, until) by its controller's clock (`measured_at`).

Messages of one lift and kind with the same `key_ns` are one message. Which copy's `received_ms` and `late` remain is
left to the store. A message comes back as `as_stored` says: its readings unchanged, its `at` in milliseconds.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Protocol

from msgspec import UNSET, Struct, structs

from ingest.clock import from_ms, to_ms
from ingest.messages import STORED_TYPE, SUB_MS_DIGITS, Fault, Kind, Message, State, readings_of

PAGE_MAX = 10_000
WINDOW_MAX = timedelta(days=36_525)
# What an instant in nanoseconds can be: 64 bits, less the two ends that InfluxDB keeps for itself. Years 1677 to 2262.
KEY_NS_MIN, KEY_NS_MAX = -(2**63) + 2, 2**63 - 2

Scalar = bool | int | float | str


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
            ValueError: the kind has no such reading, it is no number, or `every` is not 1 ms to 100 years.
        """
        ...

    def faults(self, since: datetime, until: datetime, lift_id: str | None = None) -> list[Message]:
        """Return all fault messages in [since, until) of one lift, or of all, ordered by lift and instant."""
        ...

    def fault_count(self, since: datetime, until: datetime) -> int:
        """Return how many fault messages there are in [since, until): cheap, to see whether there are new ones."""
        ...

    def last_counters(self, since: datetime, until: datetime, lift_id: str | None = None) -> dict[str, Message]:
        """Return, by lift, the newest `counters` message in [since, until), of one lift or of all."""
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


def window_width_ms(every: timedelta) -> int:
    """Return the width of a window in whole milliseconds.

    Raises:
        ValueError: `every` is not 1 ms to 100 years.
    """
    width_ms = every // timedelta(milliseconds=1)
    if width_ms < 1 or every > WINDOW_MAX:
        message = f"a window is 1 ms to {WINDOW_MAX.days} days wide, not {every}"
        raise ValueError(message)
    return width_ms


def window_start(instant: datetime, every: timedelta) -> datetime:
    """Return the start of the window of width `every` that holds `instant`.

    Raises:
        ValueError: `every` is not 1 ms to 100 years.
    """
    width_ms = window_width_ms(every)
    return from_ms(to_ms(instant) // width_ms * width_ms)


def key_bounds(since: datetime, until: datetime) -> tuple[int, int]:
    """Return [since, until) as bounds of `key_ns`, cut to what a store can hold."""
    start, end = (min(max(to_ms(at) * SUB_MS_DIGITS, KEY_NS_MIN), KEY_NS_MAX) for at in (since, until))
    return start, end


def storable_key_ns(message: Message) -> int:
    """Return `key_ns` of a message (`as_stored`) if a store can hold it.

    Raises:
        StoreRefusedError: it was measured before 1677 or after 2262.
    """
    key_ns = message.key_ns
    if not KEY_NS_MIN <= key_ns < KEY_NS_MAX:
        text = f"{message.lift_id}: {message.measured_ms} ms since 1970 is outside the years 1677 to 2262"
        raise StoreRefusedError(text)
    return key_ns


def as_stored(message: Message) -> Message:
    """Return the message as every store gives it back: `at` is `measured_ms`; where there was none, there is none."""
    at = message.body.at
    if at is UNSET or (at == message.measured_ms and isinstance(at, int)):
        return message
    return structs.replace(message, body=structs.replace(message.body, at=message.measured_ms))


class Frame(Struct, frozen=True, kw_only=True):
    """What a store keeps of a message beside its readings. `dated`: it came with an `at`."""

    lift_id: str
    kind: Kind
    key_ns: int
    received_ms: int
    late: bool
    dated: bool


def restored(frame: Frame, known: dict[str, Scalar]) -> Message:
    """Return the message that was stored; `known` holds `seq`, `boot` and the readings that have a value.

    Nothing is validated again: what was accepted once stays readable when the contract's bounds have moved since.
    """
    measured_ms = frame.key_ns // SUB_MS_DIGITS
    body = STORED_TYPE[frame.kind](at=measured_ms if frame.dated else UNSET, **known)  # type: ignore[arg-type]
    return Message(frame.lift_id, frame.kind, measured_ms, frame.received_ms, body, frame.late)


class MemoryTelemetryStore:
    """The port kept in a dictionary: for tests, and as the plainest statement of what the port means."""

    def __init__(self) -> None:
        """Start empty."""
        self._rows: dict[tuple[str, Kind, int], Message] = {}

    def write(self, messages: Sequence[Message]) -> None:
        """See `TelemetryStore.write`."""
        stored = [as_stored(message) for message in messages]
        keys = [(message.lift_id, message.kind, storable_key_ns(message)) for message in stored]
        for key, message in zip(keys, stored, strict=True):
            self._rows.setdefault(key, message)

    def _select(self, kind: Kind, since: datetime, until: datetime, lift_id: str | None) -> list[Message]:
        start, end = key_bounds(since, until)
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
        window_width_ms(every)
        windows: dict[datetime, list[float]] = {}
        for message in self._select(kind, since, until, lift_id):
            value = getattr(message.body, reading)
            if value is not None:
                windows.setdefault(window_start(message.measured_at, every), []).append(float(value))
        return [
            Aggregate(start_at, len(values), sum(values) / len(values), min(values), max(values))
            for start_at, values in sorted(windows.items())
        ]

    def faults(self, since: datetime, until: datetime, lift_id: str | None = None) -> list[Message]:
        """See `TelemetryStore.faults`."""
        return [m for m in self._select(Kind.FAULT, since, until, lift_id) if isinstance(m.body, Fault)]

    def fault_count(self, since: datetime, until: datetime) -> int:
        """See `TelemetryStore.fault_count`."""
        return len(self.faults(since, until))

    def last_counters(self, since: datetime, until: datetime, lift_id: str | None = None) -> dict[str, Message]:
        """See `TelemetryStore.last_counters`."""
        return {message.lift_id: message for message in self._select(Kind.COUNTERS, since, until, lift_id)}

    def last_trip_at(self, lift_id: str, since: datetime, until: datetime) -> datetime | None:
        """See `TelemetryStore.last_trip_at`."""
        trips = self._select(Kind.TRIP, since, until, lift_id)
        return trips[-1].measured_at if trips else None

    def ping(self) -> None:
        """See `TelemetryStore.ping`."""

    def close(self) -> None:
        """See `TelemetryStore.close`."""
