"""Lifts that say more than their quota: what of their messages went to quarantine for it."""

from datetime import datetime

import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy.engine import Engine

from ingest.database import reading
from ingest.quarantine_rows import quarantined
from ingest.wire import Reason


class Flood(Struct, frozen=True, kw_only=True):
    """What of one lift's messages was refused as `flooding` within a window: at least `messages` of them."""

    lift_id: str
    messages: int
    first_at: datetime
    last_at: datetime


class Floods:
    """Reads floods out of the quarantine."""

    def __init__(self, engine: Engine) -> None:
        """Use a migrated database."""
        self._engine = engine

    def between(self, since: datetime, until: datetime, lift_id: str | None = None) -> list[Flood]:
        """Return the floods of (since, until], ordered by lift.

        A row of the quarantine tells when its content came first and last, not each time: one that came again within
        the window counts once for that, and one that also came after it counts once in it.
        """
        columns = quarantined.c
        is_new = columns.received_at > since
        is_over = columns.last_received_at <= until
        messages = sa.func.sum(sa.case((is_new & is_over, columns.times), else_=1))
        first_at = sa.func.min(sa.case((is_new, columns.received_at), else_=columns.last_received_at))
        last_at = sa.func.max(sa.case((is_over, columns.last_received_at), else_=columns.received_at))
        query = (
            sa.select(columns.lift_id, messages, first_at, last_at)
            .where(columns.reason == Reason.FLOODING.value, columns.lift_id.is_not(None))
            .where(columns.received_at <= until, columns.last_received_at > since)
            .where(is_new | is_over)
            .group_by(columns.lift_id)
            .order_by(columns.lift_id)
        )
        if lift_id is not None:
            query = query.where(columns.lift_id == lift_id)
        with reading(self._engine) as connection:
            rows = connection.execute(query).all()
        return [Flood(lift_id=name, messages=int(n), first_at=first, last_at=last) for name, n, first, last in rows]
