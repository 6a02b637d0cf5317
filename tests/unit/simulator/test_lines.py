from datetime import date, timedelta

import msgspec
import pytest

from ingest.messages import WIRE_TYPE, Body, Kind
from ingest.wire import OBJECTS_MAX, PAYLOAD_BYTES_MAX, parse_topic
from simulator.fleet import HYDRAULIC, LiftSpec, make_fleet
from simulator.lift import LiftDay, messages
from simulator.lines import DayLines
from simulator.traffic import DAY_MS, HOUR_MS, day_start_ms

FLEET = make_fleet(7, 400)
MONDAY = date(2026, 3, 2)
START_MS = day_start_ms(MONDAY)
SPECS = [
    FLEET[0],
    next(spec for spec in FLEET if spec.drive == HYDRAULIC),
    next(spec for spec in FLEET if spec.troubled),
]


def said_by_lines(lines: DayLines) -> dict[Kind, list[Body]]:
    found: dict[Kind, list[Body]] = {}
    for line in lines.lines():
        record = msgspec.json.decode(line)
        parsed = parse_topic(record["topic"])
        assert isinstance(parsed, tuple)
        kind = parsed[1]
        form: type[Body] = WIRE_TYPE[kind]
        found.setdefault(kind, []).extend(msgspec.convert(body, form) for body in record["payload"])
        assert len(record["payload"]) <= OBJECTS_MAX
        assert len(line) < PAYLOAD_BYTES_MAX
    return found


def days_of(spec: LiftSpec, count: int) -> list[LiftDay]:
    return [LiftDay(spec, MONDAY + timedelta(days=number)) for number in range(count)]


@pytest.mark.parametrize("spec", SPECS)
def test_what_is_printed_by_the_column_says_what_is_said_one_by_one(spec: LiftSpec) -> None:
    printed = said_by_lines(DayLines(days_of(spec, 3), 0, "0000b001", []))
    expected: dict[Kind, list[Body]] = {}
    for seq, message in enumerate(messages(spec, START_MS, START_MS + 3 * DAY_MS)):
        numbered = msgspec.structs.replace(message.body, seq=seq, boot="0000b001")
        expected.setdefault(message.kind, []).append(numbered)
    for kind, bodies in expected.items():
        assert sorted(printed[kind], key=lambda body: body.seq or 0) == bodies, kind
    assert printed.keys() == expected.keys()


def test_numbers_begin_again_with_each_start_of_the_controller() -> None:
    noon_ms = START_MS + 12 * HOUR_MS
    lines = DayLines(days_of(FLEET[0], 1), 100, "0000b001", [(noon_ms, "0000b002")])
    bodies = sorted((body for of_kind in said_by_lines(lines).values() for body in of_kind), key=lambda body: body.at)  # type: ignore[arg-type,return-value]
    before = [body.seq for body in bodies if body.boot == "0000b001"]
    after = [body.seq for body in bodies if body.boot == "0000b002"]
    assert before == list(range(100, 100 + len(before)))
    assert after == list(range(len(after)))
    assert lines.runs() == [("0000b001", 100, 99 + len(before)), ("0000b002", 0, len(after) - 1)]
    assert all((body.boot == "0000b002") is (body.at >= noon_ms) for body in bodies if isinstance(body.at, int))


def test_no_line_holds_a_blank_where_no_text_has_one() -> None:
    for line in DayLines(days_of(SPECS[2], 1), 0, "0000b001", []).lines():
        assert b" " not in line
        assert line.endswith(b"]}\n")
