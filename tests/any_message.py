"""Whatever the contract allows: strategies made from the declarations of its fields."""

from datetime import timedelta, timezone
from typing import Any

import msgspec
from hypothesis import strategies as st
from msgspec import UNSET, structs

from ingest.clock import from_ms
from ingest.messages import STORED_TYPE, Body, Kind, Message

MS_MIN, MS_MAX = -(2**43), 2**43


def any_value(info: msgspec.inspect.Type) -> st.SearchStrategy[Any]:  # noqa: PLR0911 - one for each form of a field
    """Return what a field may hold, from its declaration in the contract."""
    match info:
        case msgspec.inspect.UnionType(types=types):
            return st.one_of(*(any_value(one) for one in types))
        case msgspec.inspect.NoneType():
            return st.none()
        case msgspec.inspect.BoolType():
            return st.booleans()
        case msgspec.inspect.IntType(ge=low, le=high):
            return st.integers(low, high)
        case msgspec.inspect.FloatType(ge=low, le=high):
            return st.floats(low, high)
        case msgspec.inspect.LiteralType(values=values):
            return st.sampled_from(values)
        case msgspec.inspect.StrType(pattern=str(pattern), min_length=int(low), max_length=int(high)):
            matching: st.SearchStrategy[str] = st.from_regex(pattern, fullmatch=True)
            lengths = range(low, high + 1)
            return matching.filter(lambda text: len(text) in lengths)
        case msgspec.inspect.StrType(max_length=high):
            return st.text(st.characters(codec="utf-8"), max_size=min(high or 60, 60))
    raise NotImplementedError(info)


def any_body(kind: Kind) -> st.SearchStrategy[Body]:
    """Return bodies of a kind, without an instant."""
    described = msgspec.inspect.type_info(STORED_TYPE[kind])
    assert isinstance(described, msgspec.inspect.StructType)
    fields = {field.name: any_value(field.type) for field in described.fields if field.name != "at"}
    return st.builds(STORED_TYPE[kind], **fields)


@st.composite
def any_message(draw: st.DrawFn) -> Message:
    """Return a message of any kind, its instant in milliseconds, as an aware datetime, or left out."""
    kind = draw(st.sampled_from(Kind))
    ms = draw(st.integers(MS_MIN, MS_MAX))
    zone = timezone(timedelta(minutes=draw(st.integers(-840, 840))))
    at = draw(st.sampled_from([ms, from_ms(ms).astimezone(zone), UNSET]))
    body = structs.replace(draw(any_body(kind)), at=at)
    return Message(
        draw(st.sampled_from(["A-1", "b_2", "0"])), kind, ms, draw(st.integers(0, MS_MAX)), body, draw(st.booleans())
    )
