"""The car's alarm equipment (EN 81-28): test calls at least every 72 h, its battery and voice link, filtered presses.

A missing test call is a fault of the alarm equipment, not of the lift. When the next one is due is a stored instant,
claimed by one conditional UPDATE, so that a restart forgets nothing and two processes raise one alert.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy.engine import Connection

from alerts import tables
from alerts.alert import LIFTWATCH, Alert, AlertChange, AlertKind
from alerts.alert_entries import NewAlert, change_alert, lock_open_alert
from alerts.journal import Journal, chunks
from alerts.ringing import ring
from alerts.rules import RuleBook
from ingest.database import insert_new
from ingest.fleet_register import lift as registered
from ingest.messages import Alarm, Message

_table = tables.alarm_equipment
_PARTS = {"battery": "battery_ok", "voice": "voice_ok"}
# Nothing here is a matter of seconds.
WATCH_EVERY = timedelta(seconds=30)
_EMPTY = {"filtered_recently": 0, "filtered_total": 0}


class EquipmentSettings(Struct, frozen=True, kw_only=True):
    """When the alarm equipment is called faulty.

    EN 81-28 asks for a test call every `test_every_s` (72 h); `test_grace_s` on top. `filtered_max` presses filtered
    within `filtered_window_s` want somebody to look; that is over `filtered_quiet_s` after the last one. Nobody is
    called silent before we have heard the broker for `heard_s_min`.
    """

    test_every_s: float = 72 * 3600
    test_grace_s: float = 6 * 3600
    filtered_max: int = 3
    filtered_window_s: float = 600
    filtered_quiet_s: float = 3600
    heard_s_min: float = 3600


class AlarmEquipment:
    """Keeps what is known of each lift's alarm equipment, and raises and clears its alerts."""

    def __init__(self, journal: Journal, rules: RuleBook, settings: EquipmentSettings | None = None) -> None:
        """Read through `journal`; raise by `rules`."""
        self._journal = journal
        self._rules = rules
        self._settings = settings or EquipmentSettings()
        self._well: set[str] = set()
        self._watched_at: datetime | None = None

    def news(self, messages: Sequence[Message]) -> list[Message]:
        """Return the messages that say something of the equipment, by lift."""
        about = [message for message in messages if isinstance(message.body, Alarm) and self._is_news(message)]
        return sorted(about, key=lambda message: message.lift_id)

    def take(self, connection: Connection, about: Sequence[Message]) -> None:
        """Write down what messages say of the equipment, and see to its alerts; again changes nothing."""
        for message in about:
            body = message.body
            assert isinstance(body, Alarm)
            row = _locked(connection, message.lift_id)
            if body.type == "test":
                self._test(connection, row, message)
            elif body.type == "filtered":
                self._filtered(connection, row, message)
            if body.battery_ok is not None or body.voice_ok is not None:
                self._check(connection, row, message)

    def remember(self, about: Sequence[Message]) -> None:
        """Note what has been committed: whose parts are well needs not be written with each press."""
        for message in about:
            (self._well.add if _is_well(message) else self._well.discard)(message.lift_id)

    def watch(self, now: datetime, receiving_since: datetime | None) -> int:
        """Raise an alert for each test call that is missing, and end those about filtered presses; return how many."""
        if self._watched_at is not None and now - self._watched_at < WATCH_EVERY:
            return 0
        self._watched_at = now
        heard = receiving_since is not None and (now - receiving_since).total_seconds() >= self._settings.heard_s_min
        due = _table.c.filtered_until <= now
        if heard:
            self._adopt(now)
            due = sa.or_(due, _table.c.test_due_at <= now)
        with self._journal.reading() as connection:
            if connection.execute(sa.select(_table.c.lift_id).where(due).limit(1)).first() is None:
                return 0
        with self._journal.writing() as connection:
            self._end_filtered(connection, now)
            return self._call_silent(connection, now) if heard else 0

    def _is_news(self, message: Message) -> bool:
        body = message.body
        assert isinstance(body, Alarm)
        if body.type in {"test", "filtered"}:
            return True
        says = body.battery_ok is not None or body.voice_ok is not None
        return says and not (_is_well(message) and message.lift_id in self._well)

    def _test(self, connection: Connection, row: dict[str, Any], message: Message) -> None:
        tested_at = message.happened_at
        if row["last_test_at"] is not None and tested_at <= row["last_test_at"]:
            return
        _store(connection, message.lift_id, last_test_at=tested_at, test_due_at=self._due(tested_at))
        alert = lock_open_alert(connection, message.lift_id, AlertKind.ALARM_EQUIPMENT_SILENT, None)
        if alert is not None:
            _clear(connection, alert, message.received_at, "a test call has come")

    def _filtered(self, connection: Connection, row: dict[str, Any], message: Message) -> None:
        at = message.happened_at
        if row["filtered_last_at"] is not None and at <= row["filtered_last_at"]:
            return
        window = timedelta(seconds=self._settings.filtered_window_s)
        goes_on = row["filtered_since"] is not None and at - row["filtered_since"] <= window
        recently = row["filtered_recently"] + 1 if goes_on else 1
        is_many = recently >= self._settings.filtered_max and not message.late
        until = at + timedelta(seconds=self._settings.filtered_quiet_s)
        _store(
            connection,
            message.lift_id,
            filtered_since=row["filtered_since"] if goes_on else at,
            filtered_recently=recently,
            filtered_total=row["filtered_total"] + 1,
            filtered_last_at=at,
            filtered_until=until if is_many or row["filtered_until"] is not None else None,
        )
        if is_many:
            reason = f"{recently} presses filtered within {self._settings.filtered_window_s / 60:g} min"
            self._ring(connection, message.lift_id, AlertKind.FILTERED_ALARMS, None, message.received_at, reason)

    def _check(self, connection: Connection, row: dict[str, Any], message: Message) -> None:
        body, at = message.body, message.happened_at
        if row["checked_at"] is not None and at < row["checked_at"]:
            return
        _store(connection, message.lift_id, checked_at=at)
        for part, column in _PARTS.items():
            is_ok = getattr(body, column)
            if is_ok is None:
                continue
            _store(connection, message.lift_id, **{column: is_ok})
            alert = lock_open_alert(connection, message.lift_id, AlertKind.ALARM_EQUIPMENT_FAULT, part)
            if not is_ok and not message.late:
                kind, received_at = AlertKind.ALARM_EQUIPMENT_FAULT, message.received_at
                words = {"battery": "its battery is not in order", "voice": "its voice link does not work"}[part]
                self._ring(connection, message.lift_id, kind, part, received_at, words)
            elif is_ok and alert is not None:
                _clear(connection, alert, message.received_at, f"the equipment reports its {part} well")

    def _adopt(self, now: datetime) -> None:
        """Give a first test call a time where the register says that there are test calls and none ever came."""
        unknown = sa.select(registered.c.lift_id).where(registered.c.alarm_tests, _table.c.lift_id.is_(None))
        query = unknown.join_from(registered, _table, registered.c.lift_id == _table.c.lift_id, isouter=True)
        with self._journal.reading() as connection:
            lift_ids = sorted(connection.execute(query).scalars())
        if lift_ids:
            rows = [{**_EMPTY, "lift_id": lift_id, "test_due_at": self._due(now)} for lift_id in lift_ids]
            with self._journal.writing() as connection:
                connection.execute(insert_new(connection, _table).on_conflict_do_nothing(), rows)

    def _call_silent(self, connection: Connection, now: datetime) -> int:
        late = sa.select(_table.c.lift_id).where(_table.c.test_due_at <= now).order_by(_table.c.lift_id)
        is_late = _table.c.lift_id.in_(late.with_for_update(skip_locked=True)) & (_table.c.test_due_at <= now)
        claim = sa.update(_table).where(is_late).values(test_due_at=None)
        rows = connection.execute(claim.returning(_table.c.lift_id, _table.c.last_test_at)).all()
        silent = _silent(connection, [row.lift_id for row in rows], now)
        for row in sorted(rows):
            if row.lift_id in silent:  # a lift that says nothing at all has an alert of its own
                again_at = now + timedelta(seconds=self._settings.test_grace_s)
                _store(connection, row.lift_id, test_due_at=again_at)
                continue
            last = "never" if row.last_test_at is None else f"{row.last_test_at:%Y-%m-%d %H:%M} UTC"
            reason = f"no test call for {self._settings.test_every_s / 3600:g} h, the last {last}"
            self._ring(connection, row.lift_id, AlertKind.ALARM_EQUIPMENT_SILENT, None, now, reason)
        return len(rows) - len(silent)

    def _end_filtered(self, connection: Connection, now: datetime) -> None:
        over = _table.c.filtered_until <= now
        claim = sa.update(_table).where(over).values(filtered_until=None)
        for lift_id in sorted(connection.execute(claim.returning(_table.c.lift_id)).scalars()):
            alert = lock_open_alert(connection, lift_id, AlertKind.FILTERED_ALARMS, None)
            if alert is not None:
                _clear(connection, alert, now, "no press was filtered since")

    def _due(self, tested_at: datetime) -> datetime:
        return tested_at + timedelta(seconds=self._settings.test_every_s + self._settings.test_grace_s)

    def _ring(
        self, connection: Connection, lift_id: str, kind: AlertKind, code: str | None, at: datetime, reason: str
    ) -> None:
        rule = self._rules.rule(kind)
        new = NewAlert(
            lift_id=lift_id,
            kind=kind.value,
            code=code,
            raised_at=at,
            received_at=at,
            message=rule.words(lift_id=lift_id, code=code, reason=reason),
            evidence=[{"reason": reason}],
            rule=rule,
        )
        ring(connection, new)


def _locked(connection: Connection, lift_id: str) -> dict[str, Any]:
    insert = insert_new(connection, _table).values(lift_id=lift_id, **_EMPTY).on_conflict_do_nothing()
    connection.execute(insert)
    query = sa.select(_table).where(_table.c.lift_id == lift_id).with_for_update()
    return dict(connection.execute(query).mappings().one())


def _store(connection: Connection, lift_id: str, **values: object) -> None:
    connection.execute(sa.update(_table).where(_table.c.lift_id == lift_id).values(**values))


def _clear(connection: Connection, alert: Alert, at: datetime, note: str) -> None:
    change_alert(connection, alert, AlertChange.CLEAR, at, LIFTWATCH, note)


def _silent(connection: Connection, lift_ids: list[str], now: datetime) -> set[str]:
    contact = tables.contact
    is_silent = contact.c.due_at.is_(None) | (contact.c.due_at <= now)
    queries = (
        sa.select(contact.c.lift_id).where(contact.c.lift_id.in_(chunk), is_silent) for chunk in chunks(lift_ids)
    )
    return {lift_id for query in queries for lift_id in connection.execute(query).scalars()}


def _is_well(message: Message) -> bool:
    body = message.body
    return isinstance(body, Alarm) and body.battery_ok is not False and body.voice_ok is not False
