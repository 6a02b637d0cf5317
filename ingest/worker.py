"""The ingest worker: takes deliveries, has them judged and observed, and hands them to the keeper.

Everything up to here is the lane of the alarms: it needs the register and the journal, and waits for nothing else. The
keeper behind it makes things durable and only then acknowledges them.
"""

import threading
from collections.abc import Callable, Iterable, Sequence

import structlog
from msgspec import Struct

from ingest.broker import Broker, Delivery
from ingest.clock import Clock, monotonic_s
from ingest.clock_estimate import Sighting
from ingest.controller_clocks import ControllerClocks
from ingest.database import DATABASE_AWAY
from ingest.fleet_register import FleetRegister
from ingest.flow import Flow
from ingest.intake import UNKNOWN_LIFT, Intake, Taken, UnknownLift
from ingest.keeper import Judged, Keeper
from ingest.messages import Kind, Message, State
from ingest.patience import patiently
from ingest.quarantine import Quarantined
from ingest.strangers import StrangerCall, calls_of
from ingest.wire import Reason, parse_topic

BATCH_MAX = 5_000
WAIT_S = 0.25
# What comes within this time is seen through as one batch: a tenth of the work at 2,000 messages a second, and an alarm
# is seen a fiftieth of a second later.
LINGER_S = 0.02
LINGER_BELOW = 500
FLEET_REFRESH_S = 30.0

Topic = tuple[str, Kind] | Reason
Observer = Callable[[Sequence[Message]], None]
StrangerObserver = Callable[[Sequence[StrangerCall]], None]

log = structlog.get_logger()


class IntakeCounts(Struct):
    """What this process has taken in since it began. Redelivered messages count again: these are deliveries."""

    deliveries: int = 0
    messages_accepted: int = 0
    messages_late: int = 0
    messages_quarantined: int = 0
    messages_flooding: int = 0
    unknown_fields: int = 0
    states_cleared: int = 0
    lifts_registered: int = 0
    observing_retries: int = 0


class Fleet:
    """What intake needs to know of the fleet, kept in memory: refreshed in full now and then, and on each stranger."""

    def __init__(self, register: FleetRegister, clock: Clock, *, welcomes_strangers: bool = False) -> None:
        """Read from `register`; where strangers are welcome, their first message registers them."""
        self._register = register
        self._clock = clock
        self._welcomes_strangers = welcomes_strangers
        self._strangers: set[str] = set()
        self._refreshed_s: float | None = None
        self.profiles: dict[str, str | None] = {}

    def learn(self, lift_ids: Iterable[str]) -> None:
        """Look up what is not known of these lifts, and everything anew where it is time; once a batch."""
        if self._refreshed_s is None or monotonic_s() - self._refreshed_s > FLEET_REFRESH_S:
            self.profiles = self._register.profiles_of_lifts()
            self._refreshed_s = monotonic_s()
        strangers = [lift_id for lift_id in lift_ids if lift_id not in self.profiles]
        if strangers:
            self.profiles |= self._register.profiles_of_lifts(strangers)
        self._strangers = set()

    def profile_of(self, lift_id: str) -> str | UnknownLift | None:
        """Return the controller profile of a lift (None: canonical codes), or `UNKNOWN_LIFT`."""
        profile = self.profiles.get(lift_id, UNKNOWN_LIFT)
        if isinstance(profile, UnknownLift) and self._welcomes_strangers:
            self._strangers.add(lift_id)
            return None
        return profile

    def register_strangers(self, messages: Sequence[Message]) -> int:
        """Register the strangers among those whose messages were accepted, and return how many there were."""
        if not self._strangers:
            return 0
        strangers = self._strangers & {message.lift_id for message in messages}
        self._register.add_if_unknown(strangers, self._clock.now())
        self._strangers = set()
        return len(strangers)


class IngestWorker:
    """Runs one batch after another.

    Everything it does can be done twice, so that a crash before the acknowledgement only makes the same thing happen
    again.
    """

    def __init__(
        self,
        broker: Broker,
        intake: Intake,
        fleet: Fleet,
        keeper: Keeper,
        *,
        observers: Sequence[Observer] = (),
        stranger_observers: Sequence[StrangerObserver] = (),
        flow: Flow | None = None,
        clocks: ControllerClocks | None = None,
    ) -> None:
        """Take from `broker`; `observers` see a batch before `keeper` does: alarms never wait for a store.

        `stranger_observers` see who calls for help and is not registered.
        """
        self._broker = broker
        self._intake = intake
        self.fleet = fleet
        self._keeper = keeper
        self._observers = observers
        self._stranger_observers = stranger_observers
        self._calls: list[StrangerCall] = []
        self._flow = flow or Flow()
        self._clocks = clocks
        self._misplaced: list[Sighting] = []
        self._stopping = threading.Event()
        self.counts = IntakeCounts()

    def run(self) -> None:
        """Work until `stop`."""
        while not self._stopping.is_set():
            self.step(WAIT_S, LINGER_S)

    def stop(self) -> None:
        """End after the batch in hand; a batch that cannot be observed now is left to the broker."""
        self._stopping.set()

    def step(self, wait_s: float, linger_s: float = 0) -> int:
        """Take one batch and hand it on; return how many deliveries it had. A small one waits for more to come."""
        deliveries = self._broker.take(BATCH_MAX, wait_s)
        if linger_s and 0 < len(deliveries) < LINGER_BELOW:
            self._stopping.wait(linger_s)
            deliveries += self._broker.take(BATCH_MAX, 0)
        if deliveries:
            self._flow.tick(monotonic_s())
            self._see_through(deliveries)
        return len(deliveries)

    def _see_through(self, deliveries: list[Delivery]) -> None:
        topics = [parse_topic(delivery.topic) for delivery in deliveries]
        lift_ids = {topic[0] for topic in topics if not isinstance(topic, Reason)}
        if not self._patiently(lambda: self._learn(lift_ids)):
            return
        judged, observable = self._judge(deliveries, topics)
        if self._patiently(lambda: self._observe(judged.accepted, observable)):
            self._keeper.put(judged)

    def _learn(self, lift_ids: set[str]) -> None:
        """Have in memory what judging needs, so that it asks no database."""
        self.fleet.learn(lift_ids)
        if self._clocks is not None:
            self._clocks.tick(monotonic_s())

    def _patiently(self, action: Callable[[], None]) -> bool:
        return patiently(action, DATABASE_AWAY, self._stopping, self._tell)

    def _tell(self, error: Exception, retry_s: float) -> None:
        self.counts.observing_retries += 1
        log.warning("cannot-observe-yet", error=str(error), retry_s=round(retry_s, 1))

    def _judge(self, deliveries: list[Delivery], topics: list[Topic]) -> tuple[Judged, list[Message]]:
        """Return what a batch held, and of that what tells of now: nothing retained but a last will."""
        judged, observable = Judged(deliveries, [], []), []
        self._misplaced, self._calls = [], []
        plain = self._plain
        for delivery, topic in zip(deliveries, topics, strict=True):
            messages = plain(delivery, topic)
            if messages is None:
                taken = self._taken(delivery, topic)
                messages = taken.accepted
                judged.quarantined += taken.quarantined
                if not delivery.retained:
                    self._misplaced += taken.misplaced
                    self._calls += calls_of(taken.quarantined)
            judged.accepted += messages
            observable += [each for each in messages if _is_last_will(each)] if delivery.retained else messages
        self.counts.deliveries += len(deliveries)
        self.counts.messages_accepted += len(judged.accepted)
        self.counts.messages_quarantined += len(judged.quarantined)
        return judged, observable

    def _plain(self, delivery: Delivery, topic: Topic) -> list[Message] | None:
        """Return what nearly every delivery holds, quickly; None where it has to be looked at closer."""
        if isinstance(topic, Reason) or topic[0] not in self.fleet.profiles:
            return None
        if self._clocks is not None and self._clocks.is_off(topic[0]):
            return None
        messages = self._intake.plain(topic[0], topic[1], delivery.payload, delivery.received_ms)
        if messages is None or not self._flow.admits(topic[0], topic[1], len(messages), 0):
            return None
        return messages

    def _observe(self, accepted: Sequence[Message], observable: Sequence[Message]) -> None:
        self.counts.lifts_registered += self.fleet.register_strangers(accepted)
        for observe in self._observers:
            observe(observable)
        if self._calls:
            for hear in self._stranger_observers:
                hear(self._calls)
        if self._clocks is not None:
            self._clocks.observe(observable, self._misplaced)

    def _taken(self, delivery: Delivery, topic: Topic) -> Taken:
        """Return what a delivery held; the whole of it goes to quarantine where its lift has said too much."""
        taken = self._intake.take(delivery.topic, delivery.payload, delivery.received_ms, self.fleet.profile_of)
        count = len(taken.accepted) + len(taken.quarantined)
        late = sum(message.late for message in taken.accepted)
        if isinstance(topic, Reason) or self._flow.admits(topic[0], topic[1], count - late, late):
            self.counts.messages_late += late
            self.counts.unknown_fields += taken.unknown_fields
            self.counts.states_cleared += taken.states_cleared
            return taken
        self.counts.messages_flooding += count
        detail = "more than one lift may say; its quota stands in the settings"
        item = Quarantined(delivery.topic, topic[0], delivery.payload, Reason.FLOODING, detail, delivery.received_ms)
        return Taken([], [item])


def _is_last_will(message: Message) -> bool:
    """Tell whether a message says that its lift is gone: of what the broker retained, the one that is true now."""
    return isinstance(message.body, State) and message.body.connected is False
