"""How long a condition has to stand before it rings, counting what it stood shortly before. Pure.

Controllers get over many faults by themselves; such a fault needs nobody, and is counted. One that keeps coming back
does: what it stood within twice the delay counts, and the fifth time within an hour nobody waits any more.
"""

from collections.abc import Sequence
from itertools import pairwise

# Liftwatch's own rule: a lift that stops for the fifth time within an hour serves nobody.
TIMES_MAX = 5
TIMES_WITHIN_MS = 3_600_000
Changes = Sequence[tuple[int, bool]]


def left_ms(recent: Changes, delay_ms: int) -> int:
    """Return how long a condition that has just begun must still stand, 0 where it has come back too often.

    `recent` are its last changes as instants in milliseconds and whether it began, the newest last.
    """
    if not recent:
        return delay_ms
    now_ms = recent[-1][0]
    times = sum(began and now_ms - at_ms < TIMES_WITHIN_MS for at_ms, began in recent)
    if times >= TIMES_MAX:
        return 0
    since_ms = now_ms - 2 * delay_ms
    stood = (min(after, now_ms) - max(before, since_ms) for (before, began), (after, _) in pairwise(recent) if began)
    return max(0, delay_ms - sum(max(0, span) for span in stood))
