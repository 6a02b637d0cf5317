"""The life of one lift: what wore out, what failed and why, who came, when it was out of use.

It is the truth that the service never sees; `living` makes it, a scenario writes it, telemetry only hints at it.
"""

from collections.abc import Iterator

import msgspec
from msgspec import Struct

from simulator.faults import ENTRAPMENT, FaultPeriod
from simulator.people import Presence
from simulator.stops import Stop, merged
from simulator.wear import Wear


class Breakdown(Struct, frozen=True, kw_only=True):
    """One failure, with its true cause. `precursor_ms`: since when the part wore (None: nothing announced it).

    `kind`: breakdown (the lift failed), or external (mains, people). `noted_code` is what the technician wrote down,
    `held` whether his repair was one. `freed_ms`: when trapped people were out (None: nobody was trapped).
    """

    fault_id: str
    kind: str
    cause: str
    component: str
    code: str
    failed_ms: int
    cleared_ms: int
    floor: int | None
    stops: bool
    precursor_ms: int | None
    arrived_ms: int | None
    freed_ms: int | None
    in_door_zone: bool
    noted_code: str | None
    held: bool


class VisitEffect(Struct, frozen=True):
    """What a visit did to a part: fixed, masked, or broke it."""

    at_ms: int
    mechanism: str
    effect: str


class Planned(Struct, frozen=True):
    """A time when the lift is out of use on purpose."""

    kind: str
    begin_ms: int
    end_ms: int


class Life(Struct, kw_only=True):
    """All that happens to one lift. The lists are in the order of time once `ordered` has run.

    `periods` (what the controller reports) and `stops` (when the lift does not serve) follow from the rest; `lost` is
    kept by `traffic`.
    """

    wears: list[Wear] = msgspec.field(default_factory=list)
    breakdowns: list[Breakdown] = msgspec.field(default_factory=list)
    early: list[FaultPeriod] = msgspec.field(default_factory=list)
    presences: list[Presence] = msgspec.field(default_factory=list)
    effects: list[VisitEffect] = msgspec.field(default_factory=list)
    planned: list[Planned] = msgspec.field(default_factory=list)
    reboots: list[int] = msgspec.field(default_factory=list)
    periods: list[FaultPeriod] = msgspec.field(default_factory=list)
    stops: list[Stop] = msgspec.field(default_factory=list)
    lost: list[tuple[int, int]] = msgspec.field(default_factory=list)

    def ordered(self) -> "Life":
        """Bring everything into the order of time and derive the fault periods; return the same life."""
        self.wears.sort(key=lambda wear: wear.since_ms)
        self.breakdowns.sort(key=lambda each: (each.failed_ms, each.fault_id))
        self.presences.sort(key=lambda presence: presence.begin_ms)
        self.effects.sort(key=lambda effect: effect.at_ms)
        self.planned.sort(key=lambda planned: planned.begin_ms)
        self.reboots = sorted(set(self.reboots))
        periods = [period for each in self.breakdowns for period in _periods(each)]
        self.periods = sorted([*periods, *self.early], key=lambda period: (period.raised_ms, period.fault_id))
        self.stops = merged(
            [
                *(Stop(each.raised_ms, each.cleared_ms, each.floor) for each in self.periods if each.stops),
                *(Stop(each.begin_ms, each.end_ms) for each in self.presences),
                *(Stop(each.begin_ms, each.end_ms) for each in self.planned),
            ]
        )
        return self


def _periods(each: Breakdown) -> Iterator[FaultPeriod]:
    """Yield what the controller reports of a failure: its fault, and the people in the car."""
    yield FaultPeriod(
        fault_id=each.fault_id,
        code=each.code,
        stops=each.stops,
        raised_ms=each.failed_ms,
        cleared_ms=each.cleared_ms,
        floor=each.floor,
        in_door_zone=each.in_door_zone,
        passengers=each.freed_ms is not None,
    )
    if each.freed_ms is not None:
        yield FaultPeriod(
            fault_id=f"{each.fault_id}-t",
            code=ENTRAPMENT,
            stops=True,
            raised_ms=each.failed_ms + 1_000,
            cleared_ms=each.freed_ms,
            in_door_zone=each.in_door_zone,
            passengers=True,
        )
