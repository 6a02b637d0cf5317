"""The dispatcher: sends what the outbox holds to everybody who wants to be told, lane by lane."""

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime, timedelta
from functools import partial

import structlog
from msgspec import Struct
from sqlalchemy.engine import Engine

from alerts.channels import Channel, Outcome, words_for
from alerts.escalation import escalate
from alerts.fan_out import ROWS_A_STEP, fan_out
from alerts.lanes import Due, Lane, Lanes
from alerts.outbox_end import remove_old
from alerts.rules import RuleBook
from ingest.clock import Clock
from ingest.database import DATABASE_AWAY

# Lanes that are served at once: a receiver that hangs holds one of them, for 15 s of each pause.
LANES_AT_ONCE = 16
STEP_EVERY_S = 1.0
# Of one lane in a turn; then others may have the thread.
SENT_A_TURN_MAX = 100

# A part that failed is tried each second; so long after the last failure all is well again.
FAILED_FOR = timedelta(minutes=1)

log = structlog.get_logger()


class DispatchCounts(Struct):
    """What was done since the process began."""

    notifications_delivered: int = 0
    notification_attempts_failed: int = 0


class Dispatcher:
    """Works beside any number of others on the same database."""

    def __init__(self, engine: Engine, rules: RuleBook, channels: Mapping[str, Channel], clock: Clock) -> None:
        """Send by `channels`, by their names; a subscription whose channel is not there fails and is tried again."""
        self._engine = engine
        self._lanes = Lanes(engine, rules)
        self._channels = channels
        self._clock = clock
        self._stopping = threading.Event()
        self._counting = threading.Lock()
        self._trouble: str | None = None
        self._failed_at: datetime | None = None
        self.counts = DispatchCounts()

    def run(self) -> None:
        """Work until `stop`; what is being sent then is sent to its end."""
        with ThreadPoolExecutor(LANES_AT_ONCE, thread_name_prefix="notify") as pool:
            busy: set[Future[None]] = set()
            while not self._stopping.is_set():
                busy = {lane for lane in busy if not lane.done()}
                self._patiently(partial(self._submit, pool, busy))
                self._stopping.wait(STEP_EVERY_S)

    def stop(self) -> None:
        """End after what is being sent, some 15 s at the most."""
        self._stopping.set()

    def work(self) -> int:
        """Do on this thread all that is due now; return how many attempts were made."""
        self._prepare()
        lanes = self._lanes.claim(self._clock.now(), LANES_AT_ONCE)
        return sum(self._serve(lane) for lane in lanes)

    def trouble(self) -> str | None:
        """Return what keeps notifications from being sent; None: all is well."""
        if self._failed_at is not None and self._clock.now() - self._failed_at < FAILED_FOR:
            return "failed, see the log"
        return self._trouble

    def _submit(self, pool: ThreadPoolExecutor, busy: set[Future[None]]) -> None:
        self._prepare()
        most = LANES_AT_ONCE - len(busy)
        lanes = self._lanes.claim(self._clock.now(), most) if most else []
        busy |= {pool.submit(self._patiently, partial(self._serve, lane)) for lane in lanes}

    def _prepare(self) -> None:
        now = self._clock.now()
        # Each by itself: what cannot be told must not keep what can be from being sent.
        for step in (self._fan_out, partial(escalate, self._engine), partial(remove_old, self._engine)):
            self._apart(partial(step, now))

    def _fan_out(self, now: datetime) -> None:
        while fan_out(self._engine, now) == ROWS_A_STEP and not self._stopping.is_set():
            pass

    def _apart(self, action: Callable[[], object]) -> None:
        try:
            action()
        except DATABASE_AWAY:
            raise
        except Exception:
            log.exception("notifying-failed")
            self._failed_at = self._clock.now()

    def _serve(self, lane: Lane) -> int:
        """Send what is due in a lane until nothing is, or one fails."""
        sent = 0
        while sent < SENT_A_TURN_MAX and not self._stopping.is_set():
            due = self._lanes.next(lane, self._clock.now())
            if due is None:
                break
            outcome = self._send(lane, due)
            sent += 1
            self._lanes.record(lane, due, outcome, self._clock.now())
            if outcome.error is not None:
                break
        self._lanes.release(lane)
        return sent

    def _send(self, lane: Lane, due: Due) -> Outcome:
        channel = self._channels.get(lane.channel)
        if channel is None:
            outcome = Outcome(error=f"this service is not set up for {lane.channel}")
        else:
            try:
                outcome = channel.send(due.outgoing, self._clock.now())
            except Exception as error:  # one notification must not keep everybody else from being told
                log.exception("notification-broken", notification_id=due.notification_id)
                outcome = Outcome(error=words_for(error))
        self._count(lane, due, outcome)
        return outcome

    def _count(self, lane: Lane, due: Due, outcome: Outcome) -> None:
        with self._counting:
            if outcome.error is None:
                self.counts.notifications_delivered += 1
                return
            self.counts.notification_attempts_failed += 1
        numbers = {"subscription_id": lane.subscription_id, "notification_id": due.notification_id}
        log.warning("notification-not-delivered", **numbers, attempt=due.attempts + 1, error=outcome.error)

    def _patiently(self, action: Callable[[], object]) -> None:
        try:
            action()
        except DATABASE_AWAY as error:
            log.warning("put-off", what="notifications", error=str(error))
            self._trouble = "the database does not answer"
        except Exception:  # a mistake in telling must not end the lane of the alarms
            log.exception("notifying-failed")
            self._failed_at = self._clock.now()
        else:
            self._trouble = None
