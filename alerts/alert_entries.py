"""How alerts are written into the journal: inside a transaction that the desk holds, always with their history."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from msgspec import Struct, structs
from sqlalchemy.engine import Connection

from alerts import tables
from alerts.alert import (
    FINDING_KINDS,
    LIFTWATCH,
    Alert,
    AlertChange,
    AlertKind,
    AlertState,
    cause_of,
    changed,
    open_key_of,
)
from alerts.journal import alert_of, chunks
from alerts.outbox import tell_alert
from alerts.rules import Rule
from ingest.database import insert_new


class NewAlert(Struct, frozen=True, kw_only=True):
    """An alert that is about to be raised, and the rule that says so."""

    lift_id: str
    kind: str
    code: str | None
    raised_at: datetime
    received_at: datetime
    message: str
    evidence: list[dict[str, Any]]
    rule: Rule

    @property
    def cause(self) -> str:
        """Return what its work order is about."""
        return cause_of(self.kind, self.code)


def open_alert(connection: Connection, new: NewAlert) -> int | None:
    """Write an alert down as raised and return its id; None where the same lift and cause has an open one."""
    row = {
        **{name: getattr(new, name) for name in ("lift_id", "kind", "code", "cause", "message", "evidence")},
        **{name: getattr(new.rule, name) for name in ("priority", "guidance", "source")},
        "state": AlertState.ACTIVE_UNACKNOWLEDGED.value,
        "open_key": open_key_of(new.lift_id, new.kind, new.code),
        "raised_at": new.raised_at,
        "received_at": new.received_at,
        "repeats": 0,
    }
    statement = insert_new(connection, tables.alert).values(row)
    unless_open = statement.on_conflict_do_nothing(index_elements=[tables.alert.c.open_key])
    alert_id: int | None = connection.execute(unless_open.returning(tables.alert.c.id)).scalar()
    if alert_id is not None:
        note_alert(connection, alert_id, new.received_at, LIFTWATCH, "raised", new.message)
    return alert_id


def lock_alert(connection: Connection, alert_id: int) -> Alert | None:
    """Return an alert that nobody else can change until the transaction ends."""
    query = sa.select(tables.alert).where(tables.alert.c.id == alert_id).with_for_update()
    row = connection.execute(query).mappings().first()
    return None if row is None else alert_of(row)


def lock_open_alert(connection: Connection, lift_id: str, kind: str, code: str | None) -> Alert | None:
    """Return the open alert of a lift and cause, locked; None where there is none."""
    key = open_key_of(lift_id, kind, code)
    row = connection.execute(_open().where(tables.alert.c.open_key == key)).mappings().first()
    return None if row is None else alert_of(row)


def lock_open_findings(connection: Connection) -> dict[str, Alert]:
    """Return every open alert that came from a finding, locked, by its open key."""
    rows = connection.execute(_open().where(tables.alert.c.kind.in_(FINDING_KINDS))).mappings()
    return {row["open_key"]: alert_of(row) for row in rows}


def lock_open_no_contact(connection: Connection, lift_ids: Iterable[str]) -> list[Alert]:
    """Return the open "no contact" alerts of these lifts, locked."""
    keys = [open_key_of(lift_id, AlertKind.NO_CONTACT, None) for lift_id in sorted(lift_ids)]
    queries = (_open().where(tables.alert.c.open_key.in_(chunk)) for chunk in chunks(keys))
    return [alert_of(row) for query in queries for row in connection.execute(query).mappings()]


def change_alert(
    connection: Connection,
    alert: Alert,
    change: AlertChange,
    at: datetime,
    actor: str,
    note: str | None,
    *,
    cleared_at: datetime | None = None,
) -> Alert:
    """Acknowledge or clear a locked alert; `cleared_at` is the controller's instant where it told one.

    Raises:
        IllegalTransitionError: it is acknowledged, or cleared, already.
    """
    state = changed(alert.state, change)
    values: dict[str, Any] = {"state": state}
    if change is AlertChange.ACKNOWLEDGE:
        values |= {"acknowledged_at": at, "acknowledged_by": actor}
    else:
        values |= {"cleared_at": cleared_at or at}
    closing = {} if state.is_open else {"open_key": None}
    own = tables.alert.c.id == alert.id
    connection.execute(sa.update(tables.alert).where(own).values({**values, **closing, "state": state.value}))
    action = "acknowledged" if change is AlertChange.ACKNOWLEDGE else "cleared"
    note_alert(connection, alert.id, at, actor, action, note)
    after = structs.replace(alert, **values)
    tell_alert(connection, action, at, after, by=actor, note=note)
    return after


def comment_alert(connection: Connection, alert: Alert, at: datetime, actor: str, words: str) -> None:
    """Add a person's words to an alert's history."""
    note_alert(connection, alert.id, at, actor, "commented", words)
    tell_alert(connection, "commented", at, alert, by=actor, note=words)


def count_repeat(connection: Connection, alert: Alert) -> None:
    """Count one more raise of an alert that is active; no history, or a chattering fault would fill it."""
    own = tables.alert.c.id == alert.id
    connection.execute(sa.update(tables.alert).where(own).values(repeats=tables.alert.c.repeats + 1))


def refresh_alert(connection: Connection, alert: Alert, message: str, evidence: list[dict[str, Any]]) -> None:
    """Keep words and evidence of an open alert up to date; writes only what differs, and no history."""
    if (alert.message, alert.evidence) == (message, evidence):
        return
    own = tables.alert.c.id == alert.id
    connection.execute(sa.update(tables.alert).where(own).values(message=message, evidence=evidence))


def note_alert(connection: Connection, alert_id: int, at: datetime, actor: str, action: str, note: str | None) -> None:
    """Add a line to an alert's history."""
    row = {"alert_id": alert_id, "at": at, "actor": actor, "action": action, "note": note}
    connection.execute(sa.insert(tables.alert_history).values(row))


def is_noted(connection: Connection, alert_id: int, action: str, note: str) -> bool:
    """Tell whether an alert's history has this line already."""
    history = tables.alert_history
    same = (history.c.alert_id == alert_id) & (history.c.action == action) & (history.c.note == note)
    return connection.execute(sa.select(history.c.id).where(same).limit(1)).first() is not None


def _open() -> sa.Select[Any]:
    query = sa.select(tables.alert).where(tables.alert.c.open_key.is_not(None))
    return query.order_by(tables.alert.c.id).with_for_update()
