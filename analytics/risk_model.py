"""Fitted models of risk as arrays of numbers, and what they predict of a frame. Pure: nothing is fitted here.

A model corrects the empirical Bayes rates of `risk_rates`: where there is too little history to fit one, or where it
did no better on days that it had not seen, the rates stand alone.
"""

import numpy as np
from msgspec import Struct

from analytics.outage_history import Bools, Floats, Ints
from analytics.risk_frame import RiskFrame

_EDGE = 1e-4
# No correction makes of a rate more than ten times as much or as little.
_CORRECTION_MAX = 10.0


class Linear(Struct, frozen=True):
    """A linear predictor on standardized columns."""

    mean: Floats
    scale: Floats
    weights: Floats
    intercept: float

    def predict(self, columns: Floats) -> Floats:
        """Return one number a row."""
        return ((columns - self.mean) / self.scale) @ self.weights + self.intercept


class Trees(Struct, frozen=True):
    """Boosted trees: nodes of all trees in one table; `left` 0 is a leaf, `first` where each tree begins."""

    column: Ints
    threshold: Floats
    left: Ints
    right: Ints
    value: Floats
    first: Ints
    baseline: float

    def predict(self, columns: Floats) -> Floats:
        """Return one number a row: the baseline and what the leaves of all trees add."""
        rows, total = np.arange(columns.shape[0]), np.full(columns.shape[0], self.baseline)
        for first in self.first:
            node = np.full(rows.size, first)
            while (inner := self.left[node] != 0).any():
                goes_left = columns[rows, self.column[node]] <= self.threshold[node]
                node = np.where(inner, first + np.where(goes_left, self.left[node], self.right[node]), node)
            total += self.value[node]
        return total


Parts = tuple[Linear, Trees, Linear, Trees]


class HoldOut(Struct, frozen=True, kw_only=True):
    """How a model did on days of this fleet that it had not seen, against the fleet's own share as prevalence.

    `threshold` is the probability from which on enough of the predictions came true on the first of these days (None:
    there was none). Of the later days `alarms` were so high, and `precision` of them came true; its bounds are those of
    as many independent predictions as lifts were alarmed, 90 %.
    """

    rows: int
    lifts: int
    prevalence: float
    skill: float
    skill_rates: float
    ece: float
    threshold: float | None
    precision: float | None
    precision_low: float | None = None
    precision_high: float | None = None
    alarms: int


class HorizonModel(Struct, frozen=True, kw_only=True):
    """What was fitted for one horizon; `weight` is its say against the rates alone, 0 to 1.

    Of whether a lift breaks down, the linear model has `linear_say`, the boosted one the rest, 0 to 1.
    """

    horizon_days: float
    columns: tuple[str, ...]
    logistic: Linear
    boosted: Trees
    count_linear: Linear
    count_boosted: Trees
    weight: float
    linear_say: float
    rows: int
    trained_from: float
    trained_until: float
    held_out: HoldOut


class Prediction(Struct, frozen=True, kw_only=True):
    """By lift of a frame: P(at least one breakdown in the horizon) and their expected number."""

    probability: Floats
    expected: Floats
    rates_probability: Floats
    rates_expected: Floats


def predict(frame: RiskFrame, horizon_days: float, model: HorizonModel | None = None) -> Prediction:
    """Return the predictions for all lifts of a frame; by the rates alone where there is no model.

    Raises:
        ValueError: the model was fitted for another horizon, or to other columns.
    """
    days = frame.days_recorded(horizon_days)
    rates_p, rates_n = frame.base.probability(days), frame.base.expected(days)
    probability, expected = rates_p, rates_n
    if model is not None and model.weight > 0.0:
        _check(frame, horizon_days, model)
        fitted_p, fitted_n = fitted(frame, model)
        share = days / horizon_days
        fitted_p = -np.expm1(share * np.log1p(-np.clip(fitted_p, _EDGE, 1.0 - _EDGE)))
        probability = blended(rates_p, fitted_p, model.weight)
        expected = rates_n ** (1.0 - model.weight) * (fitted_n * share) ** model.weight
    return Prediction(probability=probability, expected=expected, rates_probability=rates_p, rates_expected=rates_n)


def fitted(frame: RiskFrame, model: HorizonModel) -> tuple[Floats, Floats]:
    """Return probability and expected number of the model alone, for a horizon that is wholly recorded."""
    return by_parts(
        (model.logistic, model.boosted, model.count_linear, model.count_boosted),
        columns_of(frame, model.horizon_days),
        frame.base.expected(model.horizon_days),
        model.linear_say,
    )


def by_parts(parts: Parts, columns: Floats, rates: Floats, linear_say: float) -> tuple[Floats, Floats]:
    """Return what the linear and the boosted models say together: log odds by `linear_say`, factors half and half.

    Means are taken in log odds, and in logs of the factor on the rates.
    """
    logistic, boosted, count_linear, count_boosted = parts
    odds = logistic.predict(columns)
    odds = linear_say * odds + (1.0 - linear_say) * boosted.predict(with_column(columns, odds))
    factor = (count_linear.predict(columns) + count_boosted.predict(columns)) / 2.0
    limit = float(np.log(_CORRECTION_MAX))
    return sigmoid(odds), rates * np.exp(np.clip(factor, -limit, limit))


def columns_of(frame: RiskFrame, horizon_days: float, rows: Bools | None = None) -> Floats:
    """Return what the models see: the columns of a frame, squashed, and the log odds of the rates."""
    values = with_column(squashed(frame.values), log_odds(frame.base.probability(horizon_days)))
    return values if rows is None else values[rows]


def squashed(values: Floats) -> Floats:
    """Return values with their tails drawn in, so that no single one rules a linear predictor."""
    return np.sign(values) * np.log1p(np.abs(values))


def with_column(values: Floats, column: Floats) -> Floats:
    """Return the values with one more column."""
    return np.column_stack([values, column])


def blended(first: Floats, second: Floats, weight: float) -> Floats:
    """Return the mean of two probabilities in log odds, `weight` of the second."""
    return sigmoid((1.0 - weight) * log_odds(first) + weight * log_odds(second))


def log_odds(probability: Floats) -> Floats:
    """Return log(p / (1 - p)), kept finite."""
    kept = np.clip(probability, _EDGE, 1.0 - _EDGE)
    return np.log(kept) - np.log1p(-kept)


def sigmoid(odds: Floats) -> Floats:
    """Return the probability of log odds."""
    return 1.0 / (1.0 + np.exp(-np.clip(odds, -30.0, 30.0)))


def _check(frame: RiskFrame, horizon_days: float, model: HorizonModel) -> None:
    if model.horizon_days != horizon_days or model.columns != frame.columns:
        message = f"a model for {model.horizon_days:g} days and {len(model.columns)} columns does not fit"
        raise ValueError(message)
