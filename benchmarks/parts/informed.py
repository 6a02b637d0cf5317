"""The detector to be measured against: it knows the slope, the level, the noise, and how often odd days come."""

import numpy as np

from benchmarks.parts.noise import Floats, Noise

_BELIEVED_SIGMA = 3.0


def informed_scores(values: Floats, slope: float, noise: Noise, first_day: int) -> Floats:
    """Return, from `first_day` on, the greatest log-likelihood ratio over the day on which the known ramp began.

    The value before an odd day, on which the expectation of the next one rests, is replaced by its own expectation.
    """
    series, days = values.shape
    variance = 1 - noise.phi**2
    ages_max = int(min(200, 50 * (0.1 / slope) ** 0.75))
    last, score = np.zeros(series), np.empty((series, days - first_day))
    ratio, age = np.zeros((series, 0)), np.zeros(0)
    for day in range(days):
        surprise, expected = values[:, day] - noise.phi * last, np.zeros(series)
        if day >= first_day:
            ratio = np.concatenate([ratio, np.zeros((series, 1))], axis=1)[:, -ages_max:]
            age = np.append(age + 1, 1.0)[-ages_max:]
            rise = slope * (age - noise.phi * (age - 1))
            ratio += (
                _log_density(surprise[:, None] - rise, variance, noise)
                - _log_density(surprise, variance, noise)[:, None]
            )
            score[:, day - first_day] = ratio.max(axis=1)
            expected = np.where(ratio.max(axis=1) > 0, rise[ratio.argmax(axis=1)], 0.0)
        is_believed = np.abs(surprise - expected) < _BELIEVED_SIGMA * np.sqrt(variance)
        last = np.where(is_believed, values[:, day], noise.phi * last + expected)
    return score


def _log_density(surprise: Floats, variance: float, noise: Noise) -> Floats:
    """Return the density of a normal day or an odd one; odd ones are taken to be spread evenly."""
    normal = np.exp(-(surprise**2) / (2 * variance)) / np.sqrt(2 * np.pi * variance)
    odd = 1 / (2 * noise.odd_sigma[1])
    return np.asarray(np.log((1 - noise.odd_share) * normal + noise.odd_share * odd))
