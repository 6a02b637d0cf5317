"""Technicians and their certificates, and what is lacking in a crew (WO-02, RS-11, ST-01, MP-19). Pure."""

from collections.abc import Sequence
from datetime import date
from enum import StrEnum

from msgspec import Struct

# WO-02, RS-11: at least two people who hold the certificate are on site.
CREW_MIN = 2
CERTIFICATES_MAX = 20


class CertificateKind(StrEnum):
    """What a certificate allows."""

    LIFT_WORK = "lift-work"  # maintenance, repair and rescue: the one that WO-02 counts
    KEYS = "keys"  # triangular and panel keys (TL-04)
    SAFETY_OFFICER = "safety-officer"
    OTHER = "other"


class Certificate(Struct, frozen=True, kw_only=True):
    """A certificate; it is valid on its last day."""

    kind: CertificateKind
    number: str
    valid_until: date


class Technician(Struct, frozen=True, kw_only=True):
    """Somebody who works at lifts: no more of a person than an order and its proof need."""

    technician_id: str
    name: str
    team: str | None = None
    contractor: str | None = None
    active: bool = True
    certificates: list[Certificate] = []

    def is_certified(self, day: date) -> bool:
        """Tell whether a certificate for work at lifts is valid on a day."""
        return self.active and any(
            one.kind is CertificateKind.LIFT_WORK and day <= one.valid_until for one in self.certificates
        )


def lacking_in(crew: Sequence[Technician], day: date, contractor: str | None) -> list[str]:
    """Return, in words, what a crew lacks on a day; the first line is there only where it is too few."""
    certified = sum(one.is_certified(day) for one in crew)
    faults = []
    if certified < CREW_MIN:
        faults.append(f"{certified} of {CREW_MIN} people with a valid certificate (WO-02, ST-01)")
    faults += [f"{one.name}: {_why(one, day)}" for one in crew if not one.is_certified(day)]
    if contractor is not None:
        faults += [
            f"{one.name} works for {one.contractor}, the lift is under contract with {contractor} (MP-19)"
            for one in crew
            if one.contractor not in {None, contractor}
        ]
    return faults


def _why(technician: Technician, day: date) -> str:
    if not technician.active:
        return "no longer active"
    held = [one for one in technician.certificates if one.kind is CertificateKind.LIFT_WORK]
    if not held:
        return "no certificate for work at lifts"
    newest = max(held, key=lambda one: one.valid_until)
    assert newest.valid_until < day
    return f"certificate {newest.number} expired on {newest.valid_until.isoformat()}"
