"""Time as an argument: only the objects at the edge hold a clock; pure code is given `now`.

Inside the service an instant is either an aware UTC `datetime` (names end in `_at`) or integer milliseconds since
1970 UTC (names end in `_ms`), which is what the hot path carries.
"""

import time
from datetime import UTC, datetime, timedelta
from typing import Protocol

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


class Clock(Protocol):
    """What the edge of the service asks for the time."""

    def now(self) -> datetime:
        """Return the present instant, aware and in UTC."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        """Return the present instant, aware and in UTC."""
        return datetime.now(UTC)


class ManualClock:
    """A clock that stands still until it is moved: for virtual time."""

    def __init__(self, start: datetime) -> None:
        """Start at `start` (aware)."""
        self._now = start.astimezone(UTC)

    def now(self) -> datetime:
        """Return the instant that the clock was last set to."""
        return self._now

    def advance(self, by: timedelta) -> datetime:
        """Move the clock by `by` and return the new instant."""
        self._now += by
        return self._now


def monotonic_s() -> float:
    """Return seconds on a clock that never steps, for durations and deadlines."""
    return time.monotonic()


def to_ms(instant: datetime) -> int:
    """Return `instant` (aware) as whole milliseconds since 1970 UTC, rounded down.

    Raises:
        ValueError: `instant` carries no offset, so that nobody can know when it was.
    """
    if instant.tzinfo is None:
        message = f"an instant without offset: {instant.isoformat()}"
        raise ValueError(message)
    return (instant - EPOCH) // _MILLISECOND


def from_ms(milliseconds: int) -> datetime:
    """Return milliseconds since 1970 UTC as an aware `datetime` in UTC.

    Raises:
        OverflowError: outside the years 1 to 9999.
    """
    return EPOCH + timedelta(milliseconds=milliseconds)
