from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest import wire
from ingest.fleet import Outage, OutageKind
from ingest.history_files import (
    LIFTS,
    LINE_BYTES_MAX,
    OUTAGES,
    VISITS,
    HistoryProblem,
    MessageLine,
    Row,
    read_messages,
    read_table,
)
from ingest.messages import Kind

HEADER = "lift_id,kind,code,raised_at,cleared_at\n"


def outages_in(path: Path, text: str | bytes) -> list[Row[Outage] | HistoryProblem]:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return list(read_table(path, OUTAGES))


def problem_in(path: Path, text: str | bytes) -> HistoryProblem:
    (problem,) = outages_in(path, text)
    assert isinstance(problem, HistoryProblem)
    return problem


def test_a_file_that_is_not_gzip_is_a_problem(tmp_path: Path) -> None:
    path = tmp_path / "messages.ndjson.gz"
    path.write_bytes(b'{"topic": "a", "payload": {}}\n')
    (problem,) = read_messages(path)
    assert isinstance(problem, HistoryProblem)
    assert (problem.line, problem.file) == (1, "messages.ndjson.gz")


@pytest.mark.parametrize("text", ["nonsense", '{"topic": 5, "payload": {}}', '{"topic": "a"}', "[]", '{"topic": "a", '])
def test_a_line_that_is_no_mqtt_message_is_a_problem_of_its_own(tmp_path: Path, text: str) -> None:
    path = tmp_path / "messages.ndjson"
    path.write_text(text + '\n\n{"topic": "t", "payload": {}}\n')
    bad, good = read_messages(path)
    assert isinstance(bad, HistoryProblem)
    assert isinstance(good, Row)
    assert (bad.line, good.line, good.value.content) == (1, 3, b"{}")


def test_nesting_without_end_is_a_problem(tmp_path: Path) -> None:
    path = tmp_path / "messages.ndjson"
    path.write_text('{"topic": "t", "payload": ' + "[" * 200_000)
    (problem,) = read_messages(path)
    assert isinstance(problem, HistoryProblem)


def test_a_payload_that_is_text_holds_the_bytes_of_the_message() -> None:
    raw = msgspec.json.decode(b'{"topic": "t", "payload": "not json \\u00e9"}', type=MessageLine)
    assert raw.content == "not json é".encode()


def test_a_line_too_long_is_left_out_and_the_next_one_read(tmp_path: Path) -> None:
    path = tmp_path / "messages.ndjson"
    long = b'{"topic": "t", "payload": "' + b"x" * (2 * LINE_BYTES_MAX) + b'"}\n'
    path.write_bytes(long + b'{"topic": "t", "payload": 1}\n')
    bad, good = read_messages(path)
    assert bad == HistoryProblem("messages.ndjson", 1, f"longer than {LINE_BYTES_MAX} bytes")
    assert isinstance(good, Row)
    assert good.line == 2


def test_the_largest_payload_of_the_contract_fits_into_a_line() -> None:
    topic = wire.topic_of("L" * 64, Kind.COUNTERS)
    largest = msgspec.json.encode({"topic": topic, "payload": "\x00" * wire.PAYLOAD_BYTES_MAX})
    assert len(largest) < LINE_BYTES_MAX


@pytest.mark.parametrize(
    ("text", "number", "reason"),
    [
        ("", 1, "no header"),
        ("\n\n", 1, "no header"),
        ("lift_id,code\nL1,x\n", 1, "there is no column kind, raised_at; nothing of this file was read"),
        (HEADER.replace("code", "kind"), 1, "more than one column kind; nothing of this file was read"),
        (HEADER + "L1,breakdown,x\n", 2, "3 cells, the header has 5"),
        (HEADER + "L1,breakdown,,2024-01-01,,\n", 2, "6 cells, the header has 5"),
        (HEADER + ",breakdown,,2024-01-01,\n", 2, "Object missing required field `lift_id`"),
        (HEADER + "L1,strange,,2024-01-01,\n", 2, "Invalid enum value 'strange' - at `$.kind`"),
        (HEADER + "L1,breakdown,,2024-13-01,\n", 2, "raised_at: Invalid RFC3339 encoded date"),
        (HEADER + "L1,breakdown,,1704067200,\n", 2, "raised_at: Invalid RFC3339 encoded date"),
        (HEADER + "L1,breakdown,,2024-01-01T00:00:00Z,soon\n", 2, "cleared_at: Invalid RFC3339 encoded datetime"),
        (HEADER + "L1,breakdown,,2024-01-02,2024-01-01\n", 2, "cleared_at: before raised_at"),
        (HEADER + "L1,breakdown,a\x00b,2024-01-02,\n", 2, "holds a NUL character"),
    ],
)
def test_what_is_wrong_with_a_line_is_said_with_its_number(tmp_path: Path, text: str, number: int, reason: str) -> None:
    assert problem_in(tmp_path / "faults.csv", text) == HistoryProblem("faults.csv", number, reason)


@pytest.mark.parametrize(
    "cell",
    ["2024-01-01T00:00:00", "0001-01-01T00:00:00+14:00", "2024-02-30T00:00:00Z", "20240101", "yesterday"],
)
def test_an_instant_without_offset_or_outside_the_calendar_is_refused(tmp_path: Path, cell: str) -> None:
    assert problem_in(tmp_path / "faults.csv", HEADER + f"L1,breakdown,,{cell},\n").reason.startswith("raised_at: ")


def test_a_lift_id_that_mqtt_could_not_carry_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "lifts.csv"
    path.write_text("lift_id,floors\nL 1,4\nL2,many\nL3,0\nL4,4\n")
    rows = list(read_table(path, LIFTS))
    assert [isinstance(row, HistoryProblem) for row in rows] == [True, True, True, False]
    assert "floors: invalid literal" in str(rows[1])


def test_a_line_that_is_not_utf_8_costs_only_itself(tmp_path: Path) -> None:
    text = HEADER.encode() + b"L1,breakdown,T\xfcr,2024-01-01,\nL1,breakdown,,2024-01-02,\n"
    bad, good = outages_in(tmp_path / "faults.csv", text)
    assert isinstance(bad, HistoryProblem)
    assert (bad.line, bad.reason.startswith("is not UTF-8")) == (2, True)
    assert isinstance(good, Row)


def test_a_byte_order_mark_and_windows_line_ends_are_no_matter(tmp_path: Path) -> None:
    text = b"\xef\xbb\xbf" + (HEADER + "L1 , breakdown,,2024-01-01,\n").replace("\n", "\r\n").encode()
    (row,) = outages_in(tmp_path / "faults.csv", text)
    assert isinstance(row, Row)
    assert (row.value.lift_id, row.value.kind) == ("L1", OutageKind.BREAKDOWN)


def test_columns_that_nobody_reads_are_named_once(tmp_path: Path) -> None:
    text = "colour,lift_id,kind,raised_at,size\nred,L1,breakdown,2024-01-01,\n,L1,other,2024-01-02,\n"
    first, *others = outages_in(tmp_path / "faults.csv", text)
    assert first == HistoryProblem("faults.csv", 1, "columns that are not read: colour, size")
    assert [isinstance(row, Row) for row in others] == [True, True]


def test_a_quoted_cell_may_hold_commas_and_line_ends(tmp_path: Path) -> None:
    path = tmp_path / "visits.csv"
    path.write_text('lift_id,kind,done_at,outcome\nL1,repair,2024-01-01,"door, then\n""shoe"""\nL1,repair,x,\n')
    good, bad = read_table(path, VISITS)
    assert isinstance(good, Row)
    assert (good.line, good.value.outcome) == (2, 'door, then\n"shoe"')
    assert isinstance(bad, HistoryProblem)
    assert bad.line == 4


def test_a_quote_that_never_ends_is_a_problem_that_tells_how_far_it_went(tmp_path: Path) -> None:
    problem = problem_in(tmp_path / "faults.csv", HEADER + '"L1,breakdown,,2024-01-01,\nL1,breakdown,,2024-01-02,\n')
    assert (problem.line, problem.reason) == (2, "unexpected end of data (read until line 3)")


def test_a_csv_line_too_long_is_left_out_and_the_next_one_read(tmp_path: Path) -> None:
    text = HEADER + "x" * (LINE_BYTES_MAX + 5) + "\nL1,breakdown,,2024-01-02,\n"
    bad, good = outages_in(tmp_path / "faults.csv", text)
    assert bad == HistoryProblem("faults.csv", 2, f"longer than {LINE_BYTES_MAX} bytes")
    assert isinstance(good, Row)
    assert good.line == 3


@given(junk=st.binary(max_size=300))
def test_no_bytes_break_the_reader_of_tables(tmp_path_factory: pytest.TempPathFactory, junk: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "junk.csv"
    path.write_bytes(HEADER.encode() + junk)
    for row in read_table(path, OUTAGES):
        assert isinstance(row, Row | HistoryProblem)
        assert 2 <= (row.line) <= 2 + junk.count(b"\n")


@given(junk=st.binary(max_size=300), packed=st.booleans())
def test_no_bytes_break_the_reader_of_messages(
    tmp_path_factory: pytest.TempPathFactory, junk: bytes, packed: bool
) -> None:
    path = tmp_path_factory.getbasetemp() / ("junk.ndjson.gz" if packed else "junk.ndjson")
    path.write_bytes(junk)
    for row in read_messages(path):
        assert isinstance(row, Row | HistoryProblem)
