"""The fleet as it is registered: sites, lifts, visits, inspections, and outages known from elsewhere."""

from datetime import date, datetime
from enum import StrEnum
from typing import Annotated

from msgspec import Meta, Struct

LiftId = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{1,64}\Z")]  # `$` would let a line end through
Name = Annotated[str, Meta(max_length=200)]


class VisitKind(StrEnum):
    """What a person did at a lift."""

    MAINTENANCE = "maintenance"
    REPAIR = "repair"
    INSPECTION = "inspection"


class OutageKind(StrEnum):
    """Why a lift did not serve: only a breakdown counts against the lift."""

    BREAKDOWN = "breakdown"
    PLANNED = "planned"
    EXTERNAL = "external"
    OTHER = "other"


class InspectionOutcome(StrEnum):
    """How an official inspection ended."""

    PASSED = "passed"
    FAILED = "failed"


class Lift(Struct, frozen=True, kw_only=True, omit_defaults=False):
    """A registered lift. Only `lift_id` is certain; the rest is as much as the owner has told.

    `site_address` is where people are sent. `regime` names the rules that its visits and inspections follow (None: no
    duties are watched); `profile` names the controller profile that translates its fault codes (None: it speaks
    canonical codes). `gateway_id` names what it speaks through, together with others; `silence_s_max` is how long it
    may say nothing, where that is less than for the others; `alarm_tests` whether its alarm equipment sends test calls
    (None: as soon as the first one comes).
    """

    lift_id: LiftId
    site_id: Name | None = None
    site_name: Name | None = None
    site_address: Name | None = None
    maker: Name | None = None
    model: Name | None = None
    drive: Name | None = None
    floors: Annotated[int, Meta(ge=1, le=320)] | None = None
    commissioned_on: date | None = None
    observed_from: date | None = None
    observed_to: date | None = None
    regime: Name | None = None
    certificate_expires_on: date | None = None
    contractor: Name | None = None
    team: Name | None = None
    profile: Name | None = None
    gateway_id: Name | None = None
    silence_s_max: Annotated[int, Meta(ge=60, le=21_600)] | None = None
    alarm_tests: bool | None = None


class Visit(Struct, frozen=True, kw_only=True):
    """What a person did at a lift, and when it was done. `work_order` is the number of the order it belongs to."""

    lift_id: LiftId
    kind: VisitKind
    done_at: datetime
    cause_code: Name | None = None
    work_order: Name | None = None
    outcome: Name | None = None


class Inspection(Struct, frozen=True, kw_only=True):
    """An official inspection: when, how it ended, and until when the certificate that it gave is valid."""

    lift_id: LiftId
    done_on: date
    outcome: InspectionOutcome
    certificate_expires_on: date | None = None
    report: Name | None = None


class Outage(Struct, frozen=True, kw_only=True):
    """A time when a lift did not serve, known from a record other than its telemetry (an imported history)."""

    lift_id: LiftId
    kind: OutageKind
    raised_at: datetime
    code: Name | None = None
    cleared_at: datetime | None = None
