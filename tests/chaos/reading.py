"""What a service holds after a trial: telemetry and quarantine read where they lie, the rest through the API."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import sqlalchemy as sa
from prometheus_client.parser import text_string_to_metric_families

from ingest.database import open_engine, reading
from ingest.messages import Kind, Message, readings_of
from ingest.telemetry_store import TelemetryStore
from ingest.telemetry_store_embedded import EmbeddedTelemetryStore
from ingest.telemetry_store_influx import InfluxTelemetryStore
from tests.chaos.stage import Stage
from tests.chaos.verdict import Found, Kept, Row
from tests.servers import HOST
from tests.service import Service

SQLITE = "sqlite:///"
AGE = timedelta(days=400)


class Reader:
    """Reads one stage again and again, until nothing is missing or time is up."""

    def __init__(self, stage: Stage, lift_ids: Iterable[str]) -> None:
        """Open store and database of `stage`; `lift_ids` are all that may have said something."""
        self._stage = stage
        self._lift_ids = sorted(lift_ids)
        self._store = _opened(stage.store_url)
        self._engine = open_engine(stage.database_url)

    def close(self) -> None:
        """Let go of both."""
        self._store.close()
        self._engine.dispose()

    def read(self) -> Found:
        """Return everything that there is now."""
        service = self._stage.services[0]
        return Found(
            rows=list(self._rows()),
            kept=self._kept(),
            alerts=service.items("/api/v1/alerts?limit=500"),
            orders=service.items("/api/v1/work-orders?limit=500"),
            ledgers=self._ledgers(service),
        )

    def _rows(self) -> Iterator[Row]:
        now = datetime.now(UTC)
        for lift_id in self._lift_ids:
            for kind in Kind:
                yield from map(_row, self._store.messages(lift_id, kind, now - AGE, now + AGE))

    def _kept(self) -> list[Kept]:
        query = sa.text("SELECT topic, payload FROM quarantined")
        with reading(self._engine) as connection:
            return [Kept(topic, bytes(payload)) for topic, payload in connection.execute(query)]

    def _ledgers(self, service: Service) -> dict[str, dict[str, Any]]:
        known = {lift["lift_id"] for lift in service.items("/api/v1/lifts?limit=500")}
        return {lift_id: service.get(f"/api/v1/lifts/{lift_id}/ledger") for lift_id in known & set(self._lift_ids)}


def spooled(service: Service) -> float:
    """Return how many messages wait in the spool of a process."""
    return gauge(service, "liftwatch_spool_messages")


def gauge(service: Service, name: str) -> float:
    """Return one figure of a process's metrics."""
    with urlopen(f"http://{HOST}:{service.port}/metrics", timeout=10) as response:
        text = response.read().decode()
    return next((m.samples[0].value for m in text_string_to_metric_families(text) if m.name == name), 0.0)


def _opened(url: str) -> TelemetryStore:
    if url.startswith(SQLITE):
        return EmbeddedTelemetryStore(Path(url.removeprefix(SQLITE)))
    return InfluxTelemetryStore(url, None)


def _row(message: Message) -> Row:
    body = message.body
    known = {name: value for name in readings_of(message.kind) if (value := getattr(body, name)) is not None}
    return Row(message.lift_id, message.kind.value, body.boot, body.seq, message.measured_ms, known)
