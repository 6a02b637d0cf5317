"""What the owner of the fleet knows of it: `lifts.csv` and `visits.csv`, as `liftwatch import` reads them.

Visits follow a calendar that does not move: written again a week later, the files hold the same visits and a week
more. Repairs follow the faults that the lifts report.
"""

import csv
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

from msgspec import Struct, structs

from ingest.clock import from_ms, to_ms
from ingest.fleet import Lift, Visit, VisitKind
from simulator.chance import seeded
from simulator.fleet import LiftSpec
from simulator.living import life_of
from simulator.people import Presence
from simulator.traffic import DAY_MS

REGIME = "CN-2012"
VISITS_FOR_DAYS = 120
# Of 30 lifts 3 are overdue, 3 have a certificate that expires within a month, and one runs on an expired one.
_SPECIAL_SHARE = 0.1
_OVERDUE_DAYS = (17, 26)
_EXPIRING_DAYS = (4, 28)
_EXPIRED_DAYS = 9
_MONTH_DAYS = 32
# The profile is the service's to choose, and these lifts speak canonical codes.
_NOT_TOLD = {"site_address", "profile", "gateway_id", "silence_s_max", "alarm_tests"}
LIFT_COLUMNS = tuple(name for name in Lift.__struct_fields__ if name not in _NOT_TOLD)


def write_register(folder: Path, fleet: Sequence[LiftSpec], now: datetime, history_days: float = 0) -> None:
    """Write `lifts.csv` and `visits.csv` of the fleet, as its owner would at `now`, into `folder`.

    With `history_days` the lifts were observed for so long: a lift that reports no fault in them did run.
    """
    folder.mkdir(parents=True, exist_ok=True)
    since = (now - timedelta(days=history_days)).date() if history_days else None
    observed = [structs.replace(lift, observed_from=since) for lift in lifts(fleet, now)]
    write_table(folder / "lifts.csv", LIFT_COLUMNS, observed)
    write_table(folder / "visits.csv", Visit.__struct_fields__, visits(fleet, now))


def lifts(fleet: Sequence[LiftSpec], now: datetime) -> list[Lift]:
    """Return the fleet as it is registered on the day of `now`."""
    expired, expiring = _specials(fleet, "certificate", 1), _specials(fleet, "certificate")
    return [
        Lift(
            lift_id=spec.lift_id,
            site_id=spec.site_id,
            site_name=spec.site_name,
            maker=spec.maker,
            model=spec.model,
            drive=spec.drive,
            floors=spec.floors,
            commissioned_on=spec.commissioned_on,
            regime=REGIME,
            certificate_expires_on=_certificate(spec, now.date(), spec.lift_id in expired, spec.lift_id in expiring),
            contractor=spec.contractor,
            team=spec.team,
        )
        for spec in fleet
    ]


def visits(fleet: Sequence[LiftSpec], now: datetime) -> list[Visit]:
    """Return the visits of the last months before `now`, in the order in which they were done."""
    overdue = _specials(fleet, "overdue")
    made = [visit for spec in fleet for visit in _visits(spec, now, overdue=spec.lift_id in overdue)]
    return sorted(made, key=lambda visit: (visit.done_at, visit.lift_id))


def _specials(fleet: Sequence[LiftSpec], what: str, count: int | None = None) -> set[str]:
    """Return a few lifts, the same each time; with `count`, the first ones of those."""
    few = max(1, round(len(fleet) * _SPECIAL_SHARE)) + 1
    lift_ids = [spec.lift_id for spec in fleet]
    chosen = seeded(fleet[0].seed, what).sample(lift_ids, min(few, len(lift_ids)))
    return set(chosen[:count])


def _certificate(spec: LiftSpec, today: date, expired: bool, expiring: bool) -> date:  # noqa: FBT001 - two facts of a lift
    if expired:
        return today - timedelta(days=_EXPIRED_DAYS)
    if expiring:
        return today + timedelta(days=spec.random("certificate").randint(*_EXPIRING_DAYS))
    return _next_anniversary(spec.commissioned_on, today + timedelta(days=_MONTH_DAYS))


def _next_anniversary(of: date, after: date) -> date:
    """Return the first anniversary later than `after`: a certificate is renewed before its last month begins."""
    day = min(of.day, 28)
    this_year = date(after.year, of.month, day)
    return this_year if this_year > after else date(after.year + 1, of.month, day)


def _visits(spec: LiftSpec, now: datetime, *, overdue: bool) -> Iterator[Visit]:
    quiet_days = spec.random("overdue").randint(*_OVERDUE_DAYS) if overdue else 0
    quiet_ms = to_ms(datetime.combine(now.date() - timedelta(days=quiet_days - 1), time(), UTC))
    now_ms = to_ms(now)
    for presence in life_of(spec, now_ms).presences:
        is_new = now_ms - VISITS_FOR_DAYS * DAY_MS < presence.end_ms <= now_ms
        if is_new and not (presence.kind == VisitKind.MAINTENANCE and quiet_days and presence.begin_ms >= quiet_ms):
            yield visit_of(spec.lift_id, presence)


def visit_of(lift_id: str, presence: Presence) -> Visit:
    """Return a visit as it is written down: with the cause that the technician named, true or not."""
    return Visit(
        lift_id=lift_id,
        kind=VisitKind(presence.kind),
        done_at=from_ms(presence.end_ms),
        cause_code=presence.cause_code,
        outcome=presence.outcome,
    )


def write_table(path: Path, columns: Sequence[str], rows: Iterable[Struct]) -> None:
    """Write a CSV file of a history: RFC 3339 instants, nothing where nothing is known."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        for row in rows:
            values = structs.asdict(row)
            writer.writerow([_cell(values[column]) for column in columns])


def _cell(value: Any) -> str:  # noqa: ANN401 - any value of the register
    if value is None:
        return ""
    return value.isoformat() if isinstance(value, date) else str(value)
