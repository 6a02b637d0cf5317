"""Breakdowns and other outages of a fleet as arrays, and what of them was known at an instant. Pure.

Times are days since 1970 UTC. Everything that predicts takes an `OutageHistory` that `as_of` has cut: there is no other
way to a feature, so that none can know what came later.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime

import numpy as np
from msgspec import Struct, structs
from numpy.typing import NDArray

from analytics.occurrences import PASSES_WITHIN, PASSING_CODES, Occurrence, has_passed
from ingest.faults import CANONICAL
from ingest.fleet import Lift, OutageKind

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

DAY_S = 86_400.0
KINDS = (OutageKind.BREAKDOWN, OutageKind.PLANNED, OutageKind.EXTERNAL, OutageKind.OTHER)
BREAKDOWN, PLANNED = 0, 1
_OTHER = KINDS.index(OutageKind.OTHER)
_NO_SITE = -1
# What lasted longer than this before a window began says nothing more in it than its lift's silence.
_OPEN_DAYS_MAX = 50.0
# A pause of the whole log is taken for one where no record came for a day although 20 were to be expected even at half
# the usual rate: by chance it happens once in e^20 times. Fleets too small to tell have no pauses.
_PAUSE_DAYS_MIN, _PAUSE_RECORDS = 1.0, 40.0


class Pauses(Struct, frozen=True):
    """Times at which nothing was recorded of anybody: not days without breakdowns, but days without a log."""

    begin: Floats
    end: Floats

    def recorded(self, days: Floats) -> Floats:
        """Return instants on a clock that stands still in the pauses."""
        length = np.asarray(days, dtype=np.float64).copy()
        for begin, end in zip(self.begin, self.end, strict=True):
            length -= np.clip(np.minimum(days, end) - begin, 0.0, None)
        return length

    def days_in(self, since: float, until: float) -> float:
        """Return how many days of (since, until] are paused."""
        return float(np.clip(np.minimum(self.end, until) - np.maximum(self.begin, since), 0.0, None).sum())


class OutageHistory(Struct, frozen=True, kw_only=True):
    """What happened to a fleet, known until `until`.

    By lift: `lift_ids`, `site` (-1: none), `since` (from when on its outages are known; inf: not yet) and `until_of`
    (to when). By outage, ordered by instant: `lift` (its place in `lift_ids`), `kind` (place in `KINDS`), `code` (place
    in `codes`), `raised`, `cleared` (inf: not over).
    """

    lift_ids: tuple[str, ...]
    codes: tuple[str, ...]
    site: Ints
    since: Floats
    until_of: Floats
    lift: Ints
    kind: Ints
    code: Ints
    raised: Floats
    cleared: Floats
    until: float

    @classmethod
    def of(cls, lifts: Sequence[Lift], found: Iterable[Occurrence], until: datetime) -> "OutageHistory":
        """Return the history of `lifts` until an instant; what tells of other lifts, or came later, is left out.

        A lift whose `observed_from` is not told is observed from the first record of any lift on. The day `observed_to`
        is the last one on which it is.
        """
        end = days_of(until)
        place = {lift.lift_id: index for index, lift in enumerate(lifts)}
        kept = sorted(
            (item for item in found if item.lift_id in place and item.raised_at <= until),
            key=lambda item: (item.raised_at, item.lift_id, item.code, item.kind),
        )
        first = days_of(kept[0].raised_at) if kept else end
        codes = tuple(sorted({item.code for item in kept}))
        code_at = {code: index for index, code in enumerate(codes)}
        sites = {name: index for index, name in enumerate(sorted({lift.site_id for lift in lifts if lift.site_id}))}
        history = cls(
            lift_ids=tuple(lift.lift_id for lift in lifts),
            codes=codes,
            site=np.array([sites.get(lift.site_id or "", _NO_SITE) for lift in lifts], dtype=np.int64),
            since=np.array([_day(lift.observed_from, first) for lift in lifts], dtype=np.float64),
            until_of=np.array([_day(lift.observed_to, np.inf) + 1.0 for lift in lifts], dtype=np.float64),
            lift=np.array([place[item.lift_id] for item in kept], dtype=np.int64),
            kind=np.array([_kind(item) for item in kept], dtype=np.int64),
            code=np.array([code_at[item.code] for item in kept], dtype=np.int64),
            raised=np.array([days_of(item.raised_at) for item in kept], dtype=np.float64),
            cleared=np.array([_cleared(item) for item in kept], dtype=np.float64),
            until=end,
        )
        return history.as_of(end)

    def as_of(self, day: float) -> "OutageHistory":
        """Return what was known at `day`: later outages are not, and what ended later was open then.

        That a lift is no longer observed is a thing of the future as well.
        """
        count = int(np.searchsorted(self.raised, day, side="right"))
        cleared = self.cleared[:count]
        return structs.replace(
            self,
            since=np.where(self.since <= day, self.since, np.inf),
            until_of=np.where(self.until_of <= day, self.until_of, np.inf),
            lift=self.lift[:count],
            kind=self._kind_then(count, day),
            code=self.code[:count],
            raised=self.raised[:count],
            cleared=np.where(cleared <= day, cleared, np.inf),
            until=min(day, self.until),
        )

    def _kind_then(self, count: int, day: float) -> Ints:
        """Return the kinds as they were known: what passed was a breakdown as long as nobody knew that it would."""
        kind, raised, cleared = self.kind[:count], self.raised[:count], self.cleared[:count]
        passing = [place for place, code in enumerate(self.codes) if code in PASSING_CODES]
        is_short = cleared - raised < PASSES_WITHIN.total_seconds() / DAY_S
        was_open = is_short & (cleared > day) & np.isin(self.code[:count], passing)
        return np.where(was_open & (kind == _OTHER), BREAKDOWN, kind)

    def window(self, begin: float) -> "OutageHistory":
        """Return what was known to happen from `begin` on: lifts are observed since then, what was over is left out."""
        kept = (self.raised >= begin) | ((self.cleared > begin) & (self.raised >= begin - _OPEN_DAYS_MAX))
        cut = {name: getattr(self, name)[kept] for name in ("lift", "kind", "code", "raised", "cleared")}
        since = np.where(np.isfinite(self.since), np.maximum(self.since, begin), self.since)
        return structs.replace(self, since=since, **cut)

    def pauses(self) -> Pauses:
        """Return the pauses of the log so far; one that goes on ends at `until`."""
        if self.raised.size == 0:
            return Pauses(np.empty(0), np.empty(0))
        begin = float(np.min(self.since, initial=float(self.raised[0])))
        points = np.concatenate([[begin], self.raised, [self.until]])
        gaps = np.diff(points)
        days_max = max(_PAUSE_DAYS_MIN, _PAUSE_RECORDS * (self.until - begin) / self.raised.size)
        where = np.flatnonzero(gaps > days_max)
        return Pauses(points[where], points[where + 1])

    def breakdowns_in(self, since: float, until: float) -> Ints:
        """Return how many breakdowns of each lift were raised in (since, until]: what is to be predicted."""
        chosen = (self.kind == BREAKDOWN) & (self.raised > since) & (self.raised <= until)
        return np.bincount(self.lift[chosen], minlength=len(self.lift_ids)).astype(np.int64)

    @property
    def breakdowns(self) -> int:
        """How many breakdowns there are in all."""
        return int(np.count_nonzero(self.kind == BREAKDOWN))

    def of_codes(self, codes: frozenset[str]) -> "OutageHistory":
        """Return the same history in which only breakdowns with these codes are breakdowns; the others are `other`."""
        wanted = np.array([code in codes for code in self.codes], dtype=bool)
        keep = (self.kind != BREAKDOWN) | (wanted[self.code] if self.code.size else np.empty(0, dtype=bool))
        return structs.replace(self, kind=np.where(keep, self.kind, KINDS.index(OutageKind.OTHER)))


def days_of(instant: datetime) -> float:
    """Return an aware instant in days since 1970 UTC."""
    return instant.timestamp() / DAY_S


def instant_of(day: float) -> datetime:
    """Return the instant that `days_of` gives this number for."""
    return datetime.fromtimestamp(day * DAY_S, UTC)


def _day(day: date | None, otherwise: float) -> float:
    return otherwise if day is None else days_of(datetime(day.year, day.month, day.day, tzinfo=UTC))


def _kind(item: Occurrence) -> int:
    """A fault that leaves the lift in service, or passed, is no breakdown; what an outage log calls one is."""
    known = CANONICAL.get(item.code)
    serves = item.source == "message" and known is not None and not known.stops_lift
    return KINDS.index(
        OutageKind.OTHER if (serves or has_passed(item)) and item.kind is OutageKind.BREAKDOWN else item.kind
    )


def _cleared(item: Occurrence) -> float:
    return float(np.inf) if item.cleared_at is None else days_of(item.cleared_at)
