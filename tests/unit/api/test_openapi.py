from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy.engine import Engine
from starlette.routing import Mount, Route

from api.app import create_app
from api.auth import Access
from api.console import pages
from ingest.database import open_engine
from tests.unit.api.openapi_check import faults_of
from tests.unit.api.parts import Client, World, world_on

DOCS = Path(__file__).parents[3] / "docs" / "api.md"


@pytest.fixture(scope="module")
def document(migrated_sqlite_file: Path) -> dict[str, Any]:
    service = world_on(open_engine(f"sqlite:///{migrated_sqlite_file}")).service
    return create_app(service, Access("token")).openapi()


def operations(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {
        f"{method.upper()} {path}": operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }


def test_the_document_is_served_and_names_the_token(client: Client, document: dict[str, Any]) -> None:
    served = client.get("/openapi.json").json()
    assert served["paths"] == document["paths"]
    assert "security" not in served
    assert document["security"] == [{"token": []}]
    assert document["components"]["securitySchemes"]["token"] == {"type": "http", "scheme": "bearer"}


def test_operations_have_names_that_a_program_can_use(document: dict[str, Any]) -> None:
    names = [operation["operationId"] for operation in operations(document).values()]
    assert len(names) == len(set(names))
    assert {"list_lifts", "put_lift", "acknowledge_alert", "move_work_order", "record_visit"} <= set(names)


def test_every_error_in_the_document_is_a_problem(document: dict[str, Any]) -> None:
    problem = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    for name, operation in operations(document).items():
        errors = {status: said for status, said in operation["responses"].items() if status >= "4"}
        assert {"401", "403", "422", "500", "503"} <= set(errors), name
        assert [said["content"] for said in errors.values()] == [problem] * len(errors), name
        if not name.startswith("PUT"):  # some of them make what is not there
            assert ("404" in errors) == ("{" in name), name
        assert ("413" in errors) == ("requestBody" in operation), name
    assert not {"HTTPValidationError", "ValidationError"} & set(document["components"]["schemas"])


def test_lists_are_items_and_next_with_limit_and_cursor(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    lists = [name for name in schemas if name.endswith("Page")]
    assert len(lists) >= 10
    assert all({"items", "next"} <= set(schemas[name]["required"]) for name in lists)
    for operation in operations(document).values():
        if operation["operationId"].startswith("list_"):
            parameters = {parameter["name"]: parameter["schema"] for parameter in operation["parameters"]}
            assert parameters["limit"] | {"minimum": 1, "maximum": 500, "default": 100} == parameters["limit"]
            assert "cursor" in parameters


@pytest.mark.parametrize(
    ("schema", "fields"),
    [
        ("LiftView", "lift_id site_id connected service_mode last_message_at open_alerts"),
        (
            "AlertView",
            "id lift_id kind code priority state raised_at cleared_at acknowledged_at message evidence work_order_id",
        ),
        ("WorkOrderView", "id number lift_id kind cause state opened_at arrive_by alert_ids recurrence_of"),
        (
            "FindingView",
            "lift_id kind channel component code floor as_of found_at value limit days_left confidence reason evidence",
        ),
        ("QuarantinedView", "id topic payload reason received_at replayed_at"),
    ],
)
def test_things_have_the_fields_that_others_rely_on(document: dict[str, Any], schema: str, fields: str) -> None:
    assert set(fields.split()) <= set(document["components"]["schemas"][schema]["required"])


def test_every_route_stands_in_the_docs(document: dict[str, Any], world: World) -> None:
    text = DOCS.read_text()
    outside = [*pages.router.routes, *create_app(world.service, Access(None)).routes]
    paths = {route.path for route in outside if isinstance(route, Route | Mount)}
    assert {"/", "/docs", "/openapi.json", "/static"} <= paths
    for name in [*operations(document), *(f"GET {path}" for path in paths)]:
        assert f"`{name}`" in text, name


def test_the_check_of_answers_finds_what_is_wrong(document: dict[str, Any], sqlite_engine: Engine) -> None:
    world = world_on(sqlite_engine)
    world.register("L1")
    good = world.client.get("/api/v1/lifts").json()
    request = httpx.Request("GET", "http://127.0.0.1/api/v1/lifts")

    def faults(status: int, body: object, media_type: str = "application/json") -> list[str]:
        headers = {"content-type": media_type}
        return faults_of(document, "GET", httpx.Response(status, json=body, headers=headers, request=request))

    (lift,) = good["items"]
    assert faults(200, good) == []
    assert faults(200, {"items": []}) == ["body: next is missing"]
    assert faults(200, {**good, "total": 1}) == ["body: total is not in the document"]
    assert faults(200, {**good, "items": [{**lift, "connected": "yes"}]})
    assert faults(200, {**good, "items": [{**lift, "registered_at": "2026-03-02T12:00:00+08:00"}]})
    assert faults(200, {**good, "items": [{**lift, "telemetry": "lost"}]})
    assert faults(418, good) == ["status 418 is not in the document"]
    assert faults(422, good) == ["application/json is not in the document"]
    assert faults(422, {"type": "about:blank"}, "application/problem+json")
