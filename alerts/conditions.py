"""Conditions: which faults of a lift stand now, by the newest word of its controller.

Messages come twice, late and out of order. What a condition is follows from the newest transition alone, so that the
same messages in any order end in the same place, and one that came before changes nothing.
"""

from datetime import datetime, timedelta
from typing import Any

import msgspec
import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy.engine import Connection

from alerts import tables
from alerts.alert import AlertKind
from ingest.database import insert_new
from ingest.faults import CANONICAL, ENTRAPMENT
from ingest.messages import Alarm, Body, Fault, Message, State

ALARM_KEY = "alarm"
# What a lift says of itself with each state: a person works on it, and its doors are open while it moves.
IN_SERVICE_KEY = "in-service"
DOOR_KEY = AlertKind.DOOR_OPEN_WHILE_MOVING.value
STATE_KEYS = (IN_SERVICE_KEY, DOOR_KEY)
# Modes of BACnetLiftCarMode in which a person has taken the car over; `out-of-service` may be the fault itself.
SERVICE_MODES = frozenset({"inspection", "cabinet-recall"})
# More of the last changes of a condition are not kept.
RECENT_MAX = 20
# A clock this far ahead is wrong (`ingest.clock_estimate`); below it, a raise would have to follow within seconds.
AHEAD_MAX = timedelta(seconds=30)
# What came within this time of being measured was live. Anything older may be a word from before, delivered again.
LIVE_MAX = timedelta(minutes=2)


class Transition(Struct, frozen=True, kw_only=True):
    """A message that says that a condition begins or ends; `code` None: the alarm of the car, or its doors."""

    kind: AlertKind
    code: str | None
    active: bool
    message: Message

    @property
    def key(self) -> str:
        """Return what names the condition within its lift."""
        return self.code or condition_key(self.kind)


class Change(Struct, frozen=True, kw_only=True):
    """What a transition that was accepted did: whether the condition stood before, and its last changes.

    `recent` holds the instant in milliseconds and whether it began or ended, the newest last.
    """

    was_active: bool
    recent: list[tuple[int, bool]]


class Word(Struct, frozen=True, kw_only=True):
    """What is known of a condition: the newest transition, and the number that the lift gave it.

    `changed_at` is the controller's clock, corrected where it is known to be wrong; `received_at` is ours (None: a word
    from before that was kept).
    """

    active: bool
    changed_at: datetime
    boot: str | None = None
    seq: int | None = None
    received_at: datetime | None = None

    def replaces(self, earlier: "Word") -> bool:
        """Tell whether this is newer than `earlier`.

        Within one boot the lift's own numbers decide, for a clock can be set back; otherwise the controller's clock. At
        one and the same instant the clearing is the later one: a fault that lasted no time needs nobody.

        A clock that ran ahead and was set right says earlier instants than before: nothing can have happened after it
        was received, so that what is live, and was measured after the earlier word had come, is newer.
        """
        is_same_boot = self.boot is not None and self.boot == earlier.boot
        if is_same_boot and self.seq is not None and earlier.seq is not None and self.seq != earlier.seq:
            return self.seq > earlier.seq
        if self._was_set_right_after(earlier):
            return True
        return (self.changed_at, not self.active) > (earlier.changed_at, not earlier.active)

    def _was_set_right_after(self, earlier: "Word") -> bool:
        if self.received_at is None or earlier.received_at is None:
            return False
        was_ahead = earlier.changed_at - earlier.received_at > AHEAD_MAX
        is_live = timedelta() <= self.received_at - self.changed_at <= LIVE_MAX
        return was_ahead and is_live and self.changed_at > earlier.received_at


def key_of(message: Message) -> str | None:
    """Return what names, within its lift, the condition that a message speaks of; None where nothing could ring."""
    body = message.body
    if isinstance(body, Fault):
        return None if _kind_of(body.code) is None else body.code
    if isinstance(body, State):
        return None if is_in_service(body) is None and runs_with_open_door(body) is None else "state"
    is_call = isinstance(body, Alarm) and body.type in {"button", "answered", "end"}
    return ALARM_KEY if is_call else None


def transition_of(message: Message) -> Transition | None:
    """Return the transition that a message says, None where nothing begins or ends."""
    body = message.body
    if isinstance(body, Fault):
        kind = _kind_of(body.code)
        if kind is None:
            return None
        return Transition(kind=kind, code=body.code, active=body.phase == "raised", message=message)
    if isinstance(body, Alarm) and body.type in {"button", "end"}:
        active = body.type == "button"
        return Transition(kind=AlertKind.PASSENGER_ALARM, code=None, active=active, message=message)
    if isinstance(body, State) and (runs_open := runs_with_open_door(body)) is not None:
        return Transition(kind=AlertKind.DOOR_OPEN_WHILE_MOVING, code=None, active=runs_open, message=message)
    return None


def condition_key(kind: str, code: str | None = None) -> str:
    """Return what names the condition of an alert within its lift."""
    return code or (DOOR_KEY if kind == DOOR_KEY else ALARM_KEY)


def is_in_service(body: State) -> bool | None:
    """Tell whether a person has taken the car over; None where the state does not say."""
    return None if body.service_mode in {None, "unknown"} else body.service_mode in SERVICE_MODES


def runs_with_open_door(body: State) -> bool | None:
    """Tell whether the car moves with its doors open; None where the state does not say."""
    if body.moving is None or body.door in {None, "unknown"}:
        return None
    return body.moving and body.door == "opened"


def _kind_of(code: str) -> AlertKind | None:
    if code == ENTRAPMENT:
        return AlertKind.ENTRAPMENT  # a lift with people in it stands too: one alert says both
    known = CANONICAL.get(code)
    return AlertKind.LIFT_STOPPED if known and known.stops_lift else None


def word_of(message: Message, *, active: bool) -> Word:
    """Return what a message makes known of a condition."""
    body = message.body
    return Word(
        active=active,
        changed_at=message.happened_at,
        boot=body.boot,
        seq=body.seq,
        received_at=message.received_at,
    )


def accept(connection: Connection, message: Message, key: str, *, active: bool) -> Change | None:
    """Write down that a condition of a lift begins or ends; None where a newer word, or the same, is known already."""
    word = word_of(message, active=active)
    row: dict[str, Any] = {"lift_id": message.lift_id, "key": key, **msgspec.structs.asdict(word)}
    table = tables.condition
    # A first word that something is over ends nothing.
    first = _recent([], message) if active else []
    insert = insert_new(connection, table).values({**row, "recent": first}).on_conflict_do_nothing()
    if connection.execute(insert.returning(table.c.key)).first() is not None:
        return Change(was_active=False, recent=first)
    own = _own(message.lift_id, key)
    known = connection.execute(sa.select(table).where(own).with_for_update()).one()
    earlier = Word(**{name: getattr(known, name) for name in Word.__struct_fields__})
    if not word.replaces(earlier):
        return None
    recent = [(ms, began) for ms, began in known.recent or []]
    if active is not earlier.active:
        recent = _recent(recent, message, active=active)
    connection.execute(sa.update(table).where(own).values({**row, "recent": recent}))
    return Change(was_active=earlier.active, recent=recent)


def standing_since(connection: Connection, lift_id: str, key: str) -> tuple[bool, datetime | None]:
    """Tell whether a condition stands, and since when that is so (None: nothing was ever said)."""
    table = tables.condition
    query = sa.select(table.c.active, table.c.changed_at).where(_own(lift_id, key))
    row = connection.execute(query).first()
    return (False, None) if row is None else (row.active, row.changed_at)


def count_passed(connection: Connection, lift_id: str, key: str) -> None:
    """Count a condition that was over before it had lasted long enough to ring."""
    table = tables.condition
    connection.execute(sa.update(table).where(_own(lift_id, key)).values(passed=table.c.passed + 1))


def _own(lift_id: str, key: str) -> sa.ColumnElement[bool]:
    return (tables.condition.c.lift_id == lift_id) & (tables.condition.c.key == key)


def _recent(before: list[tuple[int, bool]], message: Message, *, active: bool = True) -> list[tuple[int, bool]]:
    """Return the last changes with this one; old news is no change of now."""
    if message.late:
        return before
    return [*before, (message.measured_ms + message.offset_ms, active)][-RECENT_MAX:]


def evidence_of(message: Message) -> dict[str, Any]:
    """Return a message as evidence: JSON-able, instants as RFC 3339."""
    readings = msgspec.to_builtins(message.body)
    frame = {name: readings.pop(name, None) for name in Body.__struct_fields__}
    return {
        "message": message.kind.value,
        "measured_at": message.measured_at.isoformat(),
        "received_at": message.received_at.isoformat(),
        "seq": frame["seq"],
        "boot": frame["boot"],
        "readings": readings,
    }
