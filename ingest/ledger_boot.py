"""What is known of the numbers of one boot. Pure: whatever comes late, twice or by way of quarantine ends the same."""

from msgspec import Struct

from ingest.ledger_batch import LedgerEntry
from ingest.ledger_spans import NEVER_MS, SPANS_MAX, Gap, Span, count, gaps_of, joined, spans_of, without


class Boot(Struct):
    """The numbers of one boot; the name is empty where the lift names none.

    What is no longer listed stands in `stored`, so that it is not missed, and is counted apart.
    """

    lift_id: str
    boot: str
    first_ms: int
    last_ms: int
    duplicates: int = 0
    unlisted_missing: int = 0
    unlisted_quarantined: int = 0
    stored: list[Span] = []
    quarantined: list[Span] = []

    def take(self, entry: LedgerEntry, *, is_history: bool) -> None:
        """Add what a batch held; any order, any number of times."""
        self.first_ms = min(self.first_ms, entry.first_received_ms)
        self.last_ms = max(self.last_ms, entry.last_received_ms)
        elsewhere = entry.quarantined + entry.withdrawn
        if not elsewhere and self._goes_on(entry.stored):
            return
        begun_ms = NEVER_MS if is_history else entry.first_received_ms
        before = count(self.stored)
        self.stored = joined(self.stored, spans_of(entry.stored, begun_ms))
        self.duplicates += len(entry.stored) - (count(self.stored) - before)
        if entry.withdrawn:
            self.stored = without(self.stored, spans_of(entry.withdrawn, begun_ms))
        if elsewhere:
            self.quarantined = joined(self.quarantined, spans_of(elsewhere, begun_ms))
        if self.quarantined:
            self.quarantined = without(self.quarantined, self.stored)
        self._bound()

    def _goes_on(self, numbers: list[int]) -> bool:
        """Take numbers that follow on what is there, one by one, as nearly all do; False where they do not."""
        if not self.stored or self.quarantined:
            return False
        newest = self.stored[-1]
        if numbers != list(range(newest.last + 1, newest.last + 1 + len(numbers))):
            return False
        self.stored[-1] = Span(newest.first, newest.last + len(numbers), newest.begun_ms)
        return True

    def _bound(self) -> None:
        """Keep no more than can be kept: first the quarantined, then the gaps that are the oldest are only counted."""
        if len(self.quarantined) > SPANS_MAX:
            old = self.quarantined[:-SPANS_MAX]
            del self.quarantined[:-SPANS_MAX]
            self.unlisted_quarantined += count(old)
            self.stored = joined(self.stored, old)
        excess = len(self.known()) - SPANS_MAX
        if excess > 0:
            old_gaps = self.gaps()[:excess]
            self.unlisted_missing += count(old_gaps)
            self.stored = joined(self.stored, [Span(*gap) for gap in old_gaps])

    def known(self) -> list[Span]:
        """Return every number that has come, wherever it went."""
        return joined(self.stored, self.quarantined) if self.quarantined else self.stored

    def gaps(self) -> list[Gap]:
        """Return what is listed as missing."""
        return gaps_of(self.known())

    def missing(self) -> int:
        """Return how many numbers are listed as missing."""
        return count(self.gaps()) if len(self.stored) > 1 or self.quarantined else 0

    def stored_count(self) -> int:
        """Return how many numbers are stored."""
        return count(self.stored) - self.unlisted_missing - self.unlisted_quarantined
