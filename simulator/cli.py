"""The command line: `python -m simulator`."""

import math
import os
import resource
import signal
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from types import FrameType
from typing import Annotated, NoReturn

import typer
from msgspec import Struct

from ingest.clock import Clock, SystemClock, from_ms, monotonic_s, to_ms
from ingest.wire import parse_broker_url
from simulator import resume
from simulator.fleet import LiftSpec, make_fleet
from simulator.history import HistoryFiles, Span
from simulator.life import Life
from simulator.living import life_of
from simulator.pace import Pace
from simulator.publisher import Publisher
from simulator.register import write_register
from simulator.report import report, sample, text_of
from simulator.resume import Progress, ResumeError
from simulator.run import Plan, Simulation
from simulator.scenarios import ScenarioError, lives_of, load_scenario
from simulator.traffic import DAY_MS
from simulator.transport import CLEAN, ROUGH, Roughness
from simulator.truth import Truth, TruthError

NOT_ACKNOWLEDGED = 1
NOT_REALISTIC = 1
MISUSE = 2
HISTORY_DAYS_MAX = 3660
SPEED_MAX = 10_000
FILES_BESIDES = 64
LIVE_TRUTH_DAYS = 366
# Fewer lifts trap so few people in two years that their shares say nothing.
REPORT_LIFTS_MIN = 5_000
REPORT_SINCE, REPORT_UNTIL = datetime(2024, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC)

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


Traffic = Annotated[
    float, typer.Option(min=0.001, max=10, help="Times the trips of a real lift of its kind; fewer are cheaper.")
]
Files = Annotated[
    Path | None,
    typer.Option(help="Write --history-days before --start (default: today, 0 h UTC) as history files here, and stop."),
]
TruthFolder = Annotated[
    Path | None, typer.Option(help="Write down what was really wrong, into this folder, which no service may read.")
]
ScenarioFile = Annotated[
    Path | None, typer.Option(help="Play a scenario (YAML): its fleet, its start, its scenes; as files, or live.")
]
ParentPid = Annotated[
    int | None,
    typer.Option(help="With --stop-with-parent: whose end to follow, also if it comes before we have begun."),
]
Rough = Annotated[
    bool, typer.Option("--rough", help="Live: duplicates, reordering, silences, wrong clocks, garbage, floods.")
]


@app.command()
def simulate(  # noqa: PLR0913 - one argument for each option of the command
    *,
    broker: Annotated[str, typer.Option(help="mqtt:// or mqtts://user:password@host:port")] = "mqtt://127.0.0.1:1883",
    lifts: Annotated[int, typer.Option(min=1, help="How many lifts.")] = 30,
    seed: Annotated[int, typer.Option(help="The same seed and number of lifts say the same.")] = 1,
    traffic: Traffic = 1.0,
    speed: Speed = 1.0,
    start: Start = None,
    history_days: HistoryDays = 0.0,
    resume_file: ResumeFile = None,
    until_s: Annotated[float | None, typer.Option(min=0, help="Stop after so many seconds.")] = None,
    once: Annotated[bool, typer.Option("--once", help="The history only; exit 1 if not all is acknowledged.")] = False,
    demo_script: Annotated[bool, typer.Option("--demo-script", help="An entrapment and more, soon after.")] = False,
    register_files: RegisterFiles = None,
    stop_with_parent: Annotated[bool, typer.Option("--stop-with-parent", help="Stop when the parent ends.")] = False,
    parent_pid: ParentPid = None,
    files: Files = None,
    zipped: Annotated[bool, typer.Option("--zipped", help="With --files: messages.ndjson.gz.")] = False,
    truth: TruthFolder = None,
    scenario: ScenarioFile = None,
    rough: Rough = False,
    realism: Annotated[
        bool, typer.Option("--report", help="Hold the fleet against published figures; exit 1.")
    ] = False,
) -> None:
    """Publish the messages of a fleet of simulated lifts over MQTT, as their controllers would."""
    clock = SystemClock()
    if realism:
        raise typer.Exit(0 if _report(seed, lifts) else NOT_REALISTIC)
    cast = _cast(scenario, seed, lifts, traffic)
    start_ms = cast.start_ms if start is None else _instant_ms(start)
    if register_files is not None:
        registered_at = clock.now() if start_ms is None else from_ms(start_ms)
        write_register(register_files, cast.fleet, registered_at, history_days)
        return
    if files is not None:
        _write_files(cast, files, truth, _span(cast, start_ms, history_days, clock), zipped=zipped)
        return
    if rough and resume_file is not None:
        _misuse("--rough", ValueError("what waits in a gateway is not remembered: not with --resume"))
    progress = None if resume_file is None else _progress(resume_file, seed, lifts)
    if start_ms is None and speed != 1 and progress is not None:
        start_ms = max(progress.until_ms.values())
    plan = Plan(
        history_ms=int(history_days * DAY_MS),
        once=once,
        script=demo_script,
        resume_file=resume_file,
        lives=cast.lives,
        rough=ROUGH if rough else cast.rough,
    )
    is_over = _stop_when(until_s, (parent_pid or os.getppid()) if stop_with_parent else None)
    publisher = _publisher(broker, [spec.lift_id for spec in cast.fleet])
    boot = f"{to_ms(clock.now()):x}"
    pace = Pace(clock, start_ms, speed)
    log = _live_truth(cast, truth, pace.now_ms(), plan.history_ms)
    complete = Simulation(cast.fleet, plan, pace, publisher, boot, _say, progress, log).run(is_over)
    if log is not None:
        log.close()
    if once and not complete:
        raise typer.Exit(NOT_ACKNOWLEDGED)


class Cast(Struct, frozen=True):
    """Who plays: a fleet with its own lives, or that of a scenario. `start_ms` None: now."""

    fleet: list[LiftSpec]
    lives: dict[str, Life]
    rough: Roughness = CLEAN
    start_ms: int | None = None
    until_ms: int | None = None


def main() -> None:
    """Run the command."""
    app()


def _cast(scenario: Path | None, seed: int, lifts: int, traffic: float) -> Cast:
    if scenario is None:
        try:
            return Cast(make_fleet(seed, lifts, traffic), {})
        except ValueError as error:
            _misuse("--lifts", error)
    try:
        played = load_scenario(scenario)
    except ScenarioError as error:
        _misuse("--scenario", error)
    return Cast(played.fleet(), lives_of(played), played.rough, played.start_ms, played.until_ms)


def _report(seed: int, lifts: int) -> bool:
    """Print the realism report; tell whether every figure is where it should be."""
    fleet = make_fleet(seed, max(lifts, REPORT_LIFTS_MIN))
    of = sample(fleet, to_ms(REPORT_SINCE), to_ms(REPORT_UNTIL))
    figures = report(of)
    typer.echo(text_of(figures, of))
    return all(figure.is_inside for figure in figures)


def _span(cast: Cast, start_ms: int | None, history_days: float, clock: Clock) -> Span:
    """Return the days to write: those before the start, or those of the scenario from its start on."""
    if cast.start_ms is not None and cast.until_ms is not None:
        return Span(cast.start_ms, cast.until_ms)
    end_ms = (to_ms(clock.now()) if start_ms is None else start_ms) // DAY_MS * DAY_MS
    days = math.ceil(history_days)
    if days == 0:
        _misuse("--files", ValueError("how many days: --history-days"))
    return Span(end_ms - days * DAY_MS, end_ms)


def _write_files(cast: Cast, folder: Path, truth: Path | None, span: Span, *, zipped: bool) -> None:
    try:
        written = None if truth is None else Truth(truth, folder)
    except TruthError as error:
        _misuse("--truth", error)
    HistoryFiles(folder, cast.fleet, span, cast.lives).write(written, zipped=zipped, say=_say)
    if written is not None:
        written.close()


def _live_truth(cast: Cast, folder: Path | None, now_ms: int, history_ms: int) -> Truth | None:
    """Return where the truth of a live run goes: what happens until a year from now is written at once."""
    if folder is None:
        return None
    truth = Truth(folder)
    until_ms = cast.until_ms or now_ms + LIVE_TRUTH_DAYS * DAY_MS
    lives = ((spec, cast.lives.get(spec.lift_id) or life_of(spec, until_ms)) for spec in cast.fleet)
    truth.write_lives(lives, now_ms - history_ms, until_ms)
    return truth


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


def _stop_when(until_s: float | None, parent_pid: int | None) -> Callable[[], bool]:
    """Return what tells whether it is time to stop: a signal came, the time is up, the parent (None: any) has gone."""
    signalled: list[int] = []

    def note(number: int, _frame: FrameType | None) -> None:
        signalled.append(number)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, note)
    deadline_s = None if until_s is None else monotonic_s() + until_s

    def is_over() -> bool:
        late = deadline_s is not None and monotonic_s() >= deadline_s
        return bool(signalled) or late or (parent_pid is not None and os.getppid() != parent_pid)

    return is_over
