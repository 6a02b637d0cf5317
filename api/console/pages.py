"""The plain pages: `/` shows what stands open, `/kpis` the alert load, `/docs` describes the API.

Everything is escaped, times are UTC.
"""

from datetime import datetime
from importlib.resources import files
from typing import Any, Literal

import jinja2
from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse
from msgspec import Struct

from alerts.entrapment import EntrapmentCase, Stage
from alerts.kpi_desk import TooManyAlertsError
from alerts.work_orders import WorkOrder
from api.console.kpis import By, kpi_page, span_words
from api.console.overview import overview_of
from api.problems import PROBLEM_TYPES, invalid
from api.routes.paging import ServiceParameter

RELOAD_S = 10
PRIORITY_WORDS = {1: "at once", 2: "soon", 3: "today", 4: "plan it"}
router = APIRouter(include_in_schema=False)


class ArrivalClock(Struct, frozen=True):
    """How an order stands to its arrival clock, in words; `late`: the time has passed and nobody is there."""

    words: str
    late: bool


def arrival_clock(order: WorkOrder, now: datetime) -> ArrivalClock:
    """Return the arrival clock of an order as of `now`, in whole minutes."""
    if order.arrived_at is not None:
        return ArrivalClock(f"arrived {clock_time(order.arrived_at, now)}", late=False)
    if order.arrive_by is None:
        return ArrivalClock("no clock", late=False)
    minutes = (order.arrive_by - now).total_seconds() / 60
    by = f"by {clock_time(order.arrive_by, now)}"
    if minutes < 0:
        return ArrivalClock(f"{by}, {int(-minutes)} min late", late=True)
    return ArrivalClock(f"{by}, {int(minutes)} min left", late=False)


def rescue_clocks(case: EntrapmentCase, now: datetime) -> ArrivalClock:
    """Return what of a rescue waits for whom, in words."""
    is_there = any(case.at(stage) for stage in (Stage.ARRIVED, Stage.RELEASED))
    if case.reported_free_at is not None or case.at(Stage.RELEASED):
        since = (
            ""
            if case.reported_free_at is None
            else f"the lift said at {clock_time(case.reported_free_at, now)}: over; "
        )
        return ArrivalClock(f"{since}a person has still to say that everybody is out, and to close it", late=False)
    if case.stage is Stage.RECEIVED:
        late = now > case.answer_by
        return ArrivalClock(f"answer by {clock_time(case.answer_by, now)}: nobody has spoken to the car", late=late)
    if is_there:
        return ArrivalClock("on site", late=False)
    return ArrivalClock(f"on site by {clock_time(case.arrive_by, now)}", late=now > case.arrive_by)


def clock_time(instant: datetime | None, now: datetime) -> str:
    """Return an instant as people read it: the time alone for today, the day with it otherwise."""
    if instant is None:
        return "never"
    return instant.strftime("%H:%M" if instant.date() == now.date() else "%Y-%m-%d %H:%M")


def _templates() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(str(files("api.console") / "templates")),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["words"] = lambda slug: str(slug).replace("-", " ")
    environment.globals.update(
        arrival_clock=arrival_clock,
        clock_time=clock_time,
        priority_words=PRIORITY_WORDS,
        reload_s=RELOAD_S,
        rescue_clocks=rescue_clocks,
        span_words=span_words,
    )
    return environment


_ENVIRONMENT = _templates()


@router.get("/")
def show_overview(service: ServiceParameter) -> HTMLResponse:
    """Show what stands open: alerts, work orders, lifts, findings."""
    return _page("index.html", view=overview_of(service))


@router.get("/kpis")
def show_kpis(service: ServiceParameter, span: Literal["1d", "7d", "30d"] = "7d", by: By = "day") -> HTMLResponse:
    """Show how well an operator can live with the alerts."""
    try:
        return _page("kpis.html", view=kpi_page(service, span, by))
    except TooManyAlertsError as error:
        raise invalid(at="query.span", detail=str(error)) from error


@router.get("/docs")
def show_docs(request: Request) -> HTMLResponse:
    """Show the document `/openapi.json` as a page."""
    return _page("docs.html", document=request.app.openapi(), problems=PROBLEM_TYPES, type_words=type_words)


def _page(template: str, **values: object) -> HTMLResponse:
    return HTMLResponse(_ENVIRONMENT.get_template(template).render(**values))


def type_words(schema: dict[str, Any]) -> str:
    """Return a JSON schema in a few words: `integer 1 to 500`, `AlertView`, `text or null`."""
    if "$ref" in schema:
        return str(schema["$ref"]).rsplit("/", 1)[-1]
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(type_words(one) for one in schema["anyOf"]))
    if "enum" in schema:
        return ", ".join(str(value) for value in schema["enum"])
    if "const" in schema:
        return str(schema["const"])
    if schema.get("type") == "array":
        return f"list of {type_words(schema['items'])}"
    return _plain_words(schema)


def _plain_words(schema: dict[str, Any]) -> str:
    words = schema.get("format") or {"string": "text"}.get(schema.get("type", ""), schema.get("type", "anything"))
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is not None and high is not None:
        words += f" {low} to {high}"
    if "maxLength" in schema:
        words += f", at most {schema['maxLength']} characters"
    return str(words)
