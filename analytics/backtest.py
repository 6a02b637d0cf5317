"""Predictions as of past days, each made from what was known then alone, beside baselines made from the same. Pure."""

from collections.abc import Iterator, Mapping
from datetime import datetime

import numpy as np
from msgspec import Struct, field, structs

from analytics.outage_history import BREAKDOWN, Floats, Ints, OutageHistory, days_of
from analytics.risk_fit import FrameBook, fit
from analytics.risk_frame import RiskFrame
from analytics.risk_model import HorizonModel, predict
from analytics.risk_rates import AT_RISK_OUTAGE_DAYS, EXPOSURE_DAYS_MIN, Clock, rates
from analytics.wear_signs import WearSigns

OURS = "liftwatch"
PREVALENCE, RAW = "prevalence", "raw 90-day rate"
STATIC, DISCOUNTED = "static empirical Bayes", "discounted empirical Bayes"
BASELINES = (PREVALENCE, RAW, STATIC, DISCOUNTED)
_RAW_DAYS, _BASE_HALF_LIFE = 90.0, 60.0
_HORIZONS_BACK = 52
ORIGINS_MAX = 2_000


class BacktestPlan(Struct, frozen=True, kw_only=True):
    """Which origins and horizons. A model is fitted again once it is `refit_days` old.

    `exposure_days_min`: from how many days at risk on a lift is scored.

    Raises:
        ValueError: no origin, or too many.
    """

    since: datetime
    until: datetime
    every_days: float = 7.0
    horizons: tuple[float, ...] = (7.0, 30.0)
    refit_days: float = 28.0
    exposure_days_min: float = EXPOSURE_DAYS_MIN

    def __post_init__(self) -> None:
        """Hold the bounds."""
        if self.every_days <= 0.0 or min(self.horizons, default=0.0) <= 0.0:
            message = "the step and the horizons are above 0 days, and there is at least one horizon"
            raise ValueError(message)
        if len(self.origins()) > ORIGINS_MAX or not self.origins():
            many = f"more than {ORIGINS_MAX}" if self.origins() else "0"
            message = f"{many} origins every {self.every_days:g} days; 1 to {ORIGINS_MAX} are possible"
            raise ValueError(message)

    def origins(self) -> list[float]:
        """Return the origins in days."""
        first, last = days_of(self.since), days_of(self.until)
        count = int(np.floor((last - first) / self.every_days + 1e-9)) + 1
        return [first + index * self.every_days for index in range(max(min(count, ORIGINS_MAX + 1), 0))]


class Predicted(Struct, frozen=True, kw_only=True):
    """The predictions for one horizon, a row for each lift and origin; `is_scored` where the lift counts.

    `baselines` gives for each name the probabilities and the expected numbers. At `unfitted` of the origins there was
    too little history for a model, or it did no better: there the prediction is the discounted rate alone.
    """

    horizon_days: float
    lift_ids: tuple[str, ...]
    lift: Ints
    day: Floats
    probability: Floats
    expected: Floats
    count: Ints
    first_days: Floats
    is_scored: np.ndarray
    baselines: Mapping[str, tuple[Floats, Floats]] = field(default_factory=dict)
    unfitted: int = 0


def backtest(history: OutageHistory, plan: BacktestPlan, signs: WearSigns | None = None) -> list[Predicted]:
    """Return the predictions by horizon; origins whose horizon goes beyond the end of the history are left out."""
    book = FrameBook(history, signs)
    return [_backtest(book, plan, horizon) for horizon in plan.horizons]


def models_over_time(
    book: FrameBook, origins: list[float], horizon_days: float, refit_days: float
) -> Iterator[tuple[float, HorizonModel | None]]:
    """Yield each origin with the model that would have been in use then."""
    model: HorizonModel | None = None
    fitted_at = -np.inf
    for origin in origins:
        if origin - fitted_at >= refit_days:
            model, fitted_at = fit(book, origin, horizon_days), origin
        yield origin, model


def _backtest(book: FrameBook, plan: BacktestPlan, horizon: float) -> Predicted:
    origins = [origin for origin in plan.origins() if origin + horizon <= book.history.until]
    parts: list[dict[str, np.ndarray]] = []
    unfitted = 0
    for origin, model in models_over_time(book, origins, horizon, plan.refit_days):
        frame = book.at(origin)
        known = frame.known
        unfitted += model is None
        said = predict(frame, horizon, model)
        part = {
            "lift": np.flatnonzero(known),
            "day": np.full(int(known.sum()), origin),
            "probability": said.probability[known],
            "expected": said.expected[known],
            "count": book.history.breakdowns_in(origin, origin + horizon)[known],
            "first_days": _first_days(book.history, origin, horizon)[known],
            "is_scored": frame.counting(plan.exposure_days_min)[known],
        }
        for name, (probability, expected) in baselines_of(book.history, frame, horizon).items():
            part[f"p {name}"], part[f"n {name}"] = probability[known], expected[known]
        parts.append(part)
    return structs.replace(_joined(book.history, horizon, parts), unfitted=unfitted)


def _joined(history: OutageHistory, horizon: float, parts: list[dict[str, np.ndarray]]) -> Predicted:
    names = parts[0] if parts else {}
    columns = {name: np.concatenate([part[name] for part in parts]) for name in names}
    empty = np.empty(0)
    return Predicted(
        horizon_days=horizon,
        lift_ids=history.lift_ids,
        lift=columns.get("lift", empty.astype(np.int64)),
        day=columns.get("day", empty),
        probability=columns.get("probability", empty),
        expected=columns.get("expected", empty),
        count=columns.get("count", empty.astype(np.int64)),
        first_days=columns.get("first_days", empty),
        is_scored=columns.get("is_scored", empty.astype(bool)),
        baselines={name: (columns[f"p {name}"], columns[f"n {name}"]) for name in BASELINES} if parts else {},
    )


def _first_days(history: OutageHistory, origin: float, horizon: float) -> Floats:
    first = np.full(len(history.lift_ids), np.inf)
    chosen = (history.kind == BREAKDOWN) & (history.raised > origin) & (history.raised <= origin + horizon)
    np.minimum.at(first, history.lift[chosen], history.raised[chosen] - origin)
    return first


def baselines_of(history: OutageHistory, frame: RiskFrame, horizon: float) -> dict[str, tuple[Floats, Floats]]:
    """Return what plain methods say at the frame's day, on the calendar and from the same knowledge."""
    clock = Clock.on_calendar(history.as_of(frame.day))
    raw = _raw(clock, horizon)
    static, discounted = rates(clock, float("inf")), rates(clock, _BASE_HALF_LIFE)
    level = static.counted.sum() / max(static.exposure.sum(), 1.0) * horizon
    share = _usual_share(history.as_of(frame.day), frame.day, horizon)
    lifts = len(history.lift_ids)
    return {
        PREVALENCE: (np.full(lifts, share), np.full(lifts, level)),
        RAW: (-np.expm1(-raw), raw),
        STATIC: (static.probability(horizon), static.expected(horizon)),
        DISCOUNTED: (discounted.probability(horizon), discounted.expected(horizon)),
    }


def _usual_share(known: OutageHistory, day: float, horizon: float) -> float:
    """Return the share of lifts that broke down in a horizon, over the horizons so far; a half before there is one."""
    shares: list[float] = []
    begin = float(np.min(known.since, initial=day))
    while day - horizon >= begin and len(shares) < _HORIZONS_BACK:
        day -= horizon
        observed = known.since <= day
        shares.append(float((known.breakdowns_in(day, day + horizon)[observed] > 0).mean()) if observed.any() else 0.5)
    return float(np.mean(shares)) if shares else 0.5


def _raw(clock: Clock, horizon: float) -> Floats:
    history = clock.history
    count = history.breakdowns_in(history.until - _RAW_DAYS, history.until)
    begin = np.maximum(clock.raised + AT_RISK_OUTAGE_DAYS, clock.now - _RAW_DAYS)
    end = np.minimum(clock.cleared, clock.now)
    out = clock.sums(end > begin, end - begin)
    exposure = np.minimum(_RAW_DAYS, clock.now - clock.since) - out
    return count / np.maximum(exposure, 1.0) * horizon
