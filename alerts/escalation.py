"""Escalation: chains are begun when an alert is raised, and go on, step by step, until somebody acknowledges it.

Each step is a stored instant. Whoever finds that it has passed takes the step in one transaction, so that a restart
forgets none and two processes never take one twice.
"""

from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy.engine import Connection, Engine, RowMapping

from alerts import tables
from alerts.alert import AlertState, Suppression
from alerts.chains import KnownChain, Step, known_of, present
from alerts.journal import alert_of
from alerts.notification_tables import escalation, subscription
from alerts.notifications import notify
from alerts.outbox import tell_alert
from alerts.subscriptions import subscription_of
from ingest.database import insert_new, reading

# An alert that rings again after it was shelved or suppressed begins its chains anew.
BEGINS = frozenset({"alert.raised", "alert.unshelved", "alert.restored", "alert.returned"})
STEPS_A_TURN = 100


class Escalation(Struct, frozen=True, kw_only=True):
    """How far a chain has come for an alert; `due_at` None: it has ended."""

    id: int
    chain_id: int
    alert_id: int
    started_at: datetime
    due_at: datetime | None
    steps_taken: int
    ended_at: datetime | None
    end_reason: str | None


def begin(connection: Connection, told: list[RowMapping], now: datetime) -> None:
    """Begin the chains of alerts that were just raised, as rows of the outbox say; once for each alert and chain."""
    raised = [row for row in told if row["topic"] in BEGINS and row["alert_id"] is not None]
    chains = [known_of(row) for row in connection.execute(present()).mappings()] if raised else []
    for row in raised:
        for known in chains:
            if known.chain.enabled and row["priority"] in known.chain.priorities:
                _begin(connection, known, row, now)


def escalate(engine: Engine, now: datetime) -> int:
    """Take the steps whose time has come; return how many."""
    is_due = escalation.c.due_at <= now
    with reading(engine) as connection:
        if connection.execute(sa.select(escalation.c.id).where(is_due).limit(1)).first() is None:
            return 0
    with engine.begin() as connection:
        query = sa.select(escalation).where(is_due).order_by(escalation.c.id).limit(STEPS_A_TURN)
        rows = connection.execute(query.with_for_update(skip_locked=True)).mappings().all()
        return sum(_take(connection, row, now) for row in rows)


def escalations(engine: Engine, *, limit: int, before_id: int | None = None, **equal: int | None) -> list[Escalation]:
    """Return at most `limit` below `before_id`, newest first; `equal`: columns as they must be."""
    query = sa.select(escalation).order_by(escalation.c.id.desc()).limit(limit)
    if before_id is not None:
        query = query.where(escalation.c.id < before_id)
    for name, value in equal.items():
        if value is not None:
            query = query.where(escalation.c[name] == value)
    with reading(engine) as connection:
        return [Escalation(**row) for row in connection.execute(query).mappings()]


def _begin(connection: Connection, known: KnownChain, row: RowMapping, now: datetime) -> None:
    # The time runs from what happened, unless that was told late: nobody is woken for a wait that had no meaning.
    due_at = max(row["at"] + timedelta(minutes=known.chain.steps[0].wait_min), now)
    fresh = {"started_at": now, "due_at": due_at, "steps_taken": 0, "ended_at": None, "end_reason": None}
    insert = insert_new(connection, escalation).values(chain_id=known.id, alert_id=row["alert_id"], **fresh)
    own = [escalation.c.chain_id, escalation.c.alert_id]
    has_ended = escalation.c.due_at.is_(None)
    connection.execute(insert.on_conflict_do_update(index_elements=own, set_=fresh, where=has_ended))


def _take(connection: Connection, row: RowMapping, now: datetime) -> bool:
    alert_row = connection.execute(sa.select(tables.alert).where(tables.alert.c.id == row["alert_id"])).mappings().one()
    chain_row = connection.execute(present().where(_chain_id() == row["chain_id"])).mappings().first()
    known = None if chain_row is None else known_of(chain_row)
    step = known.chain.step(row["steps_taken"]) if known is not None and known.chain.enabled else None
    reason = _end_reason(alert_row)
    if known is None or step is None or reason is not None:
        _update(connection, row["id"], due_at=None, ended_at=now, end_reason=reason or "the chain was taken away")
        return False
    _tell(connection, known, step, alert_row, row["steps_taken"], now)
    taken = row["steps_taken"] + 1
    following = known.chain.step(taken)
    if following is None:
        ended = {"due_at": None, "ended_at": now, "end_reason": "all steps were taken"}
        _update(connection, row["id"], steps_taken=taken, **ended)
    else:
        _update(connection, row["id"], steps_taken=taken, due_at=now + timedelta(minutes=following.wait_min))
    return True


def _end_reason(alert_row: RowMapping) -> str | None:
    state = AlertState(alert_row["state"])
    if not state.is_open:
        return "the alert is cleared"
    if state is not AlertState.ACTIVE_UNACKNOWLEDGED:
        return "the alert is acknowledged"
    suppression = alert_of(alert_row).suppression
    return None if suppression is Suppression.NONE else f"the alert is {suppression.value.replace('-', ' ')}"


def _tell(
    connection: Connection, known: KnownChain, step: Step, alert_row: RowMapping, taken: int, now: datetime
) -> None:
    """Tell everybody who wants `alert.escalated`, and by themselves those whom the step names."""
    number, rounds = taken % len(known.chain.steps) + 1, taken // len(known.chain.steps) + 1
    note = f"nobody has acknowledged it: {known.chain.name}, step {number}, round {rounds}"
    outbox_id = tell_alert(connection, "escalated", now, alert_of(alert_row), by=known.chain.name, note=note)
    query = sa.select(subscription).where(subscription.c.removed_at.is_(None), subscription.c.enabled)
    own = subscription.c.id == step.subscription_id if step.team is None else subscription.c.team == step.team
    for row in connection.execute(query.where(own).order_by(subscription.c.id)).mappings():
        quiet = subscription_of(row).wanted.quiet
        held_until = quiet.hold_until(now, alert_row["priority"]) if quiet else None
        notify(connection, outbox_id, row["id"], now, held_until)


def _chain_id() -> sa.ColumnElement[int]:
    column: sa.ColumnElement[int] = present().selected_columns["id"]
    return column


def _update(connection: Connection, escalation_id: int, **values: Any) -> None:  # noqa: ANN401 - columns of the table
    connection.execute(sa.update(escalation).where(escalation.c.id == escalation_id).values(values))
