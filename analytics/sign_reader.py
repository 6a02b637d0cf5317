"""Signs of wear from the kept daily values: of today for every lift, of the past for as many as a model learns from."""

from collections.abc import Sequence
from datetime import datetime

from analytics.daily import BLOCK_LIFTS, Daily, blocks_of
from analytics.daily_series import day_of, series_of
from analytics.feature_book import FeatureBook
from analytics.wear_rows import WINDOW_DAYS
from analytics.wear_signs import WearSigns, joined, wear_signs
from ingest.fleet_register import FleetRegister

# With 60 training days they are as many rows as a model is fitted to.
LIFTS_MAX = 600


class SignReader:
    """Reads signs of wear. The same daily values give the same signs."""

    def __init__(self, daily: Daily, book: FeatureBook, register: FleetRegister) -> None:
        """Read today's from `daily`, those of the past from `book`."""
        self._daily, self._book, self._register = daily, book, register

    def latest(self, as_of: datetime) -> WearSigns | None:
        """Return the signs of all lifts as of the last day that is over; None where no lift tells any."""
        return self._daily.signs(as_of)

    def state(self, lift_ids: Sequence[str], day: float) -> str:
        """Return what tells one state of the past before `day` from another; empty where there is nothing to learn.

        As long as days before it are still to be computed there is nothing: half of the past would teach wrongly.
        """
        if self._book.is_stale(int(day) - WINDOW_DAYS, int(day) - 1):
            return ""
        return self._book.state(_some(lift_ids), int(day) - WINDOW_DAYS, int(day) - 1)

    def past(self, lift_ids: Sequence[str], day: float) -> WearSigns | None:
        """Return the signs of every third day before `day`, of at most `LIFTS_MAX` of the lifts; None without any."""
        chosen, last, found = set(_some(lift_ids)), int(day) - 1, []
        lifts = [item.lift for item in self._register.lifts() if item.lift.lift_id in chosen]
        for block in blocks_of(lifts, BLOCK_LIFTS // 2):
            values = self._book.values([lift.lift_id for lift in block], last - WINDOW_DAYS + 1, last)
            if len(values.lift):
                first = int(values.lift["day"].min())
                found.append(wear_signs(series_of(values, day_of(first), last - first + 1)))
        signs = joined(found)
        return signs if signs.is_any_watched else None


def _some(lift_ids: Sequence[str]) -> list[str]:
    """Return every nth lift, so that they are no more than a model learns from."""
    ordered = sorted(lift_ids)
    return ordered[:: -(-len(ordered) // LIFTS_MAX) or 1]
