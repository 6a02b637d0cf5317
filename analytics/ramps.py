"""How strongly a series says that it has been rising: likelihood ratios of ramps of unknown age and slope.

Model of the days of a window: a level, noise whose lag-1 autocorrelation is `phi`, and since `lag` days ago a ramp:
`x[i] = phi x[i-1] + c + d (i - k)+ + e[i]`. Level, autocorrelation, slope and size of the noise are estimated together
for each lag, so that an uncertain baseline counts as uncertain. The evidence of all lags is added up as likelihoods
with fixed weights (a generalised Shiryaev-Roberts statistic), and held against a threshold that depends on how many
days are known. Everything is a sum over days, so any day costs the same. Pure numpy.
"""

from collections.abc import Sequence

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from analytics.baseline import Baseline, Floats
from analytics.thresholds import DAYS_KNOWN, THRESHOLDS

# Days since the ramp began, a third more each time: at most 7 % of the evidence is lost between two of them.
LAGS = (8, 11, 15, 20, 27, 36, 48, 64, 85, 113, 150, 200)
# A slow ramp has fewer chances to be found by mistake than a steep one: its age is longer and there are fewer
# independent ages. The weights favour it, so that slow and steep ramps are found equally late, compared with a
# detector that knows the slope (`benchmarks/drift_ramps.py`).
_WEIGHT_POWER = 4.0
# The autocorrelation before a series has said its own: as so many days of its own spread would say it. Reckoned in the
# spread of the baseline it would count for half as much, or twice, by the chance of 60 days. A high one, because one
# that is taken for too low makes false findings.
_PHI_PRIOR, _PHI_PRIOR_DAYS = 0.75, 120.0
# An autocorrelation that was estimated from n days is (1 + 3 phi) / n too low (Kendall 1954). Where a series' own is
# high, more is added, because there what is missing makes most false findings.
_PHI_HIGH, _PHI_HIGH_MORE = 0.6, 4.0
# No higher: beside more of it nothing would be found of a series whose own is 0.7.
_PHI_MAX = 0.85
# An age is judged where so many days before it are known, and this part of its own: a ramp beside a level of a few days
# says nothing, but would have the greatest weight.
_KNOWN_BEFORE_MIN, _KNOWN_BEFORE_PART, _KNOWN_SINCE_MIN = 15, 0.3, 5
# Of a series that is the same on most days less noise than this part is not believed (variance, of the normal spread).
_NOISE_MIN = 0.2
_NEVER = -1e9
WINDOW_DAYS = 280

_OF_RAMP = ("w", "i", "ii", "x", "u", "ix", "iu")
_NAMES = (*_OF_RAMP, "xx", "xu", "uu")


class Sums(Struct, frozen=True):
    """Sums over all days before each day (series, days + 1): of weights w, day numbers i, values x, values before u."""

    of: dict[str, Floats]
    days: int


class Evidence(Struct, frozen=True):
    """What the days say, each array of the shape (series, days asked).

    `score` is positive where the evidence is above its threshold, in natural logarithms of likelihoods. `lag` is the
    best supported age of the ramp in days, `z` how many standard errors its slope lies above what is allowed.
    """

    score: Floats
    lag: NDArray[np.int64]
    z: Floats


def sums(series: Baseline) -> Sums:
    """Return what all questions about the series need."""
    days = series.values.shape[1]
    w, x, u = _weighted(series)
    i = np.arange(days, dtype=np.float64)
    products = (w, w * i, w * i**2, x, u, x * i, u * i, x * x, x * u, u * u)
    return Sums({name: _summed(product) for name, product in zip(_NAMES, products, strict=True)}, days)


def _weighted(series: Baseline) -> tuple[Floats, Floats, Floats]:
    """Return weights, values and the values of the day before, 0 where nothing is known of the day itself."""
    w = series.known.astype(np.float64)
    w[:, 0] = 0.0
    u = np.zeros_like(series.values)
    u[:, 1:] = series.values[:, :-1]
    return w, w * series.values, w * u


def _summed(values: Floats) -> Floats:
    total = np.zeros((len(values), values.shape[1] + 1))
    np.cumsum(values, axis=1, out=total[:, 1:])
    return total


def evidence(total: Sums, ends: Sequence[int], allowed: Floats) -> Evidence:
    """Return what the windows say that end before day number `ends`.

    `allowed` (series,) is the slope that has a harmless reason, such as the season, in normal spreads a day.
    """
    end = np.asarray(ends)
    begin = np.maximum(end - WINDOW_DAYS, 0)
    window = {name: values[:, end] - values[:, begin] for name, values in total.of.items()}
    zs = []
    for lag in LAGS:
        since = np.maximum(end - lag, begin)
        part = {name: total.of[name][:, end] - total.of[name][:, since] for name in _OF_RAMP}
        zs.append(_z(part, window, since - 1.0, allowed))
    return _weighed(np.stack(zs), window["w"])


def latest(series: Baseline, allowed: Floats) -> Evidence:
    """Return what `evidence` says of the last day alone: cheap, since no other day's sums are needed."""
    days = series.values.shape[1]
    begin = max(days - WINDOW_DAYS, 0)
    number = np.arange(begin, days, dtype=np.float64)
    since = np.array([max(days - lag, begin) for lag in LAGS])
    is_in = np.column_stack([number >= first for first in (begin, *since)]).astype(np.float64)
    w, x, u = (each[:, begin:] for each in _weighted(series))
    of_w, of_i = w @ is_in, w @ (number[:, None] * is_in)
    of_x, of_u = x @ is_in, u @ is_in
    of_ix, of_iu = x @ (number[:, None] * is_in), u @ (number[:, None] * is_in)
    of_ramp = (of_w, of_i, w @ (number[:, None] ** 2 * is_in), of_x, of_u, of_ix, of_iu)
    squares = [np.einsum("ij,ij->i", one, other) for one, other in ((x, x), (x, u), (u, u))]
    window = {name: each[:, :1] for name, each in zip(_OF_RAMP, of_ramp, strict=True)}
    window |= {name: each[:, None] for name, each in zip(_NAMES[len(_OF_RAMP) :], squares, strict=True)}
    part = {name: each[:, 1:] for name, each in zip(_OF_RAMP, of_ramp, strict=True)}
    zs = _z(part, window, since - 1.0, allowed)
    return _weighed(np.ascontiguousarray(zs.T)[:, :, None], window["w"])


def _weighed(zs: Floats, known: Floats) -> Evidence:
    """Return the evidence of all ages together; `zs` (lags, series, days), `known` (series, days)."""
    weights = np.array(LAGS) ** _WEIGHT_POWER
    shares = np.where(zs > _NEVER, weights[:, None, None], 0.0)
    with np.errstate(divide="ignore"):  # an age that cannot be judged adds nothing
        log_shares = np.log(shares / np.maximum(shares.sum(axis=0), 1.0))
    likelihood = np.maximum(zs, 0.0) ** 2 / 2 + log_shares
    top = np.maximum(likelihood.max(axis=0), _NEVER)
    # Days on which no age could be judged are left with what is far below any threshold.
    score = top + np.log(np.maximum(np.exp(likelihood - top).sum(axis=0), 1.0))
    best = zs.argmax(axis=0)
    limit = np.interp(known, DAYS_KNOWN, THRESHOLDS)
    return Evidence(score - limit, np.array(LAGS)[best], np.take_along_axis(zs, best[None], axis=0)[0])


def _z(part: dict[str, Floats], window: dict[str, Floats], zero: Floats, allowed: Floats) -> Floats:
    """Return the estimated slope of a ramp that is 0 on day `zero`, less the allowed one, in its standard errors.

    `part` are the sums over the days of the ramp, `window` those over all days.
    """
    n = window["w"]
    before_min = np.maximum(_KNOWN_BEFORE_PART * part["w"], _KNOWN_BEFORE_MIN)
    is_enough = (n - part["w"] >= before_min) & (part["w"] >= _KNOWN_SINCE_MIN)
    if not is_enough.any():  # a ramp longer than the history
        return np.full(is_enough.shape, _NEVER)
    g = part["i"] - zero * part["w"]
    gg = part["ii"] - 2 * zero * part["i"] + zero**2 * part["w"]
    gx, gu = part["ix"] - zero * part["x"], part["iu"] - zero * part["u"]
    n = np.maximum(n, 1.0)
    sgg = np.where(is_enough, gg - g**2 / n, 1.0)
    sgx, sgu = gx - g * window["x"] / n, gu - g * window["u"] / n
    sxx, suu = window["xx"] - window["x"] ** 2 / n, window["uu"] - window["u"] ** 2 / n
    sxu = window["xu"] - window["x"] * window["u"] / n
    phi = _phi(suu - sgu**2 / sgg, sxu - sgx * sgu / sgg, n)
    rise = sgx - phi * sgu
    rest = (sxx - 2 * phi * sxu + phi**2 * suu - rise**2 / sgg) / np.maximum(n - 3, 1.0)
    rise = rise - allowed[:, None] * (1 - phi) * sgg
    return np.asarray(np.where(is_enough, rise / np.sqrt(sgg * np.maximum(rest, _NOISE_MIN)), _NEVER))


def _phi(of_before: Floats, with_before: Floats, n: Floats) -> Floats:
    """Return the autocorrelation that is reckoned with: rather too high than too low."""
    of_before = np.maximum(of_before, 0.0)  # of an age that is not judged it may be anything
    own = with_before / np.maximum(of_before, 1.0)
    own = own + (1 + 3 * own) / n
    prior = _PHI_PRIOR_DAYS * np.maximum(of_before / n, _NOISE_MIN)
    phi = (with_before + prior * _PHI_PRIOR) / (of_before + prior)
    return np.asarray(np.clip(phi + _PHI_HIGH_MORE * np.maximum(own - _PHI_HIGH, 0.0), 0.0, _PHI_MAX))
