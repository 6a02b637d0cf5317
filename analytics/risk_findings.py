"""Lifts that are likely to break down, found where it is known how often such words come true. Pure."""

from collections.abc import Mapping
from datetime import datetime

import numpy as np

from analytics.findings import Finding, FindingKind, rfc3339
from analytics.outage_history import instant_of
from analytics.risk_book import FleetRisk
from analytics.risk_model import HorizonModel

LIKELY_DAYS = 30.0
# A probability moves by a few points from day to day: one that is near the threshold would come and go.
STAYS_ODDS = 0.5
_SURE, _REASONS_SAID = 0.99, 3


def breakdowns_likely(
    risk: FleetRisk, as_of: datetime, standing: Mapping[str, datetime] | None = None
) -> list[Finding]:
    """Return the lifts whose probability within 30 days is at least the model's threshold, ordered by lift.

    Of lifts in `standing` (by lift since when) it was found before: there it stands until the probability is clearly
    below. Nothing is found by a model that was not scored on this fleet, or where no probability was sure enough.
    `value` and `confidence` are the probability, `limit` is the threshold, both 0 to 1.
    """
    model = risk.models.get(LIKELY_DAYS)
    limit = None if model is None else likely_from(model)
    if model is None or limit is None:
        return []
    said = risk.predictions[LIKELY_DAYS].probability
    stays, standing = likely_until(model, limit), standing or {}
    stood = np.array([lift_id in standing for lift_id in risk.frame.lift_ids], dtype=bool)
    places = np.flatnonzero(risk.frame.counting() & (said >= np.where(stood, stays, limit)))
    found = []
    for place in places.tolist():
        since = standing.get(risk.frame.lift_ids[place])
        bar = limit if since is None or said[place] >= limit else stays
        found.append(_likely(risk, model, place, bar, as_of, since))
    return sorted(found, key=lambda finding: finding.lift_id)


def likely_from(model: HorizonModel) -> float | None:
    """Return from which probability on it is worth a finding: sure enough, and halfway from the fleet's share to 1.

    In a fleet where most lifts break down within a month, that one will is no news.
    """
    if model.held_out.threshold is None:
        return None
    return max(model.held_out.threshold, (1.0 + model.held_out.prevalence) / 2.0)


def likely_until(model: HorizonModel, limit: float) -> float:
    """Return below which probability a finding is over: at `STAYS_ODDS` of the odds, but never down at the usual."""
    return max(limit * STAYS_ODDS / (1.0 - limit * (1.0 - STAYS_ODDS)), model.held_out.prevalence)


def _percent(share: float) -> str:
    """Return a share in whole percent; nothing that is to come is certain."""
    return "more than 99%" if share > _SURE else f"{share:.0%}"


def _likely(
    risk: FleetRisk, model: HorizonModel, place: int, limit: float, as_of: datetime, since: datetime | None
) -> Finding:
    scores, probability = model.held_out, float(risk.predictions[LIKELY_DAYS].probability[place])
    reasons, usual = risk.reasons(place, LIKELY_DAYS), f"{scores.prevalence:.0%}"
    why = "; ".join(reason.text for reason in reasons[:_REASONS_SAID])
    why = f"{why[:1].upper()}{why[1:]}"
    still = "" if since is None else "still "
    return Finding(
        lift_id=risk.frame.lift_ids[place],
        kind=FindingKind.BREAKDOWN_LIKELY,
        as_of=as_of,
        found_at=since or risk.as_of,
        value=probability,
        limit=limit,
        confidence=probability,
        reason=f"A breakdown within {LIKELY_DAYS:g} days is {still}likely: {_percent(probability)}, "
        f"of this fleet's lifts {usual} have one in that time. {why}",
        evidence=[
            {
                "kind": "forecast",
                "horizon_days": LIKELY_DAYS,
                "probability": round(probability, 4),
                "expected_count": round(float(risk.predictions[LIKELY_DAYS].expected[place]), 3),
                "base_rate": round(scores.prevalence, 4),
                "reasons": [reason.text for reason in reasons],
                "odds_ratios": [reason.odds_ratio for reason in reasons],
                "model_until": rfc3339(instant_of(model.trained_until)),
                "brier_skill": round(scores.skill, 4),
                "calibration_error": round(scores.ece, 4),
                "precision": scores.precision,
                "precision_low": scores.precision_low,
                "precision_high": scores.precision_high,
                "alarms": scores.alarms,
            }
        ],
    )
