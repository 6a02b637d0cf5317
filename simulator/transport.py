"""What happens to a message between the controller and the broker: numbers, clocks, reboots, gateways, and bad luck.

A `Line` numbers what one lift says, reads its controller's clock, and hands everything on in the order in which it goes
out. A clean line only loses the connection while the controller starts again; a rough one does all that real ones do.
The rates of `ROUGH` are assumptions: what a service has to stand, not what was measured.
"""

import heapq
from collections.abc import Iterable, Iterator
from enum import Enum, auto
from random import Random
from typing import Protocol

from msgspec import Struct, structs

from ingest.clock import from_ms
from ingest.messages import Body, Kind, State
from ingest.wire import encode, topic_of
from simulator.fleet import LiftSpec
from simulator.life import Life
from simulator.lift import LiftMessage
from simulator.traffic import DAY_MS, HOUR_MS

# How long a controller takes to start and to connect again: an assumption.
REBOOT_MS = 40_000
_CLOCK_BIRTH_MS = 946_684_800_000  # 2000-01-01, where a clock without a battery begins
_CLOCK_SET_AFTER_MS = 5 * 60_000
_SYNC_EVERY_MS = 30 * DAY_MS
_WEEK_MS = 7 * DAY_MS
_BURST_GAP_MS = 20
NEVER_MS = 32_503_680_000_000  # the year 3000
_FLOOD_GAP_MS = 20
_DUPLICATE_MS_MAX = 120_000
_GARBAGE_BYTES = (1, 200)


class Roughness(Struct, frozen=True, kw_only=True):
    """How much a line does to what it carries; all zero: nothing."""

    duplicate_chance: float = 0.0
    late_chance: float = 0.0
    late_ms_max: int = 30_000
    truncated_chance: float = 0.0
    garbage_per_day: float = 0.0
    strangers_per_day: float = 0.0
    silences_per_week: float = 0.0
    silence_h: tuple[float, float] = (1.0, 8.0)
    floods_per_week: float = 0.0
    flood_messages: int = 3_000
    skew_s_max: float = 0.0
    drift_ppm_max: float = 0.0
    clock_steps_per_week: float = 0.0
    clock_step_s_max: float = 3_600.0
    no_clock_battery_share: float = 0.0


CLEAN = Roughness()
ROUGH = Roughness(
    duplicate_chance=0.01,
    late_chance=0.02,
    truncated_chance=0.002,
    garbage_per_day=2.0,
    strangers_per_day=0.5,
    silences_per_week=0.5,
    floods_per_week=0.05,
    skew_s_max=20.0,
    drift_ppm_max=30.0,
    clock_steps_per_week=0.2,
    no_clock_battery_share=0.1,
)


class Link(Enum):
    """What a `Sent` is: something said, or the connection lost or come back."""

    SAID = auto()
    LOST = auto()
    BACK = auto()


class Sent(Struct, frozen=True, kw_only=True):
    """One payload on its way. `due_ms`: when it goes out; `made_ms`: when the controller made it; both in true time.

    `number` are the boot and seq of the message that it carries, for the first whole copy of it.
    """

    due_ms: int
    made_ms: int
    link: Link = Link.SAID
    topic: str = ""
    payload: bytes = b""
    retain: bool = False
    number: tuple[str, int] | None = None


class SentLog(Protocol):
    """Who writes down what was sent: the truth that a ledger is held against."""

    def said(self, lift_id: str, boot: str, seq: int, made_ms: int) -> None:
        """A message was given this number and goes out."""
        ...

    def disturbed(self, lift_id: str, what: str, made_ms: int, boot: str = "", seq: int | None = None) -> None:
        """Something else went out; with a number: that message was lost on the way."""
        ...


class NoLog:
    """Nobody writes it down."""

    def said(self, lift_id: str, boot: str, seq: int, made_ms: int) -> None:
        """See `SentLog`."""

    def disturbed(self, lift_id: str, what: str, made_ms: int, boot: str = "", seq: int | None = None) -> None:
        """See `SentLog`."""


class ControllerClock:
    """What a controller believes the time to be: skewed, drifting between two settings, stepping, or just born."""

    def __init__(self, spec: LiftSpec, life: Life, rough: Roughness) -> None:
        """Be wrong as the roughness says."""
        random = spec.random("clock")
        self._spec, self._reboots, self._rough = spec, life.reboots, rough
        self._skew_ms = random.uniform(-1, 1) * rough.skew_s_max * 1000
        self._drift = random.uniform(-1, 1) * rough.drift_ppm_max * 1e-6
        self._forgets = random.random() < rough.no_clock_battery_share
        self._week = -1
        self._steps: list[tuple[int, int, int]] = []

    def read(self, true_ms: int) -> int:
        """Return what the controller's clock shows at a true instant."""
        if self._rough is CLEAN:
            return true_ms
        born_ms = self._born_ms(true_ms)
        if born_ms is not None:
            return _CLOCK_BIRTH_MS + true_ms - born_ms
        offset_ms = self._skew_ms + self._drift * (true_ms % _SYNC_EVERY_MS)
        return true_ms + int(offset_ms) + self._step_ms(true_ms)

    def _born_ms(self, true_ms: int) -> int | None:
        """Return when a clock without a battery began again, where nobody has set it since."""
        if not self._forgets:
            return None
        return next((each for each in self._reboots if each <= true_ms < each + _CLOCK_SET_AFTER_MS), None)

    def _step_ms(self, true_ms: int) -> int:
        week = true_ms // _WEEK_MS
        if week != self._week:
            random = self._spec.random("clock steps", week)
            self._week, self._steps = week, []
            if random.random() < self._rough.clock_steps_per_week:
                begin_ms = week * _WEEK_MS + int(random.random() * 6 * DAY_MS)
                step_ms = int(random.uniform(-1, 1) * self._rough.clock_step_s_max * 1000)
                self._steps = [(begin_ms, begin_ms + int(random.uniform(0.2, 1) * DAY_MS), step_ms)]
        return sum(step_ms for begin_ms, end_ms, step_ms in self._steps if begin_ms <= true_ms < end_ms)


class Line:
    """One lift's way to the broker: numbers over all kinds, from 0 with each start of the controller."""

    def __init__(
        self, spec: LiftSpec, life: Life, boot: str, since_ms: int, rough: Roughness = CLEAN, log: SentLog | None = None
    ) -> None:
        """Carry what is said from `since_ms` on; `boot` names the run of the controller that then is going on."""
        self._spec, self._rough, self._log = spec, rough, log or NoLog()
        self._clock = ControllerClock(spec, life, rough)
        self._run = self.boot = boot
        self._seq = 0
        self._starts_ms = [each for each in life.reboots if each > since_ms]
        self._started = self._broken_off = 0
        self._back_ms = since_ms
        self._burst = 0
        self._waiting: list[tuple[int, int, Sent]] = []
        self._count = 0
        self._day = -1
        self._today: list[tuple[int, str]] = []
        self._said: Iterator[LiftMessage] = iter(())
        self._next: LiftMessage | None = None

    @property
    def due_ms(self) -> int:
        """When the next thing goes out, or is made; `NEVER_MS` where nothing ever will."""
        return min(self._instants())

    @property
    def oldest_ms(self) -> int | None:
        """When the oldest was made of what has not gone out; None where there is nothing more to come."""
        made_ms = [] if self._next is None else [self._next.at_ms]
        return min([*made_ms, *(sent.made_ms for _, _, sent in self._waiting)], default=None)

    def say(self, said: Iterable[LiftMessage]) -> None:
        """Begin to carry what is said; it is taken one by one, when its time has come."""
        self._said = iter(said)
        self._next = next(self._said, None)

    def take(self, now_ms: int, *, link_only: bool = False) -> Sent | None:
        """Return the next thing that goes out before `now_ms`; with `link_only` only where the link comes or goes.

        A message has its number from the moment that it is made; what nobody takes has none.
        """
        while True:
            sent_ms, start_ms, made_ms = self._instants()
            if min(sent_ms, start_ms, made_ms) >= now_ms:
                return None
            if link_only and (link := self._due_link(now_ms)) is not None:
                return link
            if start_ms <= min(sent_ms, made_ms):
                self._break_off(start_ms)
            elif link_only:
                return None
            elif sent_ms <= made_ms:
                return heapq.heappop(self._waiting)[2]
            elif self._next is not None:
                message, self._next = self._next, next(self._said, None)
                self._disturb(message)

    def _instants(self) -> tuple[int, int, int]:
        """Return when the next thing goes out, the controller starts again, and the next message is made."""
        sent_ms = self._waiting[0][0] if self._waiting else NEVER_MS
        start_ms = self._starts_ms[self._broken_off] if self._broken_off < len(self._starts_ms) else NEVER_MS
        return sent_ms, start_ms, NEVER_MS if self._next is None else self._next.at_ms

    def _due_link(self, now_ms: int) -> Sent | None:
        """Take the next coming or going of the link, past what waits for it."""
        due = [each for each in self._waiting if each[2].link is not Link.SAID and each[0] < now_ms]
        if not due:
            return None
        self._waiting.remove(min(due))
        heapq.heapify(self._waiting)
        return min(due)[2]

    def carry(self, until_ms: int) -> Iterator[Sent]:
        """Yield all that goes out before an instant."""
        while (sent := self.take(until_ms)) is not None:
            yield sent

    def abandon(self) -> None:
        """Write down what is left on the way when the lift ends: those messages are lost."""
        for _, _, sent in sorted(self._waiting, key=lambda each: each[:2]):
            if sent.number is not None:
                self._log.disturbed(self._spec.lift_id, "unsent", sent.made_ms, *sent.number)
        self._waiting.clear()

    def number(self, body: Body, made_ms: int) -> Body:
        """Return what the controller says: with its number, its boot, and the time that its clock shows."""
        self._start_again(made_ms)
        numbered = structs.replace(body, at=self._clock.read(made_ms), seq=self._seq, boot=self.boot)
        self._log.said(self._spec.lift_id, self.boot, self._seq, made_ms)
        self._seq += 1
        return numbered

    def _put(self, sent: Sent) -> None:
        self._count += 1
        heapq.heappush(self._waiting, (sent.due_ms, self._count, sent))

    def _start_again(self, now_ms: int) -> None:
        """Take a new boot and count from 0 where the controller has started again."""
        while self._started < len(self._starts_ms) and self._starts_ms[self._started] <= now_ms:
            self.boot, self._seq = f"{self._run}-{self._starts_ms[self._started] // 1000:x}", 0
            self._started += 1

    def _break_off(self, start_ms: int) -> None:
        """Lose the connection while the controller starts again."""
        self._broken_off += 1
        self._lose(start_ms, start_ms + REBOOT_MS)

    def _disturb(self, message: LiftMessage) -> None:
        self._plan(message.at_ms)
        while self._today and self._today[0][0] <= message.at_ms:
            self._happen(*self._today.pop(0))
        random = self._random(message)
        body = self.number(message.body, message.at_ms)
        due_ms = self._due_ms(message.at_ms)
        if random is None:
            number = (self.boot, self._seq - 1)
            self._put(self._sent(message.kind, encode(body), due_ms, message.at_ms, number=number))
        else:
            self._put_roughly(message, encode(body), due_ms, random)

    def _random(self, message: LiftMessage) -> Random | None:
        if self._rough is CLEAN:
            return None
        return self._spec.random("line", message.at_ms, message.kind, self._seq)

    def _put_roughly(self, message: LiftMessage, payload: bytes, due_ms: int, random: Random) -> None:
        rough, lift_id = self._rough, self._spec.lift_id
        number: tuple[str, int] | None = (self.boot, self._seq - 1)
        if random.random() < rough.truncated_chance:
            payload = payload[: random.randrange(1, len(payload))]
            self._log.disturbed(lift_id, "truncated", message.at_ms, self.boot, self._seq - 1)
            number = None
        if random.random() < rough.late_chance:
            due_ms += int(random.random() * rough.late_ms_max)
            self._log.disturbed(lift_id, "late", message.at_ms)
        self._put(self._sent(message.kind, payload, due_ms, message.at_ms, number=number))
        if random.random() < rough.duplicate_chance:
            self._log.disturbed(lift_id, "duplicate", message.at_ms)
            again_ms = due_ms + int(random.random() * _DUPLICATE_MS_MAX)
            self._put(self._sent(message.kind, payload, again_ms, message.at_ms))

    def _sent(
        self, kind: Kind, payload: bytes, due_ms: int, made_ms: int, *, number: tuple[str, int] | None = None
    ) -> Sent:
        return Sent(
            due_ms=due_ms,
            made_ms=made_ms,
            topic=topic_of(self._spec.lift_id, kind),
            payload=payload,
            retain=kind is Kind.STATE,
            number=number,
        )

    def _due_ms(self, made_ms: int) -> int:
        """Return when something made now goes out: at once, or in the burst after the line is back."""
        if made_ms >= self._back_ms:
            self._burst = 0
            return made_ms
        self._burst += 1
        return self._back_ms + self._burst * _BURST_GAP_MS

    def _lose(self, now_ms: int, back_ms: int) -> None:
        if now_ms < self._back_ms:
            return
        self._back_ms = back_ms
        self._put(Sent(due_ms=now_ms, made_ms=now_ms, link=Link.LOST))
        self._put(Sent(due_ms=back_ms, made_ms=now_ms, link=Link.BACK))

    def _plan(self, now_ms: int) -> None:
        """Draw what will happen to the line on a new day."""
        day = now_ms // DAY_MS
        if day == self._day or self._rough is CLEAN:
            return
        self._day = day
        random = self._spec.random("line", from_ms(now_ms).date())
        rates = (
            ("garbage", self._rough.garbage_per_day),
            ("stranger", self._rough.strangers_per_day),
            ("silence", self._rough.silences_per_week / 7),
            ("flood", self._rough.floods_per_week / 7),
        )
        for what, per_day in rates:
            for _ in range(int(per_day) + (random.random() < per_day % 1)):
                self._today.append((day * DAY_MS + int(random.random() * DAY_MS), what))
        self._today.sort()

    def _happen(self, at_ms: int, what: str) -> None:
        random = self._spec.random("line", at_ms, what)
        if what == "silence":
            self._log.disturbed(self._spec.lift_id, what, at_ms)
            self._lose(at_ms, at_ms + int(random.uniform(*self._rough.silence_h) * HOUR_MS))
        elif what == "flood":
            self._flood(at_ms)
        else:
            self._log.disturbed(self._spec.lift_id, what, at_ms)
            junk = bytes(random.randrange(256) for _ in range(random.randint(*_GARBAGE_BYTES)))
            sent = self._sent(random.choice(list(Kind)), junk, self._due_ms(at_ms), at_ms)
            if what == "stranger":
                topic = topic_of(f"X{self._spec.lift_id}", Kind.STATE)
                sent = structs.replace(sent, topic=topic, payload=encode(State(at=at_ms, moving=False)))
            self._put(structs.replace(sent, retain=False))

    def _flood(self, at_ms: int) -> None:
        """Say the same over and over: a controller whose input chatters."""
        self._log.disturbed(self._spec.lift_id, "flood", at_ms)
        for number in range(self._rough.flood_messages):
            made_ms = at_ms + number * _FLOOD_GAP_MS
            payload = encode(self.number(State(at=made_ms, moving=False), made_ms))
            own = (self.boot, self._seq - 1)
            self._put(self._sent(Kind.STATE, payload, self._due_ms(made_ms), made_ms, number=own))
