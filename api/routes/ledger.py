"""The ledger of one lift: stored n of n, and what is missing."""

from fastapi import APIRouter

from api.ledger_view import LedgerView, ledger_view
from api.problems import documented
from api.routes.lifts import LiftPath, known_lift
from api.routes.paging import ServiceParameter

router = APIRouter(prefix="/lifts/{lift_id}/ledger", tags=["lifts"])


@router.get("", responses=documented(404))
def find_ledger(service: ServiceParameter, lift_id: LiftPath) -> LedgerView:
    """Return which of a lift's messages are here, by boot and number."""
    known_lift(service, lift_id)
    return ledger_view(service.ledger.of(lift_id))
