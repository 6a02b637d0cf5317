"""The cache of a simulated fleet: what is written is what is read, and it holds the truth of its days."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.simulated_fleet import UNTIL_MS, load_cache, write_cache
from ingest.clock import to_ms
from simulator.fleet import make_fleet
from simulator.traffic import DAY_MS

DAYS = 45


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("cache") / "fleet.npz"
    write_cache(path, make_fleet(1, 3, 0.2), DAYS, 0.2)
    return path


def test_every_lift_has_its_series_over_all_days(cache: Path) -> None:
    fleet = load_cache(cache)
    [block] = fleet.blocks()
    assert {key.lift_id for key in block.keys} == {"L0001", "L0002", "L0003"}
    assert block.values.shape == block.counts.shape == (len(block.keys), DAYS)
    assert len(set(block.keys)) == len(block.keys)
    by_key = dict(zip(block.keys, block.values, strict=True))
    trips = [values for key, values in by_key.items() if key.channel == "trips"]
    assert len(trips) == 3
    assert all((values > 0).mean() > 0.9 for values in trips)


def test_a_value_says_of_how_many_readings_it_was_made(cache: Path) -> None:
    block = load_cache(cache).block(0)
    assert ((block.counts > 0) == ~np.isnan(block.values)).all()


def test_the_truth_is_that_of_the_days_of_the_series(cache: Path) -> None:
    truth = load_cache(cache).truth
    since_ms = UNTIL_MS - DAYS * DAY_MS
    assert truth.visits
    assert all(since_ms <= to_ms(visit.done_at) < UNTIL_MS for visit in truth.visits)
    assert all(since_ms <= to_ms(failure.failed_at) < UNTIL_MS for failure in truth.failures)
    assert all(to_ms(part.ended_at) > since_ms and part.component for part in truth.wears)
