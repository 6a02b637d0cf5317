"""What the tests of the HTTP side are made of: a service on real SQLite, and a client that checks every answer."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import anyio
import httpx
from fastapi import FastAPI
from sqlalchemy.engine import Engine

from alerts.case_desk import CaseDesk
from alerts.channels import CHANNELS
from alerts.desk import Desk
from alerts.journal import Journal
from alerts.kpi_desk import KpiDesk
from alerts.notifying import Notifying
from alerts.quiet_desk import QuietDesk
from alerts.shift_log import ShiftLog
from alerts.technician_register import TechnicianRegister
from analytics.assessment import Assessment, Sources
from analytics.catching_up import catch_up
from analytics.failure_reader import FailureReader
from analytics.feature_book import FeatureBook
from analytics.finding_history import FindingHistory, note_findings
from analytics.findings import FindingBook
from analytics.quality_reader import QualityReader
from analytics.regimes import REGIMES
from analytics.risk_book import RiskBook
from api.app import create_app
from api.auth import Access
from api.service import Service
from ingest.clock import ManualClock, to_ms
from ingest.faults import load_profiles
from ingest.fleet import Lift
from ingest.fleet_register import FleetRegister
from ingest.intake import Intake
from ingest.ledger import Ledger
from ingest.messages import Body, Fault, Kind, Message, State
from ingest.quarantine import Quarantine
from ingest.replay import Replay
from ingest.telemetry_store import LatestState, MemoryTelemetryStore, StoreUnavailableError, TelemetryStore
from tests.unit.alerts.parts import RULES
from tests.unit.api.openapi_check import faults_of

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
LOOPBACK = ("127.0.0.1", 5000)
PROFILES = load_profiles()


_documents: list[dict[str, Any]] = []


def document_of(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document, made once for all apps of a run: it is the slowest thing about them."""
    if not _documents:
        _documents.append(app.openapi())
    return _documents[0]


class SilentStore(MemoryTelemetryStore):
    """A telemetry store that does not answer."""

    def latest_states(self, lift_ids: Sequence[str] | None = None) -> dict[str, LatestState]:
        raise StoreUnavailableError(lift_ids)

    def messages(self, *args: Any, **kwargs: Any) -> list[Message]:
        raise StoreUnavailableError(args, kwargs)


class Client:
    """Sends requests to an app in this process; every answer is held against the app's OpenAPI document."""

    def __init__(
        self, app: FastAPI, *, peer: tuple[str, int] = LOOPBACK, base_url: str = "http://127.0.0.1", **headers: str
    ) -> None:
        self._app = app
        self._peer = peer
        self._base_url = base_url
        self._headers = {name.replace("_", "-"): value for name, value in headers.items()}

    def request(self, method: str, path: str, *, raise_app_exceptions: bool = True, **kwargs: Any) -> httpx.Response:
        send = partial(self._send, method, path, raise_app_exceptions=raise_app_exceptions, **kwargs)
        response: httpx.Response = anyio.run(send)
        if response.headers.get("content-type", "").startswith(("application/", "text/plain")):
            faults = faults_of(document_of(self._app), method, response)
            assert not faults, faults
        return response

    def get(self, path: str, **parameters: Any) -> httpx.Response:
        return self.request("GET", path, params=parameters or None)

    def post(self, path: str, **body: Any) -> httpx.Response:
        return self.request("POST", path, json=body)

    def put(self, path: str, **body: Any) -> httpx.Response:
        return self.request("PUT", path, json=body)

    def pages(self, path: str, limit: int, **parameters: Any) -> list[list[Any]]:
        """Return the items of each page of a list, to its end."""
        pages: list[list[Any]] = []
        cursor: dict[str, str] = {}
        while True:
            answer = self.get(path, limit=limit, **parameters, **cursor)
            assert answer.status_code == 200, answer.text
            pages.append(answer.json()["items"])
            if answer.json()["next"] is None:
                return pages
            cursor = {"cursor": answer.json()["next"]}

    async def _send(self, method: str, path: str, *, raise_app_exceptions: bool, **kwargs: Any) -> httpx.Response:
        transport = httpx.ASGITransport(self._app, raise_app_exceptions=raise_app_exceptions, client=self._peer)
        async with httpx.AsyncClient(
            transport=transport, base_url=self._base_url, headers=self._headers, trust_env=False
        ) as client:
            return await client.request(method, path, **kwargs)


@dataclass(frozen=True)
class World:
    """A service at noon, and what a test puts into it."""

    service: Service
    clock: ManualClock
    client: Client

    def register(self, *lift_ids: str, **fields: Any) -> None:
        self.service.register.register([Lift(lift_id=lift_id, **fields) for lift_id in lift_ids], NOON)

    def compute_days(self, lift_id: str, days: range) -> None:
        """Compute the daily values of days of a lift, as the night after them does."""
        self.service.features.mark({(lift_id, day) for day in days})
        catch_up(self.service.features, self.service.store, days[-1])

    def say(self, lift_id: str, kind: Kind, body: Body, *, at_s: float = 0, late: bool = False) -> Message:
        """Let a lift say something `at_s` after noon, as the ingest worker would take it."""
        said_ms = to_ms(NOON + timedelta(seconds=at_s))
        message = Message(lift_id, kind, said_ms, said_ms, body, late)
        self.service.desk.observe([message])
        self.service.store.write([message])
        return message

    def trap(self, lift_id: str = "L1", *, at_s: float = 0) -> int:
        """Let a lift report people in a stuck car; return the id of the alert."""
        body = Fault(code="entrapment", phase="raised", floor=3, passengers=True, seq=int(at_s))
        self.say(lift_id, Kind.FAULT, body, at_s=at_s)
        return self.service.journal.alerts(limit=1, lift_id=lift_id)[0].id

    def stand(self, lift_id: str = "L1", *, at_s: float = 0, **readings: Any) -> None:
        self.say(lift_id, Kind.STATE, State(**{"connected": True, "service_mode": "normal", **readings}), at_s=at_s)


def world_on(engine: Engine, store: TelemetryStore | None = None, *, token: str | None = None) -> World:
    clock = ManualClock(NOON)
    service = service_on(engine, clock, store or MemoryTelemetryStore())
    app = create_app(service, Access(token))
    return World(service, clock, Client(app))


def service_on(engine: Engine, clock: ManualClock, store: TelemetryStore) -> Service:
    register, journal, quarantine = FleetRegister(engine), Journal(engine), Quarantine(engine)
    failures = FailureReader(register, store)
    quality = QualityReader(FindingHistory(engine), register, failures)
    risks = RiskBook(register, failures)
    return Service(
        register=register,
        store=store,
        quarantine=quarantine,
        replay=Replay(quarantine, Intake(PROFILES), register, clock, keep=store.write),
        ledger=Ledger(engine),
        journal=journal,
        desk=Desk(journal, register, RULES),
        cases=CaseDesk(journal, RULES),
        kpis=KpiDesk(journal),
        technicians=TechnicianRegister(journal),
        findings=FindingBook(engine, note_findings),
        assessment=Assessment(register, store, sources=Sources(failures=failures, quality=quality, risks=risks)),
        failures=failures,
        risks=risks,
        features=FeatureBook(engine),
        quality=quality,
        shift=ShiftLog(journal, RULES),
        notifying=Notifying(engine, frozenset(CHANNELS)),
        quiet_desk=QuietDesk(journal, RULES),
        regimes=REGIMES,
        profiles=PROFILES,
        clock=clock,
        readiness=lambda: {"broker": True, "database": True},
        counters=lambda: {"messages_accepted": 12, "messages_late": 1.0},
        gauges=lambda: {"spool_messages": 3},
    )
