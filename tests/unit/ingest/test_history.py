import gzip
import shutil
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from sqlalchemy.engine import Engine

from ingest.fleet import Inspection, InspectionOutcome, Lift, Outage, OutageKind, Visit, VisitKind
from ingest.fleet_register import FleetRegister
from ingest.history import PROBLEMS_MAX, HistoryError, ImportReport, import_history
from ingest.intake import Intake, IntakeLimits
from ingest.ledger import Ledger
from ingest.messages import Kind, Message
from ingest.quarantine import Quarantine
from ingest.telemetry_store import MemoryTelemetryStore

SMALL = Path(__file__).parents[2] / "data" / "history" / "small"
NOW = datetime(2024, 6, 1, tzinfo=UTC)
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
HEADER = "lift_id,kind,code,raised_at,cleared_at\n"


class Importer:
    """A register, a store and a quarantine that histories are taken into, and a folder to write them in."""

    def __init__(self, engine: Engine, folder: Path) -> None:
        self.register = FleetRegister(engine)
        self.store = MemoryTelemetryStore()
        self.quarantine = Quarantine(engine)
        self.ledger = Ledger(engine)
        self.folder = folder

    def take(self, folder: Path | None = None, now: datetime = NOW) -> ImportReport:
        intake = Intake({}, IntakeLimits(age_max_ms=None))
        return import_history(
            folder or self.folder, self.register, self.store, intake, self.quarantine, now, self.ledger
        )

    def write(self, **files: str) -> None:
        """Write files by the first part of their names; one lift is registered where no lifts are given."""
        endings = {"lifts": "csv", "faults": "csv", "visits": "csv", "messages": "ndjson"}
        for name, text in {"lifts": "lift_id\nL1\n", **files}.items():
            (self.folder / f"{name}.{endings[name]}").write_text(text, encoding="utf-8")

    def lift(self, lift_id: str) -> Lift:
        found = self.register.find(lift_id)
        assert found is not None
        return found.lift

    def outages(self) -> list[Outage]:
        return self.register.outages(LONG_AGO, NOW + timedelta(days=1000))

    def visits(self) -> list[Visit]:
        return [item.visit for item in self.register.visits(NOW + timedelta(days=1000))]

    def messages(self) -> list[Message]:
        end = datetime(2100, 1, 1, tzinfo=UTC)
        lifts = [item.lift.lift_id for item in self.register.lifts()]
        return [m for lift_id in lifts for kind in Kind for m in self.store.messages(lift_id, kind, LONG_AGO, end)]


@pytest.fixture
def importer(sqlite_engine: Engine, tmp_path: Path) -> Importer:
    folder = tmp_path / "history"
    folder.mkdir()
    return Importer(sqlite_engine, folder)


def reasons(report: ImportReport) -> list[tuple[str, int, str]]:
    return [(problem.file, problem.line, problem.reason) for problem in report.problems]


def test_a_history_is_taken_in_whole(importer: Importer) -> None:
    report = importer.take(SMALL)
    assert reasons(report) == []
    assert report.counts == {
        "lifts": 3,
        "outages": 6,
        "outages_new": 6,
        "visits": 3,
        "visits_new": 3,
        "messages": 4,
        "messages_refused": 0,
        "unknown_fields": 1,
    }
    assert report.regimes == {"CN-2012", "Atlantis-1900"}
    assert report.summary() == (
        "3 lifts, 6 outages (6 new), 3 visits (3 new), 4 messages (0 refused); lines with problems: 0"
    )


def test_lifts_are_registered_as_they_are_written(importer: Importer) -> None:
    importer.take(SMALL)
    assert importer.lift("H001") == Lift(
        lift_id="H001",
        site_id="S1",
        site_name="North hall, rear",
        maker="Example Lifts Ltd",
        floors=6,
        commissioned_on=date(2001, 5, 14),
        observed_from=date(2024, 1, 1),
        regime="CN-2012",
        certificate_expires_on=date(2024, 3, 20),
        team="A",
    )
    assert importer.lift("H003") == Lift(lift_id="H003", site_id="S2", site_name="Süd")


def test_instants_are_read_with_their_offset_and_dates_as_their_first_instant(importer: Importer) -> None:
    importer.take(SMALL)
    raised = [(item.kind, item.code, item.raised_at, item.cleared_at) for item in importer.outages()[1:4]]
    day = datetime(2024, 2, 3, tzinfo=UTC)
    door, breakdown = "door-closing-fault", OutageKind.BREAKDOWN
    assert raised == [
        (breakdown, door, day, day + timedelta(minutes=90)),
        (OutageKind.PLANNED, None, day + timedelta(days=1), day + timedelta(days=2)),
        (breakdown, door, day + timedelta(days=3, seconds=-0.5), None),
    ]


def test_visits_are_recorded_as_they_are_written(importer: Importer) -> None:
    importer.take(SMALL)
    assert importer.visits()[1] == Visit(
        lift_id="H001",
        kind=VisitKind.REPAIR,
        done_at=datetime(2024, 2, 2, 10, tzinfo=UTC),
        cause_code="door-closing-fault",
        work_order="WO-1",
        outcome="door shoe replaced",
    )


def test_messages_come_through_intake_and_are_old_news(importer: Importer) -> None:
    importer.take(SMALL)
    kinds = [(message.lift_id, message.kind, message.late, message.received_at) for message in importer.messages()]
    assert kinds == [
        ("H001", Kind.TRIP, True, NOW),
        ("H001", Kind.FAULT, True, NOW),
        ("H001", Kind.FAULT, True, NOW),
        ("H002", Kind.ALARM, True, NOW),
    ]


def test_a_message_of_this_very_minute_is_old_news_too(importer: Importer) -> None:
    importer.take(SMALL, now=datetime(2024, 2, 1, 8, 31, tzinfo=UTC))
    assert {message.late for message in importer.messages()} == {True}


def test_taking_a_history_in_twice_changes_nothing(importer: Importer) -> None:
    importer.take(SMALL)
    before = importer.register.lifts(), importer.outages(), importer.visits(), importer.messages()
    report = importer.take(SMALL, now=NOW + timedelta(days=1))
    assert (importer.register.lifts(), importer.outages(), importer.visits(), importer.messages()) == before
    assert (report.counts["outages"], report.counts["outages_new"], report.counts["visits_new"]) == (6, 0, 0)


def test_the_numbers_of_a_history_count_in_the_ledger(importer: Importer) -> None:
    good = '{{"topic": "lifts/v1/L1/counters", "payload": {{"at": 1700000000000, "seq": {}, "boot": "b"}}}}\n'
    importer.write(messages="".join(good.format(seq) for seq in (1, 2, 4)))
    for times in (1, 2):
        importer.take()
        (boot,) = importer.ledger.of("L1").boots
        assert (boot.stored, boot.gaps, boot.duplicates) == (3, [(3, 3)], 3 * (times - 1))
    assert importer.ledger.open_gaps(NOW + timedelta(days=30), timedelta(hours=1)) == []


def test_a_folder_without_lifts_is_no_history(importer: Importer) -> None:
    with pytest.raises(HistoryError, match=r"no lifts\.csv"):
        importer.take()


def test_every_file_but_the_lifts_may_be_missing(importer: Importer) -> None:
    importer.write()
    assert importer.take().counts["lifts"] == 1


def test_what_the_file_leaves_open_stays_as_it_is_registered(importer: Importer) -> None:
    known = Lift(lift_id="L1", site_id="S1", site_name="North", profile="example-vf200", floors=4, team="A")
    importer.register.register([known], NOW)
    importer.write(lifts="lift_id,floors,team,site_name\nL1,5,,\n")
    importer.take()
    assert importer.lift("L1") == msgspec.structs.replace(known, floors=5)


def test_a_certificate_from_an_inspection_outlives_an_older_file(importer: Importer) -> None:
    importer.write(lifts="lift_id,certificate_expires_on\nL1,2024-03-20\n")
    importer.take()
    passed, renewed = InspectionOutcome.PASSED, date(2025, 3, 20)
    inspection = Inspection(
        lift_id="L1", done_on=date(2024, 3, 1), outcome=passed, certificate_expires_on=renewed, report="R"
    )
    importer.register.add_inspections([inspection])
    importer.take()
    assert importer.lift("L1").certificate_expires_on == renewed


def test_a_lift_named_twice_keeps_its_first_line_and_says_so(importer: Importer) -> None:
    importer.write(lifts="lift_id,floors\nL1,4\nL2,5\nL1,6\n")
    report = importer.take()
    assert reasons(report) == [("lifts.csv", 4, "L1: named before in this file")]
    assert importer.lift("L1").floors == 4


def test_lines_of_unknown_lifts_are_problems_and_the_others_go_on(importer: Importer) -> None:
    importer.write(
        faults=HEADER + "L9,breakdown,,2024-01-01,\nL1,breakdown,,2024-01-02,\n",
        visits="lift_id,kind,done_at\nL9,repair,2024-01-01\nL1,repair,2024-01-02\n",
    )
    report = importer.take()
    assert reasons(report) == [("faults.csv", 2, "L9: not registered"), ("visits.csv", 2, "L9: not registered")]
    assert (len(importer.outages()), len(importer.visits())) == (1, 1)


def test_what_lies_in_the_future_has_not_happened(importer: Importer) -> None:
    importer.write(
        faults=HEADER + "L1,breakdown,,2024-06-01T00:10:01Z,\nL1,breakdown,,2024-06-01T00:10:00Z,\n",
        visits="lift_id,kind,done_at\nL1,maintenance,2042-01-01\n",
    )
    report = importer.take()
    assert [(problem.file, problem.line) for problem in report.problems] == [("faults.csv", 2), ("visits.csv", 2)]
    assert {problem.reason.partition(": ")[2] for problem in report.problems} == {"in the future"}


def test_a_lift_that_the_register_knows_need_not_stand_in_the_file(importer: Importer) -> None:
    importer.register.register([Lift(lift_id="L7")], NOW)
    importer.write(faults=HEADER + "L7,breakdown,,2024-01-01,\n")
    assert reasons(importer.take()) == []


def test_problems_are_counted_and_the_first_of_them_kept(importer: Importer) -> None:
    importer.write(faults=HEADER + "L9,breakdown,,2024-01-01,\n" * 250)
    report = importer.take()
    assert (report.problem_count, len(report.problems)) == (250, PROBLEMS_MAX)
    assert report.problems[-1].line == 101


def test_a_long_file_is_written_in_batches_without_losing_a_line(importer: Importer) -> None:
    lines = [f"L1,breakdown,,{NOW - timedelta(minutes=number):%Y-%m-%dT%H:%M:%SZ},\n" for number in range(10_001)]
    importer.write(faults=HEADER + "".join(lines))
    report = importer.take()
    assert (report.counts["outages_new"], len(importer.outages())) == (10_001, 10_001)


def line(topic: str, **payload: object) -> str:
    return msgspec.json.encode({"topic": topic, "payload": payload}).decode() + "\n"


def test_refused_messages_go_to_quarantine_with_their_reason(importer: Importer) -> None:
    importer.write(
        messages=line("lifts/v1/L9/alarm", at="2024-01-01T00:00:00Z", type="test")
        + line("lifts/v1/L1/alarm", at="2024-06-01T01:00:00Z", type="test")
        + line("elsewhere", at=1)
        + line("lifts/v1/L1/alarm", at="2024-01-01T00:00:00Z", type="test")
    )
    report = importer.take()
    assert (report.counts["messages"], report.counts["messages_refused"]) == (1, 3)
    rows = importer.quarantine.list(limit=10)
    assert {row.reason for row in rows} == {"unknown-lift", "from-the-future", "unknown-topic"}
    assert reasons(report) == []


def test_a_last_will_without_an_instant_cannot_be_placed_in_a_history(importer: Importer) -> None:
    importer.write(messages=line("lifts/v1/L1/state", connected=False))
    report = importer.take()
    (row,) = importer.quarantine.list(limit=10)
    assert (row.reason, row.payload) == ("no-instant", b'{"connected":false}')
    assert (importer.messages(), report.counts["messages_refused"]) == ([], 1)


@pytest.mark.parametrize("at", ["1500-01-01T00:00:00Z", -8 * 10**15])
def test_a_message_from_before_any_store_can_count_costs_none_of_the_others(importer: Importer, at: str | int) -> None:
    topic = "lifts/v1/L1/alarm"
    importer.write(messages=line(topic, at=at, type="test") + line(topic, at=5, type="test"))
    assert importer.take().counts["messages"] == 1
    assert [row.reason for row in importer.quarantine.list(limit=10)] == ["too-old"]


def test_many_messages_and_refusals_are_written_in_batches_without_losing_one(importer: Importer) -> None:
    good = [{"at": number, "type": "test"} for number in range(500)]
    arrays = [msgspec.json.encode({"topic": "lifts/v1/L1/alarm", "payload": good[n:] + good[:n]}) for n in range(11)]
    bad = [line("lifts/v1/L1/alarm", at=number, type="loud") for number in range(205)]
    importer.write(messages=b"\n".join(arrays).decode() + "\n" + "".join(bad))
    report = importer.take()
    assert (report.counts["messages"], report.counts["messages_refused"]) == (5_500, 205)
    assert (len(importer.messages()), len(importer.quarantine.list(limit=1_000))) == (500, 205)


def test_gzipped_messages_are_read_too(importer: Importer) -> None:
    shutil.copy(SMALL / "lifts.csv", importer.folder)
    packed = gzip.compress((SMALL / "messages.ndjson").read_bytes())
    (importer.folder / "messages.ndjson.gz").write_bytes(packed)
    assert importer.take().counts["messages"] == 4


def test_damaged_compression_is_a_problem_and_what_stood_before_it_is_taken(importer: Importer) -> None:
    importer.write()
    many = "".join(line("lifts/v1/L1/alarm", at=number, type="test") for number in range(20_000)).encode()
    packed = gzip.compress(many)
    (importer.folder / "messages.ndjson.gz").write_bytes(packed[: len(packed) // 2])
    report = importer.take()
    (problem,) = report.problems
    assert "damaged from here on" in problem.reason
    assert report.counts["messages"] == problem.line - 1 > 0
