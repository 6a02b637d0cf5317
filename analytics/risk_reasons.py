"""Why a lift is likely to break down, in sentences that a mechanic can check, what weighs most first. Pure."""

from collections.abc import Sequence

import numpy as np
from msgspec import Struct

from analytics.outage_history import Floats
from analytics.risk_frame import COUNTED_DAYS, RiskFrame
from analytics.risk_model import HorizonModel, blended, by_parts, columns_of, log_odds, squashed, with_column
from analytics.wear_channels import CAR_DOOR, LANDING_DOOR, LANDING_VANE, LEVELLING, PARTS
from analytics.wear_signs import LEVELS, PARTS_OF_SIGNS, RAMPS, Sign

# Told where other lifts of the site break down half as often again as the fleet, or where something is this recent.
_SITE_RATIO, _RECENT_DAYS = 1.5, 30.0
_BURST = "since_3_breakdowns"
HISTORY, OUT, SITE = "history", "out of service", "site"
_OF_HISTORY = (
    "rate_",
    "breakdowns_",
    "since_breakdown",
    "since_2_",
    "since_3_",
    "since_5_",
    "since_8_",
    "last_breakdown",
)
# What reads the same readings weighs together.
_TOGETHER = {LANDING_DOOR: CAR_DOOR, "motor": "machine-room"}


class Reason(Struct, frozen=True):
    """One reason; `odds_ratio` is how many times the odds are those of a lift that is usual in it, None by rates."""

    text: str
    odds_ratio: float | None = None


class _Said(Struct, frozen=True):
    group: str
    text: str


def reasons_of(
    frame: RiskFrame,
    place: int,
    model: HorizonModel | None = None,
    signs: Sequence[Sign] = (),
    usual: Floats | None = None,
) -> list[Reason]:
    """Return what speaks for and against a breakdown of one lift: by a model what weighs most first, else as it stands.

    `signs` of wear are reasons only where the model sees them; `usual` is what `usual_of` says, where it is known.
    """
    said = _of_history(frame, place)
    if model is None:
        return [Reason(each.text) for each in said]
    if set(LEVELS) <= set(model.columns):
        said += _of_wear(signs)
    weights = weights_of(frame, model, place, usual)
    ordered = sorted(said, key=lambda each: -weights.get(each.group, 0.0))
    return [Reason(each.text, round(float(np.exp(weights.get(each.group, 0.0))), 3)) for each in ordered]


def usual_of(frame: RiskFrame, model: HorizonModel) -> Floats:
    """Return what the model sees of a lift that is in everything as the fleet is (medians)."""
    seen = columns_of(frame.only(model.columns), model.horizon_days)
    return np.asarray(np.median(seen[frame.known] if frame.known.any() else seen, axis=0))


def weights_of(frame: RiskFrame, model: HorizonModel, place: int, usual: Floats | None = None) -> dict[str, float]:
    """Return by group of columns how much lower the log odds were if the lift were in it as the fleet is (median).

    Asked are the models that say whether.
    """
    own = frame.only(model.columns)
    usual = usual_of(frame, model) if usual is None else usual
    base = log_odds(own.base.probability(model.horizon_days)[[place]])
    seen = with_column(squashed(own.values[[place]]), base)
    groups: dict[str, list[int]] = {}
    for at, name in enumerate((*own.columns, "rate_base")):
        groups.setdefault(_group(name), []).append(at)
    rows = np.repeat(seen, len(groups) + 1, axis=0)
    for row, columns in enumerate(groups.values(), start=1):
        rows[row, columns] = usual[columns]
    odds = _odds(rows, model)
    return {group: float(odds[0] - odds[row]) for row, group in enumerate(groups, start=1)}


def _odds(columns: Floats, model: HorizonModel) -> Floats:
    parts = (model.logistic, model.boosted, model.count_linear, model.count_boosted)
    probability, _ = by_parts(parts, columns, np.ones(len(columns)), model.linear_say)
    rates = 1.0 / (1.0 + np.exp(-columns[:, -1]))
    return log_odds(blended(rates, probability, model.weight))


def _group(column: str) -> str:
    if column in LEVELS or column in RAMPS:
        part = PARTS_OF_SIGNS[(LEVELS if column in LEVELS else RAMPS).index(column)]
        return _TOGETHER.get(part, part)
    if column.startswith(_OF_HISTORY):
        return HISTORY
    return SITE if column.startswith("site_") else OUT


def _recent(frame: RiskFrame, count: int, days: float) -> str:
    """Say how often the lift broke down of late, and how often one of its fleet does in as many days."""
    whole = float(frame.recent_days[frame.known].sum())
    usual = float(frame.recent[frame.known].sum()) / whole * days if whole else 0.0
    times = "1 breakdown" if count == 1 else f"{count} breakdowns"
    if days < 1.0:
        return "it has not been observed for a day yet"
    young = f"in the {_days(days).removeprefix('a ')} since it is observed"
    when = f"in the last {COUNTED_DAYS:.0f} days" if days >= COUNTED_DAYS else young
    return f"{times} {when}; a lift of this fleet has {usual:.1f}"


def _of_history(frame: RiskFrame, place: int) -> list[_Said]:
    row = dict(zip(frame.columns, frame.values[place], strict=True))
    count, days = int(frame.recent[place]), float(frame.recent_days[place])
    said = [_Said(HISTORY, _recent(frame, count, days))]
    said += [_Said(OUT, text) for text in _now(row)]
    if count:
        said.append(_Said(HISTORY, f"the last breakdown was {_days(row['since_breakdown'])} ago"))
    if row[_BURST] <= _RECENT_DAYS:
        said.append(_Said(HISTORY, f"three breakdowns in the last {_days(row[_BURST])}"))
    if row["since_long_outage"] <= _RECENT_DAYS and not row["out_days"]:
        back, stood = _days(row["since_long_outage"]), _days(row["last_long_days"])
        said.append(_Said(OUT, f"back for {back} after {stood} out of service"))
    ratio = float(np.exp(row["site_60_days"]))
    if ratio >= _SITE_RATIO:
        said.append(_Said(SITE, f"the other lifts of its site break down {ratio:.1f} times as often as the fleet"))
    return said


def _now(row: dict[str, float]) -> list[str]:
    for name in ("breakdown", "planned", "other"):
        if row[f"out_{name}"]:
            left = float(np.expm1(row["out_left_days"]))
            why = {"breakdown": "a breakdown", "planned": "planned work", "other": "another reason"}[name]
            return [f"out of service for {_days(row['out_days'])} ({why}); such outages take about {_days(left)} more"]
    return []


def _of_wear(signs: Sequence[Sign]) -> list[_Said]:
    """Return what wear shows, one sentence a group: of a part that all landings share before that of one landing."""
    found: dict[str, _Said] = {}
    for sign in sorted(signs, key=lambda sign: sign.part not in _TOGETHER.values()):
        group = _TOGETHER.get(sign.part, sign.part)
        found.setdefault(group, _Said(group, said_of(sign)))
    return list(found.values())


def said_of(sign: Sign) -> str:
    """Return a sign in words: which part, what of it, how it is now and was in the months before."""
    channel, floor = sign.channel, sign.key.floor
    part = LANDING_VANE if sign.part == LEVELLING and floor is not None else sign.part
    name = PARTS[part][0].format(floor=floor)
    text = f"{name[0].lower()}{name[1:]} {channel.says}"
    if channel.season_per_day:
        return f"{text}: by {sign.now - sign.before:.{channel.digits}f} {channel.unit}"
    now, before = (f"{value:,.{channel.digits}f} {channel.unit}" for value in (sign.now, sign.before))
    more = ""
    if channel.own_part is not None and sign.before > 0:
        more = f", {sign.now / sign.before - 1:.0%} more"
    return f"{text}: {now}, in the months before it was {before}{more}"


def _days(days: float) -> str:
    return "a day" if 0.5 <= days < 1.5 else "hours" if days < 0.5 else f"{days:.0f} days"  # noqa: PLR2004 - rounding
