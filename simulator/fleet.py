"""Buildings full of lifts, made from a seed: the same seed and number give the same fleet, for ever.

Makers and companies are invented: nobody's real lifts are called troubled here.
"""

from datetime import date, timedelta
from enum import StrEnum
from functools import cached_property
from random import Random

from msgspec import Struct

LIFTS_MAX = 99_999
FIRST_COMMISSIONED_ON = date(2004, 3, 1)
LAST_COMMISSIONED_ON = date(2022, 11, 30)
# Of 30 lifts 3 are troubled: a few bad lifts make most of the calls in any fleet. The share is an assumption.
TROUBLED_SHARE = 0.08


class Use(StrEnum):
    """What a building is for: it decides when its lifts run."""

    RESIDENTIAL = "residential"
    OFFICE = "office"
    HOSPITAL = "hospital"


class Duty(Struct, frozen=True):
    """What a kind of building asks of its lifts: its share of the buildings, and the ranges of its lifts."""

    share: float
    floors: tuple[int, int]
    trips_per_day: tuple[int, int]
    speed_mm_s: tuple[int, ...]


# Published: 500-1,000 trips a day in public housing, 1,500 in offices. The fleet stays below, so that weeks of history
# of a demonstration are published in seconds.
DUTIES = {
    Use.RESIDENTIAL: Duty(0.7, (6, 33), (90, 190), (1000, 1600, 1750)),
    Use.OFFICE: Duty(0.2, (8, 28), (160, 260), (1750, 2500)),
    Use.HOSPITAL: Duty(0.1, (5, 14), (150, 240), (1000, 1750)),
}
_NAMES = {
    Use.RESIDENTIAL: ("Harbour Court", "Plane Tree Gardens", "Mill Lane House", "Quarry Heights", "Lakeside Rows"),
    Use.OFFICE: ("Exchange Tower", "Foundry Yard", "Meridian House", "Canal Square"),
    Use.HOSPITAL: ("St Luke's Clinic", "County Infirmary"),
}
_MODELS = {"Norlift": ("N200", "N350"), "Kestrel": ("K2", "K4 MRL"), "Aurora Elevator": ("A-Line",)}
_CONTRACTORS = ("Plumbline Lifts", "Upright Services")
_DRIVES = ("traction-geared", "traction-gearless")


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
    floors: int
    floor_height_mm: int
    speed_mm_s: int
    trips_per_day: int
    commissioned_on: date
    contractor: str
    team: str
    faults_per_year: float
    troubled: bool
    bad_floor: int

    @cached_property
    def phase(self) -> float:
        """0..1, the lift's own: it keeps the lifts of a fleet from doing everything at the same moment."""
        return self.random("phase").random()

    def random(self, *what: object) -> Random:
        """Return the numbers that belong to this lift and to `what` (a day, a purpose) alone."""
        return seeded(self.seed, self.lift_id, *what)


def seeded(seed: int, *what: object) -> Random:
    """Return a generator that depends on nothing but the words given (text is hashed with SHA-512, never `hash()`)."""
    return Random("/".join(map(str, (seed, *what))))  # noqa: S311 - a simulation, not a secret


def make_fleet(seed: int, count: int) -> list[LiftSpec]:
    """Return `count` lifts, `L0001` on, several to a site.

    Raises:
        ValueError: no lift, or more than the numbering holds.
    """
    if not 1 <= count <= LIFTS_MAX:
        message = f"between 1 and {LIFTS_MAX} lifts, not {count}"
        raise ValueError(message)
    lift_ids = [f"L{number:04d}" for number in range(1, count + 1)]
    troubled = set(seeded(seed, "troubled", count).sample(lift_ids, max(1, round(count * TROUBLED_SHARE))))
    fleet: list[LiftSpec] = []
    while len(fleet) < count:
        fleet += _site(seed, len({spec.site_id for spec in fleet}) + 1, lift_ids[len(fleet) :], troubled)
    return fleet


def _site(seed: int, number: int, lift_ids: list[str], troubled: set[str]) -> list[LiftSpec]:
    """Return the lifts of one building: as many of `lift_ids` as it has room for."""
    random = seeded(seed, "site", number)
    use = random.choices(list(DUTIES), [duty.share for duty in DUTIES.values()])[0]
    duty = DUTIES[use]
    name = f"{random.choice(_NAMES[use])} {number}"
    floors = random.randint(*duty.floors)
    maker = random.choice(list(_MODELS))
    span_days = (LAST_COMMISSIONED_ON - FIRST_COMMISSIONED_ON).days
    commissioned_on = FIRST_COMMISSIONED_ON + timedelta(days=random.randint(0, span_days))
    model, drive = random.choice(_MODELS[maker]), random.choice(_DRIVES)
    speed_mm_s, floor_height_mm = random.choice(duty.speed_mm_s), random.choice((2800, 3000, 3300))
    contractor = random.choice(_CONTRACTORS)
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
            floors=floors,
            floor_height_mm=floor_height_mm,
            speed_mm_s=speed_mm_s,
            trips_per_day=random.randint(*duty.trips_per_day),
            commissioned_on=commissioned_on,
            contractor=contractor,
            team=f"{contractor} {'north' if number % 2 else 'south'}",
            faults_per_year=round(random.uniform(2, 4), 2),
            troubled=lift_id in troubled,
            bad_floor=random.randint(1, floors),
        )
        for lift_id in lift_ids[: random.randint(2, 6)]
    ]
