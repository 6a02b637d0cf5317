"""Chance without surprise: numbers that depend on nothing but the words given, in any process.

Only uniform numbers are taken from a generator, and only sums and products are made of them where a message is made:
what `numpy` promises not to change, and what every processor rounds alike.
"""

from hashlib import blake2b
from random import Random
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

BELL_COLUMNS = 4
_BELL_SCALE = 3.0**0.5
_KEY_BITS, _WORD = 128, 2**64 - 1
# One generator that is set anew for each table: it costs a third of making one. The state is that of a new generator,
# all but the key.
_PHILOX = np.random.Philox(key=0)
_STATE: Any = _PHILOX.state
_GENERATOR = np.random.Generator(_PHILOX)


def seeded(seed: int, *what: object) -> Random:
    """Return a generator that depends on nothing but the words given (text is hashed with SHA-512, never `hash()`)."""
    return Random("/".join(map(str, (seed, *what))))  # noqa: S311 - a simulation, not a secret


def fraction(seed: int, *what: object) -> float:
    """Return one number in [0, 1) that belongs to the words given."""
    return (_key(seed, *what) >> _KEY_BITS - 53) * 2.0**-53


def uniforms(seed: int, *what: object, rows: int, columns: int) -> Floats:
    """Return a table of numbers in [0, 1), shape (columns, rows), that belong to the words given."""
    key = _key(seed, *what)
    _STATE["state"]["key"][:] = key & _WORD, key >> 64
    _PHILOX.state = _STATE
    return _GENERATOR.random((columns, rows))


def _key(seed: int, *what: object) -> int:
    words = "/".join(map(str, (seed, *what))).encode()
    return int.from_bytes(blake2b(words, digest_size=_KEY_BITS // 8).digest(), "little")


def bell(four: Floats) -> Floats:
    """Return values of mean 0 and deviation 1 from four uniform ones; none beyond 3.5: sensors have no tails."""
    values: Floats = (four[0] + four[1] + four[2] + four[3] - 2.0) * _BELL_SCALE
    return values


def whole(column: Floats) -> Ints:
    """Return whole numbers, rounded to the nearest."""
    return np.rint(column).astype(np.int64)
