"""Contracts as data: within how long somebody has to be on site, when that is about to break, and who is told. Pure."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from importlib import resources
from pathlib import Path
from typing import Annotated

import msgspec
import yaml
from msgspec import Meta, Struct

from alerts.work_orders import OrderKind

Name = Annotated[str, Meta(min_length=1, max_length=200)]
Minutes = Annotated[int, Meta(ge=1, le=10_080)]
CLOCKS_MAX = 5_000
# Liftwatch's own rule: told when two thirds of the time have gone, 10 min before the end of 30.
WARN_SHARE = 1 / 3


class ContractClock(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One line of a contract; what is None holds for all of them."""

    contractor: Name | None = None
    site_id: Name | None = None
    kind: OrderKind | None = None
    priority: Annotated[int, Meta(ge=1, le=4)] | None = None
    arrive_within_min: Minutes | None = None
    warn_before_min: Minutes | None = None
    escalate_to: Name | None = None

    @property
    def key(self) -> tuple[str | None, str | None, OrderKind | None, int | None]:
        """Return what it is for."""
        return self.contractor, self.site_id, self.kind, self.priority

    @property
    def says(self) -> tuple[bool, bool, bool, bool]:
        """Return how much it says, so that the line that says most comes last."""
        return tuple(part is not None for part in (self.site_id, self.contractor, self.kind, self.priority))  # type: ignore[return-value]

    def fits(self, contractor: str | None, site_id: str | None, kind: str, priority: int | None) -> bool:
        """Tell whether it is for an order."""
        asked = (contractor, site_id, kind, priority)
        return all(own is None or own == other for own, other in zip(self.key, asked, strict=True))


class Terms(Struct, frozen=True, kw_only=True):
    """What holds for one order; `arrive_within_min` None: no clock."""

    arrive_within_min: int | None
    warn_before_min: int | None = None
    escalate_to: str | None = None
    contractor: str | None = None

    def warn_at(self, opened_at: datetime, arrive_by: datetime) -> datetime:
        """Return when the clock is about to break; not before it began."""
        before = (arrive_by - opened_at) * WARN_SHARE
        if self.warn_before_min is not None:
            before = timedelta(minutes=self.warn_before_min)
        return max(opened_at, arrive_by - before)


def terms(
    clocks: Sequence[ContractClock],
    contractor: str | None,
    site_id: str | None,
    kind: str,
    priority: int | None,
    *,
    otherwise_min: int | None,
) -> Terms:
    """Return what the contracts say of an order; `otherwise_min` is what the rule says where no contract does."""
    fitting = [clock for clock in clocks if clock.fits(contractor, site_id, kind, priority)]
    best = max(fitting, key=lambda clock: clock.says, default=ContractClock())
    return Terms(
        arrive_within_min=best.arrive_within_min or otherwise_min,
        warn_before_min=best.warn_before_min,
        escalate_to=best.escalate_to,
        contractor=contractor,
    )


class ContractsError(ValueError):
    """A file of contracts that cannot be used; the text says which file and why."""


def load_contracts(path: Path | None = None) -> list[ContractClock]:
    """Return the clocks in the YAML file `path`; those that ship with Liftwatch (none) where it is None.

    Raises:
        ContractsError: not YAML, not contracts, two lines for the same, or too many.
    """
    source = resources.files("alerts").joinpath("contracts.yaml") if path is None else path
    try:
        clocks = msgspec.convert(yaml.safe_load(source.read_bytes()), _Document).clocks
    except (yaml.YAMLError, msgspec.ValidationError, OSError) as error:
        message = f"{path or 'alerts/contracts.yaml'}: {error}"
        raise ContractsError(message) from error
    faults = _faults_of(clocks)
    if faults:
        message = f"{path or 'alerts/contracts.yaml'}: {'; '.join(faults)}"
        raise ContractsError(message)
    return clocks


class _Document(Struct, frozen=True, forbid_unknown_fields=True):
    clocks: list[ContractClock]


def _faults_of(clocks: Sequence[ContractClock]) -> list[str]:
    keys = [clock.key for clock in clocks]
    twice = {key for key in keys if keys.count(key) > 1} if len(keys) <= CLOCKS_MAX else set()
    faults = [
        f"two lines for {', '.join(str(part) for part in key if part is not None)}" for key in sorted(twice, key=str)
    ]
    if len(keys) > CLOCKS_MAX:
        faults.append(f"{len(keys)} lines, at most {CLOCKS_MAX}")
    return faults + [
        f"warn_before_min {clock.warn_before_min} is not below {clock.arrive_within_min}"
        for clock in clocks
        if clock.arrive_within_min and clock.warn_before_min and clock.warn_before_min >= clock.arrive_within_min
    ]
