"""What the journal promises on every database."""

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy.engine import Engine
from sqlalchemy.exc import IntegrityError

from alerts import tables
from alerts.alert import AlertState
from alerts.work_orders import OrderState
from analytics.findings import FindingKind
from ingest.database import metadata
from tests.unit.alerts.parts import NOON, Room, at, door, fault, finding, state

OWN = {"alert", "alert_history", "work_order", "work_order_history", "condition", "contact", "applied_assessment"}


@pytest.fixture
def room(engine: Engine) -> Room:
    return Room(engine, lift_ids=["A1", "B2", "C3"])


def fill(room: Room) -> None:
    """Three lifts, five alerts, four orders."""
    room.desk.observe([fault("entrapment"), fault("overspeed", lift_id="B2", at_s=1)])
    room.desk.observe([fault("power-supply-fault", lift_id="B2", at_s=2), fault("drive-and-motor-fault", at_s=3)])
    room.desk.observe([fault("overspeed", "cleared", lift_id="B2", at_s=4)])
    room.desk.apply([finding(FindingKind.MAINTENANCE_OVERDUE, lift_id="C3", code=None)], at(10))


def test_the_migration_makes_exactly_the_tables_that_the_code_reads(engine: Engine) -> None:
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        differences = compare_metadata(context, metadata)
    ours = [difference for difference in differences if any(name in repr(difference) for name in OWN)]
    assert ours == []


def test_alerts_come_newest_first_page_by_page(room: Room) -> None:
    fill(room)
    every = room.alerts()
    assert [alert.id for alert in every] == sorted((alert.id for alert in every), reverse=True)
    assert len(every) == 5
    paged, before_id = [], None
    while page := room.journal.alerts(limit=2, before_id=before_id):
        paged += page
        before_id = page[-1].id
    assert paged == every


def test_alerts_are_found_by_lift_kind_priority_and_state(room: Room) -> None:
    fill(room)
    room.desk.acknowledge(room.alert(kind="entrapment").id, "Olga", at(20))
    assert {alert.code for alert in room.alerts(lift_id="B2")} == {"overspeed", "power-supply-fault"}
    assert {alert.lift_id for alert in room.alerts(kind="lift-stopped")} == {"A1", "B2"}
    assert {alert.code for alert in room.alerts(priority=1)} == {"entrapment", "overspeed"}
    assert len(room.alerts(state="open")) == 4
    assert room.alert(state=AlertState.ACTIVE_ACKNOWLEDGED).kind == "entrapment"
    assert room.alert(state=AlertState.CLEARED_UNACKNOWLEDGED).code == "overspeed"
    assert room.alerts(state="open", lift_id="B2", priority=2)[0].code == "power-supply-fault"
    assert room.alerts(kind="no such kind") == []


def test_an_alert_is_read_as_it_was_written(room: Room) -> None:
    room.desk.observe([fault("overspeed", received_s=2, floor=-1, text="Türe\x00 klemmt\u2028😀", seq=2**53, boot="b")])
    alert = room.alert()
    assert room.journal.alert(alert.id) == alert
    assert room.journal.alert(alert.id + 1) is None
    assert alert.evidence[0]["readings"]["text"] == "Türe\x00 klemmt\u2028😀"
    assert (alert.raised_at, alert.received_at) == (NOON, at(2))
    assert alert.raised_at.utcoffset() == at(0).utcoffset()


def test_work_orders_come_newest_first_and_are_found_by_lift_state_and_kind(room: Room) -> None:
    fill(room)
    every = room.orders()
    assert len(every) == 4
    assert [order.id for order in every] == sorted((order.id for order in every), reverse=True)
    assert room.journal.work_orders(limit=2, before_id=every[1].id) == every[2:]
    assert {order.kind for order in room.orders(lift_id="A1")} == {"rescue", "repair"}
    assert room.order(kind="maintenance").lift_id == "C3"
    room.desk.transition(room.order(kind="rescue").id, "on-site", "Ines", at(60))
    assert room.order(state=OrderState.ON_SITE).kind == "rescue"
    assert len(room.orders(state="open")) == 3


def test_a_work_order_is_read_with_the_alerts_that_led_to_it(room: Room) -> None:
    fill(room)
    room.desk.observe([fault("overspeed", lift_id="B2", at_s=60)])
    order = room.order(lift_id="B2")
    assert room.journal.work_order(order.id) == order
    assert order.alert_ids == sorted(alert.id for alert in room.alerts(lift_id="B2") if alert.code == "overspeed")
    assert len(order.alert_ids) == 2
    assert room.journal.work_order(99) is None


def test_histories_are_told_from_the_beginning(room: Room) -> None:
    fill(room)
    alert, order = room.alerts(lift_id="B2")[-1], room.order(lift_id="B2")
    assert [entry.action for entry in room.journal.alert_history(alert.id)] == ["raised", "cleared"]
    assert [entry.action for entry in room.journal.work_order_history(order.id)] == ["opened", "alert-linked"]
    assert room.journal.alert_history(99) == []
    assert room.journal.work_order_history(99) == []


def test_open_alerts_are_counted_for_each_lift_that_is_asked_for(room: Room) -> None:
    fill(room)
    assert room.journal.open_alert_counts(["A1", "B2", "D4"]) == {"A1": 2, "B2": 1, "D4": 0}
    assert room.journal.open_alert_counts([]) == {}
    many = [f"L{number}" for number in range(2_500)]
    assert room.journal.open_alert_counts([*many, "C3"])["C3"] == 1


def test_contacts_are_read_for_all_or_for_some(room: Room) -> None:
    room.desk.observe([door(), state(connected=False, lift_id="B2", at_s=5)])
    contacts = room.journal.contacts()
    assert {lift_id: contact.connected for lift_id, contact in contacts.items()} == {"A1": True, "B2": False}
    assert contacts["A1"].last_message_at == NOON
    assert contacts["B2"].due_at == at(65)
    assert room.journal.contacts(["B2"]) == {"B2": contacts["B2"]}
    assert room.journal.contacts([]) == {}


def test_the_database_itself_refuses_a_second_open_alert_and_a_second_open_order(room: Room, engine: Engine) -> None:
    room.desk.observe([fault("overspeed")])
    for table in (tables.alert, tables.work_order):
        with engine.begin() as connection:
            row = dict(connection.execute(sa.select(table)).mappings().one())
        twice = {**row, "id": row["id"] + 100} | ({"number": "WO-X"} if "number" in row else {})
        with pytest.raises(IntegrityError), engine.begin() as connection:
            connection.execute(sa.insert(table).values(twice))
        with engine.begin() as connection:
            connection.execute(sa.insert(table).values({**twice, "open_key": None}))


def test_an_unfinished_transaction_leaves_nothing_behind(room: Room) -> None:
    def fail_half_way() -> None:
        with room.journal.writing() as connection:
            connection.execute(sa.insert(tables.contact).values(lift_id="A1", last_message_at=NOON, connected=True))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_half_way()
    assert room.journal.contacts() == {}
