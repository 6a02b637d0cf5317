"""Wear of one part, from the first sign until somebody mends it: the hidden truth that telemetry only hints at."""

import numpy as np
from msgspec import Struct

from simulator.chance import Floats, Ints
from simulator.traffic import DAY_MS


class Segment(Struct, frozen=True):
    """A time in which a part wears on undisturbed: `progress` at its beginning, 1 where the part fails."""

    since_ms: int
    until_ms: int
    progress: float
    per_day: float


class Wear(Struct, frozen=True, kw_only=True):
    """One part wearing out. `ended_by`: repair, visit, modernisation, nobody. `floor` None: it shows at all floors."""

    mechanism: str
    floor: int | None
    shape: float
    segments: tuple[Segment, ...]
    ended_by: str

    @property
    def since_ms(self) -> int:
        """When it began."""
        return self.segments[0].since_ms

    @property
    def until_ms(self) -> int:
        """When it was over."""
        return self.segments[-1].until_ms

    def severity(self, at_ms: Ints) -> Floats:
        """Return the severity (0..1) at instants in ms since 1970; 0 before it began and after it was mended."""
        severity: Floats = np.zeros(len(at_ms))
        for segment in self.segments:
            inside = (at_ms >= segment.since_ms) & (at_ms < segment.until_ms)
            if inside.any():
                progress = segment.progress + (at_ms[inside] - segment.since_ms) * (segment.per_day / DAY_MS)
                severity[inside] = progress.clip(0.0, 1.0) ** self.shape
        return severity

    def severity_at(self, at_ms: int) -> float:
        """Return the severity at one instant."""
        for segment in self.segments:
            if segment.since_ms <= at_ms < segment.until_ms:
                progress = segment.progress + (at_ms - segment.since_ms) * segment.per_day / DAY_MS
                return float(min(1.0, max(0.0, progress)) ** self.shape)
        return 0.0
