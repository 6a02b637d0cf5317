"""The `liftwatch` command."""

import logging
import os
import sys
from collections.abc import Iterable
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Annotated, NoReturn

import msgspec
import structlog
import typer
from sqlalchemy.exc import DBAPIError

from analytics.regimes import unknown_regimes
from api.backtesting import (
    PredictionsError,
    days_in,
    known_rule,
    past_intake,
    plan_of,
    read_past,
    run_backtest,
    run_rule,
)
from api.composition import MIGRATIONS, Parts, followed_regimes, history_intake, load_files, make_replay, open_parts
from api.demo import DemoOptions, run_demo
from api.ledger_view import ledger_lines, ledger_view
from api.serve import Role, Serving
from api.settings import Settings, SettingsError, given_settings, load_settings, unknown_variables
from ingest.broker_embedded import EmbeddedBrokerError
from ingest.clock import SystemClock
from ingest.database import DATABASE_AWAY, open_engine
from ingest.database import migrate as migrate_database
from ingest.fleet_register import UnknownLiftError
from ingest.history import HistoryError, import_history
from ingest.quarantine import QuarantinedMessage, Selection
from ingest.replay import ROWS_AT_A_TIME
from ingest.spool import SpoolUnavailableError
from ingest.telemetry_store import StoreUnavailableError
from ingest.wire import Reason

EXIT_USAGE = 2
QUARANTINE_SHOWN = 100

app = typer.Typer(
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help="Lift monitoring, open."
)
quarantine_app = typer.Typer(no_args_is_help=True, help="What was not accepted, and why.")
app.add_typer(quarantine_app, name="quarantine")

Config = Annotated[Path | None, typer.Option(help="Settings file (TOML); LIFTWATCH_* variables win over it.")]


def main() -> None:
    """Run the command line."""
    app()


def _settings(config: Path | None) -> Settings:
    _warn(f"{name} is no setting of Liftwatch" for name in unknown_variables())
    try:
        settings = load_settings(config)
    except SettingsError as error:
        _refuse(error)
    _log_as(settings.log_format)
    return settings


def _parts(settings: Settings) -> Parts:
    try:
        return open_parts(settings, SystemClock())
    except SettingsError as error:
        _refuse(error)
    except (StoreUnavailableError, *DATABASE_AWAY) as error:
        _give_up(error)


def _give_up(error: Exception) -> NoReturn:
    """Say in one line what does not answer; the driver's further lines help nobody who runs a service."""
    _tell(f"cannot start: {str(error).splitlines()[0]}")
    raise typer.Exit(1) from error


def _refuse(error: SettingsError) -> NoReturn:
    for fault in error.faults:
        _tell(f"settings: {fault}")
    raise typer.Exit(EXIT_USAGE) from error


def _tell(line: str) -> None:
    sys.stderr.write(line + "\n")


def _warn(lines: Iterable[str]) -> None:
    for line in lines:
        _tell(f"warning: {line}")


def _log_as(form: str) -> None:
    renderer: structlog.typing.Processor = structlog.processors.JSONRenderer()
    if form == "text":
        renderer = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        # Looked up at each line: whoever redirects stderr later gets what is said later.
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
    )


@app.command()
def demo(
    config: Config = None,
    lifts: Annotated[int, typer.Option(min=1, max=1_000, help="How many lifts to simulate.")] = 30,
    history_days: Annotated[int, typer.Option(min=0, max=90, help="Days of history at the first start.")] = 21,
) -> None:
    """Everything embedded, with simulated lifts."""
    settings = _settings(config)
    try:
        code = run_demo(
            settings, DemoOptions(lifts=lifts, history_days=history_days), SystemClock(), given=given_settings()
        )
    except SettingsError as error:
        _refuse(error)
    except (EmbeddedBrokerError, SpoolUnavailableError, StoreUnavailableError, *DATABASE_AWAY) as error:
        _give_up(error)
    raise typer.Exit(code)


@app.command()
def serve(
    config: Config = None,
    role: Annotated[Role, typer.Option(help="all; or ingest (several share the lifts), or web (API, assessment).")] = (
        Role.ALL
    ),
) -> None:
    """The service: ingest, assessment, alerts, API; or one role of it."""
    parts = _parts(_settings(config))
    _warn(unknown_regimes(parts.register.regimes(), parts.regimes))
    host, port = parts.settings.bind
    try:
        serving = Serving(parts, role)
    except SpoolUnavailableError as error:
        parts.close()
        _give_up(error)
    try:
        code = serving.run(on_ready=lambda: _tell(f"Liftwatch serves http://{host}:{port}/"))
    finally:
        parts.close()
    raise typer.Exit(code)


@app.command(
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []},
    add_help_option=False,
)
def simulate(context: typer.Context) -> None:
    """A fleet of simulated lifts over MQTT (`liftwatch simulate --help`)."""
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-m", "simulator", *context.args])  # noqa: S606 - our own program


@app.command("import")
def import_(
    folder: Annotated[Path, typer.Argument(help="A folder with lifts.csv and what else there is of the history.")],
    config: Config = None,
) -> None:
    """Take in a history: lifts, faults, visits, messages."""
    parts = _parts(_settings(config))
    try:
        report = import_history(
            folder,
            parts.register,
            parts.store,
            history_intake(parts),
            parts.quarantine,
            parts.clock.now(),
            parts.ledger,
            parts.stale_days.note,
        )
    except (HistoryError, StoreUnavailableError) as error:
        _tell(str(error))
        raise typer.Exit(1) from error
    finally:
        parts.close()
    for problem in report.problems:
        _tell(f"{problem.file}:{problem.line}: {problem.reason}")
    sys.stdout.write(report.summary() + "\n")
    _warn(unknown_regimes(report.regimes, parts.regimes))


@app.command()
def assess(
    config: Config = None,
    as_of: Annotated[str | None, typer.Option(help="RFC 3339 instant; now, where it is left out.")] = None,
    lift: Annotated[list[str] | None, typer.Option(help="Only these lifts.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print a JSON array of findings.")] = False,  # noqa: FBT002
) -> None:
    """What is found of lifts, as of any instant; daily values and models that are missing are made first."""
    parts = _parts(_settings(config))
    try:
        instant = _instant(as_of) if as_of else parts.clock.now()
        try:
            parts.daily.catch_up(instant)
        except ExceptionGroup as wrong:  # the rest of the fleet is assessed all the same, as by the service
            _tell(f"warning: {wrong}: {'; '.join(f'{each!r} ({each.__notes__[0]})' for each in wrong.exceptions)}")
        parts.risks.catch_up(instant)
        findings = parts.assessment.assess(instant, lift or None)
    except (StoreUnavailableError, UnknownLiftError) as error:
        _tell(str(error))
        raise typer.Exit(1) from error
    finally:
        parts.close()
    if json:
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(findings), indent=1).decode() + "\n")
        return
    for finding in findings:
        sys.stdout.write(f"{finding.lift_id}  {finding.kind.value}  {finding.reason}\n")
    _tell(f"{len(findings)} findings")


@app.command("backtest")
def backtest_(
    folder: Annotated[Path, typer.Argument(metavar="HISTORY", help="A folder with lifts.csv, faults.csv, ...")],
    config: Config = None,
    horizon: Annotated[list[int] | None, typer.Option(min=1, max=365, help="Days ahead; 7 and 30.")] = None,
    since: Annotated[
        str | None, typer.Option("--from", help="The first origin; 90 days after the first record.")
    ] = None,
    until: Annotated[str | None, typer.Option("--to", help="The last origin at most; the end of the history.")] = None,
    every: Annotated[
        str | None, typer.Option(help="The step from origin to origin, in days; 7d, with --rule 1d.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Where to write the predictions (CSV).")] = None,
    rule: Annotated[
        str | None, typer.Option(help="repeated-fault, repeat-repair, repeat-breakdowns: what it would have raised.")
    ] = None,
) -> None:
    """Predictions as of past days from what was known then, scored; or the alerts that a rule would have raised."""
    settings = _settings(config)
    days = horizon or [7, 30]
    try:
        kind = None if rule is None else known_rule(rule)
        step = days_in(every or ("7d" if kind is None else "1d"))
        past = read_past(folder, past_intake(settings), SystemClock().now(), _tell)
        plan = plan_of(past, _origin(since, "--from"), _origin(until, "--to"), step, [float(one) for one in days])
        if kind is None:
            run_backtest(past, plan, out, _say)
        else:
            run_rule(past, kind, plan, settings.assessment, _say)
    except (HistoryError, PredictionsError) as error:
        _tell(str(error))
        raise typer.Exit(1) from error
    except ValueError as error:
        _tell(str(error))
        raise typer.Exit(EXIT_USAGE) from error
    if kind is not None and out is not None:
        _tell(f"--out {out}: not written; a rule makes no predictions")


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")


def _origin(text: str | None, option: str) -> datetime | None:
    if text is None:
        return None
    try:
        return datetime.combine(date.fromisoformat(text), time(), UTC)
    except ValueError:
        return _instant(text, option)


def _instant(text: str, option: str = "--as-of") -> datetime:
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        instant = None
    if instant is None or instant.tzinfo is None:
        _tell(f"{option} {text}: expected an RFC 3339 instant with offset, such as 2026-06-30T00:00:00Z")
        raise typer.Exit(EXIT_USAGE)
    return instant.astimezone(UTC)


OnlyReason = Annotated[Reason | None, typer.Option(help="Only this reason.")]
OnlyLift = Annotated[str | None, typer.Option(help="Only this lift.")]
Since = Annotated[str | None, typer.Option(help="Only what came at or after this RFC 3339 instant.")]
Until = Annotated[str | None, typer.Option(help="Only what came before this RFC 3339 instant.")]


def _selection(reason: Reason | None, lift: str | None, since: str | None, until: str | None) -> Selection:
    return Selection(
        reason=reason,
        lift_id=lift,
        since=_instant(since, "--since") if since else None,
        until=_instant(until, "--until") if until else None,
    )


@app.command()
def ledger(
    lift_id: Annotated[str, typer.Argument(metavar="LIFT", help="The lift's id.")],
    config: Config = None,
    json: Annotated[bool, typer.Option("--json", help="Print the ledger as the API tells it.")] = False,  # noqa: FBT002
) -> None:
    """Which of a lift's messages are here: stored n of n, and the gaps."""
    parts = _parts(_settings(config))
    try:
        is_known = parts.register.find(lift_id) is not None
        found = parts.ledger.of(lift_id)
    finally:
        parts.close()
    if not is_known:
        _tell(f"not registered: {lift_id}")
        raise typer.Exit(1)
    if json:
        sys.stdout.write(ledger_view(found).model_dump_json(indent=1) + "\n")
        return
    for line in ledger_lines(found):
        sys.stdout.write(line + "\n")


@quarantine_app.command("list")
def quarantine_list(
    config: Config = None,
    reason: OnlyReason = None,
    lift: OnlyLift = None,
    since: Since = None,
    until: Until = None,
    replayed: Annotated[
        bool | None, typer.Option("--replayed/--waiting", help="Only what was replayed, or what was not.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000)] = QUARANTINE_SHOWN,
) -> None:
    """What was not accepted, newest first."""
    which = msgspec.structs.replace(_selection(reason, lift, since, until), replayed=replayed)
    parts = _parts(_settings(config))
    try:
        before_id = None
        while rows := parts.quarantine.list(which, limit=min(limit, ROWS_AT_A_TIME), before_id=before_id):
            for row in rows:
                sys.stdout.write(_quarantined_line(row) + "\n")
            before_id, limit = rows[-1].id, limit - len(rows)
            if not limit:
                break
    finally:
        parts.close()


def _quarantined_line(row: QuarantinedMessage) -> str:
    content = "-" if row.is_summary else repr(row.payload[:60].decode(errors="backslashreplace"))
    when = row.received_at.isoformat(timespec="seconds")
    done = "" if row.replayed_at is None else f"  replayed {row.replayed_at.isoformat(timespec='seconds')}"
    return f"{row.id}  {when}  x{row.times}  {row.reason}  {row.topic}  {row.detail}  {content}{done}"


@quarantine_app.command("replay")
def quarantine_replay(
    config: Config = None,
    reason: OnlyReason = None,
    lift: OnlyLift = None,
    since: Since = None,
    until: Until = None,
    limit: Annotated[int | None, typer.Option(min=1, help="How many rows at most; all, where it is left out.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would become of them.")] = False,  # noqa: FBT002
) -> None:
    """Put what waits through intake again, against today's register and profiles; it rings nobody."""
    which = _selection(reason, lift, since, until)
    parts = _parts(_settings(config))
    try:
        report = make_replay(parts).run(which, limit=sys.maxsize if limit is None else limit, dry_run=dry_run)
    except (StoreUnavailableError, *DATABASE_AWAY) as error:
        _tell(f"{str(error).splitlines()[0]}; what was replayed so far stays so, the rest waits")
        raise typer.Exit(1) from error
    finally:
        parts.close()
    sys.stdout.write(report.summary(dry_run=dry_run) + "\n")


@app.command()
def migrate(config: Config = None) -> None:
    """Bring the database to the newest schema (`serve` does it too)."""
    settings = _settings(config)
    engine = open_engine(settings.register_url)
    try:
        migrate_database(engine, MIGRATIONS)
    except DATABASE_AWAY as error:
        _give_up(error)
    finally:
        engine.dispose()


@app.command("check-settings")
def check_settings(config: Config = None) -> None:
    """Say whether the settings and the files that they name can be used; every fault is named, exit code 2."""
    settings = _settings(config)
    try:
        files = load_files(settings)
    except SettingsError as error:
        _refuse(error)
    try:
        _warn(unknown_regimes(followed_regimes(settings), files.regimes))
    except DBAPIError as error:  # whether there is a register, and how old it is, is not what was asked
        _warn([f"the regimes of registered lifts were not looked at: {str(error).splitlines()[0]}"])
    sys.stdout.write(f"{settings!r}\n")


if __name__ == "__main__":
    main()
