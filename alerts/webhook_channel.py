"""Webhooks: one signed POST, one answer, within one deadline, to an address that was looked at before it is used.

Written on the socket, because a deadline for the whole of an attempt and a look at the address that is really used are
what HTTP libraries do not offer.
"""

import io
import socket
import ssl
from collections.abc import Sequence
from contextlib import closing, suppress
from datetime import datetime
from http.client import HTTPException, HTTPResponse
from typing import Any
from urllib.parse import SplitResult

from alerts import signing
from alerts.addresses import is_public, parse_webhook_url
from alerts.channels import ATTEMPT_S_MAX, Outcome, Outgoing, words_for
from ingest.clock import monotonic_s

# Nothing of an answer but its status is used; what follows is read for politeness, so that it is not cut off.
ANSWER_BYTES_MAX = 16 * 1024
ANSWER_S_MAX = 1.0
RETRY_AFTER_S_MAX = 3_600.0
_OK, _END_OF_OK, _GONE = 200, 300, 410


# What `socket.getaddrinfo` answers: family, kind, protocol, name, address.
_Found = tuple[socket.AddressFamily, socket.SocketKind, int, str, tuple[Any, ...]]


class ForbiddenAddressError(OSError):
    """The name leads to an address that webhooks may not reach."""


class WebhookChannel:
    """Sends after the Standard Webhooks specification; follows no redirect."""

    def __init__(
        self, *, allows_private: bool = False, tls: ssl.SSLContext | None = None, attempt_s_max: float = ATTEMPT_S_MAX
    ) -> None:
        """Reach public addresses over https alone, unless `allows_private`."""
        self._allows_private = allows_private
        self._tls = tls or ssl.create_default_context()
        self._attempt_s_max = attempt_s_max

    def send(self, outgoing: Outgoing, now: datetime) -> Outcome:
        """See `Channel.send`."""
        deadline_s = monotonic_s() + self._attempt_s_max
        try:
            parts = parse_webhook_url(outgoing.target, allows_private=self._allows_private)
            with closing(self._connected(parts, deadline_s)) as connection:
                connection.settimeout(_left_s(deadline_s))
                connection.sendall(_request(parts, outgoing, now))
                return _outcome(_answer(connection, deadline_s))
        except ForbiddenAddressError:
            return Outcome(error="the name leads to an address that webhooks may not reach")
        except (OSError, HTTPException, ValueError) as error:
            return Outcome(error=words_for(error))

    def _connected(self, parts: SplitResult, deadline_s: float) -> socket.socket:
        host = parts.hostname or ""
        port = parts.port or (443 if parts.scheme == "https" else 80)
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        family, kind, protocol, _, address = self._allowed(found)
        connection = socket.socket(family, kind, protocol)
        try:
            connection.settimeout(_left_s(deadline_s))
            connection.connect(address)
            if parts.scheme == "https":
                connection.settimeout(_left_s(deadline_s))
                return self._tls.wrap_socket(connection, server_hostname=host)
        except BaseException:
            connection.close()
            raise
        return connection

    def _allowed(self, found: Sequence[_Found]) -> _Found:
        for each in found:
            if self._allows_private or is_public(str(each[4][0])):
                return each
        raise ForbiddenAddressError


class _TimedReader(io.RawIOBase):
    """Reads from a socket, each time only until the deadline: bytes that drip in do not prolong it."""

    def __init__(self, connection: socket.socket, deadline_s: float) -> None:
        self._connection = connection
        self.deadline_s = deadline_s

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        self._connection.settimeout(_left_s(self.deadline_s))
        return self._connection.recv_into(buffer)

    def makefile(self, _mode: str) -> io.BufferedReader:
        """Be what `HTTPResponse` takes for a socket."""
        return io.BufferedReader(self)


def _left_s(deadline_s: float) -> float:
    left_s = deadline_s - monotonic_s()
    if left_s <= 0:
        raise TimeoutError
    return left_s


def _request(parts: SplitResult, outgoing: Outgoing, now: datetime) -> bytes:
    content = outgoing.content()
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    lines = {
        "Host": parts.netloc,
        "User-Agent": "Liftwatch",
        "Content-Type": "application/json",
        "Content-Length": str(len(content)),
        "Connection": "close",
        **signing.headers(outgoing.secrets, outgoing.message_id, int(now.timestamp()), content),
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"POST {path} HTTP/1.1\r\n{head}\r\n".encode("ascii") + content


def _answer(connection: socket.socket, deadline_s: float) -> HTTPResponse:
    reader = _TimedReader(connection, deadline_s)
    response = HTTPResponse(reader, method="POST")  # type: ignore[arg-type]
    response.begin()
    reader.deadline_s = min(deadline_s, monotonic_s() + ANSWER_S_MAX)
    with suppress(OSError, HTTPException):  # the status is what counts, and it is here
        response.read(ANSWER_BYTES_MAX)
    return response


def _outcome(response: HTTPResponse) -> Outcome:
    status = response.status
    if _OK <= status < _END_OF_OK:
        return Outcome(status=status)
    return Outcome(
        error=f"answered {status}",
        status=status,
        retry_after_s=_seconds(response.headers.get("Retry-After")),
        is_gone=status == _GONE,
    )


def _seconds(retry_after: str | None) -> float | None:
    """Return what `Retry-After` asks for, as far as it is a number and no more than an hour."""
    if retry_after is None or not retry_after.strip().isdecimal():
        return None
    return min(float(retry_after.strip()[:9]), RETRY_AFTER_S_MAX)
