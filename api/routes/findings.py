"""Findings: what analytics concludes, from the newest assessment or as of any instant."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field

from analytics.findings import FindingKind
from api.bodies import Instant, LiftId
from api.problems import documented
from api.routes.paging import PageQuery, ServiceParameter, cut, decode_id
from api.schemas import FindingPage, finding_view
from api.service import Service
from ingest.fleet_register import UnknownLiftError

router = APIRouter(prefix="/findings", tags=["findings"])


class FindingsQuery(PageQuery):
    """Which findings."""

    lift_id: LiftId | None = None
    kind: FindingKind | None = None
    as_of: Instant | None = Field(
        default=None, description="Assess for this request, as of this instant; the newest assessment otherwise."
    )


@router.get("", responses=documented())
def list_findings(service: ServiceParameter, query: Annotated[FindingsQuery, Query()]) -> FindingPage:
    """List findings."""
    return _stored(service, query) if query.as_of is None else _assessed(service, query, query.as_of)


def _stored(service: Service, query: FindingsQuery) -> FindingPage:
    # Read before the findings: what is replaced between the two is newer than it says, never older.
    assessed_at = service.findings.assessed_at()
    after_id = decode_id(query.cursor) or 0
    rows = service.findings.findings(limit=query.limit + 1, after_id=after_id, lift_id=query.lift_id, kind=query.kind)
    page, following = cut(rows, query.limit, lambda row: row.id)
    items = [finding_view(row.finding) for row in page]
    return FindingPage(items=items, next=following, assessed_at=assessed_at, source="latest-assessment")


def _assessed(service: Service, query: FindingsQuery, as_of: Instant) -> FindingPage:
    """Assess anew for each page: the same instant and the same data give the same findings in the same order."""
    try:
        found = service.assessment.assess(as_of, None if query.lift_id is None else [query.lift_id])
    except UnknownLiftError:
        found = []  # a filter that nothing passes, as with every list
    wanted = [one for one in found if query.kind in (None, one.kind)]
    start = decode_id(query.cursor) or 0
    items = [finding_view(one) for one in wanted[start : start + query.limit]]
    end = start + len(items)
    _, following = cut(wanted[start:], query.limit, lambda _: end)
    return FindingPage(
        items=items,
        next=following,
        assessed_at=as_of,
        source="assessed-for-this-request",
        provisional=service.assessment.is_provisional(as_of),
    )
