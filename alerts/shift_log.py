"""The monitoring centre's shifts: what was written down, handed over and confirmed (RP-12), and looked at (PT-05)."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any, TypeVar

import msgspec
import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy.engine import Connection, RowMapping

from alerts import standing
from alerts.alert import LIFTWATCH, SERVICE, AlertChange, AlertKind, IllegalTransitionError
from alerts.alert_entries import NewAlert, change_alert, lock_open_alert
from alerts.journal import Journal
from alerts.outbox import tell
from alerts.ringing import ring
from alerts.rules import RuleBook
from alerts.shift_tables import handover, round_record, shift_entry
from ingest.database import insert_new

# Nobody knows who is in charge for longer than this without somebody being told.
CONFIRM_WITHIN = timedelta(minutes=30)
ROUND_DAYS = 7
_T = TypeVar("_T", bound=Struct)


class UnknownHandoverError(LookupError):
    """There is no such hand-over."""


class ShiftEntry(Struct, frozen=True, kw_only=True):
    """One line of the shift log. Nothing is ever changed in it; who was wrong writes another."""

    id: int
    at: datetime
    actor: str
    text: str
    lift_id: str | None
    alert_id: int | None
    work_order_id: int | None


class Handover(Struct, frozen=True, kw_only=True):
    """What one shift handed to the next, with what stood at that moment; `confirmed_at` None: nobody has taken it."""

    id: int
    handed_at: datetime
    outgoing: str
    text: str
    standing: dict[str, Any]
    confirmed_at: datetime | None
    incoming: str | None
    remark: str | None


class Check(Struct, frozen=True, kw_only=True):
    """One thing that a round looked at, and whether it works."""

    system: str
    works: bool
    note: str | None = None


class RoundRecord(Struct, frozen=True, kw_only=True):
    """One round of a day: who looked at what, with which result."""

    id: int
    day: date
    at: datetime
    actor: str
    checks: list[Check]
    note: str | None


class ShiftLog:
    """Writes and reads the log of the shifts, their hand-overs and their rounds."""

    def __init__(self, journal: Journal, rules: RuleBook) -> None:
        """Write into the database of `journal`; a hand-over that nobody confirms rings after `rules`."""
        self._journal = journal
        self._rules = rules

    def note(self, by: str, now: datetime, text: str, **about: str | int | None) -> ShiftEntry:
        """Write a line; `about`: `lift_id`, `alert_id`, `work_order_id` where it is about one."""
        row = {"at": now, "actor": by, "text": text, **about}
        with self._journal.writing() as connection:
            written = _inserted(connection, shift_entry, row)
            _tell(connection, "noted", now, by, text)
        return _struct(ShiftEntry, written)

    def hand_over(self, by: str, now: datetime, text: str) -> Handover:
        """Hand the shift over: what stands is listed by us and kept with it, so that nothing is left out.

        Raises:
            IllegalTransitionError: another hand-over waits to be confirmed.
        """
        row = {"open_key": 1, "handed_at": now, "outgoing": by, "text": text, "due_at": now + CONFIRM_WITHIN}
        with self._journal.writing() as connection:
            insert = insert_new(connection, handover).values(**row, standing=standing.as_of(connection))
            unless_open = insert.on_conflict_do_nothing(index_elements=[handover.c.open_key])
            written = connection.execute(unless_open.returning(handover)).mappings().first()
            if written is None:
                message = "a hand-over waits to be confirmed; nobody has taken the shift yet"
                raise IllegalTransitionError(message)
            _tell(connection, "handed-over", now, by, text)
        return _struct(Handover, written)

    def confirm(self, handover_id: int, by: str, now: datetime, remark: str | None = None) -> Handover:
        """Take the shift over.

        Raises:
            UnknownHandoverError: there is none.
            IllegalTransitionError: it was confirmed already, or by whom it was written.
        """
        with self._journal.writing() as connection:
            query = sa.select(handover).where(handover.c.id == handover_id).with_for_update()
            row = connection.execute(query).mappings().first()
            _require_confirmable(row, handover_id, by)
            values = {"open_key": None, "due_at": None, "confirmed_at": now, "incoming": by, "remark": remark}
            update = sa.update(handover).where(handover.c.id == handover_id).values(values).returning(handover)
            written = connection.execute(update).mappings().one()
            alert = lock_open_alert(connection, SERVICE, AlertKind.HANDOVER_UNCONFIRMED, _code(handover_id))
            if alert is not None:
                change_alert(connection, alert, AlertChange.CLEAR, now, LIFTWATCH, f"confirmed by {by}")
            _tell(connection, "confirmed", now, by, remark or "")
        return _struct(Handover, written)

    def record_round(self, by: str, now: datetime, day: date, checks: Sequence[Check], note: str | None) -> RoundRecord:
        """Write down a round of `day`: at least one thing was looked at."""
        kept = [msgspec.to_builtins(check) for check in checks]
        row = {"day": day, "at": now, "actor": by, "checks": kept, "note": note}
        broken = [check.system for check in checks if not check.works]
        with self._journal.writing() as connection:
            written = _inserted(connection, round_record, row)
            _tell(connection, "round", now, by, f"does not work: {', '.join(broken)}" if broken else "all works")
        return _struct(RoundRecord, written)

    def entries(self, *, limit: int, before_id: int | None = None) -> list[ShiftEntry]:
        """Return at most `limit` lines below `before_id`, newest first."""
        return [_struct(ShiftEntry, row) for row in self._page(shift_entry, limit, before_id)]

    def handovers(self, *, limit: int, before_id: int | None = None) -> list[Handover]:
        """Return at most `limit` hand-overs below `before_id`, newest first."""
        return [_struct(Handover, row) for row in self._page(handover, limit, before_id)]

    def handover(self, handover_id: int) -> Handover:
        """Return one hand-over.

        Raises:
            UnknownHandoverError: there is none.
        """
        found = self.handovers(limit=1, before_id=handover_id + 1)
        if not found or found[0].id != handover_id:
            raise _unknown(handover_id)
        return found[0]

    def rounds(self, *, limit: int, before_id: int | None = None) -> list[RoundRecord]:
        """Return at most `limit` rounds below `before_id`, newest first."""
        return [_struct(RoundRecord, row) for row in self._page(round_record, limit, before_id)]

    def days_without_round(self, today: date) -> list[date]:
        """Return the days of the last week, `today` included, of which no round is recorded."""
        week = [today - timedelta(days=number) for number in range(ROUND_DAYS)]
        query = sa.select(round_record.c.day).where(round_record.c.day.in_(week)).distinct()
        with self._journal.reading() as connection:
            done = set(connection.execute(query).scalars())
        return sorted(set(week) - done)

    def standing(self) -> dict[str, Any]:
        """Return what stands now, as a hand-over would keep it."""
        with self._journal.reading() as connection:
            return standing.as_of(connection)

    def watch(self, now: datetime) -> int:
        """Ring for a hand-over that nobody has confirmed in time; return for how many."""
        is_due = handover.c.due_at <= now
        with self._journal.reading() as connection:
            if connection.execute(sa.select(handover.c.id).where(is_due).limit(1)).first() is None:
                return 0
        with self._journal.writing() as connection:
            late = sa.update(handover).where(is_due).values(due_at=None).returning(handover)
            rows = connection.execute(late).mappings().all()
            return sum(ring(connection, self._unconfirmed(row, now)) is not None for row in rows)

    def _unconfirmed(self, row: RowMapping, now: datetime) -> NewAlert:
        rule = self._rules.rule(AlertKind.HANDOVER_UNCONFIRMED)
        reason = f"{row['outgoing']} handed over at {row['handed_at']:%Y-%m-%d %H:%M} UTC"
        return NewAlert(
            lift_id=SERVICE,
            kind=AlertKind.HANDOVER_UNCONFIRMED.value,
            code=_code(row["id"]),
            raised_at=now,
            received_at=now,
            message=rule.words(lift_id=SERVICE, reason=reason),
            evidence=[{"handover_id": row["id"], "outgoing": row["outgoing"]}],
            rule=rule,
        )

    def _page(self, table: sa.Table, limit: int, before_id: int | None) -> Sequence[RowMapping]:
        query = sa.select(table).order_by(table.c.id.desc()).limit(limit)
        if before_id is not None:
            query = query.where(table.c.id < before_id)
        with self._journal.reading() as connection:
            rows: Sequence[RowMapping] = connection.execute(query).mappings().all()
        return rows


def _require_confirmable(row: RowMapping | None, handover_id: int, by: str) -> None:
    if row is None:
        raise _unknown(handover_id)
    if row["confirmed_at"] is not None:
        message = f"{row['incoming']} has confirmed it already"
        raise IllegalTransitionError(message)
    if row["outgoing"].casefold() == by.casefold():
        message = "whoever goes cannot confirm for whoever comes"
        raise IllegalTransitionError(message)


def _inserted(connection: Connection, table: sa.Table, row: dict[str, Any]) -> RowMapping:
    return connection.execute(sa.insert(table).values(row).returning(table)).mappings().one()


def _struct(kind: type[_T], row: RowMapping) -> _T:
    return msgspec.convert({name: row[name] for name in kind.__struct_fields__}, kind)


def _tell(connection: Connection, what: str, now: datetime, by: str, text: str) -> None:
    tell(connection, f"shift.{what}", now, lift_id=SERVICE, body={"by": by, "text": text})


def _code(handover_id: int) -> str:
    return f"handover-{handover_id}"


def _unknown(handover_id: int) -> UnknownHandoverError:
    message = f"There is no hand-over {handover_id}."
    return UnknownHandoverError(message)
