"""Scenarios: what shall happen to which lift on which day, in a small YAML file.

    name: a dragging car door
    seed: 11
    lifts: 4
    start: 2026-03-02
    days: 90
    scenes:
      - {what: wear, day: 30, lift: L0003, mechanism: door-friction-car, fails_on_day: 75}

Nothing else happens to the fleet unless `own_lives` says so. Days count from 0, hours are UTC.
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Annotated

import msgspec
import yaml
from msgspec import Meta, Struct, structs

from ingest.clock import to_ms
from ingest.wire import LIFT_ID_PATTERN
from simulator.chance import seeded
from simulator.failures import add_failure, breakdown, early_faults, power_cut
from simulator.faults import DOOR_CLOSING
from simulator.fleet import LiftSpec, make_fleet
from simulator.life import Life, Planned
from simulator.living import make_life
from simulator.mechanisms import BY_NAME, Sudden
from simulator.people import MINUTE_MS, calendar
from simulator.traffic import DAY_MS, HOUR_MS, moment
from simulator.transport import CLEAN, Roughness
from simulator.wear import Segment, Wear

Day = Annotated[float, Meta(ge=0, le=3_660)]
LiftId = Annotated[str, Meta(pattern=f"^{LIFT_ID_PATTERN}$")]
Hour = Annotated[str, Meta(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]
Minutes = Annotated[float, Meta(gt=0, le=100_000)]


class ScenarioError(ValueError):
    """A scenario that cannot be played; the text says why."""


class _Scene(Struct, frozen=True, kw_only=True, tag_field="what", forbid_unknown_fields=True):
    """What happens on a day, at an hour (None: as chance, or the traffic, has it)."""

    day: Day
    at: Hour | None = None


class WearScene(_Scene, frozen=True, kw_only=True, tag="wear"):
    """A part begins to wear, fails, and is repaired. Without `fails_on_day` it takes the time that is usual."""

    lift: LiftId
    mechanism: str
    floor: int | None = None
    fails_on_day: Day | None = None


class FailureScene(_Scene, frozen=True, kw_only=True, tag="failure"):
    """Something fails without a sign before. `freed_min`: people are trapped, and freed after so long."""

    lift: LiftId
    code: str = DOOR_CLOSING
    cause: str = "sudden"
    component: str = "door"
    floor: int | None = None
    lasts_min: Minutes = 240
    freed_min: Minutes | None = None


class PowerCutScene(_Scene, frozen=True, kw_only=True, tag="power-cut"):
    """The mains of a building fail. `traps`: the lift in which people then stand."""

    site: str
    lasts_min: Minutes = 30
    traps: LiftId | None = None
    freed_min: Minutes = 20


class RebootsScene(_Scene, frozen=True, kw_only=True, tag="reboots"):
    """A controller starts again and again."""

    lift: LiftId
    count: Annotated[int, Meta(ge=1, le=1_000)] = 20
    within_min: Minutes = 60


class OutOfUseScene(_Scene, frozen=True, kw_only=True, tag="out-of-use"):
    """A lift is taken out of use on purpose."""

    lift: LiftId
    days: Day = 7


Scene = WearScene | FailureScene | PowerCutScene | RebootsScene | OutOfUseScene


class Scenario(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A fleet, a time, and what happens in it. `visits`: maintenance comes by the calendar, and changes nothing."""

    name: str
    seed: int = 1
    lifts: Annotated[int, Meta(ge=1, le=1_000)] = 4
    traffic: Annotated[float, Meta(gt=0, le=10)] = 1.0
    start: date
    days: Annotated[int, Meta(ge=1, le=3_660)]
    own_lives: bool = False
    visits: bool = False
    rough: Roughness = CLEAN
    scenes: tuple[Scene, ...] = ()

    @property
    def start_ms(self) -> int:
        """The first instant, in ms since 1970."""
        return to_ms(datetime(self.start.year, self.start.month, self.start.day, tzinfo=UTC))

    @property
    def until_ms(self) -> int:
        """The instant at which it is over, in ms since 1970."""
        return self.start_ms + self.days * DAY_MS

    def fleet(self) -> list[LiftSpec]:
        """Return the lifts that play."""
        return make_fleet(self.seed, self.lifts, self.traffic)


def load_scenario(path: Path) -> Scenario:
    """Return the scenario in a YAML file.

    Raises:
        ScenarioError: it cannot be read, or speaks of what does not exist.
    """
    try:
        scenario = msgspec.convert(yaml.safe_load(path.read_bytes()), Scenario)
    except (OSError, yaml.YAMLError, msgspec.ValidationError) as error:
        message = f"{path}: {error}"
        raise ScenarioError(message) from error
    problems = _problems(scenario)
    if problems:
        message = f"{path}: {'; '.join(problems)}"
        raise ScenarioError(message)
    return scenario


def _problems(scenario: Scenario) -> list[str]:
    fleet = scenario.fleet()
    lifts, sites = {spec.lift_id for spec in fleet}, {spec.site_id for spec in fleet}
    found = []
    for scene in scenario.scenes:
        if isinstance(scene, PowerCutScene):
            found += [] if scene.site in sites else [f"no site {scene.site}"]
        elif scene.lift not in lifts:
            found.append(f"no lift {scene.lift}")
        if isinstance(scene, WearScene):
            found += [] if scene.mechanism in BY_NAME else [f"no mechanism {scene.mechanism}"]
            late = scene.fails_on_day is not None and scene.fails_on_day <= scene.day
            found += ["fails before it wears"] if late else []
    return found


def lives_of(scenario: Scenario) -> dict[str, Life]:
    """Return the life of each lift of the scenario."""
    fleet = scenario.fleet()
    lives = {spec.lift_id: _base(scenario, spec) for spec in fleet}
    for number, scene in enumerate(scenario.scenes):
        for spec in _cast(scene, fleet):
            random = seeded(scenario.seed, scenario.name, number, spec.lift_id)
            _Stage(scenario, spec, lives[spec.lift_id], f"x{number}", random).play(scene)
    return {lift_id: life.ordered() for lift_id, life in lives.items()}


def _base(scenario: Scenario, spec: LiftSpec) -> Life:
    if scenario.own_lives:
        return make_life(spec, scenario.until_ms)
    life = Life()
    if scenario.visits:
        life.presences += calendar(spec, scenario.start, scenario.start + timedelta(days=scenario.days))
    return life


def _cast(scene: Scene, fleet: Sequence[LiftSpec]) -> list[LiftSpec]:
    if isinstance(scene, PowerCutScene):
        return [spec for spec in fleet if spec.site_id == scene.site]
    return [spec for spec in fleet if spec.lift_id == scene.lift]


class _Stage:
    """One scene as it happens to one lift."""

    def __init__(self, scenario: Scenario, spec: LiftSpec, life: Life, number: str, random: Random) -> None:
        self._scenario, self._spec, self._life, self._number, self._random = scenario, spec, life, number, random

    def play(self, scene: Scene) -> None:
        """Let it happen."""
        if isinstance(scene, WearScene):
            self._wear(scene)
        elif isinstance(scene, FailureScene):
            self._fail(scene)
        elif isinstance(scene, PowerCutScene):
            self._cut(scene)
        elif isinstance(scene, RebootsScene):
            begin_ms, every_ms = self._at(scene), int(scene.within_min * MINUTE_MS / scene.count)
            self._life.reboots += [begin_ms + number * every_ms for number in range(scene.count)]
        else:
            begin_ms = self._at(scene)
            self._life.planned.append(Planned("out-of-use", begin_ms, begin_ms + int(scene.days * DAY_MS)))

    def _at(self, scene: Scene) -> int:
        """Return when it happens: at its hour, or when people use the lift."""
        day_ms = self._scenario.start_ms + int(scene.day) * DAY_MS
        if scene.at is None:
            return moment(self._spec, self._scenario.start + timedelta(days=int(scene.day)), self._random)
        return day_ms + int(scene.at[:2]) * HOUR_MS + int(scene.at[3:]) * MINUTE_MS

    def _wear(self, scene: WearScene) -> None:
        mechanism, start_ms = BY_NAME[scene.mechanism], self._scenario.start_ms
        since_ms = start_ms + int(scene.day * DAY_MS)
        days = mechanism.days_median if scene.fails_on_day is None else scene.fails_on_day - scene.day
        last_day = self._scenario.start + timedelta(days=int(scene.day + days))
        failed_ms = max(since_ms + HOUR_MS, moment(self._spec, last_day, self._random))
        floor = scene.floor or (self._random.randint(1, self._spec.floors) if mechanism.one_floor else None)
        each = breakdown(
            self._spec,
            mechanism,
            self._number,
            failed_ms,
            self._random,
            floor=floor,
            precursor_ms=since_ms,
            stops=mechanism.stops,
        )
        each = structs.replace(each, held=True, noted_code=mechanism.code, freed_ms=None, arrived_ms=None)
        add_failure(self._life, each, self._random)
        per_day = DAY_MS / (failed_ms - since_ms)
        wear = Wear(
            mechanism=mechanism.name,
            floor=floor,
            shape=mechanism.shape,
            segments=(Segment(since_ms, each.cleared_ms, 0.0, per_day),),
            ended_by="repair",
        )
        self._life.wears.append(wear)
        self._life.early += early_faults(self._spec, mechanism, wear, self._random)

    def _fail(self, scene: FailureScene) -> None:
        at_ms = self._at(scene)
        cause = Sudden(scene.cause, scene.component, scene.code, 1.0)
        each = breakdown(self._spec, cause, self._number, at_ms, self._random, floor=scene.floor)
        freed_ms = None if scene.freed_min is None else at_ms + int(scene.freed_min * MINUTE_MS)
        cleared_ms = at_ms + int(scene.lasts_min * MINUTE_MS)
        each = structs.replace(
            each,
            cleared_ms=max(cleared_ms, freed_ms or 0),
            arrived_ms=freed_ms,
            freed_ms=freed_ms,
            in_door_zone=freed_ms is None,
            noted_code=scene.code,
            held=True,
        )
        add_failure(self._life, each, self._random)

    def _cut(self, scene: PowerCutScene) -> None:
        at_ms = self._at(scene)
        until_ms = at_ms + int(scene.lasts_min * MINUTE_MS)
        each = power_cut(self._spec, self._number, at_ms, until_ms, self._random)
        freed_ms = at_ms + int(scene.freed_min * MINUTE_MS) if scene.traps == self._spec.lift_id else None
        self._life.breakdowns.append(
            structs.replace(each, arrived_ms=freed_ms, freed_ms=freed_ms, in_door_zone=freed_ms is None)
        )
        self._life.reboots.append(until_ms)
