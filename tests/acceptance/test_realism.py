"""The simulated fleet against what was published of real ones: `liftwatch simulate --report`."""

from datetime import UTC, datetime

import pytest
from msgspec import structs

from ingest.clock import to_ms
from simulator.fleet import make_fleet
from simulator.report import Figure, report, sample

SINCE_MS, UNTIL_MS = (to_ms(datetime(year, 1, 1, tzinfo=UTC)) for year in (2024, 2026))
# So many lifts that the shares of the few that trap somebody say something.
LIFTS = 5_000


@pytest.fixture(scope="module")
def figures() -> list[Figure]:
    of = sample(make_fleet(1, LIFTS), SINCE_MS, UNTIL_MS)
    return report(of)


def test_the_fleet_lies_inside_the_published_ranges(figures: list[Figure]) -> None:
    outside = [figure.line() for figure in figures if figure.range.is_sourced and not figure.is_inside]
    assert outside == []
    assert sum(figure.range.is_sourced for figure in figures) >= 20


def test_a_third_of_the_breakdowns_has_no_precursor(figures: list[Figure]) -> None:
    (share,) = [figure for figure in figures if figure.name == "breakdowns without a precursor"]
    assert share.is_inside


def test_the_report_covers_what_it_should(figures: list[Figure]) -> None:
    names = " ".join(figure.name for figure in figures)
    for word in ("breakdowns", "entrapments", "doors", "8-10 h", "in service", "time between breakdowns", "down per"):
        assert word in names
    assert all(figure.range.source for figure in figures)


def test_a_figure_outside_its_range_is_called_so(figures: list[Figure]) -> None:
    wrong = structs.replace(figures[0], value=99.0)
    assert not wrong.is_inside
    assert "OUTSIDE" in wrong.line()
