"""Entrapment cases: how far each rescue has come, what to do first, and what people say of it."""

from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query, Response
from pydantic import BaseModel

from alerts.entrapment import EntrapmentCase
from api.bodies import LiftId, RecordId
from api.once import OnceParameter
from api.problems import documented
from api.routes.paging import PageQuery, ServiceParameter, cut, decode_id
from api.schemas_cases import CaseDetail, CasePage, PeopleNamed, StageReached, case_detail, case_view
from api.service import Service

router = APIRouter(prefix="/cases", tags=["cases"])
CasePath = Annotated[RecordId, Path()]


class CasesQuery(PageQuery):
    """Which cases."""

    lift_id: LiftId | None = None
    state: Literal["open", "closed"] | None = None


@router.get("", responses=documented())
def list_cases(service: ServiceParameter, query: Annotated[CasesQuery, Query()]) -> CasePage:
    """List entrapment cases, newest first."""
    rows = service.cases.cases(
        limit=query.limit + 1,
        before_id=decode_id(query.cursor),
        lift_id=query.lift_id,
        is_open=None if query.state is None else query.state == "open",
    )
    page, following = cut(rows, query.limit, lambda case: case.id)
    now = service.clock.now()
    views = [case_view(case, now, service.cases.lacking(case, now.date())) for case in page]
    return CasePage(items=views, next=following)


@router.get("/{case_id}", responses=documented(404))
def find_case(service: ServiceParameter, case_id: CasePath) -> CaseDetail:
    """Return one case with its rescue aid."""
    return _detail(service, service.cases.case(case_id))


@router.post("/{case_id}/stages", response_model=CaseDetail, responses=documented(404, 409, 413))
def reach_stage(service: ServiceParameter, case_id: CasePath, body: StageReached, once: OnceParameter) -> Response:
    """Say that a rescue has come to a stage."""
    now = service.clock.now()

    def act() -> tuple[BaseModel, int]:
        case = service.cases.reach(
            case_id,
            body.stage,
            body.by,
            now,
            note=body.note,
            people=body.people,
            nobody_trapped=body.nobody_trapped,
        )
        return _detail(service, case), 200

    return once(act)


@router.post("/{case_id}/people", response_model=CaseDetail, responses=documented(404, 409, 413))
def name_people(service: ServiceParameter, case_id: CasePath, body: PeopleNamed, once: OnceParameter) -> Response:
    """Name who goes to a rescue."""
    now = service.clock.now()
    return once(lambda: (_detail(service, service.cases.name_people(case_id, body.people, body.by, now)), 200))


def _detail(service: Service, case: EntrapmentCase) -> CaseDetail:
    now = service.clock.now()
    return case_detail(case, now, service.cases.lacking(case, now.date()))
