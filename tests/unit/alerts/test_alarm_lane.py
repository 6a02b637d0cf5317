"""Nothing holds up the lane of the alarms: no mistake about one lift, no part of the watch, nobody who writes much."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from alerts import silence, tables
from alerts.alert import Suppression
from alerts.case_desk import CaseDesk
from alerts.desk import Desk
from alerts.finding_alerts import KEYS_AT_ONCE
from alerts.journal import Journal
from alerts.precedence import Precedence
from alerts.quiet_desk import QuietDesk
from alerts.rules import Rule, RuleBook
from ingest.fleet_register import FleetRegister
from tests.unit.alerts.parts import RULES, Room, alarm, at, door, fault, finding, state

LONG_AGO = at(-10 * 86_400)


class Broken(RuleBook):
    """A book with a mistake: asked for one code, or one kind, it fails."""

    def __init__(self, about: str) -> None:
        super().__init__(RULES.rules)
        self.about = about

    def rule(self, kind: str, code: str | None = None) -> Rule:
        if self.about in (kind, code):
            message = "a mistake of ours"
            raise RuntimeError(message)
        return super().rule(kind, code)


class Counting(Journal):
    """Counts transactions, and does something between two of them."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self.count = 0

    @contextmanager
    def writing(self, *, for_alarms: bool = False) -> Iterator[Connection]:
        with super().writing(for_alarms=for_alarms) as connection:
            self.count += 1
            yield connection


@pytest.fixture
def room(sqlite_engine: Engine) -> Room:
    return Room(sqlite_engine, lift_ids=("A1", "B2", "C3"))


def with_rules(room: Room, rules: RuleBook) -> Desk:
    return Desk(room.journal, room.register, rules)


def test_a_mistake_about_one_lift_silences_no_other_and_the_lift_itself_rings(room: Room) -> None:
    desk = with_rules(room, Broken("overspeed"))
    batch = [fault("overspeed"), fault("entrapment", lift_id="B2"), door(lift_id="C3"), alarm("button")]
    desk.observe(batch)
    desk.observe(batch)
    assert [(alert.lift_id, alert.kind) for alert in room.alerts()] == [
        ("B2", "entrapment"),
        ("A1", "lift-unobserved"),
    ]
    unobserved = room.alert(lift_id="A1")
    assert (unobserved.priority, unobserved.repeats, "RuntimeError" in unobserved.message) == (1, 1, True)
    assert [each["message"] for each in unobserved.evidence] == ["fault", "alarm"]


def test_a_mistake_about_old_news_rings_nothing(room: Room) -> None:
    with_rules(room, Broken("overspeed")).observe([fault("overspeed", at_s=0, received_s=3_600)])
    assert not room.alerts()


def test_a_part_of_the_watch_that_fails_keeps_no_other_from_its_work(room: Room) -> None:
    room.desk.observe([fault("car-stopped-outside-landing-zone"), fault("overspeed", lift_id="B2")])
    room.desk.observe([state(connected=False, lift_id="C3", at_s=1)])
    desk = with_rules(room, Broken("car-stopped-outside-landing-zone"))
    with pytest.raises(RuntimeError, match="a mistake of ours"):
        desk.watch(at(700), LONG_AGO)
    assert [alert.kind for alert in room.alerts(lift_id="C3")] == ["no-contact"]
    assert room.alert(lift_id="B2").reminders == 1
    room.desk.watch(at(705), LONG_AGO)
    assert room.alert(lift_id="A1").code == "car-stopped-outside-landing-zone"


def test_many_silent_lifts_and_many_findings_are_written_in_short_transactions(sqlite_engine: Engine) -> None:
    lift_ids = [f"L{number:03}" for number in range(silence.LIFTS_AT_ONCE + 10)]
    others = [f"M{number:03}" for number in range(len(lift_ids) + 5)]
    room, journal = Room(sqlite_engine, lift_ids=[*lift_ids, *others]), Counting(sqlite_engine)
    desk = Desk(journal, FleetRegister(sqlite_engine), RULES)
    desk.observe([door(lift_id=lift_id) for lift_id in [*lift_ids, *others]])
    desk.observe([state(connected=False, lift_id=lift_id, at_s=1) for lift_id in lift_ids])
    journal.count = 0
    assert desk.watch(at(62), LONG_AGO) == len(lift_ids)
    assert journal.count >= 2
    found = [finding(lift_id=lift_id) for lift_id in lift_ids[: KEYS_AT_ONCE + 1]]
    journal.count = 0
    desk.apply(found, at(100))
    assert (journal.count, len(room.alerts(kind="repeated-fault"))) == (3, len(found))
    desk.apply([], at(50))
    assert len(room.alerts(kind="repeated-fault", state="open")) == len(found), "an older assessment changes nothing"
    desk.apply([], at(200))
    assert not room.alerts(kind="repeated-fault", state="open")


class Overtaken(Counting):
    """Applies a newer assessment, by another desk, after the first part of an older one was written."""

    other: Desk

    @contextmanager
    def writing(self, *, for_alarms: bool = False) -> Iterator[Connection]:
        with super().writing(for_alarms=for_alarms) as connection:
            yield connection
        if self.count == 2:
            self.other.apply([finding(lift_id="NEW")], at(200))


def test_an_assessment_that_is_overtaken_while_it_is_applied_leaves_what_the_newer_one_says(
    sqlite_engine: Engine,
) -> None:
    lift_ids = [f"L{number:03}" for number in range(KEYS_AT_ONCE * 2)]
    room, journal = Room(sqlite_engine, lift_ids=lift_ids), Overtaken(sqlite_engine)
    journal.other = room.desk
    Desk(journal, room.register, RULES).apply([finding(lift_id=lift_id) for lift_id in lift_ids], at(100))
    assert [alert.lift_id for alert in room.alerts(state="open")] == ["NEW"]


def test_who_goes_first_is_waited_for_and_never_for_long() -> None:
    precedence, order = Precedence(), list[str]()
    begun = threading.Event()

    def write() -> None:
        begun.set()
        with precedence.after():
            order.append("after")

    with precedence.first():
        other = threading.Thread(target=write)
        other.start()
        begun.wait()
        order.append("first")
    other.join()
    assert order == ["first", "after"]
    with precedence.first(), precedence.after():
        order.append("all the same")
    assert order[-1] == "all the same"


@pytest.mark.parametrize("is_outside", [True, False])
def test_a_car_that_turns_twice_in_one_batch_stands_as_it_was_said_last(room: Room, *, is_outside: bool) -> None:
    first, other, last = (
        state(in_door_zone=outside is not is_outside, moving=False, at_s=at_s)
        for outside, at_s in ((True, 0), (False, 10), (True, 20))
    )
    room.desk.observe([first])
    room.desk.observe([other, last])
    room.desk.observe([alarm("button", at_s=30)])
    assert len(CaseDesk(room.journal, RULES).cases(limit=5)) == is_outside


def test_an_alert_whose_shelf_is_gone_rings_again(room: Room) -> None:
    """As when one process raises it below the shelf while another takes the shelf away."""
    room.desk.observe([fault("overspeed")])
    QuietDesk(room.journal, RULES).shelve(room.alert().id, 30, "Olga", at(1), "known")
    with room.journal.writing() as connection:
        connection.execute(sa.delete(tables.shelf))
    room.desk.watch(at(1_805), None)
    assert room.alert().suppression is Suppression.SHELVED
    room.desk.watch(at(1_870), None)
    assert room.alert().suppression is Suppression.NONE
    with room.journal.reading() as connection:
        told = [row.topic for row in connection.execute(sa.select(tables.outbox))]
    assert told[-1] == "alert.returned"
