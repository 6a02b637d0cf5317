"""The outbox: what others have to be told, written down in the transaction of the change itself.

A row that is committed is told at least once, whatever fails afterwards; a change that is rolled back is never told.
"""

from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from alerts import tables
from alerts.alert import Alert
from alerts.work_orders import WorkOrder

# A notification says why; what an alert of a hundred occurrences rests on as a whole is read in the API.
EVIDENCE_MAX = 20


def tell(
    connection: Connection,
    topic: str,
    at: datetime,
    *,
    lift_id: str,
    alert_id: int | None = None,
    work_order_id: int | None = None,
    priority: int | None = None,
    body: dict[str, Any] | None = None,
) -> int:
    """Write down that something happened that others have to be told.

    `topic` names what happened, as `alert.raised` or `work-order.assigned`; `body` is what JSON can hold, beside the
    alert or the work order itself. Returns the id of its row.
    """
    row = {
        "topic": topic,
        "at": at,
        "lift_id": lift_id,
        "alert_id": alert_id,
        "work_order_id": work_order_id,
        "priority": priority,
        "body": body or {},
    }
    insert = sa.insert(tables.outbox).values(row).returning(tables.outbox.c.id)
    outbox_id: int = connection.execute(insert).scalar_one()
    return outbox_id


def tell_alert(
    connection: Connection, what: str, at: datetime, alert: Alert, *, by: str | None = None, note: str | None = None
) -> int:
    """Write down that `alert.<what>` happened, with the alert as it then was; return the id of its row."""
    shown = msgspec.to_builtins(alert)
    shown["evidence"] = shown["evidence"][:EVIDENCE_MAX]
    body = {"alert": shown, "by": by, "note": note}
    order_id = alert.work_order_id
    return tell(
        connection,
        f"alert.{what}",
        at,
        lift_id=alert.lift_id,
        alert_id=alert.id,
        work_order_id=order_id,
        priority=alert.priority,
        body=body,
    )


def tell_order(
    connection: Connection, what: str, at: datetime, order: WorkOrder, *, by: str | None = None, note: str | None = None
) -> None:
    """Write down that `work-order.<what>` happened, with the order as it then was."""
    body = {"work_order": msgspec.to_builtins(order), "by": by, "note": note}
    tell(
        connection,
        f"work-order.{what}",
        at,
        lift_id=order.lift_id,
        work_order_id=order.id,
        priority=order.priority,
        body=body,
    )
