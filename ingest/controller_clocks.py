"""Which controllers' clocks are wrong, and by how much: learnt from what they send, kept in SQL, used by intake.

Nearly every message comes from a clock that is right, and costs two comparisons. Only clocks that once looked wrong are
watched. What is established is one row for each lift and boot: all workers use the same offset, also after a restart,
so that a message that is delivered again gets the same instant.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import islice

import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy.engine import Connection, Engine

from ingest.clock import from_ms, to_ms
from ingest.clock_estimate import (
    AHEAD_MS_MAX,
    BEHIND_MS_MAX,
    MOVED_MS,
    ClockEstimate,
    Sighting,
    Verdict,
)
from ingest.database import Instant, insert_new, metadata, reading
from ingest.messages import Message

# Watched at most: ten times the fleet that one service is made for. Beyond it the longest unheard is forgotten.
WATCHED_MAX = 100_000
# Boots of one lift: a controller that starts again and again at 1970 sends old news of the last few.
BOOTS_MAX = 4
REFRESH_S = 30.0
# How exact `confirmed_at` is: a row is not written for every steady window.
CONFIRM_MS = 3_600_000
# From how many lifts on it can be told that most of them are off by the same, and what is the same.
FLEET_MIN = 10
SAME_MS = 60_000
_NO_BOOT = ""

controller_clock = sa.Table(
    "controller_clock",
    metadata,
    sa.Column("lift_id", sa.String(64), primary_key=True),
    sa.Column("boot", sa.String(64), primary_key=True),
    sa.Column("offset_ms", sa.BigInteger, nullable=False),
    sa.Column("messages", sa.Integer, nullable=False),
    sa.Column("established_at", Instant, nullable=False),
    sa.Column("confirmed_at", Instant, nullable=False),
    sa.Column("ended_at", Instant),
    sa.Column("holds", sa.Boolean, nullable=False),
)


class WrongClock(Struct, frozen=True, kw_only=True):
    """A controller's clock that is wrong: `offset_ms` is to be added to it, and is positive where it is behind."""

    lift_id: str
    boot: str | None
    offset_ms: int
    messages: int
    established_at: datetime
    confirmed_at: datetime


class _Change(Struct, frozen=True):
    """What has to be written down of a clock, and by our clock since when."""

    lift_id: str
    boot: str
    verdict: Verdict
    offset_ms: int | None
    messages: int
    at: datetime


class ControllerClocks:
    """Learns by `observe`, answers by `offset_ms`: on one thread. `wrong` may be asked from any."""

    def __init__(self, engine: Engine) -> None:
        """Use a migrated database; nothing is read before `tick`."""
        self._engine = engine
        self._watched: dict[str, dict[str, ClockEstimate]] = {}
        self._said: dict[tuple[str, str], tuple[Verdict, int]] = {}
        self._off: set[str] = set()
        self._unwritten: list[_Change] = []
        self._refreshed_s: float | None = None

    def tick(self, now_s: float) -> None:
        """Tell the time (monotonic), once a batch, before it is judged: now and then the rows are read again."""
        if self._refreshed_s is None or now_s - self._refreshed_s >= REFRESH_S:
            self._write()
            self._read()
            self._refreshed_s = now_s

    def offset_ms(self, lift_id: str, boot: str | None) -> int | None:
        """Return what is to be added to a controller's clock; None where it is right, or not known to be wrong."""
        boots = self._watched.get(lift_id)
        estimate = boots.get(boot or _NO_BOOT) if boots is not None else None
        return None if estimate is None else estimate.offset_ms

    def is_off(self, lift_id: str) -> bool:
        """Tell whether a lift's clock is known to be wrong, in any of its boots."""
        return lift_id in self._off

    def observe(self, messages: Iterable[Message], misplaced: Iterable[Sighting] = ()) -> None:
        """Learn from a batch: messages that were accepted, and what was refused for its instant.

        Nothing retained belongs here. A last will has no instant, and is passed over. The same batch again teaches
        nothing new, so that it may be repeated where the database is away.
        """
        watched = self._watched
        quickest: dict[tuple[str, str | None, int], tuple[int, Message]] = {}
        for message in messages:
            lift_id = message.lift_id
            delay_ms = message.received_ms - message.measured_ms
            if -AHEAD_MS_MAX <= delay_ms <= BEHIND_MS_MAX and lift_id not in watched:
                continue
            # Of what came within a second the quickest tells most; a backlog costs a look a batch, not one a message.
            key = (lift_id, message.body.boot, message.received_ms // 1_000)
            known = quickest.get(key)
            if known is None or delay_ms <= known[0]:
                quickest[key] = (delay_ms, message)
        for _, message in quickest.values():
            at = message.body.at
            if isinstance(at, (int, datetime)):
                at_ms = at if isinstance(at, int) else to_ms(at)
                self._see(Sighting(message.lift_id, message.body.boot, at_ms, message.received_ms))
        for sighting in misplaced:
            self._see(sighting)
        self._write()

    def wrong(self, as_of: datetime) -> list[WrongClock]:
        """Return the clocks that were wrong as of an instant, one for each lift, by lift."""
        table = controller_clock
        stands = (table.c.established_at <= as_of) & (table.c.ended_at.is_(None) | (table.c.ended_at > as_of))
        query = sa.select(table).where(stands).order_by(table.c.lift_id, table.c.established_at)
        with reading(self._engine) as connection:
            newest = {row.lift_id: row for row in connection.execute(query)}
        return [
            WrongClock(
                lift_id=row.lift_id,
                boot=row.boot or None,
                offset_ms=row.offset_ms,
                messages=row.messages,
                established_at=row.established_at,
                confirmed_at=row.confirmed_at,
            )
            for row in newest.values()
        ]

    def _see(self, sighting: Sighting) -> None:
        lift_id, boot = sighting.lift_id, sighting.boot or _NO_BOOT
        estimate = self._estimate(lift_id, boot)
        verdict = estimate.see(sighting.at_ms, sighting.received_ms)
        if verdict is not Verdict.NOTHING:
            self._note(lift_id)
        if verdict is not Verdict.NOTHING and not self._is_said(lift_id, boot, verdict, sighting.received_ms):
            at = from_ms(sighting.received_ms)
            self._unwritten.append(_Change(lift_id, boot, verdict, estimate.offset_ms, estimate.messages, at))
        boots = self._watched[lift_id]
        if all(each.looks_right for each in boots.values()):
            del self._watched[lift_id]

    def _note(self, lift_id: str) -> None:
        """Keep in mind whether a lift's clock is known to be wrong: it is asked for each message."""
        boots = self._watched.get(lift_id, {})
        if any(estimate.offset_ms is not None for estimate in boots.values()):
            self._off.add(lift_id)
        else:
            self._off.discard(lift_id)

    def _estimate(self, lift_id: str, boot: str) -> ClockEstimate:
        boots = self._watched.get(lift_id)
        if boots is None:
            if len(self._watched) >= WATCHED_MAX:
                forgotten = next(iter(self._watched))
                del self._watched[forgotten]
                self._off.discard(forgotten)
            boots = self._watched[lift_id] = {}
        estimate = boots.get(boot)
        if estimate is None:
            if len(boots) >= BOOTS_MAX:
                del boots[next(iter(boots))]
            estimate = boots[boot] = ClockEstimate()
        return estimate

    def _is_said(self, lift_id: str, boot: str, verdict: Verdict, received_ms: int) -> bool:
        """Tell whether the same was written of a clock lately, as it is shown by every steady window."""
        key = (lift_id, boot)
        said = self._said.get(key)
        if said is not None and said[0] is verdict and received_ms - said[1] < CONFIRM_MS:
            return verdict in (Verdict.CONFIRMED, Verdict.RIGHT)
        if len(self._said) >= WATCHED_MAX:
            self._said.clear()
        self._said[key] = (verdict, received_ms)
        return False

    def _write(self) -> None:
        """Write down what has changed; where the database is away it is tried again the next time."""
        if not self._unwritten:
            return
        # In one order over all processes, so that no two wait for each other; as it came for one lift.
        changes = sorted(self._unwritten, key=lambda change: change.lift_id)
        with self._engine.begin() as connection:
            kept = [(change, _written(connection, change)) for change in changes]
        self._unwritten.clear()
        for change, offset_ms in kept:
            estimate = self._watched.get(change.lift_id, {}).get(change.boot)
            if estimate is not None and offset_ms is not None:
                estimate.offset_ms = offset_ms
                self._note(change.lift_id)

    def _read(self) -> None:
        """Take over what all workers know."""
        table = controller_clock
        query = sa.select(table).where(table.c.holds).order_by(table.c.established_at)
        with reading(self._engine) as connection:
            rows = {(row.lift_id, row.boot): row.offset_ms for row in connection.execute(query)}
        for lift_id, boot in islice(rows, WATCHED_MAX):
            self._estimate(lift_id, boot).offset_ms = rows[lift_id, boot]
        for lift_id, boots in list(self._watched.items()):
            for boot, estimate in boots.items():
                estimate.offset_ms = rows.get((lift_id, boot))
            self._note(lift_id)
            if all(estimate.looks_right for estimate in boots.values()):
                del self._watched[lift_id]


def own_clock_suspect(wrong: Sequence[WrongClock], lifts: int) -> int | None:
    """Return by how much more than half of `lifts`, ten or more, are off alike (ms): then look at our own clock first.

    None where they are not. The lag of a queue before us looks the same, and is ours as well.
    """
    offsets = sorted(clock.offset_ms for clock in wrong)
    most = lifts // 2 + 1
    if lifts < FLEET_MIN or len(offsets) < most:
        return None
    for lowest, highest in zip(offsets, offsets[most - 1 :], strict=False):
        if highest - lowest <= SAME_MS:
            return (lowest + highest) // 2
    return None


def _written(connection: Connection, change: _Change) -> int | None:
    """Write one change; return the offset that holds, which is another worker's where that was quicker."""
    table = controller_clock
    of_lift = table.c.lift_id == change.lift_id
    own = of_lift & (table.c.boot == change.boot)
    if change.verdict in (Verdict.ESTABLISHED, Verdict.RIGHT):
        # What was true of an earlier boot stays true of its messages, which may still come; but it is over.
        before = of_lift & (table.c.boot != change.boot) & table.c.ended_at.is_(None)
        connection.execute(sa.update(table).where(before).values(ended_at=change.at))
    if change.verdict in (Verdict.GIVEN_UP, Verdict.RIGHT):
        connection.execute(sa.update(table).where(own & table.c.holds).values(ended_at=change.at, holds=False))
        return None
    assert change.offset_ms is not None
    known = connection.execute(sa.select(table).where(own & table.c.holds).with_for_update()).first()
    if known is not None and abs(known.offset_ms - change.offset_ms) <= MOVED_MS:
        again = {"confirmed_at": change.at, "messages": change.messages, "ended_at": None}
        connection.execute(sa.update(table).where(own).values(again))
        return int(known.offset_ms)
    _insert(connection, change)
    _forget_old_boots(connection, change.lift_id)
    return change.offset_ms


def _insert(connection: Connection, change: _Change) -> None:
    row = {
        "offset_ms": change.offset_ms,
        "messages": change.messages,
        "established_at": change.at,
        "confirmed_at": change.at,
        "ended_at": None,
        "holds": True,
    }
    table = controller_clock
    insert = insert_new(connection, table).values(lift_id=change.lift_id, boot=change.boot, **row)
    connection.execute(insert.on_conflict_do_update(index_elements=[table.c.lift_id, table.c.boot], set_=row))


def _forget_old_boots(connection: Connection, lift_id: str) -> None:
    table = controller_clock
    newest = sa.select(table.c.boot).where(table.c.lift_id == lift_id)
    kept = newest.order_by(table.c.established_at.desc(), table.c.boot).limit(BOOTS_MAX)
    boots = list(connection.execute(kept).scalars())
    connection.execute(sa.delete(table).where((table.c.lift_id == lift_id) & table.c.boot.not_in(boots)))
