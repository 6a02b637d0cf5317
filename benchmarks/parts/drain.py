"""One drain of a queue, measured from outside: from the connection to the last acknowledgement and the last point."""

import time

from msgspec import Struct

from benchmarks.parts.contestants import Contestant
from benchmarks.parts.mqtt import left_in_session
from benchmarks.parts.programs import Program
from benchmarks.parts.servers import Mosquitto, Sink
from benchmarks.parts.sockets import bytes_read

PUBACK_BYTES = 4
STANDSTILL_S_MAX = 60.0
_ACK_POLL_S, _POINTS_POLL_S = 0.005, 0.05


class Drain(Struct, frozen=True):
    """How long it took, what it cost, and what was left undone."""

    seconds: float
    cpu_s: float
    stored: int
    left_in_queue: int


def drain(contestant: Contestant, messages: int, points: int, broker: Mosquitto, sink: Sink) -> Drain:
    """Let a contestant drain its queue of `messages`, which are `points` for the sink.

    The queue is empty when the broker has read the acknowledgements of all messages: each has four bytes, and the
    kernel counts the bytes. Some hundred bytes of other packets go unnoticed in that, the last few acknowledgements
    of a drain; whether all came is asked of the broker afterwards.
    """
    before = sink.points()
    program = contestant.start()
    program.until(lambda: bool(bytes_read(broker.port)), f"{contestant.name} to connect")
    begun_s, cpu_s = time.monotonic(), program.cpu_s()
    _wait_acknowledged(program, broker, messages)
    ended_s = time.monotonic()
    if contestant.stores:
        ended_s = _wait_stored(sink, before + points)
    seconds, cpu_s = ended_s - begun_s, program.cpu_s() - cpu_s
    stored = sink.points() - before
    program.stop()
    return Drain(seconds, cpu_s, stored, left_in_session(broker.port, contestant.client_id))


def _wait_acknowledged(program: Program, broker: Mosquitto, messages: int) -> None:
    def is_acknowledged() -> bool:
        time.sleep(_ACK_POLL_S)
        return max(bytes_read(broker.port).values(), default=0) >= PUBACK_BYTES * messages

    program.until(is_acknowledged, "the last acknowledgement", within_s=600)


def _wait_stored(sink: Sink, points: int) -> float:
    """Return when the last point came: all are there, or none has come for long and what is missing was lost."""
    known = sink.points()
    since_s = time.monotonic()
    while known < points and time.monotonic() - since_s < STANDSTILL_S_MAX:
        time.sleep(_POINTS_POLL_S)
        if (now := sink.points()) != known:
            known, since_s = now, time.monotonic()
    return since_s
