"""How entrapment cases are written and read: inside a transaction that somebody else holds, with their stages."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection, RowMapping

from alerts import tables
from alerts.conditions import ALARM_KEY
from alerts.entrapment import Certainty, EntrapmentCase, Outcome, Signs, Stage, StageEntry
from alerts.journal import chunks
from alerts.outbox import tell
from alerts.rescue_aid import OUTSIDE, Facts
from ingest.database import insert_new
from ingest.faults import ENTRAPMENT
from ingest.intake import LATE_AFTER

PRIORITY = 1
_case = tables.entrapment_case
_stage = tables.entrapment_stage
# Reaching one of these ends a clock: whoever has been dispatched has been spoken of, who is there has arrived.
_ENDS_ANSWER = frozenset(Stage) - {Stage.RECEIVED}
_ENDS_ARRIVAL = frozenset({Stage.ARRIVED, Stage.RELEASED, Stage.CLOSED})


def signs_of(connection: Connection, lift_id: str) -> Signs:
    """Return what a lift says now that bears on an entrapment; what was old news when it came says nothing."""
    table, wanted = tables.condition, (ENTRAPMENT, ALARM_KEY, OUTSIDE)
    query = sa.select(table).where(table.c.lift_id == lift_id, table.c.key.in_(wanted), table.c.active)
    since = {row.key: row.received_at for row in connection.execute(query) if _was_live(row)}
    standing = standing_of(connection, lift_id)
    outside = since.get(OUTSIDE)
    if standing is not None and standing["outside"]:
        outside = max(outside or standing["received_at"], standing["received_at"])
    facts = facts_of(standing["facts"]) if standing is not None else Facts()
    return Signs(
        entrapment=since.get(ENTRAPMENT),
        alarm=since.get(ALARM_KEY),
        outside=outside,
        passengers=facts.passengers,
    )


def standing_faults(connection: Connection, lift_id: str) -> list[str]:
    """Return the codes of the faults of a lift that stand and keep it from serving."""
    table = tables.condition
    query = sa.select(table.c.key).where(table.c.lift_id == lift_id, table.c.active, table.c.key != ALARM_KEY)
    return sorted(connection.execute(query).scalars())


def standing_of(connection: Connection, lift_id: str) -> RowMapping | None:
    """Return what is written of how a lift stands; None where it never stood outside the landing zone."""
    table = tables.lift_standing
    return connection.execute(sa.select(table).where(table.c.lift_id == lift_id)).mappings().first()


def write_standing(connection: Connection, row: dict[str, Any]) -> None:
    """Write down how a lift stands, unless something newer is written."""
    table = tables.lift_standing
    insert = insert_new(connection, table).values(row)
    is_newer = table.c.said_at <= insert.excluded.said_at
    values = {name: insert.excluded[name] for name in row if name != "lift_id"}
    connection.execute(insert.on_conflict_do_update(index_elements=[table.c.lift_id], set_=values, where=is_newer))


def open_case(connection: Connection, row: dict[str, Any]) -> int | None:
    """Open the case of a lift and return its id; None where one is open."""
    values = {**row, "open_key": row["lift_id"], "people": []}
    statement = insert_new(connection, _case).values(values)
    unless_open = statement.on_conflict_do_nothing(index_elements=[_case.c.open_key])
    case_id: int | None = connection.execute(unless_open.returning(_case.c.id)).scalar()
    return case_id


def lock_case(connection: Connection, case_id: int) -> EntrapmentCase | None:
    """Return a case that nobody else can change until the transaction ends."""
    return _locked(connection, _case.c.id == case_id)


def lock_open_case(connection: Connection, lift_id: str) -> EntrapmentCase | None:
    """Return the open case of a lift, locked; None where there is none."""
    return _locked(connection, _case.c.open_key == lift_id)


def lock_case_of_order(connection: Connection, order_id: int) -> EntrapmentCase | None:
    """Return the open case that a work order belongs to, locked; None where there is none."""
    return _locked(connection, (_case.c.work_order_id == order_id) & _case.c.open_key.is_not(None))


def closed_at_of(connection: Connection, lift_id: str) -> datetime | None:
    """Return when the newest closed case of a lift was closed."""
    query = sa.select(sa.func.max(_case.c.closed_at)).where(_case.c.lift_id == lift_id)
    found: datetime | None = connection.execute(query).scalar()
    return found


def change_case(connection: Connection, case_id: int, **values: Any) -> None:  # noqa: ANN401 - columns of the table
    """Write columns of a locked case."""
    connection.execute(sa.update(_case).where(_case.c.id == case_id).values(**values))


def reach(
    connection: Connection,
    case: EntrapmentCase,
    stage: Stage,
    at: datetime,
    by: str,
    note: str | None = None,
    **told: object,
) -> bool:
    """Write a stage of a locked case down, end the clocks that it ends, and tell it; False where it was reached.

    `told` is told beside it.
    """
    row = {"case_id": case.id, "stage": stage.value, "at": at, "actor": by, "note": note}
    statement = insert_new(connection, _stage).values(row)
    once = statement.on_conflict_do_nothing(index_elements=[_stage.c.case_id, _stage.c.stage])
    if connection.execute(once.returning(_stage.c.id)).first() is None:
        return False
    ended: dict[str, Any] = {}
    if stage in _ENDS_ANSWER:
        ended["answer_due_at"] = None
    if stage in _ENDS_ARRIVAL:
        ended["arrive_due_at"] = None
    if stage is Stage.CLOSED:
        ended |= {"closed_at": at, "open_key": None}
    if ended:
        change_case(connection, case.id, **ended)
    tell_case(connection, stage.value, case, at, by=by, note=note, **told)
    return True


def tell_case(connection: Connection, what: str, case: EntrapmentCase, at: datetime, **more: object) -> None:
    """Let others be told that something happened to a case: topic `case.<what>`; `text` says it in words."""
    text = f"Entrapment in lift {case.lift_id}: {what.replace('-', ' ')}"
    tell(
        connection,
        f"case.{what}",
        at,
        lift_id=case.lift_id,
        alert_id=case.alert_id,
        work_order_id=case.work_order_id,
        priority=PRIORITY,
        body={"text": text, "case_id": case.id, "certainty": case.certainty.value, **more},
    )


def claim_due(connection: Connection, column: sa.Column[Any], now: datetime) -> list[EntrapmentCase]:
    """Take every case whose clock `column` has run out, so that nobody else does; ordered by number."""
    late = sa.select(_case.c.id).where(column <= now).order_by(_case.c.id).with_for_update(skip_locked=True)
    claim = sa.update(_case).where(_case.c.id.in_(late) & (column <= now)).values({column.name: None})
    ids = sorted(connection.execute(claim.returning(_case.c.id)).scalars())
    return [case for case in (lock_case(connection, case_id) for case_id in ids) if case is not None]


def cases_of(connection: Connection, rows: Sequence[RowMapping]) -> list[EntrapmentCase]:
    """Return the cases that rows of their table hold, with their stages."""
    stages: dict[int, list[StageEntry]] = {row["id"]: [] for row in rows}
    for chunk in chunks(list(stages)):
        query = sa.select(_stage).where(_stage.c.case_id.in_(chunk)).order_by(_stage.c.at, _stage.c.id)
        for row in connection.execute(query):
            stages[row.case_id].append(StageEntry(Stage(row.stage), row.at, row.actor, row.note))
    return [_case_of(row, stages[row["id"]]) for row in rows]


def facts_of(kept: object) -> Facts:
    """Return facts as JSON keeps them."""
    return msgspec.convert(kept, Facts)


def _case_of(row: RowMapping, stages: list[StageEntry]) -> EntrapmentCase:
    derived: dict[str, Any] = {
        "certainty": Certainty(row["certainty"]),
        "facts": facts_of(row["facts"]),
        "outcome": None if row["outcome"] is None else Outcome(row["outcome"]),
        "stages": stages,
    }
    stored = {name: row[name] for name in EntrapmentCase.__struct_fields__ if name not in derived}
    return EntrapmentCase(**stored, **derived)


def _locked(connection: Connection, which: sa.ColumnElement[bool]) -> EntrapmentCase | None:
    rows = connection.execute(sa.select(_case).where(which).with_for_update()).mappings().all()
    found = cases_of(connection, rows)
    return found[0] if found else None


def _was_live(row: sa.Row[Any]) -> bool:
    received_at, age_max = row.received_at, max(LATE_AFTER, timedelta())
    return received_at is not None and received_at - row.changed_at <= age_max
