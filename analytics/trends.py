"""How fast a series moves, and when it will be at a limit: with intervals, by ranks, so that odd days weigh little."""

import math

import numpy as np
from msgspec import Struct

from analytics.baseline import Floats

# Of the interval: 90 %.
_NORMAL_QUANTILE = 1.645
# The lag-1 autocorrelation that widens it; daily values have less, so the interval is rather too wide.
_PHI = 0.3
_DAYS_MIN = 5


class Trend(Struct, frozen=True):
    """A slope a day with its 90 % interval."""

    slope: float
    low: float
    high: float


def theil_sen(values: Floats) -> Trend | None:
    """Return the median slope of all pairs of known days (days,), and its interval by Kendall's statistic (Sen 1968).

    None of fewer than `_DAYS_MIN` known days.
    """
    days = np.flatnonzero(np.isfinite(values))
    n = len(days)
    if n < _DAYS_MIN:
        return None
    known = values[days]
    early, late = np.triu_indices(n, 1)
    slopes = np.sort((known[late] - known[early]) / (days[late] - days[early]))
    variance = n * (n - 1) * (2 * n + 5) / 18 * (1 + _PHI) / (1 - _PHI)
    away = _NORMAL_QUANTILE * math.sqrt(variance)
    low, high = (len(slopes) - away) / 2, (len(slopes) + away) / 2
    last = len(slopes) - 1
    return Trend(
        slope=float(np.median(slopes)),
        low=float(slopes[max(int(low), 0)]),
        high=float(slopes[min(math.ceil(high), last)]),
    )


def days_until(now: float, limit: float, slope: float) -> float:
    """Return in how many days a level that moves towards a limit at this slope is there.

    Negative: since when it has been beyond, as well as the slope can tell.
    """
    return (limit - now) / slope
