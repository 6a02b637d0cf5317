"""What nobody acknowledges is told to one after another, at stored instants, until somebody does."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.engine import Engine

from alerts.chains import CHAINS_MAX, Chain, Step, TooManyChainsError, UnknownChainError
from alerts.channels import EMAIL, Outcome, Outgoing
from alerts.dispatch import Dispatcher
from alerts.escalation import escalate
from alerts.notifying import Notifying
from alerts.quiet_desk import QuietDesk
from alerts.quiet_hours import QuietHours
from alerts.subscriptions import Wanted
from ingest.clock import ManualClock
from tests.unit.alerts.parts import NOON, RULES, Room, at, fault, finding

PEOPLE = {"Li": "north", "Chan": "heads", "Wu": "heads"}


class Mail:
    """A channel that notes who was told, and when."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.told: list[tuple[int, str]] = []
        self.notes: list[str] = []

    def send(self, outgoing: Outgoing, now: object) -> Outcome:  # noqa: ARG002
        self.told.append((round((self.clock.now() - NOON).total_seconds() / 60), outgoing.target))
        self.notes.append(str(outgoing.data["note"]))
        return Outcome()


class Duty:
    """A desk, three people who subscribe to nothing, and a chain that wakes them."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.room = Room(engine)
        self.clock = ManualClock(NOON)
        self.notifying = Notifying(engine, frozenset({EMAIL}))
        self.mail = Mail(self.clock)
        self.dispatcher = Dispatcher(engine, RULES, {EMAIL: self.mail}, self.clock)
        for name, team in PEOPLE.items():
            self.notifying.subscriptions.add(Wanted(channel=EMAIL, name=name, target=name, team=team), NOON)

    def chain(self, *steps: Step, **fields: object) -> int:
        chain = Chain(**{"name": "night", "priorities": [1, 2], "steps": list(steps), **fields})  # type: ignore[arg-type]
        return self.notifying.chains.add(chain, NOON).id

    def ring(self) -> int:
        self.room.desk.observe([fault("power-supply-fault")])
        return self.room.alert().id

    def pass_minutes(self, minutes: int) -> None:
        for _ in range(minutes):
            self.dispatcher.work()
            self.clock.advance(timedelta(minutes=1))

    def ends(self) -> list[str | None]:
        return [each.end_reason for each in self.notifying.escalations(limit=10)]


@pytest.fixture
def duty(sqlite_engine: Engine) -> Duty:
    return Duty(sqlite_engine)


FIRST, THEN = Step(wait_min=5, subscription_id=1), Step(wait_min=10, team="heads")


def test_one_after_another_is_told_until_all_were(duty: Duty) -> None:
    duty.chain(FIRST, THEN, repeats=1)
    duty.ring()
    duty.pass_minutes(60)
    assert sorted(duty.mail.told) == [(5, "Li"), (15, "Chan"), (15, "Wu"), (20, "Li"), (30, "Chan"), (30, "Wu")]
    assert duty.mail.notes[0] == "nobody has acknowledged it: night, step 1, round 1"
    assert duty.ends() == ["all steps were taken"]


@pytest.mark.parametrize(
    ("action", "reason"), [("acknowledge", "the alert is acknowledged"), ("clear", "the alert is cleared")]
)
def test_acknowledging_or_clearing_ends_it(duty: Duty, action: str, reason: str) -> None:
    duty.chain(FIRST, THEN)
    alert_id = duty.ring()
    duty.pass_minutes(7)
    getattr(duty.room.desk, action)(alert_id, "Li", duty.clock.now(), "I look at it")
    duty.pass_minutes(60)
    assert duty.mail.told == [(5, "Li")]
    assert duty.ends() == [reason]


def test_only_the_priorities_of_a_chain_go_through_it(duty: Duty) -> None:
    duty.chain(Step(wait_min=0, team="heads"), priorities=[3])
    duty.ring()
    duty.pass_minutes(3)
    assert duty.mail.told == []
    duty.room.desk.apply([finding()], duty.clock.now())
    duty.pass_minutes(3)
    assert duty.mail.told == [(3, "Chan"), (3, "Wu")]


def test_who_sleeps_is_woken_for_what_is_urgent_alone(duty: Duty) -> None:
    quiet = QuietHours("11:00", "13:00", "UTC")
    duty.notifying.subscriptions.change(1, Wanted(channel=EMAIL, name="Li", target="Li", quiet=quiet))
    duty.chain(Step(wait_min=0, subscription_id=1), priorities=[2, 3])
    duty.ring()
    duty.room.desk.apply([finding()], NOON)
    duty.pass_minutes(62)
    assert duty.mail.told == [(0, "Li"), (60, "Li")]


def test_a_chain_that_is_removed_tells_nobody_more(duty: Duty) -> None:
    chain_id = duty.chain(FIRST, THEN)
    duty.ring()
    duty.pass_minutes(6)
    duty.notifying.chains.remove(chain_id, duty.clock.now())
    duty.pass_minutes(30)
    assert duty.mail.told == [(5, "Li")]
    assert duty.ends() == ["the chain was taken away"]
    with pytest.raises(UnknownChainError):
        duty.notifying.chains.known(chain_id)


def test_a_step_whose_time_passed_while_nobody_ran_is_taken_once(duty: Duty) -> None:
    duty.chain(FIRST, THEN)
    duty.ring()
    duty.dispatcher.work()
    duty.clock.advance(timedelta(hours=2))
    assert [escalate(duty.engine, duty.clock.now()) for _ in range(2)] == [1, 0]
    duty.pass_minutes(11)
    assert duty.mail.told == [(120, "Li"), (130, "Chan"), (130, "Wu")]


def test_an_alert_that_is_told_again_begins_its_chain_once(duty: Duty) -> None:
    duty.chain(FIRST)
    duty.ring()
    duty.pass_minutes(3)
    duty.room.desk.observe([fault("power-supply-fault", at_s=100)])
    duty.pass_minutes(20)
    assert duty.mail.told == [(5, "Li")]


def test_a_shelf_ends_a_chain_and_it_begins_anew_when_the_alert_rings_again(duty: Duty) -> None:
    duty.chain(FIRST, THEN)
    alert_id = duty.ring()
    duty.pass_minutes(7)
    quiet = QuietDesk(duty.room.journal, RULES)
    quiet.shelve(alert_id, 60, "Li", duty.clock.now(), "the caretaker works on the supply")
    duty.pass_minutes(20)
    assert duty.mail.told == [(5, "Li")]
    assert duty.ends() == ["the alert is shelved"]
    quiet.unshelve(alert_id, "Li", duty.clock.now())
    duty.pass_minutes(20)
    assert duty.mail.told[1:] == [(32, "Li"), (42, "Chan"), (42, "Wu")]


def test_there_is_an_end_to_chains(duty: Duty) -> None:
    for _ in range(CHAINS_MAX):
        duty.chain(FIRST)
    with pytest.raises(TooManyChainsError):
        duty.chain(FIRST)


@given(steps=st.integers(1, 10), repeats=st.integers(0, 9))
def test_a_chain_takes_every_step_in_every_round_and_then_ends(steps: int, repeats: int) -> None:
    chain = Chain(name="x", priorities=[1], repeats=repeats, steps=[Step(wait_min=n, team="t") for n in range(steps)])
    total = steps * (repeats + 1)
    taken = [chain.step(number) for number in range(total)]
    assert [step.wait_min for step in taken if step] == list(range(steps)) * (repeats + 1)
    assert chain.step(total) is None
    assert at(0) == NOON
