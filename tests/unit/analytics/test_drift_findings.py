from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest
from numpy.typing import NDArray

from analytics.drift_findings import drift_findings
from analytics.findings import Finding, FindingKind
from analytics.series import DailySeries, SeriesKey
from ingest.fleet import Visit, VisitKind

FIRST = date(2026, 1, 1)
DAYS = 200
Floats = NDArray[np.float64]


class Lift:
    """The series of one lift: normal noise around a level, and what is added to it."""

    def __init__(self, seed: int = 5) -> None:
        self.rng = np.random.default_rng(seed)
        self.values: dict[SeriesKey, Floats] = {}

    def normal(
        self, channel: str, level: float, spread: float, floor: int | None = None, way: str | None = None
    ) -> None:
        self.values[SeriesKey("L1", channel, floor, way)] = level + spread * self.rng.standard_normal(DAYS)

    def door(self, floors: Sequence[int] = (1, 2, 3, 4, 5)) -> None:
        for floor in (None, *floors):
            self.normal("closing_ms", 3_000.0, 20.0, floor)
            self.normal("peak_current_a", 2.4, 0.02, floor)

    def levels(self, floors: Sequence[int] = (1, 2, 3, 4, 5)) -> None:
        for floor in (None, *floors):
            for way in ("up", "down"):
                self.normal("error_mm", 0.3, 0.6, floor, way)

    def add(self, channel: str, per_day: float, since: int = 150, floor: int | None = None, until: int = DAYS) -> None:
        days = np.arange(DAYS)
        rise = per_day * np.maximum(0, days - since) * (days < until)
        for key in self.values:
            if key.channel == channel and key.floor == floor:
                self.values[key] = self.values[key] + rise

    def everywhere(self, channel: str, per_day: float, since: int = 150, until: int = DAYS) -> None:
        for floor in {key.floor for key in self.values if key.channel == channel}:
            self.add(channel, per_day, since, floor, until)

    def findings(self, days: int = DAYS, visits: Sequence[Visit] = ()) -> list[Finding]:
        values = np.array(list(self.values.values()))[:, :days]
        counts = np.full(values.shape, 40, dtype=np.int32)
        series = DailySeries(list(self.values), FIRST, values, counts)
        return drift_findings(series, visits, at(days))


def at(day: float) -> datetime:
    return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=day)


def visit(day: float, kind: VisitKind = VisitKind.REPAIR, cause: str | None = "door-closing-fault") -> Visit:
    return Visit(lift_id="L1", kind=kind, done_at=at(day), cause_code=cause)


@pytest.fixture
def lift() -> Lift:
    return Lift()


def test_a_lift_that_is_well_has_no_findings(lift: Lift) -> None:
    lift.door()
    lift.levels()
    assert lift.findings() == []


def test_nothing_is_found_of_nothing() -> None:
    assert drift_findings(DailySeries([], FIRST, np.zeros((0, 5)), np.zeros((0, 5), np.int32)), [], at(5)) == []


def test_a_door_that_drags_at_all_landings_is_one_finding_about_the_car_door(lift: Lift) -> None:
    lift.door()
    lift.everywhere("closing_ms", 6.0)
    lift.everywhere("peak_current_a", 0.01)
    (finding,) = lift.findings()
    assert (finding.kind, finding.component, finding.floor) == (FindingKind.DRIFT, "car-door", None)
    assert finding.key == "car-door"
    assert {item["channel"] for item in finding.evidence} == {"closing_ms", "peak_current_a"}
    assert finding.value > 3_200 or finding.channel == "peak_current_a"


def test_a_door_that_drags_at_one_landing_is_that_landings(lift: Lift) -> None:
    lift.door()
    lift.add("closing_ms", 6.0, floor=3)
    (finding,) = lift.findings()
    assert (finding.component, finding.floor, finding.key) == ("landing-door", 3, "landing-door-floor-3")


def test_a_mechanic_reads_what_since_when_how_fast_until_when_and_where_to_look(lift: Lift) -> None:
    lift.door()
    lift.add("closing_ms", 6.0, floor=3)
    (finding,) = lift.findings()
    assert finding.reason.startswith("The landing door at floor 3 closes slower: 3,2")
    for words in ("normal is", "since about 2026-0", "ms a day", "the limit of 3,5", "Liftwatch's own rule", "sill"):
        assert words in finding.reason
    assert finding.days_left is not None
    assert 40 < finding.days_left < 80
    assert finding.evidence[0]["days_left_early"] <= finding.days_left <= finding.evidence[0]["days_left_late"]
    assert finding.confidence is not None
    assert 0.85 < finding.confidence < 1


def test_it_is_found_on_the_same_day_whenever_it_is_assessed_and_stands(lift: Lift) -> None:
    lift.door()
    lift.everywhere("closing_ms", 3.0, since=120)
    found = {finding.found_at for day in range(170, DAYS + 1, 5) for finding in lift.findings(day)}
    assert len(found) == 1
    (found_at,) = found
    day = (found_at - at(0)).days
    (soon_after,) = lift.findings(day + 2)
    assert soon_after.found_at == found_at
    assert lift.findings(day - 3) == []


def test_it_goes_when_the_readings_have_come_back(lift: Lift) -> None:
    lift.door()
    lift.everywhere("closing_ms", 6.0, since=110, until=160)
    assert lift.findings(160) != []
    assert lift.findings(200, [visit(160, VisitKind.MAINTENANCE, None)]) == []


def test_after_a_repair_it_is_silent_until_the_readings_say_that_it_did_not_help(lift: Lift) -> None:
    lift.door()
    lift.everywhere("closing_ms", 6.0)
    assert lift.findings(190, [visit(188)]) == []
    assert len(lift.findings(196, [visit(188)])) == 1


def test_a_repair_of_something_else_changes_nothing(lift: Lift) -> None:
    lift.door()
    lift.everywhere("closing_ms", 6.0)
    assert len(lift.findings(190, [visit(188, cause="brake-fault")])) == 1


def test_what_wears_again_after_it_was_mended_is_found_again(lift: Lift) -> None:
    lift.door()
    lift.everywhere("closing_ms", 8.0, since=60, until=100)
    lift.everywhere("closing_ms", 6.0, since=165)
    (finding,) = lift.findings(200, [visit(100)])
    assert finding.found_at > at(165)


def test_a_level_that_drifts_at_one_landing_is_its_vane(lift: Lift) -> None:
    lift.levels()
    lift.add("error_mm", -0.1, floor=4)
    (finding,) = lift.findings()
    assert (finding.component, finding.floor, finding.limit) == ("landing-vane", 4, -10.0)
    assert finding.value < -3


def test_a_level_that_drifts_at_all_landings_is_the_ropes_or_the_valve(lift: Lift) -> None:
    lift.levels()
    lift.everywhere("error_mm", -0.1)
    (finding,) = lift.findings()
    assert (finding.component, finding.floor) == ("levelling", None)


def test_a_level_error_with_its_sign_by_direction_is_the_encoder(lift: Lift) -> None:
    lift.levels()
    rise = 0.1 * np.maximum(0, np.arange(DAYS) - 150)
    for key in lift.values:
        lift.values[key] = lift.values[key] + (rise if key.direction == "up" else -rise)
    (finding,) = lift.findings()
    assert (finding.component, finding.floor) == ("position-encoder", None)


def test_a_level_that_comes_back_to_the_sill_is_no_wear(lift: Lift) -> None:
    lift.levels()
    for key in lift.values:
        lift.values[key] = lift.values[key] - 6.0 + 0.1 * np.clip(np.arange(DAYS) - 140, 0, 55)
    assert lift.findings() == []


def test_a_summer_warms_the_machine_room_and_is_no_finding(lift: Lift) -> None:
    lift.normal("machine_room_c", 20.0, 1.0)
    lift.everywhere("machine_room_c", 0.1, since=60)
    assert lift.findings() == []


def test_what_all_lifts_of_the_kind_show_on_the_same_days_is_the_weather(lift: Lift) -> None:
    heat_wave = 0.5 * np.clip(np.arange(DAYS) - 150, 0, 30)
    for number in range(1, 7):
        lift.normal("machine_room_c", 20.0, 1.0)
        lift.values[SeriesKey(f"L{number}", "machine_room_c")] = (
            lift.values[SeriesKey("L1", "machine_room_c")] + heat_wave
        )
    lift.values[SeriesKey("L6", "machine_room_c")] = lift.values[SeriesKey("L6", "machine_room_c")] + heat_wave
    assert [finding.lift_id for finding in lift.findings()] == ["L6"]


def test_a_fan_that_stands_warms_it_faster_and_is_one_with_the_motor(lift: Lift) -> None:
    lift.normal("machine_room_c", 20.0, 1.0)
    lift.normal("motor_c", 38.0, 1.0)
    lift.everywhere("machine_room_c", 0.4, since=160)
    lift.everywhere("motor_c", 0.4, since=160)
    (finding,) = lift.findings()
    assert finding.component == "machine-room"
    assert {item["channel"] for item in finding.evidence} == {"machine_room_c", "motor_c"}


def test_a_worn_brake_says_so_with_all_that_it_shows(lift: Lift) -> None:
    for channel in ("brake_release_ms", "brake_apply_ms"):
        lift.normal(channel, 180.0, 2.0)
        lift.everywhere(channel, 0.6)
    for way in ("up", "down"):
        lift.normal("error_spread_mm", 3.0, 0.3, way=way)
    lift.everywhere("error_spread_mm", 0.05)
    (finding,) = lift.findings()
    assert finding.component == "brake"
    assert "stops less exactly" in finding.reason


def test_a_drift_too_small_to_matter_is_not_told(lift: Lift) -> None:
    lift.normal("closing_ms", 3_000.0, 5.0)
    lift.everywhere("closing_ms", 0.6, since=150)
    assert lift.findings() == []


def test_the_rear_door_is_a_door_of_its_own(lift: Lift) -> None:
    for floor in (None, 1, 2, 3):
        lift.normal("rear:closing_ms", 3_000.0, 20.0, floor)
    lift.everywhere("rear:closing_ms", 6.0)
    (finding,) = lift.findings()
    assert finding.component == "rear-car-door"
    assert "(rear door)" in finding.reason


def test_lifts_do_not_change_what_is_found_of_each_other(lift: Lift) -> None:
    lift.door()
    lift.everywhere("closing_ms", 6.0)
    (alone,) = lift.findings()
    for key in list(lift.values):
        other = SeriesKey("L2", key.channel, key.floor, key.direction)
        lift.values[other] = np.roll(lift.values[key], 3)
    beside = [finding for finding in lift.findings() if finding.lift_id == "L1"]
    assert beside == [alone]


STARTS_AGAIN = (120, 131, 145, 152, 158, 163, 167, 170, 174, 177, 179, 182, 184, 187, 189, 191, 194, 195, 197, 199)


def starts(lift: Lift, *days: int) -> None:
    values = np.zeros(DAYS)
    values[list(days)] = 1.0
    lift.values[SeriesKey("L1", "reboots", None, None)] = values


def test_a_controller_that_starts_again_more_and_more_often_has_a_bad_supply(lift: Lift) -> None:
    starts(lift, *STARTS_AGAIN)
    (finding,) = lift.findings()
    assert (finding.component, finding.channel, finding.floor) == ("controller-supply", "reboots", None)
    assert finding.found_at < at(175)
    assert finding.value == 0.5
    assert finding.limit == pytest.approx(0.5, abs=0.05)
    assert finding.reason.startswith(
        "The controller's supply lets the controller start again and again: 0.50 of the days, normal is 0.0"
    )
    assert "the limit of 0.5" in finding.reason


def test_starts_on_the_days_of_visits_and_starts_as_ever_say_nothing(lift: Lift) -> None:
    starts(lift, *STARTS_AGAIN)
    assert lift.findings(visits=[visit(day, VisitKind.MAINTENANCE, None) for day in STARTS_AGAIN]) == []
    starts(lift, *range(0, DAYS, 7))
    assert lift.findings() == []


def test_a_repaired_supply_is_silent_and_so_is_told_again_when_it_was_not(lift: Lift) -> None:
    mended = visit(180, cause="controller-supply-fault")
    starts(lift, *STARTS_AGAIN)
    assert lift.findings(184, [mended]) == []
    (still,) = lift.findings(192, [mended])
    assert still.found_at < at(180)
    starts(lift, *(day for day in STARTS_AGAIN if day < 180))
    assert lift.findings(192, [mended]) == []


def test_a_door_that_came_halfway_back_is_held_against_what_was_normal_before(lift: Lift) -> None:
    lift.door()
    lift.everywhere("closing_ms", 6.0, since=120, until=170)
    lift.everywhere("closing_ms", 0.0001, since=170)
    for key in lift.values:
        if key.channel == "closing_ms":
            lift.values[key][170:] += 150.0
    (finding,) = lift.findings(190, [visit(170, VisitKind.MAINTENANCE, None)])
    assert finding.component == "car-door"
    assert finding.found_at < at(170)


def test_a_brake_that_wore_when_it_was_first_seen_is_found_all_the_same(lift: Lift) -> None:
    lift.normal("brake_apply_ms", 140.0, 1.0)
    lift.add("brake_apply_ms", 1.5, since=5)
    (finding,) = lift.findings(60)
    assert (finding.component, finding.channel) == ("brake", "brake_apply_ms")
    assert finding.found_at < at(45)


def test_a_part_is_told_by_the_channel_that_is_soonest_at_its_limit(lift: Lift) -> None:
    lift.door()
    lift.everywhere("closing_ms", 3.0, since=120)
    lift.everywhere("peak_current_a", 0.008, since=120)
    (finding,) = lift.findings()
    whole = [item for item in finding.evidence if item["floor"] is None]
    left = {item["channel"]: (item["limit"] - item["now"]) / item["slope_per_day"] for item in whole}
    assert left["peak_current_a"] < left["closing_ms"]
    assert finding.channel == finding.evidence[0]["channel"] == "peak_current_a"
    assert finding.days_left == pytest.approx(left["peak_current_a"], abs=1)


def test_all_stops_that_spread_because_one_landing_moves_are_that_landings_vane(lift: Lift) -> None:
    lift.levels()
    lift.normal("error_spread_mm", 2.0, 0.1, None, "up")
    lift.add("error_mm", -0.15, floor=3)
    lift.add("error_spread_mm", 0.05)
    (finding,) = lift.findings()
    assert (finding.component, finding.floor) == ("landing-vane", 3)
    assert {item["channel"] for item in finding.evidence} == {"error_mm", "error_spread_mm"}


@pytest.mark.parametrize("since", [100, 140, 150])
@pytest.mark.parametrize("per_day", [-1.0, -2.0])
def test_what_stepped_once_and_comes_back_is_not_said_to_be_on_its_way_to_the_limit(
    lift: Lift, since: int, per_day: float
) -> None:
    step(lift, since, per_day)
    (finding,) = lift.findings()
    assert finding.days_left is None
    assert " a day" not in finding.reason
    assert "; it does not come nearer to the limit of 3," in finding.reason


def test_what_stepped_once_and_stands_has_no_date_that_a_planner_would_act_on(lift: Lift) -> None:
    step(lift, 140, 0.0)
    (finding,) = lift.findings()
    assert finding.days_left is None or finding.days_left > 365


def step(lift: Lift, since: int, per_day: float) -> None:
    """Let the car door close 300 ms slower from one day to the next, and `per_day` more with each that follows."""
    lift.door()
    for key, values in lift.values.items():
        if key.channel == "closing_ms":
            values[since:] += 300.0 + per_day * np.arange(DAYS - since)
