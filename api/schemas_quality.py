"""What the API says of how good findings are."""

from datetime import datetime

from pydantic import BaseModel

from analytics.quality_reader import Quality


class CalibrationBinView(BaseModel):
    """Of `count` judged findings with a confidence from `low` to `high`: their mean confidence, and the share true."""

    low: float
    high: float
    count: int
    confidence: float
    true_share: float


class LeadDaysView(BaseModel):
    """Days from telling to the proof: a tenth of the true findings had fewer than `tenth`, and so on."""

    tenth: float
    half: float
    nine_tenths: float


class KindQualityView(BaseModel):
    """How good one kind of finding was.

    A finding has `days` to come true. `precision` is the share that did, of those `judged`, with 90 % certainty between
    `precision_low` and `precision_high`; `by_chance` is what findings of any lift at any time would have had (null: not
    known yet). `report_only`: it raises no alerts any more.
    """

    kind: str
    days: int
    told: int
    open: int
    judged: int
    true: int
    precision: float | None
    precision_low: float | None
    precision_high: float | None
    by_chance: float | None
    lead_days: LeadDaysView | None
    per_lift_month: float | None
    calibration: list[CalibrationBinView]
    calibration_error: float | None
    report_only: bool


class QualityView(BaseModel):
    """How good the findings told from `since` to `until` were; a kind below `precision_floor` rings no longer."""

    since: datetime
    until: datetime
    precision_floor: float
    judged_min: int
    items: list[KindQualityView]
    next: str | None


def quality_view(quality: Quality) -> QualityView:
    """Return the quality of all kinds."""
    return QualityView(
        since=quality.since,
        until=quality.until,
        precision_floor=quality.settings.precision_floor,
        judged_min=quality.settings.judged_min,
        items=[KindQualityView.model_validate(each, from_attributes=True) for each in quality.kinds],
        next=None,
    )
