"""Streams of messages as a lift with some clock sends them: what estimates of clocks are tried on."""

from collections.abc import Callable, Iterator
from random import Random

from ingest.clock_estimate import Sighting

SECOND, MINUTE, HOUR, DAY = 1_000, 60_000, 3_600_000, 86_400_000
NOON_MS = 1_772_452_800_000  # 2026-03-02 12:00 UTC

Clock = Callable[[int], int]


def off_by(offset_ms: int, drift_ppm: float = 0) -> Clock:
    """A clock that shows `offset_ms` less than ours (+: it is behind), and runs slow by `drift_ppm`."""
    return lambda now_ms: now_ms - offset_ms - round((now_ms - NOON_MS) * drift_ppm / 1e6)


def stream(
    random: Random,
    clock: Clock,
    *,
    hours: float,
    per_hour: float,
    delay_ms: int = 0,
    jitter_ms: float = 400,
    outages: float = 0,
    drain_per_s: float = 20,
    boot: str | None = "b1",
    start_ms: int = NOON_MS,
) -> list[Sighting]:
    """Messages in the order of their arrival.

    They arise at random, `per_hour` of them, and take `delay_ms` and a random time of `jitter_ms` in the mean; every
    tenth takes ten times that. `outages` is how much of the time the way is closed; what arises then arrives behind it,
    oldest first, `drain_per_s` a second.
    """
    closed = list(_outages(random, start_ms, hours, outages))
    arrivals = []
    now_ms, until_ms, drained_ms = start_ms, start_ms + round(hours * HOUR), start_ms
    while (now_ms := now_ms + 1 + round(random.expovariate(per_hour / HOUR))) < until_ms:
        took_ms = delay_ms + random.expovariate(1 / jitter_ms) * (10 if random.random() < 0.1 else 1)
        arrived_ms = now_ms + round(took_ms)
        for shut_ms, open_ms in closed:
            if shut_ms <= now_ms < open_ms or (shut_ms <= now_ms and drained_ms > arrived_ms):
                arrived_ms = drained_ms = max(open_ms, drained_ms) + round(SECOND / drain_per_s)
                break
        arrivals.append(Sighting("L1", boot, clock(now_ms), arrived_ms))
    return sorted(arrivals, key=lambda each: each.received_ms)


def _outages(random: Random, start_ms: int, hours: float, share: float) -> Iterator[tuple[int, int]]:
    """Closed times of ten minutes to half a day, `share` of all."""
    left_ms = hours * HOUR * share
    while left_ms > 0:
        shut_ms = start_ms + random.randrange(round(hours * HOUR))
        lasts_ms = round(min(max(random.expovariate(1 / HOUR), 10 * MINUTE), 12 * HOUR))
        left_ms -= lasts_ms
        yield shut_ms, shut_ms + lasts_ms
