"""What every body and every answer keeps to: a bound on the one, security headers on the other."""

import re

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from alerts.order_papers import FILE_BYTES_MAX
from api.problems import ProblemName, answer, named

BODY_BYTES_MAX = 64 * 1024
# Photos and documents of a work order are the only large bodies.
_FILES = re.compile(r"/api/v1/work-orders/\d+/files\Z")
STATIC_PATH = "/static/"
SECURITY_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    # `no-referrer` would make browsers send `Origin: null` with our own forms.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class SecurityHeadersMiddleware:
    """Puts `SECURITY_HEADERS` on every answer; static files may be kept by a browser that asks whether they changed."""

    def __init__(self, app: ASGIApp) -> None:
        """Stand before `app`."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(SECURITY_HEADERS)
                if scope["path"].startswith(STATIC_PATH):
                    headers["Cache-Control"] = "no-cache"
            await send(message)

        await self._app(scope, receive, send_guarded)


class BodyLimitMiddleware:
    """Reads a body whole before the app sees the request; one that is too large for its route is answered with 413."""

    def __init__(self, app: ASGIApp) -> None:
        """Stand before `app`."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        most = FILE_BYTES_MAX if _FILES.match(scope["path"]) else BODY_BYTES_MAX
        declared = Headers(scope=scope).get("content-length", "0")
        # A declared length that is no number never gets here: the server that reads HTTP refuses it.
        body = None if declared.isdecimal() and int(declared) > most else await _read(receive, most)
        if body is None:
            problem = named(ProblemName.TOO_LARGE, f"A body holds at most {most} bytes.")
            await answer(problem, {"Connection": "close"})(scope, receive, send)
            return
        await self._app(scope, _replayed(body, receive), send)


async def _read(receive: Receive, most: int) -> bytes | None:
    """Return the whole body; None where it is too large. Of a client that has gone half a body is none."""
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return b""
        body += message.get("body", b"")
        if len(body) > most:
            return None
        if not message.get("more_body", False):
            return bytes(body)


def _replayed(body: bytes, receive: Receive) -> Receive:
    waiting = [body]

    async def replay() -> Message:
        if waiting:
            return {"type": "http.request", "body": waiting.pop(), "more_body": False}
        return await receive()

    return replay
