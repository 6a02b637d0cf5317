"""Real servers as child processes on free ports: mosquitto, influxd, PostgreSQL; and a gate before influxd.

A server that is not installed skips the test that wants it; with LIFTWATCH_REQUIRE_REAL=1 it fails it.
"""

import atexit
import http.client
import os
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from typing import NoReturn
from urllib.parse import parse_qs, urlencode, urlsplit

import psycopg
import pytest

HOST = "127.0.0.1"
START_S_MAX = 60.0
STOP_S_MAX = 20.0
START_TRIES = 5

_running: set[subprocess.Popen[bytes]] = set()
_numbers = count(1)


def missing(program: str) -> NoReturn:
    """Skip the test that needs `program`, or fail it where every real server is required."""
    if os.environ.get("LIFTWATCH_REQUIRE_REAL") == "1":
        pytest.fail(f"{program} is not installed, and LIFTWATCH_REQUIRE_REAL=1", pytrace=False)
    pytest.skip(f"{program} is not installed")


def find_program(name: str) -> Path:
    """Return where a server's program is; Debian keeps some of them off the PATH of a normal user."""
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin:/usr/local/bin")
    if found is not None:
        return Path(found)
    versions = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: int(path.parts[-3]))
    return versions[-1] if versions else missing(name)


def free_port() -> int:
    """Return a port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
    return port


def answers(port: int) -> bool:
    """Tell whether someone accepts connections at `port`."""
    try:
        socket.create_connection((HOST, port), timeout=1).close()
    except OSError:
        return False
    return True


def new_name(prefix: str) -> str:
    """Return a name that no other test of this run has."""
    return f"{prefix}_{os.getpid()}_{next(_numbers)}"


class Program:
    """One child process and the file that it logs to."""

    def __init__(self, command: list[str], log: Path, user: str | None = None) -> None:
        """Start `command`, as another user where one is named."""
        self.log = log
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=log.parent,
                user=user,
                group=user,
                extra_groups=None if user is None else [],
            )
        _running.add(self._process)

    def ready(self, is_ready: Callable[[], bool]) -> bool:
        """Wait until `is_ready`; False where the program ended instead.

        Raises:
            TimeoutError: neither came to pass in time.
        """
        deadline = time.monotonic() + START_S_MAX
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                return False
            if is_ready():
                return True
            time.sleep(0.02)
        self.kill()
        message = f"{self._process.args!r} did not answer; it said: {self.log.read_text(errors='replace')[-2000:]}"
        raise TimeoutError(message)

    def stop(self) -> None:
        """End it as an operator would, and wait until it has ended."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(STOP_S_MAX)
            except subprocess.TimeoutExpired:
                self._process.kill()
        self._reap()

    def kill(self) -> None:
        """End it as a power cut would."""
        if self._process.poll() is None:
            self._process.kill()
        self._reap()

    def _reap(self) -> None:
        self._process.wait()
        _running.discard(self._process)


@atexit.register
def _end_all() -> None:
    for process in list(_running):
        process.kill()
        process.wait()


def _start(start: Callable[[int], Program], is_ready: Callable[[int], bool]) -> tuple[Program, int]:
    """Start a program on a free port; on another one where somebody else was quicker."""
    program = None
    for _ in range(START_TRIES):
        port = free_port()
        program = start(port)
        if program.ready(lambda port=port: is_ready(port)):  # type: ignore[misc]
            return program, port
        program.stop()
    said = "" if program is None else program.log.read_text(errors="replace")[-2000:]
    message = f"no start in {START_TRIES} tries; the log ends: {said}"
    raise RuntimeError(message)


class Mosquitto:
    """An MQTT broker. `stop` and `start` keep its port, its sessions and what is queued in them.

    It saves once a second and when it is stopped: `kill` loses what it was told in its last second.
    """

    def __init__(self, folder: Path) -> None:
        """Start a broker that keeps everything in `folder`."""
        self.host = HOST
        self._executable = find_program("mosquitto")
        self._folder = folder
        program, self.port = _start(self._launch, answers)
        self._program: Program | None = program

    @property
    def url(self) -> str:
        """Where it listens, as `mqtt://host:port`."""
        return f"mqtt://{self.host}:{self.port}"

    def start(self) -> None:
        """Start it again after `stop` or `kill`."""
        if self._program is None:
            self._program = self._launch(self.port)
            if not self._program.ready(lambda: answers(self.port)):
                message = f"mosquitto did not start again: {self._program.log.read_text(errors='replace')[-2000:]}"
                raise RuntimeError(message)

    def stop(self) -> None:
        """Stop it; it saves its sessions first."""
        if self._program is not None:
            self._program.stop()
            self._program = None

    def kill(self) -> None:
        """End it without any warning."""
        if self._program is not None:
            self._program.kill()
            self._program = None

    def _launch(self, port: int) -> Program:
        configuration = self._folder / "mosquitto.conf"
        settings = [
            f"listener {port} {HOST}",
            "allow_anonymous true",
            "user root",  # else it gives up root and cannot write to the folder; ignored where we are not root
            "persistence true",
            f"persistence_location {self._folder}/",
            "autosave_interval 1",
            "max_queued_messages 0",
            "max_inflight_messages 0",
            "log_dest stdout",
        ]
        configuration.write_text("\n".join(settings) + "\n")
        return Program([str(self._executable), "-c", str(configuration)], self._folder / "mosquitto.log")


class Postgresql:
    """A PostgreSQL server with one database for each that asks; nothing in it survives a power cut."""

    def __init__(self) -> None:
        """Make a cluster in a folder of its own and start it."""
        initdb, self._postgres = find_program("initdb"), find_program("postgres")
        # initdb and postgres refuse to run as root.
        self._user = "postgres" if os.geteuid() == 0 else None
        self._folder = Path(tempfile.mkdtemp(prefix="liftwatch-postgresql-", dir="/tmp"))
        if self._user is not None:
            shutil.chown(self._folder, self._user, self._user)
        cluster = [str(initdb), "-D", str(self._cluster), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync"]
        log = self._folder / "initdb.log"
        initialising = Program([*cluster, "--locale=C"], log, self._user)
        initialising.ready(lambda: False)
        initialising.stop()
        self._program, self.port = _start(self._launch, self._is_ready)

    @property
    def _cluster(self) -> Path:
        return self._folder / "cluster"

    def url(self, database: str) -> str:
        """Return the SQLAlchemy URL of a database."""
        return f"postgresql+psycopg://postgres@{HOST}:{self.port}/{database}"

    @contextmanager
    def database(self, template: str = "template1") -> Iterator[str]:
        """Give the name of a new database, a copy of `template`, and drop it afterwards."""
        name = new_name("liftwatch")
        self._execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        try:
            yield name
        finally:
            self._execute(f'DROP DATABASE "{name}" WITH (FORCE)')

    def close(self) -> None:
        """Stop the server and remove its folder."""
        self._program.stop()
        shutil.rmtree(self._folder)

    def _launch(self, port: int) -> Program:
        settings = {
            "listen_addresses": HOST,
            "unix_socket_directories": "",
            "fsync": "off",
            "synchronous_commit": "off",
            "full_page_writes": "off",
            "max_connections": "50",
        }
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        command = [str(self._postgres), "-D", str(self._cluster), "-p", str(port), *options]
        return Program(command, self._folder / "postgresql.log", self._user)

    def _is_ready(self, port: int) -> bool:
        try:
            psycopg.connect(host=HOST, port=port, user="postgres", dbname="postgres", connect_timeout=5).close()
        except psycopg.OperationalError:
            return False
        return True

    def _execute(self, statement: str) -> None:
        target = f"host={HOST} port={self.port} user=postgres dbname=postgres"
        with psycopg.connect(target, autocommit=True) as connection:
            connection.execute(statement.encode())


class Influxd:
    """An InfluxDB 1.x server. A plain answer of it is cut after `ROW_LIMIT` rows, as an operator may have set it."""

    ROW_LIMIT = 50

    def __init__(self, folder: Path) -> None:
        """Start a server that keeps everything in `folder`."""
        self._executable = find_program("influxd")
        self._folder = folder
        self._program, self.port = _start(self._launch, self._is_ready)

    def query(self, statement: str) -> None:
        """Run one InfluxQL statement of which nobody wants the answer, such as CREATE DATABASE."""
        status, body = self.request("POST", "/query?" + urlencode({"q": statement}))
        if status != http.HTTPStatus.OK or b'"error"' in body:
            message = f"{statement}: {status} {body!r}"
            raise RuntimeError(message)

    def write(self, database: str, lines: bytes) -> None:
        """Write line protocol, past the gate."""
        status, body = self.request("POST", "/write?" + urlencode({"db": database}), lines)
        if status != http.HTTPStatus.NO_CONTENT:
            message = f"{status} {body!r}"
            raise RuntimeError(message)

    def request(self, method: str, target: str, body: bytes = b"") -> tuple[int, bytes]:
        """Send one request; return status and body."""
        connection = http.client.HTTPConnection(HOST, self.port, timeout=30)
        try:
            connection.request(method, target, body)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def close(self) -> None:
        """Stop the server."""
        self._program.stop()

    def _launch(self, port: int) -> Program:
        configuration = self._folder / "influxd.conf"
        configuration.write_text(f"""
reporting-disabled = true
bind-address = "{HOST}:{free_port()}"
[meta]
dir = "{self._folder}/meta"
[data]
dir = "{self._folder}/data"
wal-dir = "{self._folder}/wal"
query-log-enabled = false
[monitor]
store-enabled = false
[http]
bind-address = "{HOST}:{port}"
log-enabled = false
max-row-limit = {self.ROW_LIMIT}
""")
        return Program([str(self._executable), "-config", str(configuration)], self._folder / "influxd.log")

    def _is_ready(self, port: int) -> bool:
        self.port = port
        try:
            return self.request("GET", "/ping")[0] == http.HTTPStatus.NO_CONTENT
        except OSError:
            return False


class InfluxGate:
    """A gate before influxd 1.x: gives it the write path of 2.x, and can fail in every way that a network does."""

    def __init__(self, upstream_port: int) -> None:
        """Open the gate on a free port."""
        self.upstream_port = upstream_port
        self.requests: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.bodies: list[bytes] = []
        self._answer: tuple[int, bytes] | None = None
        self._lock = threading.Lock()
        self._connections: set[socket.socket] = set()
        self._server: ThreadingHTTPServer | None = None
        self.port = 0
        self.accept()

    def answer_with(self, status: int | None, body: bytes = b'{"error":"said by the test"}') -> None:
        """Answer every request with `status`; pass them on again where it is None."""
        self._answer = None if status is None else (status, body)

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
        return self._answer

    def opened(self, connection: socket.socket) -> None:
        """Remember a connection, so that `refuse` can cut it."""
        with self._lock:
            self._connections.add(connection)

    def closed(self, connection: socket.socket) -> None:
        """Forget a connection."""
        with self._lock:
            self._connections.discard(connection)


class _GateServer(ThreadingHTTPServer):
    daemon_threads = False  # so that server_close waits for them, and no socket outlives its test

    def __init__(self, address: tuple[str, int], gate: InfluxGate) -> None:
        self.gate = gate
        super().__init__(address, _GateHandler)


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
            self._reply(*answer, "application/json")
            return
        upstream = http.client.HTTPConnection(HOST, self.server.gate.upstream_port, timeout=60)
        try:
            headers = {name: value for name, value in self.headers.items() if name not in {"Authorization", "Host"}}
            upstream.request(self.command, _as_1x(self.path), body, headers)
            response = upstream.getresponse()
            self._reply(response.status, response.read(), response.headers.get("Content-Type", ""))
        finally:
            upstream.close()

    def _reply(self, status: int, body: bytes, content_type: str) -> None:
        self.send_response(status)
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
