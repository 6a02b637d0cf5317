"""How each failure of a plan is done to a stage, and how it is healed."""

import random
import time
from collections.abc import Callable
from functools import partial

from tests.chaos.plan import (
    ANSWERS,
    BROKER,
    DATABASE,
    DISK_FULL,
    FORGOTTEN,
    INGEST,
    KILL_TWICE,
    POISON,
    TELEMETRY,
    Fault,
)
from tests.chaos.stage import Stage, Supervised
from tests.servers import Influxd, Mosquitto, Postgresql
from tests.service import until

Heal = Callable[[], None]
# How long a process that comes back has to take in what waits, before it is killed again.
BACKLOG_S_MAX = 0.15
_NETWORK = ("cut", "half-open", "forgotten")


def begin(stage: Stage, fault: Fault, rng: random.Random) -> Heal:
    """Let a failure begin; return what ends it."""
    deed, _, part = fault.name.partition(" ")
    if fault.name == POISON:
        return lambda: None  # the gate refuses the line from the first moment on, and for good
    if fault.name == DISK_FULL:
        return _fill_disk(stage)
    if fault.name in ANSWERS:
        return _answer(stage, ANSWERS[fault.name])
    if part == INGEST or fault.name == KILL_TWICE:
        return _harm_ingest(stage, fault.name, rng)
    return _harm_network(stage, fault.name) if deed in _NETWORK else _harm_server(_server(stage, part), deed)


def _answer(stage: Stage, status: int) -> Heal:
    assert stage.gate is not None
    stage.gate.answer_with(status)
    return partial(stage.gate.answer_with, None)


def _harm_network(stage: Stage, name: str) -> Heal:
    """Cut connections, or let them fall silent; a forgotten one is never heard of again, only new ones work."""
    if name == FORGOTTEN:
        stage.proxies[BROKER].silence()
        return partial(stage.proxies[BROKER].heal, forget=True)
    deed, _, part = name.partition(" ")
    proxy = stage.proxies[part]
    (proxy.cut if deed == "cut" else proxy.silence)()
    return proxy.heal


def _harm_server(server: Mosquitto | Influxd | Postgresql, deed: str) -> Heal:
    if deed == "kill":
        server.kill()
        return server.start
    server.pause()
    return server.resume


def _server(stage: Stage, part: str) -> Mosquitto | Influxd | Postgresql:
    if part == BROKER:
        return stage.mosquitto
    if part == TELEMETRY:
        return stage.servers.influxd()
    assert part == DATABASE
    return stage.servers.postgresql()


def _harm_ingest(stage: Stage, name: str, rng: random.Random) -> Heal:
    victim = rng.choice(stage.supervised)
    if name == "stop ingest":
        victim.service.pause()
        return victim.service.resume
    victim.kill()
    return victim.start if name == "kill ingest" else partial(_kill_in_backlog, stage, victim, rng)


def _kill_in_backlog(stage: Stage, victim: Supervised, rng: random.Random) -> None:
    """Start a process, and kill it once more when the broker has begun to deliver what waits for it."""
    before = stage.tap.delivered
    victim.start()
    until(lambda: stage.tap.delivered > before, "the first messages after a start")
    time.sleep(rng.uniform(0.0, BACKLOG_S_MAX))
    victim.kill()
    victim.start()


def _fill_disk(stage: Stage) -> Heal:
    """Fill the disk of data folder and spool; where telemetry has a server of its own, that is away meanwhile."""
    disk, gate = stage.disk, stage.gate
    assert disk is not None
    if gate is not None:
        gate.answer_with(503)
    disk.fill()

    def heal() -> None:
        disk.clear()
        if gate is not None:
            gate.answer_with(None)

    return heal
