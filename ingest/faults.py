"""Canonical fault codes and controller profiles.

The canonical codes are the 17 of BACnetLiftFault (ANSI/ASHRAE 135-2016, clause 12.59) and seven that a monitoring
centre needs besides. The numbers of GB/T 24476 are those that published platforms implement; where several codes
share the nearest number, or none fits, that is said here and not hidden.
"""

from collections.abc import Mapping
from enum import StrEnum
from importlib import resources
from pathlib import Path

import msgspec
import yaml
from msgspec import Struct


class Origin(StrEnum):
    """Who has to act on a fault: the trade groups of the Chinese 96333 rescue platforms, reduced to two."""

    EQUIPMENT = "equipment"
    EXTERNAL = "external"


class FaultCode(Struct, frozen=True):
    """One canonical fault.

    `bacnet` is the number in BACnetLiftFault (None: not in that list), `gbt_24476` the fault or event number of
    GB/T 24476 as implemented by public platforms (None: no counterpart), `stops_lift` whether a controller that
    reports it keeps the lift from serving, `safety` whether it can hurt somebody.
    """

    code: str
    component: str
    bacnet: int | None
    gbt_24476: str | None
    stops_lift: bool
    safety: bool = False
    origin: Origin = Origin.EQUIPMENT


_CODES = (
    FaultCode("controller-fault", "controller", 0, None, stops_lift=True),
    FaultCode("drive-and-motor-fault", "drive", 1, None, stops_lift=True),
    FaultCode("governor-and-safety-gear-fault", "safety-gear", 2, None, stops_lift=True, safety=True),
    FaultCode("lift-shaft-device-fault", "shaft", 3, None, stops_lift=True),
    FaultCode("power-supply-fault", "power-supply", 4, "41", stops_lift=True, origin=Origin.EXTERNAL),
    FaultCode("safety-interlock-fault", "safety-chain", 5, "01", stops_lift=True),
    FaultCode("door-closing-fault", "door", 6, "02", stops_lift=True),
    FaultCode("door-opening-fault", "door", 7, "03", stops_lift=True),
    FaultCode("car-stopped-outside-landing-zone", "position", 8, "04", stops_lift=True),
    FaultCode("call-button-stuck", "operating-panel", 9, None, stops_lift=False),
    FaultCode("start-failure", "controller", 10, "08", stops_lift=True),
    FaultCode("controller-supply-fault", "controller", 11, None, stops_lift=True),
    FaultCode("self-test-failure", "controller", 12, None, stops_lift=True),
    FaultCode("runtime-limit-exceeded", "drive", 13, "06", stops_lift=True),
    FaultCode("position-lost", "position", 14, "07", stops_lift=True),
    FaultCode("drive-temperature-exceeded", "drive", 15, None, stops_lift=True),
    FaultCode("load-measurement-fault", "load-measurement", 16, None, stops_lift=False),
    FaultCode("unintended-movement", "brake", None, "05", stops_lift=True, safety=True),
    FaultCode("overspeed", "drive", None, None, stops_lift=True, safety=True),
    FaultCode("limit-overrun", "shaft", None, None, stops_lift=True, safety=True),
    FaultCode("entrapment", "car", None, None, stops_lift=True, safety=True),
    FaultCode("brake-fault", "brake", None, None, stops_lift=True, safety=True),
    FaultCode("levelling-out-of-tolerance", "levelling", None, None, stops_lift=False),
    FaultCode("communication-lost", "communication", None, None, stops_lift=False),
)
CANONICAL: Mapping[str, FaultCode] = {code.code: code for code in _CODES}
ENTRAPMENT = "entrapment"


def component_of(code: str) -> str | None:
    """Return the component that a canonical code speaks of; None for a code that is not canonical."""
    known = CANONICAL.get(code)
    return known.component if known else None


class ControllerProfile(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How one maker's controller names its faults: `faults` maps its own codes to canonical ones."""

    name: str
    maker: str
    description: str = ""
    faults: dict[str, str]

    def canonical(self, controller_code: str) -> str | None:
        """Return the canonical code for the controller's own, None where the profile does not know it."""
        return self.faults.get(controller_code)


class ProfileError(ValueError):
    """A profile file that cannot be used; the text says which file and what is wrong with it."""


def load_profiles(folder: Path | None = None) -> dict[str, ControllerProfile]:
    """Return the profiles that ship with Liftwatch and those of `folder` (`*.yaml`; the same name replaces), by name.

    Raises:
        ProfileError: a file is not a profile, or maps to a code that is not canonical.
    """
    shipped = resources.files("ingest").joinpath("profiles")
    files = [entry for entry in shipped.iterdir() if entry.name.endswith(".yaml")]
    texts = [(entry.name, entry.read_bytes()) for entry in sorted(files, key=lambda entry: entry.name)]
    if folder is not None:
        texts += [(str(path), path.read_bytes()) for path in sorted(folder.glob("*.yaml"))]
    profiles = (parse_profile(name, text) for name, text in texts)
    return {profile.name: profile for profile in profiles}


def parse_profile(source: str, text: bytes) -> ControllerProfile:
    """Return the profile written in the YAML `text`; `source` names it in errors.

    Raises:
        ProfileError: not YAML, not a profile, or a target that is not canonical.
    """
    try:
        profile = msgspec.convert(yaml.safe_load(text), ControllerProfile)
    except (yaml.YAMLError, msgspec.ValidationError) as error:
        message = f"{source}: {error}"
        raise ProfileError(message) from error
    unknown = sorted(set(profile.faults.values()) - set(CANONICAL))
    if unknown:
        message = f"{source}: not canonical: {', '.join(unknown)}"
        raise ProfileError(message)
    return profile
