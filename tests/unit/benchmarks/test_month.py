"""The month's lifts say what the simulator's lifts say of what can ring, and the truth is held against the alerts."""

from msgspec import structs

from alerts.alert import Alert, AlertState
from benchmarks.parts.month_truth import Truths
from benchmarks.parts.month_words import words_of
from ingest.clock import from_ms, to_ms
from ingest.messages import Alarm, FaultReport, Kind
from simulator.fleet import make_fleet
from simulator.life import Life
from simulator.lift import LiftMessage, messages
from simulator.living import life_of
from simulator.traffic import DAY_MS
from simulator.wear import Segment, Wear
from tests.unit.alerts.parts import NOON

SINCE_MS = to_ms(NOON) // DAY_MS * DAY_MS
UNTIL_MS = SINCE_MS + 4 * DAY_MS


def of_faults(said: list[LiftMessage]) -> list[tuple[int, str, str]]:
    bodies = [(each.at_ms, each.body) for each in said if each.kind in (Kind.FAULT, Kind.ALARM)]
    return [
        (at_ms, body.code if isinstance(body, FaultReport) else "alarm", getattr(body, "phase", "") or kind_of(body))
        for at_ms, body in bodies
    ]


def kind_of(body: object) -> str:
    return body.type if isinstance(body, Alarm) else ""


def test_the_faults_and_alarms_of_the_month_are_those_of_the_simulator() -> None:
    found = 0
    for spec in make_fleet(3, 12):
        life = life_of(spec, SINCE_MS)
        whole = of_faults(list(messages(spec, SINCE_MS, UNTIL_MS, (), life)))
        found += len(whole)
        assert of_faults(list(words_of(spec, life, SINCE_MS, UNTIL_MS))) == whole
    assert found > 12


def told(kind: str, code: str | None, at_ms: int, **figures: object) -> Alert:
    raised_at = from_ms(at_ms)
    return Alert(
        id=1,
        lift_id="L1",
        kind=kind,
        code=code,
        cause=code or kind,
        priority=2,
        state=AlertState.ACTIVE_UNACKNOWLEDGED,
        raised_at=raised_at,
        received_at=raised_at,
        cleared_at=None,
        acknowledged_at=None,
        acknowledged_by=None,
        message="",
        guidance="",
        source="",
        evidence=[figures],
        work_order_id=None,
        repeats=0,
    )


def test_a_stopped_lift_needed_somebody_where_a_breakdown_stood_and_not_where_the_controller_got_over_it() -> None:
    lives = {spec.lift_id: life_of(spec, SINCE_MS) for spec in make_fleet(3, 12)}
    until_ms = SINCE_MS + 200 * DAY_MS
    truths = Truths.of(lives, SINCE_MS, until_ms)
    (lift_id, broken), *_ = [(lift_id, found[0]) for lift_id, found in truths.stopped.items() if found]
    known = structs.replace(told("lift-stopped", broken.code, broken.failed_ms), lift_id=lift_id)
    assert truths.needed(known) is True
    early = next((lift_id, each) for lift_id, life in lives.items() for each in life.early if each.stops)
    passing = structs.replace(told("lift-stopped", early[1].code, early[1].raised_ms), lift_id=early[0])
    alone = Truths.of({early[0]: Life(early=[early[1]])}, SINCE_MS, until_ms)
    assert alone.needed(passing) is False
    assert truths.needed(told("inspection-due", None, SINCE_MS)) is None


def test_a_drift_was_right_where_a_part_it_can_speak_of_wore_at_its_landing() -> None:
    wear = Wear(
        mechanism="door-friction-landing",
        floor=2,
        shape=1.0,
        segments=(Segment(SINCE_MS, SINCE_MS + 30 * DAY_MS, 0.0, 0.03),),
        ended_by="visit",
    )
    truths = Truths.of({"L1": Life(wears=[wear])}, SINCE_MS, UNTIL_MS)
    at_ms = SINCE_MS + 5 * DAY_MS
    assert truths.needed(told("drift", None, at_ms, component="landing-door", floor=2)) is True
    assert truths.needed(told("drift", None, at_ms, component="landing-door", floor=3)) is False
    assert truths.needed(told("drift", None, at_ms, component="brake")) is False
    assert truths.needed(told("drift", None, SINCE_MS - 1, component="landing-door")) is False
