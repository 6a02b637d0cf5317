"""What the API takes and says of escalation chains, and of the monitoring centre's shifts."""

from datetime import date, datetime
from typing import Annotated, Any, Self

from pydantic import BaseModel, Field, model_validator

from alerts.chains import REPEATS_MAX, STEPS_MAX, WAIT_MIN_MAX, Chain, KnownChain, Step
from alerts.escalation import Escalation
from alerts.shift_log import Check, Handover, RoundRecord, ShiftEntry
from api.bodies import Day, LiftId, Name, Note, RecordId, Taken
from api.schemas import Page

Priority = Annotated[int, Field(ge=1, le=4)]


class ChainStep(Taken):
    """Wait, then tell one subscription or webhook (`subscription_id`), or all of a `team`."""

    wait_min: Annotated[int, Field(ge=0, le=WAIT_MIN_MAX)]
    subscription_id: RecordId | None = None
    team: Name | None = None

    @model_validator(mode="after")
    def _tells_somebody(self) -> Self:
        if (self.subscription_id is None) == (self.team is None):
            message = "either subscription_id or team"
            raise ValueError(message)
        return self


class ChainOrder(Taken):
    """Who is told of alerts of these priorities that nobody acknowledges; begun anew `repeats` times."""

    name: Name
    priorities: Annotated[list[Priority], Field(min_length=1, max_length=4)]
    steps: Annotated[list[ChainStep], Field(min_length=1, max_length=STEPS_MAX)]
    repeats: Annotated[int, Field(ge=0, le=REPEATS_MAX)] = 0
    enabled: bool = True

    def chain(self) -> Chain:
        """Return it as the alerts room takes it."""
        steps = [Step(**step.model_dump()) for step in self.steps]
        return Chain(
            name=self.name, priorities=self.priorities, steps=steps, repeats=self.repeats, enabled=self.enabled
        )


class StepView(BaseModel):
    """One step of a chain."""

    wait_min: int
    subscription_id: int | None
    team: str | None


class ChainView(BaseModel):
    """An escalation chain."""

    id: int
    name: str
    priorities: list[int]
    steps: list[StepView]
    repeats: int
    enabled: bool


class ChainPage(Page[ChainView]):
    """Chains, oldest first."""


def chain_view(known: KnownChain) -> ChainView:
    """Return a chain."""
    steps = [StepView.model_validate(step, from_attributes=True) for step in known.chain.steps]
    fields = {name: getattr(known.chain, name) for name in ("name", "priorities", "repeats", "enabled")}
    return ChainView(id=known.id, steps=steps, **fields)


class EscalationView(BaseModel):
    """How far a chain has come for an alert; `due_at` null: it has ended, and `end_reason` says why."""

    id: int
    chain_id: int
    alert_id: int
    started_at: datetime
    due_at: datetime | None
    steps_taken: int
    ended_at: datetime | None
    end_reason: str | None


class EscalationPage(Page[EscalationView]):
    """Escalations, newest first."""


def escalation_view(escalation: Escalation) -> EscalationView:
    """Return an escalation."""
    return EscalationView.model_validate(escalation, from_attributes=True)


class ShiftLine(Taken):
    """What an operator writes down, and what it is about."""

    by: Name
    text: Note
    lift_id: LiftId | None = None
    alert_id: RecordId | None = None
    work_order_id: RecordId | None = None


class HandoverOrder(Taken):
    """What whoever goes tells whoever comes."""

    by: Name
    text: Note


class Confirmation(Taken):
    """Who takes the shift over."""

    by: Name
    remark: Note | None = None


class RoundCheck(Taken):
    """One thing that was looked at."""

    system: Name
    works: bool
    note: Note | None = None


class RoundOrder(Taken):
    """A round of all lifts and systems; `day` is the centre's own day."""

    by: Name
    day: Day
    checks: Annotated[list[RoundCheck], Field(min_length=1, max_length=100)]
    note: Note | None = None

    def made(self) -> list[Check]:
        """Return the checks as the alerts room takes them."""
        return [Check(**check.model_dump()) for check in self.checks]


class ShiftEntryView(BaseModel):
    """One line of the shift log."""

    id: int
    at: datetime
    actor: str
    text: str
    lift_id: str | None
    alert_id: int | None
    work_order_id: int | None


class ShiftEntryPage(Page[ShiftEntryView]):
    """Lines, newest first."""


class HandoverView(BaseModel):
    """A hand-over with what stood then; `confirmed_at` null: nobody has taken the shift over yet.

    `standing` lists `alerts`, `cases` and `work_orders` (those whose arrival clock runs), 200 of each at the most, and
    counts them.
    """

    id: int
    handed_at: datetime
    outgoing: str
    text: str
    standing: dict[str, Any]
    confirmed_at: datetime | None
    incoming: str | None
    remark: str | None


class HandoverPage(Page[HandoverView]):
    """Hand-overs, newest first."""


class CheckView(BaseModel):
    """One thing that a round looked at."""

    system: str
    works: bool
    note: str | None


class RoundView(BaseModel):
    """A round of a day."""

    id: int
    day: date
    at: datetime
    actor: str
    checks: list[CheckView]
    note: str | None


class RoundPage(Page[RoundView]):
    """Rounds, newest first."""


class ShiftView(BaseModel):
    """How the shift stands: what would be handed over now, a hand-over that waits, and days without a round."""

    standing: dict[str, Any]
    waiting: HandoverView | None
    days_without_round: list[date]


def entry_view(entry: ShiftEntry) -> ShiftEntryView:
    """Return a line of the log."""
    return ShiftEntryView.model_validate(entry, from_attributes=True)


def handover_view(handover: Handover) -> HandoverView:
    """Return a hand-over."""
    return HandoverView.model_validate(handover, from_attributes=True)


def round_view(record: RoundRecord) -> RoundView:
    """Return a round."""
    return RoundView.model_validate(record, from_attributes=True)
