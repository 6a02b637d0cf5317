"""Notifications: how each subscription was told of what happened, attempt after attempt; when it is tried again."""

import uuid
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy.engine import Connection, Engine, RowMapping

from alerts import tables
from alerts.notification_tables import notification, subscription
from alerts.transactions import reading, writing
from ingest.database import insert_new

# After each attempt that failed: the schedule of the Standard Webhooks specification, 10 attempts in 75 h 35 min.
WAITS_S = (5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
ATTEMPTS_MAX = len(WAITS_S) + 1
SPAN = timedelta(seconds=sum(WAITS_S))
# After a failure the others of the same receiver wait too, ever longer: nobody who is away is asked a thousand times.
PAUSE_S_MIN, PAUSE_S_MAX = 5.0, 300.0
REDELIVER_MAX = 1_000


class NotificationState(StrEnum):
    """How far a notification has come. `failed`: we gave up; `cancelled`: nobody wants it any more."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    FAILED = "failed"
    CANCELLED = "cancelled"


class UnknownNotificationError(LookupError):
    """There is no such notification, or no longer."""


class Notification(Struct, frozen=True, kw_only=True):
    """What happened (`topic`, at `happened_at`), and how one subscription was told of it."""

    id: int
    subscription_id: int
    message_id: str
    topic: str
    happened_at: datetime
    lift_id: str
    alert_id: int | None
    work_order_id: int | None
    priority: int | None
    state: NotificationState
    attempts: int
    created_at: datetime
    next_at: datetime | None
    last_attempt_at: datetime | None
    delivered_at: datetime | None
    last_status: int | None
    last_error: str | None


def next_attempt_at(attempts: int, first_at: datetime, now: datetime, retry_after_s: float | None) -> datetime | None:
    """Return when to try again after the `attempts`-th attempt, made at `now`; None: give up.

    Attempts that were made sooner than planned, because the receiver seemed to be back, do not shorten the span.
    """
    if attempts >= ATTEMPTS_MAX and now - first_at >= SPAN:
        return None
    wait_s = WAITS_S[min(attempts, len(WAITS_S)) - 1]
    return now + timedelta(seconds=max(wait_s, retry_after_s or 0))


def pause_s(failures: int) -> float:
    """Return how long a receiver is left alone after so many failures in a row."""
    return min(PAUSE_S_MAX, PAUSE_S_MIN * 2.0 ** min(failures - 1, 10))


def notify(
    connection: Connection, outbox_id: int, subscription_id: int, now: datetime, held_until: datetime | None = None
) -> None:
    """Let a subscription be told of something in the outbox: once, however often this is called."""
    row = {
        "outbox_id": outbox_id,
        "subscription_id": subscription_id,
        "message_id": f"msg_{uuid.uuid4().hex}",
        "state": NotificationState.WAITING.value,
        "attempts": 0,
        "created_at": now,
        "next_at": held_until or now,
    }
    once = [notification.c.outbox_id, notification.c.subscription_id]
    connection.execute(insert_new(connection, notification).values(row).on_conflict_do_nothing(index_elements=once))


class NotificationLog:
    """Reads what became of notifications, and sends them again when a person asks for it."""

    def __init__(self, engine: Engine) -> None:
        """Use a migrated database."""
        self._engine = engine

    def page(self, *, limit: int, before_id: int | None = None, **equal: object) -> list[Notification]:
        """Return at most `limit` below `before_id`, newest first; `equal`: fields of `Notification` as they must be."""
        query = _joined().order_by(notification.c.id.desc()).limit(limit)
        if before_id is not None:
            query = query.where(notification.c.id < before_id)
        for name, value in equal.items():
            if value is not None:
                query = query.where((notification if name in notification.c else tables.outbox).c[name] == value)
        with reading(self._engine) as connection:
            return [_notification_of(row) for row in connection.execute(query).mappings()]

    def redeliver(self, notification_id: int, now: datetime) -> Notification:
        """Send one again, under the id that it had.

        Raises:
            UnknownNotificationError: there is none.
        """
        own = notification.c.id == notification_id
        with writing(self._engine) as connection:
            again = sa.update(notification).where(own, _is_there()).values(_anew(now))
            if connection.execute(again).rowcount == 0:
                message = f"There is no notification {notification_id} of a subscription that stands."
                raise UnknownNotificationError(message)
            return _notification_of(connection.execute(_joined().where(own)).mappings().one())

    def redeliver_failed(self, subscription_id: int, since: datetime, now: datetime) -> int:
        """Send again what a subscription was never told since an instant; return how many, `REDELIVER_MAX` at most."""
        failed = sa.select(notification.c.id).where(
            notification.c.subscription_id == subscription_id,
            notification.c.state == NotificationState.FAILED.value,
            notification.c.created_at >= since,
        )
        some = failed.order_by(notification.c.id).limit(REDELIVER_MAX)
        with writing(self._engine) as connection:
            again = sa.update(notification).where(notification.c.id.in_(some), _is_there()).values(_anew(now))
            return connection.execute(again).rowcount

    def waiting(self) -> int:
        """Return how many wait to be sent, held back ones included."""
        query = sa.select(sa.func.count()).where(notification.c.state == NotificationState.WAITING.value)
        with reading(self._engine) as connection:
            return int(connection.execute(query).scalar_one())


def _is_there() -> sa.ColumnElement[bool]:
    present = sa.select(subscription.c.id).where(subscription.c.removed_at.is_(None))
    return notification.c.subscription_id.in_(present)


def _anew(now: datetime) -> dict[str, Any]:
    state = NotificationState.WAITING.value
    return {"state": state, "attempts": 0, "first_attempt_at": None, "delivered_at": None, "next_at": now}


def _joined() -> sa.Select[Any]:
    outbox = tables.outbox
    told = ("topic", "lift_id", "alert_id", "work_order_id", "priority")
    columns = [outbox.c[name] for name in told]
    return sa.select(notification, outbox.c.at.label("happened_at"), *columns).join_from(notification, outbox)


def _notification_of(row: RowMapping) -> Notification:
    fields = {name: row[name] for name in Notification.__struct_fields__}
    return Notification(**{**fields, "state": NotificationState(row["state"])})
