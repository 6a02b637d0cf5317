"""Rescue aid: what a lift has told of itself, and what to do first for people in its car (RS-11 to RS-13). Pure.

It advises certificated people who can see the lift; what they see goes before what the lift said.
"""

from datetime import datetime

from msgspec import Struct

from ingest.messages import Fault, Message, State

SAFETY_GEAR = frozenset({"governor-and-safety-gear-fault", "overspeed"})
BRAKE = frozenset({"brake-fault", "unintended-movement"})
POWER = frozenset({"power-supply-fault", "controller-supply-fault"})
OUTSIDE = "car-stopped-outside-landing-zone"
FIRE_MODES = frozenset({"fire-operation", "firefighter-control"})
_STATE_FACTS = ("in_door_zone", "moving", "floor", "door", "passengers", "power", "service_mode")
_OWN = "Liftwatch's own rule"


class Facts(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a lift said last of what matters to a rescue; None: it never told. `faults`: those that stand.

    `load_pct` is that of its last trip; `told_at` is when it said the newest of them.
    """

    in_door_zone: bool | None = None
    moving: bool | None = None
    floor: int | None = None
    door: str | None = None
    passengers: bool | None = None
    power: bool | None = None
    service_mode: str | None = None
    load_pct: float | None = None
    faults: list[str] = []
    told_at: datetime | None = None


class Advice(Struct, frozen=True):
    """One step, and the rule that it comes from."""

    text: str
    source: str


class RescueAid(Struct, frozen=True, kw_only=True):
    """Where the car stands, in words; what to do, in order; and what the lift has not told."""

    position: str
    steps: list[Advice]
    unknown: list[str]


def facts_in(message: Message) -> Facts:
    """Return what a message tells; a fault that is over tells nothing of how the car stands."""
    body = message.body
    if isinstance(body, State):
        return facts_in_state(message)
    if isinstance(body, Fault) and body.phase == "raised":
        zone, told_at = body.in_door_zone, message.happened_at
        return Facts(floor=body.floor, in_door_zone=zone, passengers=body.passengers, told_at=told_at)
    return Facts()


def facts_in_state(message: Message) -> Facts:
    """Return what a state tells."""
    return Facts(told_at=message.happened_at, **{name: getattr(message.body, name) for name in _STATE_FACTS})


def aid_of(facts: Facts) -> RescueAid:
    """Return the advice for what is known; what is not known counts as the worse case."""
    faults = set(facts.faults)
    steps = [
        Advice("Two certificated people; speak to the passengers and keep them away from the doors.", "RS-11, RS-13"),
        Advice("See for yourself where the car stands before anybody opens a landing door.", "RS-11"),
        *_dangers(facts, faults),
        Advice("Main switch off before anything is opened or moved.", "RS-13"),
        *_way_out(facts, faults),
        Advice(
            "Count the people who come out, and say so: the case ends with your word, not with the lift's.", "RS-01"
        ),
    ]
    return RescueAid(position=_position(facts), steps=steps, unknown=_unknown(facts))


def zone_of(facts: Facts) -> bool | None:
    """Tell whether the car stands inside the unlocking zone; not known where the lift says two things at once."""
    contradicts = facts.moving or OUTSIDE in facts.faults
    return None if facts.in_door_zone and contradicts else facts.in_door_zone


def _dangers(facts: Facts, faults: set[str]) -> list[Advice]:
    found = []
    if facts.service_mode in FIRE_MODES:
        found.append(Advice("The lift runs in a fire mode: act with the fire service only.", "RS-15"))
    if facts.moving:
        found.append(Advice("The lift said last that the car moves: wait until it stands.", "RS-12"))
    if faults & BRAKE:
        text = "The brake is reported faulty: secure the car before anybody releases the brake or enters the shaft."
        found.append(Advice(text, _OWN))
    if facts.power is False or faults & POWER:
        found.append(Advice("There is no mains supply: light and ventilation in the car may be off.", "RS-12"))
    return found


def _way_out(facts: Facts, faults: set[str]) -> list[Advice]:
    zone = zone_of(facts)
    if zone:
        return [Advice("Inside the unlocking zone: open the landing door with the triangular key.", "RS-12")]
    if faults & SAFETY_GEAR:
        text = (
            "The safety gear may hold the car: do not wind it. Open the landing door above the car, "
            "go down by ladder and through the hatch in the car roof."
        )
        return [Advice(text, "RS-12")]
    known = "Outside the unlocking zone" if zone is False else "Not known to be in the unlocking zone"
    text = (
        f"{known}: in the machine room one person releases the brake while the other turns the hand-wheel "
        "towards the nearest landing; stop at once if the car moves by itself."
    )
    return [
        Advice(text, "RS-12, RS-13"),
        Advice("At the landing: open, let them out, take the hand-wheel off and hang it up.", "RS-13"),
    ]


def _position(facts: Facts) -> str:
    at = "floor not told" if facts.floor is None else f"at or near floor {facts.floor}"
    words = {True: "inside the unlocking zone", False: "outside the unlocking zone", None: "zone not told"}
    if zone_of(facts) is not facts.in_door_zone:
        return f"{at}, zone not sure: the lift says that it is inside, and that it is not"
    return f"{at}, {words[facts.in_door_zone]}"


def _unknown(facts: Facts) -> list[str]:
    names = ("in_door_zone", "floor", "door", "passengers", "power", "load_pct")
    return [name for name in names if getattr(facts, name) is None]
