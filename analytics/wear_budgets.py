"""Wear budgets: what parts are good for, by door cycles, trips or running hours. They are data."""

from collections.abc import Mapping
from enum import StrEnum
from importlib import resources
from pathlib import Path
from typing import Annotated, Any

import msgspec
import yaml
from msgspec import Meta, Struct

from analytics.regimes import Slug, Words


class Counter(StrEnum):
    """What a controller counts."""

    DOOR_CYCLES = "door_cycles"
    TRIPS = "trips"
    RUNNING_H = "running_h"

    @property
    def reading(self) -> str:
        """The field of a `counters` message."""
        return f"{self.value}_total"

    @property
    def words(self) -> str:
        """What people call it."""
        return "running hours" if self is Counter.RUNNING_H else self.value.replace("_", " ")


class WearBudget(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A part is good for `budget` of what `counter` counts; `early_days` before that is used up it is due.

    A repair or maintenance visit whose cause code is `name` begins the count anew.
    """

    name: Slug
    component: Slug
    counter: Counter
    budget: Annotated[float, Meta(gt=0)]
    early_days: Annotated[int, Meta(ge=1, le=3_650)] = 90
    source: Words


class WearBudgetError(ValueError):
    """A file of wear budgets that cannot be used; the text says which file and everything that is wrong with it."""


class _Document(Struct, frozen=True):
    wear_budgets: list[Any] = []


def load_wear_budgets(file: Path | None = None) -> Mapping[str, WearBudget]:
    """Return the budgets that ship with Liftwatch and those of `file`, by name; the same name replaces.

    Raises:
        WearBudgetError: a file is none, or holds budgets that cannot be used; every fault is named.
    """
    shipped = resources.files("analytics").joinpath("wear_budgets.yaml").read_text(encoding="utf-8")
    budgets = parse_wear_budgets("wear_budgets.yaml", shipped)
    if file is None:
        return budgets
    try:
        return budgets | parse_wear_budgets(str(file), file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        message = f"{file}: {error}"
        raise WearBudgetError(message) from error


def parse_wear_budgets(source: str, text: str) -> dict[str, WearBudget]:
    """Return the budgets written in the YAML `text`, by name; `source` names it in errors.

    Raises:
        WearBudgetError: as of `load_wear_budgets`.
    """
    try:
        document = msgspec.convert(yaml.safe_load(text), _Document)
    except (yaml.YAMLError, msgspec.ValidationError) as error:
        message = f"{source}: {error}"
        raise WearBudgetError(message) from error
    budgets: dict[str, WearBudget] = {}
    faults = []
    for number, raw in enumerate(document.wear_budgets, start=1):
        try:
            budget = msgspec.convert(raw, WearBudget)
        except msgspec.ValidationError as error:
            faults.append(f"wear budget {number}: {error}")
            continue
        if budget.name in budgets:
            faults.append(f"{budget.name}: there are two of that name")
        budgets[budget.name] = budget
    if faults:
        raise WearBudgetError("; ".join(f"{source}: {fault}" for fault in faults))
    return budgets


WEAR_BUDGETS: Mapping[str, WearBudget] = load_wear_budgets()
