"""What a frame says of outages that go on, against the definition written out."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from analytics.occurrences import Occurrence
from analytics.outage_history import days_of
from analytics.risk_frame import frame_of
from tests.unit.analytics.fleets_of_chance import START, history, outage

NOW = 100
CODES = ("door-closing-fault", "overspeed")
# Lengths that repeat: an outage that lasted exactly as long has not lasted longer.
LENGTHS = st.sampled_from((0.5, 1.0, 2.0, 4.0, 8.0))


def days_left(found: list[Occurrence], lift_id: str) -> float:
    """Return how much longer the open outage of a lift takes: the mean of longer ones of its code and ten of any."""
    (is_open,) = [one for one in found if one.lift_id == lift_id]
    lasted = NOW - days_of(is_open.raised_at) + days_of(START)
    ended = [one for one in found if one.cleared_at is not None]
    longer = {
        one: days - lasted
        for one in ended
        if one.cleared_at and (days := (one.cleared_at - one.raised_at).total_seconds() / 86_400.0) > lasted
    }
    own = [more for one, more in longer.items() if one.code == is_open.code]
    everywhere = float(np.mean(list(longer.values()))) if longer else lasted
    return (sum(own) + 10.0 * everywhere) / (len(own) + 10.0)


@given(
    st.lists(st.tuples(LENGTHS, st.sampled_from(CODES)), max_size=12),
    st.lists(st.tuples(LENGTHS, st.sampled_from(CODES)), min_size=1, max_size=5),
)
def test_an_open_outage_takes_as_much_longer_as_those_that_lasted_so_long(
    over: list[tuple[float, str]], going_on: list[tuple[float, str]]
) -> None:
    found = [outage(10.0 + number, "L010", days=days, code=code) for number, (days, code) in enumerate(over)]
    found += [
        outage(NOW - days, f"L{number:03d}", days=None, code=code) for number, (days, code) in enumerate(going_on)
    ]
    frame = frame_of(history(found, count=11, days=NOW), days_of(START) + NOW)
    left = frame.values[:, frame.columns.index("out_left_days")]
    for number in range(len(going_on)):
        assert np.isclose(left[number], np.log1p(days_left(found, f"L{number:03d}")))
    assert (left[len(going_on) :] == 0.0).all()
