"""The running service: broker, ingest worker, schedule and HTTP server, started and stopped in order."""

import contextlib
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from types import FrameType

import msgspec
import structlog
import uvicorn
from sqlalchemy import text

from api.app import create_app
from api.auth import Access
from api.composition import Parts, make_worker
from api.service import Service
from ingest.broker_paho import PahoBroker
from ingest.clock import monotonic_s
from ingest.database import DATABASE_AWAY, reading
from ingest.telemetry_store import StoreUnavailableError

WATCH_EVERY_S = 5.0

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


class Serving:
    """One service process. `run` returns when it was told to stop, or when a part of it has failed."""

    def __init__(self, parts: Parts) -> None:
        """Prepare; nothing runs before `run`."""
        self._parts = parts
        self._broker = PahoBroker(parts.settings.broker, parts.settings.mqtt_client_id, parts.clock)
        self._worker = make_worker(parts, self._broker)
        self._stopping = threading.Event()
        self._failed: list[str] = []
        host, port = parts.settings.bind
        app = create_app(self._service(), Access(parts.settings.api_token))
        config = uvicorn.Config(app, host=host, port=port, log_config=None, access_log=False, server_header=False)
        config.timeout_graceful_shutdown = 5
        self._server = _Server(config)

    def run(self, on_ready: Callable[[], None] | None = None) -> int:
        """Serve until SIGINT, SIGTERM or a failure; return the exit code. `on_ready` is called once HTTP is served."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._on_signal)
        work = [
            threading.Thread(target=self._guarded, args=(name, action), name=name)
            for name, action in (("ingest", self._worker.run), ("schedule", self._schedule))
        ]
        self._broker.start()
        for thread in work:
            thread.start()
        self._server.on_ready = on_ready
        try:
            self._server.run()
        except SystemExit:  # uvicorn's way to say that the port is taken; its log has told why
            self._failed.append("http")
        finally:
            self._stop()
            for thread in work:
                thread.join()
            self._broker.stop()
        return 1 if self._failed else 0

    def _service(self) -> Service:
        parts = self._parts
        return Service(
            register=parts.register,
            store=parts.store,
            quarantine=parts.quarantine,
            journal=parts.journal,
            desk=parts.desk,
            findings=parts.findings,
            assessment=parts.assessment,
            profiles=parts.profiles,
            clock=parts.clock,
            readiness=self._readiness,
            metrics=self._metrics,
        )

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._stop()

    def _stop(self) -> None:
        self._stopping.set()
        self._worker.stop()
        self._server.should_exit = True

    def _guarded(self, name: str, action: Callable[[], None]) -> None:
        """Run a part; where it fails the whole service ends, so that whoever supervises it notices."""
        try:
            action()
        except Exception:
            log.exception("part-failed", part=name)
            self._failed.append(name)
            self._stop()

    def _schedule(self) -> None:
        next_assessment_s = monotonic_s()
        while not self._stopping.is_set():
            try:
                self._parts.desk.watch(self._parts.clock.now(), self._broker.connected_since())
                if monotonic_s() >= next_assessment_s:
                    self.assess()
                    next_assessment_s = monotonic_s() + self._parts.settings.assess_every_s
            except (StoreUnavailableError, *DATABASE_AWAY) as error:
                log.warning("assessment-put-off", error=str(error))
            self._stopping.wait(WATCH_EVERY_S)

    def assess(self) -> None:
        """Assess the fleet as of now and hand the findings to the desk."""
        as_of = self._parts.clock.now()
        findings = self._parts.assessment.assess(as_of)
        self._parts.findings.replace(findings, as_of)
        self._parts.desk.apply(findings, as_of)

    def _readiness(self) -> dict[str, str | bool]:
        return {
            "broker": self._broker.connected_since() is not None or "not connected",
            "database": _answer(self._ping_database),
            "telemetry_store": _answer(self._parts.store.ping),
            "ingest": "ingest" not in self._failed or "ended",
        }

    def _ping_database(self) -> None:
        with reading(self._parts.engine) as connection:
            connection.execute(text("SELECT 1"))

    def _metrics(self) -> dict[str, float]:
        return {name: float(value) for name, value in msgspec.structs.asdict(self._worker.counts).items()}


def _answer(ping: Callable[[], None]) -> str | bool:
    try:
        ping()
    except (StoreUnavailableError, *DATABASE_AWAY):
        log.warning("not-ready", exc_info=True)
        return "does not answer"
    return True
