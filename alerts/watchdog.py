"""Silence: when each lift last spoke, and by when it has to speak again, as stored instants.

A restart forgets nothing, and several processes need no lock: a lift whose `due_at` has passed is claimed by one
conditional UPDATE. The contract has no heartbeat, so that a quiet lift is given hours; the last will of a lift's
connection shortens that to the time that a controller needs to start again.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy.engine import Connection

from alerts import tables
from alerts.journal import chunks
from ingest.clock import from_ms
from ingest.database import insert_new
from ingest.messages import Kind, Message


class Heard(Struct, frozen=True, kw_only=True):
    """What a batch tells of one lift's contact.

    `spoke_ms` is our clock at its newest message (None: nothing but a last will); `lost_ms` is our clock at a last
    will with no message behind it.
    """

    lift_id: str
    spoke_ms: int | None
    lost_ms: int | None


class Lost(Struct, frozen=True):
    """A lift that has been claimed as silent."""

    lift_id: str
    last_message_at: datetime
    connected: bool


class Watchdog:
    """Keeps `contact`. What it remembers in memory saves writes and is safe to lose."""

    def __init__(self, *, silence_s_max: float, disconnect_grace_s: float, contact_write_s: float) -> None:
        """Call a lift silent after `silence_s_max`, or `disconnect_grace_s` after its last will.

        A lift that speaks all the time is written down once in `contact_write_s`, not for every message.
        """
        # Half of the silence at most, so that a lift that speaks all the time is never called silent between writes.
        write_s = min(contact_write_s, silence_s_max / 2)
        self._silence = timedelta(seconds=silence_s_max)
        self._grace = timedelta(seconds=disconnect_grace_s)
        self._write_ms = round(write_s * 1000)
        self._written: dict[str, Heard] = {}
        self._expected: Mapping[str, timedelta] = {}

    def expect(self, silence_s_max: Mapping[str, float]) -> None:
        """Take what the register says of lifts that may be silent for less than the others."""
        self._expected = {
            lift_id: min(timedelta(seconds=seconds), self._silence) for lift_id, seconds in silence_s_max.items()
        }

    @property
    def silence(self) -> timedelta:
        """Return how long a lift may say nothing of which the register says no less."""
        return self._silence

    def silence_of(self, lift_id: str) -> timedelta:
        """Return how long a lift may say nothing."""
        return self._expected.get(lift_id, self._silence)

    def news(self, messages: Sequence[Message]) -> list[Heard]:
        """Return what has to be written of a batch, ordered by lift."""
        spoke_ms: dict[str, int] = {}
        lost_ms: dict[str, int] = {}
        for message in messages:
            lift_id = message.lift_id
            if message.kind is Kind.STATE and message.body.connected is False:  # type: ignore[attr-defined]
                lost_ms[lift_id] = message.received_ms
                continue
            spoke_ms[lift_id] = message.received_ms
            if lost_ms:
                lost_ms.pop(lift_id, None)
        written, most_ms = self._written, self._write_ms
        heard = []
        for lift_id, newest_ms in spoke_ms.items():
            known = written.get(lift_id)
            is_as_before = known is not None and known.lost_ms is None and lift_id not in lost_ms
            written_ms = known.spoke_ms if known is not None and is_as_before else None
            if written_ms is None or abs(newest_ms - written_ms) >= most_ms:
                heard.append(Heard(lift_id=lift_id, spoke_ms=newest_ms, lost_ms=lost_ms.get(lift_id)))
        heard += [
            Heard(lift_id=lift_id, spoke_ms=None, lost_ms=at_ms)
            for lift_id, at_ms in lost_ms.items()
            if lift_id not in spoke_ms
        ]
        return sorted((each for each in heard if self._is_news(each)), key=lambda each: each.lift_id)

    def write(self, connection: Connection, news: Sequence[Heard]) -> None:
        """Write contacts down; what another process wrote later stays."""
        spoke = [self._spoke_row(heard) for heard in news if heard.spoke_ms is not None]
        lost = [self._lost_row(heard) for heard in news if heard.spoke_ms is None]
        table = tables.contact
        insert = insert_new(connection, table)
        is_newer = table.c.last_message_at <= insert.excluded.last_message_at
        own = [table.c.lift_id]
        if spoke:
            every = {name: insert.excluded[name] for name in ("last_message_at", "connected", "due_at")}
            connection.execute(insert.on_conflict_do_update(index_elements=own, set_=every, where=is_newer), spoke)
        if lost:
            # A lift that has been called silent stays called; a will that is told again changes nothing.
            due_at = sa.case((table.c.due_at.is_(None), None), else_=insert.excluded.due_at)
            fallen = insert.on_conflict_do_update(
                index_elements=own, set_={"connected": False, "due_at": due_at}, where=is_newer & table.c.connected
            )
            connection.execute(fallen, lost)

    def remember(self, news: Sequence[Heard]) -> None:
        """Note what has been committed, so that it is not written again for a while."""
        self._written.update({heard.lift_id: heard for heard in news})

    def late(self, connection: Connection, now: datetime, wills_from: datetime | None = None) -> list[str]:
        """Return every lift whose time has passed, in order.

        With `wills_from` only those whose last will came of late: their time passed at that instant or after it.
        """
        table = tables.contact
        query = sa.select(table.c.lift_id).where(table.c.due_at <= now).order_by(table.c.lift_id)
        if wills_from is not None:
            query = query.where(~table.c.connected, table.c.due_at >= wills_from)
        return list(connection.execute(query).scalars())

    def claim(self, connection: Connection, now: datetime, lift_ids: Sequence[str]) -> list[Lost]:
        """Take those of these lifts whose time has passed, so that nobody else does; ordered by lift."""
        return sorted(
            (lost for chunk in chunks(lift_ids) for lost in _claimed(connection, now, chunk)),
            key=lambda lost: lost.lift_id,
        )

    def reason(self, lost: Lost) -> str:
        """Return why a lift is called silent, for an operator."""
        last = f"last message {lost.last_message_at:%Y-%m-%d %H:%M} UTC"
        if not lost.connected:
            return f"its connection was lost, {last}"
        return f"nothing for {self.silence_of(lost.lift_id).total_seconds() / 3600:g} h, {last}"

    def _is_news(self, heard: Heard) -> bool:
        known = self._written.get(heard.lift_id)
        if known is None or (known.lost_ms is None) != (heard.lost_ms is None):
            return True
        if heard.spoke_ms is None:
            return False
        return known.spoke_ms is None or abs(heard.spoke_ms - known.spoke_ms) >= self._write_ms

    def _spoke_row(self, heard: Heard) -> dict[str, object]:
        assert heard.spoke_ms is not None
        spoke_at = from_ms(heard.spoke_ms)
        due_at = (
            spoke_at + self.silence_of(heard.lift_id) if heard.lost_ms is None else from_ms(heard.lost_ms) + self._grace
        )
        connected = heard.lost_ms is None
        return {"lift_id": heard.lift_id, "last_message_at": spoke_at, "connected": connected, "due_at": due_at}

    def _lost_row(self, heard: Heard) -> dict[str, object]:
        assert heard.lost_ms is not None
        lost_at = from_ms(heard.lost_ms)
        return {
            "lift_id": heard.lift_id,
            "last_message_at": lost_at,
            "connected": False,
            "due_at": lost_at + self._grace,
        }


def _claimed(connection: Connection, now: datetime, lift_ids: Sequence[str]) -> list[Lost]:
    table = tables.contact
    # In one order and past rows that somebody is writing: they are looked at again the next time.
    late = sa.select(table.c.lift_id).where(table.c.lift_id.in_(lift_ids), table.c.due_at <= now)
    held = late.order_by(table.c.lift_id).with_for_update(skip_locked=True)
    claim = sa.update(table).where(table.c.lift_id.in_(held) & (table.c.due_at <= now)).values(due_at=None)
    rows = connection.execute(claim.returning(table.c.lift_id, table.c.last_message_at, table.c.connected))
    return [Lost(*row) for row in rows]
