"""The one place where objects are made and handed to each other."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from msgspec import Struct
from sqlalchemy.engine import Engine

import alerts
import analytics
import ingest
from alerts.case_desk import CaseDesk
from alerts.channels import EMAIL, MQTT, WEBHOOK, Channel
from alerts.contract_entries import keep_contracts
from alerts.contracts import ContractClock, load_contracts
from alerts.desk import Desk
from alerts.dispatch import Dispatcher
from alerts.journal import Journal
from alerts.kpi_desk import KpiDesk
from alerts.mail_channel import MailChannel
from alerts.mqtt_channel import MqttChannel
from alerts.notifying import Notifying
from alerts.quiet_desk import QuietDesk
from alerts.rules import RuleBook
from alerts.shift_log import ShiftLog
from alerts.technician_register import TechnicianRegister
from alerts.webhook_channel import WebhookChannel
from analytics.anomaly import anomaly_judge
from analytics.assessment import Assessment, Reports, Sources
from analytics.daily import Daily, Judge
from analytics.drift_findings import drift_judge
from analytics.failure_reader import FailureReader
from analytics.feature_book import FeatureBook
from analytics.finding_history import FindingHistory, note_findings
from analytics.findings import FindingBook
from analytics.quality_reader import QualityReader
from analytics.regimes import Regime, load_regimes
from analytics.risk_book import RiskBook
from analytics.risk_store import RiskStore
from analytics.sign_reader import SignReader
from analytics.stale_days import StaleDays
from analytics.usage_reader import UsageReader
from analytics.wear_budgets import WearBudget, load_wear_budgets
from api.settings import Settings, SettingsError
from ingest.broker_publisher import Publisher
from ingest.clock import Clock, monotonic_s
from ingest.controller_clocks import ControllerClocks
from ingest.database import migrate, open_engine
from ingest.faults import ControllerProfile, load_profiles
from ingest.fleet_register import FleetRegister
from ingest.floods import Floods
from ingest.intake import Intake, IntakeLimits
from ingest.ledger import Ledger, LedgerBatch
from ingest.messages import Message
from ingest.quarantine import Quarantine
from ingest.replay import Replay
from ingest.telemetry_store import TelemetryStore
from ingest.telemetry_store_embedded import EmbeddedTelemetryStore
from ingest.telemetry_store_influx import InfluxTelemetryStore

MIGRATIONS = [Path(room.__path__[0]) / "migrations" / "versions" for room in (ingest, analytics, alerts)]
# What is asked of each block of lifts once a day.
DAILY_JUDGES: tuple[Judge, ...] = (drift_judge, anomaly_judge)
_SQLITE = "sqlite:///"
_T = TypeVar("_T")


class Parts(Struct, frozen=True, kw_only=True):
    """What the service is made of, whoever uses it: the running service, a command, a test."""

    settings: Settings
    clock: Clock
    engine: Engine
    store: TelemetryStore
    register: FleetRegister
    quarantine: Quarantine
    ledger: Ledger
    clocks: ControllerClocks
    findings: FindingBook
    features: FeatureBook
    stale_days: StaleDays
    daily: Daily
    assessment: Assessment
    failures: FailureReader
    risks: RiskBook
    quality: QualityReader
    regimes: Mapping[str, Regime]
    journal: Journal
    desk: Desk
    cases: CaseDesk
    kpis: KpiDesk
    technicians: TechnicianRegister
    rules: RuleBook
    notifying: Notifying
    shift: ShiftLog
    quiet_desk: QuietDesk
    profiles: dict[str, ControllerProfile]

    def close(self) -> None:
        """Let go of files and connections."""
        self.store.close()
        self.engine.dispose()


class Files(Struct, frozen=True, kw_only=True):
    """What an owner may write beside the settings: the shipped forms, where he does not."""

    profiles: dict[str, ControllerProfile]
    rules: RuleBook
    regimes: Mapping[str, Regime]
    budgets: Mapping[str, WearBudget]
    contracts: Sequence[ContractClock]


def load_files(settings: Settings) -> Files:
    """Read the files that the settings name.

    Raises:
        SettingsError: with every file that cannot be used.
    """
    faults: list[str] = []

    def loaded(load: Callable[[Path | None], _T], file: Path | None) -> _T | None:
        try:
            return load(file)
        except ValueError as error:
            faults.append(str(error))
            return None

    profiles = loaded(load_profiles, settings.profiles_dir)
    rules = loaded(RuleBook.load, settings.rules_file)
    regimes = loaded(load_regimes, settings.regimes_file)
    budgets = loaded(load_wear_budgets, settings.regimes_file)
    contracts = loaded(load_contracts, settings.contracts_file)
    if profiles is None or rules is None or regimes is None or budgets is None or contracts is None:
        raise SettingsError(list(dict.fromkeys(faults)))
    return Files(profiles=profiles, rules=rules, regimes=regimes, budgets=budgets, contracts=contracts)


def followed_regimes(settings: Settings) -> set[str]:
    """Return the regimes that registered lifts follow; none where there is no register yet.

    Raises:
        sqlalchemy.exc.DBAPIError: the database does not answer, or holds no register.
    """
    url = settings.register_url
    if url.startswith(_SQLITE) and not Path(url.removeprefix(_SQLITE)).exists():
        return set()
    engine = open_engine(url)
    try:
        return FleetRegister(engine).regimes()
    finally:
        engine.dispose()


def open_parts(settings: Settings, clock: Clock) -> Parts:
    """Open the stores (bringing the database to the newest schema) and make everything that stands on them.

    Raises:
        SettingsError: a profile, the rules, the regimes, the contracts or a store's URL cannot be used.
    """
    files = load_files(settings)
    profiles, rules, regimes = files.profiles, files.rules, files.regimes
    try:
        store = open_store(settings)
    except ValueError as error:
        raise SettingsError([str(error)]) from error
    engine = open_engine(settings.register_url)
    migrate(engine, MIGRATIONS)
    keep_contracts(engine, files.contracts)
    register = FleetRegister(engine)
    journal = Journal(engine)
    ledger = Ledger(engine)
    clocks = ControllerClocks(engine)
    failures = FailureReader(register, store)
    told = FindingHistory(engine)
    quality = QualityReader(told, register, failures, settings.quality)
    usage = UsageReader(store, files.budgets)
    reports = Reports(gaps=ledger, floods=Floods(engine), clocks=clocks)
    features = FeatureBook(engine)
    features.renew()
    daily = Daily(features, store, register, DAILY_JUDGES)
    risks = RiskBook(register, failures, RiskStore(settings.data_dir / "models"), SignReader(daily, features, register))
    sources = Sources(
        risks=risks, failures=failures, usage=usage, daily=daily, quality=quality, told=told, regimes=regimes
    )
    return Parts(
        settings=settings,
        clock=clock,
        engine=engine,
        store=store,
        register=register,
        quarantine=Quarantine(engine, settings.quarantine_rows_max),
        ledger=ledger,
        clocks=clocks,
        findings=FindingBook(engine, note_findings),
        features=features,
        stale_days=StaleDays(features, clock),
        daily=daily,
        assessment=Assessment(register, store, settings.assessment, reports, sources),
        failures=failures,
        risks=risks,
        quality=quality,
        regimes=regimes,
        journal=journal,
        desk=Desk(journal, register, rules, settings.desk),
        cases=CaseDesk(journal, rules),
        kpis=KpiDesk(journal, settings.shift_plan),
        technicians=TechnicianRegister(journal),
        rules=rules,
        shift=ShiftLog(journal, rules),
        notifying=Notifying(engine, channels_of(settings), allows_private=settings.webhook_private),
        quiet_desk=QuietDesk(journal, rules),
        profiles=profiles,
    )


def channels_of(settings: Settings) -> frozenset[str]:
    """Return the channels that a service with these settings has."""
    return frozenset({WEBHOOK, MQTT} | ({EMAIL} if settings.mail_server else set()))


def make_dispatcher(parts: Parts, publisher: Publisher) -> Dispatcher:
    """Return what sends notifications: by webhook, by `publisher`, and by e-mail where there is a mail server."""
    settings = parts.settings
    channels: dict[str, Channel] = {
        WEBHOOK: WebhookChannel(allows_private=settings.webhook_private),
        MQTT: MqttChannel(publisher),
    }
    if settings.mail_server is not None:
        channels[EMAIL] = MailChannel(settings.mail_server, settings.mail_from)
    return Dispatcher(parts.engine, parts.rules, channels, parts.clock)


def open_store(settings: Settings) -> TelemetryStore:
    """Return the telemetry store that the settings name.

    Raises:
        ValueError: the URL names none.
    """
    url = settings.telemetry_url
    if url.startswith(_SQLITE):
        return EmbeddedTelemetryStore(Path(url.removeprefix(_SQLITE)))
    return InfluxTelemetryStore(url, settings.store_token)


def make_replay(parts: Parts) -> Replay:
    """Return what brings quarantined messages to the store: past the desk, because they are old news."""
    clocks = ControllerClocks(parts.engine)  # of its own: they answer on one thread

    def offset_of(lift_id: str, boot: str | None) -> int | None:
        clocks.tick(monotonic_s())
        return clocks.offset_ms(lift_id, boot)

    def keep(messages: Sequence[Message]) -> None:
        parts.store.write(messages)
        parts.stale_days.note(messages)

    intake = Intake(parts.profiles, parts.settings.intake_limits, offset_of)
    return Replay(
        parts.quarantine,
        intake,
        parts.register,
        parts.clock,
        keep=keep,
        note=lambda kept, refused: parts.ledger.note(LedgerBatch.of(kept, refused)),
    )


def history_intake(parts: Parts) -> Intake:
    """Return an intake for a history, in which a message may be of any age."""
    limits = parts.settings.intake_limits
    return Intake(parts.profiles, IntakeLimits(future_max_ms=limits.future_max_ms, late_after_ms=0, age_max_ms=None))
