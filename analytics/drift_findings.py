"""Parts that wear: drifting channels put together by the part that they speak of, in words for a mechanic.

Several channels of one part are one finding. One landing or all of them tells landing door from car door and a
landing's vane from the ropes; the sign by direction tells the encoder.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta

import numpy as np
from msgspec import Struct, structs

from analytics.baseline import Floats
from analytics.daily import WINDOW_DAYS, Block
from analytics.drift import Asked, Drift, drifts
from analytics.findings import Finding
from analytics.series import DailySeries, SeriesKey
from analytics.thresholds import shared
from analytics.wear_channels import REAR_CHANNEL, WEAR_CHANNELS, WearChannel
from analytics.wear_parts import Hit, Landings, Part, parts_of
from analytics.wear_words import drift_finding
from ingest.faults import component_of
from ingest.fleet import Visit, VisitKind

# A series is looked at over so many days; the first of them moves on in steps, so that what was found keeps its day.
_STEP_DAYS = 28
# A landing's value of fewer readings a day is left out: it says more of the odd door cycle than of the door.
_LANDING_COUNT_MIN = 2
_NOW_DAYS, _NORMAL_DAYS, _CHANGE_KNOWN_MIN = 14, 60, 5
# So many days after a repair are needed to see whether it helped; until then what it mends is not said again.
_REPAIR_KNOWN_MIN = 5
_KNOWN_MIN = 30
# So many lifts of a kind on the same day tell what the season does to all of them.
_PEERS_MIN = 5
_EPOCH = date(1970, 1, 1)
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


class _Row(Struct, frozen=True):
    """One series that is asked: which, to which side."""

    key: SeriesKey
    channel: WearChannel
    at: int
    sign: float


def drift_judge(block: Block) -> list[Finding]:
    """Return the parts that are wearing in a block of lifts."""
    return drift_findings(block.series, block.visits, block.as_of)


def drift_findings(series: DailySeries, visits: Sequence[Visit], as_of: datetime) -> list[Finding]:
    """Return the parts that are wearing as of the end of the last day of the series, by lift and part.

    `visits` are those known as of `as_of`. The same series and visits give the same findings.
    """
    series = _recent(series)
    rows = _rows(series)
    if not rows:
        return []
    by_lift = _by_lift(visits)
    values = _values(series, rows)
    found = drifts(
        values,
        Asked(
            scale_min=np.array([row.channel.scale_min for row in rows]),
            allowed=np.array([row.channel.season_per_day for row in rows]),
            more_needed=_more_needed(rows),
            group=np.array([row.at for row in rows]),
        ),
        _visit_days(rows, by_lift, series),
    )
    hits: dict[str, list[Hit]] = defaultdict(list)
    for drift in found:
        row = rows[drift.row]
        hit = _hit(row, drift, values[drift.row])
        if hit is not None and not _is_mended(
            hit, values[drift.row], by_lift.get(row.key.lift_id, ()), series.first_day
        ):
            hits[row.key.lift_id].append(hit)
    landings = _landings(series, rows, set(hits))
    return [
        _finding(lift_id, part, series, as_of)
        for lift_id in sorted(hits)
        for part in parts_of(hits[lift_id], landings[lift_id])
    ]


def _recent(series: DailySeries) -> DailySeries:
    days = series.values.shape[1]
    last = (series.first_day - _EPOCH).days + days
    first = -(-(last - WINDOW_DAYS) // _STEP_DAYS) * _STEP_DAYS
    skipped = max(first - (series.first_day - _EPOCH).days, 0)
    return DailySeries(
        series.keys,
        series.first_day + timedelta(days=skipped),
        series.values[:, skipped:],
        series.counts[:, skipped:],
    )


def _rows(series: DailySeries) -> list[_Row]:
    """Return what is asked, each two-sided channel twice; series with too few days are left out."""
    known = np.isfinite(series.values).sum(axis=1)
    rows = []
    for at, key in enumerate(series.keys):
        channel = WEAR_CHANNELS.get(key.channel.removeprefix(REAR_CHANNEL))
        if channel is None or known[at] < _KNOWN_MIN or (key.floor is not None and not channel.by_landing):
            continue
        rows.append(_Row(key, channel, at, 1.0))
        if channel.two_sided:
            rows.append(_Row(key, channel, at, -1.0))
    return rows


def _values(series: DailySeries, rows: Sequence[_Row]) -> Floats:
    """Return the series turned so that wear makes them rise, without what the season did to them until today."""
    at = np.array([row.at for row in rows])
    is_landing = np.array([row.key.floor is not None for row in rows])
    values = series.values[at] * np.array([row.sign for row in rows])[:, None]
    values[is_landing[:, None] & (series.counts[at] < _LANDING_COUNT_MIN)] = np.nan
    for channel, seasonal in WEAR_CHANNELS.items():
        if seasonal.season_per_day:
            own = [number for number, row in enumerate(rows) if row.key.channel == channel]
            values[own] -= _season(values[own])
    return np.asarray(values)


def _season(values: Floats) -> Floats:
    """Return how far from today's the middle of the lifts was on each day; 0 where they are too few to tell."""
    is_known = np.isfinite(values).sum(axis=0) >= _PEERS_MIN
    if not is_known.any():
        return np.zeros(values.shape[1])
    middle = np.full(values.shape[1], np.nan)
    middle[is_known] = np.nanmedian(values[:, is_known], axis=0)
    return np.where(is_known, middle - np.median(_last_known(middle, _NOW_DAYS)), 0.0)


def _more_needed(rows: Sequence[_Row]) -> Floats:
    """Return how much more evidence each series needs: lift and channel have one budget, half of it for landings."""
    sharing: dict[tuple[str, str, bool], int] = defaultdict(int)
    for row in rows:
        sharing[_sharing(row)] += 1
    halves = 2 if any(row.key.floor is not None for row in rows) else 1
    return np.array([shared(sharing[_sharing(row)] * (halves if row.channel.by_landing else 1)) for row in rows])


def _sharing(row: _Row) -> tuple[str, str, bool]:
    return row.key.lift_id, row.key.channel, row.key.floor is None


def _by_lift(visits: Sequence[Visit]) -> dict[str, list[Visit]]:
    by_lift: dict[str, list[Visit]] = defaultdict(list)
    for visit in visits:
        if visit.kind is not VisitKind.INSPECTION:
            by_lift[visit.lift_id].append(visit)
    return by_lift


def _visit_days(
    rows: Sequence[_Row], by_lift: Mapping[str, Sequence[Visit]], series: DailySeries
) -> dict[int, list[int]]:
    days = series.values.shape[1]
    of_lift = {
        lift_id: sorted({day for visit in visits if 0 < (day := _day(visit, series.first_day)) < days})
        for lift_id, visits in by_lift.items()
    }
    return {number: of_lift[row.key.lift_id] for number, row in enumerate(rows) if of_lift.get(row.key.lift_id)}


def _day(visit: Visit, first_day: date) -> int:
    return (visit.done_at.astimezone(UTC).date() - first_day).days


def _hit(row: _Row, drift: Drift, values: Floats) -> Hit | None:
    """Return the drift with its size; None where it is too small to matter."""
    change = _change(values, drift.start, drift.since)
    if change is None or change < row.channel.least:
        return None
    now = float(np.median(_last_known(values, _NOW_DAYS)))
    if row.channel.two_sided and now < row.channel.least:
        return None  # on its way back to where it should be
    drift = structs.replace(drift, found=_mattered(values, drift, row.channel.least))
    return Hit(
        key=row.key, channel=row.channel, sign=row.sign, drift=drift, change=change, now=row.sign * now, values=values
    )


def _change(values: Floats, start: int, since: int) -> float | None:
    """Return how far the level of the last days is from that before the drift; None where either is not known."""
    before = _last_known(values[start:since], _NORMAL_DAYS)
    now = _last_known(values[since:], _NOW_DAYS)
    if min(len(before), len(now)) < _CHANGE_KNOWN_MIN:
        return None
    return float(np.median(now) - np.median(before))


def _mattered(values: Floats, drift: Drift, least: float) -> int:
    """Return the first day from that of the detection on at which the level was far enough from normal to matter."""
    for day in range(drift.found, len(values)):
        if np.median(_last_known(values[drift.start : day + 1], _NOW_DAYS)) - drift.centre >= least:
            return day
    return drift.found


def _last_known(values: Floats, days: int) -> Floats:
    return np.asarray(values[np.isfinite(values)][-days:])


def _is_mended(hit: Hit, values: Floats, visits: Sequence[Visit], first_day: date) -> bool:
    """Tell whether the part was repaired after the drift was found, so lately that nobody can say whether it helped."""
    for visit in visits:
        day = _day(visit, first_day)
        is_for_it = (
            visit.cause_code is None or _MENDS.get(component_of(visit.cause_code) or "") == hit.channel.mended_as
        )
        if visit.kind is VisitKind.REPAIR and is_for_it and day >= hit.drift.found:
            after = np.isfinite(values[day + 1 :]).sum()
            if after < _REPAIR_KNOWN_MIN:
                return True
    return False


def _landings(series: DailySeries, rows: Sequence[_Row], lift_ids: set[str]) -> dict[str, Landings]:
    """Return the series of each lift by channel, for the question which landings and directions a drift shows at."""
    by_lift: dict[str, Landings] = {lift_id: Landings({}) for lift_id in lift_ids}
    for row in rows:
        if row.key.lift_id in lift_ids and row.sign > 0:
            by_lift[row.key.lift_id].values[row.key] = series.values[row.at]
    return by_lift


def _finding(lift_id: str, part: Part, series: DailySeries, as_of: datetime) -> Finding:
    found_at = datetime.combine(series.first_day + timedelta(days=part.found + 1), time(), UTC)
    return drift_finding(lift_id, part, series.first_day, min(found_at, as_of), as_of)
