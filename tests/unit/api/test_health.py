from dataclasses import replace

from api.app import create_app, create_probes
from api.auth import Access
from tests.unit.api.parts import Client, World


def test_a_living_process_says_so(client: Client) -> None:
    assert client.get("/healthz").json() == {"status": "alive"}


def test_a_service_whose_parts_work_is_ready(client: Client) -> None:
    assert client.get("/readyz").json() == {"status": "ready", "parts": {"broker": "ok", "database": "ok"}}


def test_a_service_that_is_not_ready_names_the_part(world: World) -> None:
    parts: dict[str, str | bool] = {"broker": "not connected", "database": True, "ingest": False}
    response = Client(create_app(replace(world.service, readiness=lambda: parts), Access(None))).get("/readyz")
    assert response.status_code == 503
    problem = response.json()
    assert problem["type"] == "/docs#not-ready"
    assert problem["parts"] == {"broker": "not connected", "database": "ok", "ingest": "not ok"}
    assert problem["detail"] == "Not working: broker, ingest."


def test_counters_are_there_for_prometheus(client: Client) -> None:
    text = client.get("/metrics").text
    assert "# TYPE liftwatch_messages_accepted_total counter" in text
    assert "liftwatch_messages_accepted_total 12.0" in text
    assert "liftwatch_messages_late_total 1.0" in text
    assert "# TYPE liftwatch_spool_messages gauge" in text
    assert "liftwatch_spool_messages 3.0" in text


def test_an_ingest_process_answers_probes_and_nothing_else(world: World) -> None:
    app = create_probes(world.service, Access(None))
    assert sorted(path for path in app.openapi()["paths"]) == ["/healthz", "/metrics", "/readyz"]
    assert Client(app).get("/healthz").status_code == 200
