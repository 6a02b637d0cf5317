"""Silence: what an operator puts aside, where somebody works, what is out of service, and alerts in groups."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Response
from pydantic import BaseModel

from alerts.quiet import Source
from api.bodies import Acknowledgement, LiftId, RecordId
from api.once import OnceParameter
from api.problems import documented
from api.routes.alerts import AlertPath
from api.routes.paging import PageQuery, ServiceParameter, cut, decode_id
from api.schemas import AlertView, alert_view
from api.schemas_suppression import (
    CheckIn,
    GroupPage,
    OutOfService,
    ShelfOrder,
    ShelfPage,
    SuppressionPage,
    SuppressionView,
    group_view,
    shelf_view,
    suppression_view,
)

router = APIRouter()
SuppressionPath = Annotated[RecordId, Path()]


class SuppressionsQuery(PageQuery):
    """Which suppressions; `ended`: those that are over too."""

    lift_id: LiftId | None = None
    source: Source | None = None
    ended: bool = False


@router.get("/alerts/groups", tags=["alerts"], responses=documented())
def group_alerts(service: ServiceParameter) -> GroupPage:
    """List the open alerts that ring by site and kind: what is left to see in a flood. At most 500 groups."""
    desk = service.quiet_desk
    return GroupPage(items=[group_view(group) for group in desk.groups()], next=None, flood=desk.counts().flood)


@router.get("/alerts/shelves", tags=["alerts"], responses=documented())
def show_shelves(service: ServiceParameter) -> ShelfPage:
    """List what is put aside, the first to come back first. At most 1,000."""
    return ShelfPage(items=[shelf_view(shelf) for shelf in service.quiet_desk.shelves()], next=None)


@router.post(
    "/alerts/{alert_id}/shelve", tags=["alerts"], response_model=AlertView, responses=documented(404, 409, 413)
)
def shelve_alert(service: ServiceParameter, alert_id: AlertPath, body: ShelfOrder, once: OnceParameter) -> Response:
    """Put an alert aside for a while, with a reason; never one about people in danger."""
    now = service.clock.now()
    return once(lambda: (alert_view(service.quiet_desk.shelve(alert_id, body.minutes, body.by, now, body.note)), 200))


@router.post(
    "/alerts/{alert_id}/unshelve", tags=["alerts"], response_model=AlertView, responses=documented(404, 409, 413)
)
def unshelve_alert(
    service: ServiceParameter, alert_id: AlertPath, body: Acknowledgement, once: OnceParameter
) -> Response:
    """Take an alert off its shelf: it rings if it still stands."""
    now = service.clock.now()
    return once(lambda: (alert_view(service.quiet_desk.unshelve(alert_id, body.by, now, body.note)), 200))


@router.get("/suppressions", tags=["suppressions"], responses=documented())
def list_suppressions(service: ServiceParameter, query: Annotated[SuppressionsQuery, Query()]) -> SuppressionPage:
    """List why alerts of lifts are silent, newest first: check-ins, what is out of service, greater alerts."""
    rows = service.quiet_desk.entries(
        limit=query.limit + 1,
        before_id=decode_id(query.cursor),
        lift_id=query.lift_id,
        source=query.source,
        ended=query.ended,
    )
    page, following = cut(rows, query.limit, lambda entry: entry.id)
    now = service.clock.now()
    return SuppressionPage(items=[suppression_view(entry, now) for entry in page], next=following)


@router.post(
    "/suppressions/check-ins",
    tags=["suppressions"],
    status_code=201,
    response_model=SuppressionView,
    responses=documented(409, 413),
)
def check_in(service: ServiceParameter, body: CheckIn, once: OnceParameter) -> Response:
    """Note that somebody works at a lift."""
    now = service.clock.now()

    def act() -> tuple[BaseModel, int]:
        entry = service.quiet_desk.check_in(body.lift_id, body.until, body.by, now, body.note)
        return suppression_view(entry, now), 201

    return once(act)


@router.post(
    "/suppressions/out-of-service",
    tags=["suppressions"],
    status_code=201,
    response_model=SuppressionView,
    responses=documented(409, 413),
)
def take_out(service: ServiceParameter, body: OutOfService, once: OnceParameter) -> Response:
    """Take a lift, or one kind of its alerts, out of the alarm system; people in danger ring all the same."""
    now = service.clock.now()

    def act() -> tuple[BaseModel, int]:
        entry = service.quiet_desk.take_out(body.lift_id, body.kind, body.until, body.by, now, body.note)
        return suppression_view(entry, now), 201

    return once(act)


@router.post(
    "/suppressions/{suppression_id}/end",
    tags=["suppressions"],
    response_model=SuppressionView,
    responses=documented(404, 409, 413),
)
def end_suppression(
    service: ServiceParameter, suppression_id: SuppressionPath, body: Acknowledgement, once: OnceParameter
) -> Response:
    """End a check-in, or take a lift back in: what still stands rings within seconds."""
    now = service.clock.now()
    return once(lambda: (suppression_view(service.quiet_desk.end(suppression_id, body.by, now, body.note), now), 200))
