"""Shelves: an operator puts an alert aside for a while, with a reason, and it comes back by itself.

What is shelved is the cause: an alert that clears and returns meanwhile is still aside, and counted. Before the end it
is announced; at the end it is looked at again, and what still stands rings anew, unacknowledged.
"""

from datetime import datetime, timedelta

import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy.engine import Connection

from alerts import tables
from alerts.alert import LIFTWATCH, PEOPLE, Alert, IllegalTransitionError, Suppression, open_key_of
from alerts.alert_entries import lock_alert, lock_open_alert, note_alert
from alerts.lock_order import go_alone
from alerts.outbox import tell_alert
from alerts.quiet import Quiet
from alerts.rules import RuleBook
from alerts.suppression import reconsider, silence

# What the console offers; anything between a minute and the longest may be asked for.
MINUTES_OFFERED = (30, 60, 240, 480, 1_440, 4_320, 10_080)
MINUTES_MAX = 10_080
# What is for at once is put aside for one shift at the most: the next one decides for itself.
URGENT_MINUTES_MAX = 480
# The end is announced this long before, or when three quarters of the time have passed.
ANNOUNCED = timedelta(minutes=10)
_table = tables.shelf


class Shelf(Struct, frozen=True, kw_only=True):
    """A cause that is put aside until an instant, and what has happened meanwhile."""

    open_key: str
    alert_id: int
    shelved_at: datetime
    until: datetime
    due_at: datetime
    by: str
    reason: str
    repeats: int
    clears: int
    returns: int

    @property
    def meanwhile(self) -> str:
        """Return what has happened on the shelf, in words."""
        return f"meanwhile {self.repeats} repeats, {self.clears} clears, {self.returns} returns"


def shelve(connection: Connection, alert: Alert, minutes: int, by: str, reason: str, now: datetime) -> Alert:
    """Put a locked alert aside for `minutes`.

    Raises:
        IllegalTransitionError: people may be in danger; it is cleared, or silent already; no reason; too long.
    """
    _require_shelvable(alert, minutes, reason)
    until = now + timedelta(minutes=minutes)
    row = {
        "open_key": open_key_of(alert.lift_id, alert.kind, alert.code),
        "alert_id": alert.id,
        "shelved_at": now,
        "until": until,
        "due_at": until - min(ANNOUNCED, (until - now) / 4),
        "by": by,
        "reason": reason,
    }
    # An earlier shelf of the cause whose time is over, but which nobody has cleared away yet.
    connection.execute(sa.delete(_table).where(_table.c.open_key == row["open_key"]))
    connection.execute(sa.insert(_table).values(row))
    quiet = Quiet(suppression=Suppression.SHELVED, reason=reason, until=until, by=by)
    return silence(connection, alert, quiet, now, by=by, note=f"until {until.isoformat()}")


def unshelve(connection: Connection, rules: RuleBook, alert: Alert, by: str, now: datetime, note: str | None) -> Alert:
    """Take a cause off its shelf before its time; what still stands rings.

    Raises:
        IllegalTransitionError: it is not on a shelf.
    """
    key = open_key_of(alert.lift_id, alert.kind, alert.code)
    row = connection.execute(sa.delete(_table).where(_table.c.open_key == key).returning(_table)).mappings().first()
    if row is None:
        message = "cannot unshelve an alert that is not shelved"
        raise IllegalTransitionError(message)
    _take_off(connection, rules, _shelf_of(row), now, by, note)
    return lock_alert(connection, alert.id) or alert


def see_to_shelf(connection: Connection, rules: RuleBook, key: str, now: datetime) -> None:
    """Announce the end of a shelf, or end it, whichever is due; of several processes one does."""
    go_alone(connection)  # from the shelf to its alert; what a lift says goes from the alert to its shelf
    own = (_table.c.open_key == key) & (_table.c.due_at <= now)
    ended = connection.execute(sa.delete(_table).where(own, _table.c.until <= now).returning(_table)).mappings().first()
    if ended is not None:
        _take_off(connection, rules, _shelf_of(ended), now, LIFTWATCH, None)
        return
    announce = sa.update(_table).where(own).values(due_at=_table.c.until).returning(_table)
    row = connection.execute(announce).mappings().first()
    if row is None:
        return
    shelf = _shelf_of(row)
    alert = lock_alert(connection, shelf.alert_id)
    if alert is not None:
        note = f"its shelf ends at {shelf.until.isoformat()}; {shelf.meanwhile}"
        note_alert(connection, alert.id, now, LIFTWATCH, "shelf-ends", note)
        tell_alert(connection, "reminded", now, alert, by=LIFTWATCH, note=note)


def due_shelves(connection: Connection, now: datetime, limit: int) -> list[str]:
    """Return the keys of shelves about which something is to be done."""
    query = sa.select(_table.c.open_key).where(_table.c.due_at <= now).order_by(_table.c.open_key).limit(limit)
    return list(connection.execute(query).scalars())


def shelves(connection: Connection, limit: int) -> list[Shelf]:
    """Return what is put aside, by the end of its time."""
    query = sa.select(_table).order_by(_table.c.until, _table.c.open_key).limit(limit)
    return [_shelf_of(row) for row in connection.execute(query).mappings()]


def _require_shelvable(alert: Alert, minutes: int, reason: str) -> None:
    longest = URGENT_MINUTES_MAX if alert.priority == 1 else MINUTES_MAX
    refusal = None
    if alert.kind in PEOPLE:
        refusal = f"cannot shelve {alert.kind}: people may be in danger"
    elif not alert.state.is_open:
        refusal = f"cannot shelve an alert that is {alert.state.value}"
    elif alert.suppression is not Suppression.NONE:
        refusal = f"cannot shelve an alert that is {alert.suppression.value}"
    elif not reason.strip():
        refusal = "shelving an alert needs a reason (note)"
    elif not 1 <= minutes <= longest:
        refusal = f"an alert of priority {alert.priority} can be shelved for 1 to {longest} minutes"
    if refusal is not None:
        raise IllegalTransitionError(refusal)


def _take_off(connection: Connection, rules: RuleBook, shelf: Shelf, now: datetime, by: str, note: str | None) -> None:
    """Look again at what was put aside: it rings where it still stands, and is quietly over where it does not."""
    first = lock_alert(connection, shelf.alert_id)
    if first is None:
        return
    words = "; ".join(part for part in (note, shelf.meanwhile) if part)
    standing = lock_open_alert(connection, first.lift_id, first.kind, first.code)
    if standing is not None and standing.suppression is Suppression.SHELVED:
        action = "returned" if by == LIFTWATCH else "unshelved"
        reconsider(connection, rules, standing, now, by=by, action=action, note=words)
        return
    note_alert(connection, first.id, now, by, "unshelved", words)
    tell_alert(connection, "unshelved", now, first, by=by, note=words)


def _shelf_of(row: sa.RowMapping) -> Shelf:
    return Shelf(**{name: row[name] for name in Shelf.__struct_fields__})
