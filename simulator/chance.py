"""Chance without surprise: numbers that depend on nothing but the words given, on any machine and in any process.

Only uniform numbers are taken from a generator, and only sums and products are made of them where a message is made:
what `numpy` promises not to change, and what every processor rounds alike.
"""

from hashlib import blake2b
from random import Random

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

BELL_COLUMNS = 4
_BELL_SCALE = 3.0**0.5


def seeded(seed: int, *what: object) -> Random:
    """Return a generator that depends on nothing but the words given (text is hashed with SHA-512, never `hash()`)."""
    return Random("/".join(map(str, (seed, *what))))  # noqa: S311 - a simulation, not a secret


def uniforms(seed: int, *what: object, rows: int, columns: int) -> Floats:
    """Return a table of numbers in [0, 1), shape (columns, rows), that belong to the words given."""
    words = "/".join(map(str, (seed, *what))).encode()
    key = int.from_bytes(blake2b(words, digest_size=16).digest(), "little")
    return np.random.Generator(np.random.PCG64(key)).random((columns, rows))


def bell(four: Floats) -> Floats:
    """Return values of mean 0 and deviation 1 from four uniform ones; none beyond 3.5: sensors have no tails."""
    values: Floats = (four[0] + four[1] + four[2] + four[3] - 2.0) * _BELL_SCALE
    return values


def whole(column: Floats) -> Ints:
    """Return whole numbers, rounded to the nearest."""
    return np.rint(column).astype(np.int64)
