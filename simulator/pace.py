"""Virtual time: the instant that the fleet's controllers read from their clocks."""

from collections.abc import Callable

from ingest.clock import Clock, monotonic_s, to_ms


class Pace:
    """Runs with the machine's clock, or from another instant at another speed."""

    def __init__(
        self,
        clock: Clock,
        start_ms: int | None = None,
        speed: float = 1.0,
        monotonic: Callable[[], float] = monotonic_s,
    ) -> None:
        """Follow `clock`; with `start_ms` or a `speed` other than 1 begin there and run `speed` times as fast."""
        self._clock = clock
        self._speed = speed
        self._monotonic = monotonic
        self._began_s = monotonic()
        self._start_ms = start_ms if start_ms is not None or speed == 1 else to_ms(clock.now())

    def now_ms(self) -> int:
        """Return the present instant of the fleet, in ms since 1970 UTC."""
        if self._start_ms is None:
            return to_ms(self._clock.now())
        return self._start_ms + int((self._monotonic() - self._began_s) * 1000 * self._speed)
