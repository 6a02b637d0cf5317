"""The mean cumulative function: how many breakdowns a lift of the fleet has had by a day at risk (Nelson). Pure."""

import numpy as np
from msgspec import Struct
from scipy import special

from analytics.failures import Floats, Ints
from analytics.rates import INTERVAL


class MeanCumulative(Struct, frozen=True):
    """The function at `days`: its estimate, its variance, and how many lifts were at risk then."""

    days: Floats
    mean: Floats
    variance: Floats
    lifts: Ints

    def interval(self) -> tuple[Floats, Floats]:
        """Return its bounds with 90 % certainty; none is below 0."""
        width = float(special.ndtri((1 + INTERVAL) / 2)) * np.sqrt(self.variance)
        return np.maximum(self.mean - width, 0.0), self.mean + width


def mean_cumulative(owner: Ints, times: Floats, ends: Floats, days: Floats) -> MeanCumulative:
    """Return the mean cumulative function at `days` (rising), of lifts observed from 0 to `ends`.

    Nelson's estimate (Technometrics 37, 1995) with the robust variance of Lawless and Nadeau (Technometrics 37, 1995),
    which allows that a lift's breakdowns come in clusters.
    """
    at, each = np.unique(times, return_counts=True)
    at_risk = np.searchsorted(np.sort(ends), at, side="left")
    at_risk = ends.size - at_risk  # a lift is at risk on the day on which its observation ends
    steps = each / np.maximum(at_risk, 1)
    mean = _cumulated(at, steps, days)
    variance = _variance(owner, times, ends, days, at, each, at_risk)
    lifts = ends.size - np.searchsorted(np.sort(ends), days, side="left")
    return MeanCumulative(days, mean, variance, lifts.astype(np.int64))


def _cumulated(at: Floats, steps: Floats, days: Floats) -> Floats:
    sums = np.concatenate([[0.0], np.cumsum(steps)])
    return np.asarray(sums[np.searchsorted(at, days, side="right")], dtype=np.float64)


def _variance(owner: Ints, times: Floats, ends: Floats, days: Floats, at: Floats, each: Ints, at_risk: Ints) -> Floats:
    """Sum over lifts the square of what each has had beyond its share: own steps less those that all had to expect."""
    weight = 1 / np.maximum(at_risk, 1)
    own = np.zeros((ends.size, days.size + 1))
    np.add.at(own, (owner, np.searchsorted(days, times, side="left")), weight[np.searchsorted(at, times)])
    own = np.cumsum(own, axis=1)[:, : days.size]
    shares = each * weight**2
    expected = np.minimum(_cumulated(at, shares, days)[None, :], _cumulated(at, shares, ends)[:, None])
    return np.asarray(((own - expected) ** 2).sum(axis=0), dtype=np.float64)
