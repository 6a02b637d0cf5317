"""Alerts about the service itself: one for each process and condition, for as long as the condition stands."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy.engine import Connection

from alerts.alert import LIFTWATCH, SERVICE, Alert, AlertChange, AlertKind
from alerts.alert_entries import NewAlert, change_alert, lock_open_alert
from alerts.ringing import ring
from alerts.rules import RuleBook

Conditions = Mapping[AlertKind, str | None]


def differ(conditions: Conditions, process: str, known: list[Alert]) -> bool:
    """Tell whether open alerts of a process are others than its conditions ask for."""
    standing = {kind.value for kind, reason in conditions.items() if reason is not None}
    return standing != {alert.kind for alert in known if alert.code == process}


def apply_conditions(
    connection: Connection, rules: RuleBook, conditions: Conditions, process: str, now: datetime
) -> None:
    """Raise what stands (its reason is told) and clear what does not (None)."""
    for kind in sorted(conditions):
        reason = conditions[kind]
        alert = lock_open_alert(connection, SERVICE, kind, process)
        if reason is None and alert is not None:
            change_alert(connection, alert, AlertChange.CLEAR, now, LIFTWATCH, "it works again")
        elif reason is not None and alert is None:
            ring(connection, _new_alert(rules, kind, process, reason, now))


def _new_alert(rules: RuleBook, kind: AlertKind, process: str, reason: str, now: datetime) -> NewAlert:
    rule = rules.rule(kind)
    return NewAlert(
        lift_id=SERVICE,
        kind=kind.value,
        code=process,
        raised_at=now,
        received_at=now,
        message=rule.words(lift_id=SERVICE, reason=reason),
        evidence=[{"process": process, "reason": reason}],
        rule=rule,
    )
