"""The end of what was told: it is kept for 90 days, and removed in steps."""

from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from alerts import tables
from alerts.notification_tables import notification
from alerts.notifications import NotificationState
from ingest.database import reading

KEPT = timedelta(days=90)
ROWS_A_STEP = 200


def remove_old(engine: Engine, now: datetime) -> int:
    """Remove a step of what is older than `KEPT`, with its notifications; return how many rows of the outbox."""
    # What was written long ago and is told only now, after a long stop, is kept as long as everything else.
    old = (tables.outbox.c.at < now - KEPT) & (tables.outbox.c.fanned_at < now - KEPT)
    # Somebody who was switched off for long is still to be told, once switched on again.
    waits = sa.exists().where(
        notification.c.outbox_id == tables.outbox.c.id, notification.c.state == NotificationState.WAITING.value
    )
    query = sa.select(tables.outbox.c.id).where(old, ~waits)
    some = query.order_by(tables.outbox.c.at).limit(ROWS_A_STEP)
    with reading(engine) as connection:
        ids = list(connection.execute(some).scalars())
    if not ids:
        return 0
    with engine.begin() as connection:
        connection.execute(sa.delete(notification).where(notification.c.outbox_id.in_(ids)))
        connection.execute(sa.delete(tables.outbox).where(tables.outbox.c.id.in_(ids)))
    return len(ids)
