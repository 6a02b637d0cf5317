"""Which days of which lifts are to be computed anew: told by every batch that reaches the telemetry store.

A day that is not over is marked once by each process, however much comes of it, and nobody takes the mark before the
day is over. A message of a day that is over marks it again, because its values may have been computed by now.
"""

from collections.abc import Sequence
from threading import Lock

from analytics.feature_book import FeatureBook
from analytics.feature_reader import DAY_MS, KINDS
from ingest.clock import Clock, to_ms
from ingest.messages import Message

# A day counts as over to who computes it when this time has passed since its end, and to who marks it when half of it
# has: so clocks of two machines may differ by that half, and a message on its way is waited for.
SETTLED_MS = 600_000
_OVER_MS = SETTLED_MS // 2


def last_settled_day(now_ms: int) -> int:
    """Return the newest day, by its number from 1970, that is over for good at an instant."""
    return (now_ms - SETTLED_MS) // DAY_MS - 1


class StaleDays:
    """Marks days in the feature book. Safe to share between threads."""

    def __init__(self, book: FeatureBook, clock: Clock) -> None:
        """Mark in `book`; `clock` tells which days are over."""
        self._book, self._clock = book, clock
        self._lock = Lock()
        self._marked: set[tuple[str, int]] = set()
        self._open_day = 0

    def note(self, messages: Sequence[Message]) -> None:
        """Mark the days of messages that are in the store, but those known to be marked; durable on return.

        Raises:
            DATABASE_AWAY: nothing is marked; note the same messages again.
        """
        with self._lock:
            open_day = (to_ms(self._clock.now()) - _OVER_MS) // DAY_MS
            if open_day != self._open_day:
                self._marked = {each for each in self._marked if each[1] >= open_day}
                self._open_day = open_day
            days = {(message.lift_id, message.measured_ms // DAY_MS) for message in messages if message.kind in KINDS}
            fresh = days - self._marked
            if fresh:
                self._book.mark(fresh)
                self._marked |= {each for each in fresh if each[1] >= open_day}
