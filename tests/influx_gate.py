"""A gate between the service and a real InfluxDB 1.x: gives it the write path of 2.x, and fails as a network does."""

import http.client
import socket
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from tests.servers import HOST


class InfluxGate:
    """A gate before influxd 1.x: gives it the write path of 2.x, and can fail in every way that a network does."""

    def __init__(self, upstream_port: int) -> None:
        """Open the gate on a free port."""
        self.upstream_port = upstream_port
        self.requests: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.bodies: list[bytes] = []
        self.connections_opened = 0
        self._answer: tuple[int, bytes] | None = None
        self._poison: bytes | None = None
        self._lock = threading.Lock()
        self._connections: set[socket.socket] = set()
        self._server: ThreadingHTTPServer | None = None
        self.port = 0
        self.accept()

    def answer_with(self, status: int | None, body: bytes = b'{"error":"said by the test"}') -> None:
        """Answer every request with `status`, inviting another try at once; pass them on again where it is None."""
        self._answer = None if status is None else (status, body)

    def poison(self, word: bytes | None) -> None:
        """Answer 400 to every write that holds `word`, as InfluxDB does where one line cannot be taken."""
        self._poison = word

    def refuse(self) -> None:
        """Cut every connection and refuse new ones, until `accept`."""
        server, self._server = self._server, None
        if server is None:
            return
        server.shutdown()
        with self._lock:
            for connection in self._connections:
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:  # the other side has gone already
                    continue
        server.server_close()
        self._thread.join()

    def accept(self) -> None:
        """Take connections again, on the same port."""
        if self._server is None:
            self._server = _GateServer((HOST, self.port), self)
            self.port = self._server.server_address[1]
            self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
            self._thread.start()

    def note(self, method: str, target: str, headers: dict[str, str], body: bytes) -> tuple[int, bytes] | None:
        """Remember a request; return what to answer where it is not to be passed on."""
        with self._lock:
            self.requests.append(f"{method} {urlsplit(target).path}")
            self.headers.append(headers)
            self.bodies.append(body)
        if self._answer is None and self._poison is not None and self._poison in body:
            return 400, b'{"error":"a line that cannot be taken"}'
        return self._answer

    def opened(self, connection: socket.socket) -> None:
        """Remember a connection, so that `refuse` can cut it."""
        with self._lock:
            self._connections.add(connection)
            self.connections_opened += 1

    def closed(self, connection: socket.socket) -> None:
        """Forget a connection."""
        with self._lock:
            self._connections.discard(connection)


class _GateServer(ThreadingHTTPServer):
    daemon_threads = False  # so that server_close waits for them, and no socket outlives its test

    def __init__(self, address: tuple[str, int], gate: InfluxGate) -> None:
        self.gate = gate
        super().__init__(address, _GateHandler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing where a client has gone: that is what the gate is for."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class _GateHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _GateServer

    def setup(self) -> None:
        super().setup()
        self.server.gate.opened(self.connection)

    def finish(self) -> None:
        self.server.gate.closed(self.connection)
        super().finish()

    def do_GET(self) -> None:
        self._pass_on()

    def do_POST(self) -> None:
        self._pass_on()

    def _pass_on(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        answer = self.server.gate.note(self.command, self.path, dict(self.headers), body)
        if answer is not None:
            self._reply(*answer, "application/json", {"Retry-After": "0", "Location": self.path})
            return
        upstream = http.client.HTTPConnection(HOST, self.server.gate.upstream_port, timeout=60)
        try:
            headers = {name: value for name, value in self.headers.items() if name not in {"Authorization", "Host"}}
            upstream.request(self.command, _as_1x(self.path), body, headers)
            response = upstream.getresponse()
            self._reply(response.status, response.read(), response.headers.get("Content-Type", ""))
        except (OSError, http.client.HTTPException):  # the server behind is away: so is the gate
            self.close_connection = True
        finally:
            upstream.close()

    def _reply(self, status: int, body: bytes, content_type: str, more: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (more or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name that the base class gives it
        """Say nothing."""


def _as_1x(target: str) -> str:
    """Return the 1.x form of a 2.x write; everything else stays as it is."""
    parts = urlsplit(target)
    if parts.path != "/api/v2/write":
        return target
    given = parse_qs(parts.query)
    precision = {"ns": "n", "us": "u"}.get(given["precision"][0], given["precision"][0])
    return "/write?" + urlencode({"db": given["bucket"][0], "precision": precision})
