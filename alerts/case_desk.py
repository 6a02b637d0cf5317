"""What people do with entrapment cases, and how they are read."""

from collections.abc import Sequence
from datetime import date, datetime

import sqlalchemy as sa
from msgspec import structs
from sqlalchemy.engine import Connection

from alerts import case_entries, order_entries, tables
from alerts.alert import IllegalTransitionError
from alerts.case_alerts import close_case, escalate
from alerts.entrapment import EntrapmentCase, Outcome, Stage, require_legal, warnings, with_people
from alerts.journal import Journal
from alerts.lock_order import go_alone
from alerts.rules import RuleBook
from alerts.technician_register import crew_of, is_kept
from alerts.technicians import lacking_in
from alerts.work_orders import UNDONE_STATES, WorkOrder, moved

# A stage that a person sets moves the rescue order along; work that is done is said at the order itself.
_ORDER_TO = {Stage.DISPATCHED: "assigned", Stage.EN_ROUTE: "en-route", Stage.ARRIVED: "on-site"}


class UnknownCaseError(LookupError):
    """There is no entrapment case of that number."""


class CaseDesk:
    """Reads cases, and takes the stages that people set. Each call is one transaction."""

    def __init__(self, journal: Journal, rules: RuleBook) -> None:
        """Write into `journal`."""
        self._journal = journal
        self._rules = rules

    def cases(
        self, *, limit: int, before_id: int | None = None, lift_id: str | None = None, is_open: bool | None = None
    ) -> list[EntrapmentCase]:
        """Return at most `limit` cases below `before_id`, newest first."""
        table = tables.entrapment_case
        query = sa.select(table).order_by(table.c.id.desc()).limit(limit)
        if before_id is not None:
            query = query.where(table.c.id < before_id)
        if lift_id is not None:
            query = query.where(table.c.lift_id == lift_id)
        if is_open is not None:
            query = query.where(table.c.open_key.is_not(None) if is_open else table.c.open_key.is_(None))
        with self._journal.reading() as connection:
            return case_entries.cases_of(connection, connection.execute(query).mappings().all())

    def case(self, case_id: int) -> EntrapmentCase:
        """Return one case.

        Raises:
            UnknownCaseError: there is none of that number.
        """
        query = sa.select(tables.entrapment_case).where(tables.entrapment_case.c.id == case_id)
        with self._journal.reading() as connection:
            found = case_entries.cases_of(connection, connection.execute(query).mappings().all())
        if not found:
            raise _unknown(case_id)
        return found[0]

    def lacking(self, case: EntrapmentCase, day: date) -> list[str]:
        """Return what the people who were sent lack on a day; none of it holds a rescue up.

        Where technicians are registered, people are named by their ids, and their certificates count.
        """
        with self._journal.reading() as connection:
            found = warnings(case)
            is_sent = case.closed_at is None and case.at(Stage.DISPATCHED) is not None
            if is_sent and is_kept(connection):
                found = lacking_in(crew_of(connection, case.people), day, None)
        return found

    def reach(
        self,
        case_id: int,
        stage: Stage,
        by: str,
        now: datetime,
        *,
        note: str | None = None,
        people: Sequence[str] = (),
        nobody_trapped: bool = False,
    ) -> EntrapmentCase:
        """Set a stage on a person's word; its rescue order goes along, and is opened where there is none yet.

        Raises:
            UnknownCaseError: there is no such case.
            IllegalTransitionError: it is closed, has that stage already, or is not to be closed yet.
        """
        with self._journal.writing() as connection:
            go_alone(connection)
            case = case_entries.lock_case(connection, case_id)
            if case is None:
                raise _unknown(case_id)
            require_legal(case, stage, note=note, nobody_trapped=nobody_trapped)
            if people:
                case = _named(connection, case, people)
            if stage is Stage.CLOSED:
                outcome = Outcome.NOBODY_TRAPPED if nobody_trapped else Outcome.RELEASED
                close_case(connection, case, outcome, now, by, note)
            else:
                self._go_on(connection, case, stage, now, by, note)
        return self.case(case_id)

    def name_people(self, case_id: int, people: Sequence[str], by: str, now: datetime) -> EntrapmentCase:
        """Name the people who go, also after they were sent.

        Raises:
            UnknownCaseError: there is no such case.
            IllegalTransitionError: it is closed.
        """
        with self._journal.writing() as connection:
            case = case_entries.lock_case(connection, case_id)
            if case is None:
                raise _unknown(case_id)
            if case.closed_at is not None:
                message = "the case is closed"
                raise IllegalTransitionError(message)
            case = _named(connection, case, people)
            case_entries.tell_case(connection, "people", case, now, by=by, people=case.people)
            self._name_in_order(connection, case, by, now)
        return self.case(case_id)

    def _name_in_order(self, connection: Connection, case: EntrapmentCase, by: str, now: datetime) -> None:
        """Let the rescue order name who goes, where somebody has been sent already."""
        order = None if case.work_order_id is None else order_entries.lock_order(connection, case.work_order_id)
        people = ", ".join(case.people)
        if order is not None and order.state in UNDONE_STATES and order.assigned_to not in {None, people}:
            order_entries.change_order(connection, order.id, assigned_to=people)
            order_entries.note_order(connection, order.id, now, by, "named", people)

    def _go_on(
        self, connection: Connection, case: EntrapmentCase, stage: Stage, now: datetime, by: str, note: str | None
    ) -> None:
        if stage in _ORDER_TO and case.work_order_id is None:
            escalate(connection, self._rules, case, now, f"{by} sends people")
            case = case_entries.lock_case(connection, case.id) or case
        case_entries.reach(connection, case, stage, now, by, note)
        if stage in _ORDER_TO and case.work_order_id is not None:
            order = order_entries.lock_order(connection, case.work_order_id)
            people = ", ".join(case.people)
            after = order and _moved(order, _ORDER_TO[stage], now, note, people or by)
            if after is not None:
                order_entries.store_order(connection, after, by, now, note)


def _moved(order: WorkOrder, to: str, now: datetime, note: str | None, assigned_to: str) -> WorkOrder | None:
    """Return the order after the step; None where it has come further already, or is over."""
    try:
        return moved(order, to, now, note=note, assigned_to=assigned_to if to == "assigned" else None)
    except IllegalTransitionError:
        return None


def _named(connection: Connection, case: EntrapmentCase, people: Sequence[str]) -> EntrapmentCase:
    known = with_people(case.people, people)
    case_entries.change_case(connection, case.id, people=known)
    return structs.replace(case, people=known)


def _unknown(case_id: int) -> UnknownCaseError:
    return UnknownCaseError(f"There is no case {case_id}.")
