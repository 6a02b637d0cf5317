"""What the API says of risk: how likely, why, beside what, and how good such words were."""

from datetime import datetime
from typing import Literal

import numpy as np
from pydantic import BaseModel

from analytics.outage_history import instant_of
from analytics.risk_book import HORIZONS, FleetRisk
from analytics.risk_model import HorizonModel
from analytics.risk_reasons import Reason


class RiskScoreView(BaseModel):
    """How the model did on the last quarter of its training days, of this fleet, which it had not seen then.

    Brier skill is against always saying the `prevalence`; `rates_brier_skill` is that of the empirical Bayes rates.
    From the probability `threshold` on enough predictions came true on the first of these days; of the later ones
    `alarms` were so high, of which the share `precision` came true (bounds: 90 %).
    """

    rows: int
    lifts: int
    prevalence: float
    brier_skill: float
    rates_brier_skill: float
    calibration_error: float
    threshold: float | None
    precision: float | None
    precision_low: float | None
    precision_high: float | None
    alarms: int
    trained_from: datetime
    trained_until: datetime


class HorizonRiskView(BaseModel):
    """P(at least one breakdown) and the expected number within a horizon, and the same of a mean lift of the fleet.

    `method`: `model`, or `rates` where there is too little history for a model that does better; then `score` is null.
    """

    horizon_days: int
    probability: float
    expected_count: float
    base_probability: float
    base_expected_count: float
    method: Literal["model", "rates"]
    score: RiskScoreView | None


class ComponentRiskView(BaseModel):
    """The same within 30 days by component, by the rates of the last year; a code that is not canonical is its own."""

    component: str
    probability: float
    expected_count: float


class ReasonView(BaseModel):
    """A reason of the 30-day forecast; the odds are so many times those of a lift usual in it (null by rates)."""

    reason: str
    odds_ratio: float | None


class LiftRiskView(BaseModel):
    """What is predicted of a lift from the midnight `predicted_at` on. `at_risk` false: it stands for long already.

    `provisional`: the models of this week are being fitted, meanwhile older ones speak, or the rates; ask again soon.
    """

    lift_id: str
    as_of: datetime
    predicted_at: datetime
    observed_days: float
    at_risk: bool
    provisional: bool
    horizons: list[HorizonRiskView]
    components: list[ComponentRiskView]
    reasons: list[str]
    weighed_reasons: list[ReasonView]


def lift_risk_view(risk: FleetRisk, place: int, as_of: datetime) -> LiftRiskView:
    """Return what is predicted of one lift."""
    components = risk.components(place, HORIZONS[-1])
    reasons: list[Reason] = risk.reasons(place, HORIZONS[-1])
    return LiftRiskView(
        lift_id=risk.frame.lift_ids[place],
        as_of=as_of,
        predicted_at=risk.as_of,
        observed_days=round(float(risk.frame.exposure[place]), 1),
        at_risk=bool(risk.frame.known[place] and not risk.frame.standing[place]),
        provisional=risk.is_provisional,
        horizons=[_horizon_view(risk, place, horizon) for horizon in HORIZONS],
        components=[
            ComponentRiskView(component=name, probability=round(chance, 4), expected_count=round(count, 4))
            for name, (chance, count) in components.items()
        ],
        reasons=[reason.text for reason in reasons],
        weighed_reasons=[ReasonView(reason=each.text, odds_ratio=each.odds_ratio) for each in reasons],
    )


def _horizon_view(risk: FleetRisk, place: int, horizon: float) -> HorizonRiskView:
    said, model = risk.predictions[horizon], risk.models[horizon]
    known = risk.frame.known if risk.frame.known.any() else np.ones_like(risk.frame.known)
    return HorizonRiskView(
        horizon_days=int(horizon),
        probability=round(float(said.probability[place]), 4),
        expected_count=round(float(said.expected[place]), 4),
        base_probability=round(float(said.probability[known].mean()), 4),
        base_expected_count=round(float(said.expected[known].mean()), 4),
        method="rates" if model is None else "model",
        score=None if model is None else _score_view(model),
    )


def _score_view(model: HorizonModel) -> RiskScoreView:
    scores = model.held_out
    return RiskScoreView(
        rows=scores.rows,
        lifts=scores.lifts,
        prevalence=round(scores.prevalence, 4),
        brier_skill=round(scores.skill, 4),
        rates_brier_skill=round(scores.skill_rates, 4),
        calibration_error=round(scores.ece, 4),
        threshold=scores.threshold,
        precision=scores.precision,
        precision_low=scores.precision_low,
        precision_high=scores.precision_high,
        alarms=scores.alarms,
        trained_from=instant_of(model.trained_from),
        trained_until=instant_of(model.trained_until),
    )
