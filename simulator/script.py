"""Scripted things that happen some seconds after the live start, so that a demonstration shows life at once."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from enum import Enum, auto

from msgspec import Struct

from simulator.faults import DOOR_CLOSING, ENTRAPMENT, POWER_CUT, FaultPeriod
from simulator.fleet import LiftSpec


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
    Scene(after_s=45, lasts_s=180, code=DOOR_CLOSING, cast=Cast.TROUBLED),
    Scene(after_s=90, lasts_s=150, code=POWER_CUT, cast=Cast.BUILDING),
    Scene(after_s=120, lasts_s=600, code="call-button-stuck", cast=Cast.CALM, stops=False),
)
DEMO_MS = max(scene.after_s + scene.lasts_s for scene in DEMO) * 1000


def scripted(fleet: Sequence[LiftSpec], start_ms: int, scenes: Sequence[Scene] = DEMO) -> dict[str, list[FaultPeriod]]:
    """Return the faults that the scenes add to each lift of the fleet, for a script that starts at `start_ms`."""
    extra: dict[str, list[FaultPeriod]] = defaultdict(list)
    for number, scene in enumerate(scenes):
        for spec in _cast(fleet, scene):
            extra[spec.lift_id].append(_period(spec, scene, start_ms, number))
    return extra


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
    """Yield who plays: a calm lift from the middle of the fleet, a troubled one, or all lifts of the last building."""
    if scene.cast is Cast.BUILDING:
        yield from (spec for spec in fleet if spec.site_id == fleet[-1].site_id)
        return
    troubled = scene.cast is Cast.TROUBLED
    cast = [spec for spec in fleet if spec.troubled is troubled] or fleet
    yield cast[0 if troubled else len(cast) // 2]
