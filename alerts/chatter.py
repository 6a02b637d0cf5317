"""Chattering: a condition that comes and goes so fast that nobody can follow it. Pure.

Three changes within a minute are chattering (ISA-18.2). The alert is then held active, its repeats are counted and
nobody is told of each change; it is over once nothing has changed for a while.
"""

import math
from collections.abc import Sequence
from datetime import timedelta
from itertools import pairwise
from typing import Any

CHANGES_MIN = 3
WINDOW_MS = 60_000
# Longer than any gap within the chatter that three changes a minute can have.
QUIET = timedelta(minutes=5)
# A delay is proposed in steps that a person would choose.
STEP_S = 5
Changes = Sequence[tuple[int, bool]]


def is_chattering(recent: Changes) -> bool:
    """Tell whether the newest changes of a condition came within a minute."""
    newest = recent[-CHANGES_MIN:]
    return len(newest) == CHANGES_MIN and newest[-1][0] - newest[0][0] <= WINDOW_MS


def evidence_of(recent: Changes) -> dict[str, Any]:
    """Return what was seen of a chatter, and the delays that would have kept it from ringing, in seconds.

    An on-delay longer than the longest pulse lets none of them ring; an off-delay longer than the longest gap makes one
    of all. Whether either is right for the cause is for a person to say.
    """
    spans = [(began, (after - before) / 1_000) for (before, began), (after, _) in pairwise(recent)]
    pulses_s = [seconds for began, seconds in spans if began]
    gaps_s = [seconds for began, seconds in spans if not began]
    return {
        "chatter": "comes and goes",
        "changes": len(recent),
        "pulses_s": pulses_s,
        "gaps_s": gaps_s,
        "proposed_on_delay_s": _step_above(pulses_s),
        "proposed_off_delay_s": _step_above(gaps_s),
    }


def _step_above(seconds: Sequence[float]) -> int | None:
    """Return the next step above the longest of the spans that are part of the chatter."""
    short = [span for span in seconds if 0 <= span <= QUIET.total_seconds()]
    return (math.floor(max(short) / STEP_S) + 1) * STEP_S if short else None
