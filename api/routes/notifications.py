"""Notifications: how everybody was told of what happened, whichever the channel."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Response

from alerts.notifications import NotificationState
from api.bodies import LiftId, RecordId
from api.once import OnceParameter
from api.problems import documented
from api.routes.paging import PageQuery, ServiceParameter, cut, decode_id
from api.schemas_notifications import NotificationPage, NotificationView, notification_view

router = APIRouter(prefix="/notifications", tags=["notifications"])


class NotificationsQuery(PageQuery):
    """Which notifications."""

    state: NotificationState | None = None
    subscription_id: RecordId | None = None
    lift_id: LiftId | None = None
    alert_id: RecordId | None = None
    work_order_id: RecordId | None = None


@router.get("", responses=documented())
def list_notifications(service: ServiceParameter, query: Annotated[NotificationsQuery, Query()]) -> NotificationPage:
    """List notifications, newest first."""
    filters = query.model_dump(exclude={"limit", "cursor"})
    rows = service.notifying.log.page(limit=query.limit + 1, before_id=decode_id(query.cursor), **filters)
    page, following = cut(rows, query.limit, lambda row: row.id)
    return NotificationPage(items=[notification_view(row) for row in page], next=following)


@router.post("/{notification_id}/redeliver", response_model=NotificationView, responses=documented(404))
def redeliver_notification(
    service: ServiceParameter, notification_id: Annotated[RecordId, Path()], once: OnceParameter
) -> Response:
    """Send one again under the id that it had, whatever became of it."""
    now = service.clock.now()
    return once(lambda: (notification_view(service.notifying.log.redeliver(notification_id, now)), 200))
