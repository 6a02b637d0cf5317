"""What the API says of work orders, their sheets and the technicians. Instants are RFC 3339 in UTC."""

from collections.abc import Sequence
from datetime import date, datetime

from pydantic import BaseModel

from alerts.alert import Alert
from alerts.checklists import Check, CheckEntry, CheckResult, check_book
from alerts.journal import HistoryEntry
from alerts.order_papers import OrderFile, Papers, Part, Role, Signature, content_sha256, lacking_to_close
from alerts.technicians import CertificateKind, Technician
from alerts.work_orders import LEGAL_TRANSITIONS, OrderKind, OrderState, WorkOrder
from api.schemas import HistoryView, Page, history_views


class WorkOrderView(BaseModel):
    """What a person must do at a lift. `arrive_by` null: no arrival clock; `recurrence_of` is an earlier order's id.

    `repairs_in_a_row` counts, once a repair is done, the repairs of its cause with this one; `clock_warned_at` and
    `clock_breached_at` are when the clock was about to break and broke; from `signed_at` on the content stands;
    `version` is one more after each change.
    """

    id: int
    number: str
    lift_id: str
    kind: OrderKind
    cause: str
    state: OrderState
    opened_at: datetime
    arrive_by: datetime | None
    arrived_at: datetime | None
    done_at: datetime | None
    closed_at: datetime | None
    cause_code: str | None
    assigned_to: str | None
    alert_ids: list[int]
    recurrence_of: int | None
    message: str
    priority: int | None
    team: str | None
    technicians: list[str]
    scope: str | None
    external_source: str | None
    external_ref: str | None
    repairs_in_a_row: int | None
    signed_at: datetime | None
    clock_warned_at: datetime | None
    clock_breached_at: datetime | None
    version: int


class WorkOrderDetail(WorkOrderView):
    """A work order, what happened to it (oldest first), and the states that may follow.

    `guidance` is what to look at first, as each of its alerts says.
    """

    guidance: list[str]
    history: list[HistoryView]
    legal_next: list[OrderState]


class WorkOrderPage(Page[WorkOrderView]):
    """Work orders, newest first."""


def work_order_view(order: WorkOrder) -> WorkOrderView:
    """Return a work order."""
    return WorkOrderView.model_validate(order, from_attributes=True)


def work_order_detail(order: WorkOrder, history: Sequence[HistoryEntry], alerts: Sequence[Alert]) -> WorkOrderDetail:
    """Return a work order with its history, the guidance of its alerts and the states that may follow."""
    return WorkOrderDetail(
        **dict(work_order_view(order)),
        guidance=list(dict.fromkeys(alert.guidance for alert in alerts)),
        history=history_views(history),
        legal_next=legal_next(order.state),
    )


def legal_next(state: OrderState) -> list[OrderState]:
    """Return the states that may follow, in the order of a work order's life."""
    return [after for after in OrderState if after in LEGAL_TRANSITIONS[state]]


class CheckView(BaseModel):
    """One thing to look at, and what came of it (`result` null: not filled in). Limits are of the value as left."""

    code: str
    text: str
    unit: str | None
    low: float | None
    high: float | None
    limits_source: str | None
    result: CheckResult | None
    as_found: float | None
    as_left: float | None
    out_of_limits: bool
    note: str | None
    by: str | None
    at: datetime | None


class ChecklistView(BaseModel):
    """The checks of an order and those before the lift is handed back.

    `lacking_to_close` names what the order cannot be closed without (or a reason); a trip that telemetry tells is seen
    only when it is closed.
    """

    work_order_id: int
    scope: str | None
    filled_in: int
    checks: list[CheckView]
    check_out: list[CheckView]
    lacking_to_close: list[str]


def checklist_view(order: WorkOrder, papers: Papers) -> ChecklistView:
    """Return the checklist of an order as far as it is filled in."""
    book = check_book()
    lists = book.checks(order.kind, order.scope), book.leaving(order.kind)
    entries = {entry.code: entry for entry in papers.checks}
    checks, check_out = ([_check_view(check, entries) for check in one] for one in lists)
    return ChecklistView(
        work_order_id=order.id,
        scope=order.scope,
        filled_in=len(entries),
        checks=checks,
        check_out=check_out,
        lacking_to_close=lacking_to_close(order, papers, book, None),
    )


def _check_view(check: Check, entries: dict[str, CheckEntry]) -> CheckView:
    low, high = check.limits or (None, None)
    entry = entries.get(check.code)
    found = ("result", "as_found", "as_left", "note", "by", "at")
    return CheckView(
        code=check.code,
        text=entry.text if entry else check.text,
        unit=check.unit,
        low=low,
        high=high,
        limits_source=check.limits_source,
        out_of_limits=entry is not None and entry.out_of_limits,
        **{name: getattr(entry, name) if entry else None for name in found},
    )


class PartView(BaseModel):
    """A part that was used."""

    id: int
    name: str
    part_number: str | None
    quantity: float
    note: str | None
    by: str
    at: datetime


class OrderParts(BaseModel):
    """All parts of an order; there is no further page."""

    items: list[PartView]
    next: None


def part_view(part: Part) -> PartView:
    """Return a part."""
    return PartView.model_validate(part, from_attributes=True)


class FileView(BaseModel):
    """A photo or document of an order; `sha256` names its content."""

    id: int
    sha256: str
    name: str
    media_type: str
    size_bytes: int
    by: str
    at: datetime


class OrderFiles(BaseModel):
    """All files of an order; there is no further page."""

    items: list[FileView]
    next: None


def file_view(file: OrderFile) -> FileView:
    """Return a file."""
    return FileView.model_validate(file, from_attributes=True)


class SignatureView(BaseModel):
    """Who signed, when, for which content; `matches`: the order still holds that content."""

    role: Role
    name: str
    at: datetime
    content_sha256: str
    image_file_id: int | None
    matches: bool


class OrderSignatures(BaseModel):
    """The signatures under an order; there is no further page."""

    items: list[SignatureView]
    next: None


def signature_views(order: WorkOrder, papers: Papers) -> list[SignatureView]:
    """Return the signatures under an order, held against what it holds now."""
    now = content_sha256(order, papers)
    return [signature_view(signature, matches=signature.content_sha256 == now) for signature in papers.signatures]


def signature_view(signature: Signature, *, matches: bool) -> SignatureView:
    """Return a signature."""
    values = {name: getattr(signature, name) for name in signature.__struct_fields__}
    return SignatureView(**values, matches=matches)


class CertificateView(BaseModel):
    """A certificate; it is valid on its last day."""

    kind: CertificateKind
    number: str
    valid_until: date


class TechnicianView(BaseModel):
    """Somebody who works at lifts. `certified`: a certificate for work at lifts is valid today."""

    technician_id: str
    name: str
    team: str | None
    contractor: str | None
    active: bool
    certified: bool
    certificates: list[CertificateView]


class TechnicianPage(Page[TechnicianView]):
    """Technicians by id."""


def technician_view(who: Technician, today: date) -> TechnicianView:
    """Return a technician."""
    values = {name: getattr(who, name) for name in who.__struct_fields__ if name != "certificates"}
    held = [CertificateView.model_validate(one, from_attributes=True) for one in who.certificates]
    return TechnicianView(**values, certificates=held, certified=who.is_certified(today))
