"""How work orders are written into the journal: inside a transaction that the desk holds, always with their history."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from msgspec import structs
from sqlalchemy.engine import Connection

from alerts import tables
from alerts.alert import LIFTWATCH
from alerts.alert_entries import NewAlert
from alerts.clocks import arrive_by
from alerts.journal import orders_of
from alerts.outbox import tell_order
from alerts.work_orders import UNDONE_STATES, OrderKind, OrderState, WorkOrder, number_of, open_key_of
from ingest.database import insert_new

_order = tables.work_order


def lock_order(connection: Connection, order_id: int) -> WorkOrder | None:
    """Return a work order that nobody else can change until the transaction ends."""
    return _locked(connection, _order.c.id == order_id)


def lock_undone_order(connection: Connection, lift_id: str, cause: str) -> WorkOrder | None:
    """Return the order of a lift and cause on which there is work to do, locked; None where there is none."""
    return _locked(connection, _order.c.open_key == open_key_of(lift_id, cause))


def newest_done_order(connection: Connection, lift_id: str, cause: str) -> WorkOrder | None:
    """Return the newest order of a lift and cause that was done; a cancelled one was not."""
    query = (
        sa.select(_order)
        .where(_order.c.lift_id == lift_id, _order.c.cause == cause)
        .where(_order.c.done_at.is_not(None))
        .order_by(_order.c.id.desc())
        .limit(1)
    )
    found = orders_of(connection, connection.execute(query).mappings().all())
    return found[0] if found else None


def open_order(connection: Connection, new: NewAlert, kind: OrderKind) -> WorkOrder | None:
    """Open the order that an alert asks for; None where somebody else has just opened one for lift and cause."""
    earlier = newest_done_order(connection, new.lift_id, new.cause)
    row = {
        "lift_id": new.lift_id,
        "kind": kind.value,
        "cause": new.cause,
        "state": OrderState.OPEN.value,
        "open_key": open_key_of(new.lift_id, new.cause),
        "opened_at": new.received_at,
        "arrive_by": arrive_by(new.received_at, new.rule.arrive_within_min),
        "recurrence_of": earlier.id if earlier else None,
        "message": new.message,
    }
    statement = insert_new(connection, _order).values(row)
    unless_open = statement.on_conflict_do_nothing(index_elements=[_order.c.open_key])
    order_id: int | None = connection.execute(unless_open.returning(_order.c.id)).scalar()
    if order_id is None:
        return None
    number = number_of(order_id, new.received_at)
    connection.execute(sa.update(_order).where(_order.c.id == order_id).values(number=number))
    _note(
        connection,
        order_id,
        new.received_at,
        LIFTWATCH,
        "opened",
        f"comes back after {earlier.number}" if earlier else None,
    )
    return lock_order(connection, order_id)


def link_alert(connection: Connection, order: WorkOrder, alert_id: int, new: NewAlert) -> None:
    """Let an alert point to its order; an alert with a clock tightens the clock of an order that nobody arrived for."""
    own = tables.alert.c.id == alert_id
    connection.execute(sa.update(tables.alert).where(own).values(work_order_id=order.id))
    _note(connection, order.id, new.received_at, LIFTWATCH, "alert-linked", f"alert {alert_id}: {new.message}")
    due_at = arrive_by(new.received_at, new.rule.arrive_within_min)
    if due_at is None or order.arrived_at is not None or (order.arrive_by is not None and order.arrive_by <= due_at):
        return
    connection.execute(sa.update(_order).where(_order.c.id == order.id).values(arrive_by=due_at))
    _note(connection, order.id, new.received_at, LIFTWATCH, "clock-started", f"arrive by {due_at.isoformat()}")


def store_order(connection: Connection, order: WorkOrder, actor: str, at: datetime, note: str | None) -> None:
    """Write a locked order down after its transition."""
    frame = {"id", "number", "alert_ids"}
    row: dict[str, Any] = {name: value for name, value in structs.asdict(order).items() if name not in frame}
    row |= {"kind": order.kind.value, "state": order.state.value}
    if order.state not in UNDONE_STATES:
        row["open_key"] = None
    connection.execute(sa.update(_order).where(_order.c.id == order.id).values(row))
    _note(connection, order.id, at, actor, order.state.value, note)
    tell_order(connection, order.state.value, at, order, by=actor, note=note)


def _locked(connection: Connection, which: sa.ColumnElement[bool]) -> WorkOrder | None:
    rows = connection.execute(sa.select(_order).where(which).with_for_update()).mappings().all()
    found = orders_of(connection, rows)
    return found[0] if found else None


def _note(connection: Connection, order_id: int, at: datetime, actor: str, action: str, note: str | None) -> None:
    row = {"work_order_id": order_id, "at": at, "actor": actor, "action": action, "note": note}
    connection.execute(sa.insert(tables.work_order_history).values(row))
