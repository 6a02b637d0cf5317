"""Making alerts silent and letting them ring again: by design it restores itself, and what still stands then rings.

`inhibit` is for a greater alert that explains lesser ones: a building without power, a gateway that is lost. They are
written down below it, call nobody, and are looked at again once it is over and the lifts had the time to come back.
"""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa
from msgspec import structs
from sqlalchemy.engine import Connection

from alerts import tables
from alerts.alert import (
    LIFTWATCH,
    PEOPLE,
    SUPPRESSION_CHANGES,
    Alert,
    AlertChange,
    Suppression,
    changed,
)
from alerts.alert_entries import (
    NewAlert,
    lock_alert,
    note_alert,
    reminded_at,
    silence_columns,
    store_silence,
    store_values,
)
from alerts.journal import alert_of, chunks
from alerts.outbox import tell_alert
from alerts.quiet import RINGS, Quiet, Source, quiet_of
from alerts.ringing import see_to_order
from alerts.rules import RuleBook
from ingest.database import insert_new

# Controllers start again after a cut, gateways connect again: until then what was explained stays explained.
RETURN_GRACE = timedelta(minutes=2)
# Whoever sees to shelves has been away, or had no row to see.
SHELF_FORGOTTEN_AFTER = timedelta(minutes=1)
_table = tables.suppression


def silence(
    connection: Connection, alert: Alert, quiet: Quiet, at: datetime, *, by: str = LIFTWATCH, note: str | None = None
) -> Alert:
    """Make a locked, open alert silent for the reason that `quiet` gives; who was told of it is told this too."""
    action = SUPPRESSION_CHANGES[alert.suppression, quiet.suppression]
    after = store_silence(connection, alert, quiet)
    words = "; ".join(part for part in (quiet.reason, note) if part) or None
    note_alert(connection, alert.id, at, by, action, words)
    if alert.suppression is Suppression.NONE:
        told = "shelved" if quiet.suppression is Suppression.SHELVED else "suppressed"
        tell_alert(connection, told, at, after, by=by, note=words)
    return after


def reconsider(
    connection: Connection,
    rules: RuleBook,
    alert: Alert,
    now: datetime,
    *,
    by: str = LIFTWATCH,
    action: str | None = None,
    note: str | None = None,
) -> Alert:
    """Look again at a locked, open alert that is silent: it rings as soon as no reason is left.

    `action` is what stands in the history then, instead of what the change is called by itself.
    """
    quiet = quiet_of(connection, alert.lift_id, alert.kind, alert.code, alert.priority, now)
    if quiet.suppression is Suppression.NONE:
        return _ring_again(connection, rules, alert, now, by, action, note)
    if quiet.suppression is not alert.suppression:
        return silence(connection, alert, quiet, now, by=by, note=note)
    columns = silence_columns(quiet)
    is_same = all(getattr(alert, name) == value for name, value in columns.items())
    return alert if is_same else store_values(connection, alert, columns)


def is_as_it_was(connection: Connection, alert: Alert, now: datetime) -> bool:
    """Tell whether a silent alert is silent for the same reason as before."""
    quiet = quiet_of(connection, alert.lift_id, alert.kind, alert.code, alert.priority, now)
    return all(getattr(alert, name) == value for name, value in silence_columns(quiet).items())


def inhibit(
    connection: Connection,
    parent_id: int,
    lift_ids: Sequence[str],
    kinds: Collection[str],
    now: datetime,
    *,
    since: datetime,
) -> None:
    """Let alerts of these lifts and kinds hang below the open alert `parent_id`, never one of priority 1.

    Open ones that were raised after `since` fall silent; those that come while the parent is open do not ring. Told
    again it adds lifts that are new.
    """
    names = sorted(set(kinds) - PEOPLE)
    rows = [_inhibition(parent_id, lift_id, names, now) for lift_id in sorted(set(lift_ids))]
    alert = tables.alert
    for chunk in chunks(rows):
        insert = insert_new(connection, _table).on_conflict_do_nothing(index_elements=[_table.c.open_key])
        connection.execute(insert, chunk)
        ids = [row["lift_id"] for row in chunk]
        ringing = (
            sa.select(alert)
            .where(alert.c.lift_id.in_(ids), alert.c.open_key.is_not(None), alert.c.kind.in_(names))
            .where(alert.c.received_at >= since, alert.c.priority > 1, alert.c.id != parent_id)
            .where(alert.c.suppressed_by.is_(None), ~alert.c.out_of_service)
            .order_by(alert.c.id)
            .with_for_update()
        )
        quiet = Quiet(suppression=Suppression.SUPPRESSED, reason=f"alert {parent_id}")
        for row in connection.execute(ringing).mappings().all():
            silence(connection, alert_of(row), quiet, now)


def release(connection: Connection, parent_id: int, now: datetime) -> None:
    """Say that a greater alert is over: what hangs below it is looked at again after a moment."""
    below = (_table.c.alert_id == parent_id) & _table.c.ended_at.is_(None) & _table.c.until.is_(None)
    until = now + RETURN_GRACE
    connection.execute(sa.update(_table).where(below).values(until=until, due_at=until))


def hangs_below_what_is_over() -> sa.ColumnElement[bool]:
    """Tell of a row of `suppression` whether it hangs below an alert that is cleared, by whomever, as if it stood.

    Not joined: a database may begin a join with all alerts that are over, which are ever more.
    """
    above = tables.alert.alias()
    key = sa.select(above.c.open_key).where(above.c.id == _table.c.alert_id).scalar_subquery()
    return sa.and_(_table.c.ended_at.is_(None), _table.c.until.is_(None), _table.c.alert_id.is_not(None), key.is_(None))


def over_without_release(connection: Connection) -> list[int]:
    """Return alerts that are cleared while others still hang below them."""
    query = sa.select(_table.c.alert_id).distinct().where(hangs_below_what_is_over()).order_by(_table.c.alert_id)
    return [alert_id for alert_id in connection.execute(query).scalars() if alert_id is not None]


def silent_alerts(connection: Connection, after_id: int, limit: int, now: datetime) -> list[Alert]:
    """Return open alerts that are suppressed, out of service, or on a shelf whose time is long over, the oldest first.

    The end of a shelf rings by itself, unless its alert was raised by somebody else at that very moment.
    """
    alert = tables.alert
    # Few are silent: asked by their number alone, a database would go through all that ever were.
    number = alert.c.id + 0
    query = (
        sa.select(alert)
        .where(tables.IS_SILENT, number > after_id)
        .where(
            alert.c.suppressed_by.is_not(None)
            | alert.c.out_of_service
            | (alert.c.shelved_until <= now - SHELF_FORGOTTEN_AFTER)
        )
        .order_by(number)
        .limit(limit)
    )
    return [alert_of(row) for row in connection.execute(query).mappings()]


def _inhibition(parent_id: int, lift_id: str, kinds: list[str], now: datetime) -> dict[str, object]:
    return {
        "lift_id": lift_id,
        "source": Source.ALERT.value,
        "kinds": kinds,
        "alert_id": parent_id,
        "open_key": f"{Source.ALERT.value}/{parent_id}/{lift_id}",
        "since": now,
        "by": LIFTWATCH,
    }


def _ring_again(
    connection: Connection,
    rules: RuleBook,
    alert: Alert,
    now: datetime,
    by: str,
    action: str | None,
    note: str | None,
) -> Alert:
    state = changed(alert.state, AlertChange.RETURN)
    own = action or SUPPRESSION_CHANGES[alert.suppression, Suppression.NONE]
    values = {
        **silence_columns(RINGS),
        "state": state.value,
        "acknowledged_at": None,
        "acknowledged_by": None,
        "rang": True,
        "remind_at": reminded_at(now, alert.remind_after_min),
    }
    after = structs.replace(store_values(connection, alert, values), state=state)
    note_alert(connection, alert.id, now, by, own, note)
    see_to_order(connection, alert.id, _as_new(rules, alert, now))
    after = lock_alert(connection, alert.id) or after
    tell_alert(connection, own, now, after, by=by, note=note)
    return after


def _as_new(rules: RuleBook, alert: Alert, now: datetime) -> NewAlert:
    return NewAlert(
        lift_id=alert.lift_id,
        kind=alert.kind,
        code=alert.code,
        raised_at=alert.raised_at,
        received_at=now,
        message=alert.message,
        evidence=alert.evidence,
        rule=rules.rule(alert.kind, alert.code),
    )
