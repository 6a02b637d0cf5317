"""Why a lift is likely to break down, in sentences that a mechanic can check. Pure."""

import numpy as np

from analytics.risk_frame import RiskFrame

# Told where other lifts of the site break down half as often again as the fleet, or where something is this recent.
_SITE_RATIO, _RECENT_DAYS = 1.5, 30.0
_BURST = "since_3_breakdowns"


def reasons_of(frame: RiskFrame, place: int) -> list[str]:
    """Return what speaks for and against a breakdown of one lift, the plainest first."""
    row = dict(zip(frame.columns, frame.values[place], strict=True))
    usual = float(frame.recent[frame.known].mean()) if frame.known.any() else 0.0
    count = int(frame.recent[place])
    times = "1 breakdown" if count == 1 else f"{count} breakdowns"
    reasons = [f"{times} in the last 90 days; a lift of this fleet has {usual:.1f}"]
    reasons += _now(row)
    if count:
        reasons.append(f"the last breakdown was {_days(row['since_breakdown'])} ago")
    if row[_BURST] <= _RECENT_DAYS:
        reasons.append(f"three breakdowns within {_days(row[_BURST])}")
    if row["since_long_outage"] <= _RECENT_DAYS and not row["out_days"]:
        reasons.append(
            f"back for {_days(row['since_long_outage'])} after {_days(row['last_long_days'])} out of service"
        )
    ratio = float(np.exp(row["site_60_days"]))
    if ratio >= _SITE_RATIO:
        reasons.append(f"the other lifts of its site break down {ratio:.1f} times as often as the fleet")
    return reasons


def _now(row: dict[str, float]) -> list[str]:
    for name in ("breakdown", "planned", "other"):
        if row[f"out_{name}"]:
            left = float(np.expm1(row["out_left_days"]))
            why = {"breakdown": "a breakdown", "planned": "planned work", "other": "another reason"}[name]
            return [f"out of service for {_days(row['out_days'])} ({why}); such outages take about {_days(left)} more"]
    return []


def _days(days: float) -> str:
    return "a day" if 0.5 <= days < 1.5 else "hours" if days < 0.5 else f"{days:.0f} days"  # noqa: PLR2004 - rounding
