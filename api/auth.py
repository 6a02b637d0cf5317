"""Who is served: whoever has the token; without a token nobody but this machine itself.

With a token it is asked of loopback too, because a reverse proxy on the same machine looks like loopback. Programs send
`Authorization: Bearer <token>`; a browser may read (GET) with HTTP Basic, any user and the token as password, since
that is what it can ask a person for. What a browser adds by itself never changes anything.
"""

import base64
import binascii
import hmac
import ipaddress
from collections.abc import Mapping
from urllib.parse import urlsplit

from msgspec import Struct
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from api.problems import Problem, ProblemName, answer, named

# A load balancer asks these and has no token; they say nothing but names of parts.
OPEN_PATHS = frozenset({"/healthz", "/readyz"})
PAGES = frozenset({"/", "/docs", "/kpis"})
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
# Whoever sends one of these speaks for somebody else, who need not be on this machine.
FORWARDING_HEADERS = ("forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-real-ip")


class Refused(Struct, frozen=True):
    """Why a request is not served, and what to send with the answer."""

    problem: Problem
    headers: Mapping[str, str] = {}


class Access(Struct, frozen=True):
    """The rule of access; `token` None: loopback alone is served.

    Raises:
        ValueError: an empty token, which everybody would know.
    """

    token: str | None

    def __post_init__(self) -> None:
        """Refuse a token that is none."""
        if self.token is not None and not self.token.strip():
            message = "the token is empty"
            raise ValueError(message)

    def refusal(self, method: str, path: str, client: str | None, headers: Headers) -> Refused | None:
        """Return why the request of `client` (an IP address) is not served; None: it is."""
        refused = self._unknown_sender(method, path, client, headers)
        if refused is None and method not in SAFE_METHODS and _is_cross_site(headers):
            return _forbidden("A page of another site may not change anything here.")
        return refused

    def _unknown_sender(self, method: str, path: str, client: str | None, headers: Headers) -> Refused | None:
        if self.token is None:
            return _not_loopback(client, headers)
        if path in OPEN_PATHS or self._has_token(method, headers.get("authorization", "")):
            return None
        challenge = 'Basic realm="Liftwatch", charset="UTF-8"' if path in PAGES else 'Bearer realm="Liftwatch"'
        return Refused(
            named(ProblemName.UNAUTHENTICATED, "The token is missing or wrong."), {"WWW-Authenticate": challenge}
        )

    def _has_token(self, method: str, authorization: str) -> bool:
        scheme, _, credentials = authorization.partition(" ")
        given = credentials.strip().encode("latin-1")
        if scheme.lower() == "basic" and method in SAFE_METHODS:
            given = _password(given)
        elif scheme.lower() != "bearer":
            return False
        return hmac.compare_digest(given, (self.token or "").encode())


def _password(credentials: bytes) -> bytes:
    try:
        return base64.b64decode(credentials, validate=True).partition(b":")[2]
    except binascii.Error:
        return b""


def _not_loopback(client: str | None, headers: Headers) -> Refused | None:
    if client is None or not _is_loopback(client):
        return _forbidden("Only this machine itself is served, because no token is set.")
    if any(name in headers for name in FORWARDING_HEADERS):
        return _forbidden("A request through a proxy is served only where a token is set.")
    # A foreign name that leads to this machine (DNS rebinding) would let any web page read through the browser.
    if _host_name(headers.get("host", "")) not in LOOPBACK_NAMES:
        return _forbidden("Only localhost, 127.0.0.1 and [::1] are names of this service, because no token is set.")
    return None


def _is_loopback(client: str) -> bool:
    try:
        address = ipaddress.ip_address(client)
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback


def _host_name(host: str) -> str | None:
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None


def _is_cross_site(headers: Headers) -> bool:
    """Tell whether a browser sends this for another site's page; a program sends neither header."""
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site not in {"same-origin", "none"}
    origin = headers.get("origin")
    return origin is not None and origin.partition("://")[2].lower() != headers.get("host", "").lower()


def _forbidden(detail: str) -> Refused:
    return Refused(named(ProblemName.FORBIDDEN, detail))


class AccessMiddleware:
    """Serves what `Access` allows, and answers the rest with a problem."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        """Stand before `app`."""
        self._app = app
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Judge one request."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":  # there is no websocket here, so nobody is to be judged for one
            await send({"type": "websocket.close", "code": 1008})
            return
        client = scope["client"][0] if scope.get("client") else None
        refused = self._access.refusal(scope["method"], scope["path"], client, Headers(scope=scope))
        target = self._app if refused is None else answer(refused.problem, refused.headers)
        await target(scope, receive, send)
