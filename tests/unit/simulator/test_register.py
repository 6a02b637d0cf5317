import csv
from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from ingest.faults import CANONICAL
from ingest.fleet import Visit, VisitKind
from simulator.fleet import LiftSpec, make_fleet
from simulator.register import lifts, visits, write_register

NOW = datetime(2026, 3, 2, 8, 30, tzinfo=UTC)
TODAY = NOW.date()
SEEDS = (1, 2, 7)
# The columns of the history files as users know them.
LIFT_COLUMNS = (
    "lift_id,site_id,site_name,maker,model,drive,floors,commissioned_on,observed_from,observed_to,regime,"
    "certificate_expires_on,contractor,team"
)
VISIT_COLUMNS = "lift_id,kind,done_at,cause_code,work_order,outcome"


@pytest.fixture(params=SEEDS)
def fleet(request: pytest.FixtureRequest) -> list[LiftSpec]:
    return make_fleet(request.param, 30)


def by_lift(made: list[Visit], kind: VisitKind) -> dict[str, list[Visit]]:
    found: dict[str, list[Visit]] = defaultdict(list)
    for visit in made:
        if visit.kind is kind:
            found[visit.lift_id].append(visit)
    return found


def test_the_files_have_the_columns_and_instants_of_the_history_files(tmp_path: Path) -> None:
    fleet = make_fleet(1, 30)
    write_register(tmp_path / "register", fleet, NOW)
    assert (tmp_path / "register" / "lifts.csv").read_text().splitlines()[0] == LIFT_COLUMNS
    assert (tmp_path / "register" / "visits.csv").read_text().splitlines()[0] == VISIT_COLUMNS
    with (tmp_path / "register" / "lifts.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["lift_id"] for row in rows] == [spec.lift_id for spec in fleet]
    assert all(date.fromisoformat(row["certificate_expires_on"]) > date(2026, 2, 1) for row in rows)
    assert {row["regime"] for row in rows} == {"CN-2012"}
    with (tmp_path / "register" / "visits.csv").open(newline="") as file:
        instants = [datetime.fromisoformat(row["done_at"]) for row in csv.DictReader(file)]
    assert all(instant.utcoffset() == timedelta(0) for instant in instants)


def test_a_lift_that_reports_a_history_was_observed_in_it(tmp_path: Path) -> None:
    write_register(tmp_path, make_fleet(1, 3), NOW, history_days=21)
    with (tmp_path / "lifts.csv").open(newline="") as file:
        assert {row["observed_from"] for row in csv.DictReader(file)} == {(TODAY - timedelta(days=21)).isoformat()}


def test_the_same_day_gives_the_same_files(tmp_path: Path) -> None:
    for name in ("first", "again"):
        write_register(tmp_path / name, make_fleet(1, 30), NOW)
    for file in ("lifts.csv", "visits.csv"):
        assert (tmp_path / "first" / file).read_bytes() == (tmp_path / "again" / file).read_bytes()


def test_a_few_certificates_expire_within_a_month_and_one_has_expired(fleet: list[LiftSpec]) -> None:
    left = [(lift.certificate_expires_on - TODAY).days for lift in lifts(fleet, NOW) if lift.certificate_expires_on]
    assert len(left) == 30
    assert sum(days < 0 for days in left) == 1
    assert 2 <= sum(0 <= days <= 31 for days in left) <= 4
    assert all(days <= 400 for days in left)


def test_a_few_lifts_are_overdue_and_the_others_were_visited_within_fifteen_days(fleet: list[LiftSpec]) -> None:
    maintained = by_lift(visits(fleet, NOW), VisitKind.MAINTENANCE)
    assert set(maintained) == {spec.lift_id for spec in fleet}
    overdue = [lift_id for lift_id, made in maintained.items() if (NOW - made[-1].done_at).days > 15]
    neglected = {spec.lift_id for spec in fleet if spec.troubled}
    assert 2 <= len(set(overdue) - neglected) <= 4


def test_maintenance_comes_about_every_fourteen_days(fleet: list[LiftSpec]) -> None:
    kept = {spec.lift_id for spec in fleet if not spec.troubled}
    for lift_id, made in by_lift(visits(fleet, NOW), VisitKind.MAINTENANCE).items():
        gaps = [after.done_at - before.done_at for before, after in pairwise(made)]
        assert all(timedelta(days=13) < gap < timedelta(days=15) for gap in gaps) or lift_id not in kept


def test_some_causes_were_repaired_twice_within_thirty_days(fleet: list[LiftSpec]) -> None:
    repaired = by_lift(visits(fleet, NOW), VisitKind.REPAIR)
    repeats = [
        lift_id
        for lift_id, made in repaired.items()
        for before, after in pairwise(made)
        if before.cause_code == after.cause_code and after.done_at - before.done_at <= timedelta(days=30)
    ]
    assert set(repeats) & {spec.lift_id for spec in fleet if spec.troubled}
    assert all(visit.cause_code in CANONICAL for made in repaired.values() for visit in made)


def test_nobody_has_been_there_yet_who_comes_later(fleet: list[LiftSpec]) -> None:
    made = visits(fleet, NOW)
    assert all(visit.done_at <= NOW for visit in made)
    assert made == sorted(made, key=lambda visit: visit.done_at)


def test_a_week_later_the_same_visits_stand_and_a_week_more(fleet: list[LiftSpec]) -> None:
    today, later = visits(fleet, NOW), visits(fleet, NOW + timedelta(days=7))
    since = NOW - timedelta(days=100)
    before = {str(visit) for visit in today if visit.done_at > since}
    assert before <= set(map(str, later))
    assert any(visit.done_at > NOW for visit in later)


def test_a_fleet_of_one_has_a_register_too() -> None:
    fleet = make_fleet(3, 1)
    assert len(lifts(fleet, NOW)) == 1
    assert visits(fleet, NOW)
