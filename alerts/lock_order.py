"""In which order rows are locked, so that no two processes wait for each other on PostgreSQL.

Nearly everybody goes by one order: lift after lift, and of one lift its conditions, what they wait for, its alerts,
their orders, its case. Who has to go against it goes alone: a greater alert silences those of its neighbours, and a
step of a rescue leads from the order to the case and on to the alert.

On SQLite there is one writer at a time, and nothing to do.
"""

import sqlalchemy as sa
from sqlalchemy.engine import Connection

# Beside the lock of the migrations (`ingest.database`), which is "LIFT".
_LOCK = 0x4C49_4654_4F52_4445  # "LIFTORDE"


def go_in_order(connection: Connection) -> None:
    """Lock rows of several lifts in the order of all, beside others who do; first thing in a transaction."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock_shared(_LOCK)))


def go_alone(connection: Connection) -> None:
    """Lock rows in an order of one's own, while nobody writes who goes in order; first thing in a transaction."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
