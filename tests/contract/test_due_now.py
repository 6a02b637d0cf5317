"""The watch's one question: it names what is due, costs no scan of what is over, and nothing else happens in vain."""

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from alerts.due_now import due_now
from alerts.quiet_desk import QuietDesk
from alerts.suppression import over_without_release, silent_alerts
from tests.unit.alerts.parts import NOON, RULES, Room, alarm, at, door, fault, finding, state

LIFTS = ["L1", "L2", "L3"]


@pytest.fixture
def room(engine: Engine) -> Room:
    return Room(engine, lift_ids=LIFTS)


def due(room: Room, at_s: float) -> set[str]:
    with room.journal.reading() as connection:
        return set(due_now(connection, at(at_s)))


def test_nothing_is_due_of_lifts_that_are_well_and_of_findings(room: Room) -> None:
    assert not due(room, 0)
    room.desk.observe([state(lift_id="L1", in_door_zone=True, moving=False), door(lift_id="L2"), alarm("test")])
    room.desk.apply([finding(lift_id="L1")], NOON)
    assert not due(room, 60)


def test_what_time_brings_is_due_when_its_time_has_come(room: Room) -> None:
    room.desk.observe([fault("door-closing-fault", lift_id="L1")])
    assert (due(room, 1_199), due(room, 1_200)) == (set(), {"settling"})
    room.desk.observe([alarm("button", lift_id="L1", at_s=10)])
    assert due(room, 10) == {"flood", "settling"}, "people call from the lift: it waits no longer"
    room.desk.watch(at(10), None)
    assert due(room, 11) == {"flood"}
    assert due(room, 660) == {"reminders"}
    assert due(room, 22_000) >= {"clocks", "silence", "reminders"}


def test_what_stands_is_looked_at_until_it_is_over(room: Room) -> None:
    room.desk.observe([fault("entrapment", lift_id="L1"), state(lift_id="L2", in_door_zone=False, moving=False)])
    assert {"cases", "flood"} <= due(room, 1)
    room.desk.observe([fault("power-supply-fault", lift_id="L3", at_s=2)])
    assert "sites" in due(room, 3)
    quiet = QuietDesk(room.journal, RULES)
    alert = room.alert(lift_id="L3")
    quiet.shelve(alert.id, 60, "Olga", at(4), "known")
    assert not {"shelves", "silent"} & due(room, 5)
    assert "shelves" in due(room, 3_400)
    assert {"shelves", "silent"} <= due(room, 3_700), "nobody has seen to the shelf whose time is over"


def test_no_look_goes_through_what_is_over(sqlite_engine: Engine) -> None:
    asked: list[tuple[str, object]] = []
    sa.event.listen(sqlite_engine, "before_cursor_execute", lambda *told: asked.append((told[2], told[3])))
    steps: list[str] = []
    with sqlite_engine.connect() as connection:
        for look in (
            lambda: due_now(connection, NOON),
            lambda: silent_alerts(connection, 0, 200, NOON),
            lambda: over_without_release(connection),
        ):
            look()
            statement, values = asked[-1]
            rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values).all()  # type: ignore[arg-type]
            steps += [row[3] for row in rows]
    # What settles is few, and gone when it is over.
    assert [step for step in steps if step.startswith("SCAN")] == ["SCAN CONSTANT ROW", "SCAN settling"]
    assert sum("ix_alert_silent" in step for step in steps) == 2
    assert sum("ix_suppression_below" in step for step in steps) == 2
