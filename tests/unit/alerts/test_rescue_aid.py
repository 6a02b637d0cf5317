import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.rescue_aid import BRAKE, OUTSIDE, SAFETY_GEAR, Facts, aid_of


def told(facts: Facts) -> str:
    return " ".join(step.text for step in aid_of(facts).steps)


def test_inside_the_unlocking_zone_the_landing_door_is_opened_by_key() -> None:
    words = told(Facts(in_door_zone=True, floor=3))
    assert "triangular key" in words
    assert "hand-wheel" not in words
    assert aid_of(Facts(in_door_zone=True, floor=3)).position == "at or near floor 3, inside the unlocking zone"


@pytest.mark.parametrize("facts", [Facts(in_door_zone=True, moving=True), Facts(in_door_zone=True, faults=[OUTSIDE])])
def test_a_lift_that_contradicts_itself_is_not_believed_to_stand_in_the_zone(facts: Facts) -> None:
    assert "triangular key" not in told(facts)
    assert "Not known to be in the unlocking zone" in told(facts)
    assert aid_of(facts).position.endswith("zone not sure: the lift says that it is inside, and that it is not")


def test_outside_the_zone_the_car_is_wound_to_a_landing_by_two() -> None:
    words = told(Facts(in_door_zone=False))
    assert "releases the brake while the other turns the hand-wheel" in words
    assert "stop at once if the car moves by itself" in words


@pytest.mark.parametrize("code", sorted(SAFETY_GEAR))
def test_a_car_that_its_safety_gear_may_hold_is_not_wound(code: str) -> None:
    words = told(Facts(in_door_zone=False, faults=[code]))
    assert "do not wind it" in words
    assert "hatch in the car roof" in words
    assert "hand-wheel" not in words


@pytest.mark.parametrize("code", sorted(BRAKE))
def test_a_faulty_brake_is_named_before_anybody_releases_it(code: str) -> None:
    steps = [step.text for step in aid_of(Facts(in_door_zone=False, faults=[code])).steps]
    secured = next(place for place, text in enumerate(steps) if "secure the car" in text)
    released = next(place for place, text in enumerate(steps) if "hand-wheel towards" in text)
    assert secured < released


def test_a_power_cut_a_fire_mode_and_a_moving_car_are_said() -> None:
    words = told(Facts(power=False, service_mode="fire-operation", moving=True))
    assert "no mains supply" in words
    assert "fire service" in words
    assert "wait until it stands" in words
    assert "no mains supply" in told(Facts(faults=["power-supply-fault"]))


def test_what_is_not_known_counts_as_the_worse_case_and_is_named() -> None:
    aid = aid_of(Facts())
    assert aid.position == "floor not told, zone not told"
    assert "Not known to be in the unlocking zone" in told(Facts())
    assert {"in_door_zone", "floor", "power", "load_pct"} <= set(aid.unknown)


@given(
    zone=st.sampled_from([True, False, None]),
    faults=st.sets(st.sampled_from(sorted(SAFETY_GEAR | BRAKE | {"door-closing-fault"}))),
    power=st.sampled_from([True, False, None]),
)
def test_every_advice_names_its_source_and_switches_off_before_it_opens_or_winds(
    zone: bool | None, faults: set[str], power: bool | None
) -> None:
    steps = aid_of(Facts(in_door_zone=zone, faults=sorted(faults), power=power)).steps
    assert all(step.text and step.source for step in steps)
    texts = [step.text for step in steps]
    off = next(place for place, text in enumerate(texts) if text.startswith("Main switch off"))
    acts = [place for place, text in enumerate(texts) if "triangular key" in text or "hand-wheel towards" in text]
    assert all(off < place for place in acts)
    assert texts[0].startswith("Two certificated people")
