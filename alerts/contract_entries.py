"""The contracts in SQL, beside the orders: so that the clock of an order is set in the transaction that opens it."""

from collections.abc import Sequence

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from alerts.contracts import ContractClock, Terms, terms
from alerts.order_tables import contract_clock
from ingest.fleet_register import lift

_FIELDS = ContractClock.__struct_fields__


def keep_contracts(engine: Engine, clocks: Sequence[ContractClock]) -> None:
    """Put these contracts in the place of those before; nothing is written where they are the same."""
    rows = [msgspec.to_builtins(clock) for clock in clocks]
    with engine.begin() as connection:
        if rows == [msgspec.to_builtins(clock) for clock in _clocks(connection)]:
            return
        connection.execute(sa.delete(contract_clock))
        if rows:
            connection.execute(sa.insert(contract_clock), rows)


def terms_of(connection: Connection, lift_id: str, kind: str, priority: int | None, otherwise_min: int | None) -> Terms:
    """Return what the contract of a lift says of an order; a lift that is not registered has none of its own."""
    query = sa.select(lift.c.contractor, lift.c.site_id).where(lift.c.lift_id == lift_id)
    found = connection.execute(query).first()
    contractor, site_id = (found.contractor, found.site_id) if found else (None, None)
    table = contract_clock.c
    fits = (
        sa.or_(table.contractor.is_(None), table.contractor == contractor),
        sa.or_(table.site_id.is_(None), table.site_id == site_id),
    )
    return terms(_clocks(connection, *fits), contractor, site_id, kind, priority, otherwise_min=otherwise_min)


def _clocks(connection: Connection, *fits: sa.ColumnElement[bool]) -> list[ContractClock]:
    query = sa.select(contract_clock).where(*fits).order_by(contract_clock.c.id)
    rows = connection.execute(query).mappings()
    return [msgspec.convert({name: row[name] for name in _FIELDS}, ContractClock) for row in rows]
