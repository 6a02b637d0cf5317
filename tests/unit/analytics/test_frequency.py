import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from analytics.frequency import frequency, rarer_after

DAYS = 200


def flags_on(*days: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    flags = np.zeros(DAYS)
    flags[list(days)] = 1.0
    return flags


def score(*days: int, end: int = DAYS) -> float:
    return float(frequency(flags_on(*days), [end]).score[0])


def test_five_days_of_the_last_fortnight_are_many_where_there_were_none() -> None:
    said = frequency(flags_on(187, 190, 193, 196, 199), [DAYS])
    assert said.score[0] > 0
    assert said.lag[0] == 14


def test_as_many_days_as_ever_say_nothing() -> None:
    assert score(*range(0, DAYS, 3)) < 0


def test_two_days_say_nothing_however_rare_they_were() -> None:
    assert score(198, 199) < -1e6


def test_nothing_is_said_of_a_series_that_has_hardly_begun() -> None:
    assert score(20, 22, 24, 26, 28, end=30) < -1e6


def test_days_of_which_nothing_is_known_count_neither_way() -> None:
    closed = flags_on(187, 190, 193, 196, 199)
    closed[[188, 189, 191, 192]] = np.nan
    assert frequency(closed, [DAYS]).score[0] > score(187, 190, 193, 196, 199)


@given(st.sets(st.integers(0, DAYS - 1), max_size=40), st.integers(DAYS - 14, DAYS - 1))
def test_one_more_day_of_late_never_says_less(days: set[int], more: int) -> None:
    assert score(*days, more) >= score(*days)


@given(st.sets(st.integers(0, DAYS - 1), max_size=40))
def test_what_comes_later_changes_nothing(days: set[int]) -> None:
    early = {day for day in days if day < 150}
    assert score(*days, end=150) == score(*early, end=150)


def test_a_month_of_silence_after_a_repair_says_that_it_helped() -> None:
    assert rarer_after(flags_on(100, 103, 105, 108, 110), 112)
    assert not rarer_after(flags_on(100, 103, 105, 108, 110, 114, 117, 120), 112)
    assert not rarer_after(flags_on(), 112)
    assert not rarer_after(flags_on(190, 193, 195, 198), DAYS - 1), "nothing is known of the days after it"
