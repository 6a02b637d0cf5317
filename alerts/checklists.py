"""Checklists as data: what is looked at on which visit, what was found, and whether it is within its limits. Pure."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from functools import cache
from importlib import resources
from typing import Annotated

import msgspec
import yaml
from msgspec import Meta, Struct

from alerts.work_orders import OrderKind

# In which a maintenance goes further and further: each holds those before it.
SCOPES = ("half-month", "quarter", "half-year", "year")
TRIP_CODE = "OUT-4"


class CheckResult(StrEnum):
    """What came of looking at one thing."""

    OK = "ok"
    MENDED = "mended"
    DEFECT = "defect"
    NOT_APPLICABLE = "not-applicable"
    SKIPPED = "skipped"


# WO-19: what is left out needs a reason; so does what stays broken (RS-19: who, when, how).
NEEDS_NOTE = frozenset({CheckResult.DEFECT, CheckResult.NOT_APPLICABLE, CheckResult.SKIPPED})


class Check(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One thing to look at; `limits` are those of the value as left, either end may be open."""

    code: Annotated[str, Meta(min_length=1, max_length=40)]
    text: Annotated[str, Meta(min_length=1, max_length=300)]
    unit: Annotated[str, Meta(min_length=1, max_length=20)] | None = None
    limits: tuple[float | None, float | None] | None = None
    limits_source: str | None = None

    def is_out_of_limits(self, value: float | None) -> bool:
        """Tell whether a value is outside the limits; what was not measured is not."""
        if self.limits is None or value is None:
            return False
        low, high = self.limits
        return (low is not None and value < low) or (high is not None and value > high)


class CheckEntry(Struct, frozen=True, kw_only=True):
    """What a person found and left at one check; values in its unit."""

    code: str
    text: str
    result: CheckResult
    as_found: float | None = None
    as_left: float | None = None
    unit: str | None = None
    out_of_limits: bool = False
    note: str | None = None
    by: str
    at: datetime


class _List(Struct, frozen=True, forbid_unknown_fields=True):
    kinds: list[OrderKind]
    source: str
    items: list[Check]
    name: str = "check-out"


class CheckBook(Struct, frozen=True, forbid_unknown_fields=True):
    """All lists that ship with Liftwatch."""

    version: int
    lists: list[_List]
    check_out: _List

    def checks(self, kind: OrderKind, scope: str | None) -> list[Check]:
        """Return the checks of an order, without those of the check-out; `scope` None: half-month, or all for a year.

        An inspection is prepared by no fewer checks than a yearly service has.
        """
        default = SCOPES[-1] if kind is OrderKind.INSPECTION_PREPARATION else SCOPES[0]
        reach = SCOPES.index(scope or default)
        return [
            check
            for one in self.lists
            if kind in one.kinds and (one.name not in SCOPES or SCOPES.index(one.name) <= reach)
            for check in one.items
        ]

    def leaving(self, kind: OrderKind) -> list[Check]:
        """Return the checks before a lift is handed back; none for a rescue, after which it stays as it is."""
        return self.check_out.items if kind in self.check_out.kinds else []

    def by_code(self, kind: OrderKind, scope: str | None) -> Mapping[str, Check]:
        """Return every check of an order by its code."""
        return {check.code: check for check in [*self.checks(kind, scope), *self.leaving(kind)]}


@cache
def check_book() -> CheckBook:
    """Return the lists in `alerts/checklists.yaml`."""
    source = resources.files("alerts").joinpath("checklists.yaml").read_bytes()
    return msgspec.convert(yaml.safe_load(source), CheckBook)
