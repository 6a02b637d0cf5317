"""Patience: what the world refuses now is tried again, ever less often, until it succeeds or we are told to stop."""

import random
import threading
from collections.abc import Callable

RETRY_S_MIN = 0.2
RETRY_S_MAX = 15.0


def patiently(
    action: Callable[[], None],
    failures: tuple[type[Exception], ...],
    stopping: threading.Event,
    tell: Callable[[Exception, float], None],
) -> bool:
    """Do `action` until none of `failures` comes of it; False where `stopping` was set before it was done.

    `tell` hears of each failure, and after how many seconds (at the most) the next try comes.
    """
    retry_s = RETRY_S_MIN
    while True:
        try:
            action()
        except failures as error:
            tell(error, retry_s)
        else:
            return True
        if stopping.wait(random.uniform(retry_s / 2, retry_s)):  # noqa: S311 - jitter, not a secret
            return False
        retry_s = min(retry_s * 2, RETRY_S_MAX)
