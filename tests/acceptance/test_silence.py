"""Silence and power cuts as the centre sees them: one cause, one alert; and who is trapped meanwhile is heard."""

from collections.abc import Sequence

import pytest
from sqlalchemy.engine import Engine

from alerts.entrapment import Certainty
from ingest.fleet import Lift
from ingest.messages import Kind, Message, State
from tests.acceptance.desk_play import Play
from tests.unit.alerts.parts import alarm, at, door, fault, message, state

GATEWAY = [Lift(lift_id=f"G{number}", gateway_id="GW") for number in range(4)]
FLEET = [Lift(lift_id=f"L{number:02}") for number in range(24)]
TOLD = ["told *"]


def of(lifts: Sequence[Lift], *, connected: bool) -> list[Message]:
    return [state(connected=connected, lift_id=lift.lift_id) for lift in lifts]


@pytest.mark.parametrize("desks", [1, 2])
def test_a_gateway_that_is_lost_for_ten_minutes_is_one_alert(sqlite_engine: Engine, desks: int) -> None:
    play = Play(sqlite_engine, [*GATEWAY, *FLEET], desks=desks, every_s=10)
    play.push(0, *of([*GATEWAY, *FLEET], connected=True))
    play.push(30, *of(GATEWAY, connected=False))
    play.restart(100)
    play.push(630, *of(GATEWAY[:3], connected=True))
    play.run(1_300)
    play.expect(
        """
        90 alert $gateway gateway-lost GW
        1230..1240 alert G3 no-contact
        """,
        ignoring=TOLD,
    )


def test_a_network_that_breaks_before_the_broker_is_one_alert_and_nobody_is_called_when_it_is_back(
    sqlite_engine: Engine,
) -> None:
    play = Play(sqlite_engine, FLEET, desks=2, every_s=10)
    play.push(0, *of(FLEET, connected=True))
    play.push(30, *of(FLEET, connected=False))
    play.push(600, *of(FLEET, connected=True))
    play.run(1_500)
    play.expect("90 alert $service broker-away $fleet", ignoring=TOLD)
    assert play.world.service.journal.alerts(limit=9, state="open") == []


def test_a_broker_that_is_away_for_a_day_calls_no_lift_silent(sqlite_engine: Engine) -> None:
    play = Play(sqlite_engine, FLEET, every_s=600)
    day_s = 86_400.0
    play.watchers = [
        lambda world, now: world.service.desk.watch(now, None if now < at(day_s) else at(day_s)),
    ]
    play.push(0, *(door(lift_id=lift.lift_id) for lift in FLEET))
    play.push(day_s + 300, *(door(lift_id=lift.lift_id) for lift in FLEET[:23]))
    play.run(day_s + 1_200)
    play.expect(f"{day_s + 600:.0f}..{day_s + 660:.0f} alert L23 no-contact", ignoring=TOLD)


def test_who_is_trapped_while_the_building_has_no_power_rings_above_the_alert_of_the_site(
    sqlite_engine: Engine,
) -> None:
    tower = [Lift(lift_id=f"A{number}", site_id="tower") for number in range(1, 4)]
    play = Play(sqlite_engine, tower, every_s=10)
    dark = State(in_door_zone=False, moving=False, power=False, passengers=True, floor=6)
    play.push(0, *(fault("power-supply-fault", lift_id=lift.lift_id) for lift in tower))
    play.push(2, message("A1", Kind.STATE, dark))
    play.push(20, alarm("button"))
    play.run(120)
    ringing = [alert for alert in play.world.service.journal.alerts(limit=20, state="open") if alert.rang]
    assert {("A1", "entrapment"), ("A1", "passenger-alarm"), ("$site", "site-power-cut")} <= {
        (alert.lift_id, alert.kind) for alert in ringing
    }
    (case,) = play.world.service.cases.cases(limit=9)
    assert case.certainty is Certainty.CONCLUDED
    aid = play.world.client.get(f"/api/v1/cases/{case.id}").json()["rescue_aid"]
    assert aid["position"] == "at or near floor 6, outside the unlocking zone"
    assert any("no mains supply" in step["text"] for step in aid["steps"])
