"""Who writes first: the lane of the alarms, before everything else of this process that wants to write.

SQLite has one writer at a time and no queue: who waits looks again after up to 100 ms, and somebody who writes one
transaction after another would always be quicker. So the others give way before they begin.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

# Longer than the pause between two looks of SQLite; short enough that alarms without end do not stop everything else.
GIVES_WAY_S_MAX = 0.2


class Precedence:
    """Counts those who go first; the others wait for them a moment."""

    def __init__(self) -> None:
        """Nobody waits."""
        self._changed = threading.Condition()
        self._first = 0

    @contextmanager
    def first(self) -> Iterator[None]:
        """Go before the others, from now until the transaction is over."""
        with self._changed:
            self._first += 1
        try:
            yield
        finally:
            with self._changed:
                self._first -= 1
                self._changed.notify_all()

    @contextmanager
    def after(self) -> Iterator[None]:
        """Begin when nobody who goes first waits or writes, after `GIVES_WAY_S_MAX` all the same."""
        with self._changed:
            self._changed.wait_for(lambda: self._first == 0, GIVES_WAY_S_MAX)
        yield
