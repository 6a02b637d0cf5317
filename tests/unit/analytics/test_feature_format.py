"""The bytes of a day: what is packed comes back, and the layout of format 1 stays what it is."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from analytics.feature_format import FORMAT, packed, unpacked
from analytics.features import DOOR_RECORD, LEVEL_RECORD, LIFT_RECORD, DayValues, Records, together

DAYS = st.lists(st.integers(19_990, 20_010), max_size=20)


def records(days: list[int], form: np.dtype[np.void]) -> Records:
    made = np.zeros(len(days), dtype=form)
    made["day"] = sorted(days)
    made["values"] = np.arange(made["values"].size, dtype=np.float32).reshape(made["values"].shape)
    return made


@given(DAYS, DAYS, DAYS, st.dictionaries(st.integers(19_990, 20_010), st.dictionaries(st.text(), st.integers(1, 99))))
def test_what_is_packed_comes_back(
    doors: list[int], levels: list[int], lift: list[int], faults: dict[int, dict[str, int]]
) -> None:
    said = {*doors, *levels, *lift}
    known = {day: codes for day, codes in faults.items() if day in said and codes}
    values = DayValues(records(doors, DOOR_RECORD), records(levels, LEVEL_RECORD), records(lift, LIFT_RECORD), known)
    rows = packed(values)
    assert set(rows) == said
    back = together({}) if not rows else unpacked(("L1", day, row) for day, row in sorted(rows.items()))
    for name in ("doors", "levels", "lift"):
        assert (getattr(back, name) == getattr(values, name)).all()
    assert {day: codes for _, day, codes in back.faults} == known


def test_format_1_is_laid_out_as_it_was_when_the_first_days_were_kept() -> None:
    assert FORMAT == 1
    assert (DOOR_RECORD.itemsize, LEVEL_RECORD.itemsize, LIFT_RECORD.itemsize) == (37, 17, 64)
    lift = np.zeros(1, dtype=LIFT_RECORD)
    lift["day"], lift["counts"][0, 1], lift["values"][0, 5] = 20_000, 9, 2.0
    [row] = packed(
        DayValues(np.zeros(0, dtype=DOOR_RECORD), np.zeros(0, dtype=LEVEL_RECORD), lift, {20_000: {"overspeed": 3}})
    ).values()
    assert (
        row.hex()
        == ("01000000000100204e00000000090000000000" + "00000000" * 5 + "00000040" + "00000000" * 7)
        + "81a96f7665727370656564"
        "03"
    )
