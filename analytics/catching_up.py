"""The daily values of what is marked in the feature book, computed from the telemetry store: a little at a time.

The newest days come first: the last week of every lift, then lift by lift what a judgement rests on, then the rest. So
a night's work does not wait for a history of years that was imported.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby

from analytics.feature_book import FeatureBook, Mark
from analytics.feature_format import packed
from analytics.feature_reader import readings_of_days
from analytics.features import daily_values
from ingest.telemetry_store import StoreUnavailableError, TelemetryStore

# Marks that are looked up at once, days of one lift that are read at once, days that are kept in one transaction.
MARKS_AT_A_TIME = 2_000
DAYS_READ = 7
# A lift is judged once so many of its last days are computed; what is older adds to that later.
JUDGED_DAYS = 98
DAYS_KEPT_AT_ONCE = 100
# Enough to see what is wrong; a mistake of ours may be met in every day of a fleet.
_WRONG_KEPT = 10


def catch_up(
    book: FeatureBook, store: TelemetryStore, until_day: int, has_time: Callable[[], bool] = lambda: True
) -> bool:
    """Compute what is marked up to and with `until_day` while there is time; return whether nothing is left of it.

    Days that cannot be computed stay marked, and keep no other lift from its values.

    Raises:
        StoreUnavailableError: the store cannot answer now; what was computed before stays.
        ExceptionGroup: days could not be computed; told at the end, once the others are.
    """
    wrong: list[Exception] = []
    day: int | None = until_day
    is_in_time = True
    while is_in_time and day is not None and (day := book.newest_stale(day)) is not None:
        since_day = _since(day, until_day)
        is_in_time = _caught_up(book, store, range(since_day, day + 1), wrong, has_time)
        day = since_day - 1
    if wrong:
        message = "days that cannot be computed"
        raise ExceptionGroup(message, wrong)
    return book.newest_stale(until_day) is None


def _since(day: int, until_day: int) -> int:
    """Return the first of the days that are computed together with `day`, lift by lift."""
    for days in (DAYS_READ, JUDGED_DAYS):
        if day > until_day - days:
            return until_day - days + 1
    return day - JUDGED_DAYS + 1


def _caught_up(
    book: FeatureBook, store: TelemetryStore, days: range, wrong: list[Exception], has_time: Callable[[], bool]
) -> bool:
    """Compute what is marked of some days while there is time; return whether there is any left."""
    last: Mark | None = None
    while marks := book.stale(days[-1], since_day=days[0], limit=MARKS_AT_A_TIME, after=last):
        for some in _portions(marks):
            book.keep(*_computed_all(store, some, wrong))
            if not has_time():
                return False
        last = marks[-1]
    return True


def _portions(marks: Sequence[Mark]) -> Iterator[list[list[Mark]]]:
    """Yield runs, as many as are kept at once."""
    portion: list[list[Mark]] = []
    for run in _runs(marks):
        portion.append(run)
        if sum(len(each) for each in portion) >= DAYS_KEPT_AT_ONCE:
            yield portion
            portion = []
    if portion:
        yield portion


def _computed_all(
    store: TelemetryStore, runs: Sequence[Sequence[Mark]], wrong: list[Exception]
) -> tuple[dict[tuple[str, int], bytes], list[Mark]]:
    """Return the rows of all runs, and what was computed; what cannot be goes to `wrong`."""
    rows: dict[tuple[str, int], bytes] = {}
    done: list[Mark] = []
    for run in runs:
        try:
            rows |= _computed(store, run)
        except StoreUnavailableError:
            raise
        except Exception as error:  # noqa: BLE001 - told at the end; one lift's day must not keep the fleet's
            error.add_note(f"{run[0].lift_id}, days {run[0].day} to {run[-1].day} from 1970")
            del wrong[_WRONG_KEPT:]
            wrong.append(error)
        else:
            done += run
    return rows, done


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
