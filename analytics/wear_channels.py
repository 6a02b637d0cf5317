"""Which daily channels drift as parts wear: to which side, how much matters, and from where on it needs a person.

`own_part`, `own_more` and `least` are Liftwatch's own rules; limits with a source name it.
"""

from msgspec import Struct

LANDING_DOOR, CAR_DOOR = "landing-door", "car-door"
REAR, REAR_CHANNEL = "rear-", "rear:"
LEVELLING, LANDING_VANE, ENCODER = "levelling", "landing-vane", "position-encoder"
OWN_RULE = "Liftwatch's own rule"


class WearChannel(Struct, frozen=True, kw_only=True):
    """One channel whose drift says that a part wears.

    `says` completes "The part ...". The limit is a distance from the lift's own normal: `own_part` of it, or `own_more`
    in the channel's unit; `at` is an absolute one. `least` is the distance below which a drift is certain but
    unimportant. `scale_min`: a spread from day to day below it is not believed. `season_per_day` is the slope that the
    season alone can make. `by_landing`: judged for single landings too, not only for the whole lift. A channel that
    does not lead is evidence beside others only. `mended_as`: which repairs are for it. `counted`: what grows is not a
    level, but the share of days on which it is above zero.
    """

    component: str
    says: str
    unit: str
    least: float
    scale_min: float
    own_part: float | None = None
    own_more: float | None = None
    at: float | None = None
    source: str = OWN_RULE
    two_sided: bool = False
    by_landing: bool = False
    season_per_day: float = 0.0
    digits: int = 0
    leads: bool = True
    counted: bool = False
    mended_as: str = "door"


WEAR_CHANNELS = {
    "closing_ms": WearChannel(
        component=CAR_DOOR, says="closes slower", unit="ms", least=45, scale_min=5, own_part=0.2, by_landing=True
    ),
    "opening_ms": WearChannel(
        component=CAR_DOOR, says="opens slower", unit="ms", least=45, scale_min=5, own_part=0.2, by_landing=True
    ),
    "peak_current_a": WearChannel(
        component=CAR_DOOR,
        says="needs more motor current",
        unit="A",
        least=0.05,
        scale_min=0.01,
        own_part=0.3,
        by_landing=True,
        digits=2,
    ),
    "closing_spread_ms": WearChannel(
        component=CAR_DOOR, says="closes unevenly", unit="ms", least=40, scale_min=5, own_more=200, by_landing=True
    ),
    "reversals_per_100": WearChannel(
        component=CAR_DOOR, says="reverses more often", unit="of 100 cycles", least=3, scale_min=1, own_more=15
    ),
    "nudging_per_100": WearChannel(
        component=CAR_DOOR,
        says="is forced shut (nudging) more often",
        unit="of 100 cycles",
        least=3,
        scale_min=1,
        own_more=25,
    ),
    "dwell_ms": WearChannel(
        component=CAR_DOOR, says="stays open longer", unit="ms", least=700, scale_min=50, own_part=0.8, leads=False
    ),
    "error_mm": WearChannel(
        component=LEVELLING,
        mended_as="level",
        says="drifts away from the sill",
        unit="mm",
        least=2.0,
        scale_min=0.3,
        at=10.0,
        source="EN 81-20: a car stops within 10 mm, and is held within 20 mm",
        two_sided=True,
        by_landing=True,
        digits=1,
    ),
    "error_spread_mm": WearChannel(
        component=LEVELLING,
        mended_as="level",
        says="stops less exactly",
        unit="mm",
        least=1.0,
        scale_min=0.2,
        own_part=1.0,
        digits=1,
    ),
    "error_by_load_mm": WearChannel(
        component=LEVELLING,
        mended_as="level",
        says="stops elsewhere when loaded",
        unit="mm from empty to full",
        least=3.0,
        scale_min=0.5,
        own_more=10.0,
        two_sided=True,
        digits=1,
    ),
    "relevelled_per_100": WearChannel(
        component=LEVELLING,
        mended_as="level",
        says="re-levels more often",
        unit="of 100 stops",
        least=3,
        scale_min=1,
        own_more=20,
        leads=False,
    ),
    "brake_release_ms": WearChannel(
        component="brake", mended_as="brake", says="releases later", unit="ms", least=8, scale_min=2, own_part=0.3
    ),
    "brake_apply_ms": WearChannel(
        component="brake", mended_as="brake", says="applies later", unit="ms", least=8, scale_min=2, own_part=0.4
    ),
    "vibration_mg": WearChannel(
        component="guide-shoes",
        mended_as="guides",
        says="let the car vibrate more",
        unit="mg",
        least=2,
        scale_min=0.2,
        own_part=1.0,
        digits=1,
    ),
    "machine_room_c": WearChannel(
        component="machine-room",
        mended_as="drive",
        says="grows warmer than the season explains",
        unit="C",
        least=3,
        scale_min=0.5,
        at=40.0,
        source="40 C, the limit that lift rules set for machine rooms",
        season_per_day=0.15,
        digits=1,
    ),
    "motor_c": WearChannel(
        component="motor",
        mended_as="drive",
        says="grows warmer than the season explains",
        unit="C",
        least=3,
        scale_min=0.5,
        own_more=30.0,
        season_per_day=0.15,
        digits=1,
    ),
    "start_delay_ms": WearChannel(
        component="start-circuit",
        mended_as="controller",
        says="starts later",
        unit="ms",
        least=80,
        scale_min=10,
        own_more=800,
    ),
    "reboots": WearChannel(
        component="controller-supply",
        mended_as="controller",
        says="lets the controller start again and again",
        unit="of the days",
        least=0.1,
        scale_min=0.5,
        own_more=0.5,
        counted=True,
        digits=2,
    ),
}

# What a sentence calls the part, and where a mechanic looks first.
PARTS = {
    LANDING_DOOR: (
        "The landing door at floor {floor}",
        "Clean its sill and look at shoes, rollers, closer and lock contact of that landing.",
    ),
    CAR_DOOR: (
        "The car door",
        "All landings are affected alike: look at sill, shoes, belt, rollers and light curtain of the car door.",
    ),
    LANDING_VANE: (
        "The stop at floor {floor}",
        "Only this landing is affected: look at its vane or magnet and at what holds it.",
    ),
    ENCODER: (
        "The position of the car",
        "The error has its sign by direction: look at the encoder, its wheel and its coupling for slip and dirt.",
    ),
    LEVELLING: (
        "The car",
        "All landings are affected: look at rope stretch and traction, on hydraulic lifts at valve and oil.",
    ),
    "brake": ("The brake", "Measure lining and air gap; look at the brake's voltage and at its contact."),
    "guide-shoes": ("The guide shoes", "Look at shoe linings or rollers and at the lubrication of the rails."),
    "machine-room": ("The machine room", "Look at ventilation, filters and cooling."),
    "motor": ("The motor", "The machine room does not explain it: look at its fan, bearings, load and brake."),
    "start-circuit": ("The lift", "Look at contactors, at the brake's release and at lock contacts that close late."),
    "controller-supply": (
        "The controller's supply",
        "Measure it under load; look at terminals, power supply and battery.",
    ),
}
