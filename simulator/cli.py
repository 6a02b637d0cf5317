"""The command line: `python -m simulator`."""

import os
import resource
import signal
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from random import Random
from types import FrameType
from typing import Annotated, NoReturn

import typer

from ingest.clock import SystemClock, from_ms, monotonic_s, to_ms
from ingest.wire import parse_broker_url
from simulator import resume
from simulator.fleet import LiftSpec, make_fleet
from simulator.pace import Pace
from simulator.publisher import Publisher
from simulator.register import write_register
from simulator.resume import Progress, ResumeError
from simulator.run import Plan, Simulation
from simulator.traffic import DAY_MS

NOT_ACKNOWLEDGED = 1
MISUSE = 2
HISTORY_DAYS_MAX = 3660
SPEED_MAX = 10_000
FILES_BESIDES = 64

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


Speed = Annotated[
    float,
    typer.Option(
        min=0.01,
        max=SPEED_MAX,
        help="Virtual seconds in a second; 60: an hour a minute. Faster than the clock means messages from the future, "
        "which the service puts into quarantine: begin in the past, with --start.",
    ),
]
Start = Annotated[str | None, typer.Option(help="When virtual time begins (RFC 3339 with offset). Default: now.")]
HistoryDays = Annotated[
    float, typer.Option(min=0, max=HISTORY_DAYS_MAX, help="Publish these days first, at full speed, then live.")
]
ResumeFile = Annotated[
    Path | None,
    typer.Option(
        "--resume",
        help="Remember here how far everything was published; what was missed since then (at most --history-days) "
        "comes first at the next start.",
    ),
]
RegisterFiles = Annotated[
    Path | None, typer.Option(help="Write lifts.csv and visits.csv for `liftwatch import` into this folder, and stop.")
]


@app.command()
def simulate(  # noqa: PLR0913 - one argument for each option of the command
    *,
    broker: Annotated[str, typer.Option(help="mqtt:// or mqtts://user:password@host:port")] = "mqtt://127.0.0.1:1883",
    lifts: Annotated[int, typer.Option(min=1, help="How many lifts.")] = 30,
    seed: Annotated[int, typer.Option(help="The same seed and number of lifts say the same.")] = 1,
    speed: Speed = 1.0,
    start: Start = None,
    history_days: HistoryDays = 0.0,
    resume_file: ResumeFile = None,
    until_s: Annotated[float | None, typer.Option(min=0, help="Stop after so many seconds.")] = None,
    once: Annotated[bool, typer.Option("--once", help="The history only; exit 1 if not all is acknowledged.")] = False,
    demo_script: Annotated[bool, typer.Option("--demo-script", help="An entrapment and more, soon after.")] = False,
    register_files: RegisterFiles = None,
    stop_with_parent: Annotated[bool, typer.Option("--stop-with-parent", help="Stop when the parent ends.")] = False,
) -> None:
    """Publish the messages of a fleet of simulated lifts over MQTT, as their controllers would."""
    clock = SystemClock()
    fleet = _fleet(seed, lifts)
    start_ms = None if start is None else _instant_ms(start)
    if register_files is not None:
        write_register(register_files, fleet, clock.now() if start_ms is None else from_ms(start_ms))
        return
    progress = None if resume_file is None else _progress(resume_file, seed, lifts)
    if start_ms is None and speed != 1 and progress is not None:
        start_ms = max(progress.until_ms.values())
    plan = Plan(history_ms=int(history_days * DAY_MS), once=once, script=demo_script, resume_file=resume_file)
    is_over = _stop_when(until_s, with_parent=stop_with_parent)
    publisher = _publisher(broker, [spec.lift_id for spec in fleet])
    boot = f"{to_ms(clock.now()):x}"
    complete = Simulation(fleet, plan, Pace(clock, start_ms, speed), publisher, boot, _say, progress).run(is_over)
    if once and not complete:
        raise typer.Exit(NOT_ACKNOWLEDGED)


def main() -> None:
    """Run the command."""
    app()


def _fleet(seed: int, lifts: int) -> list[LiftSpec]:
    try:
        return make_fleet(seed, lifts)
    except ValueError as error:
        _misuse("--lifts", error)


def _instant_ms(text: str) -> int:
    try:
        return to_ms(datetime.fromisoformat(text))
    except ValueError as error:
        _misuse("--start", error)


def _progress(path: Path, seed: int, lifts: int) -> Progress | None:
    try:
        return resume.load(path, seed, lifts)
    except ResumeError as error:
        _misuse("--resume", error)


def _publisher(broker: str, lift_ids: list[str]) -> Publisher:
    try:
        address = parse_broker_url(broker)
    except ValueError as error:
        _misuse("--broker", error)
    try:
        _allow_files(len(lift_ids))
    except ValueError as error:
        _misuse("--lifts", error)
    return Publisher(address, lift_ids, _say, Random())  # noqa: S311 - jitter, not a secret


def _misuse(option: str, error: Exception) -> NoReturn:
    _say(f"{option}: {error}")
    raise typer.Exit(MISUSE) from error


def _allow_files(count: int) -> None:
    """Let this process hold as many sockets as there are lifts; the usual limit is 1,024.

    Raises:
        ValueError: the system does not allow it.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = count + FILES_BESIDES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _say(text: str) -> None:
    typer.echo(f"simulator: {text}", err=True)


def _stop_when(until_s: float | None, *, with_parent: bool) -> Callable[[], bool]:
    """Return what tells whether it is time to stop: a signal came, the time is up, the parent has gone."""
    signalled: list[int] = []

    def note(number: int, _frame: FrameType | None) -> None:
        signalled.append(number)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, note)
    deadline_s = None if until_s is None else monotonic_s() + until_s
    parent = os.getppid()

    def is_over() -> bool:
        late = deadline_s is not None and monotonic_s() >= deadline_s
        return bool(signalled) or late or (with_parent and os.getppid() != parent)

    return is_over
