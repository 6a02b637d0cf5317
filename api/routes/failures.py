"""Breakdowns: one lift's beside its fleet's, and which lifts, components and codes are the worst."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field

from analytics.failure_ranking import By, lift_failures, ranking
from analytics.failures import FleetFailures
from api.bodies import Instant, Name, Taken
from api.problems import documented
from api.routes.lifts import LiftPath, known_lift
from api.routes.paging import PageQuery, ServiceParameter, cut, decode_id
from api.schemas_failures import LiftFailuresView, RankingPage, lift_failures_view, ranked_view
from api.service import Service

router = APIRouter(tags=["failures"])
_AS_OF = "What was known as of this instant; now, where it is left out."


class LiftFailuresQuery(Taken):
    """As of when."""

    as_of: Instant | None = Field(default=None, description=_AS_OF)


class RankingQuery(PageQuery):
    """What is ranked, and as of when."""

    by: By = "lift"
    component: Name | None = Field(default=None, description="Rank lifts by the breakdowns of this component alone.")
    as_of: Instant | None = Field(default=None, description=_AS_OF)


@router.get("/lifts/{lift_id}/failures", responses=documented(404))
def find_lift_failures(
    service: ServiceParameter, lift_id: LiftPath, query: Annotated[LiftFailuresQuery, Query()]
) -> LiftFailuresView:
    """Tell how often a lift breaks down, how sure that is, and whether it grows worse."""
    known_lift(service, lift_id)
    as_of = query.as_of or service.clock.now()
    failures = service.failures.history(as_of).failures
    return lift_failures_view(lift_id, as_of, failures, lift_failures(failures, lift_id))


@router.get("/failures/ranking", responses=documented())
def rank_failures(service: ServiceParameter, query: Annotated[RankingQuery, Query()]) -> RankingPage:
    """Rank lifts, components or codes by breakdowns a year, the worst first."""
    failures = _failures(service, query.as_of)
    found = ranking(failures, query.by, query.component)
    start = decode_id(query.cursor) or 0
    page, following = cut(found[start : start + query.limit + 1], query.limit, lambda each: each.rank)
    items = [ranked_view(each) for each in page]
    return RankingPage(items=items, next=following, by=query.by, since=failures.since, until=failures.until)


def _failures(service: Service, as_of: Instant | None) -> FleetFailures:
    return service.failures.history(as_of or service.clock.now()).failures
