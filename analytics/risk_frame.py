"""What the models of risk know of each lift at an instant: one row a lift, from a history that was cut there. Pure.

Every column is in times of the fleet's own level (log ratios), in days or in shares, so that a fleet with more
breakdowns than another, or a season with more than the last, looks alike. Days run on the clock of the log.
"""

import numpy as np
from msgspec import Struct, structs

from analytics.outage_history import BREAKDOWN, PLANNED, Bools, Floats, Ints, OutageHistory
from analytics.risk_rates import AT_RISK_OUTAGE_DAYS, EXPOSURE_DAYS_MIN, Clock, Rates, rates
from analytics.wear_signs import COLUMNS as SIGN_COLUMNS
from analytics.wear_signs import WearSigns

RATE_HALF_LIVES = (3.0, 7.0, 14.0, 30.0, 60.0, 120.0, 360.0)
BASE_HALF_LIFE = 60.0
_SITE_HALF_LIVES = (2.0, 14.0, 60.0, 360.0)
_WINDOWS = (7.0, 30.0, 90.0)
# Over which breakdowns are counted for people.
COUNTED_DAYS = 90.0
_KIND_HALF_LIVES = (7.0, 30.0, 90.0)
_NTH = (2, 3, 5, 8)
# Weeks, and months of four, in which breakdowns are counted apart: whether they become more or fewer.
_SPANS = ((0.0, 7.0), (7.0, 14.0), (14.0, 28.0), (28.0, 56.0), (56.0, 84.0))
_RETURN_HALF_LIVES = (1.0, 2.0, 5.0)
_SPAN_COUNT, _BURST_COUNT = 0.5, 2.0
_LONG_AGO = 400.0
_LONG_DAYS = 7.0
_OTHER = -1  # every kind of outage that is neither a breakdown nor planned
_KIND_NAMES = {BREAKDOWN: "breakdown", PLANNED: "planned", _OTHER: "other"}
# A pause that goes on lasts as long again as pauses have lasted; before any has been seen, three days.
_PAUSE_DAYS, _PAUSE_WEIGHT = 3.0, 1.0
_STAY_WEIGHT = 10.0


class RiskFrame(Struct, frozen=True, kw_only=True):
    """One row for each lift of a history: `values` has the shape (lifts, columns), `columns` their names.

    `known` says which lifts are observed at all, `standing` which stand for so long that they are not at risk,
    `exposure` for how many days each has been at risk. `base` are the rates that the models correct. `recent` counts
    breakdowns of the last 90 days, for people, and `recent_days` on how many of them the lift was observed. While the
    log pauses it `is_paused`; pauses have taken `pause_share` of the time, and last `pause_days`.
    """

    lift_ids: tuple[str, ...]
    columns: tuple[str, ...]
    values: Floats
    base: Rates
    known: Bools
    standing: Bools
    exposure: Floats
    recent: Ints
    recent_days: Floats
    day: float
    pause_share: float
    pause_days: float
    is_paused: bool

    def counting(self, exposure_days_min: float = EXPOSURE_DAYS_MIN) -> Bools:
        """Return which lifts are at risk, and known for long enough to be scored."""
        return self.known & ~self.standing & (self.exposure >= exposure_days_min)

    def only(self, columns: tuple[str, ...]) -> "RiskFrame":
        """Return the frame with no other than these columns.

        Raises:
            ValueError: it has not all of them.
        """
        if columns == self.columns:
            return self
        return structs.replace(
            self, columns=columns, values=self.values[:, [self.columns.index(name) for name in columns]]
        )

    def days_recorded(self, horizon_days: float) -> float:
        """Return how many of the next days will be in the log, as far as its pauses until now tell."""
        left = horizon_days
        if self.is_paused:  # the mean of max(horizon - rest, 0) where rests are exponential
            left -= self.pause_days * -np.expm1(-horizon_days / self.pause_days)
        return float(left * (1.0 - self.pause_share))


def frame_of(history: OutageHistory, day: float, signs: WearSigns | None = None) -> RiskFrame:
    """Return what is known of the lifts at `day`; whatever `history` and `signs` hold of later is cut off first."""
    clock = Clock.of(history.as_of(day))
    base = rates(clock, BASE_HALF_LIFE)
    columns: dict[str, Floats] = {}
    columns |= _rate_columns(clock)
    columns |= _span_columns(clock)
    columns |= _burst_columns(clock)
    columns |= _site_columns(clock)
    columns |= _outage_columns(clock)
    columns |= _since_columns(clock)
    columns |= _open_columns(clock)
    if signs is not None:
        columns |= dict(zip(SIGN_COLUMNS, signs.as_of(day).at(day, history.lift_ids).T, strict=True))
    known = np.isfinite(clock.history.since) & ~np.isfinite(clock.history.until_of)
    standing = _last(clock, ~np.isfinite(clock.cleared), day - clock.history.raised, 0.0) >= AT_RISK_OUTAGE_DAYS
    pauses = clock.pauses
    over = pauses.end < day
    seen = float((pauses.end - pauses.begin)[over].sum())
    observed = max(day - float(np.min(clock.history.since, initial=day)), 1.0)
    return RiskFrame(
        lift_ids=history.lift_ids,
        columns=tuple(columns),
        values=np.column_stack(list(columns.values())),
        base=base,
        known=known,
        standing=standing,
        exposure=clock.now - clock.since - _days_out_of_risk(clock),
        recent=clock.history.breakdowns_in(day - COUNTED_DAYS, day),
        recent_days=np.clip(day - clock.history.since, 0.0, COUNTED_DAYS),
        day=day,
        pause_share=min(seen / observed, 0.5),
        pause_days=(_PAUSE_DAYS * _PAUSE_WEIGHT + seen) / (_PAUSE_WEIGHT + int(over.sum())),
        is_paused=bool(pauses.end.size) and bool(pauses.end[-1] >= day),
    )


def _days_out_of_risk(clock: Clock) -> Floats:
    """Return by lift the days on which it stood already for longer than it counts as at risk."""
    length = np.minimum(clock.cleared, clock.now) - clock.raised - AT_RISK_OUTAGE_DAYS
    return clock.sums(length > 0.0, length)


def _rate_columns(clock: Clock) -> dict[str, Floats]:
    columns = {}
    for half_life in RATE_HALF_LIVES:
        of = rates(clock, half_life)
        level = max(float(of.counted.sum()) / max(float(of.exposure.sum()), 1e-9), 1e-6)
        prior_count, prior_days = (of.prior.shape, of.prior.days) if half_life >= _WINDOWS[1] else (0.5, 0.5 / level)
        columns[f"rate_{half_life:g}_days"] = np.log((of.counted + prior_count) / (of.exposure + prior_days) / level)
    return columns


def _span_columns(clock: Clock) -> dict[str, Floats]:
    """Return how many breakdowns came in each of the last weeks, in times of what the fleet had then."""
    broke, age, columns = clock.history.kind == BREAKDOWN, clock.now - clock.raised, {}
    observed = np.where(np.isfinite(clock.history.since), clock.now - clock.since, 0.0)
    for begin, end in _SPANS:
        count = clock.sums(broke & (age >= begin) & (age < end), np.ones_like(age))
        days = np.clip(observed - begin, 0.0, end - begin)
        level = max(float(count.sum()) / max(float(days.sum()), 1e-9), 1e-6)
        columns[f"breakdowns_{begin:g}_to_{end:g}_days"] = np.log((count + _SPAN_COUNT) / (days * level + _SPAN_COUNT))
    return columns


def _burst_columns(clock: Clock) -> dict[str, Floats]:
    """Return how many breakdowns came on a day that had any: of as many in bursts, a week is likelier to have none."""
    broke = clock.history.kind == BREAKDOWN
    lift, day = clock.history.lift[broke], np.floor(clock.raised[broke])
    lifts = len(clock.history.lift_ids)
    days = np.bincount(np.unique(np.column_stack([lift, day]), axis=0)[:, 0].astype(np.int64), minlength=lifts)
    count = np.bincount(lift, minlength=lifts)
    return {"breakdowns_a_day": np.log((count + _BURST_COUNT) / (days + _BURST_COUNT))}


def _site_columns(clock: Clock) -> dict[str, Floats]:
    """Return how the other lifts of a site do."""
    site, columns = clock.history.site, {}
    for half_life in _SITE_HALF_LIVES:
        of = rates(clock, half_life)
        level = max(float(of.counted.sum()) / max(float(of.exposure.sum()), 1e-9), 1e-6)
        counted, exposure = _others(site, of.counted), _others(site, of.exposure)
        columns[f"site_{half_life:g}_days"] = np.log((counted + 3.0) / (exposure + 3.0 / level) / level)
    return columns


def _others(site: np.ndarray, values: Floats) -> Floats:
    """Return by lift the sum over the other lifts of its site; 0 where it has none."""
    at = site + 1
    sums = np.bincount(at, values)[at] - values
    return np.where(site < 0, 0.0, sums)


def _outage_columns(clock: Clock) -> dict[str, Floats]:
    """Return the share of time out of service, how often lifts were out for no breakdown, and returned of late."""
    columns, kind = {}, _kinds(clock)
    for window in _WINDOWS:
        begin, end = np.maximum(clock.raised, clock.now - window), np.minimum(clock.cleared, clock.now)
        out = end > begin
        columns[f"share_out_{window:g}_days"] = clock.sums(out, end - begin) / window
        columns[f"share_broken_{window:g}_days"] = clock.sums(out & (kind == BREAKDOWN), end - begin) / window
    for half_life in _KIND_HALF_LIVES:
        weights = clock.weights(half_life)
        for code in (PLANNED, _OTHER):
            columns[f"{_KIND_NAMES[code]}_{half_life:g}_days"] = clock.sums(kind == code, weights)
    over = np.isfinite(clock.cleared)
    since = np.where(over, clock.cleared, clock.now) - clock.now
    for half_life in _RETURN_HALF_LIVES:
        columns[f"returns_{half_life:g}_days"] = clock.sums(over, np.exp2(since / half_life))
    return columns


def _kinds(clock: Clock) -> np.ndarray:
    kind = clock.history.kind
    return np.where((kind == BREAKDOWN) | (kind == PLANNED), kind, _OTHER)


def _since_columns(clock: Clock) -> dict[str, Floats]:
    """Return how long ago things happened last, at most 400 days."""
    kind, over = _kinds(clock), np.isfinite(clock.cleared)
    length = np.minimum(clock.cleared, clock.now) - clock.raised
    long = over & (length > _LONG_DAYS)
    columns = {f"since_{name}": _ago(clock, kind == code, clock.raised) for code, name in _KIND_NAMES.items()}
    columns["since_return"] = _ago(clock, over, clock.cleared)
    columns["since_long_outage"] = _ago(clock, long, clock.cleared)
    columns["since_long_planned"] = _ago(clock, long & (kind == PLANNED), clock.cleared)
    columns["last_breakdown_days"] = _last(clock, over & (kind == BREAKDOWN), length, 0.0)
    columns["last_long_days"] = _last(clock, long, length, 0.0)
    return columns | _nth_columns(clock)


def _nth_columns(clock: Clock) -> dict[str, Floats]:
    """Return how long ago the nth breakdown from the last was: bursts show in these."""
    broke = clock.history.kind == BREAKDOWN
    lift, raised = clock.history.lift[broke], clock.raised[broke]
    order = np.lexsort((raised, lift))
    count = np.bincount(lift, minlength=len(clock.history.lift_ids))
    end, raised = np.cumsum(count), raised[order]
    columns = {}
    for nth in _NTH:
        column = np.full(count.size, _LONG_AGO)
        enough = count >= nth
        column[enough] = np.minimum(clock.now - raised[end[enough] - nth], _LONG_AGO)
        columns[f"since_{nth}_breakdowns"] = column
    return columns


def _open_columns(clock: Clock) -> dict[str, Floats]:
    """Return what is wrong now: why the lift is out, for how long, and how much longer such outages take."""
    kind, is_open = _kinds(clock), ~np.isfinite(clock.cleared)
    length = clock.history.until - clock.history.raised
    columns = {}
    for code, name in _KIND_NAMES.items():
        chosen = is_open & (kind == code)
        columns[f"out_{name}"] = _last(clock, chosen, np.ones_like(length), 0.0)
        columns[f"out_{name}_days"] = _last(clock, chosen, np.log1p(8.0 * length), 0.0)
    columns["out_days"] = _last(clock, is_open, length, 0.0)
    columns["out_left_days"] = np.log1p(_last(clock, is_open, _days_left(clock, length), 0.0))
    broken = columns["out_breakdown"]
    neighbours = np.maximum(_others(clock.history.site, np.isfinite(clock.history.since).astype(np.float64)), 1.0)
    columns["site_out"] = _others(clock.history.site, broken) / neighbours
    return columns


def _days_left(clock: Clock, length: Floats) -> Floats:
    """Return of open outages how much longer they take: the mean of those of the same code that lasted so long."""
    history, left = clock.history, np.zeros_like(length)
    over = np.isfinite(history.cleared)
    lasted, code = (history.cleared - history.raised)[over], history.code[over]
    still = np.flatnonzero(~over)
    longer, more = _longer(lasted, length[still])
    everywhere = np.where(longer > 0, more / np.maximum(longer, 1), length[still])
    for each in np.unique(history.code[still]):
        of_code = history.code[still] == each
        open_now = still[of_code]
        longer, more = _longer(lasted[code == each], length[open_now])
        left[open_now] = (more + _STAY_WEIGHT * everywhere[of_code]) / (longer + _STAY_WEIGHT)
    return left


def _longer(lasted: Floats, lengths: Floats) -> tuple[Ints, Floats]:
    """Return, for each length, how many lasted longer, and how much longer all of them together."""
    ordered = np.sort(lasted)
    at = np.searchsorted(ordered, lengths, side="right")
    longer, total = len(ordered) - at, np.append(np.cumsum(ordered[::-1])[::-1], 0.0)
    return longer, total[at] - longer * lengths


def _ago(clock: Clock, chosen: np.ndarray, times: Floats) -> Floats:
    return np.minimum(clock.now - _last(clock, chosen, times, clock.now - _LONG_AGO), _LONG_AGO)


def _last(clock: Clock, chosen: np.ndarray, values: Floats, otherwise: float) -> Floats:
    """Return by lift the value of its last chosen outage (they are ordered by instant)."""
    column = np.full(len(clock.history.lift_ids), otherwise)
    column[clock.history.lift[chosen]] = values[chosen]
    return column
