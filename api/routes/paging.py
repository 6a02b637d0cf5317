"""Pages: how a list is cut, and the cursors that continue it. A cursor says where the last page ended, no more."""

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Annotated, Any, TypeVar

from fastapi import Depends, Query, Request
from pydantic import Field

from api.bodies import ID_MAX, Taken
from api.problems import ProblemError, invalid
from api.service import Service

LIMIT_MAX = 500
LIMIT_DEFAULT = 100
_AT = "query.cursor"
T = TypeVar("T")


class PageQuery(Taken):
    """How much of a list, and from where on."""

    limit: int = Field(default=LIMIT_DEFAULT, ge=1, le=LIMIT_MAX, description="How many to answer at most.")
    cursor: str | None = Field(default=None, max_length=200, description="What the page before gave as next.")


PageParameters = Annotated[PageQuery, Query()]


async def service_of(request: Request) -> Service:
    """Return the parts of the service that the app was made with."""
    service = request.app.state.service
    assert isinstance(service, Service)
    return service


ServiceParameter = Annotated[Service, Depends(service_of)]


def encode_cursor(place: str | int) -> str:
    """Return a cursor for the place where a page ended."""
    return base64.urlsafe_b64encode(str(place).encode()).rstrip(b"=").decode()


def decode_cursor(cursor: str | None, at: str = _AT) -> str | None:
    """Return the place that a cursor names; None for no cursor.

    Raises:
        ProblemError: it is none of ours.
    """
    if cursor is None:
        return None
    try:
        place = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode("ascii")
    except (binascii.Error, ValueError) as error:
        raise _not_a_cursor(at) from error
    if not place.isprintable() or encode_cursor(place) != cursor:
        raise _not_a_cursor(at)
    return place


def decode_id(cursor: str | None, above: int = ID_MAX, at: str = _AT) -> int | None:
    """Return the number that a cursor names, at most `above`; None for no cursor.

    Raises:
        ProblemError: it is none of ours.
    """
    place = decode_cursor(cursor, at)
    if place is None:
        return None
    if not place.isdecimal() or int(place) > above:
        raise _not_a_cursor(at)
    return int(place)


def cut(rows: Sequence[T], limit: int, place_of: Callable[[T], Any]) -> tuple[Sequence[T], str | None]:
    """Return a page of `limit` rows out of one row more than that, and the cursor for what follows."""
    page = rows[:limit]
    return page, encode_cursor(place_of(page[-1])) if len(rows) > limit else None


def _not_a_cursor(at: str) -> ProblemError:
    return invalid(at=at, detail="not a cursor of this list")
