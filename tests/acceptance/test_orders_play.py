"""Work orders in virtual time: clocks that break, requests that come twice, replicas, a lift that is handed back."""

from datetime import date

import pytest
from sqlalchemy.engine import Engine

from alerts.contract_entries import keep_contracts
from alerts.contracts import ContractClock
from alerts.technicians import Certificate, CertificateKind, Technician
from alerts.work_orders import OrderKind
from ingest.fleet import Lift
from ingest.messages import Kind, Trip
from tests.acceptance.desk_play import Play
from tests.unit.alerts.parts import fault, message
from tests.unit.api.parts import World

# What becomes of alerts and cases is for their own scenarios.
OTHERS = ["alert *", "told alert.*", "told case.*"]


def sent(play: Play, at_s: float, path: str, key: str, status: int = 200, **body: object) -> None:
    """Send a request with a key."""

    def send(world: World) -> None:
        answer = world.client.request("POST", f"/api/v1/{path}", json=body, headers={"Idempotency-Key": key})
        assert answer.status_code == status, answer.text

    play.do(at_s, send)


@pytest.mark.parametrize("desks", [1, 2])
def test_nobody_comes_to_an_entrapment_and_each_clock_is_told_once(sqlite_engine: Engine, desks: int) -> None:
    keep_contracts(sqlite_engine, [ContractClock(kind=OrderKind.RESCUE, escalate_to="duty manager")])
    play = Play(sqlite_engine, desks=desks, every_s=30)
    play.push(3, fault("entrapment"))
    play.post(60, "work-orders/1/transitions", to="accepted", by="Ines")
    play.away(1_100, 1_270)
    play.run(2_100)
    play.expect(
        """
        3          order A1 rescue entrapment
        3          told work-order.opened A1 rescue entrapment
        60         told work-order.accepted A1 rescue entrapment
        21m..22m told work-order.clock-warning A1 rescue entrapment
        21m..22m told work-order.escalated A1 rescue entrapment
        30m..31m told work-order.clock-breached A1 rescue entrapment
        30m..31m told work-order.escalated A1 rescue entrapment
        """,
        ignoring=OTHERS,
    )


def test_a_technician_who_is_in_time_stops_the_clock(sqlite_engine: Engine) -> None:
    play = Play(sqlite_engine, every_s=60)
    play.push(0, fault("overspeed"))
    play.post(2_390, "work-orders/1/transitions", to="on-site", by="Ines")
    play.run(4_000)
    play.expect(
        """
        0     order A1 repair overspeed
        0     told work-order.opened A1 repair overspeed
        2390  told work-order.on-site A1 repair overspeed
        """,
        ignoring=OTHERS,
    )


@pytest.mark.parametrize("desks", [1, 2])
def test_a_cmms_that_hears_no_answer_and_tries_again_changes_nothing_twice(sqlite_engine: Engine, desks: int) -> None:
    play = Play(sqlite_engine, desks=desks, every_s=3_600)
    opening = {"lift_id": "B2", "kind": "finding", "cause": "smell", "message": "smells of oil", "by": "CMMS"}
    for again_s in (10, 11, 12):
        sent(play, again_s, "work-orders", "open-1", 201, **opening)
    play.restart(13)
    for again_s in (20, 25):
        sent(play, again_s, "work-orders/1/transitions", "go-1", to="on-site", by="CMMS")
    sent(play, 30, "work-orders/1/transitions", "go-2", to="cancelled", by="CMMS", note="an air freshener")
    sent(play, 86_400, "work-orders", "open-1", 201, **opening)
    sent(play, 86_410, "work-orders", "open-2", 201, **opening)
    play.run(90_000)
    play.expect(
        """
        10    order B2 finding smell
        10    told work-order.opened B2 finding smell
        20    told work-order.on-site B2 finding smell
        30    told work-order.cancelled B2 finding smell
        86410 order B2 finding smell
        86410 told work-order.opened B2 finding smell
        """,
        ignoring=OTHERS,
    )


def test_a_repair_from_the_fault_to_the_hand_over_with_two_certificates_a_sheet_and_a_trip(
    sqlite_engine: Engine,
) -> None:
    play = Play(sqlite_engine, [Lift(lift_id="A1", contractor="North")], every_s=60)
    for name in ("chan", "kim"):
        held = Certificate(kind=CertificateKind.LIFT_WORK, number=f"TS-{name}", valid_until=date(2030, 1, 1))
        who = Technician(technician_id=name, name=name.title(), contractor="North", certificates=[held])
        play.world.service.technicians.put(who)
    order = "work-orders/1"
    play.push(0, fault("overspeed"))
    play.post(60, f"{order}/transitions", to="assigned", by="Olga", technicians=["chan", "kim"])
    play.post(900, f"{order}/transitions", to="on-site", by="Chan")
    checks = [{"code": f"R-{number}", "result": "ok"} for number in range(1, 7)]
    play.post(3_000, f"{order}/checklist", by="Chan", checks=checks)
    play.post(3_010, f"{order}/parts", status=201, by="Chan", name="governor rope")
    play.post(3_600, f"{order}/transitions", to="done", by="Chan", cause_code="governor-rope")
    play.push(3_660, fault("overspeed", "cleared"))
    left = [{"code": f"OUT-{number}", "result": "ok"} for number in (1, 2, 3)]
    play.post(3_700, f"{order}/checklist", by="Chan", checks=left)
    play.post(3_720, f"{order}/signatures", status=201, role="technician", name="Chan")
    play.post(3_730, f"{order}/signatures", status=201, role="owner", name="Mrs Wong")
    play.post(3_740, f"{order}/transitions", status=409, to="closed", by="Olga")
    trip = message("A1", Kind.TRIP, Trip(from_floor=1, to_floor=5, duration_ms=20_000), at_s=3_800)
    play.do(3_800, lambda world: world.service.store.write([trip]))
    play.post(3_900, f"{order}/transitions", to="closed", by="Olga")
    play.run(4_000)
    play.expect(
        """
        0     order A1 repair overspeed
        0     told work-order.opened A1 repair overspeed
        60    told work-order.assigned A1 repair overspeed
        900   told work-order.on-site A1 repair overspeed
        3600  told work-order.done A1 repair overspeed
        3900  told work-order.closed A1 repair overspeed
        """,
        ignoring=OTHERS,
    )
    told = play.world.client.get(f"/api/v1/{order}").json()
    assert told["history"][-1]["note"] == "a trip at 2026-03-02T13:03:20+00:00 after the work"
    assert (told["cause_code"], told["repairs_in_a_row"]) == ("governor-rope", 1)
    signatures = play.world.client.get(f"/api/v1/{order}/signatures").json()["items"]
    assert [(one["name"], one["matches"]) for one in signatures] == [("Chan", True), ("Mrs Wong", True)]
