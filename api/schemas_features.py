"""What the API says of a lift's daily values."""

import datetime as dt

import numpy as np
from pydantic import BaseModel

from analytics.series import DailySeries
from api.schemas import Page


class DayValueView(BaseModel):
    """The value of one day (UTC), in the unit that the channel's name ends with, made of `count` readings."""

    day: dt.date
    value: float
    count: int


class FeatureView(BaseModel):
    """One channel: of a landing, or of the whole lift (`floor` null); `direction` where the channel has one.

    Days without a value are left out.
    """

    channel: str
    floor: int | None
    direction: str | None
    days: list[DayValueView]


class FeaturePage(Page[FeatureView]):
    """A page of channels, ordered by kind of channel and landing."""


def feature_views(series: DailySeries) -> list[FeatureView]:
    """Return series as the API tells them."""
    return [
        FeatureView(
            channel=key.channel,
            floor=key.floor,
            direction=key.direction,
            days=[
                DayValueView(
                    day=series.first_day + dt.timedelta(days=at),
                    value=round(float(values[at]), 3),
                    count=int(counts[at]),
                )
                for at in np.flatnonzero(counts).tolist()
            ],
        )
        for key, values, counts in zip(series.keys, series.values, series.counts, strict=True)
    ]
