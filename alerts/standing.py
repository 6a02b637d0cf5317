"""What stands at a moment, for whoever takes a shift over: open alerts, cases, and orders whose clock runs."""

from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from alerts import tables

# What one person can read at the change of a shift; how many there are beside is counted.
LISTED_MAX = 200
_ALERT = ("id", "lift_id", "kind", "code", "priority", "state", "raised_at", "message", "work_order_id")
_SHELF = ("shelved_until", "suppressed_by", "out_of_service")
_CASE = ("id", "lift_id", "floor", "opened_at", "arrive_by", "work_order_id")
_ORDER = ("id", "number", "lift_id", "kind", "state", "opened_at", "arrive_by", "assigned_to", "message")


def as_of(connection: Connection) -> dict[str, Any]:
    """Return lists of at most `LISTED_MAX`, most urgent first, and how many of each there are."""
    alert, case, order = tables.alert, tables.entrapment_case, tables.work_order
    alerts = [alert.c[name] for name in (*_ALERT, *_SHELF) if name in alert.c]
    runs = order.c.open_key.is_not(None) & order.c.arrive_by.is_not(None) & order.c.arrived_at.is_(None)
    return {
        **_listed(connection, "alerts", alerts, alert.c.open_key.is_not(None), [alert.c.priority, alert.c.id]),
        **_listed(connection, "cases", [case.c[name] for name in _CASE], case.c.open_key.is_not(None), [case.c.id]),
        **_listed(connection, "work_orders", [order.c[name] for name in _ORDER], runs, [order.c.arrive_by]),
    }


def _listed(
    connection: Connection,
    name: str,
    columns: list[sa.Column[Any]],
    which: sa.ColumnElement[bool],
    order: list[sa.Column[Any]],
) -> dict[str, Any]:
    rows = connection.execute(sa.select(*columns).where(which).order_by(*order).limit(LISTED_MAX)).mappings().all()
    count = sa.select(sa.func.count()).select_from(columns[0].table).where(which)
    return {
        name: [msgspec.to_builtins(dict(row)) for row in rows],
        f"{name}_count": connection.execute(count).scalar_one(),
    }
