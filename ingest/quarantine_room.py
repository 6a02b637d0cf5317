"""How much the quarantine keeps: bounds for a flood and for the whole, and what is only counted beyond them.

How many rows there are is asked of the database now and then, and counted along in between: several processes may
overshoot a bound by what they add from one look to the next.
"""

from collections import defaultdict
from collections.abc import Sequence

import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy.engine import Connection

from ingest.quarantine_rows import Arrival, quarantined, summary_row
from ingest.wire import Reason

ROWS_MAX = 1_000_000
# The excess of one lift proves what it did long before this; it must not push out what others sent.
FLOOD_ROWS_MAX = 10_000
# Beyond the bound each lift and reason still has its count; beyond this many, only each reason.
SUMMARY_ROWS_MAX = 10_000
# More than one transaction brings: it frees room for a while, and a bound that was lowered is reached in the end.
REMOVED_AT_ONCE = 1_000
_RECOUNT_AFTER_ROWS = 10_000
_RECOUNT_AFTER_FLOOD = 1_000
_FLOODERS_MAX = 10_000


class QuarantineCounts(Struct):
    """What this process had to do to stay within the bounds, since it began."""

    quarantine_payloads_not_kept: int = 0
    quarantine_rows_removed: int = 0


class _Tally(Struct):
    """A number in the database as of the last look, with what was added since; `unseen` arrivals ago (None: never)."""

    value: int = 0
    unseen: int | None = None

    def is_old(self, recount_after: int) -> bool:
        return self.unseen is None or self.unseen >= recount_after

    def add(self, kept: int, arrived: int) -> None:
        self.value += kept
        self.unseen = (self.unseen or 0) + arrived


class Room:
    """Sorts what is new into what is kept and what is only counted. Used by one thread at a time."""

    def __init__(self, rows_max: int) -> None:
        """Bound the quarantine to `rows_max` rows (and the summaries)."""
        self._rows_max = rows_max
        self._rows = _Tally()
        self._floods: dict[str | None, _Tally] = {}
        self.counts = QuarantineCounts()

    def forget(self, counts: QuarantineCounts) -> None:
        """Look again at the next chance, and count from `counts`: a transaction was undone."""
        self.counts = counts
        self._rows = _Tally()
        self._floods = {}

    def look(self, connection: Connection, arrived: Sequence[Arrival]) -> None:
        """Count anew what `sort` has to know of them, where that is long ago: before anybody waits for its writing."""
        if self._rows.is_old(_RECOUNT_AFTER_ROWS):
            self._rows = _Tally(_count(connection), 0)
        if len(self._floods) > _FLOODERS_MAX:
            self._floods = {}
        for lift_id in {arrival.item.lift_id for arrival in arrived if arrival.item.reason is Reason.FLOODING}:
            if self._floods.get(lift_id, _Tally()).is_old(_RECOUNT_AFTER_FLOOD):
                self._floods[lift_id] = _Tally(_count_flood(connection, lift_id), 0)

    def sort(self, connection: Connection, new: Sequence[Arrival]) -> tuple[list[Arrival], list[dict[str, object]]]:
        """Return what is to be kept whole, and the summary rows of the rest."""
        kept, flood = self._without_flood(new)
        each_lift = self._rows.value < self._rows_max + SUMMARY_ROWS_MAX
        room = max(0, self._rows_max - self._rows.value)
        if room < len(kept):
            room += self._remove_replayed(connection)
        kept, beyond = kept[:room], kept[room:]
        full = f"only counted: the quarantine holds {self._rows_max:,} messages"
        floods = f"only counted: {FLOOD_ROWS_MAX:,} of this lift's are kept"
        summaries = [*self._summaries(flood, floods), *self._summaries(beyond, full, each_lift=each_lift)]
        self._rows.add(len(kept), len(new))
        return kept, summaries

    def _without_flood(self, new: Sequence[Arrival]) -> tuple[list[Arrival], list[Arrival]]:
        kept: list[Arrival] = []
        flood: list[Arrival] = []
        for arrival in new:
            is_kept = arrival.item.reason is not Reason.FLOODING or self._takes_flood(arrival.item.lift_id)
            (kept if is_kept else flood).append(arrival)
        return kept, flood

    def _takes_flood(self, lift_id: str | None) -> bool:
        tally = self._floods[lift_id]
        taken = tally.value < FLOOD_ROWS_MAX
        tally.add(int(taken), 1)
        return taken

    def _remove_replayed(self, connection: Connection) -> int:
        """Make room by what was replayed, and so is in the store: the earliest first."""
        waits_for_nobody = (
            sa.select(quarantined.c.id)
            .where(quarantined.c.replayed_at.is_not(None))
            .order_by(quarantined.c.replayed_at)
            .limit(REMOVED_AT_ONCE)
        )
        removed = connection.execute(sa.delete(quarantined).where(quarantined.c.id.in_(waits_for_nobody))).rowcount
        self._rows.add(-removed, 0)
        self.counts.quarantine_rows_removed += removed
        return removed

    def _summaries(self, beyond: list[Arrival], why: str, *, each_lift: bool = True) -> list[dict[str, object]]:
        groups: dict[tuple[str | None, Reason], list[Arrival]] = defaultdict(list)
        for arrival in beyond:
            groups[arrival.item.lift_id if each_lift else None, arrival.item.reason].append(arrival)
            self.counts.quarantine_payloads_not_kept += arrival.times
        return [summary_row(lift_id, reason, why, some) for (lift_id, reason), some in groups.items()]


def _count(connection: Connection) -> int:
    return int(connection.execute(sa.select(sa.func.count()).select_from(quarantined)).scalar_one())


def _count_flood(connection: Connection, lift_id: str | None) -> int:
    some = (
        sa.select(sa.literal(1))
        .where(
            quarantined.c.lift_id == lift_id,
            quarantined.c.reason == Reason.FLOODING.value,
            quarantined.c.replayed_at.is_(None),
            quarantined.c.is_summary.is_(False),
        )
        .limit(FLOOD_ROWS_MAX)
    )
    return int(connection.execute(sa.select(sa.func.count()).select_from(some.subquery())).scalar_one())
