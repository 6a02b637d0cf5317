"""How often each lift of a fleet breaks down, how sure that is, and which are beyond the fleet. Pure.

Counts are taken for gamma-Poisson: each lift has a rate of its own, the rates of a fleet follow a gamma distribution
whose parameters the fleet itself tells (empirical Bayes, by moments: Marshall, Applied Statistics 40, 1991). Breakdowns
come in clusters, so that counts scatter more than Poisson ones; by how much the fleet tells too, and every interval and
test is wider for it (quasi-Poisson). Rates are by day here; people read them by year.
"""

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray
from scipy import special

from analytics.failures import FleetFailures, Floats

# A lift of four breakdowns a year rests on some three of its own; what is older has been repaired since, or forgotten.
HALF_LIFE_DAYS = 180.0
INTERVAL = 0.9
# Half as often again as the fleet: less is no reason to send anybody, however sure it is.
OFTEN_FACTOR = 1.5
FALSE_DISCOVERY_RATE = 0.05
DAYS_A_YEAR = 365.25
# Without any history: four breakdowns a year, and lifts that differ by as much as they have in common (Liftwatch's own
# assumption within the 2 to 8 a year that are published for lifts in service). It weighs as much as 90 days.
DEFAULT_SHAPE, DEFAULT_DAYS = 1.0, 91.25
# For the level of a fleet the default counts as half a breakdown: fleets differ by a factor of e and more (2 to 8 a
# year are usual, neglected ones have 30), as a gamma of that shape does.
LEVEL_COUNT = 0.5
_LEVEL_DAYS = LEVEL_COUNT * DEFAULT_DAYS / DEFAULT_SHAPE
_BIN_DAYS = 30.0
# In how many drawn fleets the worst are looked up: a probability is then exact to some 2 %.
_DRAWS = 400


class Rates(Struct, frozen=True, kw_only=True):
    """Rates by day: of each lift the posterior gamma (`shape`, `rate`), its mean and interval; and of the fleet.

    `dispersion` is by what factor counts scatter more than Poisson ones, at least 1.
    """

    fleet: float
    dispersion: float
    shape: Floats
    rate: Floats
    mean: Floats
    low: Floats
    high: Floats

    def beyond(self, limit: float) -> Floats:
        """Return how likely each lift's rate is above `limit`."""
        return np.asarray(special.gammaincc(self.shape, self.rate * limit), dtype=np.float64)


def dispersion_of(failures: FleetFailures) -> float:
    """Return variance over mean of a lift's counts in stretches of 30 days, pooled over the fleet; at least 1."""
    bins = int(np.ceil(max(failures.exposure_days.max(initial=0.0), 1.0) / _BIN_DAYS))
    counts = np.zeros((len(failures.lift_ids), bins))
    np.add.at(counts, (failures.owner, np.minimum(failures.risk_day / _BIN_DAYS, bins - 1).astype(np.int64)), 1)
    edges = np.arange(bins) * _BIN_DAYS
    days = np.clip(failures.exposure_days[:, None] - edges, 0, _BIN_DAYS)
    days[days < _BIN_DAYS / 2] = 0  # a stretch that has only begun tells next to nothing
    counts[days == 0] = 0
    totals, exposures = counts.sum(axis=1), days.sum(axis=1)
    some = totals > 0
    expected = days[some] * (totals[some] / exposures[some])[:, None]
    measured = expected > 0
    freedom = measured.sum() - some.sum()
    if freedom < 1:
        return 1.0
    squares = (counts[some] - expected)[measured] ** 2 / expected[measured]
    return max(1.0, float(squares.sum() / freedom))


def rates_of(counts: Floats, exposure_days: Floats, dispersion: float = 1.0) -> Rates:
    """Return the rates of lifts with (discounted) `counts` in (discounted) `exposure_days`.

    A fleet whose lifts do not differ pulls each rate to its own; it weighs at most as much as all its lifts together.
    """
    told, days = counts / dispersion, exposure_days / dispersion
    count, exposure = float(told.sum()), float(days.sum())
    fleet = count / exposure if exposure > 0 and count > 0 else LEVEL_COUNT / (exposure + _LEVEL_DAYS)
    weight = _prior_days(told, days, fleet)
    shape, rate = told + fleet * weight, days + weight
    tail = (1 - INTERVAL) / 2
    return Rates(
        fleet=fleet,
        dispersion=dispersion,
        shape=shape,
        rate=rate,
        mean=shape / rate,
        low=np.asarray(special.gammaincinv(shape, tail) / rate, dtype=np.float64),
        high=np.asarray(special.gammaincinv(shape, 1 - tail) / rate, dtype=np.float64),
    )


def _prior_days(told: Floats, days: Floats, fleet: float) -> float:
    """Return how many days of a lift's own the fleet weighs: its mean rate over the variance between its lifts."""
    most = max(float(days.sum()), _LEVEL_DAYS)
    seen = days > 0
    if seen.sum() < 2:  # noqa: PLR2004 - one lift has nothing to differ from
        return most
    own, total = told[seen] / days[seen], days[seen].sum()
    scatter = float((days[seen] * (own - fleet) ** 2).sum())
    between = (scatter - (seen.sum() - 1) * fleet) / (total - (days[seen] ** 2).sum() / total)
    return min(most, fleet / between) if between > 0 else most


def beyond_fleet(
    counts: Floats, exposure_days: Floats, dispersion: float = 1.0, factor: float = OFTEN_FACTOR
) -> Floats:
    """Return for each lift the p-value of "at most `factor` times as often as the others of the fleet".

    Exact given the fleet's total (a binomial test of two Poisson rates), so that a small fleet is not taken for known.
    1 where a lift, or all others, were never at risk.
    """
    others = exposure_days.sum() - exposure_days
    share = factor * exposure_days / np.maximum(factor * exposure_days + others, 1e-12)
    own, rest = counts / dispersion, (counts.sum() - counts) / dispersion
    p = np.asarray(special.betainc(np.maximum(own, 1e-12), rest + 1, share), dtype=np.float64)
    return np.where((counts > 0) & (exposure_days > 0) & (others > 0), p, 1.0)


def benjamini_hochberg(p: Floats, rate: float = FALSE_DISCOVERY_RATE) -> NDArray[np.bool_]:
    """Return which hypotheses are rejected so that at most `rate` of them are expected to be wrong (1995)."""
    if p.size == 0:
        return np.zeros(0, dtype=np.bool_)
    ordered = np.sort(p)
    passing = np.nonzero(ordered <= rate * np.arange(1, p.size + 1) / p.size)[0]
    return p <= (ordered[passing[-1]] if passing.size else -1.0)


def among_worst(rates: Rates, share: float = 0.1) -> Floats:
    """Return how likely each lift is among the worst `share` of the fleet; the same data give the same answer."""
    size = rates.shape.size
    worst = max(1, round(share * size))
    draw = np.random.default_rng(size)  # its numbers decide nothing but the second digit
    hits = np.zeros(size)
    for _ in range(_DRAWS):
        drawn = draw.standard_gamma(rates.shape) / rates.rate
        hits[np.argpartition(-drawn, worst - 1)[:worst]] += 1
    return hits / _DRAWS
