"""What the value of a setting may be: texts of a file or of the environment become values, or say why not."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from alerts.kpis import parse_shifts
from alerts.mail_channel import parse_smtp_url
from ingest.telemetry_store_influx import parse_store_url
from ingest.wire import parse_broker_url

AGE_DAYS_MAX = 36_500
# A quarantine that keeps next to nothing is a mistake; beyond the other end no database of one machine is quick.
ROWS_FLOOR, ROWS_CEILING = 1_000, 100_000_000


def parse_bind(text: str) -> tuple[str, int]:
    """Return host and port of `host:port` (`[::1]:8000` for IPv6).

    Raises:
        ValueError: it is not of that form.
    """
    host, colon, port = text.rpartition(":")
    if not colon or not host or not port.isdigit() or not 0 <= int(port) <= 65_535:  # noqa: PLR2004 - ports end there
        message = "expected host:port"
        raise ValueError(message)
    return host.strip("[]"), int(port)


def _flag(value: object) -> bool:
    flags = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}
    if str(value).lower() not in flags:
        message = "expected 1 or 0"
        raise ValueError(message)
    return flags[str(value).lower()]


def _text(value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        message = "expected a text that is not empty"
        raise ValueError(message)
    return value.strip()


def _checked(check: Callable[[str], object]) -> Callable[[object], str]:
    def parse(value: object) -> str:
        text = _text(value)
        check(text)
        return text

    return parse


def _seconds(value: object) -> float:
    number = float(str(value))
    if not 0 < number < 10**9:
        message = "expected a number above 0"
        raise ValueError(message)
    return number


def _days(value: object) -> float:
    number = float(str(value))
    if not 0 < number <= AGE_DAYS_MAX:
        message = f"expected days, above 0 and at most {AGE_DAYS_MAX}"
        raise ValueError(message)
    return number


def _count(value: object) -> int:
    number = int(str(value))
    if not 1 <= number <= 10**6:
        message = "expected a whole number from 1"
        raise ValueError(message)
    return number


def _rows(value: object) -> int:
    number = int(str(value))
    if not ROWS_FLOOR <= number <= ROWS_CEILING:
        message = f"expected a whole number from {ROWS_FLOOR} to {ROWS_CEILING}"
        raise ValueError(message)
    return number


def _share(value: object) -> float:
    number = float(str(value))
    if not 0 <= number < 1:
        message = "expected a share, at least 0 and below 1"
        raise ValueError(message)
    return number


def _check_store_url(text: str) -> None:
    if text.startswith("influxdb+"):
        parse_store_url(text)
    elif not text.startswith("sqlite:///"):
        message = "expected sqlite:///path or influxdb+http(s)://host:8086/<bucket>?org=<org>"
        raise ValueError(message)


def _check_database_url(text: str) -> None:
    try:
        backend = sa.make_url(text).drivername
    except (sa.exc.ArgumentError, ValueError):  # its words may hold a part of the password
        backend = ""
    if backend not in ("sqlite", "postgresql+psycopg"):
        message = "expected sqlite:///path or postgresql+psycopg://user:password@host/database"
        raise ValueError(message)


def _check_log_format(text: str) -> None:
    if text not in ("text", "json"):
        message = "expected text or json"
        raise ValueError(message)


def _check_address(text: str) -> None:
    if not re.fullmatch(r"[^@\s<>]+@[^@\s<>]+", text):
        message = "expected an address such as liftwatch@lifts.example"
        raise ValueError(message)


def _check_share(text: str) -> None:
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", text):
        message = "expected the name of a group: 1 to 64 of A-Z a-z 0-9 _ -"
        raise ValueError(message)


_PARSERS: dict[str, Callable[[object], Any]] = {
    "data_dir": lambda value: Path(_text(value)),
    "mqtt_url": _checked(parse_broker_url),
    "mqtt_client_id": _text,
    "mqtt_share": _checked(_check_share),
    "store_url": _checked(_check_store_url),
    "store_token": _text,
    "database_url": _checked(_check_database_url),
    "api_bind": _checked(parse_bind),
    "api_token": _text,
    "auto_register": _flag,
    "profiles_dir": lambda value: Path(_text(value)),
    "rules_file": lambda value: Path(_text(value)),
    "regimes_file": lambda value: Path(_text(value)),
    "contracts_file": lambda value: Path(_text(value)),
    "log_format": _checked(_check_log_format),
    "age_days_max": _days,
    "spool_mb_max": _count,
    "lift_quota_burst": _count,
    "lift_backlog_burst": _count,
    "smtp_url": _checked(parse_smtp_url),
    "mail_from": _checked(_check_address),
    "webhook_private": _flag,
    "shifts": _checked(parse_shifts),
    "operators_per_shift": _count,
    "repeated_fault_count_min": _count,
    "repeated_fault_days": _count,
    "repeat_repair_days": _count,
    "quarantine_rows_max": _rows,
    "precision_floor": _share,
}


def parsed(name: str, value: object, source: str, faults: list[str]) -> Any:  # noqa: ANN401 - each setting its own
    """Return the value of a setting; None where it cannot be one, which `faults` then says."""
    try:
        return _PARSERS.get(name, _seconds)(value)
    except ValueError as error:
        # The value itself is not repeated: it may be a secret or hold one.
        faults.append(f"{source}: {error}")
        return None
