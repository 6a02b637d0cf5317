"""One trial: a fleet speaks, things fail, everything is healed, and what is there is held against what was said."""

import contextlib
import math
import random
import subprocess
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.chaos.content import Publication, Said, compose
from tests.chaos.faults import begin
from tests.chaos.plan import KILL_BROKER, LENGTH_S, Fault, Plan
from tests.chaos.publisher import FleetPublisher, Puback
from tests.chaos.reading import Reader, spooled
from tests.chaos.stage import Servers, Stage
from tests.chaos.verdict import Found, Kept, Key, Verdict, judge_alerts, judge_ledger, judge_messages, key_of_said
from tests.service import SERVE, until

# Broker and stores have to be in use again within 30 s of their return; the rest is the process's own start.
READY_S_MAX = 40.0
PUBACK_S_MAX = 30.0
QUIET_S, QUIET_S_MAX = 1.5, 60.0
SETTLE_S_MAX = 20.0
# mosquitto writes to disk once a second: what it acknowledged longer than this before it was killed, it must know.
BROKER_MEMORY_S = 3.0
# How much later than a subscription in truth the tap and the publisher may see what came before it.
SUBSCRIBE_S = 0.5

# What the broker has acknowledged to the lifts, and when.
Spoken = Sequence[tuple[Publication, Puback]]


@dataclass
class Outcome:
    """What became of a trial."""

    plan: Plan
    verdict: Verdict
    took_s: float

    def line(self) -> str:
        """Return it in one line."""
        verdict = self.verdict
        counts = f"{verdict.messages} messages, {len(verdict.lost)} lost, {len(verdict.doubled)} doubled"
        broker = f", {len(verdict.lost_by_broker)} lost by the broker" if self.plan.kills_broker else ""
        state = "ok" if verdict.is_good else "FAILED"
        return f"seed {self.plan.seed}: {state} in {self.took_s:.1f} s: {counts}{broker}; {self.plan.words()}"


def run_trial(
    plan: Plan,
    servers: Servers,
    folder: Path,
    command: tuple[str, ...] = SERVE,
    *,
    length_s: float = LENGTH_S,
    settle_s: float = SETTLE_S_MAX,
) -> Outcome:
    """Run a trial in `folder`, which is made; `command` is what the service processes run.

    The fleet speaks for `length_s`; what is still wrong `settle_s` after all is quiet stays wrong. A trial that cannot
    be run to its end is one that failed.
    """
    begun_s = time.monotonic()
    played = Played(plan)
    verdict = Verdict()
    folder.mkdir(parents=True)
    try:
        with Stage(servers, folder, plan, command) as stage:
            if plan.kills_broker:
                stage.until_sessions_saved()
            _play(stage, played, length_s)
            verdict = _judged(stage, played, settle_s)
            _stop(stage, played.troubles)
    except Exception:  # noqa: BLE001 - the other trials of the run go on
        played.troubles.append(traceback.format_exc())
    verdict.service += played.troubles
    return Outcome(plan, verdict, time.monotonic() - begun_s)


@dataclass
class Played:
    """What was said and done in a trial, and what went wrong with the service itself meanwhile."""

    plan: Plan
    spoken: Spoken = ()
    kills_s: list[float] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)

    def until(self, answer: Callable[[], object], what: str, patience_s: float) -> None:
        """Wait for something; where it is in vain, that is a fault of the service."""
        try:
            until(answer, what, patience_s)
        except AssertionError as error:
            self.troubles.append(str(error))


def _play(stage: Stage, played: Played, length_s: float) -> None:
    """Let the fleet speak while things fail."""
    plan = played.plan
    script = compose(plan.seed, plan.twists, int(time.time() * 1000), length_s)
    with FleetPublisher(stage.mosquitto.port, f"fleet-{plan.seed}") as publisher:
        begun_s = time.monotonic()
        threads = [threading.Thread(target=_fail, args=(fault, stage, played, begun_s)) for fault in plan.faults]
        for thread in threads:
            thread.start()
        try:
            publisher.run(script, begun_s)
        finally:
            for thread in threads:
                thread.join()
        played.until(publisher.is_done, "the PUBACK of every message", PUBACK_S_MAX)
        played.spoken = publisher.acknowledged()


def _fail(fault: Fault, stage: Stage, played: Played, begun_s: float) -> None:
    """Do one failure and heal it."""
    try:
        rng = random.Random(f"{fault.name} {played.plan.seed}")
        time.sleep(max(begun_s + fault.begin_s - time.monotonic(), 0))
        heal = begin(stage, fault, rng)
        if fault.name == KILL_BROKER:
            played.kills_s.append(time.monotonic())
        time.sleep(fault.length_s)
        heal()
    except Exception as error:  # noqa: BLE001 - in a thread; it has to reach the verdict
        played.troubles.append(f"{fault.name}: {error!r}")


def _judged(stage: Stage, played: Played, settle_s: float) -> Verdict:
    """Wait for quiet, and judge again and again until all is well or time is up."""
    played.until(stage.is_ready, "every process to be ready", READY_S_MAX)
    played.until(_Quiet(stage), "quiet", QUIET_S_MAX)
    excused, returning = _excused(stage, played), _returning(stage, played)
    lift_ids = {said.lift_id for publication, _ in played.spoken for said in publication.said}
    deadline_s = time.monotonic() + settle_s
    with contextlib.closing(Reader(stage, lift_ids)) as reader:
        while True:
            verdict = _verdict_on(reader.read(), played, excused, returning)
            if verdict.is_good or time.monotonic() > deadline_s:
                break
            time.sleep(0.5)
    if played.kills_s and verdict.lost:
        told = _circumstances(stage, played)
        verdict.lost = [f"{key} ({told.get(key, 'noise')})" for key in verdict.lost]
    return verdict


def _verdict_on(found: Found, played: Played, excused: set[Key], returning: set[str]) -> Verdict:
    verdict = Verdict()
    said = {key_of_said(each): each for publication, _ in played.spoken for each in publication.said}
    noise = [Kept(publication.topic, publication.payload) for publication, _ in played.spoken if not publication.said]
    there = judge_messages(verdict, said.values(), noise, found, excused)
    present: list[Said] = [each for key, each in said.items() if key in there]
    judge_alerts(verdict, present, found, is_ordered=played.plan.is_ordered, returning=returning)
    judge_ledger(verdict, said.values(), there, found)
    return verdict


def _excused(stage: Stage, played: Played) -> set[Key]:
    """Return what a killed broker may have lost by itself."""
    excused: set[Key] = set()
    for publication, puback in played.spoken:
        if any(_may_lose(stage, publication, puback, killed_s) for killed_s in played.kills_s):
            excused |= {key_of_said(said) for said in publication.said}
            excused.add((publication.topic, publication.payload))
    return excused


def _returning(stage: Stage, played: Played) -> set[str]:
    """Return the lifts whose last will came before the service last connected: they have ten minutes to come back."""
    connected_s = max(stage.tap.subscribed_s) + SUBSCRIBE_S
    return {
        said.lift_id
        for publication, puback in played.spoken
        for said in publication.said
        if said.fate == "will" and puback.at_s <= connected_s
    }


def _may_lose(stage: Stage, publication: Publication, puback: Puback, killed_s: float) -> bool:
    """Tell whether a message is one that mosquitto loses when it is killed.

    It was acknowledged shortly before, and the service has not acknowledged it. Or it came after the start, before a
    member of the group was back: mosquitto keeps no shared subscription on disk.
    """
    message = (publication.topic, publication.payload)
    if puback.connected_s < killed_s:
        return puback.at_s >= killed_s - BROKER_MEMORY_S and not stage.tap.acknowledged[message]
    if stage.topology.workers == 1:
        return False
    back_s = min((at_s for at_s in stage.tap.subscribed_s if at_s > killed_s), default=math.inf)
    return puback.at_s <= back_s + SUBSCRIBE_S and message not in stage.tap.offered


def _circumstances(stage: Stage, played: Played) -> dict[str, str]:
    """Return what is known of each message where a broker was killed, to tell with those that are lost."""
    told: dict[str, str] = {}
    for publication, puback in played.spoken:
        acknowledged = stage.tap.acknowledged[publication.topic, publication.payload]
        later_s = [f"{puback.at_s - killed_s:+.3f} s" for killed_s in played.kills_s]
        words = f"PUBACK {', '.join(later_s)} from the kill, acknowledged by the service {acknowledged} times"
        told |= {str(key_of_said(said)): words for said in publication.said}
    return told


class _Quiet:
    """Tells whether nothing has been under way for a while: delivered, unacknowledged or spooled."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._since_s = time.monotonic()
        self._delivered = -1

    def __call__(self) -> bool:
        now_s = time.monotonic()
        tap = self._stage.tap
        is_calm = tap.delivered == self._delivered and tap.outstanding() == 0 and self._is_drained()
        self._delivered = tap.delivered
        if not is_calm:
            self._since_s = now_s
        return now_s - self._since_s >= QUIET_S

    def _is_drained(self) -> bool:
        try:
            return all(service.answers() and spooled(service) == 0 for service in self._stage.services)
        except OSError:  # it is starting again
            return False


def _stop(stage: Stage, troubles: list[str]) -> None:
    """End the processes as an operator would; each has to end in order, and to have lived until now."""
    stage.end_supervision()
    for each in stage.supervised:
        troubles += each.endings
        try:
            code = each.service.stop()
        except subprocess.TimeoutExpired:
            troubles.append("a process did not stop")
            continue
        if code != 0:
            troubles.append(f"a process ended with {code}")
