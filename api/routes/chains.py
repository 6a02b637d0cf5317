"""Escalation chains: who is told of what nobody acknowledges, and how far each has come."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Response

from alerts.chains import TooManyChainsError
from alerts.subscriptions import UnknownSubscriptionError
from api.bodies import RecordId
from api.once import OnceParameter
from api.problems import ProblemError, ProblemName, documented, invalid
from api.routes.paging import PageParameters, PageQuery, ServiceParameter, cut, decode_id
from api.schemas_shift import ChainOrder, ChainPage, ChainView, EscalationPage, chain_view, escalation_view
from api.service import Service

router = APIRouter(tags=["escalation"])
ChainPath = Annotated[RecordId, Path()]


class EscalationsQuery(PageQuery):
    """Which escalations."""

    alert_id: RecordId | None = None
    chain_id: RecordId | None = None


@router.get("/chains", responses=documented())
def list_chains(service: ServiceParameter, query: PageParameters) -> ChainPage:
    """List escalation chains, oldest first."""
    after_id = decode_id(query.cursor) or 0
    rows = [known for known in service.notifying.chains.all() if known.id > after_id]
    page, following = cut(rows[: query.limit + 1], query.limit, lambda known: known.id)
    return ChainPage(items=[chain_view(known) for known in page], next=following)


@router.post("/chains", status_code=201, response_model=ChainView, responses=documented(409, 413))
def add_chain(service: ServiceParameter, body: ChainOrder, once: OnceParameter) -> Response:
    """Let alerts that are raised from now on go through a chain."""
    _require_subscriptions(service, body)
    now = service.clock.now()
    try:
        return once(lambda: (chain_view(service.notifying.chains.add(body.chain(), now)), 201))
    except TooManyChainsError as error:
        raise ProblemError(ProblemName.CONFLICT, str(error)) from error


@router.get("/chains/{chain_id}", responses=documented(404))
def find_chain(service: ServiceParameter, chain_id: ChainPath) -> ChainView:
    """Return one chain."""
    return chain_view(service.notifying.chains.known(chain_id))


@router.put("/chains/{chain_id}", responses=documented(404, 413))
def change_chain(service: ServiceParameter, chain_id: ChainPath, body: ChainOrder) -> ChainView:
    """Say anew what a chain does; alerts that are on their way go on with it."""
    _require_subscriptions(service, body)
    return chain_view(service.notifying.chains.change(chain_id, body.chain()))


@router.delete("/chains/{chain_id}", status_code=204, response_class=Response, responses=documented(404))
def remove_chain(service: ServiceParameter, chain_id: ChainPath) -> None:
    """End a chain, for all alerts."""
    service.notifying.chains.remove(chain_id, service.clock.now())


@router.get("/escalations", responses=documented())
def list_escalations(service: ServiceParameter, query: Annotated[EscalationsQuery, Query()]) -> EscalationPage:
    """List how far chains have come for alerts, newest first."""
    rows = service.notifying.escalations(
        limit=query.limit + 1,
        before_id=decode_id(query.cursor),
        alert_id=query.alert_id,
        chain_id=query.chain_id,
    )
    page, following = cut(rows, query.limit, lambda row: row.id)
    return EscalationPage(items=[escalation_view(row) for row in page], next=following)


def _require_subscriptions(service: Service, body: ChainOrder) -> None:
    for number, step in enumerate(body.steps):
        if step.subscription_id is None:
            continue
        try:
            service.notifying.subscriptions.known(step.subscription_id)
        except UnknownSubscriptionError as error:
            raise invalid(at=f"body.steps.{number}.subscription_id", detail=str(error)) from error
