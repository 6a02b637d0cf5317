"""Who drains a queue: Liftwatch, mosquitto_sub (which keeps nothing) and Node-RED (which stores the same points)."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Protocol

from benchmarks.parts.mqtt import TOPIC_FILTER
from benchmarks.parts.programs import Program, find, free_port
from benchmarks.parts.servers import Mosquitto, Sink
from benchmarks.parts.service import CLIENT_ID, Service

NODE_RED_BATCH = 5_000
_FLOWS = Path(__file__).parent.parent / "nodered"
_NODE_RED_PACKAGES = ("node-red@4", "node-red-contrib-influxdb@0.7")


class Contestant(Protocol):
    """Somebody whose session holds a queue. `stores`: what it takes ends in the sink."""

    name: str
    client_id: str
    stores: bool

    def start(self) -> Program:
        """Begin to drain."""
        ...


class Liftwatch:
    """The real service."""

    name = "Liftwatch"
    client_id = CLIENT_ID

    def __init__(self, service: Service, *, stores: bool = True) -> None:
        """Drain with `service`; not `stores`: it has an embedded store, which is no sink of ours."""
        self._service = service
        self.stores = stores

    def start(self) -> Program:
        """See `Contestant.start`."""
        return self._service.start()


class MosquittoSub:
    """The fastest reader there is: a client in C that throws everything away."""

    name = "mosquitto_sub"
    client_id = "bench-mosquitto-sub"
    stores = False

    def __init__(self, folder: Path, broker: Mosquitto) -> None:
        """Drain `broker`."""
        self._log = folder / "mosquitto_sub.log"
        session = ["-i", self.client_id, "-c", "-q", "1", "-V", "mqttv311"]
        self._command = [find("mosquitto_sub", "mosquitto-clients"), "-p", str(broker.port), *session]

    def start(self) -> Program:
        """See `Contestant.start`. Its output goes nowhere: a log on disk would be its slowest part."""
        return Program([*self._command, "-t", TOPIC_FILTER], self._log, silent=True)


class NodeRed:
    """A flow without code but for one function: MQTT in, JSON to point, join, InfluxDB out.

    It acknowledges when it has read, not when it has stored: what is in it when it ends is lost.
    """

    stores = True

    def __init__(self, folder: Path, installed: Path, broker: Mosquitto, sink: Sink, *, batched: bool = True) -> None:
        """Drain `broker` into `sink` with the Node-RED in `installed`."""
        self.name = "Node-RED" if batched else "Node-RED, unbatched"
        self.client_id = f"bench-{'batched' if batched else 'single'}"
        self._log = folder / f"{self.client_id}.log"
        flow = _FLOWS / f"flow-{'batched' if batched else 'single'}.json"
        # It writes beside its flow; the repository's stays as it is.
        self._flow = folder / flow.name
        self._flow.write_bytes(flow.read_bytes())
        self._command = [find("node", "nodejs"), str(installed / "node_modules" / "node-red" / "red.js")]
        self._command += ["--userDir", str(installed), "--settings", str(_FLOWS / "settings.js")]
        self._environment = {
            **os.environ,
            "NODE_RED_PORT": str(free_port()),
            "MQTT_PORT": str(broker.port),
            "MQTT_CLIENT_ID": self.client_id,
            "SINK_URL": f"http://127.0.0.1:{sink.port}",
            "BATCH": str(NODE_RED_BATCH),
        }

    def start(self) -> Program:
        """See `Contestant.start`."""
        return Program([*self._command, str(self._flow)], self._log, self._environment)


def install_node_red(folder: Path) -> None:
    """Have Node-RED and its InfluxDB nodes in `folder`, from npm's registry where they are not there yet."""
    if (folder / "node_modules" / "node-red-contrib-influxdb").is_dir():
        return
    npm = find("npm", "npm")
    folder.mkdir(parents=True, exist_ok=True)
    sys.stderr.write(f"installing Node-RED into {folder}\n")
    # No scripts: nothing is compiled or fetched besides the packages themselves.
    command = [npm, "install", "--prefix", str(folder), "--no-audit", "--no-fund", "--ignore-scripts"]
    done = subprocess.run([*command, *_NODE_RED_PACKAGES], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"npm could not install Node-RED (--without node-red leaves it out): {done.stderr[-1_000:]}")
