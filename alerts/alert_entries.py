"""How alerts are written into the journal: inside a transaction that the desk holds, always with their history."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from msgspec import Struct, structs
from sqlalchemy.engine import Connection

from alerts import tables
from alerts.alert import (
    FINDING_KINDS,
    LIFTWATCH,
    SUPPRESSION_CHANGES,
    Alert,
    AlertChange,
    AlertKind,
    AlertState,
    Suppression,
    cause_of,
    changed,
    open_key_of,
)
from alerts.journal import alert_of, chunks
from alerts.outbox import tell_alert
from alerts.quiet import RINGS, Quiet
from alerts.rules import Rule
from ingest.database import insert_new

# What is acknowledged and has this priority, or a higher one, must not be forgotten.
URGENT_PRIORITY = 2


class UnknownAlertError(LookupError):
    """There is no alert of that id."""


class NewAlert(Struct, frozen=True, kw_only=True):
    """An alert that is about to be raised, and the rule that says so.

    `heard_at` is when we first heard of it, where it did not ring at once: from then on its arrival clock runs.
    """

    lift_id: str
    kind: str
    code: str | None
    raised_at: datetime
    received_at: datetime
    message: str
    evidence: list[dict[str, Any]]
    rule: Rule
    heard_at: datetime | None = None

    @property
    def cause(self) -> str:
        """Return what its work order is about."""
        return cause_of(self.kind, self.code)

    @property
    def clock_from(self) -> datetime:
        """Return the instant from which its arrival clock runs."""
        return self.heard_at or self.received_at


def open_alert(connection: Connection, new: NewAlert, quiet: Quiet = RINGS) -> int | None:
    """Write an alert down as raised and return its id; None where the same lift and cause has an open one.

    One that does not ring is written down all the same, with the reason.
    """
    rings = quiet.suppression is Suppression.NONE
    row = {
        **{name: getattr(new, name) for name in ("lift_id", "kind", "code", "cause", "message", "evidence")},
        **{name: getattr(new.rule, name) for name in ("priority", "guidance", "source")},
        "state": AlertState.ACTIVE_UNACKNOWLEDGED.value,
        "open_key": open_key_of(new.lift_id, new.kind, new.code),
        "raised_at": new.raised_at,
        "received_at": new.received_at,
        "repeats": 0,
        **silence_columns(quiet),
        "rang": rings,
        "remind_after_min": new.rule.reminds_after_min,
        "remind_at": reminded_at(new.received_at, new.rule.reminds_after_min) if rings else None,
    }
    statement = insert_new(connection, tables.alert).values(row)
    unless_open = statement.on_conflict_do_nothing(index_elements=[tables.alert.c.open_key])
    alert_id: int | None = connection.execute(unless_open.returning(tables.alert.c.id)).scalar()
    if alert_id is not None:
        note_alert(connection, alert_id, new.received_at, LIFTWATCH, "raised", new.message)
        if not rings:
            action = SUPPRESSION_CHANGES[Suppression.NONE, quiet.suppression]
            note_alert(connection, alert_id, new.received_at, quiet.by or LIFTWATCH, action, quiet.reason)
        if quiet.suppression is Suppression.SHELVED:
            _count_on_shelf(connection, row["open_key"], "returns")
    return alert_id


def silence_columns(quiet: Quiet) -> dict[str, Any]:
    """Return the columns that say whether and why an alert is silent."""
    is_shelved = quiet.suppression is Suppression.SHELVED
    return {
        "shelved_until": quiet.until if is_shelved else None,
        "shelved_by": quiet.by if is_shelved else None,
        "shelve_reason": quiet.reason if is_shelved else None,
        "suppressed_by": quiet.reason if quiet.suppression is Suppression.SUPPRESSED else None,
        "out_of_service": quiet.suppression is Suppression.OUT_OF_SERVICE,
    }


def reminded_at(at: datetime, after_min: int | None) -> datetime | None:
    """Return when somebody is reminded of what happened at `at` if nothing follows."""
    return None if after_min is None else at + timedelta(minutes=after_min)


def lock_alert(connection: Connection, alert_id: int) -> Alert | None:
    """Return an alert that nobody else can change until the transaction ends."""
    query = sa.select(tables.alert).where(tables.alert.c.id == alert_id).with_for_update()
    row = connection.execute(query).mappings().first()
    return None if row is None else alert_of(row)


def require_alert(connection: Connection, alert_id: int) -> Alert:
    """Return an alert, locked.

    Raises:
        UnknownAlertError: no such alert.
    """
    alert = lock_alert(connection, alert_id)
    if alert is None:
        message = f"no alert {alert_id}"
        raise UnknownAlertError(message)
    return alert


def lock_open_alert(connection: Connection, lift_id: str, kind: str, code: str | None) -> Alert | None:
    """Return the open alert of a lift and cause, locked; None where there is none."""
    key = open_key_of(lift_id, kind, code)
    row = connection.execute(_open().where(tables.alert.c.open_key == key)).mappings().first()
    return None if row is None else alert_of(row)


def open_finding_keys(connection: Connection) -> set[str]:
    """Return the open keys of every open alert that came from a finding."""
    alert = tables.alert
    query = sa.select(alert.c.open_key).where(alert.c.open_key.is_not(None), alert.c.kind.in_(FINDING_KINDS))
    return set(connection.execute(query).scalars())


def lock_open_keys(connection: Connection, keys: Sequence[str]) -> dict[str, Alert]:
    """Return the open alerts of these open keys, locked."""
    rows = connection.execute(_open().where(tables.alert.c.open_key.in_(keys))).mappings()
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

    What nobody was told of is over without a word to anybody.

    Raises:
        IllegalTransitionError: it is acknowledged, or cleared, already.
    """
    state = changed(alert.state, change)
    values: dict[str, Any] = {"state": state}
    if change is AlertChange.ACKNOWLEDGE:
        values |= {"acknowledged_at": at, "acknowledged_by": actor, "remind_at": _reminded_again_at(alert, state, at)}
    else:
        values |= {"cleared_at": cleared_at or at, "remind_at": None}
        if alert.shelved_until is not None:
            _count_on_shelf(connection, open_key_of(alert.lift_id, alert.kind, alert.code), "clears")
    closing = {} if state.is_open else {"open_key": None}
    own = tables.alert.c.id == alert.id
    connection.execute(sa.update(tables.alert).where(own).values({**values, **closing, "state": state.value}))
    action = "acknowledged" if change is AlertChange.ACKNOWLEDGE else "cleared"
    note_alert(connection, alert.id, at, actor, action, note)
    after = structs.replace(alert, **values)
    if alert.rang or change is AlertChange.ACKNOWLEDGE:
        tell_alert(connection, action, at, after, by=actor, note=note)
    return after


def store_silence(connection: Connection, alert: Alert, quiet: Quiet) -> Alert:
    """Write down why a locked alert is silent; nobody is reminded of it."""
    return store_values(connection, alert, {**silence_columns(quiet), "remind_at": None})


def store_values(connection: Connection, alert: Alert, values: dict[str, Any]) -> Alert:
    """Write columns of a locked alert and return it as it then is."""
    connection.execute(sa.update(tables.alert).where(tables.alert.c.id == alert.id).values(values))
    return structs.replace(alert, **values)


def comment_alert(connection: Connection, alert: Alert, at: datetime, actor: str, words: str) -> None:
    """Add a person's words to an alert's history."""
    note_alert(connection, alert.id, at, actor, "commented", words)
    if alert.remind_at is not None:
        store_values(connection, alert, {"remind_at": reminded_at(at, alert.remind_after_min)})
    tell_alert(connection, "commented", at, alert, by=actor, note=words)


def count_repeat(connection: Connection, alert: Alert) -> None:
    """Count one more raise of an alert that is active; no history, or a chattering fault would fill it."""
    own = tables.alert.c.id == alert.id
    connection.execute(sa.update(tables.alert).where(own).values(repeats=tables.alert.c.repeats + 1))
    if alert.shelved_until is not None:
        _count_on_shelf(connection, open_key_of(alert.lift_id, alert.kind, alert.code), "repeats")


def refresh_alert(connection: Connection, alert: Alert, message: str, evidence: list[dict[str, Any]]) -> None:
    """Keep words and evidence of an open alert up to date; writes only what differs, and no history."""
    if (alert.message, alert.evidence) == (message, evidence):
        return
    own = tables.alert.c.id == alert.id
    connection.execute(sa.update(tables.alert).where(own).values(message=message, evidence=evidence))


def reword(connection: Connection, alert: Alert, message: str, rule: Rule, at: datetime) -> Alert:
    """Let a locked alert say more than it did when it was raised, by another rule of its kind, and let it be told."""
    values = {"message": message, "guidance": rule.guidance, "source": rule.source}
    after = store_values(connection, alert, values)
    note_alert(connection, alert.id, at, LIFTWATCH, "changed", message)
    if after.suppression is Suppression.NONE:
        tell_alert(connection, "changed", at, after, by=LIFTWATCH)
    return after


def note_alert(connection: Connection, alert_id: int, at: datetime, actor: str, action: str, note: str | None) -> None:
    """Add a line to an alert's history."""
    row = {"alert_id": alert_id, "at": at, "actor": actor, "action": action, "note": note}
    connection.execute(sa.insert(tables.alert_history).values(row))


def is_noted(connection: Connection, alert_id: int, action: str, note: str) -> bool:
    """Tell whether an alert's history has this line already."""
    history = tables.alert_history
    same = (history.c.alert_id == alert_id) & (history.c.action == action) & (history.c.note == note)
    return connection.execute(sa.select(history.c.id).where(same).limit(1)).first() is not None


def _reminded_again_at(alert: Alert, state: AlertState, at: datetime) -> datetime | None:
    """Acknowledging is not forgetting: what is urgent comes back where nothing happens."""
    waits = state.is_open and alert.priority <= URGENT_PRIORITY and alert.suppression is Suppression.NONE
    return reminded_at(at, alert.remind_after_min) if waits else None


def _count_on_shelf(connection: Connection, key: str, what: str) -> None:
    shelf = tables.shelf
    connection.execute(sa.update(shelf).where(shelf.c.open_key == key).values({what: shelf.c[what] + 1}))


def _open() -> sa.Select[Any]:
    query = sa.select(tables.alert).where(tables.alert.c.open_key.is_not(None))
    return query.order_by(tables.alert.c.id).with_for_update()
