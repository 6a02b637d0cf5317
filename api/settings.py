"""Settings: a TOML file and `LIFTWATCH_*` variables, which win. The only place that reads the environment.

Every fault in them is reported at once. A secret may come from a file: `LIFTWATCH_API_TOKEN_FILE=/run/secrets/token`.
"""

import ipaddress
import os
import tomllib
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from msgspec import Struct, field

from alerts.cases import CaseSettings
from alerts.desk import DeskSettings
from alerts.kpis import Shift, parse_shifts
from alerts.mail_channel import MailServer, parse_smtp_url
from analytics.assessment import AssessmentSettings
from analytics.quality import QualitySettings
from api.setting_values import parse_bind, parsed
from ingest.flow import BACKLOG_BURST, BURST, PER_S, Quota
from ingest.intake import AGE_MAX, FUTURE_MAX, LATE_AFTER, IntakeLimits
from ingest.quarantine_room import ROWS_MAX
from ingest.wire import BrokerAddress, parse_broker_url

PREFIX = "LIFTWATCH_"
SECRETS = ("mqtt_url", "store_token", "database_url", "api_token", "smtp_url")
# Read by the test suite and by the command line, not by the service.
NOT_SETTINGS = ("LIFTWATCH_REQUIRE_REAL", "LIFTWATCH_CONFIG")
_MS = timedelta(milliseconds=1)


class SettingsError(ValueError):
    """The settings cannot be used; `faults` holds every fault, one a line."""

    def __init__(self, faults: list[str]) -> None:
        """Keep every fault."""
        super().__init__("; ".join(faults))
        self.faults = faults


class Settings(Struct, frozen=True, kw_only=True):
    """Everything that a running service has to be told."""

    data_dir: Path = Path("data")
    mqtt_url: str = field(default="mqtt://127.0.0.1:1883")
    mqtt_client_id: str = "liftwatch-ingest"
    mqtt_share: str = ""
    store_url: str = ""
    store_token: str | None = None
    database_url: str = ""
    api_bind: str = "127.0.0.1:8000"
    api_token: str | None = None
    auto_register: bool = False
    profiles_dir: Path | None = None
    rules_file: Path | None = None
    regimes_file: Path | None = None
    contracts_file: Path | None = None
    log_format: str = "text"
    future_s_max: float = FUTURE_MAX.total_seconds()
    late_after_s: float = LATE_AFTER.total_seconds()
    age_days_max: float = AGE_MAX / timedelta(days=1)
    assess_every_s: float = 60.0
    spool_mb_max: int = 4_096
    lift_quota_per_s: float = PER_S
    lift_quota_burst: int = BURST
    lift_backlog_burst: int = BACKLOG_BURST
    silence_s_max: float = 6 * 3600.0
    disconnect_grace_s: float = 60.0
    answer_s_max: float = 300.0
    shifts: str = "night 0, early 8, late 16"
    operators_per_shift: int = 1
    repeated_fault_count_min: int = 3
    repeated_fault_days: int = 7
    repeat_repair_days: int = 30
    quarantine_rows_max: int = ROWS_MAX
    gap_open_s: float = 3_600.0
    precision_floor: float = 0.5
    smtp_url: str | None = None
    mail_from: str = ""
    webhook_private: bool = False

    def __repr__(self) -> str:
        """Name the settings without the secrets."""
        shown = (f"{name}={getattr(self, name)!r}" for name in self.__struct_fields__ if name not in SECRETS)
        return f"Settings({', '.join(shown)})"

    @property
    def broker(self) -> BrokerAddress:
        """Where the broker is."""
        return parse_broker_url(self.mqtt_url)

    @property
    def bind(self) -> tuple[str, int]:
        """Host and port of the API."""
        return parse_bind(self.api_bind)

    @property
    def telemetry_url(self) -> str:
        """The URL of the telemetry store, the embedded one where none is set."""
        return self.store_url or f"sqlite:///{self.data_dir / 'telemetry.sqlite'}"

    @property
    def register_url(self) -> str:
        """The URL of register and journal, SQLite in the data folder where none is set."""
        return self.database_url or f"sqlite:///{self.data_dir / 'liftwatch.sqlite'}"

    @property
    def intake_limits(self) -> IntakeLimits:
        """The bounds in time of intake."""
        return IntakeLimits(
            future_max_ms=int(self.future_s_max * 1_000),
            late_after_ms=int(self.late_after_s * 1_000),
            age_max_ms=timedelta(days=self.age_days_max) // _MS,
        )

    @property
    def quota(self) -> Quota:
        """What one lift may say."""
        return Quota(per_s=self.lift_quota_per_s, burst=self.lift_quota_burst, backlog_burst=self.lift_backlog_burst)

    @property
    def assessment(self) -> AssessmentSettings:
        """The limits of repeated faults, repeat repairs and missing messages."""
        return AssessmentSettings(
            repeated_fault_count_min=self.repeated_fault_count_min,
            repeated_fault_days=self.repeated_fault_days,
            repeat_repair_days=self.repeat_repair_days,
            gap_open_s=self.gap_open_s,
        )

    @property
    def quality(self) -> QualitySettings:
        """When a kind of finding is no longer good enough to ring."""
        return QualitySettings(precision_floor=self.precision_floor)

    @property
    def mail_server(self) -> MailServer | None:
        """Where mail is handed in; None: nobody is told by e-mail."""
        return None if self.smtp_url is None else parse_smtp_url(self.smtp_url)

    @property
    def shift_plan(self) -> tuple[Shift, ...]:
        """By which shifts the alert load is told."""
        return parse_shifts(self.shifts, self.operators_per_shift)

    @property
    def desk(self) -> DeskSettings:
        """When a lift counts as silent, and until when a call has to be answered."""
        return DeskSettings(
            silence_s_max=self.silence_s_max,
            disconnect_grace_s=self.disconnect_grace_s,
            cases=CaseSettings(answer_within_s=self.answer_s_max),
        )


def load_settings(file: Path | None, environment: Mapping[str, str] | None = None) -> Settings:
    """Return the settings of `file` (TOML, keys as in `Settings`) and of the variables, which win.

    Raises:
        SettingsError: with every fault that was found.
    """
    environment = os.environ if environment is None else environment
    faults: list[str] = []
    given = _from_file(file, faults)
    given.update(_from_environment(environment, faults))
    values = {name: parsed(name, value, source, faults) for name, (value, source) in given.items()}
    if not faults:
        settings = Settings(**values)
        faults += _contradictions(settings)
        if not faults:
            return settings
    raise SettingsError(faults)


def given_settings(environment: Mapping[str, str] | None = None) -> frozenset[str]:
    """Return the names of the settings that a variable sets."""
    environment = os.environ if environment is None else environment
    return frozenset(
        name
        for name in Settings.__struct_fields__
        if PREFIX + name.upper() in environment or f"{PREFIX}{name.upper()}_FILE" in environment
    )


def unknown_variables(environment: Mapping[str, str] | None = None) -> list[str]:
    """Return the `LIFTWATCH_*` variables that name no setting: most likely misspelt, told as a warning."""
    environment = os.environ if environment is None else environment
    known = {PREFIX + name.upper() for name in Settings.__struct_fields__}
    known |= {f"{PREFIX}{name.upper()}_FILE" for name in SECRETS} | set(NOT_SETTINGS)
    return sorted(name for name in environment if name.startswith(PREFIX) and name not in known)


def is_loopback(host: str) -> bool:
    """Tell whether a bind address can be reached from this machine only."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _from_file(file: Path | None, faults: list[str]) -> dict[str, tuple[Any, str]]:
    if file is None:
        return {}
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        faults.append(f"{file}: {error}")
        return {}
    unknown = sorted(set(content) - set(Settings.__struct_fields__))
    faults += [f"{file}: there is no setting {name}" for name in unknown]
    return {name: (value, f"{file}: {name}") for name, value in content.items() if name not in unknown}


def _from_environment(environment: Mapping[str, str], faults: list[str]) -> dict[str, tuple[Any, str]]:
    given: dict[str, tuple[Any, str]] = {}
    for name in Settings.__struct_fields__:
        variable = PREFIX + name.upper()
        if variable in environment:
            given[name] = (environment[variable], variable)
        secret_file = environment.get(f"{variable}_FILE") if name in SECRETS else None
        if secret_file is not None and variable in environment:
            faults.append(f"{variable} and {variable}_FILE are both set")
        elif secret_file is not None:
            try:
                given[name] = (Path(secret_file).read_text(encoding="utf-8").strip(), f"{variable}_FILE")
            except (OSError, UnicodeDecodeError) as error:
                faults.append(f"{variable}_FILE: {error}")
    return given


def _contradictions(settings: Settings) -> list[str]:
    faults = []
    if not is_loopback(settings.bind[0]) and settings.api_token is None:
        faults.append("api_bind: without api_token only loopback is served; set LIFTWATCH_API_TOKEN or bind 127.0.0.1")
    if settings.smtp_url is not None and not settings.mail_from:
        faults.append("mail_from: needed beside smtp_url; mail has to come from somebody")
    for name in ("profiles_dir", "rules_file", "regimes_file", "contracts_file"):
        path = getattr(settings, name)
        if path is not None and not path.exists():
            faults.append(f"{name}: {path} does not exist")
    return faults
