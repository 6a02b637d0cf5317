from datetime import UTC, datetime

from ingest.clock import to_ms
from ingest.faults import CANONICAL
from simulator.faults import ENTRAPMENT
from simulator.fleet import make_fleet
from simulator.living import life_of
from simulator.script import DEMO, DEMO_MS, WORN_DAYS, WORN_HISTORY_DAYS, scripted, worn_life, worn_lift
from simulator.traffic import DAY_MS

FLEET = make_fleet(7, 30)
START_MS = to_ms(datetime(2026, 3, 2, 8, tzinfo=UTC))


def test_somebody_is_trapped_soon_after_the_start_and_freed_some_minutes_later() -> None:
    periods = [period for of_lift in scripted(FLEET, START_MS).values() for period in of_lift]
    trapped = [period for period in periods if period.code == ENTRAPMENT]
    assert len(trapped) == 1
    assert trapped[0].passengers
    assert 10_000 <= trapped[0].raised_ms - START_MS <= 30_000
    assert 2 <= (trapped[0].cleared_ms - trapped[0].raised_ms) / 60_000 <= 10


def test_the_script_uses_canonical_codes_and_ends_when_it_says() -> None:
    periods = [period for of_lift in scripted(FLEET, START_MS).values() for period in of_lift]
    assert {period.code for period in periods} == {scene.code for scene in DEMO}
    assert all(period.stops is CANONICAL[period.code].stops_lift for period in periods)
    assert max(period.cleared_ms for period in periods) == START_MS + DEMO_MS
    assert len({period.fault_id for period in periods}) == len(periods)


def test_a_troubled_lift_stops_in_a_way_that_rings_at_once_and_a_whole_building_is_without_power() -> None:
    extra = scripted(FLEET, START_MS)
    of_code = {
        code: {lift_id for lift_id, periods in extra.items() if any(period.code == code for period in periods)}
        for code in ("runtime-limit-exceeded", "power-supply-fault")
    }
    assert of_code["runtime-limit-exceeded"] <= {spec.lift_id for spec in FLEET if spec.troubled}
    (dark,) = {spec.site_id for spec in FLEET if spec.lift_id in of_code["power-supply-fault"]}
    assert of_code["power-supply-fault"] == {spec.lift_id for spec in FLEET if spec.site_id == dark}
    assert len(of_code["power-supply-fault"]) > 1


def test_a_calm_lift_has_worn_for_weeks_when_the_script_begins_and_its_own_life_stays_as_it_was() -> None:
    spec = worn_lift(FLEET)
    own = list(life_of(spec, START_MS).wears)
    life = worn_life(spec, START_MS)
    (wear,) = [each for each in life.wears if each not in own]
    assert not spec.troubled
    assert wear.severity_at(START_MS - (WORN_DAYS + 1) * DAY_MS) == 0
    assert 0.5 < wear.severity_at(START_MS) < 0.7
    assert life_of(spec, START_MS).wears == own
    assert WORN_HISTORY_DAYS - WORN_DAYS >= 30, "a month of what was normal"


def test_two_plays_of_the_script_are_two_sets_of_faults() -> None:
    first, second = (scripted(FLEET, START_MS + shift_ms) for shift_ms in (0, 60_000))
    ids = [{period.fault_id for of_lift in extra.values() for period in of_lift} for extra in (first, second)]
    assert not ids[0] & ids[1]


def test_a_fleet_of_one_plays_all_the_parts() -> None:
    assert set(scripted(make_fleet(7, 1), START_MS)) == {"L0001"}
