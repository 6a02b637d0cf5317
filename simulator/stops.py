"""Times in which a lift does not serve."""

from bisect import bisect_right
from collections.abc import Iterable, Sequence

from msgspec import Struct


class Stop(Struct, frozen=True):
    """A time in which the lift does not serve; `floor` is where it then stands (None: wherever it is)."""

    start_ms: int
    end_ms: int
    floor: int | None = None


def merged(stops: Iterable[Stop]) -> list[Stop]:
    """Return the times in which at least one of the stops lasts, in order; the first says where the car stands."""
    joined: list[Stop] = []
    for stop in sorted(stops, key=lambda stop: (stop.start_ms, stop.end_ms)):
        if joined and stop.start_ms <= joined[-1].end_ms:
            last = joined[-1]
            joined[-1] = Stop(last.start_ms, max(last.end_ms, stop.end_ms), last.floor)
        else:
            joined.append(stop)
    return joined


def within(stops: Sequence[Stop], since_ms: int, until_ms: int) -> list[Stop]:
    """Return the parts of the stops (in order, not overlapping) that lie in a window."""
    found = []
    for index in range(bisect_right(stops, since_ms, key=lambda stop: stop.end_ms), len(stops)):
        stop = stops[index]
        if stop.start_ms >= until_ms:
            break
        found.append(Stop(max(stop.start_ms, since_ms), min(stop.end_ms, until_ms), stop.floor))
    return found
