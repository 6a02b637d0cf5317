"""Webhooks: programs that are told what happens, after the Standard Webhooks specification."""

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Path, Query, Response
from pydantic import BaseModel

from alerts.addresses import parse_webhook_url
from alerts.channels import WEBHOOK
from alerts.notifications import NotificationState
from alerts.subscriptions import Subscription, TooManyError, UnknownSubscriptionError
from api.bodies import RecordId
from api.bodies_notifications import Redelivery, Rotation, Trial, WebhookOrder
from api.once import OnceParameter
from api.problems import ProblemError, ProblemName, documented, invalid
from api.routes.paging import PageParameters, PageQuery, ServiceParameter, cut, decode_id
from api.schemas_notifications import (
    NotificationPage,
    NotificationView,
    RedeliveredView,
    SecretView,
    WebhookCreated,
    WebhookPage,
    WebhookView,
    notification_view,
    webhook_created,
    webhook_view,
)
from api.service import Service

router = APIRouter(prefix="/webhooks", tags=["webhooks"])
WebhookPath = Annotated[RecordId, Path()]


class DeliveriesQuery(PageQuery):
    """Which of its notifications."""

    state: NotificationState | None = None


@router.get("", responses=documented())
def list_webhooks(service: ServiceParameter, query: PageParameters) -> WebhookPage:
    """List webhooks, oldest first."""
    after_id = decode_id(query.cursor) or 0
    rows = service.notifying.subscriptions.all([WEBHOOK], after_id=after_id, limit=query.limit + 1)
    page, following = cut(rows, query.limit, lambda row: row.id)
    return WebhookPage(items=[webhook_view(row) for row in page], next=following)


@router.post("", status_code=201, response_model=WebhookCreated, responses=documented(409, 413))
def add_webhook(service: ServiceParameter, body: WebhookOrder, once: OnceParameter) -> Response:
    """Let a program be told from now on. The answer holds the secret, once."""
    _require_url(service, body.url)
    now = service.clock.now()

    def act() -> tuple[BaseModel, int]:
        known, secret = service.notifying.subscriptions.add(body.wanted(), now)
        assert secret is not None
        return webhook_created(known, secret), 201

    try:
        return once(act)
    except TooManyError as error:
        raise ProblemError(ProblemName.CONFLICT, str(error)) from error


@router.get("/{webhook_id}", responses=documented(404))
def find_webhook(service: ServiceParameter, webhook_id: WebhookPath) -> WebhookView:
    """Return one webhook and how it stands."""
    return webhook_view(_known(service, webhook_id))


@router.put("/{webhook_id}", responses=documented(404, 413))
def change_webhook(service: ServiceParameter, webhook_id: WebhookPath, body: WebhookOrder) -> WebhookView:
    """Say anew where and of what it is told; its secret stays."""
    _known(service, webhook_id)
    _require_url(service, body.url)
    return webhook_view(service.notifying.change(webhook_id, body.wanted(), service.clock.now()))


@router.delete("/{webhook_id}", status_code=204, response_class=Response, responses=documented(404))
def remove_webhook(service: ServiceParameter, webhook_id: WebhookPath) -> None:
    """Tell it nothing more; what still waits for it is cancelled and stays in the log."""
    _known(service, webhook_id)
    service.notifying.remove(webhook_id, service.clock.now())


@router.post("/{webhook_id}/rotate-secret", response_model=SecretView, responses=documented(404, 413))
def rotate_secret(service: ServiceParameter, webhook_id: WebhookPath, body: Rotation, once: OnceParameter) -> Response:
    """Make a new secret; the one before signs as well for some hours."""
    _known(service, webhook_id)
    keep, now = timedelta(hours=body.keep_h), service.clock.now()
    return once(lambda: (SecretView(secret=service.notifying.subscriptions.rotate(webhook_id, keep, now)), 200))


@router.post("/{webhook_id}/test", status_code=202, response_model=NotificationView, responses=documented(404, 413))
def try_webhook(service: ServiceParameter, webhook_id: WebhookPath, body: Trial, once: OnceParameter) -> Response:
    """Send it a test; its deliveries tell what became of it."""
    _known(service, webhook_id)
    now = service.clock.now()
    return once(lambda: (notification_view(service.notifying.test(webhook_id, body.by, now)), 202))


@router.get("/{webhook_id}/deliveries", responses=documented(404))
def list_deliveries(
    service: ServiceParameter, webhook_id: WebhookPath, query: Annotated[DeliveriesQuery, Query()]
) -> NotificationPage:
    """List what it was told, newest first, and what became of each attempt."""
    _known(service, webhook_id)
    before_id = decode_id(query.cursor)
    rows = service.notifying.log.page(
        limit=query.limit + 1, before_id=before_id, subscription_id=webhook_id, state=query.state
    )
    page, following = cut(rows, query.limit, lambda row: row.id)
    return NotificationPage(items=[notification_view(row) for row in page], next=following)


@router.post("/{webhook_id}/redeliver", response_model=RedeliveredView, responses=documented(404, 413))
def redeliver_failed(
    service: ServiceParameter, webhook_id: WebhookPath, body: Redelivery, once: OnceParameter
) -> Response:
    """Send again what was given up since an instant, oldest first, under the ids that it had."""
    _known(service, webhook_id)
    log, now = service.notifying.log, service.clock.now()
    return once(lambda: (RedeliveredView(redelivered=log.redeliver_failed(webhook_id, body.since, now)), 200))


def _known(service: Service, webhook_id: int) -> Subscription:
    known = service.notifying.subscriptions.known(webhook_id)
    if known.wanted.channel != WEBHOOK:
        message = f"There is no webhook {webhook_id}."
        raise UnknownSubscriptionError(message)
    return known


def _require_url(service: Service, url: str) -> None:
    try:
        parse_webhook_url(url, allows_private=service.notifying.allows_private)
    except ValueError as error:
        raise invalid(at="body.url", detail=str(error)) from error
