"""Real servers as child processes on free ports: mosquitto, influxd, PostgreSQL.

A server that is not installed skips the test that wants it; with LIFTWATCH_REQUIRE_REAL=1 it fails it.
"""

import atexit
import http.client
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import NoReturn
from urllib.parse import urlencode

import psycopg
import pytest

from benchmarks.parts.programs import free_port

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

    def pause(self) -> None:
        """Stop it and its children as SIGSTOP does: alive, holding its connections, and doing nothing."""
        _signal_all(self._process.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on after `pause`."""
        _signal_all(self._process.pid, signal.SIGCONT)

    def _reap(self) -> None:
        self._process.wait()
        _running.discard(self._process)


def family_of(pid: int) -> list[int]:
    """Return a process and all that descend from it, parents first."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            after_name = entry.read_text(errors="replace").rpartition(")")[2].split()
        except OSError:  # it has ended meanwhile
            continue
        children.setdefault(int(after_name[1]), []).append(int(entry.parent.name))
    family = [pid]
    for member in family:
        family += children.get(member, [])
    return family


def _signal_all(pid: int, number: signal.Signals) -> None:
    for member in family_of(pid):
        with suppress(ProcessLookupError):
            os.kill(member, number)


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

    def __init__(self, folder: Path, settings: Sequence[str] = ()) -> None:
        """Start a broker that keeps everything in `folder`; `settings` are further lines of its configuration."""
        self.host = HOST
        self._settings = settings
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

    def pause(self) -> None:
        """Stop it as SIGSTOP does."""
        if self._program is not None:
            self._program.pause()

    def resume(self) -> None:
        """Let it go on after `pause`."""
        if self._program is not None:
            self._program.resume()

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
            *self._settings,
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
        # Its files are copied: a third of the time that it takes to write them through the log.
        self._execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY FILE_COPY')
        try:
            yield name
        finally:
            self._execute(f'DROP DATABASE "{name}" WITH (FORCE)')

    def close(self) -> None:
        """Stop the server and remove its folder."""
        self._program.stop()
        shutil.rmtree(self._folder)

    def kill(self) -> None:
        """End it as `kill -9` does."""
        self._program.kill()

    def start(self) -> None:
        """Start it again on the same port: it refuses for as long as a child of the killed one still lives."""
        for _ in range(START_TRIES * 10):
            self._program = self._launch(self.port)
            if self._program.ready(lambda: self._is_ready(self.port)):
                return
            self._program.stop()
            time.sleep(0.2)
        message = f"PostgreSQL does not start again: {self._program.log.read_text(errors='replace')[-2000:]}"
        raise RuntimeError(message)

    def pause(self) -> None:
        """Stop it and every process that serves a connection, as SIGSTOP does."""
        self._program.pause()

    def resume(self) -> None:
        """Let it go on after `pause`."""
        self._program.resume()

    def _launch(self, port: int) -> Program:
        settings = {
            "listen_addresses": HOST,
            "unix_socket_directories": "",
            "fsync": "off",
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

    def kill(self) -> None:
        """End it as `kill -9` does."""
        self._program.kill()

    def start(self) -> None:
        """Start it again on the same port after `kill`."""
        self._program = self._launch(self.port)
        if not self._program.ready(lambda: self._is_ready(self.port)):
            message = f"influxd does not start again: {self._program.log.read_text(errors='replace')[-2000:]}"
            raise RuntimeError(message)

    def pause(self) -> None:
        """Stop it as SIGSTOP does."""
        self._program.pause()

    def resume(self) -> None:
        """Let it go on after `pause`."""
        self._program.resume()

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
