"""The month's lifts say what the simulator's lifts say of what can ring, and the truth is held against the alerts."""

from benchmarks.parts.month_words import words_of
from ingest.clock import to_ms
from ingest.messages import Alarm, FaultReport, Kind
from simulator.fleet import make_fleet
from simulator.lift import LiftMessage, messages
from simulator.living import life_of
from simulator.traffic import DAY_MS
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
