"""How far a fleet has been published, in a small JSON file that is replaced whole or not at all."""

import os
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

Ms = Annotated[int, Meta(ge=0)]


class ResumeError(ValueError):
    """A resume file that cannot be used; the text says which and why."""


class Progress(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Up to which instant (ms since 1970 UTC) each lift has been published and acknowledged.

    `scripts_ms` are the starts of the scripts that were not over then: their faults still have to be cleared.
    `first_ms` is when the script was started for the first time (None: never): from then on the worn lift counts.
    """

    seed: int
    lifts: int
    until_ms: dict[str, Ms]
    scripts_ms: list[Ms] = []
    first_ms: Ms | None = None


def load(path: Path, seed: int, lifts: int) -> Progress | None:
    """Return what the file says, None where there is no file.

    Raises:
        ResumeError: not such a file, or that of another fleet.
    """
    try:
        progress = msgspec.json.decode(path.read_bytes(), type=Progress)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        message = f"{path}: {error}"
        raise ResumeError(message) from error
    if (progress.seed, progress.lifts) != (seed, lifts):
        message = f"{path}: of seed {progress.seed} with {progress.lifts} lifts, not of seed {seed} with {lifts}"
        raise ResumeError(message)
    return progress


def save(path: Path, progress: Progress) -> None:
    """Replace the file; after a power cut it holds the old words or the new ones, whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f"{path.name}.new")
    with beside.open("wb") as file:
        file.write(msgspec.json.encode(progress))
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
