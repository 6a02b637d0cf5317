"""Lanes: the notifications of one subscription, told one after another by one process at a time.

A lane is claimed by a conditional UPDATE until an instant, so that two processes never send at once and a process that
is killed leaves nothing behind: after that instant somebody else sends again what it was sending, under the same id.
"""

import uuid
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy.engine import Connection, Engine, RowMapping

from alerts import tables
from alerts.alert import AlertKind
from alerts.channels import Outcome, Outgoing
from alerts.notification_tables import notification, subscription
from alerts.notifications import NotificationState, next_attempt_at, pause_s
from alerts.rules import RuleBook
from alerts.service_alerts import apply_conditions
from alerts.subscriptions import failing_code, secrets_of
from ingest.database import reading

# Longer than an attempt with its look-up of a name may take, so that a lane is never lost while it is served.
LEASE = timedelta(seconds=60)
# From then on somebody is told that nothing gets through.
FAILING_AFTER = timedelta(hours=1)
# So many failures in a row mean that the receiver was away, and not that one notification is not to its taste.
AWAY_FAILURES = 3
ERROR_CHARS_MAX = 300


class Lane(Struct, frozen=True):
    """A claimed lane."""

    subscription_id: int
    token: str
    channel: str


class Due(Struct, frozen=True):
    """The notification that comes next in a lane, and its way so far."""

    notification_id: int
    attempts: int
    first_attempt_at: datetime | None
    outgoing: Outgoing


class Lanes:
    """Claims lanes, says what comes next in each, and writes down what became of it."""

    def __init__(self, engine: Engine, rules: RuleBook) -> None:
        """Use a migrated database; alerts about failing subscriptions follow `rules`."""
        self._engine = engine
        self._rules = rules

    def claim(self, now: datetime, most: int) -> list[Lane]:
        """Take at most `most` lanes in which something is due and that nobody serves."""
        oldest_at = sa.func.min(notification.c.next_at)
        query = (
            sa.select(subscription.c.id, subscription.c.channel)
            .join_from(subscription, notification)
            .where(_is_free(now), _is_due(now))
            .group_by(subscription.c.id, subscription.c.channel)
            .order_by(oldest_at, subscription.c.id)  # whoever has waited longest, so that nobody is passed over
            .limit(most)
        )
        with reading(self._engine) as connection:
            rows = connection.execute(query).all()
        claimed = [Lane(row.id, uuid.uuid4().hex, row.channel) for row in rows]
        return [lane for lane in claimed if self._take(lane, now)]

    def next(self, lane: Lane, now: datetime) -> Due | None:
        """Return the oldest notification that is due, and hold the lane for it; None: nothing, or the lane is lost."""
        with self._engine.begin() as connection:
            own = _is_own(lane) & subscription.c.enabled
            if connection.execute(sa.update(subscription).where(own).values(lane_until=now + LEASE)).rowcount == 0:
                return None
            query = _with_told().where(_is_due(now), notification.c.subscription_id == lane.subscription_id)
            row = connection.execute(query.order_by(notification.c.id).limit(1)).mappings().first()
        return None if row is None else _due_of(row, now)

    def record(self, lane: Lane, due: Due, outcome: Outcome, now: datetime) -> None:
        """Write down what became of an attempt; of a lane that was lost meanwhile nothing: somebody else has it."""
        with self._engine.begin() as connection:
            query = sa.select(subscription).where(_is_own(lane)).with_for_update()
            row = connection.execute(query).mappings().first()
            if row is None:
                return
            if outcome.error is None:
                self._is_delivered(connection, row, due, outcome, now)
            else:
                self._has_failed(connection, row, due, outcome, now)

    def release(self, lane: Lane) -> None:
        """Let go of a lane."""
        with self._engine.begin() as connection:
            free = sa.update(subscription).where(_is_own(lane)).values(lane_until=None, lane_token=None)
            connection.execute(free)

    def _take(self, lane: Lane, now: datetime) -> bool:
        own = (subscription.c.id == lane.subscription_id) & _is_free(now)
        with self._engine.begin() as connection:
            values = {"lane_until": now + LEASE, "lane_token": lane.token}
            return connection.execute(sa.update(subscription).where(own).values(values)).rowcount == 1

    def _is_delivered(self, connection: Connection, row: RowMapping, due: Due, outcome: Outcome, now: datetime) -> None:
        state = NotificationState.DELIVERED.value
        tried = _tried(due, outcome, now)
        _update(connection, notification, due.notification_id, {**tried, "state": state, "delivered_at": now})
        if row["failures"] == 0 and row["gave_up_at"] is None:
            return
        if row["failures"] >= AWAY_FAILURES:
            _hurry(connection, row["id"], now)
        fresh = {"failures": 0, "failing_since": None, "gave_up_at": None, "resume_at": None}
        _update(connection, subscription, row["id"], fresh)
        self._tell_if_failing(connection, {**row, **fresh}, now)

    def _has_failed(self, connection: Connection, row: RowMapping, due: Due, outcome: Outcome, now: datetime) -> None:
        first_at = due.first_attempt_at or now
        again_at = next_attempt_at(due.attempts + 1, first_at, now, outcome.retry_after_s)
        state = NotificationState.FAILED if again_at is None else NotificationState.WAITING
        tried = {**_tried(due, outcome, now), "state": state.value, "next_at": again_at}
        _update(connection, notification, due.notification_id, tried)
        failures = row["failures"] + 1
        stands: dict[str, Any] = {
            "failures": failures,
            "failing_since": row["failing_since"] or now,
            "gave_up_at": row["gave_up_at"] or (now if again_at is None else None),
            "resume_at": now + timedelta(seconds=max(pause_s(failures), outcome.retry_after_s or 0)),
        }
        if outcome.is_gone:
            stands |= {"enabled": False, "disabled_reason": f"the receiver wants nothing more: {outcome.error}"}
        _update(connection, subscription, row["id"], stands)
        self._tell_if_failing(connection, {**row, **stands}, now)

    def _tell_if_failing(self, connection: Connection, stands: dict[str, Any], now: datetime) -> None:
        """Raise or clear the alert that says that a subscription is not told what it wants to know."""
        kind, process = AlertKind.NOTIFICATION_FAILING, failing_code(stands["id"])
        apply_conditions(connection, self._rules, {kind: _failing(stands, now)}, process, now)


def _failing(stands: dict[str, Any], now: datetime) -> str | None:
    if stands["removed_at"] is not None or not (stands["enabled"] or stands["disabled_reason"]):
        return None  # a person wants nothing more to be sent
    name, since = f"{stands['channel']} {stands['name']}", stands["failing_since"]
    if stands["disabled_reason"]:
        return f"{name}: {stands['disabled_reason']}"
    if stands["gave_up_at"] is not None:
        return f"{name}: given up after all attempts, first at {stands['gave_up_at']:%Y-%m-%d %H:%M} UTC"
    if since is not None and now - since >= FAILING_AFTER:
        return f"{name}: nothing has got through since {since:%Y-%m-%d %H:%M} UTC"
    return None


def _is_due(now: datetime) -> sa.ColumnElement[bool]:
    return (notification.c.state == NotificationState.WAITING.value) & (notification.c.next_at <= now)


def _is_free(now: datetime) -> sa.ColumnElement[bool]:
    stands = subscription.c.enabled & subscription.c.removed_at.is_(None)
    is_unserved = subscription.c.lane_until.is_(None) | (subscription.c.lane_until <= now)
    return stands & is_unserved & (subscription.c.resume_at.is_(None) | (subscription.c.resume_at <= now))


def _is_own(lane: Lane) -> sa.ColumnElement[bool]:
    return (subscription.c.id == lane.subscription_id) & (subscription.c.lane_token == lane.token)


def _with_told() -> sa.Select[Any]:
    """Select a notification with what happened and whom it goes to."""
    outbox = tables.outbox
    told = (outbox.c[name] for name in ("topic", "at", "lift_id", "alert_id", "work_order_id", "priority", "body"))
    whom = (subscription.c[name] for name in ("target", "secret", "previous_secret", "previous_secret_until"))
    joined = notification.join(outbox).join(subscription)
    return sa.select(notification, *told, *whom).select_from(joined)


def _due_of(row: RowMapping, now: datetime) -> Due:
    keys = {name: row[name] for name in ("lift_id", "alert_id", "work_order_id", "priority")}
    outgoing = Outgoing(
        message_id=row["message_id"],
        topic=row["topic"],
        happened_at=row["at"],
        lift_id=row["lift_id"],
        data={**keys, **row["body"]},
        target=row["target"],
        secrets=secrets_of(row, now),
    )
    return Due(row["id"], row["attempts"], row["first_attempt_at"], outgoing)


def _tried(due: Due, outcome: Outcome, now: datetime) -> dict[str, Any]:
    return {
        "attempts": due.attempts + 1,
        "first_attempt_at": due.first_attempt_at or now,
        "last_attempt_at": now,
        "next_at": None,
        "last_status": outcome.status,
        "last_error": outcome.error and outcome.error[:ERROR_CHARS_MAX],
    }


def _hurry(connection: Connection, subscription_id: int, now: datetime) -> None:
    """Let what failed while a receiver was away be sent now; what quiet hours hold back was never tried."""
    own = (notification.c.subscription_id == subscription_id) & (notification.c.attempts > 0)
    waiting = own & (notification.c.state == NotificationState.WAITING.value)
    connection.execute(sa.update(notification).where(waiting).values(next_at=now))


def _update(connection: Connection, table: sa.Table, row_id: int, values: dict[str, Any]) -> None:
    connection.execute(sa.update(table).where(table.c.id == row_id).values(values))
