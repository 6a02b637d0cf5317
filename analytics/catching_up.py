"""The daily values of what is marked in the feature book, computed from the telemetry store: a little at a time."""

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby

from analytics.feature_book import FeatureBook, Mark
from analytics.feature_format import packed
from analytics.feature_reader import readings_of_days
from analytics.features import daily_values
from ingest.telemetry_store import TelemetryStore

# Marks that are looked up at once, days of one lift that are read at once, days that are kept in one transaction.
MARKS_AT_A_TIME = 2_000
DAYS_READ = 7
DAYS_KEPT_AT_ONCE = 100


def catch_up(
    book: FeatureBook, store: TelemetryStore, until_day: int, has_time: Callable[[], bool] = lambda: True
) -> bool:
    """Compute what is marked up to and with `until_day` while there is time; return whether nothing is left of it.

    Raises:
        StoreUnavailableError: the store cannot answer now; what was computed before stays.
    """
    while marks := book.stale(until_day, limit=MARKS_AT_A_TIME):
        rows: dict[tuple[str, int], bytes] = {}
        done: list[Mark] = []
        for run in _runs(marks):
            rows |= _computed(store, run)
            done += run
            if len(done) >= DAYS_KEPT_AT_ONCE:
                book.keep(rows, done)
                rows, done = {}, []
                if not has_time():
                    return not book.is_stale(until_day)
        book.keep(rows, done)
    return True


def _runs(marks: Sequence[Mark]) -> Iterator[list[Mark]]:
    """Yield marks of one lift that lie within `DAYS_READ`, together."""
    for _, of_lift in groupby(marks, key=lambda mark: mark.lift_id):
        run: list[Mark] = []
        for mark in of_lift:
            if run and mark.day >= run[0].day + DAYS_READ:
                yield run
                run = []
            run.append(mark)
        yield run


def _computed(store: TelemetryStore, run: Sequence[Mark]) -> dict[tuple[str, int], bytes]:
    lift_id = run[0].lift_id
    readings = readings_of_days(store, lift_id, run[0].day, run[-1].day)
    if readings is None:
        return {}
    wanted = {mark.day for mark in run}
    return {(lift_id, day): row for day, row in packed(daily_values(readings)).items() if day in wanted}
