"""How things fail: how long a lift stands, whether people are trapped, what is noted, what a worn part does before."""

from collections.abc import Iterator, Sequence
from random import Random

from ingest.clock import from_ms
from simulator.faults import POWER_CUT, RUNNING, FaultPeriod
from simulator.fleet import LiftSpec
from simulator.life import Breakdown, Life
from simulator.mechanisms import SUDDEN, Mechanism, Sudden
from simulator.people import (
    HOLDS_CHANCE,
    MINUTE_MS,
    NOTED_RIGHT_CHANCE,
    Presence,
    arrival_ms,
    down_ms,
    release_ms,
)
from simulator.traffic import DAY_MS, HOUR_MS, busy, moment
from simulator.wear import Wear

# People are trapped by so many of the failures. Doors are 32-43 % of what equipment does (published); the rest follows.
TRAPS = {"door": 0.0082, "external": 0.045, "power": 0.042}
_TRAPS_ELSE = 0.021
SELF_CLEARED_MIN = (3.0, 20.0)
# The controller tests the brake itself, every night: an assumption.
SELF_TEST_FAILURE, SELF_TEST_HOUR = "self-test-failure", 3


def early_faults(spec: LiftSpec, mechanism: Mechanism, wear: Wear, random: Random) -> Iterator[FaultPeriod]:
    """Yield the faults that a worn part causes before it fails, which the controller clears by itself."""
    code = mechanism.early_code
    if code is None:
        return
    for number, (at_ms, chance) in enumerate(candidates(wear, mechanism.early_per_day, random)):
        raised_ms = moment(spec, from_ms(at_ms).date(), random)
        if code == SELF_TEST_FAILURE:
            raised_ms = at_ms // DAY_MS * DAY_MS + SELF_TEST_HOUR * HOUR_MS + int(spec.phase * HOUR_MS) + number
        lasts_ms = int(random.uniform(*SELF_CLEARED_MIN) * MINUTE_MS)
        if chance < wear.severity_at(raised_ms) ** 2:
            yield FaultPeriod(
                fault_id=f"{spec.lift_id}-e{mechanism.name}-{wear.since_ms // DAY_MS}-{number}",
                code=code,
                stops=code not in RUNNING,
                raised_ms=raised_ms,
                cleared_ms=raised_ms + lasts_ms,
                floor=wear.floor,
            )


def candidates(wear: Wear, per_day: float, random: Random) -> list[tuple[int, float]]:
    """Return instants while a part is worn, at the highest rate, each with the chance that it is one."""
    length_ms = wear.until_ms - wear.since_ms
    count = poisson(random, per_day * length_ms / DAY_MS)
    return [(wear.since_ms + int(random.random() * length_ms), random.random()) for _ in range(count)]


def breakdown(
    spec: LiftSpec,
    cause: Sudden | Mechanism,
    number: str,
    failed_ms: int,
    random: Random,
    *,
    floor: int | None = None,
    precursor_ms: int | None = None,
    stops: bool = True,
) -> Breakdown:
    """Return a failure with all that follows: how long the lift stands, whether people are trapped, what is noted."""
    stops = stops and cause.code not in RUNNING
    lasts_ms = down_ms(spec, random) if stops else int(random.uniform(0.5, 4) * DAY_MS)
    trapped = random.random() < TRAPS.get(cause.component, _TRAPS_ELSE) and stops
    arrived_ms = failed_ms + arrival_ms(random)
    freed_ms = arrived_ms + release_ms(random)
    right, zone = random.random() < NOTED_RIGHT_CHANCE, random.random()
    wrong = random.choice([each.code for each in SUDDEN])
    return Breakdown(
        fault_id=f"{spec.lift_id}-{number}",
        kind="external" if cause.component == "external" else "breakdown",
        cause=cause.cause if isinstance(cause, Sudden) else cause.name,
        component=cause.component,
        code=cause.code,
        failed_ms=failed_ms,
        cleared_ms=max(failed_ms + lasts_ms, freed_ms) if trapped else failed_ms + lasts_ms,
        floor=None if trapped else floor,
        stops=stops,
        precursor_ms=precursor_ms,
        arrived_ms=arrived_ms if trapped else None,
        freed_ms=freed_ms if trapped else None,
        in_door_zone=cause.code != "car-stopped-outside-landing-zone" and not (trapped and zone < 0.5),  # noqa: PLR2004
        noted_code=cause.code if right else wrong,
        held=random.random() < HOLDS_CHANCE[spec.care],
    )


def power_cut(spec: LiftSpec, number: str, at_ms: int, until_ms: int, random: Random) -> Breakdown:
    """Return what a cut of the building's mains does to one lift; who is trapped is freed, mains or no mains."""
    trapped = random.random() < TRAPS["power"] * busy(spec, at_ms)
    arrived_ms = at_ms + arrival_ms(random)
    freed_ms = arrived_ms + release_ms(random)
    return Breakdown(
        fault_id=f"{spec.lift_id}-{number}",
        kind="external",
        cause="power-cut",
        component="power",
        code=POWER_CUT,
        failed_ms=at_ms,
        cleared_ms=until_ms,
        floor=None,
        stops=True,
        precursor_ms=None,
        arrived_ms=arrived_ms if trapped else None,
        freed_ms=freed_ms if trapped else None,
        in_door_zone=not trapped,
        noted_code=None,
        held=True,
    )


def add_failure(life: Life, each: Breakdown, random: Random) -> None:
    """Add a failure to a life, and the technician who ends it."""
    life.breakdowns.append(each)
    if each.noted_code is None:
        return
    work_ms = min((each.cleared_ms - each.failed_ms) // 2, int(random.uniform(25, 60) * MINUTE_MS))
    life.presences.append(
        Presence(
            kind="repair",
            begin_ms=each.cleared_ms - work_ms,
            end_ms=each.cleared_ms,
            cause_code=each.noted_code,
            outcome="repaired",
        )
    )
    if each.component == "controller":
        life.reboots.append(each.cleared_ms)


def choose(random: Random, causes: Sequence[Sudden]) -> Sudden:
    """Return one of the causes, by their shares."""
    return random.choices(causes, [cause.share for cause in causes])[0]


def poisson(random: Random, mean: float) -> int:
    """Return a number drawn from the Poisson distribution: how many exponential gaps fit."""
    if mean <= 0:
        return 0
    count, total = -1, 0.0
    while total < mean:
        total += random.expovariate(1.0)
        count += 1
    return count
