"""The ingest worker: takes deliveries, has them judged, observed and kept, and only then acknowledges them."""

import random
import threading
from collections.abc import Callable, Sequence

import structlog
from msgspec import Struct

from ingest.broker import Broker, Delivery
from ingest.clock import Clock, monotonic_s
from ingest.database import DATABASE_AWAY
from ingest.fleet_register import FleetRegister
from ingest.intake import UNKNOWN_LIFT, Intake, Taken, UnknownLift
from ingest.messages import Message, State
from ingest.quarantine import Quarantine, Quarantined
from ingest.telemetry_store import StoreRefusedError, StoreUnavailableError, TelemetryStore
from ingest.wire import Reason, encode, topic_of

BATCH_MAX = 5_000
WAIT_S = 0.25
RETRY_S_MIN = 0.2
RETRY_S_MAX = 15.0
FLEET_REFRESH_S = 30.0

Observer = Callable[[Sequence[Message]], None]

log = structlog.get_logger()


class IntakeCounts(Struct):
    """What this process has taken in since it began. Redelivered messages count again: these are deliveries."""

    deliveries: int = 0
    messages_accepted: int = 0
    messages_late: int = 0
    messages_quarantined: int = 0
    unknown_fields: int = 0
    lifts_registered: int = 0
    retries: int = 0


class Fleet:
    """What intake needs to know of the fleet, kept in memory: refreshed in full now and then, and on each stranger."""

    def __init__(self, register: FleetRegister) -> None:
        """Read from `register`."""
        self._register = register
        self._profiles: dict[str, str | None] = {}
        self._refreshed_s: float | None = None

    def profile_of(self, lift_id: str) -> str | UnknownLift | None:
        """Return the controller profile of a lift (None: canonical codes), or `UNKNOWN_LIFT`."""
        if self._refreshed_s is None or monotonic_s() - self._refreshed_s > FLEET_REFRESH_S:
            self._profiles = self._register.profiles_of_lifts()
            self._refreshed_s = monotonic_s()
        if lift_id not in self._profiles:
            found = self._register.find(lift_id)
            if found is None:
                return UNKNOWN_LIFT
            self._profiles[lift_id] = found.lift.profile
        return self._profiles[lift_id]


class IngestWorker:
    """Runs one batch after another.

    Everything it does can be done twice, so that a crash before the acknowledgement only makes the same thing happen
    again.
    """

    def __init__(
        self,
        broker: Broker,
        intake: Intake,
        register: FleetRegister,
        store: TelemetryStore,
        quarantine: Quarantine,
        clock: Clock,
        *,
        observers: Sequence[Observer] = (),
        auto_register: bool = False,
    ) -> None:
        """Take from `broker`; `observers` see each batch before the store does, so that alarms never wait for it."""
        self._broker = broker
        self._intake = intake
        self._register = register
        self._store = store
        self._quarantine = quarantine
        self._clock = clock
        self._observers = observers
        self._auto_register = auto_register
        self._fleet = Fleet(register)
        self._strangers: set[str] = set()
        self._observable: list[Message] = []
        self._stopping = threading.Event()
        self.counts = IntakeCounts()

    def run(self) -> None:
        """Work until `stop`."""
        while not self._stopping.is_set():
            self.step(WAIT_S)

    def stop(self) -> None:
        """End after the batch in hand; a batch that cannot be kept now is left to the broker."""
        self._stopping.set()

    def step(self, wait_s: float) -> int:
        """Take one batch and see it through; return how many deliveries it had."""
        deliveries = self._broker.take(BATCH_MAX, wait_s)
        if deliveries and self._patiently(lambda: self._keep(deliveries)):
            self._broker.acknowledge(deliveries)
        return len(deliveries)

    def _patiently(self, action: Callable[[], None]) -> bool:
        """Do it, again and again while the world fails; False where we were told to stop before it was done."""
        retry_s = RETRY_S_MIN
        while True:
            try:
                action()
            except (StoreUnavailableError, *DATABASE_AWAY) as error:
                self.counts.retries += 1
                log.warning("cannot-keep-yet", error=str(error), retry_s=round(retry_s, 1))
            else:
                return True
            if self._stopping.wait(random.uniform(retry_s / 2, retry_s)):  # noqa: S311 - jitter, not a secret
                return False
            retry_s = min(retry_s * 2, RETRY_S_MAX)

    def _keep(self, deliveries: Sequence[Delivery]) -> None:
        taken = self._judge(deliveries)
        if self._strangers:
            self._register.add_if_unknown(self._strangers, self._clock.now())
        for observe in self._observers:
            observe(self._observable)
        self._write(taken.accepted)
        self._quarantine.add(taken.quarantined)
        self._count(deliveries, taken)

    def _judge(self, deliveries: Sequence[Delivery]) -> Taken:
        batch = Taken([], [])
        self._strangers = set()
        self._observable = []
        for delivery in deliveries:
            taken = self._intake.take(delivery.topic, delivery.payload, delivery.received_ms, self._profile_of)
            batch.accepted += taken.accepted
            self._observable += [m for m in taken.accepted if not delivery.retained or _is_last_will(m)]
            batch.quarantined += taken.quarantined
            batch.unknown_fields += taken.unknown_fields
        self._strangers &= {message.lift_id for message in batch.accepted}
        return batch

    def _profile_of(self, lift_id: str) -> str | UnknownLift | None:
        profile = self._fleet.profile_of(lift_id)
        if isinstance(profile, UnknownLift) and self._auto_register:
            self._strangers.add(lift_id)
            return None
        return profile

    def _write(self, messages: Sequence[Message]) -> None:
        """Write a batch; what the store refuses is bisected out and quarantined, so that the rest is written."""
        if not messages:
            return
        try:
            self._store.write(messages)
        except StoreRefusedError as error:
            if len(messages) == 1:
                self._quarantine.add([_refused(messages[0], str(error))])
                return
            middle = len(messages) // 2
            self._write(messages[:middle])
            self._write(messages[middle:])

    def _count(self, deliveries: Sequence[Delivery], taken: Taken) -> None:
        self.counts.deliveries += len(deliveries)
        self.counts.messages_accepted += len(taken.accepted)
        self.counts.messages_late += sum(message.late for message in taken.accepted)
        self.counts.messages_quarantined += len(taken.quarantined)
        self.counts.unknown_fields += taken.unknown_fields
        self.counts.lifts_registered += len(self._strangers)


def _is_last_will(message: Message) -> bool:
    """Tell whether a message says that its lift is gone: of what the broker retained, the one that is true now."""
    return isinstance(message.body, State) and message.body.connected is False


def _refused(message: Message, why: str) -> Quarantined:
    topic = topic_of(message.lift_id, message.kind)
    content = encode(message.body)
    return Quarantined(topic, message.lift_id, content, Reason.STORE_REFUSED, why, message.received_ms)
