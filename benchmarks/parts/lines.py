"""The line protocol that Liftwatch writes for given messages, caught on its way: for posting it without Liftwatch."""

import http.client
import threading
import time
from collections.abc import Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from benchmarks.parts.mqtt import HOST
from benchmarks.parts.servers import BUCKET, ORG, Sink
from benchmarks.parts.traffic import Publication
from ingest.intake import Intake, IntakeLimits
from ingest.messages import Message
from ingest.telemetry_store_influx import InfluxTelemetryStore

LINES_PER_BODY = 5_000


def judged(publications: Iterable[Publication], received_ms: int) -> list[Message]:
    """Return what intake accepts of the publications.

    Raises:
        ValueError: it refuses something, which no benchmark means to send.
    """
    intake = Intake({}, IntakeLimits())
    messages: list[Message] = []
    for topic, payload in publications:
        taken = intake.take(topic, payload, received_ms, lambda _lift_id: None)
        if taken.quarantined:
            message = f"intake refuses {taken.quarantined[0]}"
            raise ValueError(message)
        messages += taken.accepted
    return messages


def bodies_of(messages: list[Message]) -> list[bytes]:
    """Return the bodies that the service's own store posts for the messages, `LINES_PER_BODY` lines each."""
    catcher = _Catcher((HOST, 0), _Handler)
    thread = threading.Thread(target=catcher.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    store = InfluxTelemetryStore(f"influxdb+http://{HOST}:{catcher.server_address[1]}/{BUCKET}?org={ORG}")
    for start in range(0, len(messages), LINES_PER_BODY):
        store.write(messages[start : start + LINES_PER_BODY])
    store.close()
    catcher.shutdown()
    catcher.server_close()
    return catcher.bodies


def post(bodies: list[bytes], sink: Sink) -> float:
    """Post the bodies one after the other on one connection; return how many seconds it took.

    Raises:
        RuntimeError: the sink refuses one.
    """
    connection = http.client.HTTPConnection(HOST, sink.port, timeout=60)
    connection.connect()
    begun_s = time.monotonic()
    for body in bodies:
        connection.request("POST", sink.write_path, body, {"Content-Type": "text/plain; charset=utf-8"})
        response = connection.getresponse()
        said = response.read()
        if response.status != http.HTTPStatus.NO_CONTENT:
            message = f"the sink answers {response.status} {said!r}"
            raise RuntimeError(message)
    seconds = time.monotonic() - begun_s
    connection.close()
    return seconds


class _Catcher(ThreadingHTTPServer):
    """A store that keeps what it is sent and says that all is well."""

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        self.bodies: list[bytes] = []
        super().__init__(address, handler)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Catcher

    def do_POST(self) -> None:
        self.server.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(http.HTTPStatus.NO_CONTENT)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name that the base class gives it
        """Say nothing."""
