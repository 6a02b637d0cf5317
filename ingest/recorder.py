"""The recorder: brings messages into the telemetry store, or into the spool for as long as the store is away.

While the store is well a batch goes straight into it. Where it fails, or takes longer than `DIRECT_S_MAX`, the batch
goes into the spool, and so does everything behind it until the spool is empty again: a store that is slow, down for
hours or full delays nobody but itself. One thread speaks to the store (`run`); whoever records waits for it no longer
than that.
"""

import random
import threading
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import NamedTuple

import structlog
from msgspec import Struct

from ingest.clock import Clock
from ingest.database import DATABASE_AWAY
from ingest.messages import Message
from ingest.patience import RETRY_S_MAX, RETRY_S_MIN
from ingest.spool import Spool, SpoolBatch
from ingest.telemetry_store import StoreRefusedError, StoreUnavailableError, TelemetryStore

DIRECT_S_MAX = 2.0
DRAIN_MESSAGES_MAX = 10_000
# A store that is short of breath is asked for less at a time.
WRITE_MESSAGES_MAX = 5_000
WRITE_MESSAGES_MIN = 250

log = structlog.get_logger()


class Refused(NamedTuple):
    """A message that the store will never take, and why."""

    message: Message
    why: str


class RecorderCounts(Struct):
    """What was done since the process began: messages, and how often the store failed."""

    messages_stored: int = 0
    messages_spooled: int = 0
    messages_drained: int = 0
    store_failures: int = 0


def _nobody(_stored: Sequence[Message]) -> None:
    """Tell nobody."""


class _Offer:
    """A batch that is offered to the store, and what became of it."""

    def __init__(self, messages: Sequence[Message]) -> None:
        self.messages = messages
        self.refused: list[Refused] = []
        self.is_stored = False
        self.done = threading.Event()


class Recorder:
    """Messages become durable by `record`. Safe to share between threads."""

    def __init__(
        self,
        store: TelemetryStore,
        spool: Spool,
        clock: Clock,
        on_refused: Callable[[Sequence[Refused]], None],
        on_stored: Callable[[Sequence[Message]], None] = _nobody,
    ) -> None:
        """Write into `store`, or into `spool` while it is away; `on_refused` keeps what it refuses of the spool.

        `on_stored` is told of what the store has taken before it counts as stored; where it fails with
        `DATABASE_AWAY` it is told again, as after a crash.
        """
        self._store = store
        self._spool = spool
        self._clock = clock
        self._on_refused, self._on_stored = on_refused, on_stored
        self._offer: _Offer | None = None
        self._changed = threading.Condition()
        self._stopping = threading.Event()
        self._is_running = False
        self._write_most = WRITE_MESSAGES_MAX
        self._written: tuple[tuple[int, ...], int] = ((), 0)
        self._away_since: datetime | None = None
        self.counts = RecorderCounts()

    def record(self, messages: Sequence[Message]) -> list[Refused]:
        """Make messages durable, in the store or in the spool; return those that the store refuses.

        Raises:
            SpoolFullError, SpoolUnavailableError: nothing is promised; record the same messages again.
        """
        if not messages:
            return []
        offer = self._offered(messages)
        if offer is not None and offer.done.wait(DIRECT_S_MAX if self._is_running else 0) and offer.is_stored:
            return offer.refused
        self._spool.append(messages)
        self.counts.messages_spooled += len(messages)
        with self._changed:
            self._changed.notify_all()
        return []

    def away_since(self) -> datetime | None:
        """Return since when the store has not taken anything; None while it does."""
        return self._away_since

    def run(self) -> None:
        """Speak to the store until `stop`."""
        self._is_running = True
        retry_s = RETRY_S_MIN
        while not self._stopping.is_set():
            with self._changed:
                self._changed.wait_for(self._has_work, timeout=1.0)
            if not self._has_work() or self.step():
                retry_s = RETRY_S_MIN
                continue
            self._stopping.wait(random.uniform(retry_s / 2, retry_s))  # noqa: S311 - jitter, not a secret
            retry_s = min(retry_s * 2, RETRY_S_MAX)

    def stop(self) -> None:
        """End after the batch in hand; what is in the spool stays there."""
        self._stopping.set()
        with self._changed:
            self._changed.notify_all()

    def step(self) -> bool:
        """Do one piece of work, an offered batch before what is spooled; False where the store cannot take it now."""
        offer = self._offer
        if offer is not None:
            return self._take_up(offer)
        try:
            batch = self._spool.oldest(DRAIN_MESSAGES_MAX)
            if batch is not None:
                self._drain(batch)
        except (StoreUnavailableError, *DATABASE_AWAY, OSError) as error:
            self._failed(error)
            return False
        self._is_back()
        return True

    def _has_work(self) -> bool:
        return self._offer is not None or not self._spool.is_empty or self._stopping.is_set()

    def _offered(self, messages: Sequence[Message]) -> _Offer | None:
        """Hand a batch to the store's thread, where nothing waits before it; without that thread, do its work here."""
        offer = _Offer(messages)
        with self._changed:
            if self._offer is not None or not self._spool.is_empty or self._stopping.is_set():
                return None
            self._offer = offer
            self._changed.notify_all()
        if not self._is_running:
            self.step()
        return offer

    def _take_up(self, offer: _Offer) -> bool:
        try:
            offer.refused = self._write(offer.messages)
            offer.is_stored = True
            self.counts.messages_stored += len(offer.messages)
            self._is_back()
        except (StoreUnavailableError, *DATABASE_AWAY) as error:
            self._failed(error)
        finally:
            with self._changed:
                self._offer = None
            offer.done.set()
        return offer.is_stored

    def _drain(self, batch: SpoolBatch) -> None:
        numbers, done = self._written
        start = done if numbers == batch.numbers else 0
        while start < len(batch.messages):
            some = batch.messages[start : start + self._write_most]
            refused = self._write(some)
            if refused:
                self._on_refused(refused)
            start += len(some)
            self._written = (batch.numbers, start)
        self._spool.remove(batch)
        self.counts.messages_drained += len(batch.messages)

    def _write(self, messages: Sequence[Message]) -> list[Refused]:
        """Write a batch; what the store refuses is bisected out, so that the rest is written."""
        try:
            self._store.write(messages)
        except StoreRefusedError as error:
            if len(messages) == 1:
                return [Refused(messages[0], str(error))]
            middle = len(messages) // 2
            return self._write(messages[:middle]) + self._write(messages[middle:])
        self._on_stored(messages)
        return []

    def _failed(self, error: Exception) -> None:
        self.counts.store_failures += 1
        self._write_most = max(self._write_most // 2, WRITE_MESSAGES_MIN)
        if self._away_since is None:
            self._away_since = self._clock.now()
            log.warning("store-away", error=str(error), spooled=self._spool.counts().messages)

    def _is_back(self) -> None:
        self._write_most = WRITE_MESSAGES_MAX
        if self._away_since is not None:
            log.info("store-back", away_since=self._away_since.isoformat(), spooled=self._spool.counts().messages)
            self._away_since = None
