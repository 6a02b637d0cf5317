"""What is due at this moment, by one question of the database: whoever watches does nothing where nothing is.

The watch looks every few seconds and mostly in vain. Each look is one that an index answers without a row; they are
asked together, in one statement that is made once. What is due is then looked at closely by whose it is.
"""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from alerts import floods, settling, tables
from alerts.alert import FINDING_KINDS, GATEWAY, SERVICE, SITE, AlertKind
from alerts.power_cuts import POWER
from alerts.suppression import SHELF_FORGOTTEN_AFTER, hangs_below_what_is_over
from ingest.database import Instant

_NOW = sa.bindparam("now", type_=Instant)
_FLOOD_SINCE = sa.bindparam("flood_since", type_=Instant)
_FORGOTTEN_AT = sa.bindparam("forgotten_at", type_=Instant)
_alert, _entry = tables.alert, tables.suppression


def due_now(connection: Connection, now: datetime) -> frozenset[str]:
    """Return the names of what has to be seen to, of `LOOKS`."""
    row = connection.execute(
        _QUESTION, {"now": now, "flood_since": now - floods.WINDOW, "forgotten_at": now - SHELF_FORGOTTEN_AFTER}
    ).one()
    return frozenset(name for name, is_due in zip(LOOKS, row, strict=True) if is_due)


def _is_open(lift_id: str, kind: AlertKind) -> sa.ColumnElement[bool]:
    return sa.exists().where(_alert.c.open_key.is_not(None), _alert.c.kind == kind.value, _alert.c.lift_id == lift_id)


def _group_is_open() -> sa.ColumnElement[bool]:
    kinds = ((GATEWAY, AlertKind.GATEWAY_LOST), (SERVICE, AlertKind.FLEET_SILENT), (SERVICE, AlertKind.BROKER_AWAY))
    return sa.or_(*(_is_open(lift_id, kind) for lift_id, kind in kinds))


def _may_be_a_flood() -> sa.ColumnElement[bool]:
    rang = sa.exists().where(_alert.c.received_at > _FLOOD_SINCE, _alert.c.rang, _alert.c.kind.not_in(FINDING_KINDS))
    return sa.exists().where(_alert.c.open_key == floods.KEY) | rang


def _is_due(column: sa.ColumnElement[datetime]) -> sa.ColumnElement[bool]:
    return sa.exists().where(column <= _NOW)


# Of what has a key only while it stands, any that does: all keys come after the empty one, and none is not among them.
_CASE_IS_OPEN = sa.exists().where(tables.entrapment_case.c.open_key > "")
LOOKS: dict[str, sa.ColumnElement[bool]] = {
    "cases": _CASE_IS_OPEN | sa.exists().where(tables.lift_standing.c.outside),
    "clocks": _is_due(tables.work_order.c.clock_due_at),
    "strangers": _is_open(SERVICE, AlertKind.UNREGISTERED_LIFT_ALARM),
    "settling": sa.exists().where(settling.is_due(_NOW)),
    "sites": sa.exists().where(tables.condition.c.key == POWER, tables.condition.c.active)
    | _is_open(SITE, AlertKind.SITE_POWER_CUT),
    "released": sa.exists().where(hangs_below_what_is_over()),
    "entries": sa.exists().where(_entry.c.due_at <= _NOW, _entry.c.ended_at.is_(None)),
    "silent": sa.exists().where(
        tables.IS_SILENT,
        _alert.c.suppressed_by.is_not(None) | _alert.c.out_of_service | (_alert.c.shelved_until <= _FORGOTTEN_AT),
    ),
    "shelves": _is_due(tables.shelf.c.due_at),
    "flood": _may_be_a_flood(),
    "reminders": _is_due(_alert.c.remind_at),
    "silence": _group_is_open() | _is_due(tables.contact.c.due_at),
}
_QUESTION = sa.select(*(look.label(name) for name, look in LOOKS.items()))
