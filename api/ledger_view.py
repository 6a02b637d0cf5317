"""The ledger of a lift as the API says it, and in the words of the command line."""

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, Field

from analytics.findings import said
from ingest.ledger import BootLedger, LiftLedger

GAPS_SHOWN = 20
FromTo = Annotated[list[int], BeforeValidator(list), Field(min_length=2, max_length=2)]


class BootLedgerView(BaseModel):
    """The numbers of one boot. `boot` null: the lift names none.

    `stored` of the numbers from `first_seq` to `last_seq` are kept, `quarantined` are in quarantine alone, and `gaps`
    ([from, to]) are in neither. `duplicates` counts messages whose number was stored already, redeliveries by the
    broker among them. `unlisted_missing` counts missing numbers of so many old gaps that they are no longer listed.
    """

    boot: str | None
    first_seq: int
    last_seq: int
    stored: int
    duplicates: int
    quarantined: int
    gaps: list[FromTo]
    unlisted_missing: int
    first_received_at: datetime
    last_received_at: datetime


class LedgerView(BaseModel):
    """Which of a lift's messages are here, proved by their numbers; boots in the order in which they were first heard.

    `unnumbered` messages had no `seq`. Of `boots_forgotten` older boots only the sums are left.
    """

    lift_id: str
    reboots: int
    unnumbered: int
    boots_forgotten: int
    stored_forgotten: int
    missing_forgotten: int
    boots: list[BootLedgerView]


def ledger_view(ledger: LiftLedger) -> LedgerView:
    """Return a ledger."""
    return LedgerView.model_validate(ledger, from_attributes=True)


def ledger_lines(ledger: LiftLedger) -> Iterator[str]:
    """Yield a ledger as lines for a person."""
    reboots = "1 reboot" if ledger.reboots == 1 else f"{ledger.reboots:,} reboots"
    yield f"{ledger.lift_id}: {reboots}, {ledger.unnumbered:,} messages without a number"
    if ledger.boots_forgotten:
        yield (
            f"{ledger.boots_forgotten:,} older boots: stored {ledger.stored_forgotten:,}, "
            f"missing {ledger.missing_forgotten:,}"
        )
    for boot in ledger.boots:
        yield f"boot {boot.boot or '(none)'}: {_counts(boot)}"
        yield f"  numbers {boot.first_seq} to {boot.last_seq}, {_received(boot)}"


def _counts(boot: BootLedger) -> str:
    parts = [f"stored {boot.stored:,} of {boot.last_seq - boot.first_seq + 1:,}", _gaps(boot)]
    if boot.quarantined:
        parts.append(f"{boot.quarantined:,} in quarantine")
    if boot.duplicates:
        parts.append(f"{boot.duplicates:,} came again")
    return ", ".join(parts)


def _gaps(boot: BootLedger) -> str:
    shown = [str(first) if first == last else f"{first}-{last}" for first, last in boot.gaps[-GAPS_SHOWN:]]
    words = f"gaps: {' '.join(shown)}" if shown else "no gaps"
    older = len(boot.gaps) - len(shown)
    if older:
        words += f" and {older:,} older ones"
    if boot.unlisted_missing:
        words += f" and {boot.unlisted_missing:,} missing numbers that are no longer listed"
    return words


def _received(boot: BootLedger) -> str:
    return f"received {said(boot.first_received_at)} to {said(boot.last_received_at)}"
