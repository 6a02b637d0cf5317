"""The HTTP application: routes, who is served, and a document (OpenAPI) that says what really happens."""

from importlib import metadata
from importlib.resources import files
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from starlette.middleware import Middleware
from starlette.staticfiles import StaticFiles

from api.auth import Access, AccessMiddleware
from api.console import pages
from api.guard import SECURITY_HEADERS, BodyLimitMiddleware, SecurityHeadersMiddleware
from api.problems import Problem, add_problem_handlers
from api.routes import (
    alerts,
    cases,
    chains,
    failures,
    features,
    findings,
    health,
    kpis,
    ledger,
    lifts,
    notifications,
    order_sheets,
    quality,
    quarantine,
    records,
    risk,
    shift,
    subscriptions,
    suppressions,
    technicians,
    telemetry,
    webhooks,
    work_orders,
)
from api.service import Service

API_PREFIX = "/api/v1"
TITLE = "Liftwatch"
_SUMMARY = "Lift (elevator) monitoring: lifts, telemetry, findings, alerts and work orders."
_ROUTERS = (
    lifts.router,
    telemetry.router,
    features.router,
    ledger.router,
    findings.router,
    failures.router,
    risk.router,
    quality.router,
    suppressions.router,  # before the alerts: `alerts/groups` is no alert's number
    alerts.router,
    work_orders.router,
    cases.router,
    kpis.router,
    order_sheets.router,
    technicians.router,
    records.router,
    quarantine.router,
    webhooks.router,
    subscriptions.router,
    notifications.router,
    chains.router,
    shift.router,
)


def create_app(service: Service, access: Access) -> FastAPI:
    """Return the application on the parts of `service`, serving whom `access` allows."""
    app = create_probes(service, access)
    for router in _ROUTERS:
        app.include_router(router, prefix=API_PREFIX)
    app.include_router(pages.router)
    app.mount("/static", StaticFiles(directory=str(files("api.console") / "static")), name="static")
    return app


def create_probes(service: Service, access: Access) -> FastAPI:
    """Return what every process answers, whatever its role: whether it lives and works, and what it has counted."""
    app = FastAPI(
        title=TITLE,
        summary=_SUMMARY,
        version=metadata.version("liftwatch"),
        docs_url=None,  # FastAPI's own pages load from other hosts
        redoc_url=None,
        redirect_slashes=False,  # a redirect would lead to whatever host the client named
        generate_unique_id_function=_operation_id,
        middleware=[
            Middleware(SecurityHeadersMiddleware),
            Middleware(AccessMiddleware, access),
            Middleware(BodyLimitMiddleware),
        ],
    )
    app.state.service = service
    add_problem_handlers(app, SECURITY_HEADERS)
    app.include_router(health.router)
    app.openapi = lambda: _openapi(app, needs_token=access.token is not None)  # type: ignore[method-assign]
    return app


def _operation_id(route: APIRoute) -> str:
    return route.name


def _openapi(app: FastAPI, *, needs_token: bool) -> dict[str, Any]:
    """Return the document, made once: FastAPI's own, with the problems and the token that it knows nothing of."""
    if app.openapi_schema is None:
        document = get_openapi(title=app.title, version=app.version, summary=app.summary, routes=app.routes)
        parts = document["components"]
        reference = "#/components/schemas/{model}"
        problem = Problem.model_json_schema(ref_template=reference)
        parts["schemas"].update(problem.pop("$defs"))
        parts["schemas"]["Problem"] = problem
        if needs_token:
            parts["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
            document["security"] = [{"token": []}]
        app.openapi_schema = document
    return app.openapi_schema
