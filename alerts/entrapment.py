"""An entrapment as a case of its own: how sure it is, its stages, and its clocks. Pure: no clock, no database.

An alert ends when the lift says so; a case ends when a person has said that everybody is out.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum

from msgspec import Struct

from alerts.alert import IllegalTransitionError
from alerts.rescue_aid import Facts

# WO-02, ST-01: a rescue needs two certificated people, who work together (RS-11).
PEOPLE_MIN = 2
PEOPLE_MAX = 10


class Certainty(StrEnum):
    """How sure it is that somebody is trapped, the less sure first."""

    SUSPECTED = "suspected"  # the alarm button, and the car stands outside the landing zone
    CONCLUDED = "concluded"  # the same, and the lift says that there are passengers
    REPORTED = "reported"  # the controller's own word


class Stage(StrEnum):
    """How far a rescue has come (RS-01), in the order in which it goes."""

    RECEIVED = "received"
    ANSWERED = "answered"
    DISPATCHED = "dispatched"
    EN_ROUTE = "en-route"
    ARRIVED = "arrived"
    RELEASED = "released"
    CLOSED = "closed"


class Outcome(StrEnum):
    """How a case ended."""

    RELEASED = "released"
    NOBODY_TRAPPED = "nobody-trapped"


class StageEntry(Struct, frozen=True):
    """A stage that was reached: when, by whom, and what was said."""

    stage: Stage
    at: datetime
    by: str
    note: str | None


class Signs(Struct, frozen=True, kw_only=True):
    """What a lift says that bears on an entrapment: each the instant of our clock since when, None where it is not so.

    `entrapment` is the controller's own word, `alarm` a press of the button, `outside` a car that stands outside the
    landing zone; `passengers` None: the lift does not say.
    """

    entrapment: datetime | None = None
    alarm: datetime | None = None
    outside: datetime | None = None
    passengers: bool | None = None


class EntrapmentCase(Struct, frozen=True, kw_only=True):
    """A case as the journal holds it.

    `opened_at` is when the lift meant that it began, `received_at` when we heard of it: the clocks `answer_by` and
    `arrive_by` count from there. `reported_free_at`: the lift has said that it is over, which confirms nothing.
    """

    id: int
    lift_id: str
    certainty: Certainty
    floor: int | None
    opened_at: datetime
    received_at: datetime
    answer_by: datetime
    arrive_by: datetime
    alert_id: int | None
    work_order_id: int | None
    reported_free_at: datetime | None
    people: list[str]
    facts: Facts
    outcome: Outcome | None
    closed_at: datetime | None
    stages: list[StageEntry]

    @property
    def stage(self) -> Stage:
        """Return the furthest stage that was reached."""
        order = list(Stage)
        return max((entry.stage for entry in self.stages), key=order.index, default=Stage.RECEIVED)

    def at(self, stage: Stage) -> datetime | None:
        """Return when a stage was reached, None where it was not."""
        return next((entry.at for entry in self.stages if entry.stage is stage), None)


def judge(signs: Signs, closed_at: datetime | None) -> Certainty | None:
    """Return how sure it is that somebody is trapped; None where nothing says so that is newer than `closed_at`.

    A button that is pressed while the car stands at a landing is a passenger's alarm, no entrapment. Where the lift
    does not say whether there are passengers, and even where it says that there are none, the button says that
    somebody is in the car.
    """

    def is_new(instant: datetime | None) -> bool:
        return instant is not None and (closed_at is None or instant > closed_at)

    if is_new(signs.entrapment):
        return Certainty.REPORTED
    if signs.alarm is None or signs.outside is None or not (is_new(signs.alarm) or is_new(signs.outside)):
        return None
    return Certainty.CONCLUDED if signs.passengers else Certainty.SUSPECTED


def is_surer(one: Certainty, other: Certainty) -> bool:
    """Tell whether `one` is surer than `other`."""
    order = list(Certainty)
    return order.index(one) > order.index(other)


def require_legal(case: EntrapmentCase, stage: Stage, *, note: str | None, nobody_trapped: bool) -> None:
    """Refuse a stage that a person may not set now.

    Stages may be skipped, because a centre that works by telephone learns of some too late, but none is set twice. A
    case is closed only when somebody has confirmed that everybody is out, or says why nobody was trapped.

    Raises:
        IllegalTransitionError: the text says why not.
    """
    refusal = None
    if case.closed_at is not None:
        refusal = "the case is closed"
    elif case.at(stage) is not None:
        refusal = f"the case is {stage.value} already"
    elif nobody_trapped and stage is not Stage.CLOSED:
        refusal = "nobody_trapped is said when the case is closed"
    elif stage is Stage.CLOSED and nobody_trapped and not (note and note.strip()):
        refusal = "closing a case in which nobody was trapped needs a reason (note)"
    elif stage is Stage.CLOSED and not nobody_trapped and case.at(Stage.RELEASED) is None:
        refusal = "a case is closed after a person has confirmed that everybody is out (released)"
    if refusal is not None:
        raise IllegalTransitionError(refusal)


def warnings(case: EntrapmentCase) -> list[str]:
    """Return what is not as the rules ask; none of it holds a rescue up."""
    if case.closed_at is not None or case.at(Stage.DISPATCHED) is None or len(case.people) >= PEOPLE_MIN:
        return []
    return [f"{len(case.people)} of {PEOPLE_MIN} certificated people are named (WO-02, ST-01, RS-11)"]


# What a step of the linked rescue order says of the case.
STAGE_OF_ORDER: Mapping[str, Stage] = {
    "assigned": Stage.DISPATCHED,
    "accepted": Stage.DISPATCHED,
    "en-route": Stage.EN_ROUTE,
    "on-site": Stage.ARRIVED,
    # The technician says that the work is done: that is the person who confirms that everybody is out.
    "done": Stage.RELEASED,
    "verified": Stage.RELEASED,
    "closed": Stage.CLOSED,
}


def answer_by(received_at: datetime, within_s: float) -> datetime:
    """Return until when somebody should have spoken to the people in the car."""
    return received_at + timedelta(seconds=within_s)


def with_people(known: Sequence[str], more: Sequence[str]) -> list[str]:
    """Return the named people, each once, in the order in which they were named."""
    return list(dict.fromkeys([*known, *more]))[:PEOPLE_MAX]
