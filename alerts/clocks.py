"""Arrival clocks: until when somebody has to be on site (RS-01: entrapment 30 min; RS-02: repair 60 min). Pure."""

from datetime import datetime, timedelta

from alerts.work_orders import WorkOrder


def arrive_by(accepted_at: datetime, within_min: int | None) -> datetime | None:
    """Return when somebody has to be there; the clock starts when we accept the alarm, not when the lift spoke."""
    return None if within_min is None else accepted_at + timedelta(minutes=within_min)


def stopped_at(order: WorkOrder) -> datetime | None:
    """Return when the clock stopped: at the arrival, or when the order was cancelled before it. None: it runs."""
    return order.arrived_at or order.closed_at


def is_breached(order: WorkOrder, now: datetime) -> bool:
    """Tell whether the arrival was late, or is late as of `now`. Arriving on the last instant is in time (RS-01)."""
    if order.arrive_by is None:
        return False
    ended_at = stopped_at(order)
    return now >= order.arrive_by if ended_at is None else ended_at > order.arrive_by


def time_left_s(order: WorkOrder, now: datetime) -> float | None:
    """Return seconds until the arrival is due, negative when late; None where no clock runs."""
    if order.arrive_by is None or stopped_at(order) is not None:
        return None
    return (order.arrive_by - now).total_seconds()
