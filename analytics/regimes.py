"""Regimes as data: which visits and inspections a lift is owed, and when. `due` reads them; it knows no country."""

from collections.abc import Iterable, Mapping
from enum import StrEnum

from msgspec import Struct

from ingest.fleet import Lift, VisitKind

# MP-01 asks for a warning before the day and leaves the time to the owner: enough to move a team within one week.
VISIT_DUE_SOON_DAYS = 3


class DutyKind(StrEnum):
    """What has to happen at the lift."""

    MAINTENANCE = "maintenance"
    INSPECTION = "inspection"


class Span(Struct, frozen=True, kw_only=True):
    """A length of time by the calendar. A month keeps the day, or takes the last one of a shorter month."""

    days: int = 0
    months: int = 0


class SinceLast(Struct, frozen=True, kw_only=True, tag=True):
    """Due one `period` after the last visit of a kind in `resets_on`; that day is still in time."""

    period: Span
    resets_on: frozenset[VisitKind]


class Certificate(Struct, frozen=True, kw_only=True, tag=True):
    """Due by the day on which the certificate expires; that day is still in time. A new certificate resets it."""


class Duty(Struct, frozen=True, kw_only=True):
    """One duty. `early` is how long before the day it counts as due; `sources` are the rules that say so.

    `blocks_use` names the rule by which the lift must not be used once the day has passed (None: it may be).
    """

    kind: DutyKind
    due: SinceLast | Certificate
    early: Span
    sources: tuple[str, ...]
    blocks_use: str | None = None


class Regime(Struct, frozen=True, kw_only=True):
    """The duties of every lift that is registered under `name`."""

    name: str
    title: str
    duties: tuple[Duty, ...]


def _visit_every_15_days(*sources: str) -> Duty:
    return Duty(
        kind=DutyKind.MAINTENANCE,
        due=SinceLast(period=Span(days=15), resets_on=frozenset({VisitKind.MAINTENANCE})),
        early=Span(days=VISIT_DUE_SOON_DAYS),
        sources=sources,
    )


_REGIMES = (
    Regime(
        name="CN-2012",
        title="China as of 2012: a visit every 15 days, a yearly inspection applied for one month ahead",
        duties=(
            _visit_every_15_days("MP-01", "MP-02"),
            Duty(
                kind=DutyKind.INSPECTION,
                due=Certificate(),
                early=Span(months=1),
                sources=("IN-01",),
                blocks_use="IN-05",
            ),
        ),
    ),
    Regime(
        name="TSG-T5002",
        title="China, TSG T5002-2017: half-monthly visits; inspections are not watched",
        duties=(_visit_every_15_days("TSG T5002-2017"),),
    ),
)
REGIMES: Mapping[str, Regime] = {regime.name: regime for regime in _REGIMES}


def duties_of(lift: Lift) -> tuple[Duty, ...]:
    """Return what a lift is owed: nothing without a regime, and nothing under one that `REGIMES` does not hold.

    A fleet is assessed though one lift names a regime that nobody knows; `unknown_regimes` tells, where lifts come in.
    """
    regime = REGIMES.get(lift.regime) if lift.regime is not None else None
    return regime.duties if regime is not None else ()


def unknown_regimes(lifts: Iterable[Lift]) -> list[str]:
    """Return the names of regimes that the lifts follow and that `REGIMES` does not hold, sorted."""
    return sorted({lift.regime for lift in lifts if lift.regime is not None and lift.regime not in REGIMES})
