"""Daily values of many channels of many lifts, side by side: what drift and anomaly compute on. Pure."""

from datetime import date
from functools import cached_property

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray


class SeriesKey(Struct, frozen=True, order=True, gc=False):
    """Which series: a channel of a lift, of one landing and direction where the channel has them.

    `channel` is a name of `features.CHANNELS`; `direction` is `up` or `down`.
    """

    lift_id: str
    channel: str
    floor: int | None = None
    direction: str | None = None


class DailySeries(Struct, frozen=True, dict=True):
    """Series of daily values, one row each, one column a day (UTC), complete days only.

    `values` has the shape (series, days), in the unit of the channel, NaN where the day has none; `counts` has the same
    shape: from how many readings the value was made (0 where there is none).
    """

    keys: list[SeriesKey]
    first_day: date
    values: NDArray[np.float64]
    counts: NDArray[np.int32]

    @cached_property
    def lifts(self) -> tuple[tuple[str, ...], NDArray[np.int64]]:
        """The lifts, in the order in which they come, and by series the number of its own."""
        return _numbered([key.lift_id for key in self.keys])

    @cached_property
    def channels(self) -> tuple[tuple[str, ...], NDArray[np.int64]]:
        """The channels, in the order in which they come, and by series the number of its own."""
        return _numbered([key.channel for key in self.keys])

    @cached_property
    def is_landing(self) -> NDArray[np.bool_]:
        """By series whether it is that of one landing."""
        return np.array([key.floor is not None for key in self.keys], dtype=np.bool_)


def _numbered(names: list[str]) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    number = {name: place for place, name in enumerate(dict.fromkeys(names))}
    return tuple(number), np.array([number[name] for name in names], dtype=np.int64)
