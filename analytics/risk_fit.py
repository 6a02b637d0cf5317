"""Models of risk, fitted to the history of a fleet: the only place with scikit-learn.

What comes out are arrays (`risk_model`): predicting needs no scikit-learn, and a stored model no trust in code.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from msgspec import Struct, structs
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.linear_model import LogisticRegression, PoissonRegressor

from analytics.outage_history import Floats, Ints, OutageHistory
from analytics.risk_frame import RiskFrame, frame_of
from analytics.risk_model import (
    HoldOut,
    HorizonModel,
    Linear,
    Parts,
    Trees,
    blended,
    by_parts,
    columns_of,
    with_column,
)
from analytics.scoring import brier_skill, calibration_error, share_interval, threshold_for
from analytics.wear_signs import WearSigns

# Origins of training rows: the last 60 of every sixth day. With 600 lifts that is a year and 36,000 rows.
STEP_DAYS, ORIGINS_MAX, ROWS_MAX = 6.0, 60, 40_000
# The first two months of a log teach nothing: rates are not known yet.
WARM_DAYS = 60.0
# What rows teach fades: lifts, and what is written down of them, change.
_TEACHING_HALF_LIFE_DAYS = 180.0
# A model needs this much, or the rates stand alone.
ORIGINS_MIN, ROWS_MIN, OUTCOMES_MIN = 8, 1_000, 150
# A label over whose window the log paused for longer is none.
_PAUSED_DAYS, _PAUSED_SHARE = 0.3, 0.05
_HELD_OUT_SHARE = 0.25
# The first that is no worse than the rates alone (0) on days that it had not seen.
_WEIGHTS = (1.0, 0.5, 0.0)
# How much the linear model has to say beside the boosted one. Trees see better how worn a lift looks: where lifts tell,
# they may have more of it, as far as that did best on days that neither had seen. (Of history alone the two know as
# much, and what is chosen on held-out days would be chance.)
_LINEAR_SAY, _LINEAR_SAYS_OF_SIGNS = 0.5, (0.5, 1 / 3, 0.0)
PRECISION_MIN, ALARMS_MIN = 0.85, 30
_TREES: dict[str, Any] = {
    "learning_rate": 0.05,
    "max_iter": 60,
    "max_leaf_nodes": 6,
    "min_samples_leaf": 200,
    "l2_regularization": 30.0,
    "max_bins": 64,
    "max_features": 0.5,
    "random_state": 0,
    "early_stopping": False,
}
_LOGISTIC_C, _POISSON_ALPHA = 0.01, 0.01


class _Rows(Struct, frozen=True):
    """Training rows: `columns` of `risk_model.columns_of`, what the rates expect, what came, whose, when."""

    columns: Floats
    rates: Floats
    rates_probability: Floats
    count: Ints
    lift: Ints
    day: Floats

    @property
    def outcome(self) -> Floats:
        return (self.count > 0).astype(np.float64)

    @property
    def say(self) -> Floats:
        """How much each row teaches, 1 on average."""
        say = np.exp2((self.day - self.day.max()) / _TEACHING_HALF_LIFE_DAYS)
        return np.asarray(say / say.mean())


class _Shares(Struct, frozen=True):
    """What was chosen on held-out days: the say of the models against the rates, and of the linear one among them."""

    weight: float
    linear_say: float


class FrameBook:
    """Frames of one history by day, made once; a frame knows nothing of later, so they serve every later origin."""

    def __init__(self, history: OutageHistory, signs: WearSigns | None = None) -> None:
        """Take frames from `history`, and from `signs` where lifts tell how worn they are."""
        self.history = history
        self._signs = signs
        told = set(history.lift_ids if signs is None else signs.lift_ids)
        # Of a large fleet signs are made of some lifts only; the others teach nothing then.
        self.teaching = np.array([lift_id in told for lift_id in history.lift_ids], dtype=bool)
        self.pauses = history.pauses()
        self._frames: dict[float, RiskFrame] = {}

    @property
    def has_signs(self) -> bool:
        """Tell whether frames have columns of wear."""
        return self._signs is not None

    def at(self, day: float) -> RiskFrame:
        """Return the frame as of `day`."""
        if day not in self._frames:
            self._frames[day] = frame_of(self.history, day, self._signs)
        return self._frames[day]


def teaches_nothing(history: OutageHistory, day: float, horizon_days: float) -> bool:
    """Tell, cheaply, whether there is too little to fit a model for `day`."""
    return _is_too_little(history, day, origins_before(FrameBook(history), day, horizon_days))


def _is_too_little(history: OutageHistory, day: float, origins: Sequence[float]) -> bool:
    rows = len(origins) * len(history.lift_ids)
    return len(origins) < ORIGINS_MIN or rows < ROWS_MIN or history.as_of(day).raised.size < OUTCOMES_MIN


def fit(book: FrameBook, day: float, horizon_days: float) -> HorizonModel | None:
    """Return a model for predictions from `day` on; None where there is too little to fit one, or it does no better.

    A gap of at least the horizon lies between the last label and `day`: the labels of the last training rows end one
    horizon before it. The model's say is chosen, and its scores are made, on the last quarter of the training days by a
    model that was fitted to those before them with the same gap.
    """
    origins = origins_before(book, day, horizon_days)
    if _is_too_little(book.history, day, origins):
        return None
    late = origins[-max(round(len(origins) * _HELD_OUT_SHARE), 2) :]
    early = [origin for origin in origins if origin + 2.0 * horizon_days <= late[0]]
    first, whole = _rows(book, early, horizon_days), _rows(book, origins, horizon_days)
    if first is None or whole is None or not (_is_enough(first) and _is_enough(whole)):
        return None
    parts = _fit_parts(first)
    says = _LINEAR_SAYS_OF_SIGNS if book.has_signs else (_LINEAR_SAY,)
    shares, held_out = _judged(parts, _rows(book, late, horizon_days), says)
    if shares.weight == 0.0 or held_out is None:
        return None
    held_out = _with_threshold(held_out, parts, shares, _rows_apart(book, late, horizon_days))
    logistic, boosted, count_linear, count_boosted = _fit_parts(whole)
    return HorizonModel(
        horizon_days=horizon_days,
        columns=book.at(origins[-1]).columns,
        logistic=logistic,
        boosted=boosted,
        count_linear=count_linear,
        count_boosted=count_boosted,
        weight=shares.weight,
        linear_say=shares.linear_say,
        rows=whole.count.size,
        trained_from=origins[0],
        trained_until=origins[-1] + horizon_days,
        held_out=held_out,
    )


def origins_before(book: FrameBook, day: float, horizon_days: float) -> list[float]:
    """Return the days from which training rows look ahead: multiples of six days, whichever day is asked about."""
    begin = float(np.min(book.history.since, initial=day)) + WARM_DAYS
    last = np.floor((day - 2.0 * horizon_days) / STEP_DAYS) * STEP_DAYS
    days = [float(last - index * STEP_DAYS) for index in range(ORIGINS_MAX)]
    limit = _PAUSED_DAYS + _PAUSED_SHARE * horizon_days
    known = book.history.as_of(day).pauses()
    return sorted(item for item in days if item >= begin and known.days_in(item, item + horizon_days) <= limit)


def _rows(book: FrameBook, origins: Sequence[float], horizon_days: float) -> _Rows | None:
    parts = []
    every = 1 + sum(int((book.at(origin).counting() & book.teaching).sum()) for origin in origins) // ROWS_MAX
    for index, origin in enumerate(origins):
        frame = book.at(origin)
        chosen = frame.counting() & book.teaching & ((np.arange(len(frame.lift_ids)) + index) % every == 0)
        parts.append(
            _Rows(
                columns_of(frame, horizon_days, chosen),
                frame.base.expected(horizon_days)[chosen],
                frame.base.probability(horizon_days)[chosen],
                book.history.breakdowns_in(origin, origin + horizon_days)[chosen],
                np.flatnonzero(chosen),
                np.full(int(chosen.sum()), origin),
            )
        )
    if not parts:
        return None
    return _Rows(*(np.concatenate([getattr(part, name) for part in parts]) for name in _Rows.__struct_fields__))


def _is_enough(rows: _Rows) -> bool:
    hits = int(rows.outcome.sum())
    return rows.count.size >= ROWS_MIN and min(hits, rows.count.size - hits) >= OUTCOMES_MIN


def _judged(parts: Parts, rows: _Rows | None, says: Sequence[float]) -> tuple[_Shares, HoldOut | None]:
    if rows is None or rows.count.size == 0:
        return _Shares(0.0, says[0]), None
    outcome = rows.outcome
    of_says = {say: by_parts(parts, rows.columns, rows.rates, say)[0] for say in says}
    linear_say = max(says, key=lambda say: brier_skill(of_says[say], outcome))
    probability = of_says[linear_say]
    skills = {weight: brier_skill(blended(rows.rates_probability, probability, weight), outcome) for weight in _WEIGHTS}
    weight = next(weight for weight in _WEIGHTS if skills[weight] >= skills[0.0])
    said = blended(rows.rates_probability, probability, weight)
    return _Shares(weight, linear_say), HoldOut(
        rows=rows.count.size,
        lifts=int(np.unique(rows.lift).size),
        prevalence=float(outcome.mean()),
        skill=skills[weight],
        skill_rates=skills[0.0],
        ece=calibration_error(said, outcome),
        threshold=None,
        precision=None,
        alarms=0,
    )


def _rows_apart(book: FrameBook, late: Sequence[float], horizon_days: float) -> tuple[_Rows | None, _Rows | None]:
    """Return the rows that a threshold is chosen on, and later ones, a horizon apart, that tell what it is worth.

    The later half; of a young log what is left of it a horizon after the first.
    """
    far_enough = next((at for at, origin in enumerate(late) if origin >= late[0] + horizon_days), len(late) - 1)
    after = late[max(len(late) // 2, far_enough) :]
    before = [origin for origin in late if origin + horizon_days <= after[0]]
    return _rows(book, before, horizon_days), _rows(book, after, horizon_days)


def _with_threshold(
    held_out: HoldOut, parts: Parts, shares: _Shares, apart: tuple[_Rows | None, _Rows | None]
) -> HoldOut:
    chosen_on, shown_on = apart
    if chosen_on is None or shown_on is None or not chosen_on.count.size or not shown_on.count.size:
        return held_out
    threshold = threshold_for(_said(parts, chosen_on, shares), chosen_on.outcome, PRECISION_MIN, ALARMS_MIN)
    if threshold is None:
        return held_out
    alarmed = _said(parts, shown_on, shares) >= threshold
    lifts, share = int(np.unique(shown_on.lift[alarmed]).size), None
    low = high = None
    if lifts:
        share = float(shown_on.outcome[alarmed].mean())
        low, high = share_interval(share, lifts)
    return structs.replace(
        held_out,
        threshold=threshold,
        precision=share,
        precision_low=low,
        precision_high=high,
        alarms=int(alarmed.sum()),
    )


def _said(parts: Parts, rows: _Rows, shares: _Shares) -> Floats:
    probability, _ = by_parts(parts, rows.columns, rows.rates, shares.linear_say)
    return blended(rows.rates_probability, probability, shares.weight)


def _fit_parts(rows: _Rows) -> Parts:
    mean, scale = rows.columns.mean(axis=0), rows.columns.std(axis=0)
    scale = np.where(scale > 0.0, scale, 1.0)
    standard = (rows.columns - mean) / scale
    logistic = LogisticRegression(C=_LOGISTIC_C, max_iter=500).fit(standard, rows.count > 0, sample_weight=rows.say)
    linear = Linear(mean, scale, logistic.coef_[0], float(logistic.intercept_[0]))
    seen = with_column(rows.columns, linear.predict(rows.columns))
    boosted = HistGradientBoostingClassifier(**_TREES).fit(seen, rows.count > 0, sample_weight=rows.say)
    factor, say = rows.count / rows.rates, rows.rates * rows.say
    counts = PoissonRegressor(alpha=_POISSON_ALPHA, max_iter=500).fit(standard, factor, sample_weight=say)
    count_linear = Linear(mean, scale, counts.coef_, float(counts.intercept_))
    count_boosted = HistGradientBoostingRegressor(loss="poisson", **_TREES)
    count_boosted.fit(rows.columns, factor, sample_weight=say)
    return linear, _trees_of(boosted), count_linear, _trees_of(count_boosted)


def _trees_of(model: Any) -> Trees:  # noqa: ANN401 - either of the two boosted models; the library is untyped
    """Return boosted trees as arrays. They are private to the library; a test holds both to the same predictions."""
    nodes = [predictors[0].nodes for predictors in model._predictors]  # noqa: SLF001 - see above
    lengths = [tree.size for tree in nodes]
    table = np.concatenate(nodes) if nodes else np.empty(0, dtype=[])
    return Trees(
        column=table["feature_idx"].astype(np.int64),
        threshold=table["num_threshold"].astype(np.float64),
        left=np.where(table["is_leaf"] == 1, 0, table["left"]).astype(np.int64),
        right=table["right"].astype(np.int64),
        value=table["value"].astype(np.float64),
        first=np.cumsum([0, *lengths[:-1]]).astype(np.int64),
        baseline=float(np.ravel(model._baseline_prediction)[0]),  # noqa: SLF001 - see above
    )
