"""A shift is written down, handed over with what stands, and taken over by somebody else."""

from datetime import date

import pytest
from sqlalchemy.engine import Engine

from alerts.alert import IllegalTransitionError
from alerts.shift_log import Check, ShiftLog, UnknownHandoverError
from tests.unit.alerts.parts import NOON, RULES, Room, at, fault, finding

TODAY = NOON.date()


class Shift:
    """A desk and the log of its shifts."""

    def __init__(self, engine: Engine) -> None:
        self.room = Room(engine)
        self.log = ShiftLog(self.room.journal, RULES)


@pytest.fixture
def shift(sqlite_engine: Engine) -> Shift:
    return Shift(sqlite_engine)


def test_lines_stand_in_the_log_newest_first(shift: Shift) -> None:
    shift.log.note("Li", NOON, "lift A1 is noisy", lift_id="A1")
    shift.log.note("Li", at(60), "the caretaker called back", alert_id=7)
    newest, oldest = shift.log.entries(limit=10)
    assert (newest.text, newest.alert_id, newest.lift_id) == ("the caretaker called back", 7, None)
    assert (oldest.actor, oldest.at, oldest.lift_id) == ("Li", NOON, "A1")


def test_a_hand_over_keeps_what_stood_then(shift: Shift) -> None:
    shift.room.desk.observe([fault("entrapment", floor=3)])
    shift.room.desk.apply([finding()], NOON)
    handed = shift.log.hand_over("Li", at(60), "a quiet night but for A1")
    assert [alert["kind"] for alert in handed.standing["alerts"]] == ["entrapment", "repeated-fault"]
    assert [order["kind"] for order in handed.standing["work_orders"]] == ["rescue"]
    assert [case["lift_id"] for case in handed.standing["cases"]] == ["A1"]
    assert handed.standing["alerts_count"] == 2
    shift.room.desk.observe([fault("entrapment", "cleared", at_s=120)])
    assert shift.log.handover(handed.id) == handed
    assert shift.log.standing()["alerts_count"] == 1


def test_whoever_comes_confirms_and_whoever_goes_cannot(shift: Shift) -> None:
    handed = shift.log.hand_over("Li", NOON, "all quiet")
    with pytest.raises(IllegalTransitionError, match="whoever goes"):
        shift.log.confirm(handed.id, "li", at(60))
    confirmed = shift.log.confirm(handed.id, "Chan", at(120), "read")
    assert (confirmed.incoming, confirmed.confirmed_at, confirmed.remark) == ("Chan", at(120), "read")
    with pytest.raises(IllegalTransitionError, match="Chan has confirmed it"):
        shift.log.confirm(handed.id, "Wu", at(180))
    with pytest.raises(UnknownHandoverError):
        shift.log.confirm(99, "Wu", at(180))
    with pytest.raises(UnknownHandoverError):
        shift.log.handover(99)


def test_two_hand_overs_cannot_wait(shift: Shift) -> None:
    first = shift.log.hand_over("Li", NOON, "all quiet")
    with pytest.raises(IllegalTransitionError, match="waits to be confirmed"):
        shift.log.hand_over("Wu", at(60), "mine")
    shift.log.confirm(first.id, "Chan", at(120))
    assert shift.log.hand_over("Chan", at(180), "again").id == first.id + 1


def test_a_hand_over_that_nobody_confirms_rings_once_until_somebody_does(shift: Shift) -> None:
    handed = shift.log.hand_over("Li", NOON, "all quiet")
    assert [shift.log.watch(at(minutes * 60)) for minutes in (29, 30, 31)] == [0, 1, 0]
    alert = shift.room.alert(kind="handover-unconfirmed")
    assert alert.message == ("Nobody has confirmed the hand-over of the shift: Li handed over at 2026-03-02 12:00 UTC")
    shift.log.confirm(handed.id, "Chan", at(3_600))
    assert shift.room.alerts(kind="handover-unconfirmed", state="open") == []


def test_a_hand_over_that_is_confirmed_in_time_rings_nothing(shift: Shift) -> None:
    handed = shift.log.hand_over("Li", NOON, "all quiet")
    shift.log.confirm(handed.id, "Chan", at(60))
    assert shift.log.watch(at(10**6)) == 0


def test_days_without_a_round_are_seen(shift: Shift) -> None:
    for day in (date(2026, 2, 28), TODAY):
        checks = [Check(system="intercom", works=True), Check(system="video", works=False, note="camera 3")]
        shift.log.record_round("Li", NOON, day, checks, None)
    assert shift.log.days_without_round(TODAY) == [
        date(2026, 2, 24),
        date(2026, 2, 25),
        date(2026, 2, 26),
        date(2026, 2, 27),
        date(2026, 3, 1),
    ]
    newest = shift.log.rounds(limit=1)[0]
    assert (newest.day, newest.checks[1].note, newest.checks[0].works) == (TODAY, "camera 3", True)
