"""Flow control: how much one lift may say, so that a chattering one cannot starve the others.

A lift has three budgets: for what it says now, for old news (after an outage a lift tells hours or weeks at once, as it
should), and for faults and alarms, so that chatter in its readings never costs an alarm. A budget is a bucket that
holds `burst` objects and fills again at `per_s`; it is settled once in `WINDOW_S`, so that a message costs an addition.
"""

from collections import defaultdict

from msgspec import Struct

from ingest.messages import Kind

WINDOW_S = 10.0
# Experiment: a busy lift of the real logs makes 1,500 starts a day with some 4 messages each, 240 starts in its worst
# hour: 0.3 objects a second. 20 leave room for controllers that report once a second over several kinds.
PER_S = 20.0
# Ten minutes at 16 objects a second: what a gateway may hold back before its news is old.
BURST = 10_000
# A quarter of a year of 2,700 objects a day, told at once.
BACKLOG_BURST = 250_000
_SAFETY = frozenset({Kind.FAULT, Kind.ALARM})


class Quota(Struct, frozen=True, kw_only=True):
    """What one lift may say: objects a second in the long run, and at once; `backlog_burst` for old news."""

    per_s: float = PER_S
    burst: int = BURST
    backlog_burst: int = BACKLOG_BURST


class _Budget:
    """One bucket for each lift. Only lifts that said more than the long run allows stand in `_debts`."""

    def __init__(self, per_s: float, burst: int) -> None:
        self._free = per_s * WINDOW_S
        self._burst = burst
        self._spent: defaultdict[str, int] = defaultdict(int)
        self._debts: dict[str, float] = {}

    def covers(self, lift_id: str, count: int) -> bool:
        """Spend `count` objects, unless that is more than the lift has; the refused cost nothing."""
        spent = self._spent[lift_id] + count
        if spent > self._free and self._debts.get(lift_id, 0.0) + spent - self._free > self._burst:
            return False
        self._spent[lift_id] = spent
        return True

    def turn(self, windows: float) -> None:
        """Close the window, which lasted `windows` of its usual length."""
        free = self._free * windows
        spenders = {lift_id for lift_id, spent in self._spent.items() if spent > free} | self._debts.keys()
        debts = {lift_id: self._debts.get(lift_id, 0.0) + self._spent.get(lift_id, 0) - free for lift_id in spenders}
        self._debts = {lift_id: debt for lift_id, debt in debts.items() if debt > 0}
        self._spent.clear()


class Flow:
    """Holds each lift to its quota. For one thread; what it knows is forgotten at a restart."""

    def __init__(self, quota: Quota | None = None) -> None:
        """Start with full budgets."""
        quota = quota or Quota()
        self._now = _Budget(quota.per_s, quota.burst)
        self._backlog = _Budget(quota.per_s, quota.backlog_burst)
        self._safety = _Budget(quota.per_s, quota.burst)
        self._turned_s: float | None = None

    def tick(self, now_s: float) -> None:
        """Tell the time (monotonic), once a batch."""
        if self._turned_s is None:
            self._turned_s = now_s
        elapsed_s = now_s - self._turned_s
        if elapsed_s >= WINDOW_S:
            for budget in (self._now, self._backlog, self._safety):
                budget.turn(elapsed_s / WINDOW_S)
            self._turned_s = now_s

    def admits(self, lift_id: str, kind: Kind, live: int, late: int) -> bool:
        """Tell whether a lift may say so many objects; what was not accepted counts as said now (`live`)."""
        if kind in _SAFETY:
            return self._safety.covers(lift_id, live + late)
        if not late:
            return self._now.covers(lift_id, live)
        return self._backlog.covers(lift_id, late) and (not live or self._now.covers(lift_id, live))
