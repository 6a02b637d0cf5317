"""Arrival clocks that are about to break, and those that broke: told once, whoever watches, restart or not."""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from alerts import tables
from alerts.alert import LIFTWATCH
from alerts.contract_entries import terms_of
from alerts.journal import Journal, orders_of
from alerts.order_entries import change_order, lock_order, note_order
from alerts.outbox import tell_order
from alerts.work_orders import WorkOrder

# What one watch tells at most; the next one, some seconds later, goes on.
ORDERS_A_WATCH = 500
_order = tables.work_order


def watch_clocks(journal: Journal, now: datetime) -> int:
    """Tell of each clock that is about to break, or has broken; return how many. A clock stops at the arrival."""
    due = _order.c.clock_due_at <= now
    with journal.reading() as connection:
        if connection.execute(sa.select(_order.c.id).where(due).limit(1)).first() is None:
            return 0
    with journal.writing() as connection:
        query = sa.select(_order).where(due).order_by(_order.c.id).limit(ORDERS_A_WATCH)
        # Those that another process tells of at this moment are left to it.
        rows = connection.execute(query.with_for_update(skip_locked=True)).mappings().all()
        orders = orders_of(connection, rows)
        for order in orders:
            _tell(connection, order, now)
    return len(orders)


def _tell(connection: Connection, order: WorkOrder, now: datetime) -> None:
    if order.arrive_by is None:
        change_order(connection, order.id, clock_due_at=None)
        return
    terms = terms_of(connection, order.lift_id, order.kind.value, order.priority, None)
    until = f"{order.arrive_by:%Y-%m-%d %H:%M:%S} UTC"
    if now < order.arrive_by:
        change_order(connection, order.id, clock_due_at=order.arrive_by, clock_warned_at=now)
        what, words = "clock-warning", f"nobody has arrived; due by {until}"
    else:
        change_order(connection, order.id, clock_due_at=None, clock_breached_at=now)
        what, words = "clock-breached", f"nobody arrived by {until}"
    _say(connection, order, now, what, words)
    if terms.escalate_to is not None:
        _say(connection, order, now, "escalated", f"to {terms.escalate_to}: {words}")


def _say(connection: Connection, order: WorkOrder, now: datetime, what: str, words: str) -> None:
    note_order(connection, order.id, now, LIFTWATCH, what, words)
    changed = lock_order(connection, order.id)
    assert changed is not None  # its row is held
    tell_order(connection, what, now, changed, by=LIFTWATCH, note=words)
