"""One lift in virtual time: everything that its controller says in a window, the same whenever it is asked again.

The messages of a day depend only on the seed, the lift, its life and the day (and on what a script adds), so that a
fleet can be stopped and taken up again at any instant without a memory of what it did. The publisher adds `boot` and
`seq`.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from datetime import date
from typing import Any, Literal

import numpy as np
from msgspec import Struct

from ingest.clock import from_ms
from ingest.messages import (
    Alarm,
    Body,
    Counters,
    DoorCycle,
    FaultReport,
    Kind,
    Levelling,
    Machine,
    ServiceMode,
    State,
    Trip,
)
from simulator.chance import Ints
from simulator.cycles import RELEVEL_MM, Cycles, cycles
from simulator.faults import ENTRAPMENT, POWER_CUT, FaultPeriod
from simulator.fleet import LiftSpec
from simulator.life import Life, Planned
from simulator.living import life_of
from simulator.machine import MachineRows, machine_rows
from simulator.people import Presence
from simulator.stops import Stop, merged, within
from simulator.traffic import (
    DAY_MS,
    HOUR_MS,
    MAIN_FLOOR,
    by_day,
    day_start_ms,
    lost_before,
    lost_of,
    trips_before,
)

# EN 81-28: the alarm system tests itself at least every three days.
ALARM_TEST_EVERY_DAYS = 3
_ALARM_TEST_HOUR = 3
_MEAN_TRIP_H = 14 / 3600
# No fault and no visit lasts longer; being out of use does.
_PERIOD_MS_MAX = 6 * DAY_MS
RELEVEL_TENTH_MM = int(RELEVEL_MM * 10)


class LiftMessage(Struct, frozen=True, gc=False):
    """One object of the contract before it is numbered. `at_ms` is its `at`: the controller's clock."""

    at_ms: int
    kind: Kind
    body: Body


def messages(
    spec: LiftSpec,
    since_ms: int,
    until_ms: int,
    extra: Sequence[FaultPeriod] = (),
    life: Life | None = None,
    chunk_ms: int = DAY_MS,
) -> Iterator[LiftMessage]:
    """Yield what the lift says in [since, until), in the order of its clock; `extra` faults come on top of its own.

    `life` None: the lift's own. Not more than `chunk_ms` of it is held in memory as messages.
    """
    at_ms = since_ms
    while at_ms < until_ms:
        day = from_ms(at_ms).date()
        end_ms = min(until_ms, (at_ms // chunk_ms + 1) * chunk_ms, day_start_ms(day) + DAY_MS)
        yield from LiftDay(spec, day, extra, life).messages(at_ms, end_ms)
        at_ms = end_ms


def state_at(spec: LiftSpec, at_ms: int, extra: Sequence[FaultPeriod] = (), life: Life | None = None) -> State:
    """Return how the lift stands at an instant, as its words of that instant."""
    return LiftDay(spec, from_ms(at_ms).date(), extra, life).state(at_ms)


def messages_of_day(spec: LiftSpec, day: date, extra: Sequence[FaultPeriod] = ()) -> list[LiftMessage]:
    """Return all that the lift says on a day (UTC), in the order of its clock."""
    return list(messages(spec, day_start_ms(day), day_start_ms(day) + DAY_MS, extra))


class LiftDay:
    """A day (UTC) of one lift: its many readings in columns, the rest as messages."""

    def __init__(self, spec: LiftSpec, day: date, extra: Sequence[FaultPeriod] = (), life: Life | None = None) -> None:
        """Make the day of `life` (None: the lift's own); `extra` faults come on top."""
        self.spec, self.day = spec, day
        self.start_ms = day_start_ms(day)
        self._end_ms = self.start_ms + DAY_MS
        self._life = life_of(spec, self.start_ms) if life is None else life
        self._extra = extra
        self._periods = [*self._of_today(self._life.periods), *(period for period in extra if self._is_today(period))]
        self._stops = self._stops_of_day()
        self._present = self._present_today()
        wears = [wear for wear in self._life.wears if wear.since_ms < self._end_ms and wear.until_ms > self.start_ms]
        self.cycles: Cycles = cycles(spec, wears, day, self._stops)
        self.machine: MachineRows = machine_rows(spec, wears, day)

    def _present_today(self) -> list[Presence | Planned]:
        """Return who is at the lift today, and what keeps it out of use on purpose."""
        known = self._life.presences
        first = bisect_right(known, self.start_ms - DAY_MS, key=lambda presence: presence.begin_ms)
        last = bisect_right(known, self._end_ms, key=lambda presence: presence.begin_ms)
        found: list[Presence | Planned] = [*known[first:last], *self._life.planned]
        return [each for each in found if each.begin_ms < self._end_ms and each.end_ms >= self.start_ms]

    def _of_today(self, periods: Sequence[FaultPeriod]) -> list[FaultPeriod]:
        first = bisect_right(periods, self.start_ms - _PERIOD_MS_MAX, key=lambda period: period.raised_ms)
        last = bisect_right(periods, self._end_ms, key=lambda period: period.raised_ms)
        return [period for period in periods[first:last] if self._is_today(period)]

    def _is_today(self, period: FaultPeriod) -> bool:
        return period.raised_ms < self._end_ms and period.cleared_ms >= self.start_ms

    def _stops_of_day(self) -> list[Stop]:
        stops = within(self._life.stops, self.start_ms, self._end_ms)
        more = [Stop(period.raised_ms, period.cleared_ms, period.floor) for period in self._extra if period.stops]
        if more:
            stops = merged([*stops, *within(merged(more), self.start_ms, self._end_ms)])
        return [Stop(stop.start_ms - self.start_ms, stop.end_ms - self.start_ms, stop.floor) for stop in stops]

    def messages(self, since_ms: int, until_ms: int) -> list[LiftMessage]:
        """Return what the lift says in [since, until) of the day, in the order of its clock."""
        first_ms, last_ms = since_ms - self.start_ms, until_ms - self.start_ms
        said = [
            *self._trips(first_ms, last_ms),
            *self._levellings(first_ms, last_ms),
            *self._doors(first_ms, last_ms),
            *self._machine(first_ms, last_ms),
            *(message for message in self.others() if since_ms <= message.at_ms < until_ms),
        ]
        return sorted(said, key=lambda message: message.at_ms)

    def others(self) -> list[LiftMessage]:
        """Return what is not in columns: faults, calls, states, counters. In no order; all of the day."""
        said = [
            *(message for period in self._periods for message in self._fault_messages(period)),
            *self._states(),
            *self._counters(),
            *self._alarm_tests(),
        ]
        return [message for message in said if self.start_ms <= message.at_ms < self._end_ms]

    def state(self, at_ms: int) -> State:
        """Return how the lift stands at an instant of the day."""
        return self._states_at([at_ms])[0]

    def _states_at(self, instants_ms: Sequence[int]) -> list[State]:
        """Return how the lift stands at some instants of the day."""
        made = self.cycles
        of_day_ms = np.array(instants_ms, dtype=np.int64) - self.start_ms
        begun = np.searchsorted(made.start_ms, of_day_ms, side="right") - 1
        arrived = np.searchsorted(made.arrive_ms, of_day_ms, side="right") - 1
        from_floors, to_floors = made.from_floor.tolist(), made.to_floor.tolist()
        rows = zip(instants_ms, begun.tolist(), arrived.tolist(), strict=True)
        return [
            self._state(
                at_ms,
                way=to_floors[ride] - from_floors[ride] if ride > stood else 0,
                floor=to_floors[stood] if stood >= 0 else MAIN_FLOOR,
            )
            for at_ms, ride, stood in rows
        ]

    def _state(self, at_ms: int, *, way: int, floor: int) -> State:
        active = [period for period in self._periods if period.stops and period.raised_ms <= at_ms < period.cleared_ms]
        at_door = any("door" in period.code for period in active)
        return State(
            at=at_ms,
            service_mode=self._mode(at_ms, is_faulty=bool(active)),
            moving=way != 0,
            direction="stopped" if way == 0 else "up" if way > 0 else "down",
            floor=floor,
            door="door-fault" if at_door else "closed",
            in_door_zone=way == 0 and all(period.in_door_zone for period in active),
            passengers=any(period.passengers for period in active),
            power=all(period.code != POWER_CUT for period in active),
            connected=True,
        )

    def _mode(self, at_ms: int, *, is_faulty: bool) -> ServiceMode:
        inside = [each for each in self._present if each.begin_ms <= at_ms < each.end_ms]
        if any(each.kind in ("maintenance", "repair") for each in inside):
            return "inspection"
        return "out-of-service" if is_faulty or inside else "normal"

    def _trips(self, first_ms: int, last_ms: int) -> Iterator[LiftMessage]:
        made = self.cycles
        rows = _rows(made.arrive_ms, first_ms, last_ms)
        columns = (
            *(made.arrive_ms, made.from_floor, made.to_floor, made.arrive_ms - made.start_ms),
            *(made.distance_mm, made.load_pct, made.max_speed_mm_s),
        )
        for at_ms, from_floor, to_floor, duration_ms, distance_mm, load_pct, speed_mm_s in _listed(columns, rows):
            at_ms += self.start_ms  # noqa: PLW2901 - of the day, of the world
            trip = Trip(
                at=at_ms,
                from_floor=from_floor,
                to_floor=to_floor,
                duration_ms=duration_ms,
                distance_mm=distance_mm,
                load_pct=load_pct,
                max_speed_mm_s=speed_mm_s,
            )
            yield LiftMessage(at_ms, Kind.TRIP, trip)

    def _levellings(self, first_ms: int, last_ms: int) -> Iterator[LiftMessage]:
        made = self.cycles
        rows = _rows(made.levelled_ms, first_ms, last_ms)
        columns = (made.levelled_ms, made.from_floor, made.to_floor, made.error_tenth_mm, made.load_pct)
        for at_ms, from_floor, to_floor, error_tenth_mm, load_pct in _listed(columns, rows):
            at_ms += self.start_ms  # noqa: PLW2901
            levelling = Levelling(
                at=at_ms,
                floor=to_floor,
                direction="up" if to_floor > from_floor else "down",
                error_mm=error_tenth_mm / 10,
                relevelled=abs(error_tenth_mm) > RELEVEL_TENTH_MM,
                load_pct=load_pct,
            )
            yield LiftMessage(at_ms, Kind.LEVELLING, levelling)

    def _doors(self, first_ms: int, last_ms: int) -> Iterator[LiftMessage]:
        made = self.cycles
        rows = _rows(made.end_ms, first_ms, last_ms)
        columns = (
            *(made.end_ms, made.to_floor, made.opening_ms, made.dwell_ms, made.closing_ms),
            *(made.reversals, made.current_10ma, made.nudging),
        )
        for at_ms, floor, opening_ms, dwell_ms, closing_ms, reversals, current_10ma, nudging in _listed(columns, rows):
            at_ms += self.start_ms  # noqa: PLW2901
            door = DoorCycle(
                at=at_ms,
                floor=floor,
                opening_ms=opening_ms,
                dwell_ms=dwell_ms,
                closing_ms=closing_ms,
                reversals=reversals,
                peak_current_a=current_10ma / 100,
                nudging=nudging or None,
            )
            yield LiftMessage(at_ms, Kind.DOOR, door)

    def _machine(self, first_ms: int, last_ms: int) -> Iterator[LiftMessage]:
        made = self.machine
        rows = _rows(made.at_ms, first_ms, last_ms)
        columns = (
            *(made.at_ms, made.room_tenth_c, made.motor_tenth_c),
            *(made.brake_release_ms, made.brake_apply_ms, made.vibration_tenth_mg),
        )
        for at_ms, room, motor, release_ms, apply_ms, vibration in _listed(columns, rows):
            machine = Machine(
                at=self.start_ms + at_ms,
                machine_room_c=room / 10,
                motor_c=motor / 10,
                brake_release_ms=release_ms if made.has_brake else None,
                brake_apply_ms=apply_ms if made.has_brake else None,
                vibration_mg=vibration / 10,
            )
            yield LiftMessage(self.start_ms + at_ms, Kind.MACHINE, machine)

    def _fault_messages(self, period: FaultPeriod) -> Iterator[LiftMessage]:
        raised = FaultReport(
            at=period.raised_ms,
            code=period.code,
            phase="raised",
            fault_id=period.fault_id,
            floor=self._floor_at(period.raised_ms) if period.raised_ms >= self.start_ms else period.floor,
            in_door_zone=period.in_door_zone,
            passengers=period.passengers,
        )
        yield LiftMessage(period.raised_ms, Kind.FAULT, raised)
        cleared = FaultReport(at=period.cleared_ms, code=period.code, phase="cleared", fault_id=period.fault_id)
        yield LiftMessage(period.cleared_ms, Kind.FAULT, cleared)
        if period.code == ENTRAPMENT:
            yield from _alarm_call(period)

    def _states(self) -> Iterator[LiftMessage]:
        """Yield the state once an hour and whenever the lift goes out of service or comes back."""
        hourly = range(self.start_ms + int(self.spec.phase * HOUR_MS), self._end_ms, HOUR_MS)
        changes = {
            instant for period in self._periods if period.stops for instant in (period.raised_ms, period.cleared_ms)
        }
        changes |= {instant for each in self._present for instant in (each.begin_ms, each.end_ms)}
        instants_ms = sorted(at_ms for at_ms in {*hourly, *changes} if self.start_ms <= at_ms < self._end_ms)
        for state, at_ms in zip(self._states_at(instants_ms), instants_ms, strict=True):
            yield LiftMessage(at_ms, Kind.STATE, state)

    def _counters(self) -> Iterator[LiftMessage]:
        """Yield the controller's totals once an hour. Each trip ends with one door cycle."""
        before = trips_before(self.spec, self.day) - self._lost_before()
        of_day_ms = np.arange(int(self.spec.phase * HOUR_MS), DAY_MS, HOUR_MS)
        made = np.searchsorted(self.cycles.end_ms, of_day_ms, side="right")
        for at_ms, count in zip((of_day_ms + self.start_ms).tolist(), made.tolist(), strict=True):
            trips = before + count
            hours = round(trips * _MEAN_TRIP_H, 1)
            counters = Counters(at=at_ms, trips_total=trips, door_cycles_total=trips, running_h_total=hours)
            yield LiftMessage(at_ms, Kind.COUNTERS, counters)

    def _lost_before(self) -> int:
        """Return how many trips found the lift stopped before this day, by its life and by the extra faults."""
        lost = lost_before(self.spec, self.day, self._life.stops, self._life.lost)
        for day, parts in by_day(merged(Stop(each.raised_ms, each.cleared_ms) for each in self._extra if each.stops)):
            if day < self.day:
                first_ms = day_start_ms(day)
                own = within(self._life.stops, first_ms, first_ms + DAY_MS)
                known = [Stop(stop.start_ms - first_ms, stop.end_ms - first_ms) for stop in own]
                lost += lost_of(self.spec, day, merged([*known, *parts])) - lost_of(self.spec, day, known)
        return lost

    def _alarm_tests(self) -> Iterator[LiftMessage]:
        if (self.day.toordinal() + int(self.spec.phase * 1000)) % ALARM_TEST_EVERY_DAYS == 0:
            at_ms = self.start_ms + _ALARM_TEST_HOUR * HOUR_MS + int(self.spec.phase * HOUR_MS)
            yield LiftMessage(at_ms, Kind.ALARM, Alarm(at=at_ms, type="test", voice_ok=True, battery_ok=True))

    def _floor_at(self, at_ms: int) -> int:
        """Return the floor at which the car stopped last."""
        index = int(np.searchsorted(self.cycles.arrive_ms, at_ms - self.start_ms, side="right")) - 1
        return int(self.cycles.to_floor[index]) if index >= 0 else MAIN_FLOOR


def _rows(at_ms: Ints, first_ms: int, last_ms: int) -> slice:
    return slice(*np.searchsorted(at_ms, (first_ms, last_ms)))


def _listed(columns: Sequence[Any], rows: slice) -> Iterator[tuple[Any, ...]]:
    return zip(*(column[rows].tolist() for column in columns), strict=True)


def _alarm_call(period: FaultPeriod) -> Iterator[LiftMessage]:
    """Yield what the alarm equipment says while people are trapped: they press, somebody answers, it ends."""
    answered_ms = period.raised_ms + (period.cleared_ms - period.raised_ms) // 4
    yield _alarm(period.raised_ms + 15_000, "button")
    yield _alarm(answered_ms, "answered")
    yield _alarm(period.cleared_ms, "end")


def _alarm(at_ms: int, kind: Literal["button", "answered", "end"]) -> LiftMessage:
    return LiftMessage(at_ms, Kind.ALARM, Alarm(at=at_ms, type=kind))
