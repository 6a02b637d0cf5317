"""Buildings full of lifts, made from a seed: the same seed and number give the same fleet, for ever.

Makers and companies are invented: nobody's real lifts are called troubled here.
"""

from datetime import date, timedelta
from enum import StrEnum
from functools import cached_property
from random import Random

from msgspec import Struct

from simulator.chance import seeded

LIFTS_MAX = 99_999
FIRST_COMMISSIONED_ON = date(1996, 3, 1)
LAST_COMMISSIONED_ON = date(2022, 11, 30)
# Of 30 lifts 3 are troubled: a few bad lifts make most of the calls in any fleet. The share is an assumption.
TROUBLED_SHARE = 0.08
# Of the others, this share is well kept; the rest is in ordinary care. An assumption.
WELL_KEPT_SHARE = 0.5
# Of the low buildings whose lifts may be hydraulic. An assumption.
_HYDRAULIC_SHARE = 0.3
_HYDRAULIC_FLOORS_MAX = 6


class Use(StrEnum):
    """What a building is for: it decides when its lifts run."""

    RESIDENTIAL = "residential"
    PUBLIC_HOUSING = "public-housing"
    OFFICE = "office"
    HOSPITAL = "hospital"


class Care(StrEnum):
    """How well a lift is looked after: it decides how often parts wear out, and what a visit is worth."""

    GOOD = "good"
    FAIR = "fair"
    NEGLECTED = "neglected"


class Duty(Struct, frozen=True):
    """What a kind of building asks of its lifts: its share of the buildings, and the ranges of its lifts."""

    share: float
    floors: tuple[int, int]
    trips_per_day: tuple[int, int]
    speed_mm_s: tuple[int, ...]


# Published: about 1,000 trips a day in New York's public housing, 1,538 in an office (400,000 a year on 260 days), up
# to 750 journeys in a busy block. Lower ends, homes, shares, floors and speeds are assumptions.
DUTIES = {
    Use.RESIDENTIAL: Duty(0.5, (5, 18), (80, 300), (1000, 1600, 1750)),
    Use.PUBLIC_HOUSING: Duty(0.2, (12, 33), (500, 1000), (1600, 1750, 2500)),
    Use.OFFICE: Duty(0.2, (5, 28), (600, 1500), (1600, 1750, 2500)),
    Use.HOSPITAL: Duty(0.1, (4, 14), (250, 750), (1000, 1750)),
}
HYDRAULIC = "hydraulic"
_NAMES = {
    Use.RESIDENTIAL: ("Harbour Court", "Plane Tree Gardens", "Mill Lane House", "Lakeside Rows"),
    Use.PUBLIC_HOUSING: ("Quarry Heights", "Northfield Estate", "Signal Hill"),
    Use.OFFICE: ("Exchange Tower", "Foundry Yard", "Meridian House", "Canal Square"),
    Use.HOSPITAL: ("St Luke's Clinic", "County Infirmary"),
}
_MODELS = {"Norlift": ("N200", "N350"), "Kestrel": ("K2", "K4 MRL"), "Aurora Elevator": ("A-Line",)}
_CONTRACTORS = ("Plumbline Lifts", "Upright Services")
_DRIVES = ("traction-geared", "traction-gearless")
_HYDRAULIC_SPEED_MM_S = 630


class DoorType(Struct, frozen=True):
    """A door when it is new: times in ms, current in A. Trade knowledge, not published: assumptions."""

    name: str
    opening_ms: float
    closing_ms: float
    current_a: float


DOORS = (DoorType("centre-opening", 2_200.0, 3_000.0, 2.4), DoorType("side-opening", 2_700.0, 3_400.0, 2.9))


class LiftSpec(Struct, frozen=True, kw_only=True, dict=True):
    """One lift as it was built, and its habits. `bad_floor` is the landing whose door drags, on a troubled lift."""

    seed: int
    lift_id: str
    site_id: str
    site_name: str
    use: Use
    maker: str
    model: str
    drive: str
    door: DoorType
    floors: int
    floor_height_mm: int
    speed_mm_s: int
    trips_per_day: int
    commissioned_on: date
    contractor: str
    team: str
    care: Care
    troubled: bool
    bad_floor: int

    @cached_property
    def phase(self) -> float:
        """0..1, the lift's own: it keeps the lifts of a fleet from doing everything at the same moment."""
        return self.random("phase").random()

    def random(self, *what: object) -> Random:
        """Return the numbers that belong to this lift and to `what` (a day, a purpose) alone."""
        return seeded(self.seed, self.lift_id, *what)


def make_fleet(seed: int, count: int, traffic: float = 1.0) -> list[LiftSpec]:
    """Return `count` lifts, `L0001` on, several to a site; each makes `traffic` times the trips of its kind.

    Raises:
        ValueError: no lift, or more than the numbering holds.
    """
    if not 1 <= count <= LIFTS_MAX:
        message = f"between 1 and {LIFTS_MAX} lifts, not {count}"
        raise ValueError(message)
    lift_ids = [f"L{number:04d}" for number in range(1, count + 1)]
    troubled = set(seeded(seed, "troubled", count).sample(lift_ids, max(1, round(count * TROUBLED_SHARE))))
    fleet: list[LiftSpec] = []
    number = 0
    while len(fleet) < count:
        number += 1
        fleet += _site(seed, number, lift_ids[len(fleet) :], troubled, traffic)
    return fleet


def _site(seed: int, number: int, lift_ids: list[str], troubled: set[str], traffic: float) -> list[LiftSpec]:
    """Return the lifts of one building: as many of `lift_ids` as it has room for."""
    random = seeded(seed, "site", number)
    use = random.choices(list(DUTIES), [duty.share for duty in DUTIES.values()])[0]
    duty = DUTIES[use]
    floors = random.randint(*duty.floors)
    maker = random.choice(list(_MODELS))
    span_days = (LAST_COMMISSIONED_ON - FIRST_COMMISSIONED_ON).days
    commissioned_on = FIRST_COMMISSIONED_ON + timedelta(days=random.randint(0, span_days))
    hydraulic = floors <= _HYDRAULIC_FLOORS_MAX and random.random() < _HYDRAULIC_SHARE
    drive = HYDRAULIC if hydraulic else random.choice(_DRIVES)
    contractor = random.choice(_CONTRACTORS)
    name, model = f"{random.choice(_NAMES[use])} {number}", random.choice(_MODELS[maker])
    speed_mm_s = _HYDRAULIC_SPEED_MM_S if hydraulic else random.choice(duty.speed_mm_s)
    floor_height_mm, door = random.choice((2800, 3000, 3300)), random.choice(DOORS)
    return [
        LiftSpec(
            seed=seed,
            lift_id=lift_id,
            site_id=f"S{number:03d}",
            site_name=name,
            use=use,
            maker=maker,
            model=model,
            drive=drive,
            door=door,
            floors=floors,
            floor_height_mm=floor_height_mm,
            speed_mm_s=speed_mm_s,
            trips_per_day=max(1, round(random.randint(*duty.trips_per_day) * traffic)),
            commissioned_on=commissioned_on,
            contractor=contractor,
            team=f"{contractor} {'north' if number % 2 else 'south'}",
            care=_care(seed, lift_id, troubled),
            troubled=lift_id in troubled,
            bad_floor=random.randint(1, floors),
        )
        for lift_id in lift_ids[: random.randint(2, 6)]
    ]


def _care(seed: int, lift_id: str, troubled: set[str]) -> Care:
    if lift_id in troubled:
        return Care.NEGLECTED
    return Care.GOOD if seeded(seed, lift_id, "care").random() < WELL_KEPT_SHARE else Care.FAIR
