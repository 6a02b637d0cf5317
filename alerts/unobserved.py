"""When judging messages fails by a mistake of ours: other lifts are judged, and this one rings with what it said."""

from collections.abc import Sequence
from itertools import groupby

from sqlalchemy.engine import Connection

from alerts.alert import AlertKind
from alerts.alert_entries import NewAlert, count_repeat, lock_open_alert
from alerts.conditions import evidence_of
from alerts.ringing import ring
from alerts.rules import RuleBook
from ingest.messages import Message

# Of a batch that could not be judged; what else was said stands in the store.
EVIDENCE_MAX = 20


def by_lift(messages: Sequence[Message]) -> list[list[Message]]:
    """Return the messages of each lift, as they came."""
    return [list(said) for _, said in groupby(sorted(messages, key=_lift_of), key=_lift_of)]


def tell_unobserved(connection: Connection, rules: RuleBook, said: Sequence[Message], error: Exception) -> None:
    """Raise the alert that says that these messages of one lift were not judged; old news rings nothing."""
    live = [message for message in said if not message.late]
    if not live:
        return
    lift_id, kind, rule = live[0].lift_id, AlertKind.LIFT_UNOBSERVED, rules.rule(AlertKind.LIFT_UNOBSERVED)
    known = lock_open_alert(connection, lift_id, kind, None)
    if known is not None:
        count_repeat(connection, known)
        return
    new = NewAlert(
        lift_id=lift_id,
        kind=kind.value,
        code=None,
        raised_at=live[0].happened_at,
        received_at=live[-1].received_at,
        message=rule.words(lift_id=lift_id, reason=type(error).__name__),
        evidence=[evidence_of(message) for message in live[:EVIDENCE_MAX]],
        rule=rule,
    )
    ring(connection, new)


def _lift_of(message: Message) -> str:
    return message.lift_id
