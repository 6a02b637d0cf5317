"""Parts that wear: drifting channels put together by the part that they speak of, in words for a mechanic.

Several channels of one part are one finding. One landing or all of them tells landing door from car door and a
landing's vane from the ropes; the sign by direction tells the encoder.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta

import numpy as np
from msgspec import structs

from analytics.baseline import Floats
from analytics.daily import Block
from analytics.drift import Drift, drifts
from analytics.findings import Finding
from analytics.frequent_days import frequent_hits
from analytics.series import DailySeries
from analytics.thresholds import shared
from analytics.wear_channels import WEAR_CHANNELS
from analytics.wear_parts import Hit, Landings, Part, parts_of
from analytics.wear_rows import CHANNELS, WearRows, lately, wear_rows
from analytics.wear_words import drift_finding
from ingest.faults import component_of
from ingest.fleet import Visit, VisitKind

_NOW_DAYS, _NORMAL_DAYS, _CHANGE_KNOWN_MIN = 14, 60, 5
# So many days after a repair are needed to see whether it helped; until then what it mends is not said again.
_REPAIR_KNOWN_MIN = 5
# Which parts a repair is for, by the component of the cause that was noted.
_MENDS = {
    "door": "door",
    "safety-chain": "door",
    "brake": "brake",
    "levelling": "level",
    "position": "level",
    "drive": "drive",
    "controller": "controller",
    "shaft": "guides",
}


def drift_judge(block: Block) -> list[Finding]:
    """Return the parts that are wearing in a block of lifts."""
    return _findings(block.wear, block.visits, block.as_of)


def drift_findings(series: DailySeries, visits: Sequence[Visit], as_of: datetime) -> list[Finding]:
    """Return the parts that are wearing as of the end of the last day of the series, by lift and part.

    `visits` are those known as of `as_of`. The same series and visits give the same findings.
    """
    return _findings(wear_rows(lately(series)), visits, as_of)


def _findings(rows: WearRows, visits: Sequence[Visit], as_of: datetime) -> list[Finding]:
    if not len(rows.at):
        return []
    by_lift, series = _by_lift(visits), rows.series
    found = drifts(rows, _more_needed(rows), _visit_days(rows, by_lift))
    levels = (_hit(rows, drift) for drift in found if not rows.channel_of(drift.row).counted)
    hits: dict[str, list[Hit]] = defaultdict(list)
    for hit in (*levels, *frequent_hits(series, visits)):
        if hit is not None and not _is_mended(hit, by_lift.get(hit.key.lift_id, ()), series.first_day):
            hits[hit.key.lift_id].append(hit)
    landings = _landings(rows, set(hits))
    return [
        _finding(lift_id, part, series, as_of)
        for lift_id in sorted(hits)
        for part in parts_of(hits[lift_id], landings[lift_id])
    ]


def _more_needed(rows: WearRows) -> Floats:
    """Return how much more evidence each row needs: lift and channel have one budget, half of it for landings.

    The doors of the rear have one of their own.
    """
    names, number = rows.series.channels
    is_rear = np.array([name not in WEAR_CHANNELS for name in names])[number[rows.at]]
    sharing = ((rows.lift * len(CHANNELS) + rows.channel) * 2 + is_rear) * 2 + rows.is_landing
    count = np.bincount(sharing)[sharing]
    halves = 2 if rows.is_landing.any() else 1
    by_landing = np.array([channel.by_landing for channel in CHANNELS])[rows.channel]
    counts, place = np.unique(count * np.where(by_landing, halves, 1), return_inverse=True)
    return np.array([shared(int(each)) for each in counts])[place]


def _by_lift(visits: Sequence[Visit]) -> dict[str, list[Visit]]:
    by_lift: dict[str, list[Visit]] = defaultdict(list)
    for visit in visits:
        if visit.kind is not VisitKind.INSPECTION:
            by_lift[visit.lift_id].append(visit)
    return by_lift


def _visit_days(rows: WearRows, by_lift: Mapping[str, Sequence[Visit]]) -> dict[int, list[int]]:
    series = rows.series
    days = series.values.shape[1]
    of_lift = {
        number: sorted({day for visit in by_lift.get(lift_id, ()) if 0 < (day := _day(visit, series.first_day)) < days})
        for number, lift_id in enumerate(rows.lift_ids)
    }
    return {number: found for number, found in of_lift.items() if found}


def _day(visit: Visit, first_day: date) -> int:
    return (visit.done_at.astimezone(UTC).date() - first_day).days


def _hit(rows: WearRows, drift: Drift) -> Hit | None:
    """Return the drift with its size; None where it is too small to matter."""
    values, channel, sign = rows.values[drift.row], rows.channel_of(drift.row), float(rows.sign[drift.row])
    before = _level_before(values, drift)
    change = None if before is None else _change(values, before, drift)
    if before is None or change is None or change < channel.least:
        return None
    now = float(np.median(_last_known(values, _NOW_DAYS)))
    if channel.two_sided and now < channel.least:
        return None  # on its way back to where it should be
    # The normal of a young series holds days of the drift already.
    drift = structs.replace(drift, centre=min(drift.centre, before))
    drift = structs.replace(drift, found=_mattered(values, drift, channel.least))
    key = rows.key(drift.row)
    return Hit(key=key, channel=channel, sign=sign, drift=drift, change=change, now=sign * now, values=values)


def _level_before(values: Floats, drift: Drift) -> float | None:
    """Return the level before the drift; None where it is not known."""
    before = _last_known(values[drift.start : drift.since], _NORMAL_DAYS)
    return None if len(before) < _CHANGE_KNOWN_MIN else float(np.median(before))


def _change(values: Floats, before: float, drift: Drift) -> float | None:
    """Return how far the level of the last days is from that before the drift; None where it is not known."""
    now = _last_known(values[drift.since :], _NOW_DAYS)
    return None if len(now) < _CHANGE_KNOWN_MIN else float(np.median(now)) - before


def _mattered(values: Floats, drift: Drift, least: float) -> int:
    """Return the first day from that of the detection on at which the level was far enough from normal to matter."""
    for day in range(drift.found, len(values)):
        if np.median(_last_known(values[drift.start : day + 1], _NOW_DAYS)) - drift.centre >= least:
            return day
    return drift.found


def _last_known(values: Floats, days: int) -> Floats:
    return np.asarray(values[np.isfinite(values)][-days:])


def _is_mended(hit: Hit, visits: Sequence[Visit], first_day: date) -> bool:
    """Tell whether the part was repaired after the drift was found, so lately that nobody can say whether it helped."""
    for visit in visits:
        day = _day(visit, first_day)
        is_for_it = (
            visit.cause_code is None or _MENDS.get(component_of(visit.cause_code) or "") == hit.channel.mended_as
        )
        if visit.kind is VisitKind.REPAIR and is_for_it and day >= hit.drift.found:
            after = hit.values[day + 1 :]
            known = len(after) if hit.channel.counted else np.isfinite(after).sum()
            if known < _REPAIR_KNOWN_MIN:
                return True
    return False


def _landings(rows: WearRows, lift_ids: set[str]) -> dict[str, Landings]:
    """Return the series of each lift by channel, for the question which landings and directions a drift shows at."""
    found = {lift_id: Landings({}) for lift_id in lift_ids}
    numbers = [number for number, lift_id in enumerate(rows.lift_ids) if lift_id in lift_ids]
    for row in np.flatnonzero(np.isin(rows.lift, numbers) & (rows.sign > 0)).tolist():
        key = rows.key(row)
        found[key.lift_id].values[key] = rows.series.values[rows.at[row]]
    return found


def _finding(lift_id: str, part: Part, series: DailySeries, as_of: datetime) -> Finding:
    found_at = datetime.combine(series.first_day + timedelta(days=part.found + 1), time(), UTC)
    return drift_finding(lift_id, part, series.first_day, min(found_at, as_of), as_of)
