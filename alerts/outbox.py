"""The outbox: what others have to be told, written down in the transaction of the change itself.

A row that is committed is told at least once, whatever fails afterwards; a change that is rolled back is never told.
"""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from alerts import tables


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
) -> None:
    """Write down that something happened that others have to be told.

    `topic` names what happened, as `alert.raised` or `work-order.assigned`; `body` is what JSON can hold, beside the
    alert or the work order itself.
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
    connection.execute(sa.insert(tables.outbox).values(row))
