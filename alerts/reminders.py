"""Acknowledging is not forgetting: somebody is told again of an alert for which nothing happens.

An alert that nobody has acknowledged, or one for at once or within the hour that somebody has and whose order stands
where it stood. What is for at once comes back at the same pace, anything else ever more seldom.
"""

from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from alerts import tables
from alerts.alert import LIFTWATCH, Alert, Suppression
from alerts.alert_entries import URGENT_PRIORITY, lock_alert, note_alert, reminded_at, store_values
from alerts.floods import stands
from alerts.outbox import tell_alert
from alerts.work_orders import UNDONE_STATES, OrderState

INTERVAL_MAX = timedelta(days=1)
# Somebody is at it: its own clock watches over the order then.
_IN_HAND = frozenset(UNDONE_STATES - {OrderState.OPEN})


def due_reminders(connection: Connection, now: datetime, limit: int) -> list[int]:
    """Return alerts of which somebody may have to be reminded."""
    alert = tables.alert
    query = sa.select(alert.c.id).where(alert.c.remind_at <= now).order_by(alert.c.id).limit(limit)
    return list(connection.execute(query).scalars())


def remind(connection: Connection, alert_id: int, now: datetime) -> None:
    """Remind of an alert if nothing has happened; of several processes one does."""
    alert = lock_alert(connection, alert_id)
    if alert is None or alert.remind_at is None or alert.remind_at > now:
        return
    if not _waits(alert):
        store_values(connection, alert, {"remind_at": None})
    elif alert.priority > 1 and stands(connection):
        # It is among those that are told in groups; by itself it is told when there is time for it.
        store_values(connection, alert, {"remind_at": reminded_at(now, alert.remind_after_min)})
    elif _is_in_hand(connection, alert):
        store_values(connection, alert, {"remind_at": reminded_at(now, alert.remind_after_min)})
    else:
        _remind(connection, alert, now)


def _waits(alert: Alert) -> bool:
    is_forgotten = alert.acknowledged_at is None or (alert.state.is_open and alert.priority <= URGENT_PRIORITY)
    return alert.state.is_open and is_forgotten and alert.suppression is Suppression.NONE


def _is_in_hand(connection: Connection, alert: Alert) -> bool:
    order = tables.work_order
    query = sa.select(order.c.state).where(order.c.id == alert.work_order_id)
    state = None if alert.work_order_id is None else connection.execute(query).scalar()
    return alert.acknowledged_at is not None and state in _IN_HAND


def _remind(connection: Connection, alert: Alert, now: datetime) -> None:
    after = timedelta(minutes=alert.remind_after_min or 0)
    wait = after if alert.priority == 1 else min(after * 2 ** min(alert.reminders + 1, 12), max(after, INTERVAL_MAX))
    reminded = store_values(connection, alert, {"remind_at": now + wait, "reminders": alert.reminders + 1})
    what = "nobody has acknowledged it" if alert.acknowledged_at is None else "acknowledged, and nothing has followed"
    note_alert(connection, alert.id, now, LIFTWATCH, "reminded", what)
    tell_alert(connection, "reminded", now, reminded, by=LIFTWATCH, note=what)
