"""The demonstration: a broker, a service and simulated lifts in one command, all on this machine."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import msgspec

from api.composition import Parts, history_intake, open_parts
from api.serve import Serving
from api.settings import Settings
from ingest.broker_embedded import EmbeddedBroker
from ingest.clock import Clock
from ingest.history import import_history

ASSESS_EVERY_S = 10.0
STOP_S_MAX = 15.0
# A third of what real lifts do, so that weeks of history are published in seconds.
TRAFFIC = 0.3


class DemoOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What a demonstration simulates."""

    lifts: int = 30
    seed: int = 1
    history_days: int = 21


def run_demo(settings: Settings, options: DemoOptions, clock: Clock, *, given: frozenset[str]) -> int:
    """Run until Ctrl-C and return the exit code; `given` names the settings that the user set himself."""
    settings = _with_free_ports(settings, given)
    address = settings.broker
    broker = None
    if not _is_taken(address.host, address.port):
        broker = EmbeddedBroker(address.port, settings.data_dir / "broker")
        broker.start()
    parts = open_parts(settings, clock)
    lifts = None
    try:
        if not parts.register.lifts(limit=1):
            _register_fleet(parts, options)
        lifts = _start_lifts(settings, options)
        return Serving(parts).run(on_ready=lambda: _announce(settings, broker, options))
    finally:
        _end(lifts)
        parts.close()
        if broker is not None:
            broker.stop()


def _with_free_ports(settings: Settings, given: frozenset[str]) -> Settings:
    """Move away from a default port that is taken; one that the user chose is never changed."""
    changes: dict[str, object] = {}
    if "assess_every_s" not in given:
        changes["assess_every_s"] = ASSESS_EVERY_S
    host, port = settings.bind
    if "api_bind" not in given and _is_taken(host, port):
        changes["api_bind"] = f"{host}:{_free_port()}"
    if "mqtt_url" not in given and _is_taken(settings.broker.host, settings.broker.port):
        changes["mqtt_url"] = f"mqtt://127.0.0.1:{_free_port()}"
    return msgspec.structs.replace(settings, **changes)


def _is_taken(host: str, port: int) -> bool:
    try:
        with socket.create_connection((host, port), timeout=1):
            return True
    except OSError:
        return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _simulator(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "simulator", *arguments]


def _register_fleet(parts: Parts, options: DemoOptions) -> None:
    """Register the simulated fleet the way an owner would: from history files."""
    with tempfile.TemporaryDirectory() as folder:
        fleet = ("--lifts", str(options.lifts), "--seed", str(options.seed), "--traffic", str(TRAFFIC))
        history = ("--history-days", str(options.history_days))
        subprocess.run(_simulator(*fleet, *history, "--register-files", folder), check=True)  # noqa: S603 - our own program
        import_history(
            Path(folder),
            parts.register,
            parts.store,
            history_intake(parts),
            parts.quarantine,
            parts.clock.now(),
            parts.ledger,
            parts.stale_days.note,
        )


def _start_lifts(settings: Settings, options: DemoOptions) -> subprocess.Popen[bytes]:
    command = _simulator(
        *("--broker", settings.mqtt_url),
        *("--lifts", str(options.lifts)),
        *("--seed", str(options.seed)),
        *("--traffic", str(TRAFFIC)),
        *("--history-days", str(options.history_days)),
        *("--resume", str(settings.data_dir / "simulator.json")),
        "--demo-script",
        "--stop-with-parent",
        *("--parent-pid", str(os.getpid())),
    )
    # A session of its own: Ctrl-C reaches us, and we end the lifts in order.
    return subprocess.Popen(command, start_new_session=True, stdin=subprocess.DEVNULL)  # noqa: S603 - our own program


def _end(lifts: subprocess.Popen[bytes] | None) -> None:
    if lifts is None:
        return
    lifts.send_signal(signal.SIGTERM)
    try:
        lifts.wait(STOP_S_MAX)
    except subprocess.TimeoutExpired:
        lifts.kill()
        lifts.wait()


def _announce(settings: Settings, broker: EmbeddedBroker | None, options: DemoOptions) -> None:
    host, port = settings.bind
    mqtt = settings.broker
    entrapment = '{"at": \'$(date +%s000)\', "code": "entrapment", "phase": "raised", "passengers": true}'
    publish = f"mosquitto_pub -h {mqtt.host} -p {mqtt.port} -q 1 -t lifts/v1/L0003/fault -m '{entrapment}'"
    lines = (
        "",
        f"  Liftwatch:  http://{host}:{port}/      API: http://{host}:{port}/docs",
        f"  Broker:     mqtt://{mqtt.host}:{mqtt.port} ({broker.name if broker else 'running already'})",
        f"  Data:       {settings.data_dir.resolve()}",
        f"  {options.lifts} simulated lifts report; the first start publishes {options.history_days} days of history.",
        "  Within two minutes people are trapped, a lift stops, and a building is without power. What wears, what",
        "  keeps failing and what is due is found from the history, a minute or two after it has come: see Findings.",
        "  Trap somebody:",
        f"    {publish}",
        "  Ctrl-C stops everything; the next start goes on from here.",
        "",
    )
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()
