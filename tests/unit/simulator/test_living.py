from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import pairwise

import numpy as np
import pytest

from ingest.clock import from_ms, to_ms
from ingest.faults import CANONICAL
from simulator.chance import bell, seeded, uniforms
from simulator.failures import poisson
from simulator.faults import ENTRAPMENT, POWER_CUT
from simulator.fleet import Care, LiftSpec, make_fleet
from simulator.life import Life
from simulator.living import CARE_RATE, EPOCH_MS, age_factor, make_life
from simulator.mechanisms import BY_NAME, LEFT_WRONG, MECHANISMS, MISUSE, SUDDEN, fits
from simulator.stops import Stop, merged, within
from simulator.traffic import DAY_MS
from simulator.wear import Segment, Wear

UNTIL_MS = to_ms(datetime(2026, 1, 1, tzinfo=UTC))
FLEET = make_fleet(7, 300)
Lives = Sequence[tuple[LiftSpec, Life]]


@pytest.fixture(scope="module")
def lives() -> Lives:
    return [(spec, make_life(spec, UNTIL_MS)) for spec in FLEET]


def test_the_codes_are_canonical_and_stop_a_lift_where_the_service_thinks_so(lives: Lives) -> None:
    for _, life in lives:
        for period in life.periods:
            assert period.stops is CANONICAL[period.code].stops_lift, period
    for cause in (*SUDDEN, *MISUSE, *LEFT_WRONG):
        assert cause.code in CANONICAL
    for mechanism in MECHANISMS:
        assert {mechanism.code, mechanism.early_code or mechanism.code} <= CANONICAL.keys()
        assert mechanism.stops is CANONICAL[mechanism.code].stops_lift


def test_a_part_fails_only_when_it_is_worn_and_is_new_after_its_repair(lives: Lives) -> None:
    failures = [(life, each) for _, life in lives for each in life.breakdowns if each.precursor_ms is not None]
    assert len(failures) > 300
    for life, each in failures:
        assert each.precursor_ms is not None
        (wear,) = [wear for wear in life.wears if wear.mechanism == each.cause and wear.since_ms == each.precursor_ms]
        assert wear.severity_at(each.failed_ms - 1) == pytest.approx(1.0, abs=0.15)
        assert each.precursor_ms < each.failed_ms < each.cleared_ms
        if each.held:
            assert wear.until_ms == each.cleared_ms


def test_a_repair_that_does_not_hold_is_followed_by_the_same_failure(lives: Lives) -> None:
    missed = [(life, each) for _, life in lives for each in life.breakdowns if each.precursor_ms and not each.held]
    again = 0
    for life, each in missed:
        wears = [wear for wear in life.wears if wear.mechanism == each.cause and wear.since_ms == each.precursor_ms]
        again += any(wear.severity_at(each.cleared_ms + DAY_MS) > 0 for wear in wears)
    assert len(missed) > 30
    assert again > 0.8 * len(missed)


def test_visits_fix_some_mask_some_and_break_some(lives: Lives) -> None:
    effects = Counter(effect.effect for _, life in lives for effect in life.effects)
    assert effects["fixed"] > effects["masked"] > effects["broke"] > 0


def test_a_visit_that_masks_leaves_less_wear_than_it_found(lives: Lives) -> None:
    for _, life in lives:
        for effect in life.effects:
            if effect.effect == "masked":
                (wear,) = [
                    wear
                    for wear in life.wears
                    if wear.mechanism == effect.mechanism
                    and wear.since_ms < effect.at_ms < wear.until_ms
                    and wear.ended_by != "nobody"
                ]
                assert wear.severity_at(effect.at_ms) < wear.severity_at(effect.at_ms - 1)


def test_some_causes_are_written_down_wrongly(lives: Lives) -> None:
    noted = [each for _, life in lives for each in life.breakdowns if each.noted_code is not None]
    wrong = sum(each.noted_code != each.code for each in noted) / len(noted)
    assert 0.08 < wrong < 0.2


def test_a_third_of_the_breakdowns_comes_without_a_precursor(lives: Lives) -> None:
    breakdowns = [each for _, life in lives for each in life.breakdowns if each.kind == "breakdown" and each.stops]
    assert sum(each.precursor_ms is None for each in breakdowns) / len(breakdowns) > 1 / 3


def test_a_power_cut_takes_the_whole_building(lives: Lives) -> None:
    cuts = Counter(
        (spec.site_id, each.failed_ms) for spec, life in lives for each in life.breakdowns if each.code == POWER_CUT
    )
    lifts = Counter(spec.site_id for spec in FLEET)
    assert len(cuts) > 50
    assert all(number == lifts[site_id] for (site_id, _), number in cuts.items())


def test_people_who_are_trapped_are_freed_before_the_lift_runs_again_or_in_the_dark(lives: Lives) -> None:
    trapped = [each for _, life in lives for each in life.breakdowns if each.freed_ms is not None]
    assert len(trapped) > 20
    for each in trapped:
        assert each.stops
        assert each.arrived_ms is not None
        assert each.failed_ms < each.arrived_ms < (each.freed_ms or 0)
    codes = {period.code for _, life in lives for period in life.periods if period.passengers}
    assert ENTRAPMENT in codes


def test_hazards_depend_on_age_and_care() -> None:
    assert age_factor(0) < age_factor(10) < age_factor(25)
    # Published: 1.45 % of the lifts of 11-15 years trapped somebody in a month, 0.68 % of those that were modernised.
    assert 1.6 < age_factor(13) / age_factor(0) < 2.4
    assert CARE_RATE[Care.GOOD] < CARE_RATE[Care.FAIR] < CARE_RATE[Care.NEGLECTED]


def test_old_lifts_are_modernised_and_new_ones_are_not(lives: Lives) -> None:
    for spec, life in lives:
        for planned in life.planned:
            if planned.kind == "modernisation":
                assert planned.begin_ms - to_ms(datetime(*spec.commissioned_on.timetuple()[:3], tzinfo=UTC)) > (
                    18 * 365 * DAY_MS
                )
    kinds = {planned.kind for _, life in lives for planned in life.planned}
    assert kinds == {"modernisation", "out-of-use"}


def test_new_ropes_settle_after_a_modernisation(lives: Lives) -> None:
    settling = [wear for _, life in lives for wear in life.wears if wear.mechanism == "rope-settling"]
    assert settling
    early, late = (
        wear.severity(np.array([wear.since_ms + DAY_MS * days for days in (20, 40)])) for wear in settling[:2]
    )
    assert early[0] > 0.3
    assert early[1] - early[0] < early[0]
    assert late[0] > 0.3


def test_a_lift_wears_only_what_it_has(lives: Lives) -> None:
    for spec, life in lives:
        assert all(fits(BY_NAME[wear.mechanism], spec) for wear in life.wears)
    assert {wear.mechanism for _, life in lives for wear in life.wears} >= {
        mechanism.name for mechanism in MECHANISMS if mechanism.onsets_per_year > 0.1
    }


def test_no_two_faults_of_a_lift_share_an_id_and_all_lie_in_order(lives: Lives) -> None:
    for _, life in lives:
        assert len({period.fault_id for period in life.periods}) == len(life.periods)
        assert all(before.raised_ms <= after.raised_ms for before, after in pairwise(life.periods))
        assert all(before.end_ms < after.start_ms for before, after in pairwise(life.stops))
        assert all(period.raised_ms >= EPOCH_MS for period in life.periods)


def test_severity_is_the_same_for_one_instant_and_for_many() -> None:
    segments = (Segment(0, 50 * DAY_MS, 0.0, 0.01), Segment(50 * DAY_MS, 90 * DAY_MS, 0.2, 0.03))
    wear = Wear(mechanism="contactor", floor=None, shape=1.3, segments=segments, ended_by="repair")
    instants = np.arange(-10, 120) * DAY_MS
    assert wear.severity(instants).tolist() == pytest.approx([wear.severity_at(int(at_ms)) for at_ms in instants])
    assert wear.severity_at(-1) == wear.severity_at(90 * DAY_MS) == 0
    assert wear.severity_at(89 * DAY_MS) == 1


def test_stops_that_touch_are_one_and_are_cut_to_the_window() -> None:
    stops = merged([Stop(10, 20, 3), Stop(15, 30), Stop(40, 50)])
    assert stops == [Stop(10, 30, 3), Stop(40, 50)]
    assert within(stops, 25, 45) == [Stop(25, 30, 3), Stop(40, 45)]
    assert within(stops, 30, 40) == []


def test_chance_is_the_same_in_every_process_and_release() -> None:
    assert uniforms(7, "L0001", "cycles", rows=2, columns=1)[0].tolist() == [0.5481584591320732, 0.8337733464953133]
    four = uniforms(7, "bell", rows=20_000, columns=4)
    values = bell(four)
    assert abs(values.mean()) < 0.03
    assert 0.97 < values.std() < 1.03
    assert abs(values).max() < 3.47


def test_counts_of_rare_things_have_their_mean() -> None:
    random = seeded(7, "poisson")
    counts = [poisson(random, 2.5) for _ in range(4_000)]
    assert 2.4 < sum(counts) / len(counts) < 2.6
    assert poisson(random, 0) == 0


def test_a_controller_tests_its_brake_at_night(lives: Lives) -> None:
    tests = [period for _, life in lives for period in life.early if period.code == "self-test-failure"]
    assert tests
    assert {from_ms(period.raised_ms).hour for period in tests} == {3}
