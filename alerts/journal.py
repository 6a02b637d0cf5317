"""The journal: every alert and every work order, with its history. Kept in SQL, read here, written by the desk."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, TypeVar

import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy.engine import Connection, Engine, RowMapping

from alerts import tables, transactions
from alerts.alert import OPEN_STATES, Alert, AlertState, Suppression
from alerts.precedence import Precedence
from alerts.work_orders import OrderKind, OrderState, WorkOrder

OPEN = "open"
_IDS_A_QUERY = 1_000
_T = TypeVar("_T")


class HistoryEntry(Struct, frozen=True):
    """One change of an alert or of a work order: when, by whom, what, and what was said."""

    at: datetime
    actor: str
    action: str
    note: str | None


class Contact(Struct, frozen=True):
    """When a lift last spoke and whether its connection stands; `due_at` None: it has been called silent."""

    lift_id: str
    last_message_at: datetime
    connected: bool
    due_at: datetime | None


class Journal:
    """Reads of alerts, work orders, histories and contacts; and the transactions in which the desk writes."""

    def __init__(self, engine: Engine) -> None:
        """Use a migrated database."""
        self._engine = engine
        self._precedence = Precedence()

    @contextmanager
    def writing(self, *, for_alarms: bool = False) -> Iterator[Connection]:
        """Give a connection whose writes are one transaction: all of them durable on exit, or none.

        Within `joining` it is the transaction of that. One that is `for_alarms` goes before all others of this process
        that have not begun; whoever writes much does so in many short transactions.
        """
        outer = transactions.joined()
        if outer is not None:
            yield outer
            return
        with self._precedence.first() if for_alarms else self._precedence.after(), self._engine.begin() as connection:
            yield connection

    @contextmanager
    def joining(self) -> Iterator[Connection]:
        """Make everything that is written within one transaction, so that an answer is kept exactly with its change."""
        with self._precedence.after(), self._engine.begin() as connection, transactions.joining(connection):
            yield connection

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Give a connection for reads alone; within `joining` that one, which sees what was written."""
        with transactions.reading(self._engine) as connection:
            yield connection

    def alerts(
        self,
        *,
        limit: int,
        before_id: int | None = None,
        lift_id: str | None = None,
        kind: str | None = None,
        priority: int | None = None,
        state: str | None = None,
        suppression: Suppression | None = None,
    ) -> list[Alert]:
        """Return at most `limit` alerts below `before_id`, newest first; `state` is exact, or "open": not cleared.

        With `suppression` only those that are silent for that reason, or that are not.
        """
        query = _page(tables.alert, limit, before_id, {"lift_id": lift_id, "kind": kind, "priority": priority})
        if state is not None:
            query = query.where(tables.alert.c.state.in_(_alert_states(state)))
        if suppression is not None:
            query = query.where(_silent(suppression))
        with self.reading() as connection:
            return [alert_of(row) for row in connection.execute(query).mappings()]

    def alert(self, alert_id: int) -> Alert | None:
        """Return one alert, None where there is none of that id."""
        query = sa.select(tables.alert).where(tables.alert.c.id == alert_id)
        with self.reading() as connection:
            row = connection.execute(query).mappings().first()
        return None if row is None else alert_of(row)

    def alert_history(self, alert_id: int) -> list[HistoryEntry]:
        """Return what happened to an alert, oldest first."""
        history = tables.alert_history
        return self._history(sa.select(history).where(history.c.alert_id == alert_id).order_by(history.c.id))

    def silence_counts(self) -> dict[str, int]:
        """Return how many open alerts are shelved, suppressed and out of service."""
        reasons = {each.value.replace("-", "_"): _silent(each) for each in Suppression if each is not Suppression.NONE}
        sums = [
            sa.func.coalesce(sa.func.sum(sa.case((which, 1), else_=0)), 0).label(name)
            for name, which in reasons.items()
        ]
        query = sa.select(*sums).where(tables.alert.c.state.in_(_alert_states(OPEN)))
        with self.reading() as connection:
            return {name: int(count) for name, count in connection.execute(query).mappings().one().items()}

    def work_orders(
        self,
        *,
        limit: int,
        before_id: int | None = None,
        lift_id: str | None = None,
        state: str | None = None,
        kind: str | None = None,
        external_ref: str | None = None,
    ) -> list[WorkOrder]:
        """Return at most `limit` work orders below `before_id`, newest first; all filters are exact."""
        equal: dict[str, object] = {"lift_id": lift_id, "state": state, "kind": kind, "external_ref": external_ref}
        query = _page(tables.work_order, limit, before_id, equal)
        with self.reading() as connection:
            return orders_of(connection, connection.execute(query).mappings().all())

    def work_order(self, order_id: int) -> WorkOrder | None:
        """Return one work order, None where there is none of that id."""
        query = sa.select(tables.work_order).where(tables.work_order.c.id == order_id)
        with self.reading() as connection:
            found = orders_of(connection, connection.execute(query).mappings().all())
        return found[0] if found else None

    def work_order_history(self, order_id: int) -> list[HistoryEntry]:
        """Return what happened to a work order, oldest first."""
        history = tables.work_order_history
        return self._history(sa.select(history).where(history.c.work_order_id == order_id).order_by(history.c.id))

    def open_alert_counts(self, lift_ids: Sequence[str]) -> dict[str, int]:
        """Return how many alerts of each lift are not cleared; a lift without any has 0."""
        counts = dict.fromkeys(lift_ids, 0)
        with self.reading() as connection:
            for chunk in chunks(list(counts)):
                query = (
                    sa.select(tables.alert.c.lift_id, sa.func.count().label("open_alerts"))
                    .where(tables.alert.c.lift_id.in_(chunk), tables.alert.c.open_key.is_not(None))
                    .group_by(tables.alert.c.lift_id)
                )
                counts.update((row.lift_id, row.open_alerts) for row in connection.execute(query))
        return counts

    def contacts(self, lift_ids: Sequence[str] | None = None) -> dict[str, Contact]:
        """Return when lifts last spoke, by id: of all that ever did, or of those asked for."""
        query = sa.select(tables.contact).order_by(tables.contact.c.lift_id)
        queries = (
            [query]
            if lift_ids is None
            else [query.where(tables.contact.c.lift_id.in_(chunk)) for chunk in chunks(list(lift_ids))]
        )
        with self.reading() as connection:
            rows = [row for each in queries for row in connection.execute(each)]
        return {row.lift_id: Contact(row.lift_id, row.last_message_at, row.connected, row.due_at) for row in rows}

    def is_contact_due(self, now: datetime) -> bool:
        """Tell whether the time of any lift has passed without a message; asks without taking a lock."""
        query = sa.select(tables.contact.c.lift_id).where(tables.contact.c.due_at <= now).limit(1)
        with self.reading() as connection:
            return connection.execute(query).first() is not None

    def standing(self, keys: Sequence[str]) -> set[tuple[str, str]]:
        """Return lift and key of the conditions of these keys that stand."""
        condition = tables.condition
        query = sa.select(condition.c.lift_id, condition.c.key).where(condition.c.key.in_(keys), condition.c.active)
        with self.reading() as connection:
            return {(row.lift_id, row.key) for row in connection.execute(query)}

    def _history(self, query: sa.Select[Any]) -> list[HistoryEntry]:
        with self.reading() as connection:
            rows = connection.execute(query)
            return [HistoryEntry(row.at, row.actor, row.action, row.note) for row in rows]


def alert_of(row: RowMapping) -> Alert:
    """Return the alert that a row of its table holds."""
    return Alert(**{**{name: row[name] for name in Alert.__struct_fields__}, "state": AlertState(row["state"])})


def orders_of(connection: Connection, rows: Sequence[RowMapping]) -> list[WorkOrder]:
    """Return the work orders that rows of their table hold, with the alerts that led to them."""
    alert_ids: dict[int, list[int]] = {row["id"]: [] for row in rows}
    link = tables.alert.c.work_order_id
    for chunk in chunks(list(alert_ids)):
        query = sa.select(link, tables.alert.c.id).where(link.in_(chunk)).order_by(tables.alert.c.id)
        for order_id, alert_id in connection.execute(query):
            alert_ids[order_id].append(alert_id)
    return [_order_of(row, alert_ids[row["id"]]) for row in rows]


def chunks(values: Sequence[_T]) -> Iterator[Sequence[_T]]:
    """Cut a list into pieces that fit one query: databases bound the number of parameters."""
    return (values[start : start + _IDS_A_QUERY] for start in range(0, len(values), _IDS_A_QUERY))


def _order_of(row: RowMapping, alert_ids: list[int]) -> WorkOrder:
    derived: dict[str, Any] = {
        "alert_ids": alert_ids,
        "kind": OrderKind(row["kind"]),
        "state": OrderState(row["state"]),
        "technicians": row["technicians"] or [],
    }
    stored = {name: row[name] for name in WorkOrder.__struct_fields__ if name not in derived}
    return WorkOrder(**stored, **derived)


def _page(table: sa.Table, limit: int, before_id: int | None, equal: dict[str, object]) -> sa.Select[Any]:
    query = sa.select(table).order_by(table.c.id.desc()).limit(limit)
    if before_id is not None:
        query = query.where(table.c.id < before_id)
    for name, value in equal.items():
        if value is not None:
            query = query.where(table.c[name] == value)
    return query


def _silent(why: Suppression) -> sa.ColumnElement[bool]:
    """Return what makes an alert silent for this reason, as `Alert.suppression` tells it."""
    out, suppressed = tables.alert.c.out_of_service, tables.alert.c.suppressed_by.is_not(None)
    shelved = tables.alert.c.shelved_until.is_not(None)
    return {
        Suppression.OUT_OF_SERVICE: out,
        Suppression.SUPPRESSED: ~out & suppressed,
        Suppression.SHELVED: ~out & ~suppressed & shelved,
        Suppression.NONE: ~out & ~suppressed & ~shelved,
    }[why]


def _alert_states(state: str) -> list[str]:
    return sorted(OPEN_STATES) if state == OPEN else [state]
