"""The findings that predicted something, from when to when: what their quality is counted on. Kept in SQL.

The book of findings holds the newest assessment alone. Here a finding is one row from the assessment that found it
first to the one that no longer did; one that is back within a week is still the same. What stood before is also asked
where a finding ends later than it began, so that it does not come and go with every day.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy.engine import Connection, Engine

from analytics.findings import Finding, FindingKind
from ingest.database import Instant, metadata, reading

# What is back so soon was never gone: a count at its limit, a day without messages.
SAME_WITHIN = timedelta(days=7)
KEPT = timedelta(days=800)
# What is due, and how a lift reports, predicts nothing, so that nothing can be said of how good it is.
NO_PREDICTIONS = frozenset(
    {
        FindingKind.MAINTENANCE_DUE,
        FindingKind.MAINTENANCE_OVERDUE,
        FindingKind.INSPECTION_DUE,
        FindingKind.INSPECTION_OVERDUE,
        FindingKind.USAGE_DUE,
        FindingKind.USAGE_OVERDUE,
        FindingKind.NO_VALID_CERTIFICATE,
        FindingKind.MESSAGES_MISSING,
        FindingKind.FLOODING,
        FindingKind.CLOCK_WRONG,
    }
)
# These end only where they are clearly over, so that one that is back is another.
END_CLEARLY = frozenset({FindingKind.BREAKDOWN_LIKELY})
_CHUNK = 500

told = sa.Table(
    "finding_history",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("lift_id", sa.String(64), nullable=False, index=True),
    sa.Column("kind", sa.String(40), nullable=False),
    sa.Column("key", sa.String(200), nullable=False),
    # lift, kind and key while it is found, NULL afterwards.
    sa.Column("open_key", sa.String(320), unique=True),
    sa.Column("channel", sa.String(200)),
    sa.Column("component", sa.String(200)),
    sa.Column("code", sa.String(200)),
    sa.Column("floor", sa.Integer),
    sa.Column("confidence", sa.Float),
    sa.Column("found_at", Instant, nullable=False),
    sa.Column("first_at", Instant, nullable=False, index=True),
    sa.Column("ended_at", Instant, index=True),
)


class ToldFinding(Struct, frozen=True, kw_only=True):
    """A finding as it was told first: `first_at` is as of when, `ended_at` None: it still stands."""

    lift_id: str
    kind: str
    component: str | None
    code: str | None
    floor: int | None
    confidence: float | None
    first_at: datetime
    ended_at: datetime | None


class FindingHistory:
    """Reads what was told."""

    def __init__(self, engine: Engine) -> None:
        """Use a migrated database."""
        self._engine = engine

    def told(self, since: datetime, until: datetime) -> list[ToldFinding]:
        """Return the findings told first in [since, until), oldest first."""
        query = sa.select(told).where(told.c.first_at >= since, told.c.first_at < until)
        with reading(self._engine) as connection:
            rows = connection.execute(query.order_by(told.c.first_at, told.c.id)).mappings()
            return [ToldFinding(**{name: row[name] for name in ToldFinding.__struct_fields__}) for row in rows]

    def count(self, until: datetime) -> int:
        """Return how many were told first before `until`: cheap, to see whether there are others."""
        query = sa.select(sa.func.count()).select_from(told).where(told.c.first_at < until)
        with reading(self._engine) as connection:
            return int(connection.execute(query).scalar_one())

    def standing(self, kind: FindingKind, as_of: datetime) -> dict[str, datetime]:
        """Return by lift since when (`found_at`) a finding of a kind stood just before an instant.

        What the assessment of that instant itself told or ended is left out: whoever assesses it again knows the same.
        """
        stood = sa.or_(told.c.ended_at.is_(None), told.c.ended_at >= as_of)
        query = sa.select(told.c.lift_id, told.c.found_at).where(told.c.kind == kind.value, told.c.first_at < as_of)
        query = query.where(stood)
        with reading(self._engine) as connection:
            return {row.lift_id: row.found_at for row in connection.execute(query.order_by(told.c.id))}

    def began_at(self) -> datetime | None:
        """Return since when findings are written down here; None where none has been."""
        with reading(self._engine) as connection:
            return connection.execute(sa.select(sa.func.min(told.c.first_at))).scalar()


def note_findings(connection: Connection, findings: Sequence[Finding], as_of: datetime) -> None:
    """Write down, in the transaction of their assessment, which findings are new and which are gone."""
    found = {_open_key(item): item for item in findings if item.kind not in NO_PREDICTIONS}
    query = sa.select(told.c.open_key, told.c.id).where(told.c.open_key.is_not(None))
    known: dict[str, int] = {row.open_key: row.id for row in connection.execute(query)}
    gone = [number for key, number in known.items() if key not in found]
    for some in _chunks(gone):
        connection.execute(sa.update(told).where(told.c.id.in_(some)).values(open_key=None, ended_at=as_of))
    new = {key: item for key, item in found.items() if key not in known}
    if new:
        for key in _taken_up(connection, new, as_of):
            del new[key]
        rows = [_row(key, item, as_of) for key, item in new.items()]
        for start in range(0, len(rows), _CHUNK):
            connection.execute(sa.insert(told), rows[start : start + _CHUNK])
        connection.execute(sa.delete(told).where(told.c.ended_at < as_of - KEPT))


def _taken_up(connection: Connection, new: dict[str, Finding], as_of: datetime) -> list[str]:
    """Take up again what ended a short while ago; return the keys."""
    query = sa.select(told.c.id, told.c.lift_id, told.c.kind, told.c.key).where(told.c.ended_at > as_of - SAME_WITHIN)
    query = query.where(told.c.kind.not_in([kind.value for kind in END_CLEARLY]))
    ended = {f"{row.lift_id}/{row.kind}/{row.key}": row.id for row in connection.execute(query.order_by(told.c.id))}
    back = [key for key in new if key in ended]
    for key in back:
        connection.execute(sa.update(told).where(told.c.id == ended[key]).values(open_key=key, ended_at=None))
    return back


def _open_key(item: Finding) -> str:
    return f"{item.lift_id}/{item.kind.value}/{item.key or ''}"


def _row(open_key: str, item: Finding, as_of: datetime) -> dict[str, object]:
    same = ("lift_id", "channel", "component", "code", "floor", "confidence", "found_at")
    return {
        **{name: getattr(item, name) for name in same},
        "kind": item.kind.value,
        "key": item.key or "",
        "open_key": open_key,
        "first_at": as_of,
    }


def _chunks(numbers: list[int]) -> list[list[int]]:
    return [numbers[start : start + _CHUNK] for start in range(0, len(numbers), _CHUNK)]
