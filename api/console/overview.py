"""What the first page shows, collected: open alerts, work orders, lifts and findings, each bounded."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Generic, TypeVar

from msgspec import Struct, structs

from alerts.alert import Alert, AlertKind, Suppression
from alerts.entrapment import EntrapmentCase
from alerts.floods import Group
from alerts.journal import OPEN, Contact
from alerts.quiet_desk import SilenceCounts
from alerts.rescue_aid import RescueAid, aid_of
from alerts.work_orders import UNDONE_STATES, WorkOrder
from analytics.findings import Finding
from api.routes.lifts import views_of
from api.schemas import LiftView
from api.service import Service
from ingest.clock import EPOCH
from ingest.messages import Kind
from ingest.quarantine import Selection
from ingest.wire import Reason

ROWS_MAX = 100
GROUPS_SHOWN = 10
CASES_SHOWN = 20
PRIORITIES = (1, 2, 3, 4)
QUARANTINE_WINDOW = timedelta(hours=24)
COUNTED_MAX = 1_000
T = TypeVar("T")


class Part(Struct, Generic[T], frozen=True):
    """The beginning of a list, and whether there is more of it."""

    rows: Sequence[T]
    more: bool

    @property
    def count(self) -> str:
        """How many there are, as far as was read."""
        return f"{len(self.rows)}{'+' if self.more else ''}"


class Waiting(Struct, frozen=True, kw_only=True):
    """What came into quarantine of late and was not replayed, and how much of it nobody hears of otherwise."""

    since: datetime
    messages: str
    strangers: str
    strangers_alarms: str


class OpenCase(Struct, frozen=True):
    """A rescue that no person has closed yet, and the first steps of its aid."""

    case: EntrapmentCase
    aid: RescueAid


class Overview(Struct, frozen=True, kw_only=True):
    """Everything on the page, as of `now`; `order_of` finds the work order of an alert by the order's id."""

    now: datetime
    alerts: Part[Alert]
    by_priority: dict[int, str]
    entrapments: int
    work_orders: Part[WorkOrder]
    order_of: dict[int, WorkOrder]
    lifts: Part[LiftView]
    findings: Part[Finding]
    assessed_at: datetime | None
    registered: int
    reporting: int
    last_message_at: datetime | None
    telemetry_available: bool
    quarantine: Waiting
    silent: SilenceCounts
    groups: Sequence[Group]
    cases: Sequence[OpenCase]


def overview_of(service: Service) -> Overview:
    """Return what the page shows.

    Raises:
        sqlalchemy.exc.OperationalError: the database does not answer.
    """
    silent = service.quiet_desk.counts()
    by_priority = {priority: _open_alerts(service, priority) for priority in PRIORITIES}
    alerts = sorted((alert for part in by_priority.values() for alert in part.rows), key=_attention)
    orders = _undone_orders(service)
    lift_ids = service.register.profiles_of_lifts().keys()
    contacts = [contact for lift_id, contact in service.journal.contacts().items() if lift_id in lift_ids]
    lifts = service.register.lifts(limit=ROWS_MAX + 1)
    shown = views_of(service, lifts[:ROWS_MAX])
    findings = [row.finding for row in service.findings.findings(limit=ROWS_MAX + 1)]
    return Overview(
        now=service.clock.now(),
        alerts=Part(alerts[:ROWS_MAX], len(alerts) > ROWS_MAX or any(part.more for part in by_priority.values())),
        by_priority={priority: part.count for priority, part in by_priority.items()},
        entrapments=sum(alert.kind == AlertKind.ENTRAPMENT for alert in alerts),
        work_orders=Part(orders[:ROWS_MAX], len(orders) > ROWS_MAX),
        order_of={order.id: order for order in orders},
        lifts=Part(shown, len(lifts) > ROWS_MAX),
        findings=Part(findings[:ROWS_MAX], len(findings) > ROWS_MAX),
        assessed_at=service.findings.assessed_at(),
        registered=len(lift_ids),
        reporting=sum(is_reporting(contact) for contact in contacts),
        last_message_at=max((contact.last_message_at for contact in contacts), default=None),
        telemetry_available=all(lift.telemetry == "available" for lift in shown),
        quarantine=_waiting(service),
        silent=silent,
        cases=[OpenCase(case, aid_of(case.facts)) for case in service.cases.cases(limit=CASES_SHOWN, is_open=True)],
        groups=service.quiet_desk.groups()[:GROUPS_SHOWN] if silent.flood else [],
    )


def is_reporting(contact: Contact) -> bool:
    """Tell whether a lift's connection stands and it has not been called silent."""
    return contact.connected and contact.due_at is not None


def _open_alerts(service: Service, priority: int) -> Part[Alert]:
    found = service.journal.alerts(limit=ROWS_MAX + 1, priority=priority, state=OPEN, suppression=Suppression.NONE)
    return Part(found[:ROWS_MAX], len(found) > ROWS_MAX)


def _attention(alert: Alert) -> tuple[int, bool]:
    """Sort by priority, and what nobody has taken note of first; the newest first among equals, as they come."""
    return alert.priority, alert.acknowledged_at is not None


def _waiting(service: Service) -> Waiting:
    since = service.clock.now() - QUARANTINE_WINDOW
    every = Selection(since=since, replayed=False)
    strangers = structs.replace(every, reason=Reason.UNKNOWN_LIFT)
    alarms = [structs.replace(strangers, kind=kind) for kind in (Kind.ALARM, Kind.FAULT)]
    return Waiting(
        since=since,
        messages=_counted(service, every),
        strangers=_counted(service, strangers),
        strangers_alarms=_counted(service, *alarms),
    )


def _counted(service: Service, *selections: Selection) -> str:
    count = sum(service.quarantine.count(which, at_most=COUNTED_MAX + 1) for which in selections)
    return f"{COUNTED_MAX:,}+" if count > COUNTED_MAX else str(count)


def _undone_orders(service: Service) -> list[WorkOrder]:
    """Return work that is still to be done: first where somebody has to arrive first, then the oldest."""
    found = [
        order
        for state in sorted(UNDONE_STATES)
        for order in service.journal.work_orders(limit=ROWS_MAX + 1, state=state.value)
    ]
    return sorted(found, key=_urgency)


def _urgency(order: WorkOrder) -> tuple[bool, datetime, datetime]:
    waits = order.arrive_by is not None and order.arrived_at is None
    return not waits, order.arrive_by if waits and order.arrive_by else EPOCH, order.opened_at
