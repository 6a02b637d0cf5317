"""Series of daily values whose noise is known: an autocorrelated normal, odd days, missing days, ramps; seeded."""

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

Floats = NDArray[np.float64]
_SETTLED = 60
_STUDENT_DF = 3


class Noise(Struct, frozen=True, kw_only=True):
    """How a series scatters around its level, marginal standard deviation 1.

    `odd_share` of the days lies off by `odd_sigma` (from, to) to either side, in addition; `heavy`: the innovations
    have Student's distribution with 3 degrees of freedom instead of the normal one.
    """

    phi: float = 0.5
    odd_share: float = 0.02
    odd_sigma: tuple[float, float] = (5.0, 10.0)
    missing_share: float = 0.0
    heavy: bool = False


def noisy(rng: np.random.Generator, noise: Noise, series: int, days: int) -> Floats:
    """Return series (series, days) at level 0."""
    size = (series, days + _SETTLED)
    if noise.heavy:
        innovation = rng.standard_t(_STUDENT_DF, size) / np.sqrt(_STUDENT_DF / (_STUDENT_DF - 2))
    else:
        innovation = rng.standard_normal(size)
    innovation[:, 1:] *= np.sqrt(1 - noise.phi**2)
    for day in range(1, size[1]):
        innovation[:, day] += noise.phi * innovation[:, day - 1]
    value = innovation[:, _SETTLED:]
    odd = rng.uniform(*noise.odd_sigma, value.shape) * rng.choice([-1.0, 1.0], value.shape)
    value = value + np.where(rng.random(value.shape) < noise.odd_share, odd, 0.0)
    return np.asarray(np.where(rng.random(value.shape) < noise.missing_share, np.nan, value))


def ramp(days: int, onset: int, slope: float) -> Floats:
    """Return a level (days,) that rises by `slope` a day from day `onset` on, which already has the first step."""
    return np.asarray(slope * np.maximum(0.0, np.arange(days) - onset + 1.0))
