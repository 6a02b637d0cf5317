"""Whether an alert rings, and why not: read at the moment in which it is raised, and again as long as it is silent.

An alert about people in danger rings always. What is taken out of the alarm system is more than what the design
suppresses, and that more than what a person has put aside: of several reasons the first is told.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from enum import StrEnum

import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy.engine import Connection

from alerts import tables
from alerts.alert import PEOPLE, Suppression, open_key_of
from alerts.conditions import IN_SERVICE_KEY
from alerts.work_orders import OrderState

# A lift that says "inspection" for longer has been forgotten so; who works on it longer takes it out of service.
MODE_MAX = timedelta(hours=24)
# Likewise an order on which somebody is on site.
VISIT_MAX = timedelta(hours=12)


class Source(StrEnum):
    """Who or what makes alerts of a lift silent."""

    CHECK_IN = "check-in"
    OUT_OF_SERVICE = "out-of-service"
    ALERT = "alert"


class Quiet(Struct, frozen=True, kw_only=True):
    """Whether and why an alert is silent; `until` and `by` belong to a shelf."""

    suppression: Suppression = Suppression.NONE
    reason: str | None = None
    until: datetime | None = None
    by: str | None = None


RINGS = Quiet()


def quiet_of(connection: Connection, lift_id: str, kind: str, code: str | None, priority: int, now: datetime) -> Quiet:
    """Return whether an alert of this lift, kind and code rings as of `now`, and the reason if it does not."""
    if kind in PEOPLE:
        return RINGS
    table = tables.suppression
    query = sa.select(table).where(table.c.lift_id == lift_id, table.c.ended_at.is_(None))
    rows = [row for row in connection.execute(query.order_by(table.c.id)) if _covers(row, kind, priority, now)]
    out = next((row for row in rows if row.source == Source.OUT_OF_SERVICE), None)
    if out is not None:
        return Quiet(suppression=Suppression.OUT_OF_SERVICE, reason=f"taken out by {out.by}: {out.note}", by=out.by)
    reason = next(_reasons(connection, rows, lift_id, now), None)
    if reason is not None:
        return Quiet(suppression=Suppression.SUPPRESSED, reason=reason[:200])
    return _shelf(connection, open_key_of(lift_id, kind, code), now)


def _covers(row: sa.Row[tuple[object, ...]], kind: str, priority: int, now: datetime) -> bool:
    """Tell whether a row speaks of this alert: what a greater alert explains is never a danger of its own."""
    is_over = row.until is not None and row.until <= now
    is_danger = row.source == Source.ALERT and priority == 1
    return not is_over and not is_danger and (row.kinds is None or kind in row.kinds)


def _reasons(
    connection: Connection, rows: list[sa.Row[tuple[object, ...]]], lift_id: str, now: datetime
) -> Iterator[str]:
    """Give what suppresses by design, the surest first; later ones are not even asked for."""
    yield from (f"alert {row.alert_id}" for row in rows if row.source == Source.ALERT)
    condition, order = tables.condition, tables.work_order
    in_service = (
        sa.select(condition.c.active)
        .where(condition.c.lift_id == lift_id, condition.c.key == IN_SERVICE_KEY, condition.c.active)
        .where(condition.c.received_at > now - MODE_MAX)
    )
    if connection.execute(in_service).first() is not None:
        yield "inspection mode"
    on_site = (
        sa.select(order.c.number)
        .where(order.c.lift_id == lift_id, order.c.state == OrderState.ON_SITE.value)
        .where(order.c.arrived_at > now - VISIT_MAX)
        .order_by(order.c.id)
    )
    yield from (f"work order {number} on site" for number in connection.execute(on_site).scalars())
    yield from (f"check-in of {row.by}" for row in rows if row.source == Source.CHECK_IN)


def _shelf(connection: Connection, key: str, now: datetime) -> Quiet:
    shelf = tables.shelf
    row = connection.execute(sa.select(shelf).where(shelf.c.open_key == key, shelf.c.until > now)).first()
    if row is None:
        return RINGS
    return Quiet(suppression=Suppression.SHELVED, reason=row.reason, until=row.until, by=row.by)
