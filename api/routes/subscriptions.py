"""Subscriptions of people (e-mail) and of the broker (MQTT). Programs with a URL have their own: `webhooks`."""

from typing import Annotated

from fastapi import APIRouter, Path, Response

from alerts.channels import EMAIL, MQTT
from alerts.subscriptions import Subscription, TooManyError, UnknownSubscriptionError
from api.bodies import RecordId
from api.bodies_notifications import SubscriptionOrder, Trial
from api.once import OnceParameter
from api.problems import ProblemError, ProblemName, documented, invalid
from api.routes.paging import PageParameters, ServiceParameter, cut, decode_id
from api.schemas_notifications import (
    NotificationView,
    SubscriptionPage,
    SubscriptionView,
    notification_view,
    subscription_view,
)
from api.service import Service

router = APIRouter(prefix="/subscriptions", tags=["subscriptions"])
SubscriptionPath = Annotated[RecordId, Path()]


@router.get("", responses=documented())
def list_subscriptions(service: ServiceParameter, query: PageParameters) -> SubscriptionPage:
    """List subscriptions by e-mail and MQTT, oldest first."""
    after_id = decode_id(query.cursor) or 0
    rows = service.notifying.subscriptions.all([EMAIL, MQTT], after_id=after_id, limit=query.limit + 1)
    page, following = cut(rows, query.limit, lambda row: row.id)
    return SubscriptionPage(items=[subscription_view(row) for row in page], next=following)


@router.post("", status_code=201, response_model=SubscriptionView, responses=documented(409, 413))
def add_subscription(service: ServiceParameter, body: SubscriptionOrder, once: OnceParameter) -> Response:
    """Let a person, or whoever listens at the broker, be told from now on."""
    _require_channel(service, body.channel)
    now = service.clock.now()
    try:
        return once(lambda: (subscription_view(service.notifying.subscriptions.add(body.wanted(), now)[0]), 201))
    except TooManyError as error:
        raise ProblemError(ProblemName.CONFLICT, str(error)) from error


@router.get("/{subscription_id}", responses=documented(404))
def find_subscription(service: ServiceParameter, subscription_id: SubscriptionPath) -> SubscriptionView:
    """Return one subscription and how it stands."""
    return subscription_view(_known(service, subscription_id))


@router.put("/{subscription_id}", responses=documented(404, 413))
def change_subscription(
    service: ServiceParameter, subscription_id: SubscriptionPath, body: SubscriptionOrder
) -> SubscriptionView:
    """Say anew who is told of what."""
    _known(service, subscription_id)
    _require_channel(service, body.channel)
    return subscription_view(service.notifying.change(subscription_id, body.wanted(), service.clock.now()))


@router.delete("/{subscription_id}", status_code=204, response_class=Response, responses=documented(404))
def remove_subscription(service: ServiceParameter, subscription_id: SubscriptionPath) -> None:
    """Tell them nothing more; what still waits is cancelled and stays in the log."""
    _known(service, subscription_id)
    service.notifying.remove(subscription_id, service.clock.now())


@router.post(
    "/{subscription_id}/test",
    status_code=202,
    response_model=NotificationView,
    responses=documented(404, 413),
)
def try_subscription(
    service: ServiceParameter, subscription_id: SubscriptionPath, body: Trial, once: OnceParameter
) -> Response:
    """Send a test; the log of notifications tells what became of it."""
    _known(service, subscription_id)
    now = service.clock.now()
    return once(lambda: (notification_view(service.notifying.test(subscription_id, body.by, now)), 202))


def _known(service: Service, subscription_id: int) -> Subscription:
    known = service.notifying.subscriptions.known(subscription_id)
    if known.wanted.channel not in (EMAIL, MQTT):
        message = f"There is no subscription {subscription_id} by e-mail or MQTT."
        raise UnknownSubscriptionError(message)
    return known


def _require_channel(service: Service, channel: str) -> None:
    if channel not in service.notifying.channels:
        raise invalid(at="body.channel", detail=f"this service is not set up for {channel} (see the settings)")
