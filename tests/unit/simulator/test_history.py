import csv
import gzip
import hashlib
import os
import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import msgspec
import pytest

from ingest.clock import to_ms
from ingest.fleet import Lift, Outage, Visit
from ingest.history_files import LIFTS, OUTAGES, VISITS, HistoryProblem, Table, read_messages, read_table
from simulator.fleet import make_fleet
from simulator.history import HistoryFiles, Span
from simulator.living import life_of
from simulator.traffic import DAY_MS
from simulator.truth import Truth, TruthError

ROOT = Path(__file__).parent.parent.parent.parent
END_MS = to_ms(datetime(2026, 3, 2, tzinfo=UTC))
DAYS = 60
SPAN = Span(END_MS - DAYS * DAY_MS, END_MS)
FLEET = make_fleet(5, 6, traffic=0.05)
T = TypeVar("T", Lift, Outage, Visit)
TRUTH_FILES = {"failures.csv", "wear.csv", "conditions.csv", "visits.csv", "sent.csv", "disturbed.csv"}


def nobody(_text: str) -> None: ...


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    history, truth = tmp_path_factory.mktemp("history"), tmp_path_factory.mktemp("truth")
    written = Truth(truth, history)
    HistoryFiles(history, FLEET, SPAN).write(written, zipped=False, say=nobody)
    written.close()
    return history, truth


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def read(folder: Path, table: Table[T]) -> list[T]:
    found = []
    for row in read_table(folder / table.file, table):
        assert not isinstance(row, HistoryProblem), row
        found.append(row.value)
    return found


def test_the_service_reads_every_line_of_the_files(folders: tuple[Path, Path]) -> None:
    history, _ = folders
    assert [lift.lift_id for lift in read(history, LIFTS)] == [spec.lift_id for spec in FLEET]
    assert read(history, VISITS)
    read(history, OUTAGES)
    lines = list(read_messages(history / "messages.ndjson"))
    assert not any(isinstance(line, HistoryProblem) for line in lines)


def test_the_lifts_are_observed_for_the_days_that_were_written(folders: tuple[Path, Path]) -> None:
    for lift in read(folders[0], LIFTS):
        assert (str(lift.observed_from), str(lift.observed_to)) == ("2026-01-01", "2026-03-01")


def test_every_failure_that_stopped_a_lift_stands_in_the_history_without_its_cause(folders: tuple[Path, Path]) -> None:
    history, truth = folders
    outages = {(row["lift_id"], row["raised_at"], row["code"]) for row in rows(history / "faults.csv")}
    failures = [row for row in rows(truth / "failures.csv") if row["stops"] == "1"]
    assert failures
    assert {(row["lift_id"], row["failed_at"], row["code"]) for row in failures} <= outages
    assert "cause" not in rows(history / "faults.csv")[0]


def test_the_truth_counts_every_message_that_was_sent(folders: tuple[Path, Path]) -> None:
    history, truth = folders
    sent: Counter[tuple[str, str]] = Counter()
    for line in read_messages(history / "messages.ndjson"):
        assert not isinstance(line, HistoryProblem)
        lift_id = line.value.topic.split("/")[2]
        sent.update((lift_id, body["boot"]) for body in msgspec.json.decode(line.value.content))
    counted = {(row["lift_id"], row["boot"]): int(row["messages"]) for row in rows(truth / "sent.csv")}
    assert counted == dict(sent)
    for row in rows(truth / "sent.csv"):
        assert int(row["last_seq"]) - int(row["first_seq"]) + 1 == int(row["messages"])


def test_the_hidden_condition_is_written_for_each_day_that_a_part_is_worn(folders: tuple[Path, Path]) -> None:
    _, truth = folders
    assert {path.name for path in truth.iterdir()} == TRUTH_FILES
    conditions = rows(truth / "conditions.csv")
    worn = {(row["lift_id"], row["mechanism"]) for row in rows(truth / "wear.csv")}
    assert {(row["lift_id"], row["mechanism"]) for row in conditions} <= worn
    assert all(0 <= float(row["severity"]) <= 1 for row in conditions)
    troubled = next(spec for spec in FLEET if spec.troubled)
    days = [row["day"] for row in conditions if row["lift_id"] == troubled.lift_id and row["floor"]]
    assert len(days) >= DAYS


@pytest.mark.parametrize("inside", [".", "truth", "../history"])
def test_the_truth_is_never_written_where_the_history_is_read(tmp_path: Path, inside: str) -> None:
    history = tmp_path / "history"
    with pytest.raises(TruthError, match="apart"):
        Truth(history / inside, history)
    with pytest.raises(TruthError, match="apart"):
        Truth(tmp_path, history)


def test_no_room_of_the_service_knows_the_files_of_the_truth() -> None:
    names = {name for name in TRUTH_FILES if name != "visits.csv"}
    for room in ("ingest", "analytics", "alerts", "api"):
        for path in (ROOT / room).rglob("*.py"):
            text = path.read_text()
            assert not any(name in text for name in names), path


def digest(folder: Path) -> str:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return hashlib.sha256(b"".join(path.name.encode() + path.read_bytes() for path in files)).hexdigest()


@pytest.mark.parametrize("zipped", [False, True])
def test_the_same_seed_gives_the_same_bytes_in_every_process(tmp_path: Path, zipped: bool) -> None:
    digests = set()
    for number, hash_seed in enumerate(("0", "1234")):
        folder = tmp_path / str(number)
        command = [sys.executable, "-m", "simulator", "--files", str(folder / "h"), "--truth", str(folder / "t")]
        command += ["--lifts", "4", "--seed", "5", "--traffic", "0.05", "--history-days", "9"]
        command += ["--start", "2026-03-02T00:00:00Z", *(["--zipped"] if zipped else [])]
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
        subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True)
        digests.add(digest(folder))
    assert len(digests) == 1


def test_a_zipped_history_holds_the_same_lines(tmp_path: Path, folders: tuple[Path, Path]) -> None:
    HistoryFiles(tmp_path, FLEET, SPAN).write(None, zipped=True, say=nobody)
    plain = (folders[0] / "messages.ndjson").read_bytes()
    assert gzip.decompress((tmp_path / "messages.ndjson.gz").read_bytes()) == plain


def test_a_longer_history_holds_the_shorter_one() -> None:
    for spec in FLEET:
        short, long = life_of(spec, END_MS), life_of(spec, END_MS + 800 * DAY_MS)
        assert [each for each in long.periods if each.raised_ms < END_MS] == [
            each for each in short.periods if each.raised_ms < END_MS
        ]
        assert [each for each in long.wears if each.since_ms < END_MS and each.ended_by != "nobody"] == [
            each for each in short.wears if each.since_ms < END_MS and each.ended_by != "nobody"
        ]
