"""Work orders: what a person must do, how far it has come, and the steps that may follow."""

import re
from datetime import datetime
from typing import Annotated

import structlog
from fastapi import APIRouter, Header, Path, Query, Response
from pydantic import BaseModel

from alerts.alert import IllegalTransitionError
from alerts.order_desk import CLOCKS_MIN, Step
from alerts.order_entries import NewOrder
from alerts.work_orders import OrderKind, OrderState, UnknownWorkOrderError, WorkOrder
from api.bodies import LiftId, Name, RecordId
from api.bodies_orders import OrderOpening, Transition
from api.once import OnceParameter
from api.problems import ProblemError, ProblemName, documented, invalid
from api.routes.paging import PageQuery, ServiceParameter, cut, decode_id
from api.schemas_orders import (
    WorkOrderDetail,
    WorkOrderPage,
    WorkOrderView,
    legal_next,
    work_order_detail,
    work_order_view,
)
from api.service import Service
from ingest.fleet_register import UnknownLiftError
from ingest.telemetry_store import StoreUnavailableError

router = APIRouter(prefix="/work-orders", tags=["work orders"])
log = structlog.get_logger()
OrderPath = Annotated[RecordId, Path()]
IfMatch = Annotated[
    str | None, Header(alias="If-Match", max_length=40, description="The ETag of the order as it was read.")
]
_ETAG = re.compile(r'"(\d{1,9})"\Z')


class WorkOrdersQuery(PageQuery):
    """Which work orders."""

    lift_id: LiftId | None = None
    kind: OrderKind | None = None
    state: OrderState | None = None
    external_ref: Name | None = None


@router.get("", responses=documented())
def list_work_orders(service: ServiceParameter, query: Annotated[WorkOrdersQuery, Query()]) -> WorkOrderPage:
    """List work orders, newest first."""
    rows = service.journal.work_orders(
        limit=query.limit + 1,
        before_id=decode_id(query.cursor),
        lift_id=query.lift_id,
        kind=query.kind,
        state=query.state,
        external_ref=query.external_ref,
    )
    page, following = cut(rows, query.limit, lambda order: order.id)
    return WorkOrderPage(items=[work_order_view(order) for order in page], next=following)


@router.post(
    "",
    status_code=201,
    response_model=WorkOrderView,
    responses={**documented(409, 413), 200: {"model": WorkOrderView, "description": "Lift and cause have this one."}},
)
def open_work_order(service: ServiceParameter, body: OrderOpening, once: OnceParameter) -> Response:
    """Open an order by hand; where lift and cause have one on which there is work to do, that one is told."""
    if service.register.find(body.lift_id) is None:
        raise invalid(at="body.lift_id", detail=f"not registered: {body.lift_id}")
    clock_min = body.arrive_within_min
    if "arrive_within_min" not in body.model_fields_set:
        clock_min = CLOCKS_MIN.get(body.kind)
    given = body.model_dump(exclude={"by", "note", "arrive_within_min", "kind"})
    new = NewOrder(
        **given, kind=body.kind, opened_at=service.clock.now(), opened_by=body.by, arrive_within_min=clock_min
    )

    def act() -> tuple[BaseModel, int]:
        order, is_new = service.desk.orders.open(new, body.note)
        return work_order_view(order), 201 if is_new else 200

    return once(act)


@router.get("/{order_id}", responses=documented(404))
def find_work_order(service: ServiceParameter, order_id: OrderPath, response: Response) -> WorkOrderDetail:
    """Return one work order, its history, what to look at first and the states that may follow."""
    order = _known(service, order_id)
    alerts = [alert for alert_id in order.alert_ids if (alert := service.journal.alert(alert_id)) is not None]
    response.headers["ETag"] = f'"{order.version}"'
    return work_order_detail(order, service.journal.work_order_history(order_id), alerts)


@router.post("/{order_id}/transitions", response_model=WorkOrderView, responses=documented(404, 409, 412, 413))
def move_work_order(
    service: ServiceParameter, order_id: OrderPath, body: Transition, once: OnceParameter, if_match: IfMatch = None
) -> Response:
    """Move a work order to another state."""
    now = service.clock.now()
    given = body.model_dump(exclude={"expected_state"})
    version = _version(if_match)
    # Before the transaction: a store that is slow must not keep everybody else waiting.
    trip_at = _trip_after_work(service, order_id, now) if body.to is OrderState.CLOSED else None
    step = Step(**given, trip_at=trip_at, version=version, state=body.expected_state)

    def act() -> tuple[BaseModel, int]:
        return work_order_view(_moved(service, order_id, step, now)), 200

    return once(act)


def _moved(service: Service, order_id: int, step: Step, now: datetime) -> WorkOrder:
    try:
        return service.desk.orders.move(order_id, step, now)
    except IllegalTransitionError as error:
        states = [state.value for state in legal_next(_known(service, order_id).state)]
        raise ProblemError(ProblemName.ILLEGAL_TRANSITION, str(error), legal_next=states) from error
    except UnknownLiftError as error:
        # The step is taken; only its visit cannot be written into a register that does not hold the lift.
        log.warning("order-without-visit", order_id=order_id, error=str(error))
        return _known(service, order_id)


def _trip_after_work(service: Service, order_id: int, now: datetime) -> datetime | None:
    order = service.journal.work_order(order_id)
    if order is None or order.done_at is None:
        return None
    try:
        return service.store.last_trip_at(order.lift_id, order.done_at, now)
    except StoreUnavailableError as error:
        log.warning("trip-not-known", order_id=order_id, error=str(error))
        return None


def _version(if_match: str | None) -> int | None:
    if if_match is None or if_match == "*":
        return None
    found = _ETAG.match(if_match.strip())
    if found is None:
        raise invalid(at="header.If-Match", detail='not an ETag of a work order, such as "3"')
    return int(found[1])


def _known(service: Service, order_id: int) -> WorkOrder:
    order = service.journal.work_order(order_id)
    if order is None:
        raise UnknownWorkOrderError(order_id)
    return order
