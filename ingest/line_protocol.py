"""Messages as InfluxDB's line protocol: a measurement for each kind, a tag `lift`, a field for each value.

The hot path of a fleet that writes into InfluxDB. A function for each kind is compiled from the contract when this is
imported, so that no field is looked up, and no form of a field asked for, while messages are written. What costs most
then is `repr` of a float (0.25 us); msgspec writes the floats of all messages at once, in a fifth of that.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache

import msgspec
from msgspec import UNSET

from ingest.messages import STORED_TYPE, SUB_MS_DIGITS, Kind, Message, boot_digits, readings_of
from ingest.telemetry_store import KEY_NS_MAX, KEY_NS_MIN, Scalar, storable_key_ns

LIFTS_CACHED = 20_000
# Boots, codes, modes and directions come again and again; none is longer than 128 characters, so 10 MB at the most.
TEXTS_CACHED = 20_000

# `seq` and `boot` are written before the readings.
FORMS: dict[Kind, dict[str, type[Scalar]]] = {kind: {"seq": int, "boot": str, **readings_of(kind)} for kind in Kind}

# What stands behind the `=` of a field, inside an f-string. A float has been written before.
_AS_TEXT = {int: "{%s}i", float: "{%s_text}", bool: "{'t' if %s else 'f'}", str: "{_text(%s)}"}
_ENCODER = msgspec.json.Encoder()


def lines_of(messages: Sequence[Message]) -> list[str]:
    """Return each message as one point of line protocol, without a line end, kind by kind.

    Raises:
        StoreRefusedError: one of them was measured at an instant that no store can hold.
    """
    by_kind: dict[Kind, list[Message]] = {}
    for message in messages:
        by_kind.setdefault(message.kind, []).append(message)
    return [line for kind, some in by_kind.items() for line in _LINES_OF[kind](some)]


def _float_texts(rows: list[tuple[float | None, ...]]) -> list[list[str]]:
    """Return the floats of each row as Python writes them."""
    text = _ENCODER.encode(rows)[2:-2].decode()
    if "e" in text or "0.0000" in text:  # very small and large ones msgspec and Python write in two ways
        return [[repr(None if value is None else float(value)) for value in row] for row in rows]
    return [row.split(",") for row in text.split("],[")]


@lru_cache(maxsize=LIFTS_CACHED)
def _tag(lift_id: str) -> str:
    for mark in (",", "=", " "):
        lift_id = lift_id.replace(mark, f"\\{mark}")
    return lift_id


def _quoted(text: str) -> str:
    # CSV cannot tell an empty text from none. An empty one gets a NUL before it, and so does one that begins with NUL.
    if not text or text.startswith("\0"):
        text = "\0" + text
    text = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'


_text = lru_cache(maxsize=TEXTS_CACHED)(_quoted)


def _source(kind: Kind) -> str:
    """Return the Python of a function that writes messages of `kind`.

    Where there is a `seq` it makes `Message.key_ns` itself, without a call.
    """
    floats = [name for name, form in FORMS[kind].items() if form is float]
    row = "".join(f"message.body.{name}, " for name in floats)
    texts = "".join(f"{name}_text, " for name in floats)
    optional = _optional(kind)
    values = [f" {name} = body.{name}" for name in FORMS[kind] if name in optional or name not in floats]
    options = [
        f' {name}_field = "" if {name} is None else f"{_field(name, form)}"'
        for name, form in FORMS[kind].items()
        if name in optional
    ]
    fields = (f"{{{name}_field}}" if name in optional else _field(name, form) for name, form in FORMS[kind].items())
    head = f"{kind.value},lift={{_tag(message.lift_id)}} received_ms={{message.received_ms}}i"
    marks = ",late={'t' if message.late else 'f'}{',dated=f' if body.at is UNSET else ''}"
    loop = f"for message, ({texts}) in zip(messages, _float_texts([({row}) for message in messages])):"
    return "\n ".join(
        [
            "def lines(messages):",
            "written = []",
            loop if floats else "for message in messages:",
            " body = message.body",
            *values,
            " if seq is None: key_ns = storable_key_ns(message)",
            " else:",
            f"  key_ns = message.measured_ms * {SUB_MS_DIGITS} + (boot_digits(boot) + seq) % {SUB_MS_DIGITS}",
            f"  if not {KEY_NS_MIN} <= key_ns < {KEY_NS_MAX}: storable_key_ns(message)",
            *options,
            f' written.append(f"{head}{marks}{"".join(fields)} {{key_ns}}")',
            "return written",
        ]
    )


def _field(name: str, form: type[Scalar]) -> str:
    # What somebody has written in a language: long, and seldom the same twice.
    value = "{_quoted(text)}" if name == "text" else _AS_TEXT[form] % name
    return f",{name}={value}"


def _optional(kind: Kind) -> set[str]:
    """Return the fields of a kind that may be None."""
    return {field.name for field in msgspec.structs.fields(STORED_TYPE[kind]) if field.default is None}


def _compiled(kind: Kind) -> Callable[[list[Message]], list[str]]:
    names = {
        "boot_digits": boot_digits,
        "storable_key_ns": storable_key_ns,
        "_float_texts": _float_texts,
        "_tag": _tag,
        "_text": _text,
        "_quoted": _quoted,
        "UNSET": UNSET,
    }
    exec(_source(kind), names)  # noqa: S102 - written above from the names of the contract, never from input
    lines: Callable[[list[Message]], list[str]] = names["lines"]  # type: ignore[assignment]
    return lines


_LINES_OF = {kind: _compiled(kind) for kind in Kind}
