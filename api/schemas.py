"""What the API says, as OpenAPI describes it. Instants are RFC 3339 in UTC; units stand in the names."""

import base64
from collections.abc import Sequence
from datetime import date, datetime
from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import BaseModel, Field

from alerts.alert import Alert, AlertState, Suppression
from alerts.journal import Contact, HistoryEntry
from analytics.findings import Finding, FindingKind
from ingest.fleet import InspectionOutcome, VisitKind
from ingest.fleet_register import RegisteredInspection, RegisteredLift, RegisteredVisit
from ingest.messages import Kind, Message, readings_of
from ingest.quarantine import QuarantinedMessage
from ingest.telemetry_store import Aggregate, LatestState

T = TypeVar("T")
PREVIEW_CHARS_MAX = 2_000


class Page(BaseModel, Generic[T]):
    """One page of a list. `next` goes into `cursor` for the following page; null: this is the last."""

    items: list[T]
    next: str | None


class LiftView(BaseModel):
    """A lift: what is registered, and how it stands.

    `connected`: its connection stands; `silent`: it has been called silent since it last spoke. The readings of
    `state` (service_mode to passengers) are null where the lift never told, or `telemetry` is unavailable.
    """

    lift_id: str
    site_id: str | None
    site_name: str | None
    site_address: str | None
    maker: str | None
    model: str | None
    drive: str | None
    floors: int | None
    commissioned_on: date | None
    observed_from: date | None
    observed_to: date | None
    regime: str | None
    certificate_expires_on: date | None
    contractor: str | None
    team: str | None
    profile: str | None
    gateway_id: str | None
    silence_s_max: int | None
    alarm_tests: bool | None
    registered_at: datetime
    connected: bool
    silent: bool
    last_message_at: datetime | None
    open_alerts: int
    telemetry: Literal["available", "unavailable"]
    service_mode: str | None
    moving: bool | None
    direction: str | None
    floor: int | None
    door: str | None
    in_door_zone: bool | None
    passengers: bool | None
    state_at: datetime | None


class LiftPage(Page[LiftView]):
    """Lifts by id."""


STATE_READINGS = ("service_mode", "moving", "direction", "floor", "door", "in_door_zone", "passengers")


def lift_view(
    known: RegisteredLift,
    contact: Contact | None,
    open_alerts: int,
    states: dict[str, LatestState] | None,
) -> LiftView:
    """Return a lift; `states` None: the telemetry store does not answer."""
    latest = (states or {}).get(known.lift.lift_id)
    registered = {name: getattr(known.lift, name) for name in known.lift.__struct_fields__}
    stands: dict[str, Any] = {name: getattr(latest.state, name) if latest else None for name in STATE_READINGS}
    return LiftView(
        **registered,
        **stands,
        registered_at=known.registered_at,
        connected=contact is not None and contact.connected,
        silent=contact is not None and contact.due_at is None,
        last_message_at=contact.last_message_at if contact else None,
        open_alerts=open_alerts,
        telemetry="unavailable" if states is None else "available",
        state_at=latest.measured_at if latest else None,
    )


class MessageView(BaseModel):
    """One message of a lift. `late`: it was old news when it came; `readings` holds what it said, by name."""

    kind: Kind
    measured_at: datetime
    received_at: datetime
    late: bool
    seq: int | None
    boot: str | None
    readings: dict[str, bool | int | float | str]


class MessagePage(Page[MessageView]):
    """Messages by the controller's clock, oldest first."""


def message_view(message: Message) -> MessageView:
    """Return a message; readings that it did not carry are left out."""
    values = {name: getattr(message.body, name) for name in readings_of(message.kind)}
    return MessageView(
        kind=message.kind,
        measured_at=message.measured_at,
        received_at=message.received_at,
        late=message.late,
        seq=message.body.seq,
        boot=message.body.boot,
        readings={name: value for name, value in values.items() if value is not None},
    )


class AggregateView(BaseModel):
    """One window of one reading, in the reading's own unit."""

    start_at: datetime
    count: int
    mean: float
    smallest: float
    largest: float


class AggregatePage(Page[AggregateView]):
    """Windows, oldest first; those without a value are left out."""


def aggregate_view(aggregate: Aggregate) -> AggregateView:
    """Return a window."""
    return AggregateView.model_validate(aggregate, from_attributes=True)


class FindingView(BaseModel):
    """What analytics concludes as of an instant, with its reason and its evidence."""

    lift_id: str
    kind: FindingKind
    channel: str | None
    component: str | None
    code: str | None
    floor: int | None
    as_of: datetime
    found_at: datetime
    value: float
    limit: float
    days_left: float | None
    confidence: float | None
    reason: str
    evidence: list[dict[str, Any]]
    report_only: bool


def finding_view(finding: Finding) -> FindingView:
    """Return a finding."""
    return FindingView.model_validate(finding, from_attributes=True)


class FindingPage(Page[FindingView]):
    """Findings as of `assessed_at` (null: the fleet has never been assessed).

    `provisional`: forecasts rest on older models while theirs are being fitted, ask again soon; null where it is not
    known, of the newest assessment, which is replaced within a minute or so.
    """

    assessed_at: datetime | None
    source: Literal["latest-assessment", "assessed-for-this-request"]
    provisional: bool | None = None


class HistoryView(BaseModel):
    """One change: when, by whom, what, and what was said."""

    at: datetime
    actor: str
    action: str
    note: str | None


def history_views(entries: Sequence[HistoryEntry]) -> list[HistoryView]:
    """Return a history, oldest first."""
    return [HistoryView.model_validate(entry, from_attributes=True) for entry in entries]


class AlertView(BaseModel):
    """What an operator must know. `priority` is 1 (at once) to 4 (plan it); `repeats` counts further raises.

    `suppression` says why it does not ring, in full in the fields behind it; `chattering`: it comes and goes, and is
    held active until it is quiet.
    """

    id: int
    lift_id: str
    kind: str
    code: str | None
    cause: str
    priority: Annotated[int, Field(ge=1, le=4)]
    state: AlertState
    raised_at: datetime
    received_at: datetime
    cleared_at: datetime | None
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    message: str
    guidance: str
    source: str
    evidence: list[dict[str, Any]]
    work_order_id: int | None
    repeats: int
    suppression: Suppression
    shelved_until: datetime | None
    shelved_by: str | None
    shelve_reason: str | None
    suppressed_by: str | None
    out_of_service: bool
    chattering: bool
    reminders: int


class AlertDetail(AlertView):
    """An alert and what happened to it, oldest first."""

    history: list[HistoryView]


class AlertPage(Page[AlertView]):
    """Alerts, newest first."""


def alert_view(alert: Alert) -> AlertView:
    """Return an alert."""
    return AlertView.model_validate(alert, from_attributes=True)


def alert_detail(alert: Alert, history: Sequence[HistoryEntry]) -> AlertDetail:
    """Return an alert with its history."""
    return AlertDetail(**dict(alert_view(alert)), history=history_views(history))


class VisitView(BaseModel):
    """A visit and its number in the register."""

    id: int
    lift_id: str
    kind: VisitKind
    done_at: datetime
    cause_code: str | None
    work_order: str | None
    outcome: str | None


class VisitPage(Page[VisitView]):
    """Visits by number."""


def visit_view(known: RegisteredVisit) -> VisitView:
    """Return a visit."""
    values = {name: getattr(known.visit, name) for name in known.visit.__struct_fields__}
    return VisitView(id=known.id, **values)


class InspectionView(BaseModel):
    """An inspection and its number in the register."""

    id: int
    lift_id: str
    done_on: date
    outcome: InspectionOutcome
    certificate_expires_on: date | None
    report: str | None


class InspectionPage(Page[InspectionView]):
    """Inspections by number."""


def inspection_view(known: RegisteredInspection) -> InspectionView:
    """Return an inspection."""
    values = {name: getattr(known.inspection, name) for name in known.inspection.__struct_fields__}
    return InspectionView(id=known.id, **values)


class QuarantinedView(BaseModel):
    """What was not accepted, and why.

    `payload` is text (what is no UTF-8 is replaced), in a list its first 2,000 characters; `payload_bytes` is how
    much came. Of a summary (`is_summary`) only the count is kept. `replayable`: all that came is kept.
    """

    id: int
    topic: str
    lift_id: str | None
    payload: str
    payload_bytes: int
    reason: str
    detail: str
    received_at: datetime
    last_received_at: datetime
    times: int
    replayed_at: datetime | None
    is_summary: bool
    replayable: bool


class QuarantinedDetail(QuarantinedView):
    """The same with the bytes themselves, as far as they are kept (256 KiB)."""

    payload_base64: str


class QuarantinedPage(Page[QuarantinedView]):
    """Quarantined messages, newest first."""


def quarantined_view(message: QuarantinedMessage) -> QuarantinedView:
    """Return a quarantined message as a list shows it."""
    # One character is at most four bytes, so that a cut in the middle of one stays behind the end of the preview.
    text = message.payload[: PREVIEW_CHARS_MAX * 4].decode(errors="replace")[:PREVIEW_CHARS_MAX]
    return QuarantinedView(**_quarantined_values(message), payload=text)


def quarantined_detail(message: QuarantinedMessage) -> QuarantinedDetail:
    """Return a quarantined message whole."""
    return QuarantinedDetail(
        **_quarantined_values(message),
        payload=message.payload.decode(errors="replace"),
        payload_base64=base64.b64encode(message.payload).decode(),
    )


def _quarantined_values(message: QuarantinedMessage) -> dict[str, Any]:
    values = {name: getattr(message, name) for name in message.__struct_fields__ if name != "payload"}
    return {**values, "replayable": message.replayable}


class ReplayView(BaseModel):
    """What became of quarantined messages that went through intake again; in a dry run, what would.

    Of `rows` taken in hand `replayed` are done (`messages` were kept of them, `rest` were refused again and wait by
    themselves) and `refused` wait on, nothing of them was accepted. `unreplayable` rows of the selection can never be
    replayed, because not all that came is kept. `next` goes on where there may be more.
    """

    dry_run: bool
    rows: int
    replayed: int
    messages: int
    rest: int
    refused: int
    unreplayable: int
    next: str | None
