"""Technicians: who may be sent, with which certificates."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Response, status

from api.bodies import Day, Name
from api.bodies_orders import TechnicianId, TechnicianRecord
from api.problems import ProblemError, ProblemName, documented
from api.routes.paging import PageQuery, ServiceParameter, cut, decode_cursor
from api.schemas_orders import TechnicianPage, TechnicianView, technician_view

router = APIRouter(prefix="/technicians", tags=["technicians"])
TechnicianPath = Annotated[TechnicianId, Path()]


class TechniciansQuery(PageQuery):
    """Which technicians; `expiring_before`: active ones who have no certificate for lifts that lasts until that day."""

    team: Name | None = None
    expiring_before: Day | None = None


@router.get("", responses=documented())
def list_technicians(service: ServiceParameter, query: Annotated[TechniciansQuery, Query()]) -> TechnicianPage:
    """List technicians by id."""
    rows = service.technicians.technicians(
        limit=query.limit + 1,
        after=decode_cursor(query.cursor),
        team=query.team,
        expiring_before=query.expiring_before,
    )
    page, following = cut(rows, query.limit, lambda who: who.technician_id)
    today = service.clock.now().date()
    return TechnicianPage(items=[technician_view(who, today) for who in page], next=following)


@router.get("/{technician_id}", responses=documented(404))
def find_technician(service: ServiceParameter, technician_id: TechnicianPath) -> TechnicianView:
    """Return one technician."""
    who = service.technicians.find(technician_id)
    if who is None:
        raise ProblemError(ProblemName.NOT_FOUND, f"There is no technician {technician_id}.")
    return technician_view(who, service.clock.now().date())


@router.put(
    "/{technician_id}",
    responses={**documented(413), 201: {"model": TechnicianView, "description": "The technician is new."}},
)
def put_technician(
    service: ServiceParameter, technician_id: TechnicianPath, body: TechnicianRecord, response: Response
) -> TechnicianView:
    """Register a technician, or replace what is known; who has left is not `active`."""
    who = body.technician(technician_id)
    is_new = service.technicians.put(who)
    response.status_code = status.HTTP_201_CREATED if is_new else status.HTTP_200_OK
    return technician_view(who, service.clock.now().date())
