"""Alerts: the queue of what an operator must know, and what an operator does with one."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Response

from alerts.alert import Suppression
from alerts.alert_entries import UnknownAlertError
from api.bodies import Acknowledgement, AlertKindName, AlertStateFilter, LiftId, RecordId, Remark
from api.once import OnceParameter
from api.problems import documented
from api.routes.paging import PageQuery, ServiceParameter, cut, decode_id
from api.schemas import AlertDetail, AlertPage, AlertView, alert_detail, alert_view

router = APIRouter(prefix="/alerts", tags=["alerts"])
AlertPath = Annotated[RecordId, Path()]


class AlertsQuery(PageQuery):
    """Which alerts; `open`: those whose condition still stands, acknowledged or not, silent or not."""

    lift_id: LiftId | None = None
    kind: AlertKindName | None = None
    priority: Annotated[int, Query(ge=1, le=4)] | None = None
    state: AlertStateFilter | None = None
    suppression: Suppression | None = None


@router.get("", responses=documented())
def list_alerts(service: ServiceParameter, query: Annotated[AlertsQuery, Query()]) -> AlertPage:
    """List alerts, newest first."""
    rows = service.journal.alerts(
        limit=query.limit + 1,
        before_id=decode_id(query.cursor),
        lift_id=query.lift_id,
        kind=query.kind,
        priority=query.priority,
        state=query.state,
        suppression=query.suppression,
    )
    page, following = cut(rows, query.limit, lambda alert: alert.id)
    return AlertPage(items=[alert_view(alert) for alert in page], next=following)


@router.get("/{alert_id}", responses=documented(404))
def find_alert(service: ServiceParameter, alert_id: AlertPath) -> AlertDetail:
    """Return one alert and its history."""
    alert = service.journal.alert(alert_id)
    if alert is None:
        message = f"There is no alert {alert_id}."
        raise UnknownAlertError(message)
    return alert_detail(alert, service.journal.alert_history(alert_id))


@router.post("/{alert_id}/acknowledge", response_model=AlertView, responses=documented(404, 409, 413))
def acknowledge_alert(
    service: ServiceParameter, alert_id: AlertPath, body: Acknowledgement, once: OnceParameter
) -> Response:
    """Take note of an alert."""
    now = service.clock.now()
    return once(lambda: (alert_view(service.desk.acknowledge(alert_id, body.by, now, body.note)), 200))


@router.post("/{alert_id}/clear", response_model=AlertView, responses=documented(404, 409, 413))
def clear_alert(service: ServiceParameter, alert_id: AlertPath, body: Remark, once: OnceParameter) -> Response:
    """Say that the condition is over, and how that is known."""
    now = service.clock.now()
    return once(lambda: (alert_view(service.desk.clear(alert_id, body.by, now, body.note)), 200))


@router.post("/{alert_id}/comment", response_model=AlertView, responses=documented(404, 409, 413))
def comment_alert(service: ServiceParameter, alert_id: AlertPath, body: Remark, once: OnceParameter) -> Response:
    """Write something into the history of an alert."""
    now = service.clock.now()
    return once(lambda: (alert_view(service.desk.comment(alert_id, body.by, now, body.note)), 200))
