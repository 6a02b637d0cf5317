"""What the routes stand on: made once by the composition, handed to the app, replaced as a whole in a test."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from alerts.case_desk import CaseDesk
from alerts.desk import Desk
from alerts.journal import Journal
from alerts.kpi_desk import KpiDesk
from alerts.notifying import Notifying
from alerts.quiet_desk import QuietDesk
from alerts.shift_log import ShiftLog
from alerts.technician_register import TechnicianRegister
from analytics.assessment import Assessment
from analytics.failure_reader import FailureReader
from analytics.feature_book import FeatureBook
from analytics.findings import FindingBook
from analytics.quality_reader import QualityReader
from analytics.regimes import Regime
from analytics.risk_book import RiskBook
from ingest.clock import Clock
from ingest.faults import ControllerProfile
from ingest.fleet_register import FleetRegister
from ingest.ledger import Ledger
from ingest.quarantine import Quarantine
from ingest.replay import Replay
from ingest.telemetry_store import TelemetryStore

# A part's name, and True where it works; otherwise why not, in words that may be shown to anybody.
Readiness = Callable[[], Mapping[str, str | bool]]
# A counter's name, and what it has counted since the process began; a gauge's name, and where it stands now.
Metrics = Callable[[], Mapping[str, float]]


@dataclass(frozen=True, kw_only=True)
class Service:
    """The parts of the running service that HTTP shows to people and programs."""

    register: FleetRegister
    store: TelemetryStore
    quarantine: Quarantine
    replay: Replay
    ledger: Ledger
    journal: Journal
    desk: Desk
    cases: CaseDesk
    kpis: KpiDesk
    technicians: TechnicianRegister
    notifying: Notifying
    shift: ShiftLog
    quiet_desk: QuietDesk
    findings: FindingBook
    features: FeatureBook
    assessment: Assessment
    failures: FailureReader
    risks: RiskBook
    quality: QualityReader
    regimes: Mapping[str, Regime]
    profiles: Mapping[str, ControllerProfile]
    clock: Clock
    readiness: Readiness
    counters: Metrics
    gauges: Metrics
