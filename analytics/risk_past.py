"""What a model of risk learns from: a part of the past that stays the same from day to day. Pure.

The year that is read moves on every day. A model that serves for a week is fitted to a shorter past with a fixed begin,
of the lifts that were known by then, so that no new lift and no forgotten outage makes it another.
"""

import hashlib

import numpy as np
from msgspec import structs

from analytics.failures import WINDOW_DAYS
from analytics.outage_history import OutageHistory

FIT_EVERY_DAYS = 7.0
# A model serves from one to two weeks after the day that it was fitted for: a day more, and the year still holds it.
TAUGHT_DAYS = WINDOW_DAYS - 2.0 * FIT_EVERY_DAYS - 1.0


def model_day(until: float) -> float:
    """Return for which day the model of `until` was fitted: the Thursday before the last one.

    So there is a week to fit it in before it is needed.
    """
    return until - until % FIT_EVERY_DAYS - FIT_EVERY_DAYS


def taught(history: OutageHistory, day: float) -> OutageHistory:
    """Return what a model that is fitted for `day` learns from."""
    then, begin = history.as_of(day), day - TAUGHT_DAYS
    lifts = np.flatnonzero(np.isfinite(then.since))
    place = np.full(len(then.lift_ids), -1, dtype=np.int64)
    place[lifts] = np.arange(lifts.size)
    kept = (then.raised >= begin) & (place[then.lift] >= 0)
    codes, code = np.unique(then.code[kept], return_inverse=True)
    sites, site = np.unique(then.site[lifts], return_inverse=True)
    return structs.replace(
        then,
        lift_ids=tuple(then.lift_ids[lift] for lift in lifts.tolist()),
        codes=tuple(then.codes[number] for number in codes.tolist()),
        site=np.where(sites[site] < 0, -1, site) if lifts.size else then.site[lifts],
        since=np.maximum(then.since[lifts], begin),
        until_of=then.until_of[lifts],
        lift=place[then.lift[kept]],
        kind=then.kind[kept],
        code=code.astype(np.int64),
        raised=then.raised[kept],
        cleared=then.cleared[kept],
    )


def fingerprint(history: OutageHistory, signs_state: str = "") -> str:
    """Return what tells one past from another: a digest of everything in it, and of the state of the daily values."""
    digest = hashlib.sha256("\n".join(history.lift_ids + history.codes).encode())
    for name in ("site", "since", "until_of", "lift", "kind", "code", "raised", "cleared"):
        digest.update(getattr(history, name).tobytes())
    digest.update(f"{history.until!r} {signs_state}".encode())
    return digest.hexdigest()
