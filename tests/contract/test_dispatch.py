"""Told once, by whichever process: on every database, with several dispatchers at work at once."""

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import pytest
from sqlalchemy.engine import Engine

from alerts.chains import Chain, Step
from alerts.channels import WEBHOOK, Outcome, Outgoing
from alerts.dispatch import Dispatcher
from alerts.escalation import escalate
from alerts.fan_out import fan_out
from alerts.notifying import Notifying
from alerts.shift_log import ShiftLog
from alerts.subscriptions import Wanted
from ingest.clock import ManualClock
from tests.unit.alerts.parts import NOON, RULES, Room, at, fault

LIFTS = [f"L{number:02}" for number in range(10)]
PROCESSES = 4


class Receivers:
    """A channel to several receivers, that counts what each was told."""

    def __init__(self) -> None:
        self.told: Counter[tuple[str, str]] = Counter()
        self._lock = threading.Lock()

    def send(self, outgoing: Outgoing, _now: datetime) -> Outcome:
        with self._lock:
            self.told[outgoing.target, outgoing.message_id] += 1
        return Outcome()


@pytest.fixture
def room(engine: Engine) -> Room:
    return Room(engine, lift_ids=LIFTS)


@pytest.fixture
def notifying(engine: Engine) -> Notifying:
    return Notifying(engine, frozenset({WEBHOOK}))


def race(act: Callable[[], int]) -> int:
    barrier = threading.Barrier(PROCESSES)

    def run(_: int) -> int:
        barrier.wait(timeout=30)
        return act()

    with ThreadPoolExecutor(PROCESSES) as pool:
        return sum(pool.map(run, range(PROCESSES)))


def test_each_receiver_is_told_everything_once_by_several_processes(
    engine: Engine, room: Room, notifying: Notifying
) -> None:
    for number in range(3):
        wanted = Wanted(channel=WEBHOOK, name=f"R{number}", target=f"R{number}", topics=["alert.raised"])
        notifying.subscriptions.add(wanted, NOON)
    room.desk.observe([fault("power-supply-fault", lift_id=lift_id) for lift_id in LIFTS])
    receivers = Receivers()
    race(lambda: Dispatcher(engine, RULES, {WEBHOOK: receivers}, ManualClock(NOON)).work())
    Dispatcher(engine, RULES, {WEBHOOK: receivers}, ManualClock(NOON)).work()
    assert set(receivers.told.values()) == {1}
    assert Counter(target for target, _ in receivers.told) == dict.fromkeys(("R0", "R1", "R2"), len(LIFTS))
    assert {each.state for each in notifying.log.page(limit=100)} == {"delivered"}


def test_a_step_of_a_chain_is_taken_by_one_of_several_processes(
    engine: Engine, room: Room, notifying: Notifying
) -> None:
    notifying.chains.add(Chain(name="night", priorities=[2], steps=[Step(wait_min=5, team="x")], repeats=1), NOON)
    room.desk.observe([fault("power-supply-fault", lift_id=lift_id) for lift_id in LIFTS])
    fan_out(engine, NOON)
    assert race(lambda: escalate(engine, at(300))) == len(LIFTS)
    assert race(lambda: escalate(engine, at(600))) == len(LIFTS)
    assert race(lambda: escalate(engine, at(900))) == 0


def test_a_late_hand_over_rings_once_and_of_two_at_once_one_is_taken(room: Room) -> None:
    log = ShiftLog(room.journal, RULES)
    log.hand_over("Li", NOON, "all quiet")
    assert race(lambda: log.watch(at(3_600))) == 1
    assert len(room.alerts(kind="handover-unconfirmed")) == 1
    assert log.days_without_round(NOON.date())[-1] == NOON.date()


def test_subscriptions_and_their_log_are_kept(room: Room, notifying: Notifying) -> None:
    wanted = Wanted(channel=WEBHOOK, name="CMMS", target="https://cmms.example/", topics=["*"], sites=["S1"])
    known, secret = notifying.subscriptions.add(wanted, NOON)
    assert secret is not None
    assert notifying.subscriptions.all([WEBHOOK]) == [known]
    tried = notifying.test(known.id, "Li", NOON)
    assert notifying.subscriptions.known(known.id).waiting == 1
    notifying.subscriptions.remove(known.id, NOON)
    assert [each.id for each in notifying.log.page(limit=5, state="cancelled")] == [tried.id]
    assert room.alerts() == []
