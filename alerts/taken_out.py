"""People make a lift's alerts silent: somebody has checked in, or the lift is taken out of the alarm system.

A check-in ends by itself. What is taken out may have no end: then it is said again every week that it still stands. An
entrapment and the alarm button of the car ring all the same.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta

import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy.engine import Connection

from alerts import tables
from alerts.alert import LIFTWATCH, PEOPLE, IllegalTransitionError, Suppression
from alerts.journal import alert_of
from alerts.outbox import tell
from alerts.quiet import Source, quiet_of
from alerts.suppression import silence

CHECK_IN_MAX = timedelta(hours=12)
STALE_AFTER = timedelta(days=7)
_table = tables.suppression


class SuppressionEntry(Struct, frozen=True, kw_only=True):
    """Why alerts of a lift are silent: who said so when and why, until when, and who ended it."""

    id: int
    lift_id: str
    source: Source
    kinds: list[str] | None
    alert_id: int | None
    since: datetime
    until: datetime | None
    by: str
    note: str | None
    ended_at: datetime | None
    ended_by: str | None
    end_note: str | None

    def is_stale(self, now: datetime) -> bool:
        """Tell whether it has no end and stands for so long that somebody should ask why."""
        return self.ended_at is None and self.until is None and now - self.since >= STALE_AFTER


class UnknownSuppressionError(LookupError):
    """There is no suppression of that id."""


def check_in(
    connection: Connection, lift_id: str, until: datetime, by: str, note: str | None, now: datetime
) -> SuppressionEntry:
    """Note that somebody works at a lift until `until`: alerts that are raised meanwhile are recorded and do not ring.

    Raises:
        IllegalTransitionError: `until` is not within the next 12 hours.
    """
    if not now < until <= now + CHECK_IN_MAX:
        message = f"a check-in lasts up to {CHECK_IN_MAX / timedelta(hours=1):g} h"
        raise IllegalTransitionError(message)
    row = {
        "lift_id": lift_id,
        "source": Source.CHECK_IN.value,
        "since": now,
        "until": until,
        "due_at": until,
        "by": by,
        "note": note,
    }
    return _insert(connection, row)


def take_out(
    connection: Connection, lift_id: str, kind: str | None, until: datetime | None, by: str, note: str, now: datetime
) -> SuppressionEntry:
    """Take a lift, or one kind of its alerts, out of the alarm system; what rings of it falls silent.

    Raises:
        IllegalTransitionError: it is out already; the kind is about people; no reason; `until` has passed.
    """
    refusal = None
    if kind in PEOPLE:
        refusal = f"cannot take out {kind}: people may be in danger"
    elif not note.strip():
        refusal = "taking something out of the alarm system needs a reason (note)"
    elif until is not None and until <= now:
        refusal = "until: this instant has passed"
    if refusal is not None:
        raise IllegalTransitionError(refusal)
    row = {
        "lift_id": lift_id,
        "source": Source.OUT_OF_SERVICE.value,
        "kinds": None if kind is None else [kind],
        "open_key": f"{Source.OUT_OF_SERVICE.value}/{lift_id}/{kind or ''}",
        "since": now,
        "until": until,
        "due_at": until or now + STALE_AFTER,
        "by": by,
        "note": note,
    }
    entry = _insert(connection, row)
    _silence_open(connection, lift_id, now, by)
    return entry


def end(connection: Connection, entry_id: int, by: str, note: str | None, now: datetime) -> SuppressionEntry:
    """End a check-in, or take a lift back in; its alerts are looked at again within seconds.

    Raises:
        UnknownSuppressionError: no such entry.
        IllegalTransitionError: it has ended already, or belongs to a greater alert and ends with it.
    """
    row = connection.execute(sa.select(_table).where(_table.c.id == entry_id).with_for_update()).mappings().first()
    if row is None:
        message = f"no suppression {entry_id}"
        raise UnknownSuppressionError(message)
    if row["ended_at"] is not None or row["source"] == Source.ALERT:
        message = "it has ended already" if row["ended_at"] else f"it ends with alert {row['alert_id']}"
        raise IllegalTransitionError(message)
    return _end(connection, entry_id, by, note, now)


def see_to_entry(connection: Connection, entry_id: int, now: datetime) -> None:
    """End what is over, or say that it still stands; of several processes one does."""
    own = (_table.c.id == entry_id) & (_table.c.due_at <= now) & _table.c.ended_at.is_(None)
    row = connection.execute(sa.select(_table).where(own).with_for_update()).mappings().first()
    if row is None:
        return
    if row["until"] is not None:
        _end(connection, entry_id, LIFTWATCH, "its time is over", now)
        return
    connection.execute(sa.update(_table).where(own).values(due_at=now + STALE_AFTER))
    body = {"kinds": row["kinds"], "since": row["since"].isoformat(), "by": row["by"], "note": row["note"]}
    tell(connection, "out-of-service.stale", now, lift_id=row["lift_id"], body=body)


def due_entries(connection: Connection, now: datetime, limit: int) -> list[int]:
    """Return what is over, or stands for long."""
    query = sa.select(_table.c.id).where(_table.c.due_at <= now, _table.c.ended_at.is_(None))
    return list(connection.execute(query.order_by(_table.c.id).limit(limit)).scalars())


def entries(
    connection: Connection, *, limit: int, before_id: int | None, lift_id: str | None, source: str | None, ended: bool
) -> list[SuppressionEntry]:
    """Return entries below `before_id`, the newest first; with `ended` those that are over too."""
    query = sa.select(_table).order_by(_table.c.id.desc()).limit(limit)
    if before_id is not None:
        query = query.where(_table.c.id < before_id)
    if not ended:
        query = query.where(_table.c.ended_at.is_(None))
    for name, value in {"lift_id": lift_id, "source": source}.items():
        if value is not None:
            query = query.where(_table.c[name] == value)
    return [_entry_of(row) for row in connection.execute(query).mappings()]


def _silence_open(connection: Connection, lift_id: str, now: datetime, by: str) -> None:
    alert = tables.alert
    query = sa.select(alert).where(alert.c.lift_id == lift_id, alert.c.open_key.is_not(None), ~alert.c.out_of_service)
    for row in connection.execute(query.order_by(alert.c.id).with_for_update()).mappings().all():
        known = alert_of(row)
        quiet = quiet_of(connection, lift_id, known.kind, known.code, known.priority, now)
        if quiet.suppression is Suppression.OUT_OF_SERVICE:
            silence(connection, known, quiet, now, by=by)


def _insert(connection: Connection, row: Mapping[str, object]) -> SuppressionEntry:
    try:
        with connection.begin_nested():
            inserted = connection.execute(sa.insert(_table).values(row).returning(_table)).mappings().one()
    except sa.exc.IntegrityError as error:
        message = "it is out of service already"
        raise IllegalTransitionError(message) from error
    return _entry_of(inserted)


def _end(connection: Connection, entry_id: int, by: str, note: str | None, now: datetime) -> SuppressionEntry:
    values = {"ended_at": now, "ended_by": by, "end_note": note, "open_key": None, "due_at": None}
    statement = sa.update(_table).where(_table.c.id == entry_id).values(values).returning(_table)
    return _entry_of(connection.execute(statement).mappings().one())


def _entry_of(row: sa.RowMapping) -> SuppressionEntry:
    values = {name: row[name] for name in SuppressionEntry.__struct_fields__}
    return SuppressionEntry(**{**values, "source": Source(row["source"])})
