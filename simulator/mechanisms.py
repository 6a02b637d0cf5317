"""What wears out in a lift: how fast, what telemetry shows of it, which codes it ends in.

That each mechanism exists, and in which direction its readings drift, is published trade knowledge. EVERY NUMBER IN
THIS FILE IS AN ASSUMPTION, chosen so that the fleet as a whole lies inside the published ranges (`report.py`); where a
source gives an order of magnitude, it is named. Severity runs from 0 (as new) to 1 (the part fails); effects are those
at 1.
"""

from msgspec import Struct

from simulator.fleet import HYDRAULIC, LiftSpec


class Effects(Struct, frozen=True, kw_only=True):
    """What a reading gains at severity 1: shares of the healthy value (`_part`), chances, or units by name."""

    closing_part: float = 0.0
    closing_spread_part: float = 0.0
    opening_part: float = 0.0
    current_part: float = 0.0
    reversal_chance: float = 0.0
    nudging_chance: float = 0.0
    dwell_part: float = 0.0
    level_mm: float = 0.0
    level_by_direction_mm: float = 0.0
    level_by_load_mm: float = 0.0
    level_at_bottom_mm: float = 0.0
    level_spread_part: float = 0.0
    start_delay_ms: float = 0.0
    brake_release_part: float = 0.0
    brake_apply_part: float = 0.0
    vibration_part: float = 0.0
    room_c: float = 0.0
    reboots_per_day: float = 0.0


class Mechanism(Struct, frozen=True, kw_only=True):
    """One way to wear out.

    `onsets_per_year`: in fair care, at an age of ten years. `days_median`: from the first sign to failure, lognormal
    with `days_sigma`. `shape`: severity is the share of that time, to this power (above 1: slow, then fast).
    `early_code` is reported and clears by itself, up to `early_per_day` times. `stops` tells whether the failure keeps
    the lift from serving, `seen` how likely a visit in fair care is to find and mend it shortly before it fails.
    """

    name: str
    component: str
    code: str
    effects: Effects
    onsets_per_year: float
    days_median: float
    days_sigma: float = 0.35
    shape: float = 1.3
    early_code: str | None = None
    early_per_day: float = 0.0
    one_floor: bool = False
    stops: bool = True
    seen: float = 0.35
    drive: str | None = None


DOOR_FRICTION_LANDING = "door-friction-landing"
ROPE_SETTLING = "rope-settling"
_DOOR_CLOSING = "door-closing-fault"
_INTERLOCK = "safety-interlock-fault"
_LEVELLING = "levelling-out-of-tolerance"
TRACTION = "traction"

MECHANISMS = (
    # Trade orders of magnitude: close time +1-3 % a week, motor current +2-5 % a week; over some ten weeks.
    Mechanism(
        name=DOOR_FRICTION_LANDING,
        component="door",
        code=_DOOR_CLOSING,
        early_code=_DOOR_CLOSING,
        early_per_day=0.25,
        onsets_per_year=0.42,
        days_median=70,
        one_floor=True,
        effects=Effects(closing_part=0.25, opening_part=0.12, current_part=0.4, reversal_chance=0.25),
    ),
    Mechanism(
        name="door-friction-car",
        component="door",
        code=_DOOR_CLOSING,
        early_code=_DOOR_CLOSING,
        early_per_day=0.25,
        onsets_per_year=0.34,
        days_median=75,
        effects=Effects(closing_part=0.22, opening_part=0.12, current_part=0.35, reversal_chance=0.2),
    ),
    Mechanism(
        name="door-belt-slip",
        component="door",
        code="door-opening-fault",
        early_code="door-opening-fault",
        early_per_day=0.2,
        onsets_per_year=0.2,
        days_median=50,
        effects=Effects(closing_spread_part=4.0, opening_part=0.08, closing_part=0.06, reversal_chance=0.2),
    ),
    Mechanism(
        name="door-lock-contact",
        component="door",
        code=_INTERLOCK,
        early_code=_INTERLOCK,
        early_per_day=0.3,
        onsets_per_year=0.38,
        days_median=35,
        one_floor=True,
        effects=Effects(closing_part=0.08, closing_spread_part=1.5, start_delay_ms=700),
    ),
    Mechanism(
        name="light-curtain",
        component="door",
        code=_DOOR_CLOSING,
        onsets_per_year=0.22,
        days_median=25,
        shape=1.0,
        effects=Effects(nudging_chance=0.6, dwell_part=1.2, closing_part=0.1, reversal_chance=0.3),
    ),
    Mechanism(
        name="brake-lining",
        component="brake",
        code="brake-fault",
        early_code="self-test-failure",
        early_per_day=0.1,
        onsets_per_year=0.07,
        days_median=150,
        drive=TRACTION,
        effects=Effects(brake_release_part=0.4, brake_apply_part=0.6, level_spread_part=1.0),
    ),
    # Constructional stretch: fast in the first weeks, then flat; more at the bottom, where the rope is longer.
    Mechanism(
        name=ROPE_SETTLING,
        component="levelling",
        code=_LEVELLING,
        onsets_per_year=0.0,
        days_median=160,
        shape=0.4,
        stops=False,
        seen=0.25,
        drive=TRACTION,
        effects=Effects(level_mm=-4.0, level_at_bottom_mm=-10.0),
    ),
    Mechanism(
        name="groove-wear",
        component="traction",
        code="car-stopped-outside-landing-zone",
        early_code="runtime-limit-exceeded",
        early_per_day=0.08,
        onsets_per_year=0.04,
        days_median=220,
        drive=TRACTION,
        effects=Effects(level_by_load_mm=9.0, level_spread_part=0.8, start_delay_ms=250),
    ),
    Mechanism(
        name="encoder-slip",
        component="position",
        code="position-lost",
        early_code="position-lost",
        early_per_day=0.15,
        onsets_per_year=0.14,
        days_median=45,
        drive=TRACTION,
        effects=Effects(level_by_direction_mm=7.0, level_spread_part=0.5),
    ),
    # Drift of 0.5-2 mm a month is the trade's order of magnitude for levels that wander.
    Mechanism(
        name="landing-vane",
        component="levelling",
        code=_LEVELLING,
        early_code=_LEVELLING,
        early_per_day=0.1,
        onsets_per_year=0.06,
        days_median=180,
        shape=1.0,
        one_floor=True,
        stops=False,
        effects=Effects(level_mm=-13.0),
    ),
    Mechanism(
        name="guide-shoe",
        component="guides",
        code="lift-shaft-device-fault",
        onsets_per_year=0.05,
        days_median=200,
        seen=0.45,
        effects=Effects(vibration_part=2.0),
    ),
    Mechanism(
        name="contactor",
        component="controller",
        code="start-failure",
        early_code="start-failure",
        early_per_day=0.2,
        onsets_per_year=0.22,
        days_median=40,
        effects=Effects(start_delay_ms=900),
    ),
    Mechanism(
        name="machine-room-heat",
        component="drive",
        code="drive-temperature-exceeded",
        early_code="drive-temperature-exceeded",
        early_per_day=0.15,
        onsets_per_year=0.12,
        days_median=40,
        shape=1.0,
        effects=Effects(room_c=16.0),
    ),
    Mechanism(
        name="controller-supply",
        component="controller",
        code="controller-supply-fault",
        early_code="controller-supply-fault",
        early_per_day=0.1,
        onsets_per_year=0.14,
        days_median=50,
        seen=0.15,
        effects=Effects(reboots_per_day=0.8),
    ),
    Mechanism(
        name="hydraulic-valve",
        component="drive",
        code="drive-and-motor-fault",
        early_code=_LEVELLING,
        early_per_day=0.15,
        onsets_per_year=0.3,
        days_median=90,
        drive=HYDRAULIC,
        effects=Effects(level_mm=-6.0, level_by_load_mm=-5.0, level_spread_part=0.8),
    ),
)
BY_NAME = {mechanism.name: mechanism for mechanism in MECHANISMS}


def fits(mechanism: Mechanism, spec: LiftSpec) -> bool:
    """Tell whether the lift has the part at all."""
    return mechanism.drive is None or (mechanism.drive == HYDRAULIC) == (spec.drive == HYDRAULIC)


class Sudden(Struct, frozen=True):
    """A failure that nothing announces: its share among those, and what it breaks."""

    cause: str
    component: str
    code: str
    share: float
    at_floor: bool = False


# At least a third of all breakdowns comes without a precursor; the shares are assumptions.
SUDDEN = (
    Sudden("door-drive-electronics", "door", _DOOR_CLOSING, 0.18),
    Sudden("door-coupler-broken", "door", "door-opening-fault", 0.14),
    Sudden("lock-contact-broken", "door", _INTERLOCK, 0.19, at_floor=True),
    Sudden("controller-board", "controller", "controller-fault", 0.17),
    Sudden("drive-electronics", "drive", "drive-and-motor-fault", 0.1),
    Sudden("shaft-switch", "shaft", "lift-shaft-device-fault", 0.07),
    Sudden("position-sensor", "position", "position-lost", 0.07),
    Sudden("governor-switch", "safety-gear", "governor-and-safety-gear-fault", 0.02),
    Sudden("overspeed-trip", "drive", "overspeed", 0.01),
    Sudden("load-cell", "load-measurement", "load-measurement-fault", 0.02),
    Sudden("call-button", "operating-panel", "call-button-stuck", 0.03),
)
# What people do to a lift, not what it does to them.
MISUSE = (
    Sudden("waste-in-sill", "external", _DOOR_CLOSING, 0.6, at_floor=True),
    Sudden("rough-handling", "external", "door-opening-fault", 0.25, at_floor=True),
    Sudden("car-overloaded", "external", "start-failure", 0.15),
)
# What a visit can break: something is left loose or set wrongly.
LEFT_WRONG = (
    Sudden("left-wrong-after-visit", "door", _INTERLOCK, 0.5, at_floor=True),
    Sudden("left-wrong-after-visit", "door", _DOOR_CLOSING, 0.3),
    Sudden("left-wrong-after-visit", "controller", "controller-fault", 0.2),
)
