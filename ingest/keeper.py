"""The keeper: makes durable what was judged and observed, and only then lets go of it at the broker.

It works on a thread of its own, behind a bounded queue, so that the lane of the alarms before it never waits for a
telemetry store, a spool or a ledger.
"""

import threading
from collections import deque
from collections.abc import Callable, Sequence

import structlog
from msgspec import Struct

from ingest.broker import Broker, Delivery
from ingest.database import DATABASE_AWAY
from ingest.ledger import Ledger, LedgerBatch
from ingest.messages import Message
from ingest.patience import patiently
from ingest.quarantine import Quarantine, Quarantined, refused_later
from ingest.recorder import Recorder, Refused
from ingest.spool import SpoolFullError, SpoolUnavailableError
from ingest.wire import Reason

# Objects that wait to be kept: some 10 s of a fleet of 10,000 lifts at its peak, and 40 MiB at the most.
WAITING_MAX = 30_000
# What comes within this time is kept as one batch; nobody but the broker waits for it.
LINGER_S = 0.05
# Batches that wait are kept as one, so that a commit and a flush of acknowledgements serve them all.
TOGETHER_MAX = 5_000

SPOOL_FULL = "the spool is full"
SPOOL_FAILS = "the spool cannot be written"

log = structlog.get_logger()


class Judged(Struct):
    """A batch that was judged and observed, and waits to be kept."""

    deliveries: list[Delivery]
    accepted: list[Message]
    quarantined: list[Quarantined]

    def join(self, other: "Judged") -> None:
        """Take another batch in, behind this one."""
        self.deliveries += other.deliveries
        self.accepted += other.accepted
        self.quarantined += other.quarantined

    @property
    def size(self) -> int:
        """How many objects, or deliveries where those are more (a delivery may hold nothing)."""
        return max(len(self.deliveries), len(self.accepted) + len(self.quarantined))


class KeeperCounts(Struct):
    """What was done since the process began. Redelivered messages count again."""

    deliveries_acknowledged: int = 0
    retries: int = 0


class Keeper:
    """Keeps one batch after another, in the order in which they were put."""

    def __init__(self, broker: Broker, recorder: Recorder, quarantine: Quarantine, ledger: Ledger) -> None:
        """Acknowledge at `broker` what `recorder`, `quarantine` and `ledger` have made durable."""
        self._broker = broker
        self._recorder = recorder
        self._quarantine = quarantine
        self._ledger = ledger
        self._waiting: deque[Judged] = deque()
        self._waiting_size = 0
        self._changed = threading.Condition()
        self._stopping = threading.Event()
        self._trouble: str | None = None
        self.counts = KeeperCounts()

    def put(self, batch: Judged) -> bool:
        """Queue a batch; waits while too much is waiting, and returns False where it was told to stop meanwhile."""
        with self._changed:
            while self._waiting_size and self._waiting_size + batch.size > WAITING_MAX:
                if self._stopping.is_set():
                    return False
                self._changed.wait(0.5)
            self._waiting.append(batch)
            self._waiting_size += batch.size
            self._changed.notify_all()
        return True

    def waiting(self) -> int:
        """Return how many objects wait to be kept."""
        return self._waiting_size

    def trouble(self) -> str | None:
        """Return why nothing can be acknowledged at present; None where all is well."""
        return self._trouble

    def is_spool_at_its_end(self) -> bool:
        """Tell whether it is the spool that keeps us from acknowledging: it is full, or cannot be written."""
        return self._trouble in (SPOOL_FULL, SPOOL_FAILS)

    def run(self) -> None:
        """Work until `stop`, and then through what waits, unless that fails."""
        while self.step(0.25, LINGER_S) or not self._stopping.is_set():
            pass

    def stop(self) -> None:
        """End after what waits; a batch that cannot be kept now is left to the broker."""
        self._stopping.set()
        with self._changed:
            self._changed.notify_all()

    def step(self, wait_s: float, linger_s: float = 0) -> int:
        """Keep what waits, one batch of it; return how many deliveries were let go of. A small one waits for more."""
        batch = self._next(wait_s, linger_s)
        if batch is None or not self._keep(batch):
            return 0
        self._broker.acknowledge(batch.deliveries)
        self.counts.deliveries_acknowledged += len(batch.deliveries)
        return len(batch.deliveries)

    def _next(self, wait_s: float, linger_s: float) -> Judged | None:
        with self._changed:
            if not self._waiting:
                self._changed.wait(wait_s)
            if not self._waiting:
                return None
            is_small = self._waiting_size < TOGETHER_MAX
        if linger_s and is_small:
            self._stopping.wait(linger_s)
        with self._changed:
            batch = self._waiting.popleft()
            while self._waiting and batch.size + self._waiting[0].size <= TOGETHER_MAX:
                batch.join(self._waiting.popleft())
            self._waiting_size = sum(each.size for each in self._waiting)
            self._changed.notify_all()
        return batch

    def _keep(self, batch: Judged) -> bool:
        refused: list[Refused] = []
        if not self._patiently(lambda: refused.extend(self._recorder.record(batch.accepted))):
            return False
        quarantined = batch.quarantined + [quarantined_of(each) for each in refused]
        if quarantined and not self._patiently(lambda: self._quarantine.add(quarantined)):
            return False
        stored = _without(batch.accepted, refused)
        noted = LedgerBatch.of(stored, quarantined)
        return self._patiently(lambda: self._ledger.note(noted))

    def _patiently(self, action: Callable[[], None]) -> bool:
        is_done = patiently(action, (SpoolFullError, SpoolUnavailableError, *DATABASE_AWAY), self._stopping, self._tell)
        if is_done:
            self._trouble = None
        return is_done

    def _tell(self, error: Exception, retry_s: float) -> None:
        self.counts.retries += 1
        self._trouble = _words_for(error)
        log.warning("cannot-keep-yet", error=str(error), retry_s=round(retry_s, 1))


def _words_for(error: Exception) -> str:
    if isinstance(error, SpoolFullError):
        return SPOOL_FULL
    return SPOOL_FAILS if isinstance(error, SpoolUnavailableError) else "the database does not answer"


def quarantined_of(refused: Refused) -> Quarantined:
    """Return a message that the store refuses as quarantine keeps it."""
    return refused_later(refused.message, Reason.STORE_REFUSED, refused.why)


def _without(messages: list[Message], refused: Sequence[Refused]) -> list[Message]:
    if not refused:
        return messages
    bad = {id(each.message) for each in refused}
    return [message for message in messages if id(message) not in bad]
