"""Fitted models of risk in files: numbers and a description, no code. A foreign or damaged file is refused.

A file is a NumPy archive read without pickle. Beside the arrays it holds a JSON description: version, training window,
scores, the fingerprint of the history that the model was fitted to, and a digest of the arrays.
"""

import contextlib
import hashlib
import io
import os
import zipfile
from pathlib import Path
from typing import Any, NoReturn

import msgspec
import numpy as np
from msgspec import Struct

from analytics.risk_model import HoldOut, HorizonModel, Linear, Trees

VERSION = 5
# This week's model and the next one's.
_PLACES = 2
FILE_BYTES_MAX, UNPACKED_BYTES_MAX = 4 * 1024 * 1024, 16 * 1024 * 1024
_PARTS: dict[str, type[Linear] | type[Trees]] = {
    "logistic": Linear,
    "boosted": Trees,
    "count_linear": Linear,
    "count_boosted": Trees,
}
_NUMBERS = {"intercept", "baseline"}
_WHOLE = {"column", "left", "right", "first"}


class ModelRefusedError(ValueError):
    """A file that holds no model that could be used; the text says why."""


class _Version(Struct, frozen=True):
    version: int


class _Description(_Version, frozen=True, kw_only=True, forbid_unknown_fields=True):
    fingerprint: str
    digest: str
    horizon_days: float
    columns: tuple[str, ...]
    weight: float
    linear_say: float
    rows: int
    trained_from: float
    trained_until: float
    held_out: HoldOut | None


class RiskStore:
    """Two files for each horizon in a folder; the newest of a place replaces the one before."""

    def __init__(self, folder: Path) -> None:
        """Keep files in `folder`; it is made with the first."""
        self._folder = folder

    def save(self, horizon_days: float, model: HorizonModel, fingerprint: str, place: int = 0) -> None:
        """Keep a model in one of two places: whole or not at all.

        Raises:
            OSError: it cannot be written.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._path(horizon_days, place)
        draft = path.with_name(f"{path.name}.{os.getpid()}.new")
        draft.write_bytes(packed(model, fingerprint))
        draft.replace(path)

    def load(self, horizon_days: float, fingerprint: str) -> HorizonModel | None:
        """Return the model that was fitted to a history with this fingerprint; None where none was kept.

        Raises:
            ModelRefusedError: the file is not one of ours, or damaged.
        """
        refused: ModelRefusedError | None = None
        for place in range(_PLACES):
            try:
                found = self._read(self._path(horizon_days, place))
            except ModelRefusedError as error:
                refused = error
                continue
            if found is not None and found[1] == fingerprint and found[0].horizon_days == horizon_days:
                return found[0]
        if refused is not None:
            raise refused
        return None

    def newest(self, horizon_days: float, since: float, until: float) -> HorizonModel | None:
        """Return the kept model whose last label is the newest one in [since, until]; None where there is none.

        What cannot be used is passed over.
        """
        found = []
        for place in range(_PLACES):
            with contextlib.suppress(ModelRefusedError):
                known = self._read(self._path(horizon_days, place))
                if known is not None and known[0].horizon_days == horizon_days:
                    found.append(known[0])
        fitting = [model for model in found if since <= model.trained_until <= until]
        return max(fitting, key=lambda model: model.trained_until, default=None)

    def _read(self, path: Path) -> tuple[HorizonModel, str] | None:
        if not path.is_file():
            return None
        if path.stat().st_size > FILE_BYTES_MAX:
            message = f"{path}: larger than {FILE_BYTES_MAX:,} bytes"
            raise ModelRefusedError(message)
        try:
            return unpacked(path.read_bytes())
        except ModelRefusedError as error:
            message = f"{path}: {error}"
            raise ModelRefusedError(message) from error

    def _path(self, horizon_days: float, place: int) -> Path:
        return self._folder / f"risk-{horizon_days:g}-days{f'-{place}' if place else ''}.npz"


def packed(model: HorizonModel, fingerprint: str) -> bytes:
    """Return a model as the bytes of a file."""
    arrays = {
        f"{part}.{name}": np.asarray(getattr(getattr(model, part), name))
        for part, form in _PARTS.items()
        for name in form.__struct_fields__
    }
    description = _Description(
        version=VERSION,
        fingerprint=fingerprint,
        digest=_digest(arrays),
        horizon_days=model.horizon_days,
        columns=model.columns,
        weight=model.weight,
        linear_say=model.linear_say,
        rows=model.rows,
        trained_from=model.trained_from,
        trained_until=model.trained_until,
        held_out=model.held_out,
    )
    text = np.frombuffer(msgspec.json.encode(description), dtype=np.uint8)
    file = io.BytesIO()
    save: Any = np.savez_compressed  # its keywords are arrays, which its types do not say
    save(file, description=text, **arrays)
    return file.getvalue()


def unpacked(content: bytes) -> tuple[HorizonModel, str]:
    """Return the model that bytes hold, and the fingerprint of the history that it was fitted to.

    Raises:
        ModelRefusedError: they hold none.
    """
    arrays = _arrays(content)
    try:
        text = arrays.pop("description").tobytes()
        version = msgspec.json.decode(text, type=_Version).version
        if version != VERSION:
            message = f"version {version}, this program reads {VERSION}"
            raise ModelRefusedError(message)
        description = msgspec.json.decode(text, type=_Description)
    except (KeyError, msgspec.MsgspecError) as error:
        message = f"no description of a model: {error}"
        raise ModelRefusedError(message) from error
    if description.digest != _digest(arrays):
        message = "damaged: its numbers are not those that were written"
        raise ModelRefusedError(message)
    if description.held_out is None:
        message = "a model that was never scored"
        raise ModelRefusedError(message)
    columns = len(description.columns)
    model = HorizonModel(
        horizon_days=description.horizon_days,
        columns=description.columns,
        logistic=_linear("logistic", arrays, columns),
        boosted=_trees("boosted", arrays, columns),
        count_linear=_linear("count_linear", arrays, columns),
        count_boosted=_trees("count_boosted", arrays, columns),
        weight=description.weight,
        linear_say=description.linear_say,
        rows=description.rows,
        trained_from=description.trained_from,
        trained_until=description.trained_until,
        held_out=description.held_out,
    )
    return model, description.fingerprint


def _arrays(content: bytes) -> dict[str, Any]:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            sizes = sum(info.file_size for info in archive.infolist())
        if sizes <= UNPACKED_BYTES_MAX:
            with np.load(io.BytesIO(content), allow_pickle=False) as file:
                return {name: file[name] for name in file.files}
    except Exception as error:  # a foreign or damaged archive can fail in any of NumPy's and zlib's ways
        message = f"damaged: {error}"
        raise ModelRefusedError(message) from error
    message = f"{sizes:,} bytes unpacked, at most {UNPACKED_BYTES_MAX:,}"
    raise ModelRefusedError(message)


def _digest(arrays: dict[str, Any]) -> str:
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def _linear(name: str, arrays: dict[str, Any], columns: int) -> Linear:
    part = Linear(**_values(name, Linear, arrays))
    return part if _is_linear(part, columns) else _refuse(name, columns)


def _trees(name: str, arrays: dict[str, Any], columns: int) -> Trees:
    part = Trees(**_values(name, Trees, arrays))
    return part if _are_trees(part, columns) else _refuse(name, columns)


def _values(name: str, form: type[Linear] | type[Trees], arrays: dict[str, Any]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for field in form.__struct_fields__:
        array = arrays.get(f"{name}.{field}")
        if array is None or array.dtype.kind not in "if" or not np.isfinite(array).all():
            message = f"{name}.{field}: no numbers"
            raise ModelRefusedError(message)
        values[field] = float(array) if field in _NUMBERS else array.astype(np.int64 if field in _WHOLE else np.float64)
    return values


def _refuse(name: str, columns: int) -> NoReturn:
    message = f"{name}: numbers that make no model of {columns} columns"
    raise ModelRefusedError(message)


def _is_linear(part: Linear, columns: int) -> bool:
    shapes = {part.mean.shape, part.scale.shape, part.weights.shape}
    return shapes == {(columns + 1,)} and bool((part.scale > 0.0).all())


def _are_trees(part: Trees, columns: int) -> bool:
    """Every way down a tree ends: children come after their parent, inside the table."""
    size = part.column.size
    arrays = (part.column, part.threshold, part.left, part.right, part.value)
    if size == 0 or any(array.shape != (size,) for array in arrays) or part.first.size == 0:
        return False
    if part.first[0] != 0 or (np.diff(part.first) <= 0).any() or part.first[-1] >= size:
        return False
    lengths = np.diff([*part.first, size])
    inside = np.arange(size) - np.repeat(part.first, lengths)
    length = np.repeat(lengths, lengths)
    inner = part.left != 0
    ends = all(
        (child[inner] > inside[inner]).all() and (child[inner] < length[inner]).all()
        for child in (part.left, part.right)
    )
    return bool(ends and (part.column >= 0).all() and (part.column < columns + 2).all())
