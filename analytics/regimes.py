"""Regimes: which visits, inspections and tests a lift is owed, and when. `due` reads them; it knows no country.

They are data (`regimes.yaml`); an owner may add his own, or put his own in the place of one of these.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from importlib import resources
from pathlib import Path
from typing import Annotated, Any

import msgspec
import yaml
from msgspec import Meta, Struct

from ingest.fleet import Lift, VisitKind

Words = Annotated[str, Meta(min_length=1, max_length=200)]
# It stands as the cause of orders and visits.
Slug = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9-]{0,63}\Z")]
_DAYS_A_MONTH = 31


class DutyKind(StrEnum):
    """Who acts at the lift: the maintainer, or an inspector."""

    MAINTENANCE = "maintenance"
    INSPECTION = "inspection"


class Span(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A length of time by the calendar. A month keeps the day, or takes the last one of a shorter month."""

    days: Annotated[int, Meta(ge=0, le=36_500)] = 0
    months: Annotated[int, Meta(ge=0, le=1_200)] = 0

    @property
    def days_at_most(self) -> int:
        """How many days it can be."""
        return self.days + self.months * _DAYS_A_MONTH


class Later(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Another period, from so many years after commissioning on."""

    after_years: Annotated[int, Meta(ge=1, le=100)]
    period: Span


class SinceLast(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Due one `period` after the last visit of a kind in `resets_on`; that day is still in time.

    `about`: only visits whose cause code says so. `later`: what the period is for an old lift.
    """

    period: Span
    resets_on: frozenset[VisitKind]
    about: Slug | None = None
    later: Later | None = None


class InYears(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Due so many years after commissioning, whenever the one before was done; that day is still in time.

    `else_certificate`: by the certificate where no year is left, or where the day of commissioning is not known.
    """

    years: tuple[Annotated[int, Meta(ge=1, le=100)], ...]
    resets_on: frozenset[VisitKind]
    about: Slug | None = None
    else_certificate: bool = False


class Certificate(Struct, frozen=True, kw_only=True, tag=True):
    """Due by the day on which the certificate expires; that day is still in time. A new certificate resets it."""


class Duty(Struct, frozen=True, kw_only=True):
    """One duty. `early` is how long before the day it counts as due; `sources` are the rules that say so.

    `name` tells it from other duties of its kind (None: the plain one), `who` does it, and `blocks_use` names the rule
    by which the lift must not be used once the day has passed (None: it may be).
    """

    kind: DutyKind
    due: SinceLast | InYears | Certificate
    early: Span
    sources: tuple[str, ...]
    blocks_use: str | None = None
    name: str | None = None
    who: str | None = None


class Regime(Struct, frozen=True, kw_only=True):
    """The duties of every lift that is registered under `name`."""

    name: str
    title: str
    duties: tuple[Duty, ...]


class RegimeError(ValueError):
    """A file of regimes that cannot be used; the text says which file and everything that is wrong with it."""


class _WrittenDuty(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    kind: DutyKind
    early: Span
    sources: Annotated[tuple[Words, ...], Meta(min_length=1)]
    name: Slug | None = None
    who: Words | None = None
    blocks_use: Words | None = None
    since_last: SinceLast | None = None
    in_years: InYears | None = None
    certificate: bool = False


class _WrittenRegime(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: Words
    title: Words
    duties: Annotated[list[Any], Meta(min_length=1)]


class _Document(Struct, frozen=True, forbid_unknown_fields=True):
    regimes: list[Any] = []
    wear_budgets: Any = None  # may stand in the same file, see `wear_budgets`


def load_regimes(file: Path | None = None) -> Mapping[str, Regime]:
    """Return the regimes that ship with Liftwatch and those of `file`, by name; the same name replaces.

    Raises:
        RegimeError: the file is none, or holds regimes that contradict themselves; every fault is named.
    """
    shipped = resources.files("analytics").joinpath("regimes.yaml").read_text(encoding="utf-8")
    regimes = parse_regimes("regimes.yaml", shipped)
    if file is not None:
        try:
            text = file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            message = f"{file}: {error}"
            raise RegimeError(message) from error
        regimes = regimes | parse_regimes(str(file), text)
    return regimes


def parse_regimes(source: str, text: str) -> dict[str, Regime]:
    """Return the regimes written in the YAML `text`, by name; `source` names it in errors.

    Raises:
        RegimeError: as of `load_regimes`.
    """
    faults: list[str] = []
    regimes: dict[str, Regime] = {}
    try:
        document = msgspec.convert(yaml.safe_load(text), _Document)
    except (yaml.YAMLError, msgspec.ValidationError) as error:
        message = f"{source}: {error}"
        raise RegimeError(message) from error
    for number, raw in enumerate(document.regimes, start=1):
        regime = _regime_of(raw, f"regime {number}", faults)
        if regime is not None and regime.name in regimes:
            faults.append(f"{regime.name}: there are two of that name")
        elif regime is not None:
            regimes[regime.name] = regime
    if faults:
        raise RegimeError("; ".join(f"{source}: {fault}" for fault in faults))
    return regimes


def _regime_of(raw: object, where: str, faults: list[str]) -> Regime | None:
    try:
        written = msgspec.convert(raw, _WrittenRegime)
    except msgspec.ValidationError as error:
        faults.append(f"{where}: {error}")
        return None
    duties = []
    for number, each in enumerate(written.duties, start=1):
        place = f"{written.name}, duty {number}"
        try:
            duty = msgspec.convert(each, _WrittenDuty, strict=False)
        except msgspec.ValidationError as error:
            faults.append(f"{place}: {error}")
            continue
        wrong = _faults_of_duty(duty)
        faults += [f"{place}: {fault}" for fault in wrong]
        duties += [_duty_of(duty)] if not wrong else []
    keys = [(duty.kind, duty.name) for duty in duties]
    twice = sorted({f"{kind.value} {name or ''}".strip() for kind, name in keys if keys.count((kind, name)) > 1})
    faults += [f"{written.name}: two duties are {key}; give them names" for key in twice]
    return Regime(name=written.name, title=written.title, duties=tuple(duties))


def _duty_of(written: _WrittenDuty) -> Duty:
    return Duty(
        kind=written.kind,
        due=written.since_last or written.in_years or Certificate(),
        early=written.early,
        sources=written.sources,
        blocks_use=written.blocks_use,
        name=written.name,
        who=written.who,
    )


def _faults_of_duty(duty: _WrittenDuty) -> list[str]:
    rules = [duty.since_last is not None, duty.in_years is not None, duty.certificate]
    faults = [] if sum(rules) == 1 else ["one of since_last, in_years and certificate tells the day"]
    for rule in (duty.since_last, duty.in_years):
        if rule is not None and not rule.resets_on:
            faults.append("resets_on names no kind of visit")
        if rule is not None and rule.about is not None and duty.name is None:
            faults.append("what is about something needs a name")
    if duty.since_last is not None:
        periods = [duty.since_last.period] + ([duty.since_last.later.period] if duty.since_last.later else [])
        faults += ["a period is at least a day" for period in periods if period.days_at_most < 1]
        faults += [
            "early is as long as a period" for period in periods if duty.early.days_at_most >= period.days_at_most
        ]
    if duty.in_years is not None:
        years = duty.in_years.years
        faults += [] if years and list(years) == sorted(set(years)) else ["years rise, and there is at least one"]
        faults += ["early is as long as a year"] if duty.early.days_at_most >= 12 * _DAYS_A_MONTH else []
    return faults


REGIMES: Mapping[str, Regime] = load_regimes()


def duties_of(lift: Lift, regimes: Mapping[str, Regime] = REGIMES) -> tuple[Duty, ...]:
    """Return what a lift is owed: nothing without a regime, and nothing under one that `regimes` does not hold.

    A fleet is assessed though one lift names a regime that nobody knows; `unknown_regimes` tells, where lifts come in.
    """
    regime = regimes.get(lift.regime) if lift.regime is not None else None
    return regime.duties if regime is not None else ()


def unknown_regimes(followed: Iterable[str], regimes: Mapping[str, Regime] = REGIMES) -> list[str]:
    """Return a warning for each regime that lifts follow and that `regimes` does not hold, by name."""
    known = ", ".join(sorted(regimes))
    return [
        f"regime {name} is not known, its lifts have no duties; known: {known}"
        for name in sorted(set(followed) - set(regimes))
    ]
