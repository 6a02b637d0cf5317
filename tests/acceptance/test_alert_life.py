"""What an operator is called for, and what not: delays, chatter, floods, power cuts, lifts in service, shelves."""

from itertools import chain

import pytest
from sqlalchemy.engine import Engine

from alerts.alert import Suppression
from ingest.fleet import Lift
from tests.acceptance.desk_play import Play
from tests.unit.alerts.parts import alarm, at, fault, state

DOOR = "door-closing-fault"
ZONE = "car-stopped-outside-landing-zone"
# What has scenarios of its own.
CASES = "told case.*"
REST = ("alert *", "order *", "told work-order.*", CASES)
desks = pytest.mark.parametrize("desks", [1, 2])


@desks
def test_a_restart_in_the_middle_of_a_45_s_delay_loses_and_doubles_nothing(sqlite_engine: Engine, desks: int) -> None:
    play = Play(sqlite_engine, desks=desks)
    play.push(2, fault(ZONE, floor=3))
    play.away(10, 30)
    play.push(40, fault(ZONE, floor=3))
    play.run(90)
    play.expect(
        """
        47..52 alert A1 lift-stopped car-stopped-outside-landing-zone
        47..52 order A1 repair car-stopped-outside-landing-zone
        47..52 told alert.raised A1 lift-stopped car-stopped-outside-landing-zone
        47..52 told work-order.opened A1 repair car-stopped-outside-landing-zone
        """
    )


def test_what_is_over_within_its_delay_is_never_an_alert(sqlite_engine: Engine) -> None:
    play = Play(sqlite_engine, every_s=20)
    for start_s in (0, 600, 1_200):
        play.push(start_s, fault(ZONE))
        play.push(start_s + 44, fault(ZONE, "cleared"))
    play.run(3_600)
    play.expect("")


@desks
def test_people_never_wait_and_where_they_call_nothing_of_their_lift_does(sqlite_engine: Engine, desks: int) -> None:
    play = Play(sqlite_engine, ("A1", "B2", "C3"), desks=desks)
    play.push(0, fault(ZONE), fault("entrapment"), alarm("button"), fault(DOOR, lift_id="B2"))
    play.push(300, alarm("button", lift_id="B2"))
    play.push(600, fault(DOOR, passengers=True, lift_id="C3"))
    play.run(700)
    play.expect(
        """
        0        alert A1 entrapment entrapment
        0        alert A1 passenger-alarm
        0        order A1 rescue entrapment
        0..5     alert A1 lift-stopped car-stopped-outside-landing-zone
        0..5     order A1 repair car-stopped-outside-landing-zone
        300      alert B2 passenger-alarm
        300..305 alert B2 lift-stopped door-closing-fault
        300..305 order B2 repair door-closing-fault
        600      alert C3 lift-stopped door-closing-fault
        600      order C3 repair door-closing-fault
        """,
        ignoring=["told *"],
    )
    arrive_by = {order.lift_id: order.arrive_by for order in play.world.service.journal.work_orders(limit=9)}
    assert (arrive_by["B2"], arrive_by["C3"]) == (at(3_600), at(600 + 3_600)), "from when the fault was told"


@desks
def test_a_door_that_the_controller_brings_to_reason_calls_nobody_and_one_that_stays_does_in_time(
    sqlite_engine: Engine, desks: int
) -> None:
    play = Play(sqlite_engine, desks=desks, every_s=60)
    play.push(0, fault(DOOR))
    play.push(1_100, fault(DOOR, "cleared"))
    play.push(3_600, fault(DOOR))
    play.run(4_900)
    play.expect(
        """
        4800..4860 alert A1 lift-stopped door-closing-fault
        4800..4860 order A1 repair door-closing-fault
        """,
        ignoring=["told *"],
    )
    assert play.world.service.journal.work_orders(limit=1)[0].arrive_by == at(3_600 + 3_600)


@desks
def test_a_door_that_keeps_coming_back_rings_though_each_time_is_short(sqlite_engine: Engine, desks: int) -> None:
    play = Play(sqlite_engine, desks=desks, every_s=20)
    for second in (0, 900):  # stands nearly 10 of 15 minutes: with the third time it has stood 20 of 40
        play.push(second, fault(DOOR))
        play.push(second + 590, fault(DOOR, "cleared"))
    for number in range(5):
        play.push(300 * number, fault(DOOR, lift_id="B2"))
        play.push(10 + 300 * number, fault(DOOR, "cleared", lift_id="B2"))
    play.push(1_800, fault(DOOR))
    play.run(1_900)
    play.expect(
        """
        1820..1840 alert A1 lift-stopped door-closing-fault
        1820..1840 order A1 repair door-closing-fault
        1200 alert B2 lift-stopped door-closing-fault
        1200 order B2 repair door-closing-fault
        """,
        ignoring=["told *"],
    )


@desks
def test_a_chattering_contact_rings_twice_and_is_then_one_alert_until_it_is_quiet(
    sqlite_engine: Engine, desks: int
) -> None:
    play = Play(sqlite_engine, desks=desks)
    for pulse in range(30):
        play.push(10 * pulse, fault("lift-shaft-device-fault"))
        play.push(10 * pulse + 4, fault("lift-shaft-device-fault", "cleared"))
    play.run(900)
    play.expect(
        """
        0         alert A1 lift-stopped lift-shaft-device-fault
        10        alert A1 lift-stopped lift-shaft-device-fault
        0         order A1 repair lift-shaft-device-fault
        0         told alert.raised A1 lift-stopped lift-shaft-device-fault
        0         told work-order.opened A1 repair lift-shaft-device-fault
        4         told alert.cleared A1 lift-stopped lift-shaft-device-fault
        10        told alert.raised A1 lift-stopped lift-shaft-device-fault
        10        told work-order.linked A1 repair lift-shaft-device-fault
        594..600  told alert.cleared A1 lift-stopped lift-shaft-device-fault
        """
    )
    held = play.world.service.journal.alerts(limit=1)[0]
    assert (held.repeats, held.chattering, held.cleared_at) == (28, False, held.raised_at.replace(minute=4, second=54))
    assert (held.evidence[-1]["proposed_on_delay_s"], held.evidence[-1]["proposed_off_delay_s"]) == (5, 10)


FLEET = [Lift(lift_id=f"L{number:02}", site_id=f"S{number % 2}") for number in range(14)]


@desks
def test_a_flood_is_said_and_grouped_and_an_entrapment_still_comes_by_itself(sqlite_engine: Engine, desks: int) -> None:
    play = Play(sqlite_engine, FLEET, desks=desks)
    for number in range(13):
        play.push(10 * number, fault("lift-shaft-device-fault", lift_id=f"L{number:02}"))
    play.push(200, fault("entrapment", lift_id="L13"))
    play.do(240, lambda world: groups_are_told(world.client.get("/api/v1/alerts/groups").json()["items"]))
    for number in range(13):
        play.push(300, fault("lift-shaft-device-fault", "cleared", lift_id=f"L{number:02}"))
        play.post(310, f"alerts/{number + 1}/acknowledge", by="Olga")
    play.post(310, "alerts/15/acknowledge", by="Olga")
    play.run(790)
    told = [f"{10 * number} told alert.raised L{number:02} lift-stopped *" for number in range(10)]
    told += [f"{10 * number} told alert.grouped L{number:02} lift-stopped *" for number in range(10, 13)]
    for what in ("alert", "order", "told work-order.opened"):
        told += [f"{10 * number} {what} L{number:02} * lift-shaft-device-fault" for number in range(13)]
    play.expect(
        "\n".join(told)
        + """
        100..105 told flood.began $service alert-flood centre
        200      told alert.raised L13 entrapment entrapment
        13x 300  told alert.cleared * lift-stopped *
        690..705 told alert.cleared $service alert-flood centre
        690..705 told flood.ended $service alert-flood centre
        100..105 alert $service alert-flood centre
        200      alert L13 entrapment entrapment
        200      order L13 rescue entrapment
        200      told work-order.opened L13 rescue entrapment
        200      told case.received L13
        500..505 told case.answer-late L13 entrapment entrapment
        14x 310  told alert.acknowledged *
        """
    )


def groups_are_told(groups: list[dict[str, object]]) -> None:
    assert [(group["site_id"], group["kind"], group["alerts"]) for group in groups[:3]] == [
        ("S1", "entrapment", 1),
        ("S0", "lift-stopped", 7),
        ("S1", "lift-stopped", 6),
    ]


TOWER = [*(Lift(lift_id=lift_id, site_id="tower") for lift_id in ("T1", "T2", "T3")), Lift(lift_id="X1", site_id="x")]


@desks
def test_a_building_without_power_is_one_alert_and_what_still_stands_afterwards_rings(
    sqlite_engine: Engine, desks: int
) -> None:
    play = Play(sqlite_engine, TOWER, desks=desks)
    for second, lift_id in enumerate(("T1", "T2", "T3", "X1")):
        play.push(second, fault("power-supply-fault", lift_id=lift_id))
    play.push(60, fault("controller-fault", lift_id="T2"), fault("entrapment", lift_id="T3"))
    for second, lift_id in ((900, "T1"), (930, "T2"), (935, "T3")):
        play.push(second, fault("power-supply-fault", "cleared", lift_id=lift_id))
    play.run(1_100)
    play.expect(
        """
        0          alert T1 lift-stopped power-supply-fault
        0          told alert.raised T1 lift-stopped power-supply-fault
        1..5       alert $site site-power-cut tower
        1..5       told alert.raised $site site-power-cut tower
        1..5       told alert.suppressed T1 lift-stopped power-supply-fault
        1          alert T2 lift-stopped power-supply-fault
        1          told alert.suppressed T2 lift-stopped power-supply-fault
        2          alert T3 lift-stopped power-supply-fault
        2          told alert.suppressed T3 lift-stopped power-supply-fault
        3          alert X1 lift-stopped power-supply-fault
        3          told alert.raised X1 lift-stopped power-supply-fault
        60         alert T2 lift-stopped controller-fault
        60         told alert.suppressed T2 lift-stopped controller-fault
        60         alert T3 entrapment entrapment
        60         order T3 rescue entrapment
        60         told work-order.opened T3 rescue entrapment
        60         told alert.raised T3 entrapment entrapment
        900        told alert.cleared T1 lift-stopped power-supply-fault
        930..935   told alert.cleared $site site-power-cut tower
        1050..1060 told alert.restored T2 lift-stopped controller-fault
        1050..1060 order T2 repair controller-fault
        1050..1060 told work-order.opened T2 repair controller-fault
        60       told case.received T3
        360      told case.answer-late T3 entrapment entrapment
        605..610 told alert.reminded $site site-power-cut tower
        605..610 told alert.reminded X1 lift-stopped power-supply-fault
        660..665 told alert.reminded T3 entrapment entrapment
        """
    )


@desks
def test_a_lift_in_inspection_rings_for_people_alone_and_for_what_is_left_afterwards(
    sqlite_engine: Engine, desks: int
) -> None:
    play = Play(sqlite_engine, desks=desks)
    play.push(0, state(service_mode="inspection"))
    play.push(60, fault("controller-fault"), fault("lift-shaft-device-fault"))
    play.push(120, fault("entrapment"))
    play.push(180, fault("lift-shaft-device-fault", "cleared"), fault("entrapment", "cleared"))
    play.push(240, state(service_mode="normal"))
    play.run(300)
    play.expect(
        """
        60       alert A1 lift-stopped controller-fault
        60       told alert.suppressed A1 lift-stopped controller-fault
        60       alert A1 lift-stopped lift-shaft-device-fault
        60       told alert.suppressed A1 lift-stopped lift-shaft-device-fault
        120      alert A1 entrapment entrapment
        120      order A1 rescue entrapment
        120      told work-order.opened A1 rescue entrapment
        120      told alert.raised A1 entrapment entrapment
        180      told alert.cleared A1 entrapment entrapment
        245..250 told alert.restored A1 lift-stopped controller-fault
        245..250 order A1 repair controller-fault
        245..250 told work-order.opened A1 repair controller-fault
        120 told case.received A1
        180 told case.reported-free A1 entrapment entrapment
        """
    )


def test_what_comes_while_somebody_is_on_site_waits_until_he_has_left(sqlite_engine: Engine) -> None:
    play = Play(sqlite_engine)
    play.push(0, fault("overspeed"))
    play.post(600, "work-orders/1/transitions", to="on-site", by="Ines")
    play.push(660, fault("brake-fault"), fault("drive-and-motor-fault"))
    play.push(700, fault("brake-fault", "cleared"))
    play.post(900, "work-orders/1/transitions", to="done", by="Ines", cause_code="governor rope")
    play.push(900, fault("overspeed", "cleared"))
    play.run(960)
    play.expect(
        """
        0        told alert.raised A1 lift-stopped overspeed
        660      told alert.suppressed A1 lift-stopped brake-fault
        660      told alert.suppressed A1 lift-stopped drive-and-motor-fault
        900      told alert.cleared A1 lift-stopped overspeed
        900..910 told alert.restored A1 lift-stopped drive-and-motor-fault
        """,
        ignoring=[*REST, "told alert.reminded *"],
    )


@desks
def test_a_shelved_alert_that_clears_and_returns_stays_aside_until_its_time_is_over(
    sqlite_engine: Engine, desks: int
) -> None:
    play = Play(sqlite_engine, desks=desks, every_s=20)
    play.push(0, fault("runtime-limit-exceeded"))
    play.post(60, "alerts/1/acknowledge", by="Olga")
    play.post(120, "alerts/1/shelve", by="Olga", note="the part comes at one", minutes=60)
    play.push(600, fault("runtime-limit-exceeded", "cleared"))
    play.push(1_200, fault("runtime-limit-exceeded"))
    play.push(1_300, fault("runtime-limit-exceeded"))
    play.restart(2_000)
    play.run(4_000)
    play.expect(
        """
        0          alert A1 lift-stopped runtime-limit-exceeded
        0          order A1 repair runtime-limit-exceeded
        0          told work-order.opened A1 repair runtime-limit-exceeded
        0          told alert.raised A1 lift-stopped runtime-limit-exceeded
        60         told alert.acknowledged A1 lift-stopped runtime-limit-exceeded
        120        told alert.shelved A1 lift-stopped runtime-limit-exceeded
        600        told alert.cleared A1 lift-stopped runtime-limit-exceeded
        1200       alert A1 lift-stopped runtime-limit-exceeded
        3120..3140 told alert.reminded A1 lift-stopped runtime-limit-exceeded
        3720..3740 told alert.returned A1 lift-stopped runtime-limit-exceeded
        3720..3740 told work-order.linked A1 repair runtime-limit-exceeded
        2400..2430 told work-order.clock-warning A1 repair runtime-limit-exceeded
        3600..3630 told work-order.clock-breached A1 repair runtime-limit-exceeded
        """
    )
    journal = play.world.service.journal
    returned = journal.alerts(limit=1)[0]
    assert (returned.state, returned.suppression) == ("active-unacknowledged", Suppression.NONE)
    assert journal.alert_history(returned.id)[-1].note == "meanwhile 1 repeats, 1 clears, 1 returns"


def test_a_shelved_alert_that_is_over_at_the_end_of_its_time_is_quietly_over(sqlite_engine: Engine) -> None:
    play = Play(sqlite_engine, every_s=20)
    play.push(0, fault("runtime-limit-exceeded"))
    play.post(10, "alerts/1/shelve", by="Olga", note="known", minutes=30)
    play.push(600, fault("runtime-limit-exceeded", "cleared"))
    play.run(2_000)
    play.expect(
        """
        0          told alert.raised A1 lift-stopped *
        10         told alert.shelved A1 lift-stopped *
        600        told alert.cleared A1 lift-stopped *
        1360..1380 told alert.reminded A1 lift-stopped *
        1810..1830 told alert.unshelved A1 lift-stopped *
        """,
        ignoring=REST,
    )


def test_an_entrapment_cannot_be_shelved(sqlite_engine: Engine) -> None:
    play = Play(sqlite_engine)
    play.push(0, fault("entrapment"))
    play.post(10, "alerts/1/shelve", by="Olga", note="again", minutes=30, status=409)
    play.run(20)


@desks
def test_a_forgotten_acknowledgement_comes_back_until_somebody_is_on_the_way(sqlite_engine: Engine, desks: int) -> None:
    play = Play(sqlite_engine, desks=desks, every_s=20)
    play.push(0, fault("entrapment"))
    play.post(60, "alerts/1/acknowledge", by="Olga")
    play.post(1_500, "work-orders/1/transitions", to="en-route", by="Ines")
    play.run(3_600)
    play.expect(
        """
        0          told alert.raised A1 entrapment entrapment
        60         told alert.acknowledged A1 entrapment entrapment
        660..680   told alert.reminded A1 entrapment entrapment
        1260..1300 told alert.reminded A1 entrapment entrapment
        0          alert A1 entrapment entrapment
        0          order A1 rescue entrapment
        0          told work-order.opened A1 rescue entrapment
        0          told case.received A1
        300..320   told case.answer-late A1 entrapment entrapment
        1200..1220 told work-order.clock-warning A1 rescue entrapment
        1500       told work-order.en-route A1 rescue entrapment
        1500       told case.en-route A1 entrapment entrapment
        1800..1820 told case.arrival-late A1 entrapment entrapment
        1800..1820 told work-order.clock-breached A1 rescue entrapment
        """
    )


def test_what_nobody_takes_note_of_comes_back_ever_more_seldom(sqlite_engine: Engine) -> None:
    play = Play(sqlite_engine, every_s=20)
    play.push(0, fault("overspeed"))
    play.push(1, fault("runtime-limit-exceeded", lift_id="B2"))
    play.run(3_500)
    play.expect(
        "\n".join(chain(("5x 10m..60m told alert.reminded A1 *",), ("1x 10m..11m told alert.reminded B2 *",)))
        + "\n1x 30m..31m told alert.reminded B2 *",
        ignoring=[*REST, "told alert.raised *"],
    )
