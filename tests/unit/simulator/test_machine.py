from datetime import date

import pytest

from simulator.fleet import HYDRAULIC, make_fleet
from simulator.machine import machine_rows
from simulator.mechanisms import BY_NAME
from simulator.traffic import DAY_MS, day_start_ms
from simulator.wear import Segment, Wear

FLEET = make_fleet(7, 400)
TRACTION = next(spec for spec in FLEET if spec.drive != HYDRAULIC)
HYDRAULIC_LIFT = next(spec for spec in FLEET if spec.drive == HYDRAULIC)
SUMMER, WINTER = date(2025, 7, 10), date(2025, 1, 10)


def worn(name: str) -> Wear:
    since_ms = day_start_ms(SUMMER) - DAY_MS
    segment = Segment(since_ms, since_ms + 400 * DAY_MS, 1.0, 0.0)
    return Wear(mechanism=name, floor=None, shape=BY_NAME[name].shape, segments=(segment,), ended_by="")


def test_the_room_is_warm_in_summer_and_in_the_afternoon() -> None:
    summer, winter = machine_rows(TRACTION, [], SUMMER), machine_rows(TRACTION, [], WINTER)
    assert summer.room_tenth_c.mean() > winter.room_tenth_c.mean() + 80
    afternoon, night = (summer.at_ms // 3_600_000 == hour for hour in (14, 2))
    assert summer.room_tenth_c[afternoon].mean() > summer.room_tenth_c[night].mean() + 40
    assert summer.room_tenth_c.max() < 400, "the limit of 40 C is for rooms that overheat"


def test_an_overheating_room_passes_the_limit_on_a_summer_day() -> None:
    assert machine_rows(TRACTION, [worn("machine-room-heat")], SUMMER).room_tenth_c.max() > 400


@pytest.mark.parametrize(
    ("name", "column", "factor"),
    [
        ("brake-lining", "brake_apply_ms", 1.6),
        ("brake-lining", "brake_release_ms", 1.4),
        ("guide-shoe", "vibration_tenth_mg", 3.0),
    ],
)
def test_wear_of_brake_and_guides_shows(name: str, column: str, factor: float) -> None:
    new, old = (getattr(machine_rows(TRACTION, wears, SUMMER), column).mean() for wears in ([], [worn(name)]))
    assert old == pytest.approx(new * factor, rel=0.02)


def test_a_hydraulic_lift_has_no_brake_to_report() -> None:
    assert not machine_rows(HYDRAULIC_LIFT, [], SUMMER).has_brake
    assert machine_rows(TRACTION, [], SUMMER).has_brake
