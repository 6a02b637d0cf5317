"""Daily values of many channels of many lifts, side by side: what drift and anomaly compute on. Pure."""

from datetime import date

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


class DailySeries(Struct, frozen=True):
    """Series of daily values, one row each, one column a day (UTC), complete days only.

    `values` has the shape (series, days), in the unit of the channel, NaN where the day has none; `counts` has the same
    shape: from how many readings the value was made (0 where there is none).
    """

    keys: list[SeriesKey]
    first_day: date
    values: NDArray[np.float64]
    counts: NDArray[np.int32]
