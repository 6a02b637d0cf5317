"""Problem details (RFC 9457): the one form in which this API says that something went wrong.

Every error of every route is `application/problem+json`. `type` leads to an explanation on the page `/docs`; what a
client sent, and what happened inside, is never repeated in one.
"""

from collections.abc import Mapping
from enum import StrEnum
from http import HTTPStatus
from typing import Any, NamedTuple

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from alerts.alert import IllegalTransitionError
from alerts.alert_entries import UnknownAlertError
from alerts.case_desk import UnknownCaseError
from alerts.chains import UnknownChainError
from alerts.notifications import UnknownNotificationError
from alerts.order_desk import StaleVersionError
from alerts.order_sheet import UnknownFileError
from alerts.request_keys import KeyReusedError
from alerts.shift_log import UnknownHandoverError
from alerts.subscriptions import UnknownSubscriptionError
from alerts.taken_out import UnknownSuppressionError
from alerts.work_orders import UnknownWorkOrderError
from ingest.database import DATABASE_AWAY
from ingest.telemetry_store import StoreUnavailableError

MEDIA_TYPE = "application/problem+json"
ERRORS_MAX = 50
RETRY_AFTER_S = 5

log = structlog.get_logger()


class ProblemName(StrEnum):
    """The last part of a problem's `type`."""

    UNAUTHENTICATED = "unauthenticated"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not-found"
    ILLEGAL_TRANSITION = "illegal-transition"
    CONFLICT = "conflict"
    PRECONDITION_FAILED = "precondition-failed"
    KEY_REUSED = "key-reused"
    TOO_LARGE = "too-large"
    INVALID_REQUEST = "invalid-request"
    UNAVAILABLE = "unavailable"
    NOT_READY = "not-ready"


class ProblemType(NamedTuple):
    """A problem that has a name: its status, its title, and what a client can do about it."""

    status: int
    title: str
    meaning: str


PROBLEM_TYPES: Mapping[ProblemName, ProblemType] = {
    ProblemName.UNAUTHENTICATED: ProblemType(
        401, "Not authenticated", "Send the token: `Authorization: Bearer <token>`."
    ),
    ProblemName.FORBIDDEN: ProblemType(
        403, "Forbidden", "Without a token only this machine itself is served; no other site may change anything."
    ),
    ProblemName.NOT_FOUND: ProblemType(404, "Not found", "There is no such route, or nothing of that id."),
    ProblemName.ILLEGAL_TRANSITION: ProblemType(
        409, "Not possible in this state", "The state does not allow it; `legal_next` names what it does allow."
    ),
    ProblemName.CONFLICT: ProblemType(409, "Conflict", "What is recorded already says something else."),
    ProblemName.PRECONDITION_FAILED: ProblemType(
        412, "Changed meanwhile", "Somebody else has changed it since it was read; read it again, then decide."
    ),
    ProblemName.KEY_REUSED: ProblemType(
        422, "Idempotency-Key reused", "The key was sent with another request; a new request needs a new key."
    ),
    ProblemName.TOO_LARGE: ProblemType(413, "Body too large", "Send less at a time."),
    ProblemName.INVALID_REQUEST: ProblemType(
        422, "Invalid request", "`errors` names each parameter or field that does not fit, and why."
    ),
    ProblemName.UNAVAILABLE: ProblemType(
        503, "Unavailable at present", "A database does not answer; try again after `Retry-After` seconds."
    ),
    ProblemName.NOT_READY: ProblemType(503, "Not ready", "`parts` names what does not work, and why."),
}


class FieldError(BaseModel):
    """One thing in a request that does not fit: where it stands, and why."""

    at: str = Field(examples=["query.limit"])
    detail: str


class Problem(BaseModel):
    """What went wrong. The members behind `detail` are there only where they say something."""

    type: str = Field(examples=["/docs#not-found"])
    title: str
    status: int
    detail: str
    errors: list[FieldError] = Field(default_factory=list)
    legal_next: list[str] = Field(default_factory=list)
    parts: dict[str, str] = Field(default_factory=dict)


class ProblemError(Exception):
    """Raised by a route to answer with a problem of one of `PROBLEM_TYPES`."""

    def __init__(self, name: ProblemName, detail: str, **members: Any) -> None:  # noqa: ANN401 - members of Problem
        """Name the problem and say what happened; `members` are the other members of `Problem`."""
        super().__init__(detail)
        self.problem = named(name, detail, **members)


def named(name: ProblemName, detail: str, **members: Any) -> Problem:  # noqa: ANN401 - members of Problem
    """Return a problem of one of `PROBLEM_TYPES`."""
    known = PROBLEM_TYPES[name]
    return Problem(type=f"/docs#{name.value}", title=known.title, status=known.status, detail=detail, **members)


def invalid(*, at: str, detail: str) -> ProblemError:
    """Return the error for one parameter or field that does not fit."""
    return ProblemError(
        ProblemName.INVALID_REQUEST, "The request does not fit.", errors=[FieldError(at=at, detail=detail)]
    )


def answer(problem: Problem, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """Return a problem as a response."""
    content = problem.model_dump(exclude_unset=True)
    return JSONResponse(content, problem.status, headers=headers, media_type=MEDIA_TYPE)


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the `responses` of a route that can answer with these problems, and with those that any route can."""
    schema = {"$ref": "#/components/schemas/Problem"}
    return {
        status: {"description": HTTPStatus(status).phrase, "content": {MEDIA_TYPE: {"schema": schema}}}
        for status in sorted({401, 403, 422, 500, 503, *statuses})
    }


def add_problem_handlers(app: FastAPI, headers: Mapping[str, str]) -> None:
    """Let the app answer every error with a problem; `headers` stand in an answer to an error of our own.

    An error of our own is answered outside all middleware, so that its headers have to be given here.
    """

    def unexpected(_request: Request, _error: Exception) -> JSONResponse:
        # The server that runs the app logs the error: it is raised again after this answer.
        detail = "An error of ours; it has been logged."
        return answer(_of_status(HTTPStatus.INTERNAL_SERVER_ERROR, detail), headers)

    app.add_exception_handler(ProblemError, _raised)
    app.add_exception_handler(RequestValidationError, _not_valid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(UnknownAlertError, _unknown)
    app.add_exception_handler(UnknownWorkOrderError, _unknown)
    app.add_exception_handler(UnknownCaseError, _unknown)
    app.add_exception_handler(UnknownFileError, _unknown)
    app.add_exception_handler(StaleVersionError, _stale)
    app.add_exception_handler(KeyReusedError, _reused)
    app.add_exception_handler(UnknownSubscriptionError, _unknown)
    app.add_exception_handler(UnknownNotificationError, _unknown)
    app.add_exception_handler(UnknownChainError, _unknown)
    app.add_exception_handler(UnknownHandoverError, _unknown)
    app.add_exception_handler(UnknownSuppressionError, _unknown)
    app.add_exception_handler(IllegalTransitionError, _illegal)
    for unavailable in (StoreUnavailableError, *DATABASE_AWAY):
        app.add_exception_handler(unavailable, _unavailable)
    app.add_exception_handler(Exception, unexpected)


def _of_status(status: int, detail: str) -> Problem:
    return Problem(type="about:blank", title=HTTPStatus(status).phrase, status=status, detail=detail)


def _raised(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, ProblemError)
    return answer(error.problem)


def _not_valid(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    found = error.errors()
    errors = [FieldError(at=".".join(map(str, one["loc"])), detail=one["msg"]) for one in found[:ERRORS_MAX]]
    return answer(named(ProblemName.INVALID_REQUEST, "The request does not fit.", errors=errors))


def _http(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    if error.status_code == HTTPStatus.NOT_FOUND:
        return answer(named(ProblemName.NOT_FOUND, "There is no such route."))
    if error.status_code == HTTPStatus.BAD_REQUEST:  # FastAPI's word for a body that it cannot read at all
        return answer(invalid(at="body", detail="not JSON in UTF-8, or nested too deep").problem)
    return answer(_of_status(error.status_code, error.detail), error.headers)


def _unknown(_request: Request, error: Exception) -> JSONResponse:
    return answer(named(ProblemName.NOT_FOUND, str(error)))


def _stale(_request: Request, error: Exception) -> JSONResponse:
    return answer(named(ProblemName.PRECONDITION_FAILED, str(error)))


def _reused(_request: Request, error: Exception) -> JSONResponse:
    return answer(named(ProblemName.KEY_REUSED, str(error)))


def _illegal(_request: Request, error: Exception) -> JSONResponse:
    return answer(named(ProblemName.ILLEGAL_TRANSITION, str(error)))


def _unavailable(request: Request, error: Exception) -> JSONResponse:
    log.warning("request-unavailable", path=request.url.path, error=str(error))
    store = isinstance(error, StoreUnavailableError)
    detail = "The telemetry store does not answer." if store else "The database does not answer."
    return answer(named(ProblemName.UNAVAILABLE, detail), {"Retry-After": str(RETRY_AFTER_S)})
