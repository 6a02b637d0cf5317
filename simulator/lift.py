"""One lift in virtual time: everything that its controller says in a window, the same whenever it is asked again.

The messages of a day depend only on the seed, the lift and the day (and on what a scenario adds), so that a fleet can
be stopped and taken up again at any instant without a memory of what it did. The publisher adds `boot` and `seq`.
"""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from datetime import date, timedelta

from msgspec import Struct, structs

from ingest.clock import from_ms
from ingest.messages import Alarm, Body, Counters, DoorCycle, FaultReport, Kind, Levelling, Machine, State, Trip
from simulator.cycles import RELEVEL_MM, Cycle, Stop, cycles
from simulator.faults import ENTRAPMENT, POWER_CUT, FaultPeriod, fault_periods
from simulator.fleet import LiftSpec
from simulator.traffic import DAY_MS, HOUR_MS, MAIN_FLOOR, day_start_ms, hour_weights, trips_before

MACHINE_EVERY_MS = 15 * 60_000
# EN 81-28: the alarm system tests itself at least every three days.
ALARM_TEST_EVERY_DAYS = 3
_ALARM_TEST_HOUR = 3
_MEAN_TRIP_H = 14 / 3600


class LiftMessage(Struct, frozen=True, gc=False):
    """One object of the contract before it is numbered. `at_ms` is its `at`: the controller's clock."""

    at_ms: int
    kind: Kind
    body: Body


def messages(spec: LiftSpec, since_ms: int, until_ms: int, extra: Sequence[FaultPeriod] = ()) -> Iterator[LiftMessage]:
    """Yield what the lift says in [since, until), in the order of its clock; `extra` faults come on top of its own."""
    day = from_ms(since_ms).date()
    while day_start_ms(day) < until_ms:
        for message in messages_of_day(spec, day, extra):
            if since_ms <= message.at_ms < until_ms:
                yield message
        day += timedelta(days=1)


def state_at(spec: LiftSpec, at_ms: int, extra: Sequence[FaultPeriod] = ()) -> State:
    """Return how the lift stood when it last said so, once an hour at least, as its words of `at_ms`."""
    said = [message.body for message in messages(spec, at_ms - HOUR_MS, at_ms + 1, extra)]
    latest = next(body for body in reversed(said) if isinstance(body, State))
    return structs.replace(latest, at=at_ms)


def messages_of_day(spec: LiftSpec, day: date, extra: Sequence[FaultPeriod] = ()) -> list[LiftMessage]:
    """Return all that the lift says on a day (UTC), in the order of its clock."""
    periods = [*fault_periods(spec, day - timedelta(days=1)), *fault_periods(spec, day), *extra]
    stops = [period for period in periods if period.stops]
    made = list(cycles(spec, day, _merged(stops)))
    said = [
        *(message for cycle in made for message in _cycle_messages(cycle)),
        *(message for period in periods for message in _fault_messages(period, made)),
        *_states(spec, day, stops, made),
        *_machine(spec, day),
        *_counters(spec, day, made),
        *_alarm_tests(spec, day),
    ]
    start_ms = day_start_ms(day)
    today = (message for message in said if start_ms <= message.at_ms < start_ms + DAY_MS)
    return sorted(today, key=lambda message: message.at_ms)


def _merged(periods: Sequence[FaultPeriod]) -> list[Stop]:
    """Return the times in which at least one stopping fault is active."""
    merged: list[Stop] = []
    for period in sorted(periods, key=lambda period: period.raised_ms):
        if merged and period.raised_ms <= merged[-1].end_ms:
            last = merged.pop()
            merged.append(Stop(last.start_ms, max(last.end_ms, period.cleared_ms), last.floor))
        else:
            merged.append(Stop(period.raised_ms, period.cleared_ms, period.floor))
    return merged


def _cycle_messages(cycle: Cycle) -> Iterator[LiftMessage]:
    trip = Trip(
        at=cycle.arrive_ms,
        from_floor=cycle.from_floor,
        to_floor=cycle.to_floor,
        duration_ms=cycle.arrive_ms - cycle.start_ms,
        distance_mm=cycle.distance_mm,
        load_pct=cycle.load_pct,
        max_speed_mm_s=cycle.max_speed_mm_s,
    )
    yield LiftMessage(cycle.arrive_ms, Kind.TRIP, trip)
    levelled_ms = cycle.arrive_ms + cycle.opening_ms
    levelling = Levelling(
        at=levelled_ms,
        floor=cycle.to_floor,
        direction="up" if cycle.to_floor > cycle.from_floor else "down",
        error_mm=cycle.error_mm,
        relevelled=abs(cycle.error_mm) > RELEVEL_MM,
        load_pct=cycle.load_pct,
    )
    yield LiftMessage(levelled_ms, Kind.LEVELLING, levelling)
    door = DoorCycle(
        at=cycle.end_ms,
        floor=cycle.to_floor,
        opening_ms=cycle.opening_ms,
        dwell_ms=cycle.dwell_ms,
        closing_ms=cycle.closing_ms,
        reversals=cycle.reversals,
        peak_current_a=cycle.peak_current_a,
    )
    yield LiftMessage(cycle.end_ms, Kind.DOOR, door)


def _fault_messages(period: FaultPeriod, made: Sequence[Cycle]) -> Iterator[LiftMessage]:
    raised = FaultReport(
        at=period.raised_ms,
        code=period.code,
        phase="raised",
        fault_id=period.fault_id,
        floor=_floor_at(made, period.raised_ms),
        in_door_zone=period.in_door_zone,
        passengers=period.passengers,
    )
    yield LiftMessage(period.raised_ms, Kind.FAULT, raised)
    cleared = FaultReport(at=period.cleared_ms, code=period.code, phase="cleared", fault_id=period.fault_id)
    yield LiftMessage(period.cleared_ms, Kind.FAULT, cleared)
    if period.code == ENTRAPMENT:
        yield from _alarm_call(period)


def _alarm_call(period: FaultPeriod) -> Iterator[LiftMessage]:
    """Yield what the alarm equipment says while people are trapped: they press, somebody answers, it ends."""
    answered_ms = period.raised_ms + (period.cleared_ms - period.raised_ms) // 4
    said = ((period.raised_ms + 15_000, "button"), (answered_ms, "answered"), (period.cleared_ms, "end"))
    for at_ms, kind in said:
        yield LiftMessage(at_ms, Kind.ALARM, Alarm(at=at_ms, type=kind))  # type: ignore[arg-type]


def _states(spec: LiftSpec, day: date, stops: Sequence[FaultPeriod], made: Sequence[Cycle]) -> Iterator[LiftMessage]:
    """Yield the state once an hour and whenever the lift goes out of service or comes back."""
    start_ms = day_start_ms(day) + int(spec.phase * HOUR_MS)
    hourly = range(start_ms, start_ms + DAY_MS, HOUR_MS)
    changes = {instant for period in stops for instant in (period.raised_ms, period.cleared_ms)}
    for at_ms in sorted({*hourly, *changes}):
        active = [period for period in stops if period.raised_ms <= at_ms < period.cleared_ms]
        yield LiftMessage(at_ms, Kind.STATE, _state(at_ms, active, made))


def _state(at_ms: int, active: Sequence[FaultPeriod], made: Sequence[Cycle]) -> State:
    ride = _ride_at(made, at_ms)
    at_door = any("door" in period.code for period in active)
    return State(
        at=at_ms,
        service_mode="out-of-service" if active else "normal",
        moving=ride is not None,
        direction="stopped" if ride is None else "up" if ride.to_floor > ride.from_floor else "down",
        floor=_floor_at(made, at_ms),
        door="door-fault" if at_door else "closed",
        in_door_zone=ride is None and all(period.in_door_zone for period in active),
        passengers=any(period.passengers for period in active),
        power=all(period.code != POWER_CUT for period in active),
        connected=True,
    )


def _ride_at(made: Sequence[Cycle], at_ms: int) -> Cycle | None:
    index = bisect_right(made, at_ms, key=lambda cycle: cycle.start_ms) - 1
    return made[index] if index >= 0 and at_ms < made[index].arrive_ms else None


def _floor_at(made: Sequence[Cycle], at_ms: int) -> int:
    """Return the floor at which the car stopped last."""
    index = bisect_right(made, at_ms, key=lambda cycle: cycle.arrive_ms) - 1
    return made[index].to_floor if index >= 0 else MAIN_FLOOR


def _machine(spec: LiftSpec, day: date) -> Iterator[LiftMessage]:
    """Yield temperatures and brake times: warm in summer and in the afternoon, the motor after busy hours."""
    random, start_ms = spec.random("machine", day), day_start_ms(day)
    season = -math.cos(2 * math.pi * day.timetuple().tm_yday / 365)
    busy = hour_weights(spec.use, day)
    for offset_ms in range(int(spec.phase * MACHINE_EVERY_MS), DAY_MS, MACHINE_EVERY_MS):
        hour = offset_ms // HOUR_MS
        room_c = 22 + 6 * season - 3 * math.cos(2 * math.pi * (offset_ms / DAY_MS - 0.1)) + random.gauss(0, 0.4)
        machine = Machine(
            at=start_ms + offset_ms,
            machine_room_c=round(room_c, 1),
            motor_c=round(room_c + 8 + 2.2 * busy[hour] + random.gauss(0, 0.8), 1),
            brake_release_ms=round(180 + 20 * spec.phase + random.gauss(0, 4)),
            brake_apply_ms=round(130 + 15 * spec.phase + random.gauss(0, 4)),
            vibration_mg=round(12 + 4 * spec.phase + random.uniform(-1.5, 1.5), 1),
        )
        yield LiftMessage(start_ms + offset_ms, Kind.MACHINE, machine)


def _counters(spec: LiftSpec, day: date, made: Sequence[Cycle]) -> Iterator[LiftMessage]:
    """Yield the controller's totals once an hour. Each trip ends with one door cycle."""
    before = trips_before(spec, day)
    for at_ms in range(day_start_ms(day) + int(spec.phase * HOUR_MS), day_start_ms(day) + DAY_MS, HOUR_MS):
        trips = before + bisect_left(made, at_ms, key=lambda cycle: cycle.end_ms)
        hours = round(trips * _MEAN_TRIP_H, 1)
        counters = Counters(at=at_ms, trips_total=trips, door_cycles_total=trips, running_h_total=hours)
        yield LiftMessage(at_ms, Kind.COUNTERS, counters)


def _alarm_tests(spec: LiftSpec, day: date) -> Iterator[LiftMessage]:
    if (day.toordinal() + int(spec.phase * 1000)) % ALARM_TEST_EVERY_DAYS == 0:
        at_ms = day_start_ms(day) + _ALARM_TEST_HOUR * HOUR_MS + int(spec.phase * HOUR_MS)
        yield LiftMessage(at_ms, Kind.ALARM, Alarm(at=at_ms, type="test", voice_ok=True, battery_ok=True))
