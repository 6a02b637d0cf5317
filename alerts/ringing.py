"""Raising an alert: the alert itself, and the one work order of its lift and cause."""

from sqlalchemy.engine import Connection

from alerts.alert import LIFTWATCH, Suppression
from alerts.alert_entries import NewAlert, lock_alert, open_alert
from alerts.floods import comes_in_a_flood
from alerts.order_entries import link_alert, lock_order, lock_undone_order, open_order
from alerts.outbox import tell_alert, tell_order
from alerts.quiet import quiet_of
from alerts.work_orders import WorkOrder

# Somebody else may open an order between our look and our insert, and end it again before our next look.
_TRIES_MAX = 3


def ring(connection: Connection, new: NewAlert) -> int | None:
    """Raise an alert and see to its order; return the alert's id, None where lift and cause have an open one.

    One that is silent orders no work and calls nobody before it rings. An order of the same lift and cause on which
    there is work to do takes the alert in, whatever its rule says; otherwise one is opened where the rule asks for it.
    """
    quiet = quiet_of(connection, new.lift_id, new.kind, new.code, new.rule.priority, new.received_at)
    alert_id = open_alert(connection, new, quiet)
    if alert_id is None:
        return None
    rings = quiet.suppression is Suppression.NONE
    if rings:
        see_to_order(connection, alert_id, new)
    # Read again: what is told names the order that was opened for it.
    if (alert := lock_alert(connection, alert_id)) is not None and quiet.suppression is not Suppression.SHELVED:
        in_flood = new.rule.priority > 1 and comes_in_a_flood(connection, new.kind, new.rule.operators, new.received_at)
        what = ("grouped" if in_flood else "raised") if rings else "suppressed"
        tell_alert(connection, what, new.received_at, alert, by=LIFTWATCH)
    return alert_id


def see_to_order(connection: Connection, alert_id: int, new: NewAlert) -> None:
    """Link an alert to the undone order of its lift and cause, which is opened where its rule asks for one.

    Also for an alert that is raised once more while it is active: where its order was done meanwhile, somebody has to
    go again.
    """
    order, is_new = _order_for(connection, new)
    if order is None or alert_id in order.alert_ids:
        return
    link_alert(connection, order, alert_id, new)
    if (linked := lock_order(connection, order.id)) is not None:
        tell_order(connection, "opened" if is_new else "linked", new.received_at, linked, by=LIFTWATCH)


def _order_for(connection: Connection, new: NewAlert) -> tuple[WorkOrder | None, bool]:
    """Return the order that an alert belongs to, and whether it has just been opened for it."""
    for _ in range(_TRIES_MAX):
        order = lock_undone_order(connection, new.lift_id, new.cause)
        if order is not None or new.rule.opens_order is None:
            return order, False
        order = open_order(connection, new, new.rule.opens_order)
        if order is not None:
            return order, True
    message = f"no work order could be opened for {new.lift_id}, {new.cause}"
    raise RuntimeError(message)
