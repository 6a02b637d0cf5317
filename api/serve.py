"""The running service, or one role of it: ingest, schedule and HTTP server, started and stopped in order."""

import contextlib
import gc
import signal
import socket
import sys
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from enum import StrEnum
from functools import partial
from types import FrameType

import msgspec
import structlog
import uvicorn
from sqlalchemy import text

from api.app import create_app, create_probes
from api.auth import Access
from api.composition import Parts, make_dispatcher, make_replay
from api.ingesting import Ingesting
from api.service import Service
from ingest.broker_publisher_paho import PahoPublisher
from ingest.clock import monotonic_s
from ingest.database import DATABASE_AWAY, reading
from ingest.telemetry_store import StoreUnavailableError

WATCH_EVERY_S = 5.0
# Models serve from a week after the day that they are fitted for: there is no hurry.
FIT_EVERY_S = 900.0
# Somebody who asks of another week, or after old faults have come, is told an older model's word until it is fitted.
FIT_LOOK_S = 2.0
# Of the time between two assessments, for the daily values of days that are over: the rest is left to what cannot wait.
CATCH_UP_SHARE = 1 / 6
# Messages are no containers to the collector, and what holds them lives for one batch: looking seldom costs nothing.
GC_THRESHOLDS = (50_000, 20, 50)

# A thread that comes back from the network waits this long for one that computes, several times a request. Python's own
# 5 ms would make every store and broker look slow while a backlog is judged.
SWITCH_S = 0.001

log = structlog.get_logger()


class _Server(uvicorn.Server):
    """uvicorn without its own signal handling: the whole service stops in order, not only its HTTP side."""

    on_ready: Callable[[], None] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started and self.on_ready is not None:
            self.on_ready()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class Role(StrEnum):
    """What a process does: everything, or one side. Several `ingest` processes share the lifts (`mqtt_share`)."""

    ALL = "all"
    INGEST = "ingest"
    WEB = "web"


class Serving:
    """One service process. `run` returns when it was told to stop, or when a part of it has failed.

    `app` is what it serves over HTTP.
    """

    def __init__(self, parts: Parts, role: Role = Role.ALL) -> None:
        """Prepare; nothing runs before `run`."""
        self._parts = parts
        self._assesses = role is not Role.INGEST
        self._ingesting = None if role is Role.WEB else Ingesting(parts)
        # Beside the watch: what it raises is told from here. Any number of processes share the work.
        speaker_id = f"{parts.settings.mqtt_client_id}-{uuid.uuid4().hex[:8]}"
        self._publisher = PahoPublisher(parts.settings.broker, speaker_id)
        self._dispatcher = None if role is Role.WEB else make_dispatcher(parts, self._publisher)
        self._stopping = threading.Event()
        self._failed: list[str] = []
        self._assessment_failed = False
        self._watch_failed = False
        host, port = parts.settings.bind
        make_app = create_probes if role is Role.INGEST else create_app
        self.app = make_app(self._service(), Access(parts.settings.api_token))
        config = uvicorn.Config(self.app, host=host, port=port, log_config=None, access_log=False, server_header=False)
        config.timeout_graceful_shutdown = 5
        self._server = _Server(config)

    def run(self, on_ready: Callable[[], None] | None = None) -> int:
        """Serve until SIGINT, SIGTERM or a failure; return the exit code. `on_ready` is called once HTTP is served."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._on_signal)
        self._server.config.load()  # everything that is still to be imported, before the first message is taken
        gc.freeze()
        gc.set_threshold(*GC_THRESHOLDS)
        sys.setswitchinterval(SWITCH_S)
        runs = {"watch": self._watch} if self._ingesting else {}
        runs |= {"assess": self._assess} if self._assesses else {}
        runs |= {"notify": self._dispatcher.run} if self._dispatcher else {}
        threads = [threading.Thread(target=self._guarded, args=(name, run), name=name) for name, run in runs.items()]
        if self._ingesting is not None:
            self._ingesting.start(self._guarded)
        for thread in threads:
            thread.start()
        if self._assesses:  # an end does not wait for a fit: what is half done is done again
            threading.Thread(target=self._guarded, args=("fit", self._fit), name="fit", daemon=True).start()
        self._server.on_ready = on_ready
        try:
            self._server.run()
        except SystemExit:  # uvicorn's way to say that the port is taken; its log has told why
            self._failed.append("http")
        finally:
            self._stop()
            for thread in threads:
                thread.join()
            self._publisher.stop()
            if self._ingesting is not None:
                self._ingesting.stop()
        return 1 if self._failed else 0

    def _service(self) -> Service:
        parts = self._parts
        return Service(
            register=parts.register,
            store=parts.store,
            quarantine=parts.quarantine,
            replay=make_replay(parts),
            ledger=parts.ledger,
            journal=parts.journal,
            desk=parts.desk,
            cases=parts.cases,
            kpis=parts.kpis,
            technicians=parts.technicians,
            notifying=parts.notifying,
            shift=parts.shift,
            quiet_desk=parts.quiet_desk,
            findings=parts.findings,
            features=parts.features,
            assessment=parts.assessment,
            failures=parts.failures,
            risks=parts.risks,
            quality=parts.quality,
            regimes=parts.regimes,
            profiles=parts.profiles,
            clock=parts.clock,
            readiness=self._readiness,
            counters=self._counters,
            gauges=self._ingesting.gauges if self._ingesting else dict,
        )

    def _counters(self) -> dict[str, float]:
        counted = self._ingesting.counters() if self._ingesting else {}
        if self._dispatcher is not None:
            counts = msgspec.structs.asdict(self._dispatcher.counts)
            counted |= {name: float(value) for name, value in counts.items()}
        return counted

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._stop()

    def _stop(self) -> None:
        self._stopping.set()
        if self._dispatcher is not None:
            self._dispatcher.stop()
        self._server.should_exit = True

    def _guarded(self, name: str, action: Callable[[], None]) -> None:
        """Run a part; where it fails the whole service ends, so that whoever supervises it notices."""
        try:
            action()
        except Exception:
            log.exception("part-failed", part=name)
            self._failed.append(name)
            self._stop()

    def _watch(self) -> None:
        """See every few seconds to what silence means: of lifts, and of the parts that this process stands on."""
        ingesting, parts = self._ingesting, self._parts
        if ingesting is None:
            return
        process = parts.settings.mqtt_client_id
        steps: dict[str, Callable[[datetime], object]] = {
            "watch": lambda now: parts.desk.watch(now, ingesting.broker.connected_since()),
            "watch-shift": parts.shift.watch,
            "report": lambda now: parts.desk.report(ingesting.conditions(now), process, now),
        }
        while not self._stopping.is_set():
            now = self._parts.clock.now()
            # Each by itself: a mistake in one must neither keep the others from running nor end the lane of the alarms.
            done = [self._done(name, partial(step, now)) for name, step in steps.items()]
            self._watch_failed = not all(done)
            self._stopping.wait(WATCH_EVERY_S)

    def _assess(self) -> None:
        """Assess again and again, on a thread of its own: a telemetry store that hangs must not delay the watch."""
        while not self._stopping.is_set():
            # Each by itself: a day of one lift that cannot be computed must not keep the fleet from being assessed.
            done = [self._done("daily-values", self.compute_days), self._done("assessment", self.assess)]
            self._assessment_failed = not all(done)
            self._stopping.wait(self._parts.settings.assess_every_s)

    def _fit(self) -> None:
        """Fit models of risk, on a thread that nothing waits for: not the alarms, not the assessment, not the API."""
        last_s, is_well = -FIT_EVERY_S, True
        while not self._stopping.wait(FIT_LOOK_S):
            if monotonic_s() - last_s >= FIT_EVERY_S or (is_well and self._parts.risks.is_wanted):
                is_well, last_s = self._done("risk-models", self.fit), monotonic_s()

    def fit(self) -> None:
        """Fit what is missing of this week, have the models of next week ready before they are needed."""
        self._parts.risks.prepare(self._parts.clock.now())

    def _done(self, what: str, step: Callable[[], object]) -> bool:
        """Do a step of assessment or watch; False where it failed: a mistake must not end the lane of the alarms."""
        try:
            with self._put_off(what):
                step()
        except Exception:
            log.exception("failed", what=what)
            return False
        return True

    @contextlib.contextmanager
    def _put_off(self, what: str) -> Iterator[None]:
        try:
            yield
        except (StoreUnavailableError, *DATABASE_AWAY) as error:
            log.warning("put-off", what=what, error=str(error))

    def compute_days(self) -> None:
        """Compute daily values of days that are over, for as long as the assessment can wait."""
        time_for_it = self._while(CATCH_UP_SHARE * self._parts.settings.assess_every_s)
        self._parts.daily.catch_up(self._parts.clock.now(), time_for_it)

    def assess(self) -> None:
        """Assess the fleet as of now and hand the findings to the desk."""
        as_of = self._parts.clock.now()
        findings = self._parts.assessment.assess(as_of)
        self._parts.findings.replace(findings, as_of)
        self._parts.desk.apply(findings, as_of)

    def _while(self, seconds: float) -> Callable[[], bool]:
        begun_s = monotonic_s()
        return lambda: monotonic_s() - begun_s < seconds and not self._stopping.is_set()

    def _readiness(self) -> Mapping[str, str | bool]:
        return {
            "database": _answer(self._ping_database),
            "telemetry_store": _answer(self._parts.store.ping),
            "watch": "failed, see the log" if self._watch_failed else True,
            "assessment": "failed, see the log" if self._assessment_failed else True,
            "notifications": (self._dispatcher.trouble() if self._dispatcher else None) or True,
            "parts": f"ended: {', '.join(self._failed)}" if self._failed else True,
            **(self._ingesting.readiness() if self._ingesting else {}),
        }

    def _ping_database(self) -> None:
        with reading(self._parts.engine) as connection:
            connection.execute(text("SELECT 1"))


def _answer(ping: Callable[[], None]) -> str | bool:
    try:
        ping()
    except (StoreUnavailableError, *DATABASE_AWAY):
        log.warning("not-ready", exc_info=True)
        return "does not answer"
    return True
