"""What the API takes of work orders, their sheets and the technicians."""

from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from alerts.checklists import CheckResult
from alerts.order_papers import Role
from alerts.technicians import CERTIFICATES_MAX, Certificate, CertificateKind, Technician
from alerts.work_orders import OrderKind, OrderState
from api.bodies import Day, LiftId, Name, Note, RecordId, Taken
from ingest.faults import ENTRAPMENT

CREW_MAX = 20
CHECKS_MAX = 100
QUANTITY_MAX = 100_000
VALUE_MAX = 1e9
Scope = Literal["half-month", "quarter", "half-year", "year"]
TechnicianId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$"), Field(examples=["T-17"])]
Value = Annotated[float, Field(ge=-VALUE_MAX, le=VALUE_MAX, allow_inf_nan=False)]
FileName = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=120, pattern=r'^[^\x00-\x1f\x7f/\\"<>|:*?]+$'),
]


class OrderOpening(Taken):
    """An order that a person or another system opens.

    `cause` is what it is about: lift and cause have one order on which there is work to do. `arrive_within_min` left
    out: by the contract, else 30 min for a rescue and 60 min for a repair; null: no clock.
    """

    lift_id: LiftId
    kind: OrderKind
    cause: Name
    message: Note
    by: Name
    note: Note | None = None
    priority: Annotated[int, Field(ge=1, le=4)] | None = None
    arrive_within_min: Annotated[int, Field(ge=1, le=10_080)] | None = None
    scope: Scope | None = None
    external_source: Name | None = None
    external_ref: Name | None = None

    @model_validator(mode="after")
    def _entrapment_is_a_rescue(self) -> Self:
        if (self.cause == ENTRAPMENT) is not (self.kind is OrderKind.RESCUE):
            message = f"cause: {ENTRAPMENT} belongs to rescues, and a rescue has no other cause"
            raise ValueError(message)
        return self


class Transition(Taken):
    """Who moves a work order to which state, and what has to be said with it.

    `technicians` are the ids of who is sent, or is there; `expected_state` refuses the step where another one was
    quicker.
    """

    to: OrderState
    by: Name
    note: Note | None = None
    cause_code: Name | None = None
    assigned_to: Name | None = None
    team: Name | None = None
    technicians: Annotated[list[TechnicianId], Field(max_length=CREW_MAX)] | None = None
    external_source: Name | None = None
    external_ref: Name | None = None
    expected_state: OrderState | None = None


class FilledCheck(Taken):
    """What came of one check: values in its unit; a reason (`note`) where it is not in order or was left out."""

    code: Name
    result: CheckResult
    as_found: Value | None = None
    as_left: Value | None = None
    note: Note | None = None


class FilledChecks(Taken):
    """Some checks of the list, filled in; the others stay as they are. `scope` is how far a maintenance goes."""

    by: Name
    scope: Scope | None = None
    checks: Annotated[list[FilledCheck], Field(default_factory=list, max_length=CHECKS_MAX)]


class UsedPart(Taken):
    """A part that was used."""

    by: Name
    name: Name
    part_number: Name | None = None
    quantity: Annotated[float, Field(gt=0, le=QUANTITY_MAX, allow_inf_nan=False)] = 1
    note: Note | None = None


class Signing(Taken):
    """Who signs for the work, in which role; a drawn signature is a file of the order."""

    role: Role
    name: Name
    image_file_id: RecordId | None = None


class HeldCertificate(Taken):
    """A certificate of a technician."""

    kind: CertificateKind
    number: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)]
    valid_until: Day


class TechnicianRecord(Taken):
    """A technician as a whole: what is left out is forgotten."""

    name: Name
    team: Name | None = None
    contractor: Name | None = None
    active: bool = True
    certificates: Annotated[list[HeldCertificate], Field(default_factory=list, max_length=CERTIFICATES_MAX)]

    @model_validator(mode="after")
    def _no_certificate_twice(self) -> Self:
        named = {(one.kind, one.number) for one in self.certificates}
        if len(named) < len(self.certificates):
            message = "certificates: two of the same kind and number"
            raise ValueError(message)
        return self

    def technician(self, technician_id: str) -> Technician:
        """Return it as the register takes it."""
        held = [Certificate(**dict(one)) for one in self.certificates]
        values = {name: value for name, value in dict(self).items() if name != "certificates"}
        return Technician(technician_id=technician_id, certificates=held, **values)
