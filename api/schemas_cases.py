"""What the API says and takes of entrapment cases."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, Field

from alerts.entrapment import PEOPLE_MAX, PEOPLE_MIN, Certainty, EntrapmentCase, Outcome, Stage
from alerts.rescue_aid import aid_of
from api.bodies import Name, Note, Taken
from api.schemas import Page


class StageView(BaseModel):
    """A stage that was reached: when, by whom, and what was said."""

    stage: Stage
    at: datetime
    by: str
    note: str | None


class CaseView(BaseModel):
    """An entrapment from when it was heard of until a person has confirmed that everybody is out.

    `certainty`: suspected (button, car outside the landing zone), concluded (and passengers), reported (the
    controller's own word). `answer_by` and `arrive_by` are its clocks; `answered_late` and `arrived_late` tell
    whether they were, or are, missed. `reported_free_at`: the lift says that it is over, which confirms nothing.
    `warnings` hold nothing up.
    """

    id: int
    lift_id: str
    certainty: Certainty
    stage: Stage
    floor: int | None
    opened_at: datetime
    received_at: datetime
    answer_by: datetime
    answered_late: bool
    arrive_by: datetime
    arrived_late: bool
    alert_id: int | None
    work_order_id: int | None
    reported_free_at: datetime | None
    people: list[str]
    people_complete: bool
    outcome: Outcome | None
    closed_at: datetime | None
    stages: list[StageView]
    warnings: list[str]


class FactsView(BaseModel):
    """What the lift said last of what matters to a rescue; null: it never told."""

    in_door_zone: bool | None
    moving: bool | None
    floor: int | None
    door: str | None
    passengers: bool | None
    power: bool | None
    service_mode: str | None
    load_pct: float | None
    faults: list[str]
    told_at: datetime | None


class AdviceView(BaseModel):
    """One step, and the rule that it comes from."""

    text: str
    source: str


class RescueAidView(BaseModel):
    """What is known of the car, and what to do first, in order. What people on site see goes before it."""

    position: str
    facts: FactsView
    steps: list[AdviceView]
    unknown: list[str]


class CaseDetail(CaseView):
    """A case with its rescue aid."""

    rescue_aid: RescueAidView


class CasePage(Page[CaseView]):
    """Cases, newest first."""


class StageReached(Taken):
    """Which stage was reached, and who says so.

    `people`: who goes; `nobody_trapped`: it is closed without a release, `note` says why.
    """

    stage: Stage
    by: Name
    note: Note | None = None
    people: Annotated[list[Name], Field(max_length=PEOPLE_MAX, default_factory=list)]
    nobody_trapped: bool = False


class PeopleNamed(Taken):
    """Who goes to a rescue: two certificated people (WO-02, ST-01)."""

    by: Name
    people: Annotated[list[Name], Field(min_length=1, max_length=PEOPLE_MAX)]


def case_view(case: EntrapmentCase, now: datetime, lacking: list[str]) -> CaseView:
    """Return a case as of `now`; `lacking` is what the people who were sent lack."""
    return CaseView.model_validate(_values(case, now, lacking))


def case_detail(case: EntrapmentCase, now: datetime, lacking: list[str]) -> CaseDetail:
    """Return a case as of `now` with what to do first."""
    aid = aid_of(case.facts)
    facts = {name: getattr(case.facts, name) for name in case.facts.__struct_fields__}
    steps = [{"text": step.text, "source": step.source} for step in aid.steps]
    told = {"position": aid.position, "facts": facts, "steps": steps, "unknown": aid.unknown}
    return CaseDetail.model_validate({**_values(case, now, lacking), "rescue_aid": told})


def _values(case: EntrapmentCase, now: datetime, lacking: list[str]) -> dict[str, object]:
    kept = {name: getattr(case, name) for name in case.__struct_fields__ if name not in {"facts", "stages"}}
    answered = min((entry.at for entry in case.stages if entry.stage is not Stage.RECEIVED), default=None)
    arrived = _first(case, (Stage.ARRIVED, Stage.RELEASED, Stage.CLOSED))
    return {
        **kept,
        "stage": case.stage,
        "stages": [{"stage": one.stage, "at": one.at, "by": one.by, "note": one.note} for one in case.stages],
        "answered_late": (answered or now) > case.answer_by,
        "arrived_late": (arrived or now) > case.arrive_by,
        "people_complete": len(case.people) >= PEOPLE_MIN and not lacking,
        "warnings": lacking,
    }


def _first(case: EntrapmentCase, stages: Sequence[Stage]) -> datetime | None:
    return min((at for stage in stages if (at := case.at(stage)) is not None), default=None)
