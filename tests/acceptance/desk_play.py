"""Scenarios of the monitoring centre in virtual time: push this at that instant, expect exactly this and nothing else.

A play has a real desk (one, or several on one database), the real HTTP routes, and somebody who watches every 5 s.
What happened is three lists in one: the alerts that there are, the orders that there are, and what others were told
(the outbox). A script names each of them with the window in which it has to happen:

    0..5     alert A1 lift-stopped overspeed
    0..5     order A1 repair overspeed
    0..5     told alert.raised A1 lift-stopped overspeed
    10m..11m told alert.reminded A1 lift-stopped *
    3x 1h    alert * no-contact
    25h..26h heard alert.raised A1 lift-stopped overspeed

`heard` is what arrived at a receiver that the play has (`Receiver`), when it arrived.

An instant is seconds after noon, or has a unit (s, m, h, d); one alone is a window of that instant. Words may hold `*`.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any

import httpx
import sqlalchemy as sa
from msgspec import Struct, structs
from sqlalchemy.engine import Engine

from alerts import tables
from alerts.channels import WEBHOOK, Outcome, Outgoing
from alerts.dispatch import Dispatcher
from alerts.subscriptions import Wanted
from ingest.clock import to_ms
from ingest.fleet import Lift
from ingest.messages import Message
from ingest.telemetry_store import MemoryTelemetryStore
from tests.unit.alerts.parts import NOON, RULES, at
from tests.unit.api.parts import World, world_on

_LONG_AGO = at(-86_400)
_UNITS_S = {"": 1, "s": 1, "m": 60, "h": 3_600, "d": 86_400}
_LINE = re.compile(
    r"(?:(?P<times>\d+)x\s+)?(?P<since>\d+(?:\.\d+)?[smhd]?)(?:\.\.(?P<until>\d+(?:\.\d+)?[smhd]?))?\s+(?P<words>.+)"
)
Act = Callable[[World], object]


class Happening(Struct, frozen=True):
    """One thing that happened, in the words of a script."""

    at_s: float
    words: str

    def __str__(self) -> str:
        return f"{self.at_s:g} {self.words}"


class Expectation(Struct, frozen=True):
    """What a line of a script asks for."""

    since_s: float
    until_s: float
    words: str

    def fits(self, happening: Happening) -> bool:
        return self.since_s <= happening.at_s <= self.until_s and fnmatchcase(happening.words, self.words)

    def __str__(self) -> str:
        return f"{self.since_s:g}..{self.until_s:g} {self.words}"


class Receiver:
    """A receiver of webhooks that answers nothing while it is away; what it hears it writes down."""

    def __init__(self, *, away: tuple[float, float]) -> None:
        """Be away between two instants, in seconds after noon."""
        self._away = away
        self.heard: list[tuple[float, Outgoing]] = []

    def send(self, outgoing: Outgoing, now: datetime) -> Outcome:
        """See `alerts.channels.Channel.send`."""
        now_s = (now - NOON).total_seconds()
        if self._away[0] <= now_s < self._away[1]:
            return Outcome(error="refused")
        self.heard.append((now_s, outgoing))
        return Outcome(status=204)


class Play:
    """Takes what shall happen at which second after noon, lets it happen, and compares."""

    def __init__(
        self, engine: Engine, lifts: Iterable[Lift | str] = ("A1", "B2"), *, desks: int = 1, every_s: float = 5.0
    ) -> None:
        """Open the centre at noon; with several `desks` what comes goes to them in turn, and each of them watches."""
        self._engine = engine
        self._store = MemoryTelemetryStore()
        self._every_s = every_s
        self._acts: list[tuple[float, Act]] = []
        self._away: list[tuple[float, float]] = []
        self._turn = 0
        self._now_s = 0.0
        self._watched_s = -every_s
        self._receivers: list[Receiver] = []
        self._worlds = [self._open() for _ in range(desks)]
        known = [Lift(lift_id=lift) if isinstance(lift, str) else lift for lift in lifts]
        self.world.service.register.register(known, NOON)
        self.watchers: list[Callable[[World, datetime], object]] = [
            lambda world, now: world.service.desk.watch(now, _LONG_AGO)
        ]

    def tell(self, receiver: Receiver, *topics: str) -> None:
        """Let a receiver be told of `topics` by webhook, by a dispatcher beside the watch."""
        wanted = Wanted(channel=WEBHOOK, name="CMMS", target="https://cmms.example/", topics=list(topics))
        self.world.service.notifying.subscriptions.add(wanted, NOON)
        self._receivers.append(receiver)
        self.watchers.append(lambda world, _: Dispatcher(self._engine, RULES, {WEBHOOK: receiver}, world.clock).work())

    @property
    def world(self) -> World:
        """The first of the desks, for looking at things."""
        return self._worlds[0]

    def push(self, at_s: float, *messages: Message, said_s: float | None = None) -> None:
        """Let messages be received at `at_s`; they were measured then, or at `said_s`."""
        measured_s = at_s if said_s is None else said_s
        sent = [
            structs.replace(
                message, measured_ms=to_ms(at(measured_s)), received_ms=to_ms(at(at_s)), late=at_s - measured_s > 600
            )
            for message in messages
        ]
        self.do(at_s, lambda world: world.service.desk.observe(sent))

    def post(self, at_s: float, path: str, *, status: int = 200, **body: Any) -> None:
        """Send a request at `at_s`; `path` is below the API's version."""

        def send(world: World) -> None:
            answer: httpx.Response = world.client.post(f"/api/v1/{path}", **body)
            assert answer.status_code == status, answer.text

        self.do(at_s, send)

    def do(self, at_s: float, act: Act) -> None:
        """Do anything at `at_s`: call a desk, or look and assert."""
        self._acts.append((at_s, act))

    def restart(self, at_s: float) -> None:
        """Forget at `at_s` whatever is not written down."""
        self.do(at_s, lambda _: self._reopen())

    def away(self, since_s: float, until_s: float) -> None:
        """Let nobody watch between two instants, as while the service is down; it is started anew afterwards."""
        self._away.append((since_s, until_s))
        self.restart(until_s)

    def run(self, until_s: float) -> None:
        """Let time pass until `until_s`."""
        due = sorted((act for act in self._acts if act[0] <= until_s), key=lambda act: act[0])
        self._acts = [act for act in self._acts if act[0] > until_s]
        for at_s, act in due:
            self._pass(at_s)
            self._turn += 1
            act(self._worlds[self._turn % len(self._worlds)])
        self._pass(until_s)

    def happenings(self) -> list[Happening]:
        """Return what has happened, in order."""
        with self._engine.connect() as connection:
            alerts = {row.id: row for row in connection.execute(sa.select(tables.alert))}
            orders = {row.id: row for row in connection.execute(sa.select(tables.work_order))}
            told = connection.execute(sa.select(tables.outbox).order_by(tables.outbox.c.id)).all()
        happened = [_happening(row.received_at, "alert", row.lift_id, *_words_of(row)) for row in alerts.values()]
        happened += [_happening(row.opened_at, "order", row.lift_id, row.kind, row.cause) for row in orders.values()]
        for row in told:
            alert, order = alerts.get(row.alert_id), orders.get(row.work_order_id)
            about = _words_of(alert) if alert else (order.kind, order.cause) if order else ()
            happened.append(_happening(row.at, "told", row.topic, row.lift_id, *about))
        for at_s, outgoing in (each for receiver in self._receivers for each in receiver.heard):
            alert, order = alerts.get(outgoing.data["alert_id"]), orders.get(outgoing.data["work_order_id"])
            about = _words_of(alert) if alert else (order.kind, order.cause) if order else ()
            happened.append(Happening(at_s, " ".join(("heard", outgoing.topic, outgoing.lift_id, *about))))
        return sorted(happened, key=lambda happening: happening.at_s)

    def expect(self, script: str, *, ignoring: Sequence[str] = ()) -> None:
        """Assert that what the script says has happened, and nothing else but what fits one of `ignoring`."""
        left = [
            happening
            for happening in self.happenings()
            if not any(fnmatchcase(happening.words, words) for words in ignoring)
        ]
        missing = []
        for expectation in _expectations(script):
            fitting = next((happening for happening in left if expectation.fits(happening)), None)
            if fitting is None:
                missing.append(expectation)
            else:
                left.remove(fitting)
        wrong = [*(f"missing: {expectation}" for expectation in missing), *(f"not expected: {each}" for each in left)]
        assert not wrong, "\n".join(wrong)

    def _pass(self, until_s: float) -> None:
        while self._watched_s + self._every_s <= until_s:
            self._watched_s += self._every_s
            self._set_clocks(self._watched_s)
            if not any(since_s <= self._watched_s < end_s for since_s, end_s in self._away):
                for world in self._worlds:
                    for watch in self.watchers:
                        watch(world, world.clock.now())
        self._set_clocks(until_s)

    def _set_clocks(self, now_s: float) -> None:
        self._now_s = now_s
        for world in self._worlds:
            world.clock.advance(at(now_s) - world.clock.now())

    def _reopen(self) -> None:
        self._worlds = [self._open() for _ in self._worlds]
        self._set_clocks(self._now_s)

    def _open(self) -> World:
        return world_on(self._engine, self._store)


def _words_of(alert: Any) -> Sequence[str]:
    return (alert.kind, alert.code) if alert.code else (alert.kind,)


def _happening(when: datetime, *words: str) -> Happening:
    return Happening((when - NOON).total_seconds(), " ".join(words))


def _expectations(script: str) -> list[Expectation]:
    return [each for line in script.splitlines() if line.strip() for each in _expectation(line.strip())]


def _expectation(line: str) -> list[Expectation]:
    read = _LINE.fullmatch(line)
    assert read, f"not a line of a script: {line}"
    since = read["since"]
    one = Expectation(_seconds(since), _seconds(read["until"] or since), " ".join(read["words"].split()))
    return [one] * int(read["times"] or 1)


def _seconds(instant: str) -> float:
    unit = instant[-1] if instant[-1] in _UNITS_S else ""
    return float(instant.removesuffix(unit)) * _UNITS_S[unit]
