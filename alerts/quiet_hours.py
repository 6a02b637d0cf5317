"""Quiet hours: what can wait until the morning is not told at night. Pure."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from msgspec import Struct

# What is for at once, or for within the hour, waits for nobody's sleep.
URGENT_PRIORITY_MAX = 2


class QuietHours(Struct, frozen=True):
    """From when to when (wall clock, `HH:MM`) in which time zone; over midnight where `begins` is the later one."""

    begins: str
    ends: str
    time_zone: str

    def __post_init__(self) -> None:
        """Refuse what is none.

        Raises:
            ValueError: a time that is none, both the same, or a time zone that this machine does not know.
        """
        message = "expected two different times HH:MM and a time zone such as Asia/Hong_Kong"
        try:
            is_span = _time(self.begins) != _time(self.ends)
            ZoneInfo(self.time_zone)
        except (ValueError, ZoneInfoNotFoundError, OSError):
            raise ValueError(message) from None
        if not is_span:
            raise ValueError(message)

    def hold_until(self, now: datetime, priority: int | None) -> datetime | None:
        """Return until when something of `priority` is held back; None: tell it now."""
        if priority is None or priority <= URGENT_PRIORITY_MAX:
            return None
        zone = ZoneInfo(self.time_zone)
        local = now.astimezone(zone)
        begins, ends, wall = _time(self.begins), _time(self.ends), local.time().replace(tzinfo=None)
        is_quiet = begins <= wall < ends if begins < ends else wall >= begins or wall < ends
        if not is_quiet:
            return None
        day = local.date() if wall < ends else local.date() + timedelta(days=1)
        return datetime.combine(day, ends, zone).astimezone(UTC)


def _time(text: str) -> time:
    return datetime.strptime(text, "%H:%M").time()  # noqa: DTZ007 - a wall clock has no offset
