"""What one controller hands to its connection: numbered messages; the past in arrays, the present one by one."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Protocol

from msgspec import structs

from ingest.messages import Body, Kind, State
from ingest.wire import encode, topic_of
from simulator.faults import FaultPeriod
from simulator.fleet import LiftSpec
from simulator.lift import LiftMessage, messages, state_at
from simulator.traffic import DAY_MS

# Well inside the contract's 500 objects and 256 KiB: 200 door cycles are some 25 KiB.
ARRAY_MAX = 200
# How many payloads may wait for their acknowledgement before the next is made. A day of history is about ten.
HISTORY_WINDOW = 4
LIVE_WINDOW = 64
_FOR_EVER_MS = 32_503_680_000_000  # the year 3000


class Outlet(Protocol):
    """What a feed needs of a connection. `sessions` counts the times that it came to stand."""

    connected: bool
    sessions: int

    def publish(self, topic: str, payload: bytes, at_ms: int, *, retain: bool) -> None:
        """Send with QoS 1, again after a reconnect if need be; `at_ms` is the earliest instant in the payload."""
        ...

    @property
    def unacknowledged(self) -> int:
        """How many payloads wait for their acknowledgement."""
        ...

    @property
    def unacknowledged_ms(self) -> int | None:
        """The earliest instant among the payloads that wait, None where none does."""
        ...


class LiftFeed:
    """One lift's controller: numbers what the lift says over all kinds, from 0, and remembers how far it has come."""

    def __init__(
        self, spec: LiftSpec, outlet: Outlet, boot: str, since_ms: int, extra: Sequence[FaultPeriod] = ()
    ) -> None:
        """Speak through `outlet` as of `since_ms`; `boot` names this run of the controller."""
        self.spec = spec
        self._outlet = outlet
        self._boot = boot
        self._extra = extra
        self._seq = 0
        self._given_ms = since_ms
        self._ahead: LiftMessage | None = None
        self._said: Iterator[LiftMessage] | None = None
        self._state: State | None = None
        self._greeted = 0

    @property
    def given_ms(self) -> int:
        """Everything before this instant has been handed to the connection."""
        return self._given_ms

    @property
    def published_ms(self) -> int:
        """Everything before this instant has been acknowledged."""
        waiting_ms = self._outlet.unacknowledged_ms
        return self._given_ms if waiting_ms is None else min(waiting_ms, self._given_ms)

    def greet(self, now_ms: int) -> None:
        """Say how the lift stands, once for each time that the connection came to stand: its last will may be out."""
        if not self._outlet.connected or self._greeted == self._outlet.sessions:
            return
        self._greeted = self._outlet.sessions
        state = self._state or state_at(self.spec, now_ms, self._extra)
        self._send(Kind.STATE, structs.replace(state, at=now_ms), now_ms, retain=True)

    def say_farewell(self, now_ms: int) -> None:
        """Say that the controller goes: a connection that is closed in order sends no last will."""
        if self._outlet.connected:
            self._send(Kind.STATE, State(at=now_ms, connected=False), now_ms, retain=True)

    def give_history(self, until_ms: int) -> int:
        """Hand over the rest of one day before `until_ms`, if there is room; return how many messages that were."""
        if not self._outlet.connected or self._outlet.unacknowledged >= HISTORY_WINDOW or self._given_ms >= until_ms:
            return 0
        end_ms = min(until_ms, (self._given_ms // DAY_MS + 1) * DAY_MS)
        said = list(messages(self.spec, self._given_ms, end_ms, self._extra))
        for kind, bodies in self._arrays(said):
            # The last state of a burst is not how the lift stands now, so that nothing of it is retained.
            self._outlet.publish(topic_of(self.spec.lift_id, kind), encode(bodies), self._given_ms, retain=False)
        self._given_ms = end_ms
        return len(said)

    def give_due(self, now_ms: int) -> int:
        """Hand over, one by one, what the lift says before `now_ms`; return how many messages that were."""
        if self._said is None:
            self._said = messages(self.spec, self._given_ms, _FOR_EVER_MS, self._extra)
            self._ahead = next(self._said, None)
        count = 0
        while self._ahead is not None and self._ahead.at_ms < now_ms:
            if not self._outlet.connected or self._outlet.unacknowledged >= LIVE_WINDOW:
                self._given_ms = self._ahead.at_ms
                return count
            self._give_ahead(self._ahead)
            self._ahead = next(self._said, None)
            count += 1
        self._given_ms = max(self._given_ms, now_ms)
        return count

    def _give_ahead(self, message: LiftMessage) -> None:
        if isinstance(message.body, State):
            self._state = message.body
        self._send(message.kind, message.body, message.at_ms, retain=message.kind is Kind.STATE)

    def _send(self, kind: Kind, body: Body, at_ms: int, *, retain: bool) -> None:
        self._outlet.publish(topic_of(self.spec.lift_id, kind), encode(self._numbered(body)), at_ms, retain=retain)

    def _arrays(self, said: Sequence[LiftMessage]) -> Iterator[tuple[Kind, list[Body]]]:
        """Yield arrays of one kind each; the numbers follow the controller's clock over all of them."""
        arrays: dict[Kind, list[Body]] = defaultdict(list)
        for message in said:
            array = arrays[message.kind]
            array.append(self._numbered(message.body))
            if len(array) == ARRAY_MAX:
                yield message.kind, arrays.pop(message.kind)
        yield from arrays.items()

    def _numbered(self, body: Body) -> Body:
        numbered = structs.replace(body, seq=self._seq, boot=self._boot)
        self._seq += 1
        return numbered
