"""Before anything is measured: the sink has met every series, since making them is its cost and comes once."""

import time

from benchmarks.parts.mqtt import MqttClient
from benchmarks.parts.servers import Mosquitto, Sink
from benchmarks.parts.traffic import Traffic

WITHIN_S = 300.0


def meet_every_series(traffic: Traffic, broker: Mosquitto, sink: Sink) -> None:
    """Send one message of each kind for each lift through the running service and wait until they are stored.

    Raises:
        TimeoutError: they were not.
    """
    publications = list(traffic.everything(time.time_ns() // 1_000_000))
    points = sink.points() + len(publications)
    client = MqttClient(broker.port, "bench-warm-up")
    client.send(publications)
    client.wait_acknowledged()
    client.close()
    deadline_s = time.monotonic() + WITHIN_S
    while sink.points() < points:
        if time.monotonic() > deadline_s:
            message = f"the sink has {sink.points()} of {points} points"
            raise TimeoutError(message)
        time.sleep(0.1)
