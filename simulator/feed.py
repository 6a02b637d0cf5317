"""What one controller hands to its connection: numbered messages; the past in arrays, the present one by one."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Protocol

from ingest.messages import Body, Kind, State
from ingest.wire import encode, topic_of
from simulator.faults import FaultPeriod
from simulator.fleet import LiftSpec
from simulator.life import Life
from simulator.lift import LiftMessage, messages, state_at
from simulator.living import life_of
from simulator.traffic import DAY_MS, HOUR_MS
from simulator.transport import CLEAN, NEVER_MS, Line, Link, Roughness, Sent, SentLog

# Well inside the contract's 500 objects and 256 KiB: 200 door cycles are some 25 KiB.
ARRAY_MAX = 200
# How many payloads may wait for their acknowledgement before the next is made. A day of history is about ten.
HISTORY_WINDOW = 4
LIVE_WINDOW = 64


class Outlet(Protocol):
    """What a feed needs of a connection. `sessions` counts the times that it came to stand."""

    connected: bool
    sessions: int

    def publish(self, topic: str, payload: bytes, at_ms: int, *, retain: bool) -> None:
        """Send with QoS 1, again after a reconnect if need be; `at_ms` is the earliest instant in the payload."""
        ...

    def break_off(self) -> None:
        """Vanish without a goodbye, and stay away until `come_back`: the broker sends the last will."""
        ...

    def come_back(self) -> None:
        """Connect again."""
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
        self,
        spec: LiftSpec,
        outlet: Outlet,
        boot: str,
        since_ms: int,
        extra: Sequence[FaultPeriod] = (),
        life: Life | None = None,
        rough: Roughness = CLEAN,
        log: SentLog | None = None,
    ) -> None:
        """Speak through `outlet` as of `since_ms`; `boot` names this run of the controller."""
        self.spec = spec
        self._outlet = outlet
        self._extra = extra
        self._life = life
        self._line_of = (boot, since_ms, rough, log)
        self._line: Line | None = None
        self._given_ms = since_ms
        self._speaks = False
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

    @property
    def due_ms(self) -> int:
        """When there will be something to say; far away where there never will."""
        if not self._speaks:
            return self._given_ms
        return self.line.due_ms

    def greet(self, now_ms: int) -> None:
        """Say how the lift stands, once for each time that the connection came to stand: its last will may be out."""
        if not self._outlet.connected or self._greeted == self._outlet.sessions:
            return
        self._greeted = self._outlet.sessions
        self._send(state_at(self.spec, now_ms, self._extra, self.life), now_ms)

    def say_farewell(self, now_ms: int) -> None:
        """Say that the controller goes: a connection that is closed in order sends no last will."""
        if self._speaks:
            self.line.abandon()
        if self._outlet.connected:
            self._send(State(at=now_ms, connected=False), now_ms)

    def give_history(self, until_ms: int) -> int:
        """Hand over the rest of one day before `until_ms`, if there is room; return how many messages that were."""
        if not self._outlet.connected or self._outlet.unacknowledged >= HISTORY_WINDOW or self._given_ms >= until_ms:
            return 0
        end_ms = min(until_ms, (self._given_ms // DAY_MS + 1) * DAY_MS)
        said = list(messages(self.spec, self._given_ms, end_ms, self._extra, self.life))
        for kind, bodies in self._arrays(said):
            # The last state of a burst is not how the lift stands now, so that nothing of it is retained.
            self._outlet.publish(topic_of(self.spec.lift_id, kind), encode(bodies), self._given_ms, retain=False)
        self._given_ms = end_ms
        return len(said)

    def give_due(self, now_ms: int) -> int:
        """Hand over, one by one, what is due before `now_ms`; return how many messages that were."""
        if not self._speaks:
            self._speaks = True
            self.line.say(messages(self.spec, self._given_ms, NEVER_MS, self._extra, self.life, chunk_ms=HOUR_MS))
        count = 0
        while (sent := self.line.take(now_ms, link_only=not self._has_room)) is not None:
            self._give(sent)
            count += sent.link is Link.SAID
        oldest_ms = self.line.oldest_ms
        self._given_ms = max(self._given_ms, now_ms if oldest_ms is None else min(now_ms, oldest_ms))
        return count

    @property
    def _has_room(self) -> bool:
        return self._outlet.connected and self._outlet.unacknowledged < LIVE_WINDOW

    @property
    def life(self) -> Life:
        """What happens to the lift: its own life, or the one that a scenario gave it."""
        return life_of(self.spec, self._given_ms) if self._life is None else self._life

    @property
    def line(self) -> Line:
        """The way to the broker."""
        if self._line is None:
            boot, since_ms, rough, log = self._line_of
            self._line = Line(self.spec, self.life, boot, since_ms, rough, log)
        return self._line

    def _give(self, sent: Sent) -> None:
        if sent.link is Link.LOST:
            self._outlet.break_off()
        elif sent.link is Link.BACK:
            self._outlet.come_back()
        else:
            self._outlet.publish(sent.topic, sent.payload, sent.made_ms, retain=sent.retain)

    def _send(self, state: State, now_ms: int) -> None:
        payload = encode(self.line.number(state, now_ms))
        self._outlet.publish(topic_of(self.spec.lift_id, Kind.STATE), payload, now_ms, retain=True)

    def _arrays(self, said: Sequence[LiftMessage]) -> Iterator[tuple[Kind, list[Body]]]:
        """Yield arrays of one kind each; the numbers follow the controller's clock over all of them."""
        arrays: dict[Kind, list[Body]] = defaultdict(list)
        for message in said:
            array = arrays[message.kind]
            array.append(self.line.number(message.body, message.at_ms))
            if len(array) == ARRAY_MAX:
                yield message.kind, arrays.pop(message.kind)
        yield from arrays.items()
