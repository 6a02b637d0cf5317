"""How well an operator can live with the alerts: the figures of OPC UA's AlarmMetrics and of ISA-18.2. Pure.

An alert counts when it was received (our clock). Rates are told for ten minutes, the window in which ISA-18.2 and
EEMUA 191 count what an operator can handle. The limits beside the figures come from secondary sources.
"""

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime, time, timedelta
from itertools import pairwise
from statistics import median

from msgspec import Struct

from alerts.alert import FINDING_KINDS

RATE_WINDOW = timedelta(minutes=10)
# More than this many in ten minutes, for each operator, is a flood.
FLOOD_ABOVE = 10
CHATTER_WINDOW = timedelta(minutes=1)
CHATTER_CHANGES_MIN = 3
STALE_AFTER = timedelta(hours=24)
TOP_SOURCES = 10
_DAY = timedelta(days=1)


class CountedAlert(Struct, frozen=True, kw_only=True):
    """What the figures need of an alert; a source is its lift, kind and code.

    `chattering`: it was held for coming and going, so that its changes cannot be seen one by one.
    """

    lift_id: str
    kind: str
    code: str | None
    priority: int
    received_at: datetime
    cleared_at: datetime | None = None
    acknowledged_at: datetime | None = None
    repeats: int = 0
    chattering: bool = False

    @property
    def source(self) -> tuple[str, str, str | None]:
        """Return what the alert is about."""
        return self.lift_id, self.kind, self.code


class SourceCount(Struct, frozen=True, kw_only=True):
    """How often one source alarmed, and its share of all."""

    lift_id: str
    kind: str
    code: str | None
    count: int
    share: float


class Kpis(Struct, frozen=True, kw_only=True):
    """The figures of [since, until). Shares are 0 to 1; None: nothing to measure it by.

    The first seven are OPC UA's: `maximum_active_state_s` and `maximum_unack_s` are the longest times within the period
    that an alert was active, or not acknowledged; the rates are alerts in ten minutes (now, at most, on average);
    `maximum_re_alarm_count` is how often one alert was raised again while it was active. `flood_share` is the share of
    time with more than ten alerts, findings apart, in the ten minutes before, for each operator; `stale` counts what is
    active at the end for more than 24 h, `stale_urgent` what of that has priority 1 or 2; `top_share` is that of the
    ten sources.
    """

    since: datetime
    until: datetime
    name: str
    operators: int
    alarm_count: int
    maximum_active_state_s: float
    maximum_unack_s: float
    current_alarm_rate: float
    maximum_alarm_rate: float
    average_alarm_rate: float
    maximum_re_alarm_count: int
    per_operator_10_min: float
    flood_share: float
    priorities: dict[int, int]
    chattering: list[SourceCount]
    stale: int
    stale_urgent: int
    top_sources: list[SourceCount]
    top_share: float | None
    acknowledge_median_s: float | None
    acknowledge_p95_s: float | None
    unacknowledged: int


class Period(Struct, frozen=True):
    """A day or a shift, as far as it lies in what was asked for."""

    name: str
    since: datetime
    until: datetime


class Shift(Struct, frozen=True):
    """A shift: its name, the hour (UTC) at which it begins each day, and how many operators share it."""

    name: str
    starts_h: int
    operators: int = 1


DEFAULT_SHIFTS = (Shift("night", 0), Shift("early", 8), Shift("late", 16))


def parse_shifts(text: str, operators: int = 1) -> tuple[Shift, ...]:
    """Read shifts as people write them: `night 0, early 8, late 16`, the hours in UTC.

    Raises:
        ValueError: not names with hours, or two that begin at once.
    """
    found = []
    for part in text.split(","):
        name, _, hour = part.strip().rpartition(" ")
        if not name or not hour.isdecimal() or int(hour) >= 24:  # noqa: PLR2004 - hours of a day
            message = f"shifts: not a name and an hour (0 to 23): {part.strip() or 'nothing'}"
            raise ValueError(message)
        found.append(Shift(name.strip(), int(hour), operators))
    if len({shift.starts_h for shift in found}) < len(found):
        message = "shifts: two begin at the same hour"
        raise ValueError(message)
    return tuple(found)


def days(since: datetime, until: datetime) -> list[Period]:
    """Return the days (UTC) of [since, until), the first and the last one cut."""
    found, start = [], datetime.combine(since.date(), time(), since.tzinfo)
    while start < until:
        found.append(Period(start.date().isoformat(), max(start, since), min(start + _DAY, until)))
        start += _DAY
    return found


def shifts(since: datetime, until: datetime, plan: Sequence[Shift]) -> list[Period]:
    """Return the shifts of [since, until), the first and the last one cut; a shift lasts until the next one begins."""
    order = sorted(plan, key=lambda shift: shift.starts_h)
    day = datetime.combine(since.date(), time(), since.tzinfo) - _DAY
    starts: list[tuple[datetime, str]] = []
    while day < until + _DAY:
        starts += [(day + timedelta(hours=shift.starts_h), f"{day.date()} {shift.name}") for shift in order]
        day += _DAY
    return [
        Period(name, max(start, since), min(end, until))
        for (start, name), (end, _) in pairwise(starts)
        if start < until and end > since
    ]


def kpis(alerts: Iterable[CountedAlert], period: Period, operators: int = 1) -> Kpis:
    """Return the figures of a period out of all alerts that were raised before its end and may matter to it.

    Those of the ten minutes before it are needed for what flows into it, and those that still stand from before.
    """
    known = sorted((alert for alert in alerts if alert.received_at < period.until), key=lambda each: each.received_at)
    instants = [alert.received_at for alert in known]
    new = known[bisect_left(instants, period.since) :]
    # Findings come all at once and can wait: as for the alert about a flood, they are none.
    alarms = [alert.received_at for alert in known if alert.kind not in FINDING_KINDS]
    length = period.until - period.since
    windows = length / RATE_WINDOW
    sources = Counter(alert.source for alert in new)
    top = _counts(sources.most_common(TOP_SOURCES), len(new))
    waits = sorted((each.acknowledged_at - each.received_at).total_seconds() for each in new if each.acknowledged_at)
    old = [alert for alert in known if _is_stale(alert, period.until)]
    return Kpis(
        since=period.since,
        until=period.until,
        name=period.name,
        operators=operators,
        alarm_count=len(new),
        maximum_active_state_s=_longest(known, period, "cleared_at"),
        maximum_unack_s=_longest(known, period, "acknowledged_at"),
        current_alarm_rate=float(len(instants) - bisect_left(instants, max(period.since, period.until - RATE_WINDOW))),
        maximum_alarm_rate=float(_busiest(instants, period.since)),
        average_alarm_rate=len(new) / windows,
        maximum_re_alarm_count=max((alert.repeats for alert in new), default=0),
        per_operator_10_min=len(new) / windows / operators,
        flood_share=_flood(alarms, period, FLOOD_ABOVE * operators) / length,
        priorities={priority: sum(alert.priority == priority for alert in new) for priority in (1, 2, 3, 4)},
        chattering=_chattering(new, sources),
        stale=len(old),
        stale_urgent=sum(alert.priority <= 2 for alert in old),  # noqa: PLR2004 - priorities 1 and 2
        top_sources=top,
        top_share=sum(each.share for each in top) if new else None,
        acknowledge_median_s=median(waits) if waits else None,
        acknowledge_p95_s=_percentile(waits, 0.95),
        unacknowledged=len(new) - len(waits),
    )


def _is_stale(alert: CountedAlert, until: datetime) -> bool:
    is_active = alert.cleared_at is None or alert.cleared_at >= until
    return is_active and until - alert.received_at > STALE_AFTER


def _longest(known: Sequence[CountedAlert], period: Period, ended: str) -> float:
    """Return the longest time (s) that something lasted, of what was still going on in the period; until its end."""
    longest = 0.0
    for alert in known:
        end: datetime | None = getattr(alert, ended)
        if end is None or end >= period.since:
            longest = max(longest, (min(end or period.until, period.until) - alert.received_at).total_seconds())
    return longest


def _busiest(instants: Sequence[datetime], since: datetime) -> int:
    """Return the most alerts within any ten minutes that end in the period."""
    first = bisect_left(instants, since)
    return max(
        (place + 1 - bisect_right(instants, instants[place] - RATE_WINDOW) for place in range(first, len(instants))),
        default=0,
    )


def _flood(instants: Sequence[datetime], period: Period, above: int) -> timedelta:
    """Return for how long of the period more than `above` alerts had come in the ten minutes before."""
    total, reached = timedelta(), period.since
    # The flood begins with one alert too many, and lasts until the oldest of so many is ten minutes ago.
    for place in range(above, len(instants)):
        begin = max(instants[place], reached)
        end = min(instants[place - above] + RATE_WINDOW, period.until)
        if end > begin:
            total += end - begin
            reached = end
    return total


def _chattering(new: Sequence[CountedAlert], sources: Counter[tuple[str, str, str | None]]) -> list[SourceCount]:
    """Return the sources that came and went three times within a minute, or were held for it."""
    changes: dict[tuple[str, str, str | None], list[datetime]] = {}
    held = {alert.source for alert in new if alert.chattering}
    for alert in new:
        changes.setdefault(alert.source, []).append(alert.received_at)
        if alert.cleared_at is not None:
            changes[alert.source].append(alert.cleared_at)
    restless = {source for source, instants in changes.items() if _is_restless(sorted(instants))}
    found = sorted(held | restless, key=lambda source: (-sources[source], str(source)))
    return _counts([(source, sources[source]) for source in found], len(new))


def _is_restless(instants: Sequence[datetime]) -> bool:
    last = CHATTER_CHANGES_MIN - 1
    return any(later - earlier <= CHATTER_WINDOW for earlier, later in zip(instants, instants[last:], strict=False))


def _counts(found: Sequence[tuple[tuple[str, str, str | None], int]], of: int) -> list[SourceCount]:
    return [
        SourceCount(lift_id=lift_id, kind=kind, code=code, count=count, share=count / of)
        for (lift_id, kind, code), count in found
    ]


def _percentile(ordered: Sequence[float], share: float) -> float | None:
    """Return the smallest value that at least `share` of them do not exceed."""
    if not ordered:
        return None
    return ordered[max(0, -int(-len(ordered) * share // 1) - 1)]
