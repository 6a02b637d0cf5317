"""A part that wears, as a finding: what, since when, how fast, until when, and where a mechanic looks first. Pure."""

import math
from datetime import date, datetime, timedelta
from typing import Any

from analytics.findings import EVIDENCE_MAX, Finding, FindingKind
from analytics.trends import Trend, days_until, theil_sen
from analytics.wear_channels import PARTS, REAR, WearChannel
from analytics.wear_parts import Hit, Part

# How sure a drift is whose evidence is just at the threshold, in logarithms of odds: 85 %, the precision that is asked
# of alerts there; more evidence adds up as logarithms of likelihoods do.
_LOG_ODDS_AT_THRESHOLD = 1.73
_CONFIDENCE_MAX = 0.99
_LONG_DAYS = 730
_FEW_DAYS = 45


def drift_finding(lift_id: str, part: Part, first_day: date, found_at: datetime, as_of: datetime) -> Finding:
    """Return the finding of one part."""
    hits = [(hit, limit_of(hit), _trend(hit)) for hit in part.hits]
    hits.sort(key=lambda each: (not each[0].channel.leads, each[0].key.floor != part.floor, _soonest(*each)))
    hit, limit, trend = hits[0]
    left = _left(hit, limit, trend)
    return Finding(
        lift_id=lift_id,
        kind=FindingKind.DRIFT,
        channel=hit.key.channel,
        component=part.component,
        floor=part.floor,
        as_of=as_of,
        found_at=found_at,
        value=hit.now,
        limit=limit,
        days_left=left[0],
        confidence=_confidence(max(each.drift.score for each in part.hits)),
        reason=_reason(part, hit, first_day, trend, limit, left),
        evidence=[_evidence(*each, first_day) for each in hits[:EVIDENCE_MAX]],
    )


def _trend(hit: Hit) -> Trend | None:
    """Return how fast the channel moves, as it is read: since it began, or of late where it is clearly slower by now.

    What stepped once, or settles, would else be told to go on as it began.
    """
    turned = hit.values[hit.drift.since :]
    whole, late = theil_sen(turned), theil_sen(turned[len(turned) // 2 :])
    trend = late if whole is not None and late is not None and late.high < whole.slope else whole
    if trend is None or hit.sign > 0:
        return trend
    return Trend(slope=-trend.slope, low=-trend.high, high=-trend.low)


def _soonest(hit: Hit, limit: float, trend: Trend | None) -> float:
    """Return in how many days a channel is at its limit; of those that are as soon there the strongest stays first."""
    if (hit.now - limit) * hit.sign >= 0:
        return 0.0
    days = _left(hit, limit, trend)[0]
    return _LONG_DAYS if days is None else days


def limit_of(hit: Hit) -> float:
    """Return the level at which the channel needs a person, as it is read."""
    channel, centre = hit.channel, hit.sign * hit.drift.centre
    if channel.at is not None:
        return hit.sign * channel.at
    more = channel.own_more if channel.own_more is not None else (channel.own_part or 0.0) * abs(centre)
    return centre + hit.sign * more


def _left(hit: Hit, limit: float, trend: Trend | None) -> tuple[float | None, float | None, float | None]:
    """Return the days until the limit, at the earliest and at the latest; None where it is not on its way there."""
    if trend is None or trend.slope * hit.sign <= 0:
        return None, None, None
    fast, slow = (trend.high, trend.low) if hit.sign > 0 else (trend.low, trend.high)
    middle, early = days_until(hit.now, limit, trend.slope), days_until(hit.now, limit, fast)
    late = days_until(hit.now, limit, slow) if slow * hit.sign > 0 else None
    return _bounded(middle), _bounded(early), _bounded(late)


def _bounded(days: float | None) -> float | None:
    return None if days is None or days > _LONG_DAYS else round(days, 1)


def _confidence(score: float) -> float:
    return round(min(1 / (1 + math.exp(-(_LOG_ODDS_AT_THRESHOLD + score))), _CONFIDENCE_MAX), 3)


def _reason(
    part: Part,
    hit: Hit,
    first_day: date,
    trend: Trend | None,
    limit: float,
    left: tuple[float | None, float | None, float | None],
) -> str:
    name, advice = PARTS[part.component.removeprefix(REAR)]
    rear = " (rear door)" if part.component.startswith(REAR) else ""
    since = first_day + timedelta(days=hit.drift.since)
    normal = hit.sign * hit.drift.centre
    way = f" going {hit.key.direction}" if hit.key.direction else ""
    text = (
        f"{name.format(floor=part.floor)}{rear} {hit.channel.says}{way}: {_at(hit.now, hit)}, normal is "
        f"{_at(normal, hit)}, since about {since}"
    )
    rate = trend.slope * hit.sign if trend is not None else 0.0
    if rate > 0:
        text += f", by {_slope(rate, hit.channel)} a day"
    text += f"; {_until(hit, limit, left, is_nearing=rate > 0)} ({hit.channel.source})."
    also = sorted({each.channel.says for each in part.hits} - {hit.channel.says})
    return text + (f" It also {', '.join(also)}." if also else "") + f" {advice}"


def _until(hit: Hit, limit: float, left: tuple[float | None, float | None, float | None], *, is_nearing: bool) -> str:
    where = f"the limit of {_at(limit, hit)}"
    if (hit.now - limit) * hit.sign >= 0:
        return f"{where} is passed"
    if not is_nearing:
        return f"it does not come nearer to {where}"
    days, early, late = left
    if days is None:
        return f"{where} is more than two years away at this rate"
    return f"{where} in about {_time(days)}{_between(early if early is not None else days, late)}"


def _between(early: float, late: float | None) -> str:
    """Return a span of time, its unit once where both ends have it; nothing where they are the same in words."""
    first, last = _time(early), None if late is None else _time(late)
    if last is None:
        return f" ({first} or later)"
    unit = last.split(" ")[-1]
    return "" if first == last else f" ({first.removesuffix(f' {unit}')} to {last})"


def _time(days: float) -> str:
    return f"{max(days, 0):.0f} days" if days < _FEW_DAYS else f"{days / 7:.0f} weeks"


def _at(value: float, hit: Hit) -> str:
    """Return a level; of the car beside the sill as a mechanic sees it, not as a sign."""
    if hit.key.channel != "error_mm":
        return _said(value, hit.channel)
    text = _said(abs(value), hit.channel)
    return f"{text} {'above' if value > 0 else 'below'} it" if float(text.split(" ")[0]) else text


def _said(value: float, channel: WearChannel) -> str:
    return f"{value:,.{channel.digits}f} {channel.unit}"


def _slope(value: float, channel: WearChannel) -> str:
    """Return a change; a unit of several words has been said with the level."""
    number = f"{value:,.{channel.digits + 1}f}"
    return number if " " in channel.unit else f"{number} {channel.unit}"


def _evidence(hit: Hit, limit: float, trend: Trend | None, first_day: date) -> dict[str, Any]:
    left = _left(hit, limit, trend)
    return {
        "kind": "drift",
        "channel": hit.key.channel,
        "floor": hit.key.floor,
        "direction": hit.key.direction,
        "since": (first_day + timedelta(days=hit.drift.since)).isoformat(),
        "normal": round(hit.sign * hit.drift.centre, 3),
        "now": round(hit.now, 3),
        "limit": round(limit, 3),
        "slope_per_day": None if trend is None else round(trend.slope, 4),
        "slope_per_day_low": None if trend is None else round(trend.low, 4),
        "slope_per_day_high": None if trend is None else round(trend.high, 4),
        "days_left_early": left[1],
        "days_left_late": left[2],
        "log_likelihood_above_threshold": round(hit.drift.score, 2),
    }
