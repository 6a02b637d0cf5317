"""The wire contract against payloads written by hand, so that simulator and ingest cannot agree on the same mistake."""

from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest import wire
from ingest.clock import to_ms
from ingest.messages import (
    WIRE_TYPE,
    Alarm,
    Body,
    Counters,
    DoorCycle,
    FaultReport,
    Kind,
    Levelling,
    Machine,
    State,
    Trip,
    readings_of,
)
from ingest.wire import Reason

ACCEPTED = Path(__file__).parents[2] / "data" / "wire" / "accepted"
AT = datetime(2026, 3, 2, 0, 15, 30, 250_000, tzinfo=UTC)


def at(second: int) -> datetime:
    return datetime(2026, 3, 2, 0, 15, second, tzinfo=UTC)


GOLDEN: dict[str, tuple[Kind, list[Body]]] = {
    "door": (
        Kind.DOOR,
        [
            DoorCycle(
                at=AT,
                seq=41,
                boot="b7",
                floor=-1,
                door="rear",
                opening_ms=2210,
                dwell_ms=4100.5,
                closing_ms=2980,
                reversals=2,
                peak_current_a=3.4,
                nudging=False,
            )
        ],
    ),
    "door_least": (Kind.DOOR, [DoorCycle(at=to_ms(AT), floor=0, opening_ms=0, closing_ms=600_000)]),
    "trip": (
        Kind.TRIP,
        [
            Trip(
                at=to_ms(AT),
                seq=42,
                boot="b7",
                from_floor=0,
                to_floor=7,
                duration_ms=18_400,
                distance_mm=21_000,
                load_pct=37.5,
                max_speed_mm_s=1_600,
            ),
            Trip(
                at=datetime(2026, 3, 2, 0, 16, tzinfo=UTC),
                seq=43,
                boot="b7",
                from_floor=7,
                to_floor=0,
                duration_ms=18_650,
            ),
        ],
    ),
    "levelling": (
        Kind.LEVELLING,
        [Levelling(at=at(31), seq=44, floor=7, direction="up", error_mm=-6.5, relevelled=True, load_pct=12)],
    ),
    "fault": (
        Kind.FAULT,
        [
            FaultReport(
                at=at(32),
                seq=45,
                code="entrapment",
                phase="raised",
                fault_id="F-9",
                floor=3,
                in_door_zone=False,
                passengers=True,
                text='停梯困人 "door"\nline two',
            )
        ],
    ),
    "fault_controller_code": (Kind.FAULT, [FaultReport(at=at(32), seq=46, code="E02", phase="cleared")]),
    "state": (
        Kind.STATE,
        [
            State(
                at=at(33),
                seq=47,
                boot="b7",
                service_mode="firefighter-control",
                moving=True,
                direction="down",
                floor=2,
                door="safety-locked",
                in_door_zone=True,
                passengers=False,
                power=True,
                connected=True,
            )
        ],
    ),
    "state_last_will": (Kind.STATE, [State(connected=False)]),
    "alarm": (Kind.ALARM, [Alarm(at=at(34), seq=48, type="test", voice_ok=True, battery_ok=False)]),
    "machine": (
        Kind.MACHINE,
        [
            Machine(
                at=at(35),
                seq=49,
                machine_room_c=31.5,
                motor_c=58,
                brake_release_ms=210,
                brake_apply_ms=140,
                vibration_mg=18.2,
            )
        ],
    ),
    "counters": (
        Kind.COUNTERS,
        [Counters(at=at(36), seq=50, trips_total=812_345, door_cycles_total=1_023_456, running_h_total=5321.5)],
    ),
    "counters_unknown_fields": (Kind.COUNTERS, [Counters(at=at(36), seq=51, trips_total=812_346)]),
}


def test_every_golden_payload_has_its_expectation() -> None:
    assert {path.stem for path in ACCEPTED.iterdir()} == set(GOLDEN)


def test_every_field_of_every_kind_stands_in_a_golden_payload() -> None:
    for kind in Kind:
        text = " ".join(path.read_text() for path in ACCEPTED.glob(f"{kind.value}*.json"))
        missing = [name for name in readings_of(kind) if name != "controller_code" and f'"{name}"' not in text]
        assert missing == [], kind


@pytest.mark.parametrize("name", sorted(GOLDEN))
def test_a_golden_payload_means_what_was_written_down(name: str) -> None:
    kind, expected = GOLDEN[name]
    decoded = wire.decode(kind, (ACCEPTED / f"{name}.json").read_bytes())
    assert decoded.refusals == []
    assert [msgspec.structs.asdict(body) for body in decoded.bodies] == [
        msgspec.structs.asdict(body) for body in expected
    ]


def test_unknown_fields_are_ignored_and_counted() -> None:
    decoded = wire.decode(Kind.COUNTERS, (ACCEPTED / "counters_unknown_fields.json").read_bytes())
    assert decoded.unknown_fields == 2


@pytest.mark.parametrize(
    ("kind", "payload", "reason"),
    [
        (Kind.DOOR, b"", Reason.NOT_JSON),
        (Kind.DOOR, b"\xff\xfe", Reason.NOT_JSON),
        (Kind.DOOR, b'{"at": 1, "floor": 1, "opening_ms": NaN, "closing_ms": 1}', Reason.NOT_JSON),
        (Kind.DOOR, b'{"at": 1, "floor": 1, "opening_ms": 1', Reason.NOT_JSON),
        (Kind.FAULT, b'{"at": 1, "code": "\xff", "phase": "raised"}', Reason.NOT_JSON),
        (Kind.FAULT, b'{"at": 1, "\xff": 0, "code": "entrapment", "phase": "raised"}', Reason.NOT_JSON),
        (Kind.FAULT, b'{"at": 1, "code": "entrapment", "phase": "raised", "text": "\\ud800"}', Reason.NOT_JSON),
        (Kind.DOOR, b"[" * 50_000, Reason.NOT_JSON),
        (Kind.DOOR, b"null", Reason.WRONG_TYPE),
        (Kind.DOOR, b"[]", Reason.WRONG_TYPE),
        (Kind.DOOR, b"[1]", Reason.WRONG_TYPE),
        (Kind.DOOR, b'"garbage"', Reason.WRONG_TYPE),
        (Kind.DOOR, b'{"at": 1, "floor": "1", "opening_ms": 1, "closing_ms": 1}', Reason.WRONG_TYPE),
        (Kind.DOOR, b'{"at": 1, "floor": 1, "opening_ms": 1}', Reason.WRONG_TYPE),
        (Kind.DOOR, b'{"at": 1, "floor": 1, "door": "left", "opening_ms": 1, "closing_ms": 1}', Reason.WRONG_TYPE),
        (Kind.DOOR, b'{"at": 1, "floor": 1, "opening_ms": -1, "closing_ms": 1}', Reason.IMPLAUSIBLE),
        (Kind.DOOR, b'{"at": 1, "floor": 1, "opening_ms": 1e999, "closing_ms": 1}', Reason.IMPLAUSIBLE),
        (Kind.DOOR, b'{"at": 1, "x": 0, "floor": 1, "opening_ms": -1, "closing_ms": 1}', Reason.IMPLAUSIBLE),
        (Kind.LEVELLING, b'{"at": 1, "floor": 1, "error_mm": 5000}', Reason.IMPLAUSIBLE),
        (Kind.FAULT, b'{"at": 1, "code": "entrapment\\n", "phase": "raised"}', Reason.IMPLAUSIBLE),
        (Kind.FAULT, b'{"at": 1, "boot": "b\\n", "code": "entrapment", "phase": "raised"}', Reason.IMPLAUSIBLE),
        (Kind.TRIP, b'{"at": 1, "from_floor": 1, "to_floor": 999, "duration_ms": 1}', Reason.IMPLAUSIBLE),
        (
            Kind.TRIP,
            b'{"at": "2026-03-02T00:15:36", "from_floor": 1, "to_floor": 9, "duration_ms": 1}',
            Reason.IMPLAUSIBLE,
        ),
        (Kind.FAULT, b'{"at": 1, "code": "", "phase": "raised"}', Reason.IMPLAUSIBLE),
        (Kind.FAULT, b'{"at": 1, "code": "entrapment", "phase": "begun"}', Reason.WRONG_TYPE),
        (Kind.STATE, b"[" + b",".join([b"{}"] * 501) + b"]", Reason.TOO_MANY),
        (Kind.STATE, b"[" + b",".join([b'{"x":1}'] * 501) + b"]", Reason.TOO_MANY),
        (Kind.STATE, b" " * (256 * 1024 + 1), Reason.TOO_LARGE),
    ],
)
def test_what_does_not_fit_is_refused_with_its_reason(kind: Kind, payload: bytes, reason: Reason) -> None:
    decoded = wire.decode(kind, payload)
    assert decoded.bodies == []
    assert [refusal.reason for refusal in decoded.refusals] == [reason]
    assert decoded.refusals[0].content == payload or payload.startswith(b"[")


def test_one_object_that_does_not_fit_costs_none_of_its_neighbours() -> None:
    payload = b'[{"at": 1, "type": "test"}, {"at": 2}, {"at": 3, "type": "end", "new": 1}]'
    decoded = wire.decode(Kind.ALARM, payload)
    assert [body.at for body in decoded.bodies] == [1, 3]
    assert [refusal.content for refusal in decoded.refusals] == [b'{"at": 2}']
    assert decoded.unknown_fields == 1


def test_each_object_has_its_own_bytes_as_they_came() -> None:
    whole = b'{ "at": 1, "type": "test" }'
    assert wire.contents_of(whole, wire.decode(Kind.ALARM, whole)) == [whole]
    for array in (
        b'[{"type": "test",  "at": 1}, {"at":2, "type":"end"}]',
        b'[{"type": "test",  "at": 1}, {"at": 9}, {"at":2, "type":"end"}]',
    ):
        expected = [b'{"type": "test",  "at": 1}', b'{"at":2, "type":"end"}']
        assert wire.contents_of(array, wire.decode(Kind.ALARM, array)) == expected
    unknown = b'[{"new": [1, 2],"at": 1, "type": "test"}]'
    assert wire.contents_of(unknown, wire.decode(Kind.ALARM, unknown)) == [unknown[1:-1]]


@given(st.binary(max_size=100) | st.sampled_from([path.read_bytes() for path in sorted(ACCEPTED.iterdir())]), st.data())
def test_the_bytes_of_an_object_mean_that_object(payload: bytes, data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(list(Kind)))
    decoded = wire.decode(kind, payload)
    contents = wire.contents_of(payload, decoded) if decoded.bodies else []
    assert [wire.decode(kind, content).bodies for content in contents] == [[body] for body in decoded.bodies]


@pytest.mark.parametrize(
    ("content", "numbers"),
    [
        (b'{"seq": 7, "boot": "b1", "at": "never", "floor": {}}', [("b1", 7)]),
        (b'{"seq": 7}', [(None, 7)]),
        (b'[{"seq": 7}, {"boot": "b1"}, 5, {"seq": 8, "boot": "b1"}]', [(None, 7), ("b1", 8)]),
        (b'{"seq": -1}', []),
        (b'{"seq": "7"}', []),
        (b'{"seq": 7, "boot": 3}', []),
        (b'{"seq": 7, "boot": "\xff"}', []),
        (b'{"seq": 7', []),
        (b"", []),
        (b"[" * 50_000, []),
        (b'{"seq": 7, "x": "' + b"x" * 300_000 + b'"}', []),
    ],
)
def test_the_number_of_an_object_is_read_where_it_can_be(content: bytes, numbers: list[tuple[str | None, int]]) -> None:
    assert wire.numbers_in(content) == numbers


@given(st.binary(max_size=200))
def test_looking_for_numbers_raises_for_no_bytes_whatever(content: bytes) -> None:
    wire.numbers_in(content)


def test_five_hundred_objects_are_taken() -> None:
    decoded = wire.decode(Kind.STATE, b"[" + b",".join([b'{"at":1}'] * 500) + b"]")
    assert len(decoded.bodies) == 500


@given(st.binary(max_size=200), st.sampled_from(list(Kind)))
def test_no_bytes_whatever_raise(payload: bytes, kind: Kind) -> None:
    decoded = wire.decode(kind, payload)
    assert len(decoded.bodies) + len(decoded.refusals) >= 1


@given(st.sampled_from(list(Kind)), st.data())
def test_what_is_encoded_is_decoded_again(kind: Kind, data: st.DataObject) -> None:
    golden = [body for name, (of, bodies) in sorted(GOLDEN.items()) if of is kind for body in bodies]
    bodies = data.draw(st.lists(st.sampled_from(golden), min_size=1, max_size=5))
    assert wire.decode(kind, wire.encode(bodies)).bodies == bodies


@pytest.mark.parametrize(
    ("topic", "expected"),
    [
        ("lifts/v1/L-7_a/door", ("L-7_a", Kind.DOOR)),
        ("lifts/v1/L7/horn", Reason.UNKNOWN_KIND),
        ("lifts/v1/L7", Reason.UNKNOWN_TOPIC),
        ("lifts/v1/L7/door/more", Reason.UNKNOWN_TOPIC),
        ("lifts/v1/L 7/door", Reason.UNKNOWN_TOPIC),
        ("lifts/v1/" + "L" * 65 + "/door", Reason.UNKNOWN_TOPIC),
        ("lifts/v1/L7/door\n", Reason.UNKNOWN_TOPIC),
        ("lifts/v2/L7/door", Reason.UNKNOWN_TOPIC),
    ],
)
def test_a_topic_names_lift_and_kind_or_is_refused(topic: str, expected: object) -> None:
    assert wire.parse_topic(topic) == expected


def test_every_kind_has_a_topic_of_its_own() -> None:
    assert [wire.parse_topic(wire.topic_of("L1", kind)) for kind in WIRE_TYPE] == [("L1", kind) for kind in Kind]
