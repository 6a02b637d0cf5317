"""The register: which lifts there are, what was done at them, and until when they are certified. Kept in SQL."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from itertools import takewhile
from typing import Any, TypeVar

import sqlalchemy as sa
from msgspec import Struct, convert, structs
from sqlalchemy.engine import Connection, Engine, RowMapping

from ingest.database import Instant, insert_new, metadata, reading
from ingest.fleet import Inspection, InspectionOutcome, Lift, Outage, Visit, VisitKind

_CHUNK = 1_000
# As many repairs of one lift are looked through; nobody counts that far.
_REPAIRS_MAX = 200
_T = TypeVar("_T", bound=Struct)

site = sa.Table(
    "site",
    metadata,
    sa.Column("site_id", sa.String(200), primary_key=True),
    sa.Column("name", sa.String(200)),
    sa.Column("address", sa.String(200)),
)
lift = sa.Table(
    "lift",
    metadata,
    sa.Column("lift_id", sa.String(64), primary_key=True),
    sa.Column("site_id", sa.ForeignKey("site.site_id"), index=True),
    sa.Column("maker", sa.String(200)),
    sa.Column("model", sa.String(200)),
    sa.Column("drive", sa.String(200)),
    sa.Column("floors", sa.Integer),
    sa.Column("commissioned_on", sa.Date),
    sa.Column("observed_from", sa.Date),
    sa.Column("observed_to", sa.Date),
    sa.Column("regime", sa.String(200)),
    sa.Column("certificate_expires_on", sa.Date),
    sa.Column("contractor", sa.String(200)),
    sa.Column("team", sa.String(200)),
    sa.Column("profile", sa.String(200)),
    sa.Column("registered_at", Instant, nullable=False),
    sa.Column("gateway_id", sa.String(200), index=True),
    sa.Column("silence_s_max", sa.Integer),
    sa.Column("alarm_tests", sa.Boolean),
)
visit = sa.Table(
    "visit",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("lift_id", sa.ForeignKey("lift.lift_id"), nullable=False),
    sa.Column("kind", sa.String(20), nullable=False),
    sa.Column("done_at", Instant, nullable=False),
    sa.Column("cause_code", sa.String(200)),
    sa.Column("work_order", sa.String(200)),
    sa.Column("outcome", sa.String(200)),
    sa.UniqueConstraint("lift_id", "kind", "done_at"),
)
inspection = sa.Table(
    "inspection",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("lift_id", sa.ForeignKey("lift.lift_id"), nullable=False),
    sa.Column("done_on", sa.Date, nullable=False),
    sa.Column("outcome", sa.String(20), nullable=False),
    sa.Column("certificate_expires_on", sa.Date),
    sa.Column("report", sa.String(200)),
    sa.UniqueConstraint("lift_id", "done_on"),
)
outage = sa.Table(
    "outage",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("lift_id", sa.ForeignKey("lift.lift_id"), nullable=False),
    sa.Column("kind", sa.String(20), nullable=False),
    sa.Column("code", sa.String(200), nullable=False, server_default=""),
    sa.Column("raised_at", Instant, nullable=False, index=True),
    sa.Column("cleared_at", Instant),
    sa.UniqueConstraint("lift_id", "raised_at", "kind", "code"),
)


class RegisteredLift(Struct, frozen=True):
    """A lift as the register holds it, and since when."""

    lift: Lift
    registered_at: datetime


class RegisteredVisit(Struct, frozen=True):
    """A visit and its number in the register."""

    id: int
    visit: Visit


class RegisteredInspection(Struct, frozen=True):
    """An inspection and its number in the register."""

    id: int
    inspection: Inspection


class UnknownLiftError(LookupError):
    """The register holds no lift of that id."""


class FleetRegister:
    """The register in SQL. Every method is one transaction of its own."""

    def __init__(self, engine: Engine) -> None:
        """Use a migrated database."""
        self._engine = engine

    def register(self, lifts: Iterable[Lift], registered_at: datetime) -> int:
        """Add lifts, or replace what is known of them (`registered_at` stays); return how many there were."""
        rows = [_lift_row(item) for item in lifts]
        sites = _sites_of(rows)
        with self._engine.begin() as connection:
            for site_id, known in sites.items():
                _upsert_site(connection, site_id, known)
            if rows:
                statement = insert_new(connection, lift)
                told = {name: statement.excluded[name] for name in rows[0]}
                renewing = statement.on_conflict_do_update(index_elements=[lift.c.lift_id], set_=told)
                connection.execute(renewing, [{**row, "registered_at": registered_at} for row in rows])
        return len(rows)

    def add_if_unknown(self, lift_ids: Iterable[str], registered_at: datetime) -> None:
        """Register lifts of which only the id is known; lifts that are known already stay as they are."""
        rows = [{"lift_id": lift_id, "registered_at": registered_at} for lift_id in sorted(set(lift_ids))]
        if not rows:
            return
        with self._engine.begin() as connection:
            connection.execute(insert_new(connection, lift).on_conflict_do_nothing(), rows)

    def find(self, lift_id: str) -> RegisteredLift | None:
        """Return a lift, None where it is not registered."""
        with reading(self._engine) as connection:
            row = connection.execute(_LIFTS.where(lift.c.lift_id == lift_id)).mappings().first()
        return None if row is None else _lift_of(row)

    def lifts(
        self, *, after: str | None = None, limit: int | None = None, site_id: str | None = None
    ) -> list[RegisteredLift]:
        """Return lifts ordered by id: at most `limit`, above `after`, of one site where it is given."""
        query = _LIFTS.order_by(lift.c.lift_id).limit(limit)
        if after is not None:
            query = query.where(lift.c.lift_id > after)
        if site_id is not None:
            query = query.where(lift.c.site_id == site_id)
        with reading(self._engine) as connection:
            return [_lift_of(row) for row in connection.execute(query).mappings()]

    def profiles_of_lifts(self, lift_ids: Sequence[str] | None = None) -> dict[str, str | None]:
        """Return the controller profile (or None) of registered lifts, by id: of all, or of those asked for."""
        query = sa.select(lift.c.lift_id, lift.c.profile)
        queries = [query]
        if lift_ids is not None:
            chunks = (lift_ids[start : start + _CHUNK] for start in range(0, len(lift_ids), _CHUNK))
            queries = [query.where(lift.c.lift_id.in_(chunk)) for chunk in chunks]
        with reading(self._engine) as connection:
            return {row.lift_id: row.profile for each in queries for row in connection.execute(each)}

    def regimes(self) -> set[str]:
        """Return the regimes that lifts follow, whether anybody knows them or not."""
        query = sa.select(lift.c.regime).where(lift.c.regime.is_not(None)).distinct()
        with reading(self._engine) as connection:
            return {row.regime for row in connection.execute(query)}

    def gateways(self) -> dict[str, str]:
        """Return the gateway of each lift that has one."""
        query = sa.select(lift.c.lift_id, lift.c.gateway_id).where(lift.c.gateway_id.is_not(None))
        with reading(self._engine) as connection:
            return {row.lift_id: row.gateway_id for row in connection.execute(query)}

    def silences(self) -> dict[str, float]:
        """Return how long lifts may say nothing (s): of those for which the register says it."""
        query = sa.select(lift.c.lift_id, lift.c.silence_s_max).where(lift.c.silence_s_max.is_not(None))
        with reading(self._engine) as connection:
            return {row.lift_id: float(row.silence_s_max) for row in connection.execute(query)}

    def sites_of(self, lift_ids: Sequence[str]) -> dict[str, str]:
        """Return the site of each of these lifts, by id; a lift whose site nobody told is not in it."""
        query = sa.select(lift.c.lift_id, lift.c.site_id).where(lift.c.site_id.is_not(None))
        chunks = (lift_ids[start : start + _CHUNK] for start in range(0, len(lift_ids), _CHUNK))
        with reading(self._engine) as connection:
            return {
                row.lift_id: row.site_id
                for chunk in chunks
                for row in connection.execute(query.where(lift.c.lift_id.in_(chunk)))
            }

    def add_visits(self, visits: Iterable[Visit]) -> int:
        """Record visits; one that is known already (lift, kind, instant) stays as it is. Return how many were new.

        Raises:
            UnknownLiftError: a visit at a lift that is not registered; nothing is recorded.
        """
        return self._add(visit, [structs.asdict(item) for item in visits])

    def add_inspections(self, inspections: Iterable[Inspection]) -> int:
        """Record inspections; the newest passed one with a certificate sets until when the lift is certified.

        Raises:
            UnknownLiftError: an inspection of a lift that is not registered; nothing is recorded.
        """
        items = list(inspections)
        added = self._add(inspection, [structs.asdict(item) for item in items])
        for lift_id in {item.lift_id for item in items}:
            self._renew_certificate(lift_id)
        return added

    def add_outages(self, outages: Iterable[Outage]) -> int:
        """Record outages; one that is known already (lift, kind, code, instant) stays. Return how many were new.

        Raises:
            UnknownLiftError: an outage of a lift that is not registered; nothing is recorded.
        """
        return self._add(outage, [{**structs.asdict(item), "code": item.code or ""} for item in outages])

    def visits(
        self, until: datetime, *, lift_id: str | None = None, after_id: int = 0, limit: int | None = None
    ) -> list[RegisteredVisit]:
        """Return visits done before or at `until`, ordered by number."""
        query = sa.select(visit).where(visit.c.done_at <= until, visit.c.id > after_id).order_by(visit.c.id)
        if lift_id is not None:
            query = query.where(visit.c.lift_id == lift_id)
        with reading(self._engine) as connection:
            rows = connection.execute(query.limit(limit)).mappings().all()
        return [RegisteredVisit(row["id"], _struct_of(Visit, row)) for row in rows]

    def visit_count(self, until: datetime) -> int:
        """Return how many visits were done before `until`: cheap, to see whether there are others."""
        query = sa.select(sa.func.count()).select_from(visit).where(visit.c.done_at < until)
        with reading(self._engine) as connection:
            return int(connection.execute(query).scalar_one())

    def inspections(
        self, *, lift_id: str | None = None, after_id: int = 0, limit: int | None = None
    ) -> list[RegisteredInspection]:
        """Return inspections ordered by number."""
        query = sa.select(inspection).where(inspection.c.id > after_id).order_by(inspection.c.id)
        if lift_id is not None:
            query = query.where(inspection.c.lift_id == lift_id)
        with reading(self._engine) as connection:
            rows = connection.execute(query.limit(limit)).mappings().all()
        return [RegisteredInspection(row["id"], _struct_of(Inspection, row)) for row in rows]

    def inspection_count(self) -> int:
        """Return how many inspections there are: cheap, to see whether there are others."""
        with reading(self._engine) as connection:
            return int(connection.execute(sa.select(sa.func.count()).select_from(inspection)).scalar_one())

    def outages(self, since: datetime, until: datetime, *, lift_id: str | None = None) -> list[Outage]:
        """Return outages raised in (since, until], ordered by lift and instant."""
        query = sa.select(outage).where(outage.c.raised_at > since, outage.c.raised_at <= until)
        if lift_id is not None:
            query = query.where(outage.c.lift_id == lift_id)
        with reading(self._engine) as connection:
            rows = connection.execute(query.order_by(outage.c.lift_id, outage.c.raised_at)).mappings().all()
        return [_struct_of(Outage, {**row, "code": row["code"] or None}) for row in rows]

    def outage_count(self, since: datetime, until: datetime) -> int:
        """Return how many outages were raised in (since, until]: cheap, to see whether there are new ones."""
        query = sa.select(sa.func.count()).where(outage.c.raised_at > since, outage.c.raised_at <= until)
        with reading(self._engine) as connection:
            return int(connection.execute(query).scalar_one())

    def _add(self, table: sa.Table, rows: list[dict[str, Any]]) -> int:
        with self._engine.begin() as connection:
            _require_known(connection, {row["lift_id"] for row in rows})
            if not rows:
                return 0
            statement = insert_new(connection, table).on_conflict_do_nothing().returning(table.c.id)
            return len(connection.execute(statement, rows).all())

    def _renew_certificate(self, lift_id: str) -> None:
        newest = (
            sa.select(inspection.c.certificate_expires_on)
            .where(
                inspection.c.lift_id == lift_id,
                inspection.c.outcome == InspectionOutcome.PASSED.value,
                inspection.c.certificate_expires_on.is_not(None),
            )
            .order_by(inspection.c.done_on.desc())
            .limit(1)
        )
        with self._engine.begin() as connection:
            expires_on: date | None = connection.execute(newest).scalar()
            if expires_on is not None:
                change = sa.update(lift).where(lift.c.lift_id == lift_id).values(certificate_expires_on=expires_on)
                connection.execute(change)


def place_of(connection: Connection, lift_id: str) -> tuple[str | None, str | None]:
    """Return the name of a lift's site (its id where it has none) and its address; None where nobody told them."""
    name = sa.func.coalesce(site.c.name, site.c.site_id)
    query = sa.select(name, site.c.address).join_from(lift, site).where(lift.c.lift_id == lift_id)
    row = connection.execute(query).first()
    return (None, None) if row is None else (row[0], row[1])


def record_visit(connection: Connection, visited: Visit) -> bool:
    """Record a visit in a transaction that somebody else holds; False where its lift is not registered.

    One that is known already (lift, kind, instant) stays as it is.
    """
    known = sa.select(lift.c.lift_id).where(lift.c.lift_id == visited.lift_id)
    if connection.execute(known).first() is None:
        return False
    row = structs.asdict(visited)
    connection.execute(insert_new(connection, visit).values(row).on_conflict_do_nothing())
    return True


def repairs_in_a_row(connection: Connection, visited: Visit) -> int:
    """Return how many repairs of its cause end with a repair that is recorded, itself included (AS-02).

    A repair of another cause between them begins anew; the visits of one work order are one repair.
    """
    query = (
        sa.select(visit.c.cause_code, visit.c.work_order, visit.c.id)
        .where(visit.c.lift_id == visited.lift_id, visit.c.kind == VisitKind.REPAIR.value)
        .where(visit.c.cause_code.is_not(None), visit.c.done_at <= visited.done_at)
        .order_by(visit.c.done_at.desc(), visit.c.id.desc())
        .limit(_REPAIRS_MAX)
    )
    in_a_row = takewhile(lambda row: row.cause_code == visited.cause_code, connection.execute(query))
    return len({row.work_order or row.id for row in in_a_row})


_SITE_FIELDS = {"site_name": "name", "site_address": "address"}
_LIFTS = sa.select(lift, *(site.c[column].label(name) for name, column in _SITE_FIELDS.items())).join_from(
    lift, site, isouter=True
)


def _lift_row(item: Lift) -> dict[str, Any]:
    return structs.asdict(item)


def _sites_of(rows: list[dict[str, Any]]) -> dict[str, dict[str, str]]:
    """Take what is told of sites out of the rows of lifts; a row that tells less does not make it forgotten."""
    sites: dict[str, dict[str, str]] = {}
    for row in rows:
        told = {column: row.pop(name) for name, column in _SITE_FIELDS.items()}
        if row["site_id"] is not None:
            sites.setdefault(row["site_id"], {}).update({column: text for column, text in told.items() if text})
    return sites


def _lift_of(row: RowMapping) -> RegisteredLift:
    return RegisteredLift(_struct_of(Lift, row), row["registered_at"])


def _struct_of(form: type[_T], row: RowMapping | dict[str, Any]) -> _T:
    return convert({name: row[name] for name in form.__struct_fields__}, form)


def _upsert_site(connection: Connection, site_id: str, told: dict[str, str]) -> None:
    statement = insert_new(connection, site).values(site_id=site_id, **told)
    if told:
        connection.execute(statement.on_conflict_do_update(index_elements=[site.c.site_id], set_=told))
    else:
        connection.execute(statement.on_conflict_do_nothing())


def _require_known(connection: Connection, lift_ids: set[str]) -> None:
    known: set[str] = set()
    wanted = sorted(lift_ids)
    for start in range(0, len(wanted), _CHUNK):
        query = sa.select(lift.c.lift_id).where(lift.c.lift_id.in_(wanted[start : start + _CHUNK]))
        known.update(connection.execute(query).scalars())
    unknown = sorted(lift_ids - known)
    if unknown:
        more = f" and {len(unknown) - 5} more" if len(unknown) > 5 else ""  # noqa: PLR2004 - enough to see which
        message = f"not registered: {', '.join(unknown[:5])}{more}"
        raise UnknownLiftError(message)
