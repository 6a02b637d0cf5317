"""The monitoring centre's shifts: the log, the hand-over and its confirmation, the daily round."""

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Path, Query, Response

from api.bodies import Day, RecordId, Taken
from api.once import OnceParameter
from api.problems import documented, invalid
from api.routes.paging import PageParameters, ServiceParameter, cut, decode_id
from api.schemas_shift import (
    Confirmation,
    HandoverOrder,
    HandoverPage,
    HandoverView,
    RoundOrder,
    RoundPage,
    RoundView,
    ShiftEntryPage,
    ShiftEntryView,
    ShiftLine,
    ShiftView,
    entry_view,
    handover_view,
    round_view,
)

router = APIRouter(prefix="/shift", tags=["shift"])
HandoverPath = Annotated[RecordId, Path()]
# Of the earliest time zone; a centre's day may have begun before that of UTC.
_AHEAD_OF_UTC_MAX = timedelta(hours=14)


class ShiftQuery(Taken):
    """As of which day of the centre rounds are missed; the day of UTC where it is left out."""

    day: Day | None = None


@router.get("", responses=documented())
def find_shift(service: ServiceParameter, query: Annotated[ShiftQuery, Query()]) -> ShiftView:
    """Return how the shift stands."""
    newest = service.shift.handovers(limit=1)
    waiting = next((handover for handover in newest if handover.confirmed_at is None), None)
    return ShiftView(
        standing=service.shift.standing(),
        waiting=None if waiting is None else handover_view(waiting),
        days_without_round=service.shift.days_without_round(query.day or service.clock.now().date()),
    )


@router.get("/entries", responses=documented())
def list_shift_entries(service: ServiceParameter, query: PageParameters) -> ShiftEntryPage:
    """List the lines of the shift log, newest first."""
    rows = service.shift.entries(limit=query.limit + 1, before_id=decode_id(query.cursor))
    page, following = cut(rows, query.limit, lambda row: row.id)
    return ShiftEntryPage(items=[entry_view(row) for row in page], next=following)


@router.post("/entries", status_code=201, response_model=ShiftEntryView, responses=documented(413))
def add_shift_entry(service: ServiceParameter, body: ShiftLine, once: OnceParameter) -> Response:
    """Write a line into the shift log; it is never changed."""
    about = body.model_dump(include={"lift_id", "alert_id", "work_order_id"})
    now = service.clock.now()
    return once(lambda: (entry_view(service.shift.note(body.by, now, body.text, **about)), 201))


@router.get("/handovers", responses=documented())
def list_handovers(service: ServiceParameter, query: PageParameters) -> HandoverPage:
    """List hand-overs, newest first."""
    rows = service.shift.handovers(limit=query.limit + 1, before_id=decode_id(query.cursor))
    page, following = cut(rows, query.limit, lambda row: row.id)
    return HandoverPage(items=[handover_view(row) for row in page], next=following)


@router.post("/handovers", status_code=201, response_model=HandoverView, responses=documented(409, 413))
def hand_over(service: ServiceParameter, body: HandoverOrder, once: OnceParameter) -> Response:
    """Hand the shift over; what stands is listed and kept with it."""
    now = service.clock.now()
    return once(lambda: (handover_view(service.shift.hand_over(body.by, now, body.text)), 201))


@router.get("/handovers/{handover_id}", responses=documented(404))
def find_handover(service: ServiceParameter, handover_id: HandoverPath) -> HandoverView:
    """Return one hand-over with what stood then."""
    return handover_view(service.shift.handover(handover_id))


@router.post("/handovers/{handover_id}/confirm", response_model=HandoverView, responses=documented(404, 409, 413))
def confirm_handover(
    service: ServiceParameter, handover_id: HandoverPath, body: Confirmation, once: OnceParameter
) -> Response:
    """Take the shift over; whoever goes cannot do that for whoever comes."""
    now = service.clock.now()
    return once(lambda: (handover_view(service.shift.confirm(handover_id, body.by, now, body.remark)), 200))


@router.get("/rounds", responses=documented())
def list_rounds(service: ServiceParameter, query: PageParameters) -> RoundPage:
    """List rounds, newest first."""
    rows = service.shift.rounds(limit=query.limit + 1, before_id=decode_id(query.cursor))
    page, following = cut(rows, query.limit, lambda row: row.id)
    return RoundPage(items=[round_view(row) for row in page], next=following)


@router.post("/rounds", status_code=201, response_model=RoundView, responses=documented(413))
def record_round(service: ServiceParameter, body: RoundOrder, once: OnceParameter) -> Response:
    """Record a round: what was looked at, by whom, with which result."""
    now = service.clock.now()
    if body.day > (now + _AHEAD_OF_UTC_MAX).date():
        raise invalid(at="body.day", detail="has not yet begun")
    return once(lambda: (round_view(service.shift.record_round(body.by, now, body.day, body.made(), body.note)), 201))
