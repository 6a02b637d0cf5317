"""Clocks that are right stay unsuspected through outages; those that are wrong are found, and by how much."""

from collections.abc import Iterable
from datetime import timedelta
from random import Random

import pytest

from ingest.clock_estimate import AHEAD_MS_MAX, BEHIND_MS_MAX, ClockEstimate, Sighting, Verdict, is_right
from tests.unit.ingest.clock_streams import DAY, HOUR, MINUTE, NOON_MS, SECOND, off_by, stream

SINCE_1970 = NOON_MS


def verdicts(estimate: ClockEstimate, sightings: Iterable[Sighting]) -> list[tuple[Verdict, int]]:
    """What was concluded, and after how many ms of our time since noon."""
    seen = [(estimate.see(each.at_ms, each.received_ms), each.received_ms - NOON_MS) for each in sightings]
    return [(verdict, after_ms) for verdict, after_ms in seen if verdict is not Verdict.NOTHING]


def established(estimate: ClockEstimate, sightings: Iterable[Sighting]) -> list[int]:
    """After how many ms an offset was established."""
    return [after for verdict, after in verdicts(estimate, sightings) if verdict is Verdict.ESTABLISHED]


@pytest.mark.parametrize("seed", range(40))
def test_a_right_clock_with_outages_is_never_called_wrong(seed: int) -> None:
    random = Random(seed)
    sightings = stream(
        random,
        off_by(random.randrange(-15, 15) * SECOND, drift_ppm=random.uniform(-20, 50)),
        hours=7 * 24,
        per_hour=random.choice([6, 20, 60]),
        delay_ms=random.choice([0, 2 * SECOND, 8 * SECOND]),
        jitter_ms=random.choice([50, 400, 2_000]),
        outages=random.choice([0.02, 0.1, 0.3]),
        drain_per_s=random.choice([0.2, 1, 5, 50]),
    )
    assert established(ClockEstimate(), sightings) == []


@pytest.mark.parametrize("offset_ms", [2 * MINUTE, 7 * MINUTE, HOUR, 2 * HOUR, 40 * DAY, SINCE_1970])
@pytest.mark.parametrize("seed", range(5))
def test_a_clock_that_is_behind_is_found_within_ten_minutes_of_normal_life(offset_ms: int, seed: int) -> None:
    random, estimate = Random(seed), ClockEstimate()
    (first_ms, *again) = established(
        estimate, stream(random, off_by(offset_ms, 50), hours=24, per_hour=200, jitter_ms=400)
    )
    assert first_ms < 10 * MINUTE
    assert again == []
    assert estimate.offset_ms is not None
    assert abs(estimate.offset_ms - offset_ms) <= 10 * SECOND


@pytest.mark.parametrize("offset_ms", [-MINUTE, -5 * MINUTE, -HOUR, -2 * HOUR, -400 * DAY])
@pytest.mark.parametrize("seed", range(5))
def test_a_clock_that_is_ahead_is_found_within_five_minutes_of_normal_life(offset_ms: int, seed: int) -> None:
    random, estimate = Random(seed), ClockEstimate()
    (first_ms, *again) = established(
        estimate, stream(random, off_by(offset_ms, -50), hours=24, per_hour=200, jitter_ms=400)
    )
    assert first_ms < 5 * MINUTE
    assert again == []
    assert estimate.offset_ms is not None
    assert abs(estimate.offset_ms - offset_ms) <= 10 * SECOND


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("offset_ms", [2 * HOUR, -2 * HOUR])
def test_old_news_of_a_wrong_clock_moves_nothing(offset_ms: int, seed: int) -> None:
    random, estimate = Random(seed), ClockEstimate()
    life = stream(random, off_by(offset_ms), hours=72, per_hour=60, outages=0.1, drain_per_s=5)
    seen = [verdict for verdict, _ in verdicts(estimate, life)]
    assert seen.count(Verdict.ESTABLISHED) == 1
    assert Verdict.GIVEN_UP not in seen
    assert estimate.offset_ms is not None
    assert abs(estimate.offset_ms - offset_ms) <= 3 * SECOND


@pytest.mark.parametrize("seed", range(10))
def test_a_backlog_told_hardly_faster_than_life_is_no_slow_clock(seed: int) -> None:
    random = Random(seed)
    backlog = [
        Sighting("L1", None, NOON_MS - 3 * HOUR + at_ms, NOON_MS + round(at_ms / 1.05) + random.randrange(400))
        for at_ms in range(0, 50 * HOUR, 20 * SECOND)
    ]
    assert established(ClockEstimate(), backlog) == []


def test_a_burst_of_one_age_is_no_clock() -> None:
    estimate = ClockEstimate()
    burst = [Sighting("L1", None, NOON_MS - 2 * HOUR + n * 40, NOON_MS + n * 40) for n in range(20_000)]
    assert established(estimate, burst[:5_000]) == [], "two hundred seconds of one message after another"


def test_messages_delivered_again_prove_nothing() -> None:
    estimate = ClockEstimate()
    again = [Sighting("L1", None, NOON_MS - 2 * HOUR, NOON_MS + n) for n in range(9_000)]
    assert verdicts(estimate, again * 3) == []


def test_a_live_message_ends_the_suspicion_that_old_news_raised() -> None:
    estimate = ClockEstimate()
    assert estimate.looks_right
    estimate.see(NOON_MS - 2 * HOUR, NOON_MS)
    assert not estimate.looks_right
    estimate.see(NOON_MS - 5 * SECOND, NOON_MS)
    assert estimate.looks_right


@pytest.mark.parametrize("to_ms", [0, 5 * HOUR, -HOUR])
@pytest.mark.parametrize("seed", range(5))
def test_a_clock_that_is_set_anew_is_given_up_at_once_and_then_found_again(to_ms: int, seed: int) -> None:
    random, estimate = Random(seed), ClockEstimate()
    before = stream(random, off_by(2 * HOUR), hours=2, per_hour=120)
    after = stream(random, off_by(to_ms), hours=2, per_hour=120, start_ms=NOON_MS + 2 * HOUR)
    verdicts(estimate, before)
    seen = verdicts(estimate, after)
    assert seen[0][0] is Verdict.GIVEN_UP
    assert seen[0][1] - 2 * HOUR < 6 * MINUTE
    assert seen[1][0] is (Verdict.RIGHT if to_ms == 0 else Verdict.ESTABLISHED)
    assert seen[1][1] - 2 * HOUR < 20 * MINUTE


@pytest.mark.parametrize("seed", range(5))
def test_a_clock_that_was_ahead_and_is_right_again_is_given_up_after_three_messages(seed: int) -> None:
    random, estimate = Random(seed), ClockEstimate()
    verdicts(estimate, stream(random, off_by(-2 * HOUR), hours=1, per_hour=120))
    after = stream(random, off_by(0), hours=1, per_hour=120, start_ms=NOON_MS + HOUR)
    seen = [estimate.see(each.at_ms, each.received_ms) for each in after]
    given_up = seen.index(Verdict.GIVEN_UP)
    assert given_up <= 12
    assert estimate.looks_right


def test_one_absurd_instant_does_not_shake_what_is_known() -> None:
    estimate = ClockEstimate(2 * HOUR)
    life = stream(Random(1), off_by(2 * HOUR), hours=2, per_hour=120)
    for n, absurd in enumerate((-(2**53), 2**53, 0, NOON_MS)):
        life.insert(40 * (n + 1), Sighting("L1", "b1", absurd, life[40 * (n + 1)].received_ms))
    seen = {verdict for verdict, _ in verdicts(estimate, life)}
    assert seen == {Verdict.CONFIRMED}
    assert estimate.offset_ms == 2 * HOUR


def test_an_offset_is_whole_seconds_and_stays_while_the_clock_drifts_by_less_than_a_minute() -> None:
    estimate = ClockEstimate()
    drifting = stream(Random(3), off_by(HOUR + 333, drift_ppm=50), hours=10 * 24, per_hour=60)
    days = timedelta(milliseconds=established(estimate, drifting)[-1]).days
    assert days == 0, "43 s in ten days"
    assert estimate.offset_ms is not None
    assert estimate.offset_ms % 1_000 == 0


def test_a_clock_that_drifts_on_is_followed_minute_by_minute() -> None:
    estimate = ClockEstimate()
    drifting = stream(Random(3), off_by(HOUR, drift_ppm=500), hours=10 * 24, per_hour=60)
    assert len(established(estimate, drifting)) == 8, "432 s in ten days"
    assert estimate.offset_ms is not None
    assert abs(estimate.offset_ms - HOUR - 432 * SECOND) < 65 * SECOND


def test_half_a_minute_ahead_and_a_minute_behind_count_as_right() -> None:
    assert is_right(-AHEAD_MS_MAX)
    assert is_right(BEHIND_MS_MAX)
    assert not is_right(-AHEAD_MS_MAX - 1)
    assert not is_right(BEHIND_MS_MAX + 1)
