"""A receiver that is away for a day: nothing is lost, and the operator is told that it is not told."""

from sqlalchemy.engine import Engine

from tests.acceptance.desk_play import Play, Receiver
from tests.unit.alerts.parts import fault

HOUR_S = 3_600.0


def test_a_receiver_that_is_down_for_a_day_hears_everything_in_order_once_it_is_back(sqlite_engine: Engine) -> None:
    receiver = Receiver(away=(1 * HOUR_S, 25 * HOUR_S))
    play = Play(sqlite_engine, every_s=1_800)
    # What silence brings about has its own scenarios.
    play.watchers = [lambda world, now: world.service.desk.watch(now, None)]
    play.tell(receiver, "alert.raised", "alert.cleared", "work-order.opened")
    play.push(0, fault("overspeed"))
    play.push(2 * HOUR_S, fault("power-supply-fault", lift_id="B2"))
    play.push(3.5 * HOUR_S, fault("power-supply-fault", "cleared", lift_id="B2"))
    play.push(10 * HOUR_S, fault("entrapment"))
    play.restart(12 * HOUR_S)
    play.push(20 * HOUR_S, fault("entrapment", "cleared"))
    play.push(25.4 * HOUR_S, fault("overspeed", lift_id="B2"))
    play.run(27 * HOUR_S)
    play.expect(
        """
        0            alert A1 lift-stopped overspeed
        0            order A1 repair overspeed
        0..30m       heard work-order.opened A1 repair overspeed
        0..30m       heard alert.raised A1 lift-stopped overspeed
        2h           alert B2 lift-stopped power-supply-fault
        3h..4h       alert $service notification-failing subscription-1
        10h          alert A1 entrapment entrapment
        10h          order A1 rescue entrapment
        25.4h        alert B2 lift-stopped overspeed
        25.4h        order B2 repair overspeed
        25.4h..25.5h heard work-order.opened B2 repair overspeed
        25.4h..25.5h heard alert.raised B2 lift-stopped overspeed
        25.4h..25.5h heard alert.raised B2 lift-stopped power-supply-fault
        25.4h..25.5h heard alert.raised $service notification-failing subscription-1
        25.4h..25.5h heard alert.cleared B2 lift-stopped power-supply-fault
        25.4h..25.5h heard work-order.opened A1 rescue entrapment
        25.4h..25.5h heard alert.raised A1 entrapment entrapment
        25.4h..25.5h heard alert.cleared A1 entrapment entrapment
        25.5h..26h   heard alert.cleared $service notification-failing subscription-1
        """,
        ignoring=["told *"],
    )
    late = [each for at_s, each in receiver.heard if at_s >= 25 * HOUR_S]
    assert len({each.message_id for _, each in receiver.heard}) == len(receiver.heard)
    # What happened last finds out that the receiver is back; then all that waited follows in order.
    happened = [each.happened_at for each in late[2:]]
    assert happened == sorted(happened)
    assert {each.state for each in play.world.service.notifying.log.page(limit=50)} == {"delivered"}
    failing = play.world.service.journal.alerts(limit=9, kind="notification-failing")
    assert [alert.state.is_open for alert in failing] == [False]
