"""What the tests of the ingest side are made of: stores that fail, and a pipeline on a memory broker."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy.engine import Engine

from ingest.broker import MemoryBroker
from ingest.clock import ManualClock, to_ms
from ingest.controller_clocks import ControllerClocks
from ingest.faults import load_profiles
from ingest.fleet import Lift
from ingest.fleet_register import FleetRegister
from ingest.flow import Flow, Quota
from ingest.intake import Intake
from ingest.keeper import Keeper, quarantined_of
from ingest.ledger import Ledger
from ingest.messages import DoorCycle, Kind, Message
from ingest.quarantine import Quarantine
from ingest.recorder import Recorder, Refused
from ingest.spool import Spool
from ingest.strangers import StrangerCall
from ingest.telemetry_store import MemoryTelemetryStore, StoreRefusedError, StoreUnavailableError
from ingest.worker import Fleet, IngestWorker

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
NOW_MS = to_ms(NOW)
MIB = 1024 * 1024
PROFILES = load_profiles()


def door(seq: int, lift_id: str = "L1") -> Message:
    body = DoorCycle(at=NOW_MS, seq=seq, boot="b", floor=1, opening_ms=2_000.0, closing_ms=3_000.0)
    return Message(lift_id, Kind.DOOR, NOW_MS, NOW_MS, body)


class FailingStore(MemoryTelemetryStore):
    """Fails as often as told, and never takes a number that it dislikes."""

    def __init__(self, failures: int = 0, disliked_seq: int | None = None) -> None:
        super().__init__()
        self.failures = failures
        self.disliked_seq = disliked_seq
        self.writes: list[int] = []

    def write(self, messages: Sequence[Message]) -> None:
        self.writes.append(len(messages))
        if self.failures:
            self.failures -= 1
            message = "away"
            raise StoreUnavailableError(message)
        if self.disliked_seq is not None and any(message.body.seq == self.disliked_seq for message in messages):
            message = "disliked"
            raise StoreRefusedError(message)
        super().write(messages)

    def numbers(self, lift_id: str = "L1") -> list[int | None]:
        messages = self.messages(lift_id, Kind.DOOR, NOW - timedelta(hours=1), NOW + timedelta(hours=1))
        return [message.body.seq for message in messages]


class Pipeline:
    """Worker, keeper and recorder on a memory broker, without threads: each step is taken by the test."""

    def __init__(
        self,
        engine: Engine,
        folder: Path,
        store: FailingStore | None = None,
        *,
        auto_register: bool = False,
        spool_bytes_max: int = MIB,
        quota: Quota | None = None,
    ) -> None:
        self.broker = MemoryBroker()
        self.store = store or FailingStore()
        self.quarantine = Quarantine(engine)
        self.ledger = Ledger(engine)
        self.register = FleetRegister(engine)
        self.register.register([Lift(lift_id="L1")], NOW)
        self.observed: list[Message] = []
        self.strangers: list[StrangerCall] = []
        clock = ManualClock(NOW)
        self.clocks = ControllerClocks(engine)
        self.spool = Spool(folder / "spool.sqlite", spool_bytes_max)
        self.recorder = Recorder(self.store, self.spool, clock, self._refuse)
        self.keeper = Keeper(self.broker, self.recorder, self.quarantine, self.ledger)
        self.worker = IngestWorker(
            self.broker,
            Intake(PROFILES, offset_of=self.clocks.offset_ms),
            Fleet(self.register, clock, welcomes_strangers=auto_register),
            self.keeper,
            observers=[self.observe],
            stranger_observers=[self.strangers.extend],
            flow=Flow(quota),
            clocks=self.clocks,
        )

    def observe(self, messages: Sequence[Message]) -> None:
        self.observed += messages

    def publish(self, seq: int, lift_id: str = "L1") -> None:
        content = f'{{"at": {NOW_MS}, "seq": {seq}, "boot": "b", "floor": 1, "opening_ms": 2000, "closing_ms": 3000}}'
        self.broker.publish(f"lifts/v1/{lift_id}/door", content.encode(), NOW_MS)

    def step(self) -> int:
        """See one batch through; return how many deliveries the broker gave."""
        taken = self.worker.step(0)
        self.keeper.step(0)
        return taken

    def reasons(self) -> list[str]:
        return [row.reason for row in self.quarantine.list(limit=100)]

    def _refuse(self, refused: Sequence[Refused]) -> None:
        self.quarantine.add([quarantined_of(each) for each in refused])
