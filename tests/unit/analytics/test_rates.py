from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.failures import FleetFailures, Floats, Ints
from analytics.rates import among_worst, benjamini_hochberg, beyond_fleet, dispersion_of, rates_of

UNTIL = datetime(2026, 1, 1, tzinfo=UTC)


def drawn_fleet(owner: Ints, day: Floats, lifts: int, days: float = 365.0) -> FleetFailures:
    """A fleet that was at risk all the time, of one part."""
    nothing = np.zeros(owner.size, dtype=np.int64)
    return FleetFailures(
        since=UNTIL - timedelta(days=days),
        until=UNTIL,
        lift_ids=[f"L{number}" for number in range(lifts)],
        spans=[[(0.0, days)]] * lifts,
        exposure_days=np.full(lifts, days),
        owner=owner,
        day=day,
        risk_day=day,
        part=nothing,
        code=nothing,
        parts=["door"],
        codes=["door-closing-fault"],
        apart=np.zeros((lifts, 3), dtype=np.int64),
    )


def poisson_fleet(rng: np.random.Generator, by_year: Floats) -> FleetFailures:
    counts = rng.poisson(by_year)
    owner = np.repeat(np.arange(by_year.size), counts)
    return drawn_fleet(owner, rng.uniform(0, 365, owner.size), by_year.size)


def test_a_rate_lies_between_what_the_lift_shows_and_what_its_fleet_does() -> None:
    counts, days = np.array([0.0, 2, 4, 20]), np.full(4, 365.0)
    rates = rates_of(counts, days)
    own = counts / days
    assert ((rates.mean - rates.fleet) * (own - rates.fleet) >= 0).all()
    assert (np.abs(rates.mean - rates.fleet) <= np.abs(own - rates.fleet)).all()
    assert (rates.low < rates.mean).all()
    assert (rates.mean < rates.high).all()


def test_lifts_that_do_not_differ_are_all_taken_for_their_fleet() -> None:
    rates = rates_of(np.full(50, 4.0), np.full(50, 365.0))
    assert rates.mean * 365 == pytest.approx(np.full(50, 4.0))
    assert rates.high[0] / rates.low[0] < 1.3, "what is known of one is known of all"


def test_the_prior_is_found_again_by_its_moments() -> None:
    rng = np.random.default_rng(1)
    true = rng.gamma(2.0, 2.0, 4_000)  # mean 4, variance 8
    rates = rates_of(rng.poisson(true).astype(float), np.full(4_000, 365.0))
    weight = rates.rate[0] - 365
    assert rates.fleet * 365 == pytest.approx(4, rel=0.05)
    assert weight == pytest.approx(365 / 2, rel=0.15), "mean over variance, in days"


def test_nine_intervals_in_ten_hold_the_rate() -> None:
    rng = np.random.default_rng(2)
    true = rng.gamma(2.0, 2.0, 4_000)
    rates = rates_of(rng.poisson(true).astype(float), np.full(4_000, 365.0))
    holds = (rates.low * 365 <= true) & (true <= rates.high * 365)
    assert holds.mean() == pytest.approx(0.9, abs=0.02)


def test_a_fleet_without_breakdowns_has_a_rate_above_none() -> None:
    rates = rates_of(np.zeros(3), np.full(3, 100.0))
    assert (rates.mean > 0).all()
    unknown = rates_of(np.zeros(1), np.zeros(1))  # nobody was at risk: as lifts in service are, and hardly sure
    assert unknown.mean[0] * 365.25 == pytest.approx(4.0, rel=0.01)
    assert unknown.low[0] * 365.25 < 0.1
    assert 10.0 < unknown.high[0] * 365.25 < 20.0


def test_the_p_value_is_the_binomial_one_of_two_poisson_rates() -> None:
    # 5 of 8 at a lift that has, at twice the rate, half of three lifts' risk: by hand P(at least 5 of 8 heads).
    expected = (56 + 28 + 8 + 1) / 2**8
    assert beyond_fleet(np.array([5.0, 2, 1]), np.full(3, 100.0), factor=2.0)[0] == pytest.approx(expected)


def test_a_lift_that_was_never_at_risk_or_alone_is_beyond_nobody() -> None:
    assert beyond_fleet(np.array([3.0]), np.array([100.0])).tolist() == [1.0]
    assert beyond_fleet(np.array([0.0, 3.0]), np.array([0.0, 100.0])).tolist() == [1.0, 1.0]


def test_benjamini_and_hochberg_reject_what_their_paper_rejects() -> None:
    # The fifteen p-values of Benjamini and Hochberg (1995), section 3.2: four are rejected at 0.05.
    p = [0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240, 0.4262, 0.5719, 0.6528]
    p += [0.7590, 1.0000]
    assert benjamini_hochberg(np.array(p)).sum() == 4
    assert benjamini_hochberg(np.zeros(0)).tolist() == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=40), st.data())
def test_what_is_rejected_is_not_a_matter_of_order_and_smaller_goes_first(p: list[float], data: st.DataObject) -> None:
    values = np.array(p)
    rejected = benjamini_hochberg(values)
    order = np.array(data.draw(st.permutations(range(len(p)))))
    assert (benjamini_hochberg(values[order]) == rejected[order]).all()
    assert not rejected.any() or values[rejected].max() < values[~rejected].min(initial=2)


def test_where_all_lifts_are_alike_hardly_any_fleet_has_a_lift_that_is_called_worse() -> None:
    """At the border of the hypothesis: every lift at its limit, twice an endless fleet's rate, would be the worst case;
    equal rates tested for being above the fleet's are the next, and still within the stated one in twenty."""
    rng = np.random.default_rng(3)
    wrong = 0
    for _ in range(400):
        counts = rng.poisson(4.0, 200).astype(float)
        p = beyond_fleet(counts, np.full(200, 365.0), factor=1.0)
        wrong += bool(benjamini_hochberg(p).any())
    assert wrong / 400 <= 0.05 + 2 * (0.05 * 0.95 / 400) ** 0.5


def test_lifts_that_are_five_times_worse_are_nearly_all_found_and_next_to_none_besides() -> None:
    rng = np.random.default_rng(4)
    by_year = np.where(np.arange(500) < 25, 20.0, 4.0)
    found = np.array(
        [benjamini_hochberg(beyond_fleet(rng.poisson(by_year).astype(float), np.full(500, 365.0))) for _ in range(20)]
    )
    assert found[:, :25].mean() > 0.75
    assert found[:, 25:].sum() / found.sum() < 0.05


def test_breakdowns_in_clusters_scatter_more_and_single_ones_do_not() -> None:
    rng = np.random.default_rng(5)
    assert dispersion_of(poisson_fleet(rng, np.full(300, 6.0))) == pytest.approx(1.0, abs=0.1)
    owner = np.repeat(np.repeat(np.arange(300), rng.poisson(3.0, 300)), 3)
    day = np.repeat(rng.uniform(0, 365, owner.size // 3), 3)
    assert dispersion_of(drawn_fleet(owner, day, 300)) == pytest.approx(3.0, rel=0.15)
    assert dispersion_of(drawn_fleet(np.zeros(0, dtype=np.int64), np.zeros(0), 3)) == 1.0


def test_the_worst_tenth_is_a_tenth_and_the_clear_ones_are_in_it() -> None:
    rates = rates_of(np.where(np.arange(50) < 3, 60.0, 4.0), np.full(50, 365.0))
    worst = among_worst(rates)
    assert worst.sum() == pytest.approx(5)
    assert (worst[:3] == 1).all()
    assert (among_worst(rates) == worst).all(), "the same data give the same answer"
