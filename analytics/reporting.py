"""How lifts report: messages that are missing, lifts that say too much, clocks that are wrong.

It rests on what is known of messages rather than on what they say, so it needs the ledger and the quarantine, not the
telemetry store. All of it is by our clock. Nothing that came after `as_of` counts, but for late arrivals: what has
filled a gap by now was not lost then.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any, Protocol

from msgspec import Struct

from analytics.findings import EVIDENCE_MAX, Finding, FindingKind, rfc3339, said
from analytics.settings import AssessmentSettings
from ingest.controller_clocks import SAME_MS, WrongClock, own_clock_suspect
from ingest.floods import Flood
from ingest.ledger import OpenGap

# What has not come within a week is lost: the gap stays in the ledger, but there is nothing left to be done about it.
GAP_AGE_MAX = timedelta(days=7)
# A window that an operator can act in; a flood that goes on is found again and again.
FLOOD_WINDOW = timedelta(hours=1)
# Brokers and gateways hold messages for some seconds in normal life; a clock within this is right.
CLOCK_RIGHT_S = 30.0
_GAPS_SAID = 3
_MINUTE_S = 60
_HOUR_S = 3_600
_DAY_S = 86_400


class Gaps(Protocol):
    """What tells which numbers are missing: `ingest.ledger.Ledger`."""

    def open_gaps(self, as_of: datetime, open_for: timedelta, lift_id: str | None = None) -> list[OpenGap]:
        """Return what was missing for longer than `open_for` at `as_of`."""
        ...


class Floods(Protocol):
    """What tells which lifts say more than their quota: `ingest.floods.Floods`."""

    def between(self, since: datetime, until: datetime, lift_id: str | None = None) -> list[Flood]:
        """Return the floods of (since, until]."""
        ...


class Clocks(Protocol):
    """What tells which controllers' clocks are wrong: `ingest.controller_clocks.ControllerClocks`."""

    def wrong(self, as_of: datetime) -> Sequence[WrongClock]:
        """Return the clocks that were known to be wrong at `as_of`."""
        ...


class Reports(Struct, frozen=True, kw_only=True):
    """What is read of how lifts report; None: not known here, so nothing is found."""

    gaps: Gaps | None = None
    floods: Floods | None = None
    clocks: Clocks | None = None


def reporting_findings(
    reports: Reports, lift_ids: set[str], as_of: datetime, settings: AssessmentSettings, *, fleet_size: int
) -> list[Finding]:
    """Return what is wrong with the way in which lifts report; some of a fleet of `fleet_size` are read one by one."""
    one_by_one = len(lift_ids) < fleet_size
    wanted: list[str | None] = [*sorted(lift_ids)] if one_by_one else [None]
    gaps: list[OpenGap] = []
    floods: list[Flood] = []
    for lift_id in wanted:
        if reports.gaps is not None:
            gaps += reports.gaps.open_gaps(as_of, settings.gap_open, lift_id)
        if reports.floods is not None:
            floods += reports.floods.between(as_of - FLOOD_WINDOW, as_of, lift_id)
    clocks = reports.clocks.wrong(as_of) if reports.clocks is not None else []
    findings = messages_missing(gaps, as_of, settings) + flooding(floods, as_of)
    findings += clocks_wrong(clocks, as_of, fleet_size=fleet_size)
    return [finding for finding in findings if finding.lift_id in lift_ids]


def messages_missing(gaps: Iterable[OpenGap], as_of: datetime, settings: AssessmentSettings) -> list[Finding]:
    """Return, by lift, the numbers that stayed missing: `value` is how many, `limit` none.

    `gaps` are ordered by lift. `found_at` is when the oldest of them had been open for long enough.
    """
    young = (gap for gap in gaps if gap.seen_at > as_of - GAP_AGE_MAX)
    return [
        _messages_missing(lift_id, list(items), as_of, settings)
        for lift_id, items in groupby(young, key=lambda gap: gap.lift_id)
    ]


def _messages_missing(lift_id: str, gaps: list[OpenGap], as_of: datetime, settings: AssessmentSettings) -> Finding:
    gaps = sorted(gaps, key=lambda gap: (gap.seen_at, gap.boot or "", gap.first_seq))
    missing = sum(_length(gap) for gap in gaps)
    since = gaps[0].seen_at
    return Finding(
        lift_id=lift_id,
        kind=FindingKind.MESSAGES_MISSING,
        as_of=as_of,
        found_at=since + settings.gap_open,
        value=float(missing),
        limit=0.0,
        reason=f"{_messages(missing)} missing since {said(since)}: {_gaps_said(gaps)}; later ones came, these did not "
        f"within {_time(settings.gap_open.total_seconds())}",
        evidence=[_gap_evidence(gap) for gap in gaps[-EVIDENCE_MAX:]],
    )


def _messages(count: int) -> str:
    return "1 message" if count == 1 else f"{count:,} messages"


def _gaps_said(gaps: Sequence[OpenGap]) -> str:
    named = [f"{_numbers(gap)} of boot {gap.boot or '(none)'}" for gap in gaps[:_GAPS_SAID]]
    more = len(gaps) - len(named)
    return ", ".join(named) + (f" and {more:,} more gaps" if more > 1 else " and 1 more gap" if more else "")


def _numbers(gap: OpenGap) -> str:
    return f"number {gap.first_seq}" if gap.first_seq == gap.last_seq else f"numbers {gap.first_seq}-{gap.last_seq}"


def _length(gap: OpenGap) -> int:
    return gap.last_seq - gap.first_seq + 1


def _gap_evidence(gap: OpenGap) -> dict[str, Any]:
    return {
        "kind": "gap",
        "boot": gap.boot,
        "from": gap.first_seq,
        "to": gap.last_seq,
        "seen_at": rfc3339(gap.seen_at),
    }


def flooding(floods: Iterable[Flood], as_of: datetime) -> list[Finding]:
    """Return the lifts that said more than their quota: `value` is how many messages were refused, `limit` none."""
    return [
        Finding(
            lift_id=flood.lift_id,
            kind=FindingKind.FLOODING,
            as_of=as_of,
            found_at=flood.first_at,
            value=float(flood.messages),
            limit=0.0,
            reason=f"Says more than its quota: at least {_messages(flood.messages)} quarantined within the hour, "
            f"the last at {said(flood.last_at)}",
            evidence=[
                {
                    "kind": "quarantine",
                    "reason": "flooding",
                    "messages": flood.messages,
                    "first_at": rfc3339(flood.first_at),
                    "last_at": rfc3339(flood.last_at),
                }
            ],
        )
        for flood in floods
    ]


def clocks_wrong(clocks: Sequence[WrongClock], as_of: datetime, *, fleet_size: int) -> list[Finding]:
    """Return, by lift, that its clock is wrong: `value` is by how many seconds, `limit` what still counts as right.

    Where most of the fleet is off alike it is our own clock, of which the service has an alert of its own: that is
    found of no lift.
    """
    shared_ms = own_clock_suspect(clocks, fleet_size)
    own = [clock for clock in clocks if shared_ms is None or abs(clock.offset_ms - shared_ms) > SAME_MS]
    return [_clock_wrong(clock, as_of) for clock in own]


def _clock_wrong(clock: WrongClock, as_of: datetime) -> Finding:
    offset_s = clock.offset_ms / 1_000
    side = "behind" if offset_s > 0 else "ahead of"
    since = said(clock.established_at)
    return Finding(
        lift_id=clock.lift_id,
        kind=FindingKind.CLOCK_WRONG,
        as_of=as_of,
        found_at=clock.established_at,
        value=abs(offset_s),
        limit=CLOCK_RIGHT_S,
        reason=f"The controller's clock is {_time(abs(offset_s))} {side} ours, known since {since}",
        evidence=[
            {
                "kind": "clock",
                "boot": clock.boot,
                "offset_s": offset_s,
                "messages": clock.messages,
                "established_at": rfc3339(clock.established_at),
                "confirmed_at": rfc3339(clock.confirmed_at),
            }
        ],
    )


def _time(seconds: float) -> str:
    """Return a length of time as people say it."""
    for unit_s, unit in ((_DAY_S, "days"), (_HOUR_S, "h"), (_MINUTE_S, "min")):
        if seconds >= 2 * unit_s:
            return f"{round(seconds / unit_s, 1):g} {unit}"
    return f"{seconds:g} s"
