"""Risk: how likely a lift is to break down, and how good such words were on this fleet."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field

from api.bodies import Instant, Taken
from api.problems import ProblemError, ProblemName, documented
from api.routes.lifts import LiftPath, known_lift
from api.routes.paging import ServiceParameter
from api.schemas_risk import LiftRiskView, lift_risk_view

router = APIRouter(tags=["risk"])


class LiftRiskQuery(Taken):
    """As of when."""

    as_of: Instant | None = Field(
        default=None, description="What was known as of this instant; now, where it is left out."
    )


@router.get("/lifts/{lift_id}/risk", responses=documented(404))
def find_lift_risk(
    service: ServiceParameter, lift_id: LiftPath, query: Annotated[LiftRiskQuery, Query()]
) -> LiftRiskView:
    """Tell how likely a lift is to break down within 7 and 30 days, why, and how good such forecasts were."""
    known_lift(service, lift_id)
    as_of = query.as_of or service.clock.now()
    risk = service.risks.risk(as_of)
    place = risk.place(lift_id)
    if place is None:  # registered since the day was predicted
        raise ProblemError(ProblemName.NOT_FOUND, f"Nothing is predicted yet of lift {lift_id}.")
    return lift_risk_view(risk, place, as_of)
