"""Lifts: what is registered of them, and how they stand. Facts of a page come in bulk, never one query a lift."""

from collections.abc import Container, Sequence
from typing import Annotated

import structlog
from fastapi import APIRouter, Path, Query, Response, status
from msgspec import structs

from api.bodies import LiftChange, LiftId, Name
from api.problems import ProblemError, ProblemName, documented, invalid
from api.routes.paging import PageQuery, ServiceParameter, cut, decode_cursor
from api.schemas import LiftPage, LiftView, lift_view
from api.service import Service
from ingest.fleet import Lift
from ingest.fleet_register import RegisteredLift
from ingest.telemetry_store import LatestState, StoreUnavailableError

router = APIRouter(prefix="/lifts", tags=["lifts"])
log = structlog.get_logger()
LiftPath = Annotated[LiftId, Path(description="The lift's id, as in its topics.")]


class LiftsQuery(PageQuery):
    """Which lifts."""

    site_id: Name | None = None


@router.get("", responses=documented())
def list_lifts(service: ServiceParameter, query: Annotated[LiftsQuery, Query()]) -> LiftPage:
    """List lifts by id."""
    after = decode_cursor(query.cursor)
    rows = service.register.lifts(after=after, limit=query.limit + 1, site_id=query.site_id)
    page, following = cut(rows, query.limit, lambda known: known.lift.lift_id)
    return LiftPage(items=views_of(service, page), next=following)


@router.get("/{lift_id}", responses=documented(404))
def find_lift(service: ServiceParameter, lift_id: LiftPath) -> LiftView:
    """Return one lift."""
    return views_of(service, [known_lift(service, lift_id)])[0]


@router.put(
    "/{lift_id}",
    responses={**documented(413), 201: {"model": LiftView, "description": "The lift is new."}},
)
def put_lift(service: ServiceParameter, lift_id: LiftPath, change: LiftChange, response: Response) -> LiftView:
    """Register a lift, or change what is known of one: a field left out stays as it is, null forgets it."""
    before = service.register.find(lift_id)
    told = {name: getattr(change, name) for name in change.model_fields_set}
    lift = structs.replace(before.lift if before else Lift(lift_id=lift_id), **told)
    _check(service, lift, told)
    service.register.register([lift], service.clock.now())
    response.status_code = status.HTTP_200_OK if before else status.HTTP_201_CREATED
    return views_of(service, [known_lift(service, lift_id)])[0]


def known_lift(service: Service, lift_id: str) -> RegisteredLift:
    """Return a registered lift.

    Raises:
        ProblemError: there is none of that id.
    """
    known = service.register.find(lift_id)
    if known is None:
        raise ProblemError(ProblemName.NOT_FOUND, f"There is no lift {lift_id}.")
    return known


def views_of(service: Service, known: Sequence[RegisteredLift]) -> list[LiftView]:
    """Return lifts with what is known of their contact, their alerts and, where the store answers, their state."""
    lift_ids = [one.lift.lift_id for one in known]
    contacts = service.journal.contacts(lift_ids)
    counts = service.journal.open_alert_counts(lift_ids)
    states = _states(service, lift_ids)
    return [
        lift_view(one, contacts.get(lift_id), counts.get(lift_id, 0), states)
        for one, lift_id in zip(known, lift_ids, strict=True)
    ]


def _states(service: Service, lift_ids: Sequence[str]) -> dict[str, LatestState] | None:
    try:
        return service.store.latest_states(lift_ids)
    except StoreUnavailableError as error:
        log.warning("lifts-without-state", error=str(error))
        return None


def _check(service: Service, lift: Lift, told: Container[str]) -> None:
    """Refuse what is told and unknown; what an import left there stays as it is, while other fields change."""
    if "regime" in told and lift.regime is not None and lift.regime not in service.regimes:
        raise invalid(at="body.regime", detail=f"no such regime; known: {', '.join(sorted(service.regimes))}")
    if "profile" in told and lift.profile is not None and lift.profile not in service.profiles:
        raise invalid(
            at="body.profile", detail=f"no such profile; known: {', '.join(sorted(service.profiles)) or 'none'}"
        )
    for name, what in (("site_name", "a name"), ("site_address", "an address")):
        if getattr(lift, name) is not None and lift.site_id is None:
            raise invalid(at=f"body.{name}", detail=f"a site has {what} only where it has an id (site_id)")
