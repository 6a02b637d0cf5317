"""An alert: what an operator must know, and its life after ISA-18.2: active or cleared, unacknowledged or acknowledged.

Pure: no clock, no database. A decoded fault, an alert and a work order are three things with three lives.
"""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any

from msgspec import Struct

from analytics.findings import FindingKind
from ingest.faults import ENTRAPMENT

# Who stands in the history where no person acted.
LIFTWATCH = "liftwatch"
# What stands in the place of a lift where the alert is about the service itself; no lift can have this name.
SERVICE = "$service"
# Likewise where it is about a whole site or a gateway; `code` is then the id of the site or of the gateway.
SITE = "$site"
GATEWAY = "$gateway"


class AlertKind(StrEnum):
    """The kinds that the desk concludes itself; the others carry the name of their finding."""

    ENTRAPMENT = "entrapment"
    PASSENGER_ALARM = "passenger-alarm"
    LIFT_STOPPED = "lift-stopped"
    DOOR_OPEN_WHILE_MOVING = "door-open-while-moving"
    NO_CONTACT = "no-contact"
    SITE_POWER_CUT = "site-power-cut"
    ALERT_FLOOD = "alert-flood"
    BROKER_AWAY = "broker-away"
    STORE_AWAY = "store-away"
    SPOOL_FULL = "spool-full"
    OWN_CLOCK = "own-clock"
    UNREGISTERED_LIFT_ALARM = "unregistered-lift-alarm"
    GATEWAY_LOST = "gateway-lost"
    FLEET_SILENT = "fleet-silent"
    ALARM_EQUIPMENT_SILENT = "alarm-equipment-silent"
    ALARM_EQUIPMENT_FAULT = "alarm-equipment-fault"
    FILTERED_ALARMS = "filtered-alarms"
    LIFT_UNOBSERVED = "lift-unobserved"
    NOTIFICATION_FAILING = "notification-failing"
    HANDOVER_UNCONFIRMED = "handover-unconfirmed"


FINDING_KINDS: tuple[str, ...] = tuple(kind.value for kind in FindingKind)
ALERT_KINDS: tuple[str, ...] = (*(kind.value for kind in AlertKind), *FINDING_KINDS)


class AlertState(StrEnum):
    """Whether the condition still stands, and whether a person has taken note of it."""

    ACTIVE_UNACKNOWLEDGED = "active-unacknowledged"
    ACTIVE_ACKNOWLEDGED = "active-acknowledged"
    CLEARED_UNACKNOWLEDGED = "cleared-unacknowledged"
    CLEARED_ACKNOWLEDGED = "cleared-acknowledged"

    @property
    def is_open(self) -> bool:
        """Tell whether the condition still stands."""
        return self in OPEN_STATES


OPEN_STATES = frozenset({AlertState.ACTIVE_UNACKNOWLEDGED, AlertState.ACTIVE_ACKNOWLEDGED})


class AlertChange(StrEnum):
    """What can be done to the state of an alert; `return` is for one that was silenced and still stands."""

    ACKNOWLEDGE = "acknowledge"
    CLEAR = "clear"
    RETURN = "return"


class Suppression(StrEnum):
    """Why an alert does not ring (ISA-18.2): a person put it aside for a while, the design does, or it is taken out."""

    NONE = "none"
    SHELVED = "shelved"
    SUPPRESSED = "suppressed"
    OUT_OF_SERVICE = "out-of-service"


# What the history says when an alert goes from one to another; the same twice is no change.
SUPPRESSION_CHANGES: Mapping[tuple[Suppression, Suppression], str] = {
    (Suppression.NONE, Suppression.SHELVED): "shelved",
    (Suppression.NONE, Suppression.SUPPRESSED): "suppressed",
    (Suppression.NONE, Suppression.OUT_OF_SERVICE): "taken-out",
    (Suppression.SHELVED, Suppression.NONE): "returned",
    (Suppression.SHELVED, Suppression.SUPPRESSED): "suppressed",
    (Suppression.SHELVED, Suppression.OUT_OF_SERVICE): "taken-out",
    (Suppression.SUPPRESSED, Suppression.NONE): "restored",
    (Suppression.SUPPRESSED, Suppression.SHELVED): "shelved",
    (Suppression.SUPPRESSED, Suppression.OUT_OF_SERVICE): "taken-out",
    (Suppression.OUT_OF_SERVICE, Suppression.NONE): "restored",
    (Suppression.OUT_OF_SERVICE, Suppression.SHELVED): "shelved",
    (Suppression.OUT_OF_SERVICE, Suppression.SUPPRESSED): "suppressed",
}
# Somebody may be in danger: rings always, whoever has put aside or taken out what.
PEOPLE = frozenset(
    {
        AlertKind.ENTRAPMENT.value,
        AlertKind.PASSENGER_ALARM.value,
        AlertKind.UNREGISTERED_LIFT_ALARM.value,
        AlertKind.LIFT_UNOBSERVED.value,
    }
)


class IllegalTransitionError(ValueError):
    """A change of an alert or of a work order that its state does not allow; the text says which and why."""


LEGAL_CHANGES: Mapping[tuple[AlertState, AlertChange], AlertState] = {
    (AlertState.ACTIVE_UNACKNOWLEDGED, AlertChange.ACKNOWLEDGE): AlertState.ACTIVE_ACKNOWLEDGED,
    (AlertState.ACTIVE_UNACKNOWLEDGED, AlertChange.CLEAR): AlertState.CLEARED_UNACKNOWLEDGED,
    (AlertState.ACTIVE_ACKNOWLEDGED, AlertChange.CLEAR): AlertState.CLEARED_ACKNOWLEDGED,
    (AlertState.CLEARED_UNACKNOWLEDGED, AlertChange.ACKNOWLEDGE): AlertState.CLEARED_ACKNOWLEDGED,
    (AlertState.ACTIVE_UNACKNOWLEDGED, AlertChange.RETURN): AlertState.ACTIVE_UNACKNOWLEDGED,
    (AlertState.ACTIVE_ACKNOWLEDGED, AlertChange.RETURN): AlertState.ACTIVE_UNACKNOWLEDGED,
}


def changed(state: AlertState, change: AlertChange) -> AlertState:
    """Return the state after `change`.

    Raises:
        IllegalTransitionError: it is acknowledged, or cleared, already; what is cleared does not return.
    """
    after = LEGAL_CHANGES.get((state, change))
    if after is None:
        message = f"cannot {change.value} an alert that is {state.value}"
        raise IllegalTransitionError(message)
    return after


class Alert(Struct, frozen=True, kw_only=True):
    """An alert as the journal holds it.

    `priority` is 1 (at once) to 4 (plan it); `raised_at` and `cleared_at` are the instants that the evidence names
    (the controller's clock for what a lift said), `received_at` is ours. `repeats` counts further raises while it
    was active. `source` names the rules or clauses behind it.

    At most one of `shelved_until`, `suppressed_by` and `out_of_service` says why it does not ring; `rang` tells whether
    it ever did. `chattering`: it comes and goes, and is held active until it is quiet. `remind_at` is when somebody is
    reminded of it if nothing happens, `reminders` how often that was.
    """

    id: int
    lift_id: str
    kind: str
    code: str | None
    cause: str
    priority: int
    state: AlertState
    raised_at: datetime
    received_at: datetime
    cleared_at: datetime | None
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    message: str
    guidance: str
    source: str
    evidence: list[dict[str, Any]]
    work_order_id: int | None
    repeats: int
    shelved_until: datetime | None = None
    shelved_by: str | None = None
    shelve_reason: str | None = None
    suppressed_by: str | None = None
    out_of_service: bool = False
    chattering: bool = False
    rang: bool = True
    remind_after_min: int | None = None
    remind_at: datetime | None = None
    reminders: int = 0

    @property
    def suppression(self) -> Suppression:
        """Return why it does not ring."""
        if self.out_of_service:
            return Suppression.OUT_OF_SERVICE
        if self.suppressed_by is not None:
            return Suppression.SUPPRESSED
        return Suppression.NONE if self.shelved_until is None else Suppression.SHELVED


def cause_of(kind: str, code: str | None) -> str:
    """Return what an alert is about, which its work order shares: the canonical code, else the kind.

    The cause `entrapment` belongs to the rescue alone: a finding about entrapments orders work under its own name, so
    that a rescue is never taken for a repair that is open already.
    """
    if code is None or (code == ENTRAPMENT and kind != AlertKind.ENTRAPMENT):
        return kind
    return code


def open_key_of(lift_id: str, kind: str, code: str | None) -> str:
    """Return the key that one open alert of a lift and cause can hold at a time."""
    return f"{lift_id}/{kind}/{code or ''}"
