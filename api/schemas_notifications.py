"""What the API says of subscriptions and notifications. A secret is said once, when it is made."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel

from alerts.notifications import Notification, NotificationState
from alerts.quiet_hours import QuietHours
from alerts.subscriptions import Subscription
from api.schemas import Page


class QuietView(BaseModel):
    """Between which times of the day, in which time zone, priorities 3 and 4 are held back."""

    begins: str
    ends: str
    time_zone: str


class SelectionView(BaseModel):
    """Of what somebody is told, and how it stands.

    `disabled_reason`: why Liftwatch disabled it; `failing_since`: nothing has got through since then;
    `waiting`: how many notifications wait.
    """

    id: int
    name: str
    team: str | None
    topics: list[str]
    priority_max: int | None
    sites: list[str]
    contractors: list[str]
    quiet: QuietView | None
    enabled: bool
    disabled_reason: str | None
    created_at: datetime
    failing_since: datetime | None
    waiting: int


class WebhookView(SelectionView):
    """A program that is told at its URL."""

    url: str


class WebhookCreated(WebhookView):
    """A new webhook, and the secret that signs what it gets: it is not shown again."""

    secret: str


class SecretView(BaseModel):
    """A new secret: it is not shown again."""

    secret: str


class WebhookPage(Page[WebhookView]):
    """Webhooks, oldest first."""


class SubscriptionView(SelectionView):
    """A person who is told by e-mail (`address`), or the broker (`mqtt`)."""

    channel: str
    address: str | None


class SubscriptionPage(Page[SubscriptionView]):
    """Subscriptions, oldest first."""


def webhook_view(known: Subscription) -> WebhookView:
    """Return a webhook."""
    return WebhookView(**_selection(known), url=known.wanted.target)


def webhook_created(known: Subscription, secret: str) -> WebhookCreated:
    """Return a new webhook with its secret."""
    return WebhookCreated(**_selection(known), url=known.wanted.target, secret=secret)


def subscription_view(known: Subscription) -> SubscriptionView:
    """Return a subscription by e-mail or MQTT."""
    return SubscriptionView(**_selection(known), channel=known.wanted.channel, address=known.wanted.target or None)


class NotificationView(BaseModel):
    """How one subscription was told of one thing. `message_id` is the same in every attempt."""

    id: int
    subscription_id: int
    message_id: str
    topic: str
    happened_at: datetime
    lift_id: str
    alert_id: int | None
    work_order_id: int | None
    priority: int | None
    state: NotificationState
    attempts: int
    created_at: datetime
    next_at: datetime | None
    last_attempt_at: datetime | None
    delivered_at: datetime | None
    last_status: int | None
    last_error: str | None


class NotificationPage(Page[NotificationView]):
    """Notifications, newest first."""


class RedeliveredView(BaseModel):
    """How many are sent again; 1,000 at the most at once."""

    redelivered: int


def notification_view(notification: Notification) -> NotificationView:
    """Return a notification."""
    return NotificationView.model_validate(notification, from_attributes=True)


def _selection(known: Subscription) -> dict[str, Any]:
    wanted = known.wanted
    taken = ("name", "team", "topics", "priority_max", "sites", "contractors", "enabled")
    stands = ("id", "disabled_reason", "created_at", "failing_since", "waiting")
    return {
        **{name: getattr(wanted, name) for name in taken},
        **{name: getattr(known, name) for name in stands},
        "quiet": _quiet_view(wanted.quiet),
    }


def _quiet_view(quiet: QuietHours | None) -> QuietView | None:
    return None if quiet is None else QuietView.model_validate(quiet, from_attributes=True)
