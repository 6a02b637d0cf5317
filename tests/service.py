"""A Liftwatch service as a child process, and a small client for its API."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self, TypeVar
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from benchmarks.parts.programs import free_port

PATIENCE_S = 60.0
ROOT = Path(__file__).parent.parent
SERVE = ("-m", "api.cli", "serve")
T = TypeVar("T")


def until(answer: Callable[[], T], what: str, patience_s: float = PATIENCE_S) -> T:
    """Return the first answer that is true, waiting for it."""
    deadline = time.monotonic() + patience_s
    while True:
        found = answer()
        if found:
            return found
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.05)


class Client:
    """The API of a service on this machine."""

    def __init__(self, port: int) -> None:
        """Ask the service on `port`."""
        self.port = port

    def get(self, path: str) -> Any:
        """Return the JSON at `path`."""
        return self._ask(Request(f"http://127.0.0.1:{self.port}{path}"))

    def items(self, path: str) -> list[dict[str, Any]]:
        """Return all entries of a list, over all its pages."""
        found: list[dict[str, Any]] = []
        cursor: str | None = ""
        while cursor is not None:
            separator = "&" if "?" in path else "?"
            page = self.get(path + (f"{separator}cursor={cursor}" if cursor else ""))
            found += page["items"]
            cursor = page["next"]
        return found

    def send(self, method: str, path: str, body: dict[str, Any]) -> Any:
        """Send JSON to `path`."""
        headers = {"Content-Type": "application/json"}
        content = json.dumps(body).encode()
        return self._ask(Request(f"http://127.0.0.1:{self.port}{path}", content, headers, method=method))

    def _ask(self, request: Request) -> Any:
        with urlopen(request, timeout=10) as response:
            return json.load(response)

    def answers(self) -> bool:
        """Tell whether the service is ready."""
        try:
            self.get("/readyz")
        except HTTPError as error:
            error.close()
            return False
        except (URLError, OSError):
            return False
        return True


class Service(Client):
    """`liftwatch serve` with its own data folder."""

    def __init__(self, folder: Path, mqtt_url: str, command: tuple[str, ...] = SERVE, **settings: str) -> None:
        """Prepare; `settings` are keys of the settings in lower case, `command` is what Python is given to run."""
        self._folder = folder
        self._command = command
        super().__init__(free_port())
        self._environment = {name: value for name, value in os.environ.items() if not name.startswith("LIFTWATCH_")}
        given = {
            "data_dir": str(folder / "data"),
            "mqtt_url": mqtt_url,
            "api_bind": f"127.0.0.1:{self.port}",
            "assess_every_s": "1",
            **settings,
        }
        self._environment |= {f"LIFTWATCH_{name.upper()}": value for name, value in given.items()}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it is ready."""
        self.launch()
        self.until_ready()

    def launch(self) -> None:
        """Start it and do not wait for it."""
        with (self._folder / "service.log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, *self._command],
                cwd=ROOT,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def until_ready(self) -> None:
        """Wait until it says that it is ready."""
        until(self._is_ready, "the service to be ready")

    def __enter__(self) -> Self:
        """Start it."""
        self.start()
        return self

    def __exit__(self, *_error: object) -> None:
        """Leave nothing running, whatever the test came to."""
        if self._process is not None:
            self.kill()

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run another `liftwatch` command on the same data."""
        command = [sys.executable, "-m", "api.cli", *arguments]
        return subprocess.run(
            command, cwd=ROOT, env=self._environment, capture_output=True, text=True, timeout=PATIENCE_S, check=True
        )

    def kill(self) -> None:
        """Kill it as `kill -9` does."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()
        self._process = None

    def pause(self) -> None:
        """Stop it as SIGSTOP does."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on after `pause`."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def has_ended(self) -> bool:
        """Tell whether it ended by itself."""
        return self._process is not None and self._process.poll() is not None

    def stop(self) -> int:
        """Ask it to end, as Ctrl-C does; return its exit code."""
        if self._process is None:
            return 0
        self._process.send_signal(signal.SIGINT)
        try:
            code = self._process.wait(20)
        except subprocess.TimeoutExpired:
            self.kill()
            raise
        self._process = None
        return code

    def log(self) -> str:
        """Return what it has written so far."""
        return (self._folder / "service.log").read_text()

    def _is_ready(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self.log()
        return self.answers()
