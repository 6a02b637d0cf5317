"""What goes wrong, and when: the fault periods of one lift and one day, from the seed alone.

First form: faults come at a constant rate, with no precursor; three habits stand out from them. Troubled lifts have
door faults several times a week, entrapments are rare, and power cuts take a whole building.
"""

import math
from collections.abc import Iterator
from datetime import date
from random import Random

from msgspec import Struct

from simulator.fleet import LiftSpec, seeded
from simulator.traffic import DAY_MS, day_start_ms, moment

ENTRAPMENT = "entrapment"
POWER_CUT = "power-supply-fault"
DOOR_CLOSING = "door-closing-fault"
# Per lift-year: published rates of Chinese rescue platforms lie between 0.04 and 0.16.
ENTRAPMENTS_PER_YEAR = 0.06
# Per building and year: an assumption; power cuts are a fifth of all entrapments in published figures.
POWER_CUTS_PER_YEAR = 0.5
# Door faults of a troubled lift: four a week, cleared by the controller itself after some minutes. An assumption.
TROUBLED_DOOR_FAULTS_PER_DAY = 4 / 7
# A good service needs about 4 h per fault; lognormal is an assumption. No fault lasts longer than half a day here, so
# that a day's messages depend on that day and the one before.
DOWN_MIN_MEDIAN = 180.0
DOWN_SIGMA = 0.75
DOWN_MS_MAX = DAY_MS // 2
_DAYS_PER_YEAR = 365.25


class FaultPeriod(Struct, frozen=True, kw_only=True):
    """One fault from raised to cleared. `floor` is where it happens (None: wherever the car then stands)."""

    fault_id: str
    code: str
    stops: bool
    raised_ms: int
    cleared_ms: int
    floor: int | None = None
    in_door_zone: bool = True
    passengers: bool = False


class Habit(Struct, frozen=True):
    """How often a code is seen among the others, and whether the lift stands meanwhile."""

    code: str
    share: float
    stops: bool = True


# Door and lock together 0.55: between the 32-43 % of equipment-caused entrapments and the "over half" of call-outs.
HABITS = (
    Habit(DOOR_CLOSING, 0.32),
    Habit("door-opening-fault", 0.12),
    Habit("safety-interlock-fault", 0.11),
    Habit("controller-fault", 0.09),
    Habit("drive-and-motor-fault", 0.06),
    Habit("start-failure", 0.06),
    Habit("position-lost", 0.05),
    Habit("lift-shaft-device-fault", 0.04),
    Habit("drive-temperature-exceeded", 0.04),
    Habit("car-stopped-outside-landing-zone", 0.03),
    Habit("call-button-stuck", 0.05, stops=False),
    Habit("load-measurement-fault", 0.03, stops=False),
)


def fault_periods(spec: LiftSpec, day: date) -> list[FaultPeriod]:
    """Return the faults that are raised on a day (UTC), in the order in which they are raised."""
    random = spec.random("faults", day)
    periods = [*_common(spec, day, random), *_entrapments(spec, day, random), *_power_cuts(spec, day)]
    if spec.troubled:
        periods += _door_troubles(spec, day)
    return sorted(periods, key=lambda period: (period.raised_ms, period.fault_id))


def _common(spec: LiftSpec, day: date, random: Random) -> Iterator[FaultPeriod]:
    for number in range(_count(random, spec.faults_per_year / _DAYS_PER_YEAR)):
        habit = random.choices(HABITS, [habit.share for habit in HABITS])[0]
        raised_ms = moment(spec, day, random)
        down_ms = random.lognormvariate(math.log(DOWN_MIN_MEDIAN), DOWN_SIGMA) * 60_000
        at_door = habit.code.startswith("door") or habit.code.startswith("safety-interlock")
        floor = random.randint(1, spec.floors)
        yield FaultPeriod(
            fault_id=f"{spec.lift_id}-{day:%Y%m%d}-{number}",
            code=habit.code,
            stops=habit.stops,
            raised_ms=raised_ms,
            cleared_ms=raised_ms + round(min(down_ms, DOWN_MS_MAX)),
            floor=floor if at_door else None,
            in_door_zone=habit.code != "car-stopped-outside-landing-zone",
        )


def _door_troubles(spec: LiftSpec, day: date) -> Iterator[FaultPeriod]:
    random = spec.random("door troubles", day)
    for number in range(_count(random, TROUBLED_DOOR_FAULTS_PER_DAY)):
        raised_ms = moment(spec, day, random)
        yield FaultPeriod(
            fault_id=f"{spec.lift_id}-{day:%Y%m%d}-d{number}",
            code=DOOR_CLOSING,
            stops=True,
            raised_ms=raised_ms,
            cleared_ms=raised_ms + round(random.uniform(3, 20) * 60_000),
            floor=spec.bad_floor,
        )


def _entrapments(spec: LiftSpec, day: date, random: Random) -> Iterator[FaultPeriod]:
    for number in range(_count(random, ENTRAPMENTS_PER_YEAR / _DAYS_PER_YEAR)):
        raised_ms = moment(spec, day, random)
        yield FaultPeriod(
            fault_id=f"{spec.lift_id}-{day:%Y%m%d}-e{number}",
            code=ENTRAPMENT,
            stops=True,
            raised_ms=raised_ms,
            cleared_ms=raised_ms + round(random.uniform(20, 40) * 60_000),
            in_door_zone=random.choice((True, False)),
            passengers=True,
        )


def _power_cuts(spec: LiftSpec, day: date) -> Iterator[FaultPeriod]:
    random = seeded(spec.seed, spec.site_id, "power", day)
    for number in range(_count(random, POWER_CUTS_PER_YEAR / _DAYS_PER_YEAR)):
        raised_ms = day_start_ms(day) + random.randrange(DAY_MS)
        yield FaultPeriod(
            fault_id=f"{spec.lift_id}-{day:%Y%m%d}-p{number}",
            code=POWER_CUT,
            stops=True,
            raised_ms=raised_ms,
            cleared_ms=raised_ms + round(random.uniform(2, 45) * 60_000),
        )


def _count(random: Random, mean: float) -> int:
    """Return a number drawn from the Poisson distribution with a small `mean`."""
    limit, product, count = math.exp(-mean), random.random(), 0
    while product > limit:
        product *= random.random()
        count += 1
    return count
