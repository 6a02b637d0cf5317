"""Quarantine: what was not accepted, and why; and its way through intake again."""

from typing import Annotated

from fastapi import APIRouter, Path, Query

from api.bodies import Instant, LiftId, RecordId, ReplayOrder
from api.problems import ProblemError, ProblemName, documented
from api.routes.paging import PageQuery, ServiceParameter, cut, decode_id, encode_cursor
from api.schemas import (
    QuarantinedDetail,
    QuarantinedPage,
    QuarantinedView,
    ReplayView,
    quarantined_detail,
    quarantined_view,
)
from api.service import Service
from ingest.quarantine import QuarantinedMessage, Selection
from ingest.replay import ReplayReport
from ingest.wire import Reason

router = APIRouter(prefix="/quarantine", tags=["quarantine"])
QuarantinedPath = Annotated[RecordId, Path()]
# A row holds up to 256 KiB of which a list shows a little: few are in memory at a time.
_ROWS_AT_A_TIME = 20


class QuarantineQuery(PageQuery):
    """Which quarantined messages; those that came, for the first time or again, in [since, until)."""

    lift_id: LiftId | None = None
    reason: Reason | None = None
    since: Instant | None = None
    until: Instant | None = None
    replayed: bool | None = None


@router.get("", responses=documented())
def list_quarantined(service: ServiceParameter, query: Annotated[QuarantineQuery, Query()]) -> QuarantinedPage:
    """List quarantined messages, newest first, with the beginning of what each of them held."""
    before_id = decode_id(query.cursor)
    which = Selection(
        lift_id=query.lift_id, reason=query.reason, since=query.since, until=query.until, replayed=query.replayed
    )
    items: list[QuarantinedView] = []
    wanted = query.limit + 1
    while len(items) < wanted:
        at_a_time = min(_ROWS_AT_A_TIME, wanted - len(items))
        rows = service.quarantine.list(which, limit=at_a_time, before_id=before_id)
        items += [quarantined_view(row) for row in rows]
        if len(rows) < at_a_time:
            break
        before_id = rows[-1].id
    page, following = cut(items, query.limit, lambda item: item.id)
    return QuarantinedPage(items=list(page), next=following)


@router.post("/replay", responses=documented(413))
def replay_quarantine(service: ServiceParameter, body: ReplayOrder) -> ReplayView:
    """Put quarantined messages through intake again, against today's register and profiles; they ring nobody."""
    which = Selection(lift_id=body.lift_id, reason=body.reason, since=body.since, until=body.until)
    after_id = decode_id(body.cursor, at="body.cursor") or 0
    report = service.replay.run(which, limit=body.limit, after_id=after_id, dry_run=body.dry_run)
    return _view(report, dry_run=body.dry_run)


@router.get("/{quarantined_id}", responses=documented(404))
def find_quarantined(service: ServiceParameter, quarantined_id: QuarantinedPath) -> QuarantinedDetail:
    """Return one quarantined message whole."""
    return quarantined_detail(_known(service, quarantined_id))


@router.post("/{quarantined_id}/replay", responses=documented(404, 409))
def replay_quarantined(service: ServiceParameter, quarantined_id: QuarantinedPath) -> ReplayView:
    """Put one quarantined message through intake again; refused again, it keeps waiting with its new reason."""
    row = _known(service, quarantined_id)
    if row.replayed_at is not None:
        raise ProblemError(ProblemName.CONFLICT, f"It was replayed at {row.replayed_at.isoformat()}.")
    if not row.replayable:
        raise ProblemError(ProblemName.CONFLICT, "It cannot be replayed: not all that came is kept.")
    report = service.replay.run(Selection(id=quarantined_id), limit=1)
    if not report.rows:
        raise ProblemError(ProblemName.CONFLICT, "Another replay has it in hand.")
    return _view(report, dry_run=False)


def _known(service: Service, quarantined_id: int) -> QuarantinedMessage:
    found = service.quarantine.find(quarantined_id)
    if found is None:
        raise ProblemError(ProblemName.NOT_FOUND, f"There is no quarantined message {quarantined_id}.")
    return found


def _view(report: ReplayReport, *, dry_run: bool) -> ReplayView:
    following = None if report.next_id is None else encode_cursor(report.next_id)
    counts = {name: getattr(report, name) for name in report.__struct_fields__ if name != "next_id"}
    return ReplayView(**counts, dry_run=dry_run, next=following)
