"""How far a controller's clock is off, estimated from its own messages. Pure, and of constant size for each clock.

The delay of a message is our clock at its arrival less the controller's clock in it: the offset of the clock, plus the
time that the message took. No message takes less than no time, so that the lowest delay of a stretch of time is the
offset, as in NTP's clock filter (RFC 5905, section 10), as long as one message in it was live. That it was is known by
the pace: what is live is measured as fast as it arrives, so that the lowest delay of one half of the stretch is that of
the other. A backlog is told much faster than it was measured, and its delay falls until it is none.
"""

from enum import Enum
from typing import NamedTuple

# Ahead of ours by more than this is wrong: servers and NTP keep seconds, and nobody can say what has not happened yet.
AHEAD_MS_MAX = 30_000
# Behind it is twice that: a gateway that forwards once a minute looks like a clock that is a minute behind.
BEHIND_MS_MAX = 60_000
# How far messages of one clock may lie above the quickest of them: mobile networks stall for seconds, rarely for ten.
JITTER_MS = 10_000
# How much the lowest delays of two halves may differ. A backlog that is told at 1.02 times the pace of life falls by
# 3 s in half a window of 150 s; a crystal that is off by 50 ppm moves the delay by 8 ms in that time.
STEADY_MS = 2_000
# A half of the window. Being ahead needs no more than a steady stream, for nothing else explains it; being behind may
# be a backlog, so that it has to be steady for five minutes. Right again is as doubtful: an old message of a clock that
# is ahead can look right.
HALF_MS_AHEAD = 30_000
HALF_MS_BEHIND = 150_000
# Messages in a half, counted where at least a second, by either clock, lies between them: a burst is one.
HALF_MESSAGES = 4
SPACING_MS = 1_000
# So many messages that agree with each other, over so long, say that the clock was moved: what was known is given up.
STEP_MESSAGES = 3
STEP_MS = 30_000
# An offset is kept as it was established until the clock has moved by more than this, for keys are made of it.
MOVED_MS = 60_000
_NONE_YET_MS = 2**62


class Verdict(Enum):
    """What a message has shown about a clock."""

    NOTHING = "nothing"
    ESTABLISHED = "established"
    CONFIRMED = "confirmed"
    GIVEN_UP = "given-up"
    RIGHT = "right"


class Sighting(NamedTuple):
    """A message as evidence of a clock: what the controller's said (ms), and what ours said (ms) when it came."""

    lift_id: str
    boot: str | None
    at_ms: int
    received_ms: int


class _Stretch:
    """Messages whose delays lie together: the lowest delay, in two halves that slide."""

    __slots__ = ("at_ms", "begun_ms", "count", "earlier", "first_ms", "lowest_ms", "now", "received_ms", "turned_ms")

    def __init__(self, at_ms: int, received_ms: int) -> None:
        """Begin with one message."""
        self.at_ms = at_ms
        self.received_ms = received_ms
        self.begun_ms = self.turned_ms = received_ms
        self.first_ms = self.lowest_ms = received_ms - at_ms
        self.count = 1
        self.earlier: tuple[int, int] | None = None
        self.now = (1, self.lowest_ms)

    def feed(self, at_ms: int, received_ms: int) -> int | None:
        """Take a message; return the lowest delay where a whole window was steady, None before."""
        delay_ms = received_ms - at_ms
        self.lowest_ms = min(self.lowest_ms, delay_ms)
        count, lowest_ms = self.now
        is_apart = at_ms - self.at_ms >= SPACING_MS and received_ms - self.received_ms >= SPACING_MS
        self.now = (count + is_apart, min(lowest_ms, delay_ms))
        if not is_apart:
            return None
        self.count += 1
        self.at_ms, self.received_ms = at_ms, received_ms
        half_ms = HALF_MS_AHEAD if self.lowest_ms < -AHEAD_MS_MAX else HALF_MS_BEHIND
        is_full = self.now[0] >= HALF_MESSAGES and received_ms - self.turned_ms >= half_ms
        return self._turn() if is_full else None

    def _turn(self) -> int | None:
        """Let the later half be the earlier one; return the lowest delay where both agree."""
        earlier, now = self.earlier, self.now
        self.earlier, self.now = now, (0, _NONE_YET_MS)
        self.turned_ms = self.received_ms
        # What is forgotten here is older than the window: a crystal that drifts is followed.
        self.lowest_ms = now[1]
        if earlier is None or abs(earlier[1] - now[1]) > STEADY_MS:
            return None
        return min(earlier[1], now[1])

    def fits(self, delay_ms: int) -> bool:
        return abs(delay_ms - self.lowest_ms) <= JITTER_MS

    def disproves(self, offset_ms: int) -> bool:
        """Tell whether a clock with this offset cannot have sent these, or has not for a while."""
        if self.count < STEP_MESSAGES or abs(self.lowest_ms - offset_ms) <= MOVED_MS:
            return False
        return self.lowest_ms < offset_ms or self.lasts

    @property
    def lasts(self) -> bool:
        """Tell whether the delay has stayed where it was for long enough to be no burst of old news."""
        is_long = self.count >= STEP_MESSAGES and self.received_ms - self.begun_ms >= STEP_MS
        return is_long and self.fits(self.first_ms)


class ClockEstimate:
    """What is known of one controller's clock in one boot. `offset_ms` None: nothing, or that it is right."""

    __slots__ = ("_rival", "_stretch", "offset_ms")

    def __init__(self, offset_ms: int | None = None) -> None:
        """Begin with what was established before, if anything was."""
        self.offset_ms = offset_ms
        self._stretch: _Stretch | None = None
        self._rival: _Stretch | None = None

    @property
    def messages(self) -> int:
        """How many messages, a second or more apart, stand for the estimate."""
        return self._stretch.count if self._stretch else 0

    @property
    def looks_right(self) -> bool:
        """Tell whether nothing speaks against this clock, so that it need not be watched."""
        return self.offset_ms is None and (self._stretch is None or is_right(self._stretch.lowest_ms))

    def see(self, at_ms: int, received_ms: int) -> Verdict:
        """Take the next message. An `offset_ms` that is established is whole seconds, and to be added to `at`."""
        steady_ms = self._feed(at_ms, received_ms)
        if steady_ms is not None:
            return self._conclude(steady_ms)
        if self.offset_ms is not None and self._stretch is not None and self._stretch.disproves(self.offset_ms):
            self.offset_ms = None
            return Verdict.GIVEN_UP
        return Verdict.NOTHING

    def _feed(self, at_ms: int, received_ms: int) -> int | None:
        delay_ms, stretch, rival = received_ms - at_ms, self._stretch, self._rival
        if stretch is None or delay_ms < stretch.lowest_ms - JITTER_MS:
            self._stretch, self._rival = _Stretch(at_ms, received_ms), None
            return None
        if stretch.fits(delay_ms):
            self._rival = None
            return stretch.feed(at_ms, received_ms)
        if rival is None or not rival.fits(delay_ms):
            self._rival = _Stretch(at_ms, received_ms)
            return None
        rival.feed(at_ms, received_ms)
        if rival.lasts:
            self._stretch, self._rival = rival, None
        return None

    def _conclude(self, steady_ms: int) -> Verdict:
        if is_right(steady_ms):
            self.offset_ms = None
            return Verdict.RIGHT
        if self.offset_ms is not None and abs(steady_ms - self.offset_ms) <= MOVED_MS:
            return Verdict.CONFIRMED
        self.offset_ms = round(steady_ms / 1000) * 1000
        return Verdict.ESTABLISHED


def is_right(delay_ms: int) -> bool:
    """Tell whether a clock with this offset counts as right, or a message with this delay as on time."""
    return -AHEAD_MS_MAX <= delay_ms <= BEHIND_MS_MAX
