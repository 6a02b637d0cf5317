from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import UNSET, structs

from ingest.line_protocol import FORMS, lines_of
from ingest.messages import STORED_TYPE, Alarm, Body, DoorCycle, Fault, Kind, Machine, Message, State, tie_break
from ingest.telemetry_store import KEY_NS_MAX, StoreRefusedError, as_stored
from tests.any_message import any_message

T0_MS = 1_767_600_000_000


def plain_line(message: Message) -> str:
    """The same, written field by field."""
    fields = [f"received_ms={message.received_ms}i", f"late={'t' if message.late else 'f'}"]
    if message.body.at is UNSET:
        fields.append("dated=f")
    for name, form in FORMS[message.kind].items():
        value = getattr(message.body, name)
        if value is not None:
            fields.append(f"{name}={plain_field(form, value)}")
    return f"{message.kind.value},lift={message.lift_id} {','.join(fields)} {message.key_ns}"


def plain_field(form: type, value: Any) -> str:
    if form is float:
        return repr(float(value))
    if form is bool:
        return "t" if value else "f"
    if form is int:
        return f"{value:d}i"
    text: str = "\0" + value if value[:1] in ("", "\0") else value
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


@settings(deadline=None, max_examples=50)
@given(st.lists(any_message(), max_size=10))
def test_lines_are_those_that_a_plain_writer_writes(messages: list[Message]) -> None:
    assert sorted(lines_of(messages)) == sorted(plain_line(as_stored(message)) for message in messages)


def line_of(body: Body, *, late: bool = False) -> str:
    kind = next(kind for kind, form in STORED_TYPE.items() if form is type(body))
    [line] = lines_of([Message("A-1", kind, T0_MS, T0_MS + 9, body, late)])
    return line


def test_a_door_cycle_reads_as_the_protocol_asks() -> None:
    door = DoorCycle(at=T0_MS, seq=7, boot='b"1', floor=-2, opening_ms=2011.5, closing_ms=2300.0, peak_current_a=1e-05)

    assert line_of(door) == (
        r'door,lift=A-1 received_ms=1767600000009i,late=f,seq=7i,boot="b\"1",floor=-2i,door="front"'
        f",opening_ms=2011.5,closing_ms=2300.0,reversals=0i,peak_current_a=1e-05 {T0_MS * 1_000_000 + tie_break(door)}"
    )


def test_a_last_will_says_that_it_has_no_instant() -> None:
    assert line_of(State(seq=3, moving=True, connected=False), late=True) == (
        "state,lift=A-1 received_ms=1767600000009i,late=t,dated=f,seq=3i,moving=t,connected=f 1767600000000000003"
    )


def test_an_empty_text_is_told_apart_from_none() -> None:
    assert line_of(Fault(at=T0_MS, seq=1, code="entrapment", phase="raised", text="")) == (
        'fault,lift=A-1 received_ms=1767600000009i,late=f,seq=1i,code="entrapment",phase="raised",text="\0"'
        " 1767600000000000001"
    )


def test_marks_in_a_lift_id_are_escaped() -> None:
    alarm = Alarm(at=T0_MS, seq=1, type="test")

    [line] = lines_of([Message("a b,c=d", Kind.ALARM, T0_MS, T0_MS, alarm)])

    assert line.startswith(r"alarm,lift=a\ b\,c\=d received_ms=")


@pytest.mark.parametrize("number", [0.0, -0.0, 1e-7, 1e15, 123456789.123456789, 0.1 + 0.2, 5e-324])
def test_a_float_is_written_as_python_writes_it(number: float) -> None:
    machine = Machine(at=T0_MS, seq=1, motor_c=number, vibration_mg=2.0)

    [line] = lines_of([Message("A-1", Kind.MACHINE, T0_MS, T0_MS, machine)])

    assert f",motor_c={number!r},vibration_mg=2.0 " in line


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_what_is_no_number_is_written_so_that_the_store_refuses_it_and_does_not_vanish(number: float) -> None:
    machine = Machine(at=T0_MS, seq=1, motor_c=number)

    [line] = lines_of([Message("A-1", Kind.MACHINE, T0_MS, T0_MS, machine)])

    assert ",motor_c=null " in line


@pytest.mark.parametrize("seq", [None, 5])
def test_an_instant_that_no_store_can_hold_is_refused(seq: int | None) -> None:
    message = Message("A-1", Kind.STATE, T0_MS, T0_MS, State(at=T0_MS, seq=seq))

    with pytest.raises(StoreRefusedError, match="outside the years"):
        lines_of([message, structs.replace(message, measured_ms=KEY_NS_MAX // 1_000_000 + 1)])
