"""Whether breakdowns come closer together: Laplace's test, and the power law of Crow (AMSAA). Pure.

Times run in days at risk from 0 to the end of observation (time truncated). Given their number, the times of a lift
that neither wears nor improves are spread evenly; both methods look at how far they are not.
"""

import numpy as np
from msgspec import Struct
from scipy import special

from analytics.failures import Floats, Ints
from analytics.rates import INTERVAL


class PowerLaw(Struct, frozen=True):
    """Expected breakdowns of a lift until day t: `expected` * (t / `end`) ** `shape`.

    A shape above 1: they come closer together. `low` and `high` bound the shape with 90 % certainty.
    """

    shape: float
    expected: float
    end: float
    low: float
    high: float

    def rate(self, day: float) -> float:
        """Return breakdowns a day at `day`."""
        return float(self.expected * self.shape / self.end * (day / self.end) ** (self.shape - 1))


def laplace(owner: Ints, times: Floats, ends: Floats) -> Floats:
    """Return Laplace's score of each lift, standard normal without a trend, above 0 where breakdowns come closer.

    `owner` tells whose breakdown each of `times` is, `ends` until when each lift was observed. 0 without breakdowns.
    """
    counts = np.bincount(owner, minlength=ends.size)
    sums = np.bincount(owner, times, minlength=ends.size)
    spread = ends * np.sqrt(np.maximum(counts, 1) / 12)
    return np.where((counts > 0) & (ends > 0), (sums - counts * ends / 2) / np.maximum(spread, 1e-12), 0.0)


def closer_together(scores: Floats, dispersion: float = 1.0) -> Floats:
    """Return the one-sided p-values of Laplace's scores, of breakdowns that come in clusters of `dispersion`."""
    return np.asarray(special.ndtr(-scores / np.sqrt(dispersion)), dtype=np.float64)


def power_law(times: Floats, end: float, systems: int = 1) -> PowerLaw | None:
    """Return the maximum likelihood fit for the times of `systems` lifts, each observed until `end`; None without any.

    Crow, "Reliability analysis for complex, repairable systems" (1974); the interval is exact: 2 n shape / estimate is
    chi-squared with 2 n degrees of freedom.
    """
    count = times.size
    logs = float(np.log(end / np.clip(times, 1e-9, end)).sum()) if count else 0.0
    if logs <= 0:
        return None
    shape = count / logs
    tail = (1 - INTERVAL) / 2
    # The quantiles of chi-squared(2n) / 2 are those of gamma(n).
    low, high = (float(special.gammaincinv(count, tail_of)) / count * shape for tail_of in (tail, 1 - tail))
    return PowerLaw(shape, count / systems, end, low, high)
