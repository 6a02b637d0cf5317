"""What a plain logistic regression and plain boosted trees say of the same rows: baselines for the models of risk.

Both see counts of 7, 30 and 90 days and discounted rates on the calendar, and are fitted again every 28 days to weekly
origins whose labels end one horizon before. Nothing was tuned.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from msgspec import structs
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from analytics.backtest import DISCOUNTED, Predicted
from analytics.outage_history import Bools, Floats, OutageHistory
from analytics.risk_rates import AT_RISK_OUTAGE_DAYS, EXPOSURE_DAYS_MIN, Clock, rates

LOGISTIC, BOOSTED, MEAN = "logistic regression", "gradient boosting", "mean of those and discounted"
HALF_LIVES, WINDOWS = (14.0, 60.0, 180.0), (7.0, 30.0, 90.0)
STEP_DAYS, REFIT_DAYS, WARM_DAYS = 7.0, 28.0, 60.0


def with_models(history: OutageHistory, predicted: Predicted) -> Predicted:
    """Return predictions with three more baselines; expected numbers are those that the probabilities imply."""
    probabilities: dict[str, list[Floats]] = {LOGISTIC: [], BOOSTED: []}
    models: dict[str, Any] | None = None
    fitted_at = -np.inf
    for day in np.unique(predicted.day):
        if day - fitted_at >= REFIT_DAYS:
            models, fitted_at = _fitted(history, float(day), predicted.horizon_days), day
        rows = predicted.day == day
        columns, _ = columns_of(history, float(day))
        chosen = columns[predicted.lift[rows]]
        base = predicted.baselines[DISCOUNTED][0][rows]
        for name, said in probabilities.items():
            said.append(base if models is None else models[name].predict_proba(chosen)[:, 1])
    if not predicted.day.size:
        return predicted
    found = {name: np.concatenate(said) for name, said in probabilities.items()}
    found[MEAN] = (found[LOGISTIC] + found[BOOSTED] + predicted.baselines[DISCOUNTED][0]) / 3.0
    return structs.replace(predicted, baselines=_joined(predicted.baselines, found))


def _joined(told: Mapping[str, tuple[Floats, Floats]], found: Mapping[str, Floats]) -> dict[str, tuple[Floats, Floats]]:
    counts = {name: (p, -np.log1p(-np.minimum(p, 0.9999))) for name, p in found.items()}
    return {**told, **counts}


def columns_of(history: OutageHistory, day: float) -> tuple[Floats, Bools]:
    """Return counts and logs of discounted rates by lift at a day, and which lifts count."""
    known = history.as_of(day)
    clock = Clock.on_calendar(known)
    counts = [known.breakdowns_in(day - window, day).astype(np.float64) for window in WINDOWS]
    of = [np.log(rates(clock, half_life).expected(1.0)) for half_life in HALF_LIVES]
    age = day - known.raised
    standing = np.zeros(len(known.lift_ids), dtype=bool)
    standing[known.lift[~np.isfinite(known.cleared) & (age >= AT_RISK_OUTAGE_DAYS)]] = True
    long = np.isfinite(known.since) & (day - known.since >= EXPOSURE_DAYS_MIN)
    return np.column_stack(counts + of), long & ~standing & ~np.isfinite(known.until_of)


def _fitted(history: OutageHistory, day: float, horizon: float) -> dict[str, Any] | None:
    begin = float(np.min(history.as_of(day).since, initial=day)) + WARM_DAYS
    origins = np.arange(day - 2.0 * horizon, begin, -STEP_DAYS)
    columns, outcomes = [], []
    for origin in origins:
        values, chosen = columns_of(history, float(origin))
        columns.append(values[chosen])
        outcomes.append(history.breakdowns_in(float(origin), float(origin) + horizon)[chosen] > 0)
    if not columns or np.unique(np.concatenate(outcomes)).size < 2:
        return None
    seen, outcome = np.concatenate(columns), np.concatenate(outcomes)
    logistic = make_pipeline(StandardScaler(), LogisticRegression(max_iter=500))
    boosted = HistGradientBoostingClassifier(max_iter=100, learning_rate=0.05, early_stopping=False, random_state=0)
    return {LOGISTIC: logistic.fit(seen, outcome), BOOSTED: boosted.fit(seen, outcome)}
