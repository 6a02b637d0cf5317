"""Programs as children of a benchmark: found, started, measured from outside, and ended whatever happens."""

import atexit
import http.client
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from benchmarks.parts.mqtt import HOST

ROOT = Path(__file__).parent.parent.parent
START_S_MAX = 60.0
STOP_S_MAX = 30.0
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
# Fields of /proc/<pid>/stat (proc(5)), counted after the name of the program, which may hold anything.
_UTIME, _STIME = 11, 12

_running: set[subprocess.Popen[bytes]] = set()


def find(program: str, package: str) -> str:
    """Return where a program is, or end with the words that say how to get it."""
    found = shutil.which(program) or shutil.which(program, path="/usr/sbin:/usr/local/sbin:/usr/local/bin")
    if found is None:
        sys.exit(f"{program} is missing: apt install {package}")
    return found


def free_port() -> int:
    """Return a port that is free, and stays so while its program is stopped: none that connections are made from.

    Raises:
        RuntimeError: there is none.
    """
    ephemeral = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    ports = range(min(10_000, ephemeral - 1), ephemeral)
    for port in random.SystemRandom().sample(ports, min(len(ports), 100)):
        with socket.socket() as probe, suppress(OSError):
            probe.bind((HOST, port))
            return port
    message = f"no free port from {ports[0]} to {ports[-1]}"
    raise RuntimeError(message)


@contextmanager
def workspace() -> Iterator[Path]:
    """Give a folder that is removed afterwards; it stays, and is named, where something went wrong."""
    folder = Path(tempfile.mkdtemp(prefix="liftwatch-bench-"))
    # Ended from outside, it ends its children too.
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))
    try:
        yield folder
    except BaseException:
        end_all()
        sys.stderr.write(f"what the programs logged is in {folder}\n")
        raise
    end_all()
    shutil.rmtree(folder)


class Program:
    """One child process and the file that it logs to."""

    def __init__(
        self, command: Sequence[str], log: Path, environment: Mapping[str, str] | None = None, *, silent: bool = False
    ) -> None:
        """Start it; `silent`: what it prints on stdout is thrown away."""
        self.log = log
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL if silent else output,
                stderr=output,
                cwd=ROOT,
                env=environment,
            )
        _running.add(self._process)

    @property
    def pid(self) -> int:
        """Its process number."""
        return self._process.pid

    def cpu_s(self) -> float:
        """Return the processor time that it has used, in itself and in the kernel, without its children."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[_UTIME]) + int(fields[_STIME])) / _TICKS_PER_S

    def resident_kib(self) -> int:
        """Return how much memory it holds (VmRSS)."""
        return self._status_kib("VmRSS")

    def resident_kib_max(self) -> int:
        """Return how much memory it has held at most since it began (VmHWM)."""
        return self._status_kib("VmHWM")

    def until(self, is_ready: Callable[[], bool], what: str, within_s: float = START_S_MAX) -> None:
        """Wait for something that it does.

        Raises:
            RuntimeError: it ended instead, or took too long.
        """
        deadline_s = time.monotonic() + within_s
        while not is_ready():
            if self._process.poll() is not None or time.monotonic() > deadline_s:
                message = f"waited in vain for {what}; the log ends: {self.said()}"
                raise RuntimeError(message)
            time.sleep(0.005)

    def said(self) -> str:
        """Return the end of its log."""
        return self.log.read_text(errors="replace")[-2_000:]

    def stop(self) -> None:
        """Ask it to end, as Ctrl-C does, and wait until it has."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
            try:
                self._process.wait(STOP_S_MAX)
            except subprocess.TimeoutExpired:
                self._process.kill()
        self._reap()

    def kill(self) -> None:
        """End it as a power cut would."""
        self._process.kill()
        self._reap()

    def _reap(self) -> None:
        self._process.wait()
        _running.discard(self._process)

    def _status_kib(self, name: str) -> int:
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1])
        message = f"/proc/{self.pid}/status has no {name}"
        raise RuntimeError(message)


@atexit.register
def end_all() -> None:
    """End whatever still runs."""
    for process in list(_running):
        process.kill()
        process.wait()
        _running.discard(process)


def answers(port: int) -> bool:
    """Tell whether someone accepts connections at `port`."""
    try:
        socket.create_connection((HOST, port), timeout=1).close()
    except OSError:
        return False
    return True


def get(port: int, path: str, timeout_s: float = 30.0) -> tuple[int, bytes]:
    """Ask a server on this machine; return status and body. Status 0: nobody is there."""
    connection = http.client.HTTPConnection(HOST, port, timeout=timeout_s)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read()
    except OSError:
        return 0, b""
    finally:
        connection.close()
