"""Breakdown rates of lifts, discounted with age and shrunk towards their fleet: gamma-Poisson empirical Bayes. Pure."""

import numpy as np
from msgspec import Struct

from analytics.outage_history import BREAKDOWN, Floats, OutageHistory, Pauses
from analytics.rates import DEFAULT_DAYS, DEFAULT_SHAPE, LEVEL_COUNT

_LN2 = float(np.log(2.0))
# A unit that stands is at risk of a new breakdown for two weeks; from the 15th day of an outage to its end it is not.
AT_RISK_OUTAGE_DAYS = 14.0
# Lifts teach the models, and are scored, once they were observed for this long; the rates of a fleet take all.
EXPOSURE_DAYS_MIN = 30.0
# For how much lifts differ the default counts as five breakdowns.
_SPREAD_COUNT = 5.0
_SPREAD_MIN = 0.01


class Prior(Struct, frozen=True):
    """A gamma distribution of rates a day: shape, and days that it weighs."""

    shape: float
    days: float

    @property
    def rate(self) -> float:
        """The mean of the rates."""
        return self.shape / self.days


class Rates(Struct, frozen=True):
    """The posterior of each lift: `count` breakdowns in `days`, the prior included; and what was counted of it."""

    count: Floats
    days: Floats
    counted: Floats
    exposure: Floats
    prior: Prior

    def expected(self, days: float) -> Floats:
        """Return the expected number of breakdowns in the next `days`."""
        return self.count / self.days * days

    def probability(self, days: float) -> Floats:
        """Return P(at least one in the next `days`), the doubt about the rate included."""
        return -np.expm1(-self.count * np.log1p(days / self.days))


class Clock(Struct, frozen=True):
    """A history on the clock of its log, which stands still while nothing is recorded of anybody."""

    history: OutageHistory
    pauses: Pauses
    now: float
    since: Floats
    raised: Floats
    cleared: Floats

    @classmethod
    def of(cls, history: OutageHistory) -> "Clock":
        """Put a history on the clock of its log."""
        return cls._with(history, history.pauses())

    @classmethod
    def on_calendar(cls, history: OutageHistory) -> "Clock":
        """Leave a history on the calendar: pauses of the log count as days without breakdowns."""
        return cls._with(history, Pauses(np.empty(0), np.empty(0)))

    @classmethod
    def _with(cls, history: OutageHistory, pauses: Pauses) -> "Clock":
        over = np.isfinite(history.cleared)
        until = np.minimum(history.cleared, history.until)
        return cls(
            history=history,
            pauses=pauses,
            now=float(pauses.recorded(np.array([history.until]))[0]),
            since=pauses.recorded(np.minimum(history.since, history.until)),
            raised=pauses.recorded(history.raised),
            cleared=np.where(over, pauses.recorded(until), np.inf),
        )

    def weights(self, half_life: float) -> Floats:
        """Return what each outage counts by its age."""
        return np.exp2((self.raised - self.now) / half_life)

    def sums(self, chosen: np.ndarray, values: Floats) -> Floats:
        """Return by lift the sum of `values` over the chosen outages."""
        lifts = len(self.history.lift_ids)
        return np.bincount(self.history.lift[chosen], values[chosen], lifts).astype(np.float64)

    def exposure(self, half_life: float) -> Floats:
        """Return by lift the discounted days at risk."""
        whole = self._discounted(self.since, np.full_like(self.since, self.now), half_life)
        begin, end = self.raised + AT_RISK_OUTAGE_DAYS, np.minimum(self.cleared, self.now)
        stood = end > begin
        return np.clip(whole - self.sums(stood, self._discounted(begin, end, half_life)), 0.0, None)

    def _discounted(self, begin: Floats, end: Floats, half_life: float) -> Floats:
        if not np.isfinite(half_life):
            return np.clip(end - begin, 0.0, None)
        decay = _LN2 / half_life
        area = (np.exp(-decay * (self.now - end)) - np.exp(-decay * (self.now - begin))) / decay
        return np.where(end > begin, area, 0.0)


def rates(clock: Clock, half_life: float, share: float = 1.0) -> Rates:
    """Return the rates of all lifts from breakdowns discounted by `half_life` days (inf: all count alike).

    `share` is how much of all breakdowns the history holds: of the default, as much is expected where little is known.
    """
    chosen = clock.history.kind == BREAKDOWN
    weights = clock.weights(half_life) if np.isfinite(half_life) else np.ones_like(clock.raised)
    counted, exposure = clock.sums(chosen, weights), clock.exposure(half_life)
    prior = prior_of(counted, exposure, share)
    return Rates(prior.shape + counted, prior.days + exposure, counted, exposure, prior)


def prior_of(counted: Floats, exposure: Floats, share: float = 1.0) -> Prior:
    """Return the gamma prior of a fleet by moments, drawn to the default as long as the fleet has told little."""
    seen = exposure > 1.0
    counted, exposure = counted[seen], exposure[seen]
    total, days = float(counted.sum()), float(exposure.sum())
    default_days = LEVEL_COUNT * DEFAULT_DAYS / DEFAULT_SHAPE / share
    rate = (total + LEVEL_COUNT) / (days + default_days)
    if total == 0.0:
        return Prior(DEFAULT_SHAPE, DEFAULT_SHAPE / rate)
    excess = float(((counted - rate * exposure) ** 2 - rate * exposure).sum() / (exposure**2).sum())
    # Lifts are taken to differ by as much as is hardly chance: two standard errors less than it looks.
    doubt = 2.0 * float(np.sqrt(2.0 * ((rate * exposure) ** 2).sum() + (rate * exposure).sum()) / (exposure**2).sum())
    variance = max(excess - doubt, _SPREAD_MIN * rate * rate)
    trust = total / (total + _SPREAD_COUNT)
    variance = trust * variance + (1.0 - trust) * rate * rate / DEFAULT_SHAPE
    return Prior(rate * rate / variance, rate / variance)
