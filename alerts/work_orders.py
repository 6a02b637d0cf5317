"""A work order: what a person must do at a lift, and its legal transitions. Pure: no clock, no database."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum

from msgspec import Struct, structs

from alerts.alert import IllegalTransitionError

CAUSE_CODE_CHARS_MAX = 200


class OrderKind(StrEnum):
    """What sort of work an order asks for."""

    RESCUE = "rescue"
    REPAIR = "repair"
    MAINTENANCE = "maintenance"
    INSPECTION_PREPARATION = "inspection-preparation"
    PREDICTED_FAULT = "predicted-fault"
    FINDING = "finding"


class OrderState(StrEnum):
    """How far an order has come."""

    OPEN = "open"
    ASSIGNED = "assigned"
    ACCEPTED = "accepted"
    EN_ROUTE = "en-route"
    ON_SITE = "on-site"
    ON_HOLD = "on-hold"
    DONE = "done"
    VERIFIED = "verified"
    CLOSED = "closed"
    CANCELLED = "cancelled"


# Forward steps may be skipped up to `on-site`: a centre that works by telephone learns "he is there" and no more.
# Nothing skips `on-site`, because the arrival is what the clock measures. Back to `open` or `assigned` is another
# technician.
LEGAL_TRANSITIONS: Mapping[OrderState, frozenset[OrderState]] = {
    OrderState.OPEN: frozenset(
        {OrderState.ASSIGNED, OrderState.ACCEPTED, OrderState.EN_ROUTE, OrderState.ON_SITE, OrderState.CANCELLED}
    ),
    OrderState.ASSIGNED: frozenset(
        {OrderState.OPEN, OrderState.ACCEPTED, OrderState.EN_ROUTE, OrderState.ON_SITE, OrderState.CANCELLED}
    ),
    OrderState.ACCEPTED: frozenset(
        {OrderState.ASSIGNED, OrderState.EN_ROUTE, OrderState.ON_SITE, OrderState.ON_HOLD, OrderState.CANCELLED}
    ),
    OrderState.EN_ROUTE: frozenset({OrderState.ASSIGNED, OrderState.ON_SITE, OrderState.ON_HOLD, OrderState.CANCELLED}),
    OrderState.ON_SITE: frozenset({OrderState.DONE, OrderState.ON_HOLD, OrderState.CANCELLED}),
    OrderState.ON_HOLD: frozenset(
        {OrderState.ASSIGNED, OrderState.ACCEPTED, OrderState.EN_ROUTE, OrderState.ON_SITE, OrderState.CANCELLED}
    ),
    OrderState.DONE: frozenset({OrderState.VERIFIED, OrderState.CLOSED}),
    OrderState.VERIFIED: frozenset({OrderState.CLOSED}),
    OrderState.CLOSED: frozenset(),
    OrderState.CANCELLED: frozenset(),
}
# Work still to be done: while an order is in one of these it is the one order of its lift and cause. A fault that comes
# back after `done` is a repair that did not hold (AS-02), and needs somebody to go again.
UNDONE_STATES = frozenset(
    {
        OrderState.OPEN,
        OrderState.ASSIGNED,
        OrderState.ACCEPTED,
        OrderState.EN_ROUTE,
        OrderState.ON_SITE,
        OrderState.ON_HOLD,
    }
)
_STATES = {state.value: state for state in OrderState}
# What is done only with the cause that was found: it tells afterwards whether the alert or the prediction was right.
NEEDS_CAUSE = frozenset({OrderKind.REPAIR, OrderKind.PREDICTED_FAULT})
_NEEDS_REASON = frozenset({OrderState.CANCELLED, OrderState.ON_HOLD})


class UnknownWorkOrderError(LookupError):
    """There is no work order of that id."""

    def __init__(self, order_id: int) -> None:
        """Name the id."""
        super().__init__(f"There is no work order {order_id}.")


class WorkOrder(Struct, frozen=True, kw_only=True):
    """A work order as the journal holds it.

    `arrive_by` is when somebody has to be on site (None: no clock); `cause_code` is the cause that was found;
    `recurrence_of` is the id of the newest earlier order of the same lift and cause that was done; `repairs_in_a_row`
    counts, once it is done, the repairs of the cause that was found, this one included (AS-02).

    `clock_due_at` is when the arrival clock has to be looked at next; `clock_warned_at` and `clock_breached_at` when it
    was told that it is about to be late, and that it is. `technicians` are ids of the register of technicians; `scope`
    is how far a maintenance goes. `external_source` and `external_ref` name the order in another system. From
    `signed_at` on its content stands. `version` is one more after each change.
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
    priority: int | None = None
    team: str | None = None
    technicians: list[str] = []
    scope: str | None = None
    external_source: str | None = None
    external_ref: str | None = None
    repairs_in_a_row: int | None = None
    signed_at: datetime | None = None
    clock_due_at: datetime | None = None
    clock_warned_at: datetime | None = None
    clock_breached_at: datetime | None = None
    version: int = 1


def number_of(order_id: int, opened_at: datetime) -> str:
    """Return the number that people use: `WO-2026-000012` (WO-09: one sequential register)."""
    return f"WO-{opened_at.year}-{order_id:06d}"


def open_key_of(lift_id: str, cause: str) -> str:
    """Return the key that one undone order of a lift and cause can hold at a time."""
    return f"{lift_id}/{cause}"


def moved(
    order: WorkOrder,
    to: str,
    now: datetime,
    *,
    note: str | None = None,
    cause_code: str | None = None,
    assigned_to: str | None = None,
) -> WorkOrder:
    """Return the order after its transition to `to` at `now`.

    Raises:
        IllegalTransitionError: no such state, not from here, or without what it needs: a reason (`note`) to cancel or
            hold, a person to assign, a cause code before a repair (or the work on a predicted fault) is done.
    """
    target = _target(order.state, to)
    _require_words(order, target, note=note, cause_code=cause_code, assigned_to=assigned_to)
    stays = target is not OrderState.OPEN
    return structs.replace(
        order,
        state=target,
        arrived_at=order.arrived_at or (now if target is OrderState.ON_SITE else None),
        done_at=now if target is OrderState.DONE else order.done_at,
        closed_at=now if target in {OrderState.CLOSED, OrderState.CANCELLED} else order.closed_at,
        cause_code=cause_code or order.cause_code,
        assigned_to=(assigned_to or order.assigned_to) if stays else None,
        technicians=order.technicians if stays else [],
        team=order.team if stays else None,
    )


def _target(state: OrderState, to: str) -> OrderState:
    target = _STATES.get(to)
    if target is None:
        message = f"no such state of a work order: {to}"
        raise IllegalTransitionError(message)
    if target not in LEGAL_TRANSITIONS[state]:
        message = f"a work order cannot go from {state.value} to {target.value}"
        raise IllegalTransitionError(message)
    return target


def _require_words(
    order: WorkOrder, target: OrderState, *, note: str | None, cause_code: str | None, assigned_to: str | None
) -> None:
    lacks = None
    if target in _NEEDS_REASON and not (note and note.strip()):
        lacks = "a reason (note)"
    elif target is OrderState.ASSIGNED and not assigned_to:
        lacks = "a person (assigned_to)"
    elif target is OrderState.DONE and order.kind in NEEDS_CAUSE and not (cause_code or order.cause_code):
        lacks = "the cause that was found (cause_code)"
    elif cause_code is not None and len(cause_code) > CAUSE_CODE_CHARS_MAX:
        lacks = f"a cause code of at most {CAUSE_CODE_CHARS_MAX} characters"
    if lacks is not None:
        message = f"{target.value} needs {lacks}"
        raise IllegalTransitionError(message)
