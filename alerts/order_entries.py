"""How work orders are written into the journal: inside a transaction that the desk holds, always with their history."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from msgspec import Struct, structs
from sqlalchemy.engine import Connection

from alerts import tables
from alerts.alert import LIFTWATCH
from alerts.alert_entries import NewAlert
from alerts.clocks import arrive_by
from alerts.contract_entries import terms_of
from alerts.journal import orders_of
from alerts.outbox import tell_order
from alerts.work_orders import (
    UNDONE_STATES,
    OrderKind,
    OrderState,
    UnknownWorkOrderError,
    WorkOrder,
    number_of,
    open_key_of,
)
from ingest.database import insert_new

_order = tables.work_order
_next_version = {"version": _order.c.version + 1}


class NewOrder(Struct, frozen=True, kw_only=True):
    """A work order that is about to be opened; `arrive_within_min` is what the rule says where no contract does."""

    lift_id: str
    kind: OrderKind
    cause: str
    opened_at: datetime
    message: str
    priority: int | None = None
    arrive_within_min: int | None = None
    opened_by: str = LIFTWATCH
    scope: str | None = None
    external_source: str | None = None
    external_ref: str | None = None
    clock_from: datetime | None = None


def lock_order(connection: Connection, order_id: int) -> WorkOrder | None:
    """Return a work order that nobody else can change until the transaction ends."""
    return _locked(connection, _order.c.id == order_id)


def required(connection: Connection, order_id: int) -> WorkOrder:
    """Return a work order that nobody else can change until the transaction ends.

    Raises:
        UnknownWorkOrderError: there is none of that id.
    """
    order = lock_order(connection, order_id)
    if order is None:
        raise UnknownWorkOrderError(order_id)
    return order


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
    order = NewOrder(
        lift_id=new.lift_id,
        kind=kind,
        cause=new.cause,
        opened_at=new.received_at,
        message=new.message,
        priority=new.rule.priority,
        arrive_within_min=new.rule.arrive_within_min,
        clock_from=new.clock_from,
    )
    return open_new_order(connection, order)


def open_new_order(connection: Connection, new: NewOrder) -> WorkOrder | None:
    """Open an order with its clock; None where lift and cause have one on which there is work to do."""
    earlier = newest_done_order(connection, new.lift_id, new.cause)
    terms = terms_of(connection, new.lift_id, new.kind.value, new.priority, new.arrive_within_min)
    clock_from = new.clock_from or new.opened_at
    due_at = arrive_by(clock_from, terms.arrive_within_min)
    given = ("lift_id", "cause", "opened_at", "message", "priority", "scope", "external_source", "external_ref")
    row = {
        **{name: getattr(new, name) for name in given},
        "kind": new.kind.value,
        "state": OrderState.OPEN.value,
        "open_key": open_key_of(new.lift_id, new.cause),
        "arrive_by": due_at,
        "clock_due_at": None if due_at is None else terms.warn_at(clock_from, due_at),
        "recurrence_of": earlier.id if earlier else None,
        "version": 1,
    }
    statement = insert_new(connection, _order).values(row)
    unless_open = statement.on_conflict_do_nothing(index_elements=[_order.c.open_key])
    order_id: int | None = connection.execute(unless_open.returning(_order.c.id)).scalar()
    if order_id is None:
        return None
    number = number_of(order_id, new.opened_at)
    connection.execute(sa.update(_order).where(_order.c.id == order_id).values(number=number))
    words = f"comes back after {earlier.number}" if earlier else None
    note_order(connection, order_id, new.opened_at, new.opened_by, "opened", words)
    return lock_order(connection, order_id)


def link_alert(connection: Connection, order: WorkOrder, alert_id: int, new: NewAlert) -> None:
    """Let an alert point to its order; an alert with a clock tightens the clock of an order that nobody arrived for."""
    own = tables.alert.c.id == alert_id
    connection.execute(sa.update(tables.alert).where(own).values(work_order_id=order.id))
    note_order(connection, order.id, new.received_at, LIFTWATCH, "alert-linked", f"alert {alert_id}: {new.message}")
    terms = terms_of(connection, new.lift_id, order.kind.value, new.rule.priority, new.rule.arrive_within_min)
    due_at = arrive_by(new.clock_from, terms.arrive_within_min)
    if due_at is None or order.arrived_at is not None or (order.arrive_by is not None and order.arrive_by <= due_at):
        return
    warn_at = terms.warn_at(new.clock_from, due_at)
    values = {"arrive_by": due_at, "clock_due_at": warn_at, "clock_warned_at": None, **_next_version}
    connection.execute(sa.update(_order).where(_order.c.id == order.id).values(values))
    words = f"arrive by {due_at.isoformat()}"
    note_order(connection, order.id, new.received_at, LIFTWATCH, "clock-started", words)


def store_order(connection: Connection, order: WorkOrder, actor: str, at: datetime, note: str | None) -> WorkOrder:
    """Write a locked order down after its transition; the clock stops at the arrival, or where nobody has to come."""
    is_undone = order.state in UNDONE_STATES
    runs = is_undone and order.arrived_at is None
    clock_due_at = order.clock_due_at if runs else None
    order = structs.replace(order, version=order.version + 1, clock_due_at=clock_due_at)
    frame = {"id", "number", "alert_ids"}
    row: dict[str, Any] = {name: value for name, value in structs.asdict(order).items() if name not in frame}
    row |= {"kind": order.kind.value, "state": order.state.value}
    if not is_undone:
        row["open_key"] = None
    connection.execute(sa.update(_order).where(_order.c.id == order.id).values(row))
    note_order(connection, order.id, at, actor, order.state.value, note)
    tell_order(connection, order.state.value, at, order, by=actor, note=note)
    return order


def change_order(connection: Connection, order_id: int, **values: object) -> None:
    """Write some columns of a locked order; what was changed stands in the history, which the caller writes."""
    connection.execute(sa.update(_order).where(_order.c.id == order_id).values(**values, **_next_version))


def note_order(connection: Connection, order_id: int, at: datetime, actor: str, action: str, note: str | None) -> None:
    """Add a line to an order's history."""
    row = {"work_order_id": order_id, "at": at, "actor": actor, "action": action, "note": note}
    connection.execute(sa.insert(tables.work_order_history).values(row))


def _locked(connection: Connection, which: sa.ColumnElement[bool]) -> WorkOrder | None:
    rows = connection.execute(sa.select(_order).where(which).with_for_update()).mappings().all()
    found = orders_of(connection, rows)
    return found[0] if found else None
