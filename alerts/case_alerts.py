"""The alert and the rescue order of an entrapment case: raised with it, linked to it, over with it.

Each function works inside a transaction that somebody else holds.
"""

from datetime import datetime

from sqlalchemy.engine import Connection

from alerts import case_entries
from alerts.alert import LIFTWATCH, Alert, AlertChange, AlertKind
from alerts.alert_entries import NewAlert, change_alert, lock_open_alert, refresh_alert
from alerts.case_entries import reach
from alerts.entrapment import EntrapmentCase, Outcome, Stage
from alerts.order_entries import lock_undone_order
from alerts.ringing import ring
from alerts.rules import RuleBook
from alerts.whereabouts import where_words
from ingest.faults import ENTRAPMENT
from ingest.messages import Message


def entrapment_alert(
    connection: Connection, rules: RuleBook, case: EntrapmentCase, at: datetime, reason: str
) -> Alert | None:
    """Raise the alert `entrapment` of a case, which opens its rescue order; return it, or the one that is open."""
    rule = rules.rule(AlertKind.ENTRAPMENT)
    new = NewAlert(
        lift_id=case.lift_id,
        kind=AlertKind.ENTRAPMENT.value,
        code=ENTRAPMENT,
        raised_at=case.opened_at,
        received_at=at,
        message=rule.words(
            lift_id=case.lift_id, code=ENTRAPMENT, where=where_words(connection, case.lift_id, case.facts)
        ),
        evidence=[{"reason": reason}],
        rule=rule,
    )
    ring(connection, new)
    return lock_open_alert(connection, case.lift_id, AlertKind.ENTRAPMENT, ENTRAPMENT)


def escalate(connection: Connection, rules: RuleBook, case: EntrapmentCase, at: datetime, reason: str) -> None:
    """Treat a case as an entrapment whatever is known: its alert, its rescue order, its clock."""
    if case.work_order_id is None:
        alert = entrapment_alert(connection, rules, case, at, reason)
        if alert is not None:
            link(connection, case, alert)


def link(connection: Connection, case: EntrapmentCase, alert: Alert) -> None:
    """Let a case know its alert and its rescue order, and the alert its case."""
    order = lock_undone_order(connection, case.lift_id, ENTRAPMENT)
    order_id = alert.work_order_id or (order.id if order is not None else case.work_order_id)
    if (alert.id, order_id) != (case.alert_id, case.work_order_id):
        case_entries.change_case(connection, case.id, alert_id=alert.id, work_order_id=order_id)
    if order is not None and order.id != case.work_order_id and order.arrive_by is not None:
        _tighten(connection, case, order.arrive_by)
    told = {"case_id": case.id}
    if told not in alert.evidence:
        refresh_alert(connection, alert, alert.message, [*alert.evidence, told])


def _tighten(connection: Connection, case: EntrapmentCase, arrive_by: datetime) -> None:
    """Let a contract that asks for an earlier arrival than the rule hold for the case too."""
    if arrive_by < case.arrive_by:
        due = {} if case.at(Stage.ARRIVED) else {"arrive_due_at": arrive_by}
        case_entries.change_case(connection, case.id, arrive_by=arrive_by, **due)


def close_case(
    connection: Connection, case: EntrapmentCase, outcome: Outcome, at: datetime, by: str, note: str | None
) -> None:
    """Close a case on a person's word; what still rings for it is over with it, but not the controller's own word."""
    case_entries.change_case(connection, case.id, outcome=outcome.value)
    reach(connection, case, Stage.CLOSED, at, by, note)
    words = f"case {case.id} is closed: {outcome.value.replace('-', ' ')}"
    ringing: list[tuple[AlertKind, str | None]] = [(AlertKind.PASSENGER_ALARM, None)]
    if case_entries.signs_of(connection, case.lift_id).entrapment is None:
        ringing.append((AlertKind.ENTRAPMENT, ENTRAPMENT))
    for kind, code in ringing:
        alert = lock_open_alert(connection, case.lift_id, kind, code)
        if alert is not None:
            change_alert(connection, alert, AlertChange.CLEAR, at, by, words)


def end_concluded_alert(connection: Connection, case: EntrapmentCase, message: Message) -> None:
    """Clear the alert that the controller never raised itself: nobody else would."""
    alert = lock_open_alert(connection, case.lift_id, AlertKind.ENTRAPMENT, ENTRAPMENT)
    if alert is not None:
        note = f"the lift said so at {message.happened_at.isoformat()}"
        at = message.received_at
        change_alert(connection, alert, AlertChange.CLEAR, at, LIFTWATCH, note, cleared_at=message.happened_at)
