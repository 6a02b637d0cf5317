from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.engine import Engine

from api.app import create_app
from api.auth import Access
from api.guard import BODY_BYTES_MAX, SECURITY_HEADERS
from api.problems import ERRORS_MAX, MEDIA_TYPE, PROBLEM_TYPES
from ingest.database import open_engine
from tests.unit.api.parts import Client, SilentStore, World, world_on

JSON = {"content-type": "application/json"}
ACK = "/api/v1/alerts/1/acknowledge"


def problem_of(response: httpx.Response, status: int) -> dict[str, object]:
    assert (response.status_code, response.headers["content-type"]) == (status, MEDIA_TYPE)
    problem: dict[str, object] = response.json()
    assert problem["status"] == status
    assert problem["title"]
    assert problem["detail"]
    return problem


@pytest.fixture
def empty_database(tmp_path: Path) -> Iterator[Engine]:
    """A database without any table: every question to it fails."""
    engine = open_engine(f"sqlite:///{tmp_path}/empty.sqlite")
    yield engine
    engine.dispose()


@pytest.mark.parametrize("path", ["/nothing", "/api/v1", "/api/v1/lifts/", "/static/nothing.css", "/static/../app.py"])
def test_a_route_that_is_not_there_is_a_problem(client: Client, path: str) -> None:
    assert problem_of(client.get(path), 404)["type"] == "/docs#not-found"


def test_a_wrong_method_is_a_problem_that_names_the_right_one(client: Client) -> None:
    response = client.request("DELETE", "/api/v1/lifts")
    assert problem_of(response, 405)["type"] == "about:blank"
    assert response.headers["allow"] == "GET"


@pytest.mark.parametrize(
    ("path", "at"),
    [
        ("/api/v1/lifts?limit=0", "query.limit"),
        ("/api/v1/lifts?limit=501", "query.limit"),
        ("/api/v1/lifts?limit=many", "query.limit"),
        ("/api/v1/lifts?site=S1", "query.site"),
        ("/api/v1/lifts?site_id=%00", "query.site_id"),
        ("/api/v1/lifts?cursor=%C3%A9", "query.cursor"),
        ("/api/v1/lifts?cursor=AA", "query.cursor"),
        ("/api/v1/alerts?cursor=TDE", "query.cursor"),
        ("/api/v1/alerts?cursor=OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5", "query.cursor"),
        ("/api/v1/alerts?priority=5", "query.priority"),
        ("/api/v1/alerts?state=closed", "query.state"),
        ("/api/v1/alerts?kind=noise", "query.kind"),
        ("/api/v1/alerts/0", "path.alert_id"),
        ("/api/v1/alerts/99999999999999999999", "path.alert_id"),
        ("/api/v1/work-orders?state=lost", "query.state"),
        ("/api/v1/findings?kind=noise", "query.kind"),
        ("/api/v1/findings?as_of=yesterday", "query.as_of"),
        ("/api/v1/findings?as_of=2026-01-01T00:00:00", "query.as_of"),
        ("/api/v1/findings?as_of=1700000000", "query.as_of"),
        ("/api/v1/findings?as_of=0001-01-01T00:00:00%2B14:00", "query.as_of"),
        ("/api/v1/findings?as_of=9999-12-31T23:59:59-14:00", "query.as_of"),
        ("/api/v1/quarantine?reason=noise", "query.reason"),
        ("/api/v1/lifts/bad%20id", "path.lift_id"),
    ],
)
def test_a_parameter_that_does_not_fit_is_named(client: Client, path: str, at: str) -> None:
    problem = problem_of(client.get(path), 422)
    assert problem["type"] == "/docs#invalid-request"
    assert isinstance(problem["errors"], list)
    assert [error["at"] for error in problem["errors"]] == [at]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"by": 1}',
        b'{"by": "\\ud800"}',
        b'{"by": "a\\u0000"}',
        b'{"by": " "}',
        b"\xff",
        b"[" * 60_000,
    ],
)
def test_a_body_that_does_not_fit_is_a_problem_that_does_not_repeat_it(client: Client, content: bytes) -> None:
    response = client.request("POST", ACK, content=content, headers=JSON)
    problem = problem_of(response, 422)
    assert "input" not in response.text
    assert problem["errors"]


def test_a_body_that_is_not_said_to_be_json_is_refused(client: Client) -> None:
    problem_of(client.request("POST", ACK, content=b'{"by": "Li"}', headers={"content-type": "text/plain"}), 422)


def test_unknown_fields_are_refused_and_the_list_of_them_is_bounded(client: Client) -> None:
    problem = problem_of(client.post(ACK, by="Li", **{f"field{n}": 1 for n in range(100)}), 422)
    assert isinstance(problem["errors"], list)
    assert len(problem["errors"]) == ERRORS_MAX


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25, deadline=None)
@given(
    body=st.recursive(
        st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.text(), st.lists, max_leaves=5
    )
)
def test_no_json_breaks_a_route(client: Client, body: object) -> None:
    problem_of(client.request("POST", "/api/v1/visits", json=body), 422)


def test_a_body_may_be_as_large_as_the_limit_and_no_larger(client: Client) -> None:
    problem_of(client.request("POST", ACK, content=b" " * BODY_BYTES_MAX, headers=JSON), 422)
    problem_of(client.request("POST", ACK, content=b" " * (BODY_BYTES_MAX + 1), headers=JSON), 413)


def test_a_body_without_a_declared_length_is_bounded_too(client: Client) -> None:
    async def parts() -> AsyncIterator[bytes]:
        for _ in range(BODY_BYTES_MAX // 1_000 + 1):
            yield b" " * 1_000

    problem_of(client.request("POST", ACK, content=parts()), 413)


def test_a_database_that_does_not_answer_is_unavailable_without_its_words(empty_database: Engine) -> None:
    response = world_on(empty_database).client.get("/api/v1/alerts")
    assert problem_of(response, 503)["type"] == "/docs#unavailable"
    assert "alert" not in response.text
    assert int(response.headers["retry-after"]) > 0


def test_a_telemetry_store_that_does_not_answer_is_unavailable(sqlite_engine: Engine) -> None:
    world = world_on(sqlite_engine, SilentStore())
    world.register("L1")
    problem = problem_of(world.client.get("/api/v1/lifts/L1/telemetry"), 503)
    assert problem["detail"] == "The telemetry store does not answer."


def test_an_error_of_ours_shows_nothing_of_it_and_keeps_the_headers(world: World) -> None:
    def broken() -> dict[str, float]:
        message = "secret of the house"
        raise RuntimeError(message)

    client = Client(create_app(replace(world.service, counters=broken), Access(None)))
    response = client.request("GET", "/metrics", raise_app_exceptions=False)
    problem_of(response, 500)
    assert "secret" not in response.text
    assert SECURITY_HEADERS.items() <= {name.title(): value for name, value in response.headers.items()}.items()
    with pytest.raises(RuntimeError, match="secret"):  # the server that runs the app logs it
        client.get("/metrics")


@pytest.mark.parametrize("path", ["/", "/docs", "/api/v1/lifts", "/nothing", "/static/liftwatch.css", "/healthz"])
def test_every_answer_carries_the_security_headers(client: Client, path: str) -> None:
    headers = client.get(path).headers
    assert "default-src 'self'" in headers["content-security-policy"]
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    assert headers["cache-control"] == ("no-cache" if path.startswith("/static") else "no-store")


def test_a_refusal_carries_them_too(world: World) -> None:
    response = Client(create_app(world.service, Access("token"))).get("/")
    assert response.headers["content-security-policy"] == SECURITY_HEADERS["Content-Security-Policy"]


def test_every_named_problem_is_explained_on_the_page(client: Client) -> None:
    page = client.get("/docs").text
    for name, problem in PROBLEM_TYPES.items():
        assert f'id="{name.value}"' in page
        assert problem.title in page
