"""Alerts about lifts that nobody has registered and that call for help: one for each, bounded, until registered."""

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from alerts import tables
from alerts.alert import LIFTWATCH, SERVICE, AlertChange, AlertKind
from alerts.alert_entries import NewAlert, change_alert, count_repeat, lock_open_alert
from alerts.journal import OPEN, Journal
from alerts.ringing import ring
from alerts.rules import RuleBook
from ingest.clock import from_ms
from ingest.fleet_register import FleetRegister
from ingest.strangers import StrangerCall

# More than these at once is somebody who sends what he likes, or a site that was forgotten: one alert says so.
OPEN_MAX = 20
# No lift can have this name.
MORE = "$more"


def take_calls(connection: Connection, rules: RuleBook, calls: Sequence[StrangerCall]) -> None:
    """Raise an alert for each lift that calls; beyond `OPEN_MAX` one for all others."""
    for call in sorted(calls, key=lambda each: (each.lift_id, each.received_ms)):
        known = lock_open_alert(connection, SERVICE, AlertKind.UNREGISTERED_LIFT_ALARM, call.lift_id)
        if known is not None:
            count_repeat(connection, known)
        elif _open_alerts(connection) < OPEN_MAX:
            ring(connection, _new(rules, call.lift_id, f"{call.what} of {call.lift_id}", call))
        elif (more := lock_open_alert(connection, SERVICE, AlertKind.UNREGISTERED_LIFT_ALARM, MORE)) is not None:
            count_repeat(connection, more)
        else:
            ring(connection, _new(rules, MORE, f"more than {OPEN_MAX} lifts call, {call.lift_id} among them", call))


def end_registered(journal: Journal, register: FleetRegister, now: datetime) -> None:
    """Clear the alerts of lifts that have been registered meanwhile, and the one for all others when room is left."""
    found = journal.alerts(limit=OPEN_MAX + 1, kind=AlertKind.UNREGISTERED_LIFT_ALARM, state=OPEN)
    codes = [alert.code for alert in found if alert.code is not None]
    if not codes:
        return
    over = set(register.profiles_of_lifts([code for code in codes if code != MORE]))
    if MORE in codes and len(codes) - len(over) <= OPEN_MAX // 2:
        over.add(MORE)
    if not over:
        return
    with journal.writing() as connection:
        for code in sorted(over):
            alert = lock_open_alert(connection, SERVICE, AlertKind.UNREGISTERED_LIFT_ALARM, code)
            if alert is not None:
                note = "there is room for alerts of their own" if code == MORE else "the lift is registered"
                change_alert(connection, alert, AlertChange.CLEAR, now, LIFTWATCH, note)


def _open_alerts(connection: Connection) -> int:
    alert, kind = tables.alert, AlertKind.UNREGISTERED_LIFT_ALARM.value
    query = sa.select(sa.func.count()).where(alert.c.lift_id == SERVICE, alert.c.kind == kind)
    return int(connection.execute(query.where(alert.c.open_key.is_not(None))).scalar_one())


def _new(rules: RuleBook, code: str, reason: str, call: StrangerCall) -> NewAlert:
    rule, received_at = rules.rule(AlertKind.UNREGISTERED_LIFT_ALARM), from_ms(call.received_ms)
    return NewAlert(
        lift_id=SERVICE,
        kind=AlertKind.UNREGISTERED_LIFT_ALARM.value,
        code=code,
        raised_at=received_at,
        received_at=received_at,
        message=rule.words(lift_id=call.lift_id, reason=reason),
        evidence=[{"lift_id": call.lift_id, "what": call.what, "received_at": received_at.isoformat()}],
        rule=rule,
    )
