"""The ingest side of a process: broker, worker, keeper and recorder with their threads, and how they stand."""

import threading
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import quote

import msgspec
import structlog

from alerts.alert import AlertKind
from alerts.service_alerts import Conditions
from api.composition import Parts
from ingest.broker_paho import PahoBroker
from ingest.clock import monotonic_s
from ingest.controller_clocks import own_clock_suspect
from ingest.database import DATABASE_AWAY
from ingest.flow import Flow
from ingest.intake import Intake
from ingest.keeper import Keeper, quarantined_of
from ingest.ledger_batch import LedgerBatch
from ingest.recorder import Recorder, Refused
from ingest.spool import Spool
from ingest.worker import Fleet, IngestWorker

# A condition that passes by itself within this time is not worth an alert.
GRACE = timedelta(seconds=60)
FOLD_EVERY_S = 5.0
MIB = 1024 * 1024

log = structlog.get_logger()


class Ingesting:
    """What takes messages in: each part on a thread of its own."""

    def __init__(self, parts: Parts) -> None:
        """Prepare; nothing is connected before `start`."""
        settings = parts.settings
        self._parts = parts
        self.spool = Spool(spool_path(settings.data_dir, settings.mqtt_client_id), settings.spool_mb_max * MIB)
        self.broker = PahoBroker(
            settings.broker, settings.mqtt_client_id, parts.clock, share=settings.mqtt_share or None
        )
        self.recorder = Recorder(parts.store, self.spool, parts.clock, self._quarantine, parts.stale_days.note)
        self.keeper = Keeper(self.broker, self.recorder, parts.quarantine, parts.ledger)
        self.worker = IngestWorker(
            self.broker,
            Intake(parts.profiles, settings.intake_limits, parts.clocks.offset_ms),
            Fleet(parts.register, parts.clock, welcomes_strangers=settings.auto_register),
            self.keeper,
            observers=[parts.desk.observe],
            stranger_observers=[parts.desk.hear_strangers],
            flow=Flow(settings.quota),
            clocks=parts.clocks,
        )
        self._threads: dict[str, threading.Thread] = {}
        self._stopping = threading.Event()
        self._unheard_since: datetime | None = None

    def start(self, guarded: Callable[[str, Callable[[], None]], None]) -> None:
        """Begin to connect, and run the parts: each by `guarded(name, run)` on a thread of its own."""
        runs = {"record": self.recorder.run, "keep": self.keeper.run, "ingest": self.worker.run, "fold": self._fold}
        for name, run in runs.items():
            self._threads[name] = threading.Thread(target=guarded, args=(name, run), name=name)
            self._threads[name].start()
        self.broker.start()

    def stop(self) -> None:
        """End the parts in the order of the work: what was taken is kept if it can be, the rest left to the broker."""
        stops = {"ingest": self.worker.stop, "keep": self.keeper.stop, "record": self.recorder.stop}
        for name, stop in (stops | {"fold": self._stopping.set}).items():
            stop()
            self._threads[name].join()
        self.broker.stop()
        self.spool.close()

    def readiness(self) -> dict[str, str | bool]:
        """Return how the parts stand; True where they work."""
        return {
            "broker": self.broker.trouble() or True,
            "spool": self.keeper.trouble() or True,
        }

    def conditions(self, now: datetime) -> Conditions:
        """Return what an operator has to know of this process: a reason for each condition that stands."""
        if self.broker.connected_since() is not None:
            self._unheard_since = None
        elif self._unheard_since is None:
            self._unheard_since = now
        spool = self.spool.counts()
        away_since = self.recorder.away_since()
        trouble = self.keeper.trouble() if self.keeper.is_spool_at_its_end() else None
        return {
            AlertKind.BROKER_AWAY: _lasting(self.broker.trouble() or "no connection", self._unheard_since, now),
            AlertKind.STORE_AWAY: _lasting("it does not answer", away_since, now),
            AlertKind.OWN_CLOCK: self._own_clock(now),
            AlertKind.SPOOL_FULL: trouble and f"{trouble}; {spool.messages:,} messages wait in the spool",
        }

    def counters(self) -> dict[str, float]:
        """Return what was counted since the process began."""
        counted = (self.worker.counts, self.keeper.counts, self.recorder.counts, self._parts.quarantine.counts)
        return {name: float(value) for counts in counted for name, value in msgspec.structs.asdict(counts).items()}

    def gauges(self) -> dict[str, float]:
        """Return what waits where, at this moment."""
        spool = self.spool.counts()
        return {
            "deliveries_waiting": self.broker.waiting(),
            "messages_to_keep": self.keeper.waiting(),
            "spool_messages": spool.messages,
            "spool_bytes": spool.bytes,
            "spool_unreadable": spool.unreadable,
            "spool_files_damaged": len(self.spool.damages()),
            "broker_connected": self.broker.connected_since() is not None,
            "store_away": self.recorder.away_since() is not None,
        }

    def _own_clock(self, now: datetime) -> str | None:
        fleet_size = len(self.worker.fleet.profiles)
        offset_ms = own_clock_suspect(self._parts.clocks.wrong(now), fleet_size)
        if offset_ms is None:
            return None
        return f"most lifts are {abs(offset_ms) / 1000:.0f} s {'behind' if offset_ms > 0 else 'ahead'}, all alike"

    def _fold(self) -> None:
        """Fold the ledger again and again, with pauses that leave it to the alarms nine tenths of the time."""
        pause_s = FOLD_EVERY_S
        while not self._stopping.wait(pause_s):
            begun_s = monotonic_s()
            try:
                self._parts.ledger.fold()
            except DATABASE_AWAY as error:
                log.warning("ledger-put-off", error=str(error))
            pause_s = max(FOLD_EVERY_S, 9 * (monotonic_s() - begun_s))

    def _quarantine(self, refused: Sequence[Refused]) -> None:
        """Keep what the store refuses of the spool; the ledger has counted it as stored until now."""
        quarantined = [quarantined_of(each) for each in refused]
        self._parts.quarantine.add(quarantined)
        self._parts.ledger.note(LedgerBatch.withdrawing(quarantined))


def spool_path(data_dir: Path, client_id: str) -> Path:
    """Return where the process of a client id spools: each has a file of its own."""
    return data_dir / f"spool-{quote(client_id, safe='')}.sqlite"


def _lasting(what: str, since: datetime | None, now: datetime) -> str | None:
    if since is None or now - since < GRACE:
        return None
    return f"{what} since {since:%Y-%m-%d %H:%M:%S} UTC"
