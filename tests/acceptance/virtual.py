"""A monitoring centre in virtual time: the real intake, desk, store and assessment, on the lifts of a scenario."""

import csv
import heapq
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from msgspec import structs

from alerts.alert import Alert
from alerts.work_orders import WorkOrder
from analytics.findings import Finding, FindingKind
from api.composition import open_parts
from api.settings import Settings
from ingest.clock import ManualClock, from_ms, to_ms
from ingest.intake import UNKNOWN_LIFT, Intake, UnknownLift
from ingest.messages import Body, Kind, Message, State
from ingest.wire import encode, topic_of
from simulator.fleet import LiftSpec
from simulator.lift import messages, state_at
from simulator.register import lifts
from simulator.scenarios import Scenario, lives_of, load_scenario
from simulator.transport import Line, Link, Sent
from simulator.truth import Truth

SCENARIOS = Path(__file__).parent / "scenarios"
LAST_WILL = encode(State(connected=False))
DAY_MS = 86_400_000
CLOSELY = timedelta(minutes=30)


class Centre:
    """Plays a scenario to its end, and can be asked what the service and what the truth says of it.

    The service looks `every` so often at what has come; on the day `closely` it does every half hour, at least.
    """

    def __init__(
        self, name: str, folder: Path, *, every: timedelta = timedelta(minutes=30), closely: int | None = None
    ) -> None:
        self.scenario: Scenario = load_scenario(SCENARIOS / f"{name}.yaml")
        self.fleet = self.scenario.fleet()
        self.start = from_ms(self.scenario.start_ms)
        self.refused: Counter[str] = Counter()
        self.findings: list[Finding] = []
        self._lives = lives_of(self.scenario)
        self._clock = ManualClock(self.start)
        self._parts = open_parts(Settings(data_dir=folder / "data"), self._clock)
        known = [
            structs.replace(lift, regime=None, certificate_expires_on=None) for lift in lifts(self.fleet, self.start)
        ]
        self._parts.register.register(known, self.start)
        self._intake = Intake(self._parts.profiles, self._parts.settings.intake_limits)
        self._every, self._closely = every, closely
        self._truth_folder = folder / "truth"
        self._truth = Truth(self._truth_folder, folder / "data")
        self._play()

    def close(self) -> None:
        self._parts.close()

    def at(self, day: float) -> datetime:
        return self.start + timedelta(days=day)

    def alerts(self, **wanted: Any) -> list[Alert]:
        """The alerts, oldest first."""
        return self._parts.journal.alerts(limit=10_000, **wanted)[::-1]

    def orders(self, **wanted: Any) -> list[WorkOrder]:
        """The orders, oldest first."""
        return self._parts.journal.work_orders(limit=10_000, **wanted)[::-1]

    def drifts(self, day: float) -> list[Finding]:
        """Which parts the service finds to be wearing, from what it has in store of the days before."""
        self._parts.daily.catch_up(self.at(day))
        return [finding for finding in self._parts.assessment.assess(self.at(day)) if finding.kind is FindingKind.DRIFT]

    def said(self, lift_id: str, kind: Kind, since_day: float, until_day: float) -> list[Any]:
        """What the store holds of a lift."""
        found: list[Body] = []
        after_ns = None
        while True:
            page = self._parts.store.messages(
                lift_id, kind, self.at(since_day), self.at(until_day), limit=1_000, after_ns=after_ns
            )
            found += [message.body for message in page]
            if len(page) < 1_000:
                return found
            after_ns = page[-1].key_ns

    def truth(self, file: str) -> list[dict[str, str]]:
        """What the simulator wrote down, where the service cannot read it."""
        with (self._truth_folder / file).open(newline="", encoding="utf-8") as opened:
            return list(csv.DictReader(opened))

    def _play(self) -> None:
        until_ms = self.scenario.until_ms
        pairs = ((spec, self._lives[spec.lift_id]) for spec in self.fleet)
        self._truth.write_lives(pairs, self.scenario.start_ms, until_ms)
        batch: list[tuple[str, bytes, int]] = []
        assessed_at = self.start
        for spec, line, sent in heapq.merge(
            *(self._sent(spec) for spec in self.fleet), key=lambda each: each[2].due_ms
        ):
            now = from_ms(sent.due_ms)
            if now - self._clock.now() >= self._step(now):
                self._take(batch)
                batch = []
                self._clock.advance(now - self._clock.now())
                self._parts.desk.watch(now, self.start)
                if now - assessed_at >= timedelta(days=1):
                    assessed_at = now
                    self._assess(now)
            batch += self._arrived(spec, line, sent)
        self._take(batch)
        self._assess(from_ms(until_ms))
        self._truth.close()

    def _step(self, now: datetime) -> timedelta:
        return min(self._every, CLOSELY) if (now - self.start).days == self._closely else self._every

    def _sent(self, spec: LiftSpec) -> Iterator[tuple[LiftSpec, Line, Sent]]:
        life = self._lives[spec.lift_id]
        line = Line(spec, life, "b0", self.scenario.start_ms, self.scenario.rough, self._truth)
        line.say(messages(spec, self.scenario.start_ms, self.scenario.until_ms, (), life))
        yield from ((spec, line, sent) for sent in line.carry(self.scenario.until_ms + DAY_MS))

    def _arrived(self, spec: LiftSpec, line: Line, sent: Sent) -> list[tuple[str, bytes, int]]:
        """What the broker hands on: what was said, the last will of a lost connection, the greeting of a new one."""
        topic = topic_of(spec.lift_id, Kind.STATE)
        if sent.link is Link.LOST:
            return [(topic, LAST_WILL, sent.due_ms)]
        if sent.link is Link.BACK:
            state = state_at(spec, sent.due_ms, (), self._lives[spec.lift_id])
            return [(topic, encode(line.number(state, sent.due_ms)), sent.due_ms)]
        return [(sent.topic, sent.payload, sent.due_ms)]

    def _take(self, batch: list[tuple[str, bytes, int]]) -> None:
        accepted: list[Message] = []
        for topic, payload, received_ms in batch:
            taken = self._intake.take(topic, payload, received_ms, self._profile_of)
            accepted += taken.accepted
            self.refused.update(item.reason.value for item in taken.quarantined)
        self._parts.desk.observe(accepted)
        self._parts.store.write(accepted)
        self._parts.stale_days.note(accepted)

    def _profile_of(self, lift_id: str) -> str | UnknownLift | None:
        return None if any(spec.lift_id == lift_id for spec in self.fleet) else UNKNOWN_LIFT

    def _assess(self, as_of: datetime) -> None:
        found = self._parts.assessment.assess(as_of)
        self.findings += found
        self._parts.desk.apply(found, as_of)


def instant_ms(text: str) -> int:
    return to_ms(datetime.fromisoformat(text))
