"""What the tests of the alerts room are made of: instants, messages, findings, a desk."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from sqlalchemy.engine import Engine

from alerts.alert import Alert
from alerts.desk import Desk, DeskSettings
from alerts.journal import Journal
from alerts.rules import RuleBook
from alerts.work_orders import UNDONE_STATES, WorkOrder
from analytics.findings import Finding, FindingKind
from ingest.clock import to_ms
from ingest.fleet import Lift
from ingest.fleet_register import FleetRegister
from ingest.messages import Alarm, Body, DoorCycle, Fault, Kind, Message, State

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
RULES = RuleBook.load()
LATE_S = 3_600


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def message(lift_id: str, kind: Kind, body: Body, *, at_s: float = 0, received_s: float | None = None) -> Message:
    """A message measured `at_s` after noon, received `received_s` (the same where None); late as intake says it."""
    received_s = at_s if received_s is None else received_s
    return Message(lift_id, kind, to_ms(at(at_s)), to_ms(at(received_s)), body, late=received_s - at_s > 600)


def fault(
    code: str,
    phase: Literal["raised", "cleared"] = "raised",
    *,
    lift_id: str = "A1",
    at_s: float = 0,
    received_s: float | None = None,
    **fields: Any,
) -> Message:
    body = Fault(code=code, phase=phase, **fields)
    return message(lift_id, Kind.FAULT, body, at_s=at_s, received_s=received_s)


def alarm(
    kind: Literal["button", "filtered", "answered", "end", "test"],
    *,
    lift_id: str = "A1",
    at_s: float = 0,
    received_s: float | None = None,
    **fields: Any,
) -> Message:
    return message(lift_id, Kind.ALARM, Alarm(type=kind, **fields), at_s=at_s, received_s=received_s)


def door(*, lift_id: str = "A1", at_s: float = 0, received_s: float | None = None) -> Message:
    body = DoorCycle(floor=1, opening_ms=2_000, closing_ms=3_000)
    return message(lift_id, Kind.DOOR, body, at_s=at_s, received_s=received_s)


def state(*, connected: bool | None = None, lift_id: str = "A1", at_s: float = 0, **readings: Any) -> Message:
    return message(lift_id, Kind.STATE, State(connected=connected, **readings), at_s=at_s)


def finding(
    kind: FindingKind = FindingKind.REPEATED_FAULT,
    *,
    lift_id: str = "A1",
    code: str | None = "lift-shaft-device-fault",
    as_of: datetime = NOON,
    reason: str = "3 times in 7 days (AS-02)",
    value: float = 3,
) -> Finding:
    return Finding(
        lift_id=lift_id,
        kind=kind,
        code=code,
        as_of=as_of,
        found_at=NOON - timedelta(hours=1),
        value=value,
        limit=3,
        reason=reason,
        evidence=[{"raised_at": "2026-03-02T11:00:00+00:00"}],
    )


class Room:
    """A desk with its journal and register, on one database."""

    def __init__(self, engine: Engine, settings: DeskSettings | None = None, lift_ids: Sequence[str] = ("A1",)) -> None:
        self.journal = Journal(engine)
        self.register = FleetRegister(engine)
        self.register.register([Lift(lift_id=lift_id) for lift_id in lift_ids], NOON)
        self.settings = settings
        self.desk = self.another_desk()

    def another_desk(self) -> Desk:
        """A desk as a second process, or the same one after a restart, would make it."""
        return Desk(self.journal, self.register, RULES, self.settings)

    def alerts(self, **wanted: Any) -> list[Alert]:
        return self.journal.alerts(limit=1_000, **wanted)

    def alert(self, **wanted: Any) -> Alert:
        (only,) = self.alerts(**wanted)
        return only

    def orders(self, **wanted: Any) -> list[WorkOrder]:
        return self.journal.work_orders(limit=1_000, **wanted)

    def order(self, **wanted: Any) -> WorkOrder:
        (only,) = self.orders(**wanted)
        return only

    def undone(self, **wanted: Any) -> list[WorkOrder]:
        return [order for order in self.orders(**wanted) if order.state in UNDONE_STATES]

    def finish(self, order: WorkOrder, *, at_s: float, cause_code: str | None = None, close: bool = True) -> WorkOrder:
        """Go through an order to its end."""
        for to in ("on-site", "done", "closed")[: 3 if close else 2]:
            note = "seen to by telephone" if to == "closed" else None
            order = self.desk.transition(order.id, to, "Ines", at(at_s), note=note, cause_code=cause_code)
        return order
