"""KPIs of the alerts: how many, how long, how soon somebody took note, by day and by shift."""

from datetime import timedelta
from typing import Annotated, Literal, Self

from fastapi import APIRouter, Query
from pydantic import Field, model_validator

from alerts.kpi_desk import WINDOW_MAX, TooManyAlertsError
from api.bodies import Instant, Taken
from api.problems import documented, invalid
from api.routes.paging import ServiceParameter
from api.schemas_kpis import KpiReport, kpi_report

router = APIRouter(prefix="/kpis", tags=["alerts"])
WINDOW_DEFAULT = timedelta(days=7)


class KpisQuery(Taken):
    """Which window, and how it is divided."""

    since: Instant | None = Field(default=None, alias="from", description="Seven days before `to` where left out.")
    until: Instant | None = Field(default=None, alias="to", description="Now where left out.")
    by: Literal["day", "shift"] | None = None

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.since is not None and self.until is not None:
            length = self.until - self.since
            if not timedelta() < length <= WINDOW_MAX:
                message = f"to has to be after from, by at most {WINDOW_MAX.days} days"
                raise ValueError(message)
        return self


@router.get("", responses=documented())
def find_kpis(service: ServiceParameter, query: Annotated[KpisQuery, Query()]) -> KpiReport:
    """Return the figures about the alerts of a window."""
    until = query.until or service.clock.now()
    since = query.since or until - WINDOW_DEFAULT
    if not timedelta() < until - since <= WINDOW_MAX:
        raise invalid(at="query.from", detail=f"has to be before to, by at most {WINDOW_MAX.days} days")
    try:
        return kpi_report(service.kpis.report(since, until, query.by), query.by)
    except TooManyAlertsError as error:
        raise invalid(at="query.from", detail=str(error)) from error
