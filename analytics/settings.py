"""The limits that an owner may move; what they mean stands with the rules that use them."""

from datetime import timedelta

from msgspec import Struct

# Older visits are not remembered one by one (`analytics.records`).
REPEAT_REPAIR_DAYS_MAX = 200


class AssessmentSettings(Struct, frozen=True, kw_only=True):
    """From when on a fault counts as repeated, a repair as not holding, a visit as due soon, a message as missing.

    `visit_due_soon_days` None: as the lift's regime says.

    Raises:
        ValueError: a count or a number of days that no lift can reach or that every lift has reached already.
    """

    repeated_fault_count_min: int = 3
    repeated_fault_days: int = 7
    repeat_repair_days: int = 30
    visit_due_soon_days: int | None = None
    gap_open_s: float = 3_600.0

    def __post_init__(self) -> None:
        """Refuse what would find everything or nothing."""
        if min(self.repeated_fault_count_min, self.repeated_fault_days, self.repeat_repair_days) < 1:
            message = "repeated_fault_count_min, repeated_fault_days and repeat_repair_days are at least 1"
            raise ValueError(message)
        if self.repeat_repair_days > REPEAT_REPAIR_DAYS_MAX:
            message = f"repeat_repair_days is at most {REPEAT_REPAIR_DAYS_MAX}"
            raise ValueError(message)
        if self.visit_due_soon_days is not None and self.visit_due_soon_days < 0:
            message = "visit_due_soon_days is at least 0"
            raise ValueError(message)
        if self.gap_open_s <= 0:
            message = "gap_open_s is above 0"
            raise ValueError(message)

    @property
    def gap_open(self) -> timedelta:
        """How long a number may be missing after a later one has come."""
        return timedelta(seconds=self.gap_open_s)
