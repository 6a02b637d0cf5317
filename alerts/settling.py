"""Conditions that have to last before anything follows, as stored instants: a restart forgets none of them.

Who claims a row has deleted it, so that of several processes one acts on it.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy.engine import Connection

from alerts import tables
from alerts.alert import AlertKind, open_key_of
from alerts.alert_entries import NewAlert
from ingest.database import insert_new
from ingest.faults import ENTRAPMENT

_table = tables.settling
_CALLS = ((AlertKind.ENTRAPMENT.value, ENTRAPMENT), (AlertKind.PASSENGER_ALARM.value, None))


class Waiting(Struct, frozen=True, kw_only=True):
    """What waits until `due_at`, and what rings then if it still stands."""

    lift_id: str
    key: str
    due_at: datetime
    kind: str
    code: str | None
    raised_at: datetime
    message: str
    evidence: list[dict[str, Any]]


def wait(connection: Connection, new: NewAlert, key: str, due_at: datetime) -> None:
    """Let a condition wait until `due_at`, instead of what it waited for before."""
    names = ("lift_id", "kind", "code", "raised_at", "message", "evidence")
    row = {**{name: getattr(new, name) for name in names}, "key": key, "due_at": due_at}
    insert = insert_new(connection, _table).values(row)
    connection.execute(insert.on_conflict_do_update(index_elements=[_table.c.lift_id, _table.c.key], set_=row))


def take_back(connection: Connection, lift_id: str, key: str) -> Waiting | None:
    """Let a condition wait no longer; return what it waited for."""
    own = (_table.c.lift_id == lift_id) & (_table.c.key == key)
    rows = connection.execute(sa.delete(_table).where(own).returning(_table)).mappings().all()
    return Waiting(**rows[0]) if rows else None


def put_back(connection: Connection, waiting: Waiting) -> None:
    """Let a condition go on to wait for what it waited for."""
    row = {name: getattr(waiting, name) for name in Waiting.__struct_fields__}
    connection.execute(insert_new(connection, _table).values(row).on_conflict_do_nothing())


def is_due(now: datetime | sa.BindParameter[datetime]) -> sa.ColumnElement[bool]:
    """Tell what has waited long enough, or must not wait because people call from the same lift.

    What is held for chattering, or for not having come back, has its alert already and goes on to wait.
    """
    rings, own = tables.alert.alias(), tables.alert.alias()
    keys = [_table.c.lift_id + sa.literal(open_key_of("", kind, code)) for kind, code in _CALLS]
    calls = sa.exists().where(rings.c.open_key.in_(keys))
    key = _table.c.lift_id + "/" + _table.c.kind + "/" + sa.func.coalesce(_table.c.code, "")
    return (_table.c.due_at <= now) | (calls & ~sa.exists().where(own.c.open_key == key))


def due(connection: Connection, now: datetime, limit: int) -> Sequence[tuple[str, str]]:
    """Return lift and key of what has waited long enough, in the order in which everybody takes them."""
    query = sa.select(_table.c.lift_id, _table.c.key).where(is_due(now))
    rows = connection.execute(query.order_by(_table.c.lift_id, _table.c.key).limit(limit))
    return [(row.lift_id, row.key) for row in rows]


def claim(connection: Connection, lift_id: str, key: str, now: datetime) -> Waiting | None:
    """Take what has waited long enough, so that nobody else does; None where somebody else was quicker."""
    own = (_table.c.lift_id == lift_id) & (_table.c.key == key) & is_due(now)
    rows = connection.execute(sa.delete(_table).where(own).returning(_table)).mappings().all()
    return Waiting(**rows[0]) if rows else None
