"""How good the findings of each kind have been on this fleet: precision, lead time, load, calibration. Pure."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta

import numpy as np
from msgspec import Struct
from scipy import special

from analytics.outcomes import EXPECTED, Judged, Outcome

WINDOW_DAYS = 365
INTERVAL = 0.9
_DAYS_A_MONTH = 365.25 / 12
_DAY = timedelta(days=1)
_BINS = 5


class QualitySettings(Struct, frozen=True, kw_only=True):
    """When a kind of finding is no longer good enough to ring: below `precision_floor` over at least `judged_min`.

    Raises:
        ValueError: a floor that is no share, or a verdict on nothing.
    """

    precision_floor: float = 0.5
    judged_min: int = 20

    def __post_init__(self) -> None:
        """Refuse what would judge all or nothing by mistake."""
        if not 0 <= self.precision_floor < 1 or self.judged_min < 1:
            message = "precision_floor is at least 0 and below 1, judged_min at least 1"
            raise ValueError(message)


class CalibrationBin(Struct, frozen=True, kw_only=True):
    """Of `count` judged findings with a confidence from `low` to `high`: their mean confidence, and the share true."""

    low: float
    high: float
    count: int
    confidence: float
    true_share: float


class LeadDays(Struct, frozen=True):
    """Days from telling to the proof: a tenth of the true findings had fewer than `tenth`, and so on."""

    tenth: float
    half: float
    nine_tenths: float


class KindQuality(Struct, frozen=True, kw_only=True):
    """How good one kind was. Shares are None where nothing has been judged; lead times are in days, of true ones.

    `by_chance` is what precision a finding told of any lift at any time would have had; None before the fleet has been
    watched for longer than `days`. `report_only`: it rings no longer.
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
    lead_days: LeadDays | None
    per_lift_month: float | None
    calibration: list[CalibrationBin]
    calibration_error: float | None
    report_only: bool


class Exposure(Struct, frozen=True):
    """How long how many lifts were watched: what counts of findings are held against."""

    lifts: int
    days: float


def quality_of(
    judged: Sequence[Judged],
    by_chance: Sequence[float | None],
    exposure: Exposure,
    settings: QualitySettings | None = None,
) -> list[KindQuality]:
    """Return the quality of each kind that is judged, by name.

    `by_chance` tells of each of `judged` how likely its like is true whenever and wherever told; None: not known.
    """
    settings = settings or QualitySettings()
    places: dict[str, list[int]] = defaultdict(list)
    for place, each in enumerate(judged):
        places[each.finding.kind].append(place)
    return [
        _of_kind(
            kind,
            [judged[place] for place in places[kind]],
            [share for place in places[kind] if (share := by_chance[place]) is not None],
            exposure,
            settings,
        )
        for kind in sorted(EXPECTED)
    ]


def _of_kind(
    kind: str, judged: list[Judged], by_chance: list[float], exposure: Exposure, settings: QualitySettings
) -> KindQuality:
    closed = [each for each in judged if each.outcome is not Outcome.OPEN]
    true = [each for each in closed if each.outcome is Outcome.TRUE]
    low, high = _interval(len(true), len(closed))
    precision = len(true) / len(closed) if closed else None
    lift_months = exposure.lifts * exposure.days / _DAYS_A_MONTH
    bins = _calibration(closed)
    return KindQuality(
        kind=kind,
        days=EXPECTED[kind].days,
        told=len(judged),
        open=len(judged) - len(closed),
        judged=len(closed),
        true=len(true),
        precision=precision,
        precision_low=low,
        precision_high=high,
        by_chance=sum(by_chance) / len(by_chance) if by_chance else None,
        lead_days=_lead_days(true),
        per_lift_month=len(judged) / lift_months if lift_months > 0 else None,
        calibration=bins,
        calibration_error=_calibration_error(bins),
        report_only=precision is not None
        and len(closed) >= settings.judged_min
        and precision < settings.precision_floor,
    )


def _interval(true: int, judged: int) -> tuple[float | None, float | None]:
    """Return the bounds of a share with 90 % certainty (Jeffreys); they touch 0 and 1 where the share does."""
    if not judged:
        return None, None
    tail = (1 - INTERVAL) / 2
    low, high = (float(special.betaincinv(true + 0.5, judged - true + 0.5, share)) for share in (tail, 1 - tail))
    return 0.0 if true == 0 else low, 1.0 if true == judged else high


def _lead_days(true: Sequence[Judged]) -> LeadDays | None:
    """Return how early true findings were told; None without any."""
    if not true:
        return None
    days = [(each.at - each.finding.first_at) / _DAY for each in true if each.at is not None]
    return LeadDays(*(float(each) for each in np.quantile(days, [0.1, 0.5, 0.9])))


def _calibration(closed: Sequence[Judged]) -> list[CalibrationBin]:
    sure = [
        (each.finding.confidence, each.outcome is Outcome.TRUE)
        for each in closed
        if each.finding.confidence is not None
    ]
    bins = []
    for number in range(_BINS):
        low, high = number / _BINS, (number + 1) / _BINS
        inside = [pair for pair in sure if low <= pair[0] < high or (number == _BINS - 1 and pair[0] >= high)]
        if inside:
            bins.append(
                CalibrationBin(
                    low=low,
                    high=high,
                    count=len(inside),
                    confidence=sum(confidence for confidence, _ in inside) / len(inside),
                    true_share=sum(is_true for _, is_true in inside) / len(inside),
                )
            )
    return bins


def _calibration_error(bins: Sequence[CalibrationBin]) -> float | None:
    total = sum(each.count for each in bins)
    return sum(each.count * abs(each.confidence - each.true_share) for each in bins) / total if total else None


def window_of(until: datetime, began_at: datetime | None) -> tuple[datetime, float]:
    """Return since when findings count as of `until`, and for how many days they have been told since then."""
    since = until - WINDOW_DAYS * _DAY
    told_from = since if began_at is None else max(since, began_at)
    return since, max((until - told_from) / _DAY, 0.0)
