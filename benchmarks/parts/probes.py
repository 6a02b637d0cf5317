"""How long it takes from a lift that says that somebody is trapped to the alert that an operator can see."""

import http.client
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from random import Random

from benchmarks.parts.mqtt import HOST, MqttClient
from benchmarks.parts.traffic import Traffic

ASK_EVERY_S = 0.02
SEEN_S_MAX = 60.0
_TOGETHER_MAX = 64


class Probes:
    """Raises entrapments in lifts that have none yet, and asks the API for each until it is there."""

    def __init__(self, broker_port: int, api_port: int, lifts: int, seed: int = 2) -> None:
        """Speak to the broker for lifts of the same fleet, whose controllers have just restarted."""
        self._client = MqttClient(broker_port, "bench-probes")
        self._api_port = api_port
        self._traffic = Traffic(lifts, seed)
        self._lifts = Random(seed).sample(range(lifts), lifts)
        self._random = Random(seed)
        self._sending = threading.Lock()

    def run(self, seconds: float, per_s: float) -> list[float | None]:
        """Probe for a time at random moments; return the seconds that each took, None where no alert was seen."""
        count = int(seconds * per_s)
        begun_s = time.monotonic()
        moments = sorted(self._random.uniform(0, seconds) for _ in range(count))
        with ThreadPoolExecutor(_TOGETHER_MAX) as pool:
            asked = []
            for moment_s in moments:
                time.sleep(max(0.0, begun_s + moment_s - time.monotonic()))
                asked.append(pool.submit(self._probe, self._lifts.pop()))
            return [each.result() for each in asked]

    def close(self) -> None:
        """Let go of the connection."""
        self._client.close()

    def _probe(self, lift: int) -> float | None:
        connection = http.client.HTTPConnection(HOST, self._api_port, timeout=SEEN_S_MAX)
        connection.connect()
        publication = self._traffic.entrapment(lift, time.time_ns() // 1_000_000)
        begun_s = time.monotonic()
        with self._sending:
            self._client.send([publication])
            self._client.poll()
        try:
            while time.monotonic() - begun_s < SEEN_S_MAX:
                if self._is_seen(connection, self._traffic.lift_ids[lift]):
                    return time.monotonic() - begun_s
                time.sleep(ASK_EVERY_S)
            return None
        finally:
            connection.close()

    def _is_seen(self, connection: http.client.HTTPConnection, lift_id: str) -> bool:
        connection.request("GET", f"/api/v1/alerts?lift_id={lift_id}&kind=entrapment")
        response = connection.getresponse()
        content = response.read()
        return response.status == http.HTTPStatus.OK and bool(json.loads(content)["items"])
