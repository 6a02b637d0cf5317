"""How good the findings have been on this fleet."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field

from api.bodies import Instant, Taken
from api.problems import documented
from api.routes.paging import ServiceParameter
from api.schemas_quality import QualityView, quality_view

router = APIRouter(prefix="/quality", tags=["quality"])


class QualityQuery(Taken):
    """As of when."""

    as_of: Instant | None = Field(default=None, description="As of this instant; now, where it is left out.")


@router.get("", responses=documented())
def find_quality(service: ServiceParameter, query: Annotated[QualityQuery, Query()]) -> QualityView:
    """Tell precision, lead time, load and calibration of each kind of finding that predicts."""
    return quality_view(service.quality.quality(query.as_of or service.clock.now()))
