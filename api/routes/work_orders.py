"""Work orders: what a person must do, how far it has come, and the steps that may follow."""

from typing import Annotated

import structlog
from fastapi import APIRouter, Path, Query

from alerts.alert import IllegalTransitionError
from alerts.desk import UnknownWorkOrderError
from alerts.work_orders import OrderKind, OrderState, WorkOrder
from api.bodies import LiftId, RecordId, Transition
from api.problems import ProblemError, ProblemName, documented
from api.routes.paging import PageQuery, ServiceParameter, cut, decode_id
from api.schemas import WorkOrderDetail, WorkOrderPage, WorkOrderView, legal_next, work_order_detail, work_order_view
from api.service import Service
from ingest.fleet_register import UnknownLiftError

router = APIRouter(prefix="/work-orders", tags=["work orders"])
log = structlog.get_logger()
OrderPath = Annotated[RecordId, Path()]


class WorkOrdersQuery(PageQuery):
    """Which work orders."""

    lift_id: LiftId | None = None
    kind: OrderKind | None = None
    state: OrderState | None = None


@router.get("", responses=documented())
def list_work_orders(service: ServiceParameter, query: Annotated[WorkOrdersQuery, Query()]) -> WorkOrderPage:
    """List work orders, newest first."""
    rows = service.journal.work_orders(
        limit=query.limit + 1,
        before_id=decode_id(query.cursor),
        lift_id=query.lift_id,
        kind=query.kind,
        state=query.state,
    )
    page, following = cut(rows, query.limit, lambda order: order.id)
    return WorkOrderPage(items=[work_order_view(order) for order in page], next=following)


@router.get("/{order_id}", responses=documented(404))
def find_work_order(service: ServiceParameter, order_id: OrderPath) -> WorkOrderDetail:
    """Return one work order, its history and the states that may follow."""
    order = _known(service, order_id)
    return work_order_detail(order, service.journal.work_order_history(order_id))


@router.post("/{order_id}/transitions", responses=documented(404, 409, 413))
def move_work_order(service: ServiceParameter, order_id: OrderPath, body: Transition) -> WorkOrderView:
    """Move a work order to another state."""
    try:
        order = service.desk.transition(
            order_id,
            body.to,
            body.by,
            service.clock.now(),
            note=body.note,
            cause_code=body.cause_code,
            assigned_to=body.assigned_to,
        )
    except IllegalTransitionError as error:
        states = [state.value for state in legal_next(_known(service, order_id).state)]
        raise ProblemError(ProblemName.ILLEGAL_TRANSITION, str(error), legal_next=states) from error
    except UnknownLiftError as error:
        # The step is taken; only its visit cannot be written into a register that does not hold the lift.
        log.warning("order-without-visit", order_id=order_id, error=str(error))
        order = _known(service, order_id)
    return work_order_view(order)


def _known(service: Service, order_id: int) -> WorkOrder:
    order = service.journal.work_order(order_id)
    if order is None:
        message = f"There is no work order {order_id}."
        raise UnknownWorkOrderError(message)
    return order
