import base64
import re
from collections.abc import MutableMapping
from typing import Any

import anyio
import pytest
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.engine import Engine
from starlette.datastructures import Headers
from starlette.routing import Mount

from api.app import create_app
from api.auth import OPEN_PATHS, SAFE_METHODS, Access
from api.problems import MEDIA_TYPE
from tests.unit.api.parts import Client, World, world_on

TOKEN = "correct horse"
FAR = ("192.0.2.7", 40_000)


def basic(password: str, user: str = "anybody") -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def client_of(world: World, token: str | None, **kwargs: Any) -> Client:
    return Client(create_app(world.service, Access(token)), **kwargs)


@pytest.mark.parametrize(
    "path", ["/api/v1/lifts", "/", "/docs", "/kpis", "/openapi.json", "/metrics", "/static/icon.svg", "/no"]
)
def test_with_a_token_nothing_is_served_without_it_not_even_to_loopback(world: World, path: str) -> None:
    response = client_of(world, TOKEN).get(path)
    assert response.status_code == 401
    assert response.headers["content-type"] == MEDIA_TYPE
    assert response.headers["www-authenticate"].startswith("Basic" if path in {"/", "/docs", "/kpis"} else "Bearer")


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_health_needs_no_token(world: World, path: str) -> None:
    assert client_of(world, TOKEN, peer=FAR).get(path).status_code == 200


@pytest.mark.parametrize("peer", [FAR, ("127.0.0.1", 5_000), ("2001:db8::1", 5_000)])
def test_the_token_serves_from_anywhere_under_any_name(world: World, peer: tuple[str, int]) -> None:
    client = client_of(world, TOKEN, peer=peer, base_url="https://lifts.example", authorization=f"Bearer {TOKEN}")
    assert client.get("/api/v1/lifts").status_code == 200
    assert client.put("/api/v1/lifts/L1").status_code == 201


@pytest.mark.parametrize(
    "authorization",
    ["", "Bearer", "Bearer ", f"Bearer {TOKEN}x", f"Bearer x{TOKEN}", f"Token {TOKEN}", TOKEN, basic("wrong"),
     "Basic !!!", "Basic " + base64.b64encode(TOKEN.encode()).decode(), "Bearer \u00e9"],
)  # fmt: skip
def test_a_wrong_token_is_none(authorization: str) -> None:
    refusal = Access(TOKEN).refusal("GET", "/", "127.0.0.1", Headers({"authorization": authorization}))
    assert refusal is not None
    assert refusal.problem.status == 401


def test_the_token_may_hold_any_character() -> None:
    token = "grün:塔"
    raw = [(b"authorization", f"bearer {token}".encode())]
    assert Access(token).refusal("POST", "/api/v1/visits", "192.0.2.1", Headers(raw=raw)) is None
    assert Access(token).refusal("GET", "/", "192.0.2.1", Headers({"authorization": basic(token)})) is None


@pytest.mark.parametrize("path", ["/", "/docs", "/api/v1/alerts", "/static/liftwatch.css"])
def test_a_browser_reads_with_the_token_as_password(world: World, path: str) -> None:
    client = client_of(world, TOKEN, peer=FAR, base_url="https://lifts.example", authorization=basic(TOKEN))
    assert client.get(path).status_code == 200


def test_what_a_browser_adds_by_itself_changes_nothing(world: World) -> None:
    client = client_of(world, TOKEN, peer=FAR, base_url="https://lifts.example", authorization=basic(TOKEN))
    assert client.put("/api/v1/lifts/L1").status_code == 401
    assert world.service.register.find("L1") is None


@pytest.mark.parametrize("token", ["", "  "])
def test_an_empty_token_is_refused(token: str) -> None:
    with pytest.raises(ValueError, match="empty"):
        Access(token)


@pytest.mark.parametrize("address", ["127.0.0.1", "127.9.8.7", "::1", "::ffff:127.0.0.1"])
def test_without_a_token_loopback_is_served(world: World, address: str) -> None:
    assert client_of(world, None, peer=(address, 1)).get("/api/v1/lifts").status_code == 200


@pytest.mark.parametrize("address", ["192.0.2.7", "10.0.0.1", "::ffff:10.0.0.1", "fe80::1", "testclient", ""])
@pytest.mark.parametrize("path", ["/", "/api/v1/lifts", "/healthz", "/static/icon.svg"])
def test_without_a_token_nobody_else_is(world: World, address: str, path: str) -> None:
    response = client_of(world, None, peer=(address, 1)).get(path)
    assert response.status_code == 403
    assert response.headers["content-type"] == MEDIA_TYPE


@pytest.mark.parametrize("host", ["localhost", "localhost:8000", "127.0.0.1:1", "[::1]", "[::1]:8000", "LOCALHOST"])
def test_without_a_token_the_names_of_loopback_are_served(host: str) -> None:
    assert Access(None).refusal("GET", "/", "127.0.0.1", Headers({"host": host})) is None


@pytest.mark.parametrize(
    "host", ["", "evil.example", "localhost.evil.example", "evil.example:8000", "127.0.0.1.evil.example", "[", "a@b"]
)
def test_a_foreign_name_for_this_machine_is_not(host: str) -> None:
    refused = Access(None).refusal("GET", "/", "127.0.0.1", Headers({"host": host}))
    assert refused is not None
    assert refused.problem.status == 403


@given(host=st.text(st.characters(max_codepoint=255)))
def test_no_host_header_breaks_the_judgement(host: str) -> None:
    refused = Access(None).refusal("GET", "/", "127.0.0.1", Headers(raw=[(b"host", host.encode("latin-1"))]))
    assert refused is None or refused.problem.status == 403


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded", "X-Real-IP", "Via", "X-Forwarded-Host"])
def test_without_a_token_a_proxy_is_not_served(header: str) -> None:
    refused = Access(None).refusal("GET", "/", "127.0.0.1", Headers({"host": "localhost", header: "127.0.0.1"}))
    assert refused is not None
    assert "proxy" in refused.problem.detail


@pytest.mark.parametrize("token", [None, TOKEN])
@pytest.mark.parametrize(
    ("headers", "served"),
    [
        ({}, True),
        ({"sec-fetch-site": "same-origin"}, True),
        ({"sec-fetch-site": "none"}, True),
        ({"origin": "http://localhost:8000"}, True),
        ({"sec-fetch-site": "cross-site"}, False),
        ({"sec-fetch-site": "same-site"}, False),
        ({"sec-fetch-site": "cross-site", "origin": "http://localhost:8000"}, False),
        ({"origin": "null"}, False),
        ({"origin": "http://evil.example"}, False),
        ({"origin": "http://localhost:3000"}, False),
    ],
)
def test_no_page_of_another_site_changes_anything(token: str | None, headers: dict[str, str], *, served: bool) -> None:
    sent = Headers({"host": "localhost:8000", "authorization": f"Bearer {TOKEN}", **headers})
    for method in ("POST", "PUT", "PATCH", "DELETE", "ODD"):
        refused = Access(token).refusal(method, "/api/v1/visits", "127.0.0.1", sent)
        assert (refused is None) == served
    assert Access(token).refusal("GET", "/api/v1/visits", "127.0.0.1", sent) is None


def test_a_refused_change_is_not_made(world: World) -> None:
    response = Client(create_app(world.service, Access(None)), origin="http://evil.example").put("/api/v1/lifts/L1")
    assert response.status_code == 403
    assert world.service.register.find("L1") is None


def test_a_websocket_is_closed(sqlite_engine: Engine) -> None:
    app = create_app(world_on(sqlite_engine).service, Access(None))
    sent: list[MutableMapping[str, Any]] = []

    async def connect() -> dict[str, str]:
        return {"type": "websocket.connect"}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    scope = {"type": "websocket", "path": "/", "headers": [], "client": ("127.0.0.1", 1)}
    anyio.run(app, scope, connect, send)
    assert [message["type"] for message in sent] == ["websocket.close"]


def _routes(app: FastAPI) -> list[tuple[str, str]]:
    """Return every method and path that the app answers, whether it stands in its document or not."""
    found = []
    for route in iter_route_contexts(app.routes):
        path = re.sub(r"\{[^}]*\}", "1", route.path or "")
        if isinstance(route.original_route, Mount):
            found.append(("GET", f"{path}/liftwatch.css"))
        found += [(method, path) for method in sorted(route.methods or ())]
    return found


def test_no_route_at_all_answers_without_the_token_and_none_changes_anything_for_a_reader(world: World) -> None:
    app = create_app(world.service, Access(TOKEN))
    routes = _routes(app)
    assert len(routes) > 80, "the walk has lost its way"
    nobody, reader = Client(app, peer=FAR), Client(app, peer=FAR, authorization=basic(TOKEN))
    assert {path for method, path in routes if nobody.request(method, path).status_code != 401} == OPEN_PATHS
    changing = [(method, path) for method, path in routes if method not in SAFE_METHODS]
    assert len(changing) > 30
    assert {reader.request(method, path).status_code for method, path in changing} == {401}
    wrong = Client(app, peer=FAR, authorization="Bearer wrong")
    assert {wrong.request(method, path).status_code for method, path in changing} == {401}
