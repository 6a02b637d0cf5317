"""Requests with an `Idempotency-Key` are answered once; what was answered before is answered again as it was."""

import hashlib
import json
from collections.abc import Callable
from typing import Annotated

from fastapi import Depends, Header, Request, Response
from pydantic import BaseModel

from alerts import request_keys
from alerts.journal import Journal
from alerts.request_keys import Answer, answered_once
from ingest.clock import Clock

REPLAYED = "Idempotent-Replayed"
KEY_CHARS_MAX = 255
Key = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=KEY_CHARS_MAX,
        pattern=r"^[\x21-\x7e]+$",
        description="The same key with the same request gets the same answer and changes nothing more; kept for 72 h.",
    ),
]
# What a request does, and the status of its answer.
Act = Callable[[], tuple[BaseModel, int]]


class Once:
    """Answers one request: with its key once, without one each time."""

    def __init__(self, journal: Journal, clock: Clock, request: request_keys.Request | None) -> None:
        """Hold the request by its key; None: it has none."""
        self._journal = journal
        self._clock = clock
        self._request = request

    def __call__(self, act: Act) -> Response:
        """Return the answer of `act`, or the one that the key got before."""
        if self._request is None:
            return _response(_answer(*act()))
        with answered_once(self._journal, self._request, self._clock.now()) as once:
            if once.answer is not None:
                return _response(once.answer, replayed=True)
            answer = _answer(*act())
            once.settle(answer)
        return _response(answer)


async def once_of(request: Request, key: Key = None) -> Once:
    """Return what answers this request; its fingerprint is everything that it asks."""
    service = request.app.state.service
    if key is None:
        return Once(service.journal, service.clock, None)
    asked = [request.method, request.url.path, request.url.query, request.headers.get("if-match", "")]
    content = json.dumps(asked).encode() + await request.body()
    fingerprint = hashlib.sha256(content).hexdigest()
    return Once(service.journal, service.clock, request_keys.Request(key, fingerprint))


OnceParameter = Annotated[Once, Depends(once_of)]


def _answer(model: BaseModel, status: int) -> Answer:
    return Answer(status, model.model_dump_json())


def _response(answer: Answer, *, replayed: bool = False) -> Response:
    headers = {REPLAYED: "true"} if replayed else {}
    version = json.loads(answer.body).get("version")
    if version is not None:
        headers["ETag"] = f'"{version}"'
    return Response(answer.body, answer.status, headers, "application/json")
