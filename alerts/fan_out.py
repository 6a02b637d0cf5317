"""From the outbox to notifications: one for each subscription that wants to be told, and no second one."""

from datetime import datetime

import sqlalchemy as sa
import structlog
from sqlalchemy.engine import Connection, Engine, RowMapping

from alerts import tables
from alerts.escalation import begin
from alerts.notification_tables import subscription
from alerts.notifications import notify
from alerts.subscriptions import Subscription, subscription_of
from ingest import fleet_register
from ingest.database import reading

ROWS_A_STEP = 200
# What stands in the place of a lift where an alert is about a site; the alert's code is then the site's id.
SITE = "$site"

log = structlog.get_logger()


def fan_out(engine: Engine, now: datetime) -> int:
    """Turn what waits in the outbox into notifications, a step of it; return how many rows that were.

    Who subscribes later is not told of what was before. Asks without a lock first: an empty outbox costs nothing.
    """
    with reading(engine) as connection:
        if connection.execute(sa.select(tables.outbox.c.id).where(_is_waiting()).limit(1)).first() is None:
            return 0
    with engine.begin() as connection:
        rows = _taken(connection)
        subscriptions = _enabled(connection)
        places = _places(connection, {row["lift_id"] for row in rows}) if subscriptions else {}
        begin(connection, rows, now)
        for row in rows:
            _notify_all(connection, row, subscriptions, places.get(row["lift_id"], (None, None)), now)
        done = tables.outbox.c.id.in_([row["id"] for row in rows])
        connection.execute(sa.update(tables.outbox).where(done).values(fanned_at=now))
    return len(rows)


def _is_waiting() -> sa.ColumnElement[bool]:
    return tables.outbox.c.fanned_at.is_(None)


def _taken(connection: Connection) -> list[RowMapping]:
    """Return rows that no other process takes at this moment."""
    query = sa.select(tables.outbox).where(_is_waiting()).order_by(tables.outbox.c.id).limit(ROWS_A_STEP)
    return list(connection.execute(query.with_for_update(skip_locked=True)).mappings())


def _enabled(connection: Connection) -> list[Subscription]:
    query = sa.select(subscription).where(subscription.c.removed_at.is_(None), subscription.c.enabled)
    return [subscription_of(row) for row in connection.execute(query.order_by(subscription.c.id)).mappings()]


def _places(connection: Connection, lift_ids: set[str]) -> dict[str, tuple[str | None, str | None]]:
    """Return site and contractor of lifts; a step of the outbox names no more lifts than fit one query."""
    lift = fleet_register.lift
    query = sa.select(lift.c.lift_id, lift.c.site_id, lift.c.contractor).where(lift.c.lift_id.in_(lift_ids))
    return {row.lift_id: (row.site_id, row.contractor) for row in connection.execute(query)}


def _notify_all(
    connection: Connection,
    row: RowMapping,
    subscriptions: list[Subscription],
    place: tuple[str | None, str | None],
    now: datetime,
) -> None:
    site_id, contractor = place
    if row["lift_id"] == SITE:
        site_id = (row["body"].get("alert") or {}).get("code")
    for each in subscriptions:
        try:
            wants = each.wanted.wants(row["topic"], row["priority"], site_id, contractor)
            quiet = each.wanted.quiet
            held_until = quiet.hold_until(now, row["priority"]) if quiet else None
        except Exception:  # of one subscription; it must not keep the others from being told, nor miss anything itself
            log.exception("subscription-not-understood", subscription_id=each.id)
            wants, held_until = True, None
        if wants:
            notify(connection, row["id"], each.id, now, held_until)
