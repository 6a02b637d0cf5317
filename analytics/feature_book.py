"""The feature book: the daily values of every lift, computed once and kept, in SQL; and the days to be computed.

A day is marked by the first message that comes of it, and again by every batch that tells of it once it is over; who
computes takes the marks of days that are over, reads the store, keeps the values and takes the marks away, each only if
nobody has set it anew meanwhile. So nothing is forgotten by a crash, late messages and imported histories are computed
like all others, and a lift that says nothing costs nothing. Two processes that compute the same day keep the same row.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence

import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy.engine import Connection, Engine

from analytics.feature_format import FORMAT, unpacked
from analytics.features import FleetValues
from ingest.database import insert_new, metadata, reading

# Days of a lift that are kept, counted back from its newest: two years and a season.
DAYS_KEPT = 800
_CHUNK = 500
_ONLY = 1

lift_day = sa.Table(
    "lift_day",
    metadata,
    sa.Column("lift_id", sa.String(64), primary_key=True),
    sa.Column("day", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("revision", sa.BigInteger, nullable=False, index=True),
    # Of some 1 KiB: in SQLite's tables without row numbers each would take a page and another of its own.
    sa.Column("features", sa.LargeBinary, nullable=False),
)
stale_day = sa.Table(
    "stale_day",
    metadata,
    sa.Column("lift_id", sa.String(64), primary_key=True),
    sa.Column("day", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("marks", sa.Integer, nullable=False),
    sa.Index("ix_stale_day_day", "day"),
    sqlite_with_rowid=False,
)
book_state = sa.Table(
    "feature_book",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("revision", sa.BigInteger, nullable=False),
    sa.Column("format", sa.Integer, nullable=False),
)


class Mark(Struct, frozen=True, order=True):
    """A day (its number from 1970) of a lift that is to be computed, and how often it has been marked."""

    lift_id: str
    day: int
    marks: int = 1


class FeatureBook:
    """Daily values in SQL. Safe to share between threads and processes."""

    def __init__(self, engine: Engine) -> None:
        """Use a migrated database."""
        self._engine = engine

    def mark(self, lift_days: Collection[tuple[str, int]]) -> None:
        """Say that days of lifts are to be computed; durable on return."""
        rows = [{"lift_id": lift_id, "day": day, "marks": 1} for lift_id, day in sorted(lift_days)]
        for start in range(0, len(rows), _CHUNK):
            with self._engine.begin() as connection:
                statement = insert_new(connection, stale_day)
                again = {"marks": stale_day.c.marks + 1}
                keys = [stale_day.c.lift_id, stale_day.c.day]
                connection.execute(
                    statement.on_conflict_do_update(index_elements=keys, set_=again), rows[start : start + _CHUNK]
                )

    def stale(self, until_day: int, *, since_day: int = 0, limit: int, after: Mark | None = None) -> list[Mark]:
        """Return at most `limit` marks of days from `since_day` to `until_day`, by lift and day, behind `after`."""
        query = sa.select(stale_day).where(stale_day.c.day.between(since_day, until_day))
        if after is not None:
            later = sa.and_(stale_day.c.lift_id == after.lift_id, stale_day.c.day > after.day)
            query = query.where(sa.or_(stale_day.c.lift_id > after.lift_id, later))
        query = query.order_by(stale_day.c.lift_id, stale_day.c.day).limit(limit)
        with reading(self._engine) as connection:
            return [Mark(*row) for row in connection.execute(query)]

    def newest_stale(self, until_day: int) -> int | None:
        """Return the newest day up to and with `until_day` that is to be computed; None where nothing is."""
        query = sa.select(sa.func.max(stale_day.c.day)).where(stale_day.c.day <= until_day)
        with reading(self._engine) as connection:
            newest: int | None = connection.execute(query).scalar()
        return newest

    def is_stale(self, since_day: int, until_day: int) -> bool:
        """Tell whether any day from `since_day` to `until_day` is to be computed."""
        newest = self.newest_stale(until_day)
        return newest is not None and newest >= since_day

    def stale_lifts(self, since_day: int, until_day: int) -> dict[str, int]:
        """Return, by lift, how many of its days from `since_day` to `until_day` are to be computed."""
        query = sa.select(stale_day.c.lift_id, sa.func.count()).where(stale_day.c.day.between(since_day, until_day))
        with reading(self._engine) as connection:
            return {row[0]: row[1] for row in connection.execute(query.group_by(stale_day.c.lift_id))}

    def keep(self, rows: Mapping[tuple[str, int], bytes], marks: Iterable[Mark]) -> None:
        """Keep days that were computed, and take away the marks that they were computed for; all or nothing.

        A mark that was set again since then stays. `lift_day.revision` rises with each call, so that a reader sees
        what has changed.
        """
        with self._engine.begin() as connection:
            if rows:
                revision = _next_revision(connection)
                values = [
                    {"lift_id": lift_id, "day": day, "revision": revision, "features": features}
                    for (lift_id, day), features in sorted(rows.items())
                ]
                statement = insert_new(connection, lift_day)
                newer = {name: statement.excluded[name] for name in ("revision", "features")}
                keys = [lift_day.c.lift_id, lift_day.c.day]
                connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=newer), values)
                _forget(connection, rows)
            _unmark(connection, marks)

    def values(self, lift_ids: Sequence[str], first_day: int, last_day: int) -> FleetValues:
        """Return the values of the lifts from `first_day` to `last_day`; lifts without any are left out."""
        rows: list[tuple[str, int, bytes]] = []
        query = sa.select(lift_day.c.lift_id, lift_day.c.day, lift_day.c.features)
        with reading(self._engine) as connection:
            for start in range(0, len(lift_ids), _CHUNK):
                some = query.where(
                    lift_day.c.lift_id.in_(lift_ids[start : start + _CHUNK]),
                    lift_day.c.day.between(first_day, last_day),
                )
                ordered = some.order_by(lift_day.c.lift_id, lift_day.c.day)
                rows += connection.execute(ordered).all()
        return unpacked(rows)

    def revision(self) -> int:
        """Return the number of the newest change."""
        with reading(self._engine) as connection:
            return connection.execute(sa.select(book_state.c.revision)).scalar() or 0

    def state(self, lift_ids: Sequence[str], first_day: int, last_day: int) -> str:
        """Return what tells one state of these days from another: their number and newest change; "" without any."""
        days, newest = 0, 0
        query = sa.select(sa.func.count(), sa.func.max(lift_day.c.revision)).select_from(lift_day)
        with reading(self._engine) as connection:
            for start in range(0, len(lift_ids), _CHUNK):
                some = query.where(
                    lift_day.c.lift_id.in_(lift_ids[start : start + _CHUNK]),
                    lift_day.c.day.between(first_day, last_day),
                )
                count, revision = connection.execute(some).one()
                days, newest = days + count, max(newest, revision or 0)
        return f"{days} {newest}" if days else ""

    def changed_since(self, revision: int) -> dict[str, int]:
        """Return, by lift, the newest of its changes after `revision`."""
        query = sa.select(lift_day.c.lift_id, sa.func.max(lift_day.c.revision)).where(lift_day.c.revision > revision)
        with reading(self._engine) as connection:
            return {row[0]: row[1] for row in connection.execute(query.group_by(lift_day.c.lift_id))}

    def renew(self) -> None:
        """Mark every day whose bytes another version of the service has written."""
        with reading(self._engine) as connection:
            known = connection.execute(sa.select(book_state.c.format)).scalar()
        if known is None or known == FORMAT:
            return
        with self._engine.begin() as connection:
            every = sa.select(lift_day.c.lift_id, lift_day.c.day, sa.literal(1)).where(sa.true())
            statement = insert_new(connection, stale_day).from_select(["lift_id", "day", "marks"], every)
            connection.execute(statement.on_conflict_do_nothing())
            connection.execute(sa.update(book_state).values(format=FORMAT))


def _next_revision(connection: Connection) -> int:
    """Return a number above all before; its row lock makes two writers take turns."""
    statement = insert_new(connection, book_state).values(id=_ONLY, revision=1, format=FORMAT)
    following = statement.on_conflict_do_update(
        index_elements=[book_state.c.id], set_={"revision": book_state.c.revision + 1}
    )
    revision: int = connection.execute(following.returning(book_state.c.revision)).scalar_one()
    return revision


def _forget(connection: Connection, kept: Collection[tuple[str, int]]) -> None:
    """Forget the days of the same lifts that are too old by now."""
    newest: dict[str, int] = {}
    for lift_id, day in kept:
        newest[lift_id] = max(day, newest.get(lift_id, day))
    statement = sa.delete(lift_day).where(
        lift_day.c.lift_id == sa.bindparam("of_lift"), lift_day.c.day <= sa.bindparam("too_old")
    )
    rows = [{"of_lift": lift_id, "too_old": day - DAYS_KEPT} for lift_id, day in sorted(newest.items())]
    connection.execute(statement, rows)


def _unmark(connection: Connection, marks: Iterable[Mark]) -> None:
    statement = sa.delete(stale_day).where(
        stale_day.c.lift_id == sa.bindparam("of_lift"),
        stale_day.c.day == sa.bindparam("of_day"),
        stale_day.c.marks == sa.bindparam("then"),
    )
    rows = [{"of_lift": mark.lift_id, "of_day": mark.day, "then": mark.marks} for mark in sorted(marks)]
    if rows:
        connection.execute(statement, rows)
