"""A broker of our own for the demonstration: mosquitto where it is installed, else amqtt, as a child process.

Not for service: no passwords, loopback only. amqtt speaks MQTT 3.1.1 only and forgets sessions when it ends.
"""

import asyncio
import contextlib
import ctypes
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

READY_S_MAX = 20.0
STOP_S_MAX = 5.0
_PR_SET_PDEATHSIG = 1

# max_queued_messages 0: beyond mosquitto's default of 1,000 it drops messages that it has acknowledged, silently.
_MOSQUITTO = """\
listener {port} 127.0.0.1
allow_anonymous true
persistence true
persistence_location {folder}/
autosave_interval 1000
autosave_on_changes true
max_queued_messages 0
max_inflight_messages 0
max_packet_size 1048576
log_type error
log_type warning
"""


class EmbeddedBrokerError(Exception):
    """The broker did not start; the text says why."""


class EmbeddedBroker:
    """A broker on a loopback port, with its sessions kept in `folder` where the broker can."""

    def __init__(self, port: int, folder: Path) -> None:
        """Prepare; nothing runs before `start`."""
        self._port = port
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self.name = "mosquitto" if _mosquitto() else "amqtt"

    def start(self) -> None:
        """Start the broker and wait until it answers.

        Raises:
            EmbeddedBrokerError: it ended, or does not answer.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        # A session of its own: Ctrl-C reaches us first, so that lifts and service can say goodbye to a living broker.
        self._process = subprocess.Popen(  # noqa: S603 - our own command
            self._command(),
            start_new_session=True,
            stdin=subprocess.DEVNULL,
            preexec_fn=_end_with_parent,  # noqa: PLW1509 - started before any thread of ours
        )
        deadline = time.monotonic() + READY_S_MAX
        while not _answers(self._port):
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                message = f"{self.name} did not start on 127.0.0.1:{self._port}"
                raise EmbeddedBrokerError(message)
            time.sleep(0.05)

    def stop(self) -> None:
        """End the broker."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(STOP_S_MAX)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def is_alive(self) -> bool:
        """Tell whether the broker runs."""
        return self._process is not None and self._process.poll() is None

    def _command(self) -> list[str]:
        mosquitto = _mosquitto()
        if mosquitto is None:
            return [sys.executable, "-m", "ingest.broker_embedded", str(self._port)]
        config = self._folder / "mosquitto.conf"
        # As root mosquitto would become another user, who may not write here; `user root` keeps it as it was started.
        config.write_text("user root\n" + _MOSQUITTO.format(port=self._port, folder=self._folder.resolve()))
        return [mosquitto, "-c", str(config)]


def _end_with_parent() -> None:
    """On Linux, let the broker end when we are killed: an orphan would keep the port and the sessions."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _mosquitto() -> str | None:
    found = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")
    return found or None


def _answers(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


async def _serve_amqtt(port: int) -> None:
    from amqtt.broker import Broker  # noqa: PLC0415 - only where the demo extra is installed

    plugins = {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}}
    listener = {"type": "tcp", "bind": f"127.0.0.1:{port}", "max_connections": 2_000}
    broker = Broker({"listeners": {"default": listener}, "plugins": plugins})
    await broker.start()
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    await stopped.wait()
    await broker.shutdown()


if __name__ == "__main__":
    asyncio.run(_serve_amqtt(int(sys.argv[1])))
