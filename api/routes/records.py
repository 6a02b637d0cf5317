"""Visits and inspections: what was done at the lifts. Written once; the same record again changes nothing."""

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Query, Response, status

from api.bodies import INSTANT_END, InspectionRecord, LiftId, VisitRecord
from api.problems import ProblemError, ProblemName, documented, invalid
from api.routes.paging import PageQuery, ServiceParameter, cut, decode_id
from api.schemas import InspectionPage, InspectionView, VisitPage, VisitView, inspection_view, visit_view
from ingest.fleet_register import UnknownLiftError
from ingest.intake import FUTURE_MAX

router = APIRouter()
_AHEAD_OF_UTC_MAX = timedelta(hours=14)


class RecordsQuery(PageQuery):
    """Which records."""

    lift_id: LiftId | None = None


@router.get("/visits", tags=["visits"], responses=documented())
def list_visits(service: ServiceParameter, query: Annotated[RecordsQuery, Query()]) -> VisitPage:
    """List visits in the order in which they were recorded."""
    after_id = decode_id(query.cursor) or 0
    rows = service.register.visits(INSTANT_END, lift_id=query.lift_id, after_id=after_id, limit=query.limit + 1)
    page, following = cut(rows, query.limit, lambda row: row.id)
    return VisitPage(items=[visit_view(row) for row in page], next=following)


@router.post(
    "/visits",
    tags=["visits"],
    status_code=201,
    responses={**documented(409, 413), 200: {"model": VisitView, "description": "It is recorded already."}},
)
def record_visit(service: ServiceParameter, body: VisitRecord, response: Response) -> VisitView:
    """Record what a person did at a lift."""
    if body.done_at > service.clock.now() + FUTURE_MAX:
        raise invalid(at="body.done_at", detail="not yet done")
    visit = body.visit()
    try:
        is_new = service.register.add_visits([visit]) == 1
    except UnknownLiftError as error:
        raise invalid(at="body.lift_id", detail=str(error)) from error
    known = service.register.visits(visit.done_at, lift_id=visit.lift_id)
    found = next(row for row in known if (row.visit.kind, row.visit.done_at) == (visit.kind, visit.done_at))
    if found.visit != visit:
        raise ProblemError(
            ProblemName.CONFLICT, f"Visit {found.id} of that lift, kind and instant says something else."
        )
    response.status_code = status.HTTP_201_CREATED if is_new else status.HTTP_200_OK
    return visit_view(found)


@router.get("/inspections", tags=["inspections"], responses=documented())
def list_inspections(service: ServiceParameter, query: Annotated[RecordsQuery, Query()]) -> InspectionPage:
    """List inspections in the order in which they were recorded."""
    after_id = decode_id(query.cursor) or 0
    rows = service.register.inspections(lift_id=query.lift_id, after_id=after_id, limit=query.limit + 1)
    page, following = cut(rows, query.limit, lambda row: row.id)
    return InspectionPage(items=[inspection_view(row) for row in page], next=following)


@router.post(
    "/inspections",
    tags=["inspections"],
    status_code=201,
    responses={**documented(409, 413), 200: {"model": InspectionView, "description": "It is recorded already."}},
)
def record_inspection(service: ServiceParameter, body: InspectionRecord, response: Response) -> InspectionView:
    """Record an official inspection; a passed one with a certificate sets until when the lift is certified."""
    if body.done_on > (service.clock.now() + _AHEAD_OF_UTC_MAX).date():
        raise invalid(at="body.done_on", detail="not yet done")
    inspection = body.inspection()
    try:
        is_new = service.register.add_inspections([inspection]) == 1
    except UnknownLiftError as error:
        raise invalid(at="body.lift_id", detail=str(error)) from error
    known = service.register.inspections(lift_id=inspection.lift_id)
    found = next(row for row in known if row.inspection.done_on == inspection.done_on)
    if found.inspection != inspection:
        raise ProblemError(ProblemName.CONFLICT, f"Inspection {found.id} of that lift and day says something else.")
    response.status_code = status.HTTP_201_CREATED if is_new else status.HTTP_200_OK
    return inspection_view(found)
