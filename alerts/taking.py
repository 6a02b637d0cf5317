"""What a message does to alerts: it begins or ends a condition, which rings, waits, chatters or is over.

The order of locks is the same everywhere: the condition, what it waits for, the alert, its order.
"""

from datetime import datetime, timedelta

from sqlalchemy.engine import Connection

from alerts import chatter, conditions, delays, settling
from alerts.alert import LIFTWATCH, PEOPLE, Alert, AlertChange, AlertKind, Suppression
from alerts.alert_entries import (
    NewAlert,
    change_alert,
    count_repeat,
    is_noted,
    lock_open_alert,
    note_alert,
    store_values,
)
from alerts.conditions import Change, Transition, evidence_of
from alerts.power_cuts import POWER, notice
from alerts.rescue_aid import facts_in
from alerts.ringing import ring, see_to_order
from alerts.rules import RuleBook
from alerts.whereabouts import with_whereabouts
from ingest.messages import Fault, Message, State


def take(connection: Connection, rules: RuleBook, message: Message) -> None:
    """Take a message that may begin or end a condition; the same one again, or an older one, changes nothing."""
    if isinstance(message.body, State):
        _take_mode(connection, message, message.body)
    transition = conditions.transition_of(message)
    if transition is None:
        _note_answer(connection, message)
        return
    change = conditions.accept(connection, message, transition.key, active=transition.active)
    if change is None:
        return
    if transition.active:
        _begin(connection, rules, new_alert_of(rules, transition), transition, change)
    else:
        _end(connection, new_alert_of(rules, transition), transition, change)


def settle(connection: Connection, rules: RuleBook, lift_id: str, key: str, now: datetime) -> None:
    """Let follow what a condition has waited for: it rings, or it is over, as the lift said last."""
    waiting = settling.claim(connection, lift_id, key, now)
    if waiting is None:
        return
    stands, since = conditions.standing_since(connection, lift_id, key)
    alert = lock_open_alert(connection, lift_id, waiting.kind, waiting.code)
    if alert is None and stands:
        ring(connection, _as_new(rules, waiting, now))
    if alert is not None and alert.chattering:
        alert = store_values(connection, alert, {"chattering": False})
        note_alert(connection, alert.id, now, LIFTWATCH, "calmed", "no change for a while")
    if alert is not None and not stands:
        change_alert(connection, alert, AlertChange.CLEAR, now, LIFTWATCH, "it has not come back", cleared_at=since)


def new_alert_of(rules: RuleBook, transition: Transition) -> NewAlert:
    """Return the alert that a transition raises."""
    message, rule = transition.message, rules.rule(transition.kind, transition.code)
    floor = message.body.floor if isinstance(message.body, Fault | State) else None
    return NewAlert(
        lift_id=message.lift_id,
        kind=transition.kind.value,
        code=transition.code,
        raised_at=message.happened_at,
        received_at=message.received_at,
        message=rule.words(lift_id=message.lift_id, code=transition.code, floor=floor),
        evidence=[evidence_of(message)],
        rule=rule,
    )


def _begin(connection: Connection, rules: RuleBook, new: NewAlert, transition: Transition, change: Change) -> None:
    message = transition.message
    waited = settling.take_back(connection, new.lift_id, transition.key)
    alert = lock_open_alert(connection, new.lift_id, new.kind, new.code)
    if alert is not None:
        count_repeat(connection, alert)
        _hold_if_chattering(connection, alert, new, transition, change)
        if not message.late and alert.suppression is Suppression.NONE:
            see_to_order(connection, alert.id, new)
    elif message.late:
        if waited is not None:
            settling.put_back(connection, waited)
    elif (wait_ms := _wait_ms(new, message, change)) > 0:
        if waited is not None and change.was_active:
            settling.put_back(connection, waited)  # said again: it has waited since it was said first
        else:
            due_at = message.received_at + timedelta(milliseconds=wait_ms)
            settling.wait(connection, new, transition.key, due_at)
    else:
        if transition.code == POWER:
            notice(connection, rules, new.lift_id, message.received_at)
        ring(connection, with_whereabouts(connection, rules, new, facts_in(message)) if new.kind in PEOPLE else new)
        raised = lock_open_alert(connection, new.lift_id, new.kind, new.code)
        if raised is not None:
            _hold_if_chattering(connection, raised, new, transition, change)


def _wait_ms(new: NewAlert, message: Message, change: Change) -> int:
    """Return how long a condition waits before it rings; not at all where the lift says that people are in the car."""
    if isinstance(message.body, Fault) and message.body.passengers:
        return 0
    return delays.left_ms(change.recent, new.rule.on_delay_s * 1_000) if new.rule.on_delay_s else 0


def _end(connection: Connection, new: NewAlert, transition: Transition, change: Change) -> None:
    message = transition.message
    waited = settling.take_back(connection, new.lift_id, transition.key)
    alert = lock_open_alert(connection, new.lift_id, new.kind, new.code)
    if alert is None:
        if waited is not None and change.was_active:
            conditions.count_passed(connection, new.lift_id, transition.key)
        return
    if not message.late and _hold_if_chattering(connection, alert, new, transition, change):
        return
    if not message.late and new.rule.off_delay_s:
        due_at = message.received_at + timedelta(seconds=new.rule.off_delay_s)
        settling.wait(connection, new, transition.key, due_at)
        return
    if alert.chattering:
        alert = store_values(connection, alert, {"chattering": False})
    note, cleared_at = f"the lift said so at {message.happened_at.isoformat()}", message.happened_at
    change_alert(connection, alert, AlertChange.CLEAR, message.received_at, LIFTWATCH, note, cleared_at=cleared_at)


def _hold_if_chattering(
    connection: Connection, alert: Alert, new: NewAlert, transition: Transition, change: Change
) -> bool:
    """Hold an alert active that comes and goes, until it is quiet; nobody is told of each change.

    Never one about people: the next press of the button may be somebody else's.
    """
    chatters = alert.chattering or chatter.is_chattering(change.recent)
    if not chatters or alert.kind in PEOPLE:
        return False
    evidence = [each for each in alert.evidence if "chatter" not in each]
    seen = {"chattering": True, "evidence": [*evidence, chatter.evidence_of(change.recent)]}
    store_values(connection, alert, seen)
    at = transition.message.received_at
    if not alert.chattering:
        note_alert(connection, alert.id, at, LIFTWATCH, "chattering", "3 changes within a minute")
    settling.wait(connection, new, transition.key, at + chatter.QUIET)
    return True


def _take_mode(connection: Connection, message: Message, body: State) -> None:
    """Note that a person takes the car over, or gives it back; what was told too late is not how it stands."""
    in_service = conditions.is_in_service(body)
    if in_service is not None and not (in_service and message.late):
        conditions.accept(connection, message, conditions.IN_SERVICE_KEY, active=in_service)


def _note_answer(connection: Connection, message: Message) -> None:
    if isinstance(message.body, State):
        return
    alert = lock_open_alert(connection, message.lift_id, AlertKind.PASSENGER_ALARM, None)
    note = f"answered at {message.happened_at.isoformat()}"
    if alert is not None and not is_noted(connection, alert.id, "answered", note):
        note_alert(connection, alert.id, message.received_at, LIFTWATCH, "answered", note)


def _as_new(rules: RuleBook, waiting: settling.Waiting, now: datetime) -> NewAlert:
    # The lift has told it when the wait began: whoever comes has no more time because we waited.
    heard_at = min(now, datetime.fromisoformat(waiting.evidence[0]["received_at"]))
    return NewAlert(
        lift_id=waiting.lift_id,
        kind=waiting.kind,
        code=waiting.code,
        raised_at=waiting.raised_at,
        received_at=now,
        heard_at=heard_at,
        message=waiting.message,
        evidence=waiting.evidence,
        rule=rules.rule(waiting.kind, waiting.code),
    )
