"""Wear as a closed form of time: how far a part has drifted at any instant, from nothing but the lift and the instant.

First form: the landing door of a troubled lift's bad floor drags more from week to week until somebody cleans it.
The amounts are assumptions.
"""

from simulator.fleet import LiftSpec
from simulator.traffic import DAY_MS

_CLEANED_EVERY_DAYS = 56
_DRAG_PER_WEEK = 0.02
_DAYS_PER_WEEK = 7


def closing_factor(spec: LiftSpec, floor: int, at_ms: int) -> float:
    """Return by how much the door of a landing closes slower than a new one (1.0: as slow as a new one)."""
    if not spec.troubled or floor != spec.bad_floor:
        return 1.0
    days = at_ms / DAY_MS + spec.phase * _CLEANED_EVERY_DAYS
    return 1.0 + _DRAG_PER_WEEK * (days % _CLEANED_EVERY_DAYS) / _DAYS_PER_WEEK


def level_bias_mm(spec: LiftSpec, floor: int) -> float:
    """Return how far off, on average, the car stops at a floor: no landing is adjusted to the millimetre."""
    return ((floor * 7 + spec.phase * 100) % 5 - 2) * 0.4
