"""A flood: more alerts than an operator can handle. The lesser ones are told in groups, and it is said that it is one.

More than 10 new alerts in 10 minutes for each operator begin it, fewer than 5 end it (ISA-18.2, EEMUA 191). An alert of
priority 1 is told one by one all the same. That it stands is an open alert, so that all processes agree.

Findings are for planning and come all at once, when a fleet is first assessed and when a day begins. They are no flood
of alarms; too many of them are told in groups, and keep no alarm from being told.
"""

from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from msgspec import Struct, to_builtins
from sqlalchemy.engine import Connection

from alerts import tables
from alerts.alert import FINDING_KINDS, LIFTWATCH, OPEN_STATES, SERVICE, SITE, AlertChange, AlertKind, open_key_of
from alerts.alert_entries import NewAlert, change_alert, lock_open_alert, open_alert
from alerts.outbox import tell
from alerts.rules import RuleBook
from ingest.fleet_register import lift

WINDOW = timedelta(minutes=10)
BEGINS_ABOVE = 10
ENDS_BELOW = 5
# Groups beyond these are not listed one by one.
GROUPS_MAX = 500
CODE = "centre"
# The open key of the alert that says that there is one.
KEY = open_key_of(SERVICE, AlertKind.ALERT_FLOOD, CODE)


class Group(Struct, frozen=True, kw_only=True):
    """Open alerts of one site and kind; `site_id` None: of lifts whose site nobody told."""

    site_id: str | None
    kind: str
    priority: int
    alerts: int
    unacknowledged: int
    newest_at: datetime


def comes_in_a_flood(connection: Connection, kind: str, operators: int, now: datetime) -> bool:
    """Tell whether what rings now is one of too many; findings are counted for a finding alone."""
    most = BEGINS_ABOVE * operators
    return stands(connection) or _rung(connection, now, most + 1, findings=kind in FINDING_KINDS) > most


def stands(connection: Connection) -> bool:
    """Tell whether there is a flood."""
    query = sa.select(tables.alert.c.id).where(tables.alert.c.open_key == KEY)
    return connection.execute(query).first() is not None


def needs_change(connection: Connection, operators: int, now: datetime) -> bool:
    """Tell whether a flood has to begin or to end."""
    if stands(connection):
        return _rung(connection, now, ENDS_BELOW * operators) < ENDS_BELOW * operators
    return _rung(connection, now, BEGINS_ABOVE * operators + 1) > BEGINS_ABOVE * operators


def see_to_flood(connection: Connection, rules: RuleBook, now: datetime) -> None:
    """Begin or end the flood; of several processes one does."""
    rule = rules.rule(AlertKind.ALERT_FLOOD)
    flood = lock_open_alert(connection, SERVICE, AlertKind.ALERT_FLOOD, CODE)
    if not needs_change(connection, rule.operators, now):
        return
    if flood is not None:
        change_alert(connection, flood, AlertChange.CLEAR, now, LIFTWATCH, "the alerts have become few again")
        _tell(connection, "ended", now, flood.id, flood.priority)
        return
    reason = f"more than {BEGINS_ABOVE * rule.operators} new alerts within 10 min"
    new = NewAlert(
        lift_id=SERVICE,
        kind=AlertKind.ALERT_FLOOD.value,
        code=CODE,
        raised_at=now,
        received_at=now,
        message=rule.words(lift_id=SERVICE, reason=reason),
        evidence=[{"operators": rule.operators, "window_min": 10, "reason": reason}],
        rule=rule,
    )
    alert_id = open_alert(connection, new)
    if alert_id is not None:
        _tell(connection, "began", now, alert_id, rule.priority)


def groups(connection: Connection) -> list[Group]:
    """Return the open alerts that ring, by site and kind: the most urgent first, then the largest."""
    alert = tables.alert
    # An alert about a site has the site's id as its code. Literal, so that PostgreSQL sees the same thing grouped.
    about_site = alert.c.lift_id == sa.literal_column(f"'{SITE}'")
    site_id = sa.func.coalesce(lift.c.site_id, sa.case((about_site, alert.c.code)))
    is_new = sa.case((alert.c.acknowledged_at.is_(None), 1), else_=0)
    count, urgency = sa.func.count().label("alerts"), sa.func.min(alert.c.priority).label("priority")
    query = (
        sa.select(
            site_id.label("site_id"),
            alert.c.kind,
            urgency,
            count,
            sa.func.sum(is_new).label("unacknowledged"),
            sa.type_coerce(sa.func.max(alert.c.received_at), alert.c.received_at.type).label("newest_at"),
        )
        .select_from(alert.outerjoin(lift, lift.c.lift_id == alert.c.lift_id))
        .where(alert.c.state.in_(sorted(OPEN_STATES)), alert.c.shelved_until.is_(None))
        .where(alert.c.suppressed_by.is_(None), ~alert.c.out_of_service, alert.c.kind != AlertKind.ALERT_FLOOD.value)
        .group_by(site_id, alert.c.kind)
        .order_by(urgency, count.desc(), alert.c.kind, site_id)
        .limit(GROUPS_MAX)
    )
    return [Group(**row) for row in connection.execute(query).mappings()]


def _rung(connection: Connection, now: datetime, at_most: int, *, findings: bool = False) -> int:
    alert = tables.alert
    apart = [AlertKind.ALERT_FLOOD.value, *(() if findings else FINDING_KINDS)]
    query = (
        sa.select(alert.c.id)
        .where(alert.c.received_at > now - WINDOW, alert.c.rang, alert.c.kind.not_in(apart))
        .limit(at_most)
    )
    return len(connection.execute(query).all())


def _tell(connection: Connection, what: str, now: datetime, alert_id: int, priority: int) -> None:
    found = groups(connection)
    most = max(found, key=lambda group: group.alerts, default=None)
    largest = f"; most of what stands at one site: {most.alerts} {most.kind.replace('-', ' ')}" if most else ""
    body: dict[str, Any] = {"text": f"The flood of alerts has {what}{largest}", "groups": to_builtins(found)}
    tell(connection, f"flood.{what}", now, lift_id=SERVICE, alert_id=alert_id, priority=priority, body=body)
