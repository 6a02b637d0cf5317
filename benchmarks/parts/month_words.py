"""What can ring of all that a simulated lift says: faults, alarms, test calls, its state each hour and at changes."""

from collections.abc import Iterator, Sequence
from datetime import timedelta

from ingest.clock import from_ms
from ingest.faults import ENTRAPMENT
from ingest.messages import Alarm, FaultReport, Kind, State
from simulator.faults import POWER_CUT, FaultPeriod
from simulator.fleet import LiftSpec
from simulator.life import Life
from simulator.lift import ALARM_TEST_EVERY_DAYS, LiftMessage
from simulator.people import Presence
from simulator.traffic import DAY_MS, HOUR_MS

_TEST_HOUR = 3
_PRESSED_AFTER_MS = 15_000
_LOOK_BACK_MS = timedelta(days=30) // timedelta(milliseconds=1)


def words_of(spec: LiftSpec, life: Life, since_ms: int, until_ms: int) -> Iterator[LiftMessage]:
    """Yield what a lift says in [since, until), in the order of its clock, a day at a time."""
    for day_ms in range(since_ms // DAY_MS * DAY_MS, until_ms, DAY_MS):
        said = [*_faults(life, day_ms), *_tests(spec, day_ms), *_states(spec, life, day_ms)]
        said = [message for message in said if max(since_ms, day_ms) <= message.at_ms < min(until_ms, day_ms + DAY_MS)]
        yield from sorted(said, key=lambda message: message.at_ms)


def greeting(life: Life, at_ms: int) -> State:
    """Return how a lift stands when its connection comes back."""
    stops = [each for each in _near(life, at_ms // DAY_MS * DAY_MS) if each.stops]
    return _state(stops, life.presences, at_ms)


def _near(life: Life, day_ms: int) -> list[FaultPeriod]:
    return [
        each
        for each in life.periods
        if day_ms - _LOOK_BACK_MS <= each.raised_ms < day_ms + DAY_MS and each.cleared_ms >= day_ms
    ]


def _faults(life: Life, day_ms: int) -> Iterator[LiftMessage]:
    for each in _near(life, day_ms):
        raised = FaultReport(
            at=each.raised_ms,
            code=each.code,
            phase="raised",
            fault_id=each.fault_id,
            floor=each.floor,
            in_door_zone=each.in_door_zone,
            passengers=each.passengers,
        )
        yield LiftMessage(each.raised_ms, Kind.FAULT, raised)
        cleared = FaultReport(at=each.cleared_ms, code=each.code, phase="cleared", fault_id=each.fault_id)
        yield LiftMessage(each.cleared_ms, Kind.FAULT, cleared)
        if each.code == ENTRAPMENT:
            answered_ms = each.raised_ms + (each.cleared_ms - each.raised_ms) // 4
            for at_ms, kind in ((each.raised_ms + _PRESSED_AFTER_MS, "button"), (answered_ms, "answered")):
                yield LiftMessage(at_ms, Kind.ALARM, Alarm(at=at_ms, type=kind))  # type: ignore[arg-type]
            yield LiftMessage(each.cleared_ms, Kind.ALARM, Alarm(at=each.cleared_ms, type="end"))


def _tests(spec: LiftSpec, day_ms: int) -> Iterator[LiftMessage]:
    if (from_ms(day_ms).toordinal() + int(spec.phase * 1000)) % ALARM_TEST_EVERY_DAYS == 0:
        at_ms = day_ms + _TEST_HOUR * HOUR_MS + int(spec.phase * HOUR_MS)
        yield LiftMessage(at_ms, Kind.ALARM, Alarm(at=at_ms, type="test", voice_ok=True, battery_ok=True))


def _states(spec: LiftSpec, life: Life, day_ms: int) -> Iterator[LiftMessage]:
    hourly = range(day_ms + int(spec.phase * HOUR_MS), day_ms + DAY_MS, HOUR_MS)
    stops = [each for each in _near(life, day_ms) if each.stops]
    people = [each for each in life.presences if each.begin_ms < day_ms + DAY_MS and each.end_ms >= day_ms]
    changes = {instant for each in stops for instant in (each.raised_ms, each.cleared_ms)}
    changes |= {instant for each in people for instant in (each.begin_ms, each.end_ms)}
    for at_ms in sorted({*hourly, *changes}):
        if day_ms <= at_ms < day_ms + DAY_MS:
            yield LiftMessage(at_ms, Kind.STATE, _state(stops, people, at_ms))


def _state(stops: Sequence[FaultPeriod], people: Sequence[Presence], at_ms: int) -> State:
    stopping = [each for each in stops if each.raised_ms <= at_ms < each.cleared_ms]
    is_visited = any(each.begin_ms <= at_ms < each.end_ms and each.kind in ("maintenance", "repair") for each in people)
    return State(
        at=at_ms,
        service_mode="inspection" if is_visited else "out-of-service" if stopping else "normal",
        moving=False,
        in_door_zone=all(each.in_door_zone for each in stopping),
        passengers=any(each.passengers for each in stopping),
        power=all(each.code != POWER_CUT for each in stopping),
        connected=True,
    )
