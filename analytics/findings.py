"""What analytics concludes: findings with their evidence; and the newest assessment of the fleet, in SQL."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from msgspec import Struct, convert, structs
from sqlalchemy.engine import Connection, Engine, RowMapping

from ingest.database import Instant, insert_new, metadata, reading
from ingest.faults import component_of

# What a person reads before going to the lift; the whole history stays in the store and in the register.
EVIDENCE_MAX = 50
_CHUNK = 500

finding = sa.Table(
    "finding",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("lift_id", sa.String(64), nullable=False, index=True),
    sa.Column("kind", sa.String(40), nullable=False, index=True),
    sa.Column("channel", sa.String(200)),
    sa.Column("component", sa.String(200)),
    sa.Column("code", sa.String(200)),
    sa.Column("floor", sa.Integer),
    sa.Column("as_of", Instant, nullable=False),
    sa.Column("found_at", Instant, nullable=False),
    sa.Column("value", sa.Float, nullable=False),
    sa.Column("limit", sa.Float, nullable=False),
    sa.Column("days_left", sa.Float),
    sa.Column("confidence", sa.Float),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("evidence", sa.JSON, nullable=False),
    sa.Column("report_only", sa.Boolean, nullable=False, server_default=sa.false()),
    sqlite_autoincrement=True,  # a number is never given twice, so that a reader's cursor outlives a replacement
)
assessment = sa.Table(
    "assessment",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("as_of", Instant, nullable=False),
)
_ONLY = 1


class FindingKind(StrEnum):
    """What can be concluded about a lift."""

    REPEATED_FAULT = "repeated-fault"
    REPEAT_REPAIR = "repeat-repair"
    REPEAT_BREAKDOWNS = "repeat-breakdowns"
    OFTEN_FAILING = "often-failing"
    BREAKDOWN_LIKELY = "breakdown-likely"
    WORSENING = "worsening"
    DRIFT = "drift"
    ANOMALY = "anomaly"
    MAINTENANCE_DUE = "maintenance-due"
    MAINTENANCE_OVERDUE = "maintenance-overdue"
    INSPECTION_DUE = "inspection-due"
    INSPECTION_OVERDUE = "inspection-overdue"
    USAGE_DUE = "usage-due"
    USAGE_OVERDUE = "usage-overdue"
    NO_VALID_CERTIFICATE = "no-valid-certificate"
    MESSAGES_MISSING = "messages-missing"
    FLOODING = "flooding"
    CLOCK_WRONG = "clock-wrong"


class Finding(Struct, frozen=True, kw_only=True):
    """One conclusion about one lift, as of an instant.

    `found_at` is when the evidence became complete: the same data give the same instant, whenever they are assessed.
    `value` stands against `limit` in the unit that `reason` names (times, or days); `days_left` is the time until
    the limit, negative once it is passed, None where there is no such time. `evidence` holds what JSON can hold,
    instants as RFC 3339 strings. `report_only`: its kind has been wrong too often to raise alerts.

    Raises:
        ValueError: more than `EVIDENCE_MAX` pieces of evidence.
    """

    lift_id: str
    kind: FindingKind
    channel: str | None = None
    component: str | None = None
    code: str | None = None
    floor: int | None = None
    as_of: datetime
    found_at: datetime
    value: float
    limit: float
    days_left: float | None = None
    confidence: float | None = None
    reason: str
    evidence: list[dict[str, Any]]
    report_only: bool = False

    def __post_init__(self) -> None:
        """Hold the bound on evidence."""
        if len(self.evidence) > EVIDENCE_MAX:
            message = f"{len(self.evidence)} pieces of evidence, at most {EVIDENCE_MAX}"
            raise ValueError(message)

    @property
    def key(self) -> str | None:
        """What tells its alert from others of lift and kind: the code, else the component and its floor, else nothing.

        Several channels of one part that wears are one finding, so that they are one alert and one order.
        """
        if self.code is not None or self.component is None:
            return self.code
        return self.component if self.floor is None else f"{self.component}-floor-{self.floor}"


class RecordedFinding(Struct, frozen=True):
    """A finding and its number in the book."""

    id: int
    finding: Finding


Noting = Callable[[Connection, Sequence[Finding], datetime], None]


class FindingBook:
    """The newest assessment of the whole fleet, in SQL."""

    def __init__(self, engine: Engine, note: Noting | None = None) -> None:
        """Use a migrated database; `note` writes down more about an assessment, in its transaction."""
        self._engine = engine
        self._note = note

    def replace(self, findings: Sequence[Finding], as_of: datetime) -> None:
        """Put the whole fleet's findings as of an instant in the place of those before; all or nothing.

        Numbers go on rising: a reader in the middle of its pages sees all of the new findings, none is missed.
        """
        rows = [structs.asdict(item) for item in findings]
        with self._engine.begin() as connection:
            _set_assessed(connection, as_of)  # first: its row lock makes two writers take turns
            connection.execute(sa.delete(finding))
            for start in range(0, len(rows), _CHUNK):
                connection.execute(sa.insert(finding), rows[start : start + _CHUNK])
            if self._note is not None:
                self._note(connection, findings, as_of)

    def findings(
        self, *, limit: int, after_id: int = 0, lift_id: str | None = None, kind: FindingKind | None = None
    ) -> list[RecordedFinding]:
        """Return at most `limit` findings ordered by number, above `after_id`."""
        query = sa.select(finding).where(finding.c.id > after_id).order_by(finding.c.id).limit(limit)
        if lift_id is not None:
            query = query.where(finding.c.lift_id == lift_id)
        if kind is not None:
            query = query.where(finding.c.kind == kind.value)
        with reading(self._engine) as connection:
            return [_recorded(row) for row in connection.execute(query).mappings()]

    def assessed_at(self) -> datetime | None:
        """Return the instant as of which the fleet was assessed last; None before the first assessment."""
        with reading(self._engine) as connection:
            return connection.execute(sa.select(assessment.c.as_of)).scalar()


def rfc3339(instant: datetime) -> str:
    """Return an aware instant as evidence writes it: UTC, ending in Z."""
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _set_assessed(connection: Connection, as_of: datetime) -> None:
    statement = insert_new(connection, assessment).values(id=_ONLY, as_of=as_of)
    connection.execute(statement.on_conflict_do_update(index_elements=[assessment.c.id], set_={"as_of": as_of}))


def _recorded(row: RowMapping) -> RecordedFinding:
    values = {name: row[name] for name in Finding.__struct_fields__}
    return RecordedFinding(row["id"], convert(values, Finding))


def in_words(code: str) -> str:
    """Return a canonical fault code as people say it; a controller's own code stays as it is in its manual."""
    return code.replace("-", " ") if component_of(code) is not None else code


def said(instant: datetime) -> str:
    """Return an instant as people read it in a sentence: to the minute, in UTC."""
    return f"{instant.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
