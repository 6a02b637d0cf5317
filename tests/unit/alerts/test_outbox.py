"""What happens is written into the outbox in the transaction of the change."""

from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from alerts import tables
from alerts.outbox import EVIDENCE_MAX, tell
from tests.unit.alerts.parts import NOON, Room, alarm, at, door, fault, finding


@pytest.fixture
def room(sqlite_engine: Engine) -> Room:
    return Room(sqlite_engine)


def told(room: Room) -> list[Any]:
    query = sa.select(tables.outbox).order_by(tables.outbox.c.id)
    with room.journal.writing() as connection:
        return list(connection.execute(query).mappings())


def test_an_alert_that_rings_and_its_order_are_told_as_they_stand(room: Room) -> None:
    room.desk.observe([fault("entrapment", floor=3)])
    opened, raised, case = told(room)
    assert case["topic"] == "case.received"
    alert, order = room.alert(), room.order()
    assert (opened["topic"], raised["topic"]) == ("work-order.opened", "alert.raised")
    assert (raised["lift_id"], raised["alert_id"], raised["work_order_id"]) == ("A1", alert.id, order.id)
    assert (raised["at"], raised["priority"], raised["body"]["by"]) == (NOON, 1, "liftwatch")
    assert raised["body"]["alert"]["message"] == alert.message
    assert raised["body"]["alert"]["raised_at"] == "2026-03-02T12:00:00Z"
    assert opened["body"]["work_order"]["alert_ids"] == [alert.id]
    assert opened["body"]["work_order"]["arrive_by"] == "2026-03-02T12:30:00Z"


def test_what_changes_nothing_is_not_told(room: Room) -> None:
    raised = fault("entrapment", seq=1, boot="b")
    room.desk.observe([raised])
    before = told(room)
    room.desk.observe([raised, door(at_s=5)])
    assert told(room) == before


def test_the_life_of_an_alert_is_told_with_who_and_why(room: Room) -> None:
    room.desk.observe([alarm("button")])
    alert_id = room.alert().id
    room.desk.comment(alert_id, "Li", at(5), "the caretaker calls")
    room.desk.acknowledge(alert_id, "Li", at(10), "calling the car")
    room.desk.clear(alert_id, "Chan", at(20), "all is well")
    rows = told(room)
    assert [row["topic"] for row in rows] == ["alert.raised", "alert.commented", "alert.acknowledged", "alert.cleared"]
    assert [(row["body"]["by"], row["body"]["note"]) for row in rows[1:]] == [
        ("Li", "the caretaker calls"),
        ("Li", "calling the car"),
        ("Chan", "all is well"),
    ]
    assert rows[-1]["body"]["alert"]["state"] == "cleared-acknowledged"
    assert rows[1]["body"]["alert"]["state"] == "active-unacknowledged"


def test_each_step_of_an_order_is_told(room: Room) -> None:
    room.desk.observe([fault("lift-shaft-device-fault")])
    room.finish(room.order(), at_s=600, cause_code="worn roller")
    steps = [row for row in told(room) if row["topic"].startswith("work-order.")]
    assert [row["topic"].partition(".")[2] for row in steps] == ["opened", "on-site", "done", "closed"]
    assert steps[2]["body"]["work_order"]["cause_code"] == "worn roller"


def test_an_alert_that_joins_an_order_is_told_with_it(room: Room) -> None:
    room.desk.observe([fault("lift-shaft-device-fault")])
    room.desk.apply([finding()], NOON)
    (linked,) = [row for row in told(room) if row["topic"] == "work-order.linked"]
    assert len(linked["body"]["work_order"]["alert_ids"]) == 2


def test_a_refused_or_failed_change_tells_nothing(room: Room) -> None:
    def fail() -> None:
        with room.journal.writing() as connection:
            tell(connection, "alert.raised", NOON, lift_id="A1")
            raise LookupError

    with pytest.raises(LookupError):
        fail()
    assert told(room) == []


def test_evidence_is_told_up_to_a_bound(room: Room) -> None:
    long = finding()
    long.evidence.extend({"number": number} for number in range(100))
    room.desk.apply([long], NOON)
    (raised,) = [row for row in told(room) if row["topic"] == "alert.raised"]
    assert len(raised["body"]["alert"]["evidence"]) == EVIDENCE_MAX
    assert len(room.alert().evidence) > 100
