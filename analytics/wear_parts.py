"""Which part of a lift several drifting channels speak of. Pure."""

from collections import defaultdict
from collections.abc import Callable, Sequence

import numpy as np
from msgspec import Struct

from analytics.baseline import Floats
from analytics.drift import Drift
from analytics.series import SeriesKey
from analytics.wear_channels import (
    CAR_DOOR,
    ENCODER,
    LANDING_DOOR,
    LANDING_VANE,
    LEVELLING,
    REAR,
    REAR_CHANNEL,
    WearChannel,
)

# A landing takes part in a drift of the lift if it moved by at least this part of it.
_TAKES_PART = 0.4
_LANDINGS_MIN = 3
# More landings than this do not wear out at once by themselves.
_ALONE_MAX = 2
_NOW_DAYS, _NORMAL_DAYS, _KNOWN_MIN = 14, 60, 5
_DOORS, _ERROR = "door", "error_mm"
_FOLLOWS_LANDING = ("error_spread_mm", "relevelled_per_100")
# What goes with another part's drift and is no finding of its own then.
_GOES_WITH = {"motor": "machine-room"}


class Hit(Struct, frozen=True, kw_only=True):
    """One channel that drifts: `change` since before the drift, turned so that wear is positive; `now` as it is read.

    `values` (days,) are turned, too.
    """

    key: SeriesKey
    channel: WearChannel
    sign: float
    drift: Drift
    change: float
    now: float
    values: Floats


class Part(Struct, frozen=True):
    """A part that wears, and the channels that say so, the strongest first."""

    component: str
    floor: int | None
    hits: list[Hit]

    @property
    def leading(self) -> Hit:
        """The channel that says it most clearly."""
        return self.hits[0]

    @property
    def found(self) -> int:
        """The day at whose end the first of the channels was found to drift."""
        return min(hit.drift.found for hit in self.hits)


class Landings(Struct, frozen=True):
    """The series of one lift, as they are read (days,)."""

    values: dict[SeriesKey, Floats]

    def changes(self, hit: Hit) -> dict[SeriesKey, float]:
        """Return how far each landing's series of the channel has moved since before the drift, wear positive."""
        moved = {}
        for key, values in self.values.items():
            if key.channel == hit.key.channel and key.floor is not None:
                change = _change(values[hit.drift.start :], hit.drift.since - hit.drift.start)
                if change is not None:
                    moved[key] = hit.sign * change
        return moved

    def other_direction(self, hit: Hit) -> float | None:
        """Return how far the whole lift's series of the other direction has moved, wear positive."""
        for key, values in self.values.items():
            is_other = key.direction is not None and key.direction != hit.key.direction
            if key.channel == hit.key.channel and key.floor is None and is_other:
                change = _change(values[hit.drift.start :], hit.drift.since - hit.drift.start)
                return None if change is None else hit.sign * change
        return None


def _change(values: Floats, since: int) -> float | None:
    before, now = values[:since], values[since:]
    before, now = before[np.isfinite(before)][-_NORMAL_DAYS:], now[np.isfinite(now)][-_NOW_DAYS:]
    if min(len(before), len(now)) < _KNOWN_MIN:
        return None
    return float(np.median(now) - np.median(before))


def parts_of(hits: Sequence[Hit], landings: Landings) -> list[Part]:
    """Return the parts of one lift that the drifts speak of, by name and floor."""
    groups: dict[str, list[Hit]] = defaultdict(list)
    for hit in hits:
        prefix = REAR if hit.key.channel.startswith(REAR_CHANNEL) else ""
        groups[prefix + hit.channel.component].append(hit)
    for part, other in _GOES_WITH.items():
        if part in groups and other in groups:
            groups[other] += groups.pop(part)
    if "brake" in groups and LEVELLING in groups and all(hit.key.channel != _ERROR for hit in groups[LEVELLING]):
        groups["brake"] += groups.pop(LEVELLING)
    parts = []
    for name, of_part in groups.items():
        place = _PLACES.get(name.removeprefix(REAR), _whole)
        parts += place(name, of_part, landings)
    led = [Part(part.component, part.floor, _strongest_first(part.hits)) for part in parts if _has_leader(part)]
    return sorted(led, key=lambda part: (part.component, -1 if part.floor is None else part.floor))


def _has_leader(part: Part) -> bool:
    return any(hit.channel.leads for hit in part.hits)


def _strongest_first(hits: Sequence[Hit]) -> list[Hit]:
    return sorted(hits, key=lambda hit: (not hit.channel.leads, -hit.drift.score, hit.key))


def _whole(name: str, hits: Sequence[Hit], _: Landings) -> list[Part]:
    return [Part(name, None, list(hits))]


def _doors(name: str, hits: Sequence[Hit], landings: Landings) -> list[Part]:
    """One landing alone: its door; many of them alike: the car's."""
    landing_name = name.replace(CAR_DOOR, LANDING_DOOR)
    floors = _alone(hits, landings)
    if not floors:
        return _whole(name, hits, landings)
    own = {floor: [hit for hit in hits if hit.key.floor == floor] for floor in floors}
    shared_hits = [hit for hit in hits if hit.key.floor is None]
    return [Part(landing_name, floor, own[floor] + (shared_hits if len(floors) == 1 else [])) for floor in floors]


def _alone(hits: Sequence[Hit], landings: Landings) -> list[int]:
    """Return the landings that are worn while most others are not; none where the drift is the whole lift's."""
    single = sorted({hit.key.floor for hit in hits if hit.key.floor is not None})
    if len(single) > _ALONE_MAX:
        return []
    measured = [hit for hit in hits if hit.channel.by_landing]
    if not measured:
        return []
    leading = max(measured, key=lambda hit: (hit.key.floor is None, hit.drift.score))
    moved = landings.changes(leading)
    if len({key.floor for key in moved}) < _LANDINGS_MIN:
        return single if leading.key.floor is not None else []
    taking_part = {key.floor for key, change in moved.items() if change >= _TAKES_PART * leading.change}
    if len(taking_part) >= len({key.floor for key in moved}) / 2:
        return []
    if single:
        return single
    most = max(moved, key=lambda key: moved[key])
    return [most.floor] if most.floor is not None and moved[most] > leading.change else []


def _levels(name: str, hits: Sequence[Hit], landings: Landings) -> list[Part]:
    """One landing alone: its vane; opposite signs by direction: the encoder; else what all landings share."""
    errors = [hit for hit in hits if hit.key.channel == _ERROR]
    rest = [hit for hit in hits if hit.key.channel != _ERROR]
    if not errors:
        return _whole(name, hits, landings)
    floors = _alone(errors, landings)
    if floors:
        vanes = [
            Part(LANDING_VANE, floor, [hit for hit in errors if hit.key.floor == floor] or list(errors))
            for floor in floors
        ]
        # One landing that moves makes all stops together spread, and be re-levelled: that is no part of its own.
        follows = [hit for hit in rest if hit.key.channel in _FOLLOWS_LANDING]
        vanes[0].hits.extend(follows)
        rest = [hit for hit in rest if hit.key.channel not in _FOLLOWS_LANDING]
        return vanes + (_whole(name, rest, landings) if rest else [])
    leading = max(errors, key=lambda hit: (hit.key.floor is None, hit.drift.score))
    other = landings.other_direction(leading)
    is_by_direction = other is not None and other < -_TAKES_PART * leading.change
    return [Part(ENCODER if is_by_direction else name, None, list(hits))]


_PLACES: dict[str, Callable[[str, Sequence[Hit], Landings], list[Part]]] = {CAR_DOOR: _doors, LEVELLING: _levels}
