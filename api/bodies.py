"""What the API takes: the forms of parameters and bodies. What does not fit is a problem that names the field."""

import re
from datetime import UTC, date, datetime
from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)

from alerts.alert import ALERT_KINDS
from ingest.fleet import Inspection, InspectionOutcome, Visit, VisitKind
from ingest.wire import Reason

# What every database and every arithmetic with instants takes.
INSTANT_MIN = datetime(1970, 1, 1, tzinfo=UTC)
INSTANT_END = datetime(2200, 1, 1, tzinfo=UTC)
DAY_MIN = date(1850, 1, 1)  # the oldest lifts that run are of the 1870s
DAY_END = INSTANT_END.date()
ID_MAX = 2**31 - 1
NOTE_CHARS_MAX = 2_000
# What one request replays: as many as it can answer for in some seconds.
REPLAY_ROWS_MAX = 1_000
_RFC_3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)\Z")
_DAY = re.compile(r"\d{4}-\d\d-\d\d\Z")
_LINE = r"^[^\x00-\x1f\x7f]*$"
_LINES = r"^[^\x00-\x08\x0b-\x1f\x7f]*$"


def _instant(value: object) -> object:
    """Refuse what pydantic would take besides: numbers, dates, instants without offset."""
    if isinstance(value, str) and _RFC_3339.match(value):
        return value
    message = "not RFC 3339 with an offset, such as 2026-01-31T08:30:00Z"
    raise ValueError(message)


def _day(value: object) -> object:
    """Refuse what pydantic would take besides: numbers and instants."""
    if isinstance(value, str) and _DAY.match(value):
        return value
    message = "not a day, such as 2026-01-31"
    raise ValueError(message)


Instant = Annotated[
    AwareDatetime,
    BeforeValidator(_instant),
    Field(ge=INSTANT_MIN, lt=INSTANT_END),
    AfterValidator(lambda instant: instant.astimezone(UTC)),
]
Day = Annotated[date, BeforeValidator(_day), Field(ge=DAY_MIN, lt=DAY_END)]
LiftId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$"), Field(examples=["L0412"])]
RecordId = Annotated[int, Field(ge=1, le=ID_MAX)]
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200, pattern=_LINE)]
Note = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=NOTE_CHARS_MAX, pattern=_LINES)]
AlertKindName = Annotated[
    str, Field(pattern=f"^({'|'.join(ALERT_KINDS)})$", description=f"One of {', '.join(ALERT_KINDS)}.")
]
AlertStateFilter = Literal[
    "open", "active-unacknowledged", "active-acknowledged", "cleared-unacknowledged", "cleared-acknowledged"
]


class Taken(BaseModel):
    """A body or a set of parameters: what nobody knows is refused, not ignored."""

    model_config = ConfigDict(extra="forbid")


class LiftChange(Taken):
    """What the owner tells of a lift. A field left out stays as it is; null forgets it."""

    site_id: Name | None = None
    site_name: Name | None = None
    site_address: Name | None = None
    maker: Name | None = None
    model: Name | None = None
    drive: Name | None = None
    floors: Annotated[int, Field(ge=1, le=320)] | None = None
    commissioned_on: Day | None = None
    observed_from: Day | None = None
    observed_to: Day | None = None
    regime: Name | None = None
    certificate_expires_on: Day | None = None
    contractor: Name | None = None
    team: Name | None = None
    profile: Name | None = None
    gateway_id: Name | None = None
    silence_s_max: Annotated[int, Field(ge=60, le=21_600)] | None = None
    alarm_tests: bool | None = None


class Acknowledgement(Taken):
    """Who takes note of an alert."""

    by: Name
    note: Note | None = None


class Remark(Taken):
    """Who says what."""

    by: Name
    note: Note


class VisitRecord(Taken):
    """What a person did at a lift. `work_order` is the number of the order that it belongs to."""

    lift_id: LiftId
    kind: VisitKind
    done_at: Instant
    cause_code: Name | None = None
    work_order: Name | None = None
    outcome: Name | None = None

    def visit(self) -> Visit:
        """Return it as the register takes it."""
        return Visit(**dict(self))


class ReplayOrder(Taken):
    """Which quarantined messages go through intake again, and whether only to see what would become of them."""

    lift_id: LiftId | None = None
    reason: Reason | None = None
    since: Instant | None = None
    until: Instant | None = None
    limit: Annotated[int, Field(ge=1, le=REPLAY_ROWS_MAX, description="How many rows to take at most.")] = (
        REPLAY_ROWS_MAX
    )
    cursor: Annotated[str, Field(max_length=200, description="What the answer before gave as next.")] | None = None
    dry_run: bool = False


class InspectionRecord(Taken):
    """An official inspection; one that was passed may say until when its certificate is valid."""

    lift_id: LiftId
    done_on: Day
    outcome: InspectionOutcome
    certificate_expires_on: Day | None = None
    report: Name | None = None

    @model_validator(mode="after")
    def _certificate_fits(self) -> Self:
        expires_on = self.certificate_expires_on
        if expires_on is not None and (self.outcome is InspectionOutcome.FAILED or expires_on < self.done_on):
            message = "certificate_expires_on: only a passed inspection gives a certificate, and not into the past"
            raise ValueError(message)
        return self

    def inspection(self) -> Inspection:
        """Return it as the register takes it."""
        return Inspection(**dict(self))
