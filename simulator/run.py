"""A fleet's day at work: first what was missed, then the present, until somebody says stop."""

import heapq
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path

from msgspec import Struct

from ingest.clock import monotonic_s
from simulator import resume
from simulator.faults import FaultPeriod
from simulator.feed import LiftFeed
from simulator.fleet import LiftSpec
from simulator.life import Life
from simulator.pace import Pace
from simulator.publisher import Publisher, Say
from simulator.resume import Progress
from simulator.script import DEMO_MS, WORN_HISTORY_DAYS, scripted, worn_life, worn_lift
from simulator.transport import CLEAN, Roughness, SentLog

POLL_S = 0.05
SPEAK_S_MAX = 0.2
SAVE_EVERY_S = 5.0
TELL_EVERY_S = 1.0
# How long a stop may wait for acknowledgements, for the last words, and for the connections to close.
DRAIN_S_MAX = 5.0
FAREWELL_S_MAX = 2.0
CLOSE_S_MAX = 2.0
_DAY_MS = timedelta(days=1) // timedelta(milliseconds=1)


class Plan(Struct, frozen=True, kw_only=True):
    """What a run shall do. `history_ms` bounds how much of the past is published; `once`: the past and nothing more.

    `lives` are those of a scenario, by lift; who has none there has his own.
    """

    history_ms: int = 0
    once: bool = False
    script: bool = False
    resume_file: Path | None = None
    lives: Mapping[str, Life] = {}
    rough: Roughness = CLEAN


class Simulation:
    """Drives the feeds of a fleet through a publisher, and keeps the resume file."""

    def __init__(
        self,
        fleet: Sequence[LiftSpec],
        plan: Plan,
        pace: Pace,
        publisher: Publisher,
        boot: str,
        say: Say,
        progress: Progress | None = None,
        log: SentLog | None = None,
    ) -> None:
        """Take the fleet up where `progress` left it (None: as far back as the plan reaches)."""
        self._fleet = fleet
        self._plan = plan
        self._pace = pace
        self._publisher = publisher
        self._say = say
        self._live_ms = pace.now_ms()
        self._save_at_s = 0.0
        until_ms = {} if progress is None else progress.until_ms
        self._scripts_ms = _open_scripts(progress, self._live_ms if plan.script else None)
        extra = _extra(fleet, self._scripts_ms)
        self._first_ms = _first_ms(progress, self._live_ms if plan.script and plan.history_ms else None)
        lives = {**plan.lives, **_worn(fleet, self._first_ms)}
        oldest_ms = {spec.lift_id: self._live_ms - plan.history_ms for spec in fleet}
        if self._first_ms is not None and progress is None:
            oldest_ms |= dict.fromkeys(_worn(fleet, self._first_ms), self._first_ms - WORN_HISTORY_DAYS * _DAY_MS)
        self._feeds = [
            LiftFeed(
                spec,
                publisher.connections[spec.lift_id],
                boot,
                max(oldest_ms[spec.lift_id], until_ms.get(spec.lift_id, oldest_ms[spec.lift_id])),
                extra.get(spec.lift_id, ()),
                lives.get(spec.lift_id),
                plan.rough,
                log,
            )
            for spec in fleet
        ]
        self._by_lift = {feed.spec.lift_id: feed for feed in self._feeds}
        self._due = [(feed.due_ms, number) for number, feed in enumerate(self._feeds)]
        heapq.heapify(self._due)

    def run(self, is_over: Callable[[], bool]) -> bool:
        """Publish until `is_over`, then stop in order; tell whether all that was handed over has been acknowledged."""
        self._publish_history(is_over)
        while not self._plan.once and not is_over():
            self._round(self._pace.now_ms())
        return self._stop()

    def _publish_history(self, is_over: Callable[[], bool]) -> None:
        began_s, tell_at_s, count = monotonic_s(), monotonic_s() + TELL_EVERY_S, 0
        first_ms = min(feed.given_ms for feed in self._feeds)
        while not is_over() and not self._has_published(self._live_ms):
            self._greet()
            given = sum(feed.give_history(self._live_ms) for feed in self._feeds)
            count += given
            self._publisher.poll(0 if given else POLL_S)
            self._save(monotonic_s())
            if given and monotonic_s() >= tell_at_s:
                tell_at_s = monotonic_s() + TELL_EVERY_S
                self._tell(first_ms, count, began_s)
        if count:
            self._tell(first_ms, count, began_s)

    def _has_published(self, until_ms: int) -> bool:
        return all(feed.published_ms >= until_ms for feed in self._feeds)

    def _tell(self, first_ms: int, count: int, began_s: float) -> None:
        done = sum(feed.published_ms >= self._live_ms for feed in self._feeds)
        days = (min(feed.published_ms for feed in self._feeds) - first_ms) / _DAY_MS
        of_days = (self._live_ms - first_ms) / _DAY_MS
        self._say(
            f"history: {days:.1f}/{of_days:.1f} days, {done}/{len(self._feeds)} lifts complete, "
            f"{count} messages in {monotonic_s() - began_s:.1f} s"
        )

    def _round(self, now_ms: int) -> None:
        self._greet()
        self._give_due(now_ms)
        self._publisher.poll(POLL_S)
        self._save(monotonic_s())

    def _give_due(self, now_ms: int) -> None:
        """Let the lifts speak that have something to say, the longest overdue first, for a short while."""
        until_s = monotonic_s() + SPEAK_S_MAX
        again = []
        while self._due and self._due[0][0] < now_ms and monotonic_s() < until_s:
            _, number = heapq.heappop(self._due)
            feed = self._feeds[number]
            feed.give_due(now_ms)
            again.append((max(now_ms, feed.due_ms), number))
        for each in again:
            heapq.heappush(self._due, each)

    def _greet(self) -> None:
        came = self._publisher.take_came()
        now_ms = self._pace.now_ms()
        for lift_id in came:
            self._by_lift[lift_id].greet(now_ms)

    def _stop(self) -> bool:
        self._drain(DRAIN_S_MAX)
        now_ms = self._pace.now_ms()
        self._save(None)
        for feed in self._feeds:
            feed.say_farewell(now_ms)
        self._drain(FAREWELL_S_MAX)
        complete = all(connection.unacknowledged == 0 for connection in self._publisher.connections.values())
        self._publisher.close(CLOSE_S_MAX)
        return complete and self._has_published(self._live_ms)

    def _drain(self, within_s: float) -> None:
        """Wait for acknowledgements; not for those of connections that do not stand."""
        deadline_s = monotonic_s() + within_s
        while self._publisher.unacknowledged and monotonic_s() < deadline_s:
            self._publisher.poll(POLL_S)

    def _save(self, now_s: float | None) -> None:
        """Write the resume file, if it is time (None: now)."""
        if self._plan.resume_file is None or (now_s is not None and now_s < self._save_at_s):
            return
        self._save_at_s = (now_s or 0.0) + SAVE_EVERY_S
        until_ms = {feed.spec.lift_id: feed.published_ms for feed in self._feeds}
        progress = Progress(
            seed=self._fleet[0].seed,
            lifts=len(self._fleet),
            until_ms=until_ms,
            scripts_ms=[start_ms for start_ms in self._scripts_ms if start_ms + DEMO_MS >= min(until_ms.values())],
            first_ms=self._first_ms,
        )
        resume.save(self._plan.resume_file, progress)


def _open_scripts(progress: Progress | None, new_ms: int | None) -> list[int]:
    """Return the starts of the scripts to play: those that a stop cut short, and the new one."""
    cut_short = [] if progress is None else list(progress.scripts_ms)
    return cut_short if new_ms is None else [*cut_short, new_ms]


def _first_ms(progress: Progress | None, new_ms: int | None) -> int | None:
    """Return when the worn lift of the script began to count; a fleet that went without it does not get it later."""
    return new_ms if progress is None else progress.first_ms


def _worn(fleet: Sequence[LiftSpec], first_ms: int | None) -> dict[str, Life]:
    spec = worn_lift(fleet)
    return {} if first_ms is None else {spec.lift_id: worn_life(spec, first_ms)}


def _extra(fleet: Sequence[LiftSpec], scripts_ms: Sequence[int]) -> dict[str, list[FaultPeriod]]:
    extra: dict[str, list[FaultPeriod]] = {}
    for start_ms in scripts_ms:
        for lift_id, periods in scripted(fleet, start_ms).items():
            extra.setdefault(lift_id, []).extend(periods)
    return extra
