"""The desk of work orders: opening one by hand, and moving one on. Each call is one transaction of the journal."""

from collections.abc import Callable, Sequence
from datetime import datetime

from msgspec import Struct, structs
from sqlalchemy.engine import Connection

from alerts import order_entries, paper_entries
from alerts.alert import IllegalTransitionError
from alerts.checklists import TRIP_CODE, check_book
from alerts.contract_entries import terms_of
from alerts.journal import Journal
from alerts.lock_order import go_alone
from alerts.order_entries import NewOrder, required
from alerts.order_papers import Papers, lacking_to_close, signed_error, signed_fields
from alerts.outbox import tell_order
from alerts.technician_register import crew_of, is_kept
from alerts.technicians import lacking_in
from alerts.work_orders import OrderKind, OrderState, WorkOrder, moved
from ingest.fleet import Visit, VisitKind
from ingest.fleet_register import UnknownLiftError, record_visit, repairs_in_a_row

# Told of each step of an order in the transaction that takes it: the order after it, by whom, and when.
Follower = Callable[[Connection, WorkOrder, str, datetime], None]
# RS-01, RS-02: the clock of an order that a person opens, where its contract says nothing else.
CLOCKS_MIN = {OrderKind.RESCUE: 30, OrderKind.REPAIR: 60}
# What a rescue lacks is said, never held against it: people wait.
_NEVER_HELD_UP = frozenset({OrderKind.RESCUE})


class StaleVersionError(ValueError):
    """The order was changed since whoever moves it has read it."""


class Step(Struct, frozen=True, kw_only=True):
    """A step of an order: to which state, by whom, and what is said with it.

    `trip_at` is when the lift made a trip after the work, where its telemetry tells one. `version` and `state` are
    those that the order must have; None: whatever it has.
    """

    to: str
    by: str
    note: str | None = None
    cause_code: str | None = None
    assigned_to: str | None = None
    team: str | None = None
    technicians: list[str] | None = None
    external_source: str | None = None
    external_ref: str | None = None
    trip_at: datetime | None = None
    version: int | None = None
    state: str | None = None


class OrderDesk:
    """Takes what people and other systems do with work orders."""

    def __init__(self, journal: Journal, followers: Sequence[Follower] = ()) -> None:
        """Write into `journal`; `followers` see each step in its transaction."""
        self._journal = journal
        self._followers = tuple(followers)

    def open(self, new: NewOrder, note: str | None = None) -> tuple[WorkOrder, bool]:
        """Open an order by hand; return it and True, or the one of lift and cause that stands already and False."""
        with self._journal.writing() as connection:
            order = order_entries.open_new_order(connection, new)
            if order is None:
                standing = order_entries.lock_undone_order(connection, new.lift_id, new.cause)
                if standing is None:
                    message = "the order of that lift and cause ended at this moment; ask again"
                    raise IllegalTransitionError(message)
                words = "; ".join(part for part in (new.message, note) if part)
                order_entries.note_order(connection, standing.id, new.opened_at, new.opened_by, "asked-again", words)
                return standing, False
            if note:
                order_entries.note_order(connection, order.id, new.opened_at, new.opened_by, "commented", note)
            tell_order(connection, "opened", new.opened_at, order, by=new.opened_by, note=note)
            return order, True

    def move(self, order_id: int, step: Step, now: datetime) -> WorkOrder:
        """Move an order on. Work that is done becomes a visit in the register, where AS-02 finds it again.

        Raises:
            UnknownWorkOrderError: no such order.
            StaleVersionError: it is not in the version that `step` asks for.
            IllegalTransitionError: not from its state, not after it was signed, or without what it needs.
            UnknownLiftError: the register does not hold the lift; the order is moved all the same.
        """
        with self._journal.writing() as connection:
            go_alone(connection)  # a rescue's case follows its order
            order = required(connection, order_id)
            _require_as_read(order, step)
            crewed, said = _with_crew(connection, order, step)
            after = moved(
                crewed,
                to=step.to,
                now=now,
                note=step.note,
                cause_code=step.cause_code,
                assigned_to=crewed.assigned_to if step.technicians or step.team else step.assigned_to,
            )
            if order.signed_at is not None and signed_fields(after) != signed_fields(order):
                raise signed_error(order)
            said += _warnings(connection, after, step, now)
            after, has_visit = _counted(connection, after)
            after = order_entries.store_order(connection, after, step.by, now, _words(step, said))
            for follow in self._followers:
                follow(connection, after, step.by, now)
        if not has_visit:
            message = f"not registered: {after.lift_id}"
            raise UnknownLiftError(message)
        return after

    def remark(self, order_id: int, by: str, now: datetime, note: str) -> WorkOrder:
        """Add words to an order's history, signed or not: so a signed record is corrected.

        Raises:
            UnknownWorkOrderError: no such order.
        """
        with self._journal.writing() as connection:
            order = required(connection, order_id)
            action = "corrected" if order.signed_at is not None else "commented"
            order_entries.note_order(connection, order_id, now, by, action, note)
            return order


def _require_as_read(order: WorkOrder, step: Step) -> None:
    if step.version is not None and step.version != order.version:
        message = f"{order.number} is in version {order.version}, not {step.version}"
        raise StaleVersionError(message)
    if step.state is not None and step.state != order.state:
        message = f"{order.number} is {order.state.value}, not {step.state}"
        raise StaleVersionError(message)


def _with_crew(connection: Connection, order: WorkOrder, step: Step) -> tuple[WorkOrder, list[str]]:
    """Return the order with who is sent and what other systems call it, and what is said of that."""
    named = {
        name: getattr(step, name) for name in ("external_source", "external_ref") if getattr(step, name) is not None
    }
    order = structs.replace(order, team=step.team or order.team, **named)
    if step.technicians is None:
        return structs.replace(order, assigned_to=step.assigned_to or step.team or order.assigned_to), []
    if order.signed_at is not None:
        raise signed_error(order)
    ids = sorted(set(step.technicians))
    crew = crew_of(connection, ids)
    unknown = sorted(set(ids) - {one.technician_id for one in crew})
    if unknown:
        message = f"no such technician: {', '.join(unknown)}"
        raise IllegalTransitionError(message)
    names = ", ".join(one.name for one in crew)
    order = structs.replace(
        order, technicians=ids, assigned_to=step.assigned_to or names or step.team or order.assigned_to
    )
    return order, [f"technicians {names}"] if names else []


def _warnings(connection: Connection, order: WorkOrder, step: Step, now: datetime) -> list[str]:
    """Return what a step is taken without; a step that may not be is refused, unless a reason is given.

    Neither an arrival without two certificated people nor a lift handed back without its check-out passes in silence. A
    rescue is never held up.
    """
    if order.state is OrderState.ON_SITE:
        lacking = _lacking_crew(connection, order, now)
    elif order.state is OrderState.ASSIGNED:
        return [f"warning: {fault}" for fault in _lacking_crew(connection, order, now)]
    elif order.state is OrderState.CLOSED:
        papers = paper_entries.papers_of(connection, order.id)
        lacking = lacking_to_close(order, papers, check_book(), step.trip_at)
        if not lacking:
            return [_how_it_runs(papers, step.trip_at)]
    else:
        return []
    if lacking and order.kind not in _NEVER_HELD_UP and not (step.note or "").strip():
        message = f"{order.state.value} needs {'; '.join(lacking)}; or a reason (note)"
        raise IllegalTransitionError(message)
    return [f"without {fault}" for fault in lacking]


def _how_it_runs(papers: Papers, trip_at: datetime | None) -> str:
    """Return how it is known that the lift runs: its own telemetry, or a person's word."""
    if trip_at is not None:
        return f"a trip at {trip_at.isoformat()} after the work"
    said = next((entry.by for entry in papers.checks if entry.code == TRIP_CODE), None)
    return "a rescue: the lift stays as it is" if said is None else f"a trip stated by {said}, not seen in telemetry"


def _lacking_crew(connection: Connection, order: WorkOrder, now: datetime) -> list[str]:
    if not is_kept(connection):
        return []
    contractor = terms_of(connection, order.lift_id, order.kind.value, order.priority, None).contractor
    return lacking_in(crew_of(connection, order.technicians), now.date(), contractor)


def _counted(connection: Connection, order: WorkOrder) -> tuple[WorkOrder, bool]:
    """Write the visit of an order that is done and count the repairs of its cause; False where nobody knows the lift.

    Again at each later step, should the lift have been unknown before.
    """
    kind = _visit_kind(order)
    if order.done_at is None or kind is None:
        return order, True
    visit = Visit(
        lift_id=order.lift_id, kind=kind, done_at=order.done_at, cause_code=order.cause_code, work_order=order.number
    )
    if not record_visit(connection, visit):
        return order, False
    if kind is not VisitKind.REPAIR or order.cause_code is None or order.repairs_in_a_row is not None:
        return order, True
    return structs.replace(order, repairs_in_a_row=repairs_in_a_row(connection, visit)), True


def _visit_kind(order: WorkOrder) -> VisitKind | None:
    """Return as what the work stands in the register.

    Where a cause was found something was repaired, whatever the order was for; a rescue alone lets people out, and a
    finding that was looked at was looked at. A lift is prepared for its inspection by a service (IN-02).
    """
    if order.kind in {OrderKind.MAINTENANCE, OrderKind.INSPECTION_PREPARATION}:
        return VisitKind.MAINTENANCE
    return VisitKind.REPAIR if order.cause_code is not None else None


def _words(step: Step, said: Sequence[str]) -> str | None:
    parts = [
        step.note,
        step.assigned_to and f"assigned to {step.assigned_to}",
        step.team and f"team {step.team}",
        step.cause_code and f"cause {step.cause_code}",
        step.external_ref and f"{step.external_source or 'elsewhere'} {step.external_ref}",
        *said,
    ]
    return "; ".join(part for part in parts if part) or None
