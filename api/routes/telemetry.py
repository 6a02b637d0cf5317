"""Telemetry of one lift: its messages, oldest first, or one reading by windows."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Annotated, NamedTuple, Self

from fastapi import APIRouter, Query
from pydantic import Field, model_validator

from api.bodies import Instant
from api.problems import documented, invalid
from api.routes.lifts import LiftPath, known_lift
from api.routes.paging import PageQuery, ServiceParameter, cut, decode_cursor
from api.schemas import AggregatePage, MessagePage, aggregate_view, message_view
from api.service import Service
from ingest.intake import FUTURE_MAX
from ingest.messages import Kind, Message
from ingest.telemetry_store import numeric_reading

router = APIRouter(prefix="/lifts/{lift_id}/telemetry", tags=["lifts"])
WINDOW_DEFAULT = timedelta(hours=24)
WINDOWS_MAX = 2_000
EVERY_S_MAX = 31 * 86_400
NS_MAX = 2**63 - 1


class TelemetryQuery(PageQuery):
    """Which messages; with `reading` and `every_s`, one number of a kind by windows instead."""

    kind: Kind | None = Field(default=None, description="All kinds where it is left out.")
    since: Instant | None = Field(default=None, description="From when on, by the controller's clock.")
    until: Instant | None = Field(default=None, description="Before when, by the controller's clock.")
    reading: Annotated[str, Field(pattern="^[a-z_]{1,64}$")] | None = None
    every_s: Annotated[int, Field(ge=1, le=EVERY_S_MAX)] | None = None

    @model_validator(mode="after")
    def _fits(self) -> Self:
        message = None
        if (self.reading is None) != (self.every_s is None):
            message = "reading and every_s go together"
        elif self.reading is not None and (self.kind is None or self.cursor is not None):
            message = "reading needs kind, and its windows have no pages (cursor)"
        if message is not None:
            raise ValueError(message)
        return self


class _Window(NamedTuple):
    since: datetime
    until: datetime


class _Place(NamedTuple):
    """Where a page ended: messages are ordered by `key_ns`, then by kind."""

    key_ns: int
    kind: str


@router.get("", responses=documented(404))
def list_telemetry(
    service: ServiceParameter, lift_id: LiftPath, query: Annotated[TelemetryQuery, Query()]
) -> MessagePage | AggregatePage:
    """List messages of a lift in [since, until), oldest first; the last 24 hours where no window is given."""
    known_lift(service, lift_id)
    window = _window(query, service.clock.now())
    if query.reading is not None and query.kind is not None and query.every_s is not None:
        every = timedelta(seconds=query.every_s)
        return _aggregates(service, lift_id, query.kind, query.reading, window, every)
    kinds = list(Kind) if query.kind is None else [query.kind]
    return _messages(service, lift_id, kinds, window, query)


def _window(query: TelemetryQuery, now: datetime) -> _Window:
    # A controller's clock may run ahead of ours by as much as intake accepts.
    until = query.until or now + FUTURE_MAX
    since = query.since or (until - WINDOW_DEFAULT if query.until else now - WINDOW_DEFAULT)
    if since >= until:
        raise invalid(at="query.since", detail="not before until")
    return _Window(since, until)


def _messages(
    service: Service, lift_id: str, kinds: Iterable[Kind], window: _Window, query: TelemetryQuery
) -> MessagePage:
    after = _place(query.cursor)
    found: list[Message] = []
    for kind in kinds:
        after_ns = None if after is None else after.key_ns - (kind.value > after.kind)
        found += service.store.messages(
            lift_id, kind, window.since, window.until, limit=query.limit + 1, after_ns=after_ns
        )
    found.sort(key=_place_of)
    page, following = cut(found, query.limit, lambda message: "{}.{}".format(*_place_of(message)))
    return MessagePage(items=[message_view(message) for message in page], next=following)


def _place_of(message: Message) -> _Place:
    return _Place(message.key_ns, message.kind.value)


def _place(cursor: str | None) -> _Place | None:
    text = decode_cursor(cursor)
    if text is None:
        return None
    key_ns, _, kind = text.partition(".")
    if not key_ns.isdecimal() or int(key_ns) > NS_MAX:
        raise invalid(at="query.cursor", detail="not a cursor of this list")
    return _Place(int(key_ns), kind)


def _aggregates(
    service: Service, lift_id: str, kind: Kind, reading: str, window: _Window, every: timedelta
) -> AggregatePage:
    try:
        numeric_reading(kind, reading)
    except ValueError as error:
        raise invalid(at="query.reading", detail=str(error)) from error
    if (window.until - window.since) / every > WINDOWS_MAX:
        raise invalid(at="query.every_s", detail=f"more than {WINDOWS_MAX} windows")
    found = service.store.aggregates(lift_id, kind, reading, window.since, window.until, every)
    return AggregatePage(items=[aggregate_view(one) for one in found], next=None)
