"""Scripted things that happen some seconds after the live start, so that a demonstration shows life at once.

Beside them one lift wears: its doors have dragged for weeks when the demonstration begins, and it has the history that
it takes to see that.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from enum import Enum, auto

from msgspec import Struct, structs

from simulator.faults import ENTRAPMENT, POWER_CUT, FaultPeriod
from simulator.fleet import LiftSpec
from simulator.life import Life
from simulator.living import life_of
from simulator.traffic import DAY_MS
from simulator.wear import Segment, Wear


class Cast(Enum):
    """Whom a scene happens to."""

    CALM = auto()
    TROUBLED = auto()
    BUILDING = auto()


class Scene(Struct, frozen=True, kw_only=True):
    """One fault: when it is raised after the start, how long it lasts, and to whom it happens."""

    after_s: int
    lasts_s: int
    code: str
    cast: Cast
    stops: bool = True


DEMO = (
    Scene(after_s=20, lasts_s=300, code=ENTRAPMENT, cast=Cast.CALM),
    # One that rings at once: for a door the controller has 20 min to help itself.
    Scene(after_s=45, lasts_s=900, code="runtime-limit-exceeded", cast=Cast.TROUBLED),
    Scene(after_s=90, lasts_s=150, code=POWER_CUT, cast=Cast.BUILDING),
    Scene(after_s=120, lasts_s=600, code="call-button-stuck", cast=Cast.CALM, stops=False),
)
# When the demonstration begins, a door has dragged for so long, and would fail after so many days more.
WORN_DAYS, FAILS_AFTER_DAYS = 34, 22
# Its normal before that is known as well: a drift is measured against some weeks of it.
WORN_HISTORY_DAYS = 75
_WORN_MECHANISM = "door-friction-car"
DEMO_MS = max(scene.after_s + scene.lasts_s for scene in DEMO) * 1000


def scripted(fleet: Sequence[LiftSpec], start_ms: int, scenes: Sequence[Scene] = DEMO) -> dict[str, list[FaultPeriod]]:
    """Return the faults that the scenes add to each lift of the fleet, for a script that starts at `start_ms`."""
    extra: dict[str, list[FaultPeriod]] = defaultdict(list)
    for number, scene in enumerate(scenes):
        for spec in _cast(fleet, scene):
            extra[spec.lift_id].append(_period(spec, scene, start_ms, number))
    return extra


def worn_lift(fleet: Sequence[LiftSpec]) -> LiftSpec:
    """Return the lift that wears: the first calm one."""
    return next((spec for spec in fleet if not spec.troubled), fleet[0])


def worn_life(spec: LiftSpec, start_ms: int) -> Life:
    """Return the lift's own life with doors that wear, for a demonstration that began at `start_ms` for the first time.

    Nobody comes for them: at the instant of the failure they are as new again.
    """
    since_ms = start_ms - WORN_DAYS * DAY_MS
    lasts_days = WORN_DAYS + FAILS_AFTER_DAYS
    dragging = Segment(since_ms, since_ms + lasts_days * DAY_MS, 0.0, 1 / lasts_days)
    wear = Wear(mechanism=_WORN_MECHANISM, floor=None, shape=1.0, segments=(dragging,), ended_by="nobody")
    life = life_of(spec, start_ms)
    return structs.replace(life, wears=sorted([*life.wears, wear], key=lambda each: each.since_ms))


def _period(spec: LiftSpec, scene: Scene, start_ms: int, number: int) -> FaultPeriod:
    raised_ms = start_ms + scene.after_s * 1000
    return FaultPeriod(
        fault_id=f"{spec.lift_id}-{start_ms}-s{number}",
        code=scene.code,
        stops=scene.stops,
        raised_ms=raised_ms,
        cleared_ms=raised_ms + scene.lasts_s * 1000,
        in_door_zone=scene.code != ENTRAPMENT,
        passengers=scene.code == ENTRAPMENT,
    )


def _cast(fleet: Sequence[LiftSpec], scene: Scene) -> Iterator[LiftSpec]:
    """Yield who plays: a calm lift from the middle of the fleet, a troubled one, or all lifts of the last building.

    The last one with several lifts, where there is one: a single lift without power is no power cut of a building.
    """
    if scene.cast is Cast.BUILDING:
        sizes = Counter(spec.site_id for spec in fleet)
        site_id = next((spec.site_id for spec in reversed(fleet) if sizes[spec.site_id] > 1), fleet[-1].site_id)
        yield from (spec for spec in fleet if spec.site_id == site_id)
        return
    troubled = scene.cast is Cast.TROUBLED
    cast = [spec for spec in fleet if spec.troubled is troubled] or fleet
    yield cast[0 if troubled else len(cast) // 2]
