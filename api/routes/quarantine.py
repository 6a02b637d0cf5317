"""Quarantine: what was not accepted, and why."""

from typing import Annotated

from fastapi import APIRouter, Path, Query

from api.bodies import LiftId, RecordId
from api.problems import ProblemError, ProblemName, documented
from api.routes.paging import PageQuery, ServiceParameter, cut, decode_id
from api.schemas import QuarantinedDetail, QuarantinedPage, QuarantinedView, quarantined_detail, quarantined_view
from ingest.wire import Reason

router = APIRouter(prefix="/quarantine", tags=["quarantine"])
# A row holds up to 256 KiB of which a list shows a little: few are in memory at a time.
_ROWS_AT_A_TIME = 20


class QuarantineQuery(PageQuery):
    """Which quarantined messages."""

    lift_id: LiftId | None = None
    reason: Reason | None = None


@router.get("", responses=documented())
def list_quarantined(service: ServiceParameter, query: Annotated[QuarantineQuery, Query()]) -> QuarantinedPage:
    """List quarantined messages, newest first, with the beginning of what each of them held."""
    before_id = decode_id(query.cursor)
    items: list[QuarantinedView] = []
    wanted = query.limit + 1
    while len(items) < wanted:
        at_a_time = min(_ROWS_AT_A_TIME, wanted - len(items))
        rows = service.quarantine.list(limit=at_a_time, before_id=before_id, reason=query.reason, lift_id=query.lift_id)
        items += [quarantined_view(row) for row in rows]
        if len(rows) < at_a_time:
            break
        before_id = rows[-1].id
    page, following = cut(items, query.limit, lambda item: item.id)
    return QuarantinedPage(items=list(page), next=following)


@router.get("/{quarantined_id}", responses=documented(404))
def find_quarantined(service: ServiceParameter, quarantined_id: Annotated[RecordId, Path()]) -> QuarantinedDetail:
    """Return one quarantined message whole."""
    found = service.quarantine.find(quarantined_id)
    if found is None:
        raise ProblemError(ProblemName.NOT_FOUND, f"There is no quarantined message {quarantined_id}.")
    return quarantined_detail(found)
