"""Entrapments, with and without the passengers' signal, to the word of a person that everybody is out."""

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from alerts import tables
from alerts.entrapment import Certainty, EntrapmentCase, Outcome, Stage
from ingest.fleet import Lift
from ingest.messages import Kind, Message, State
from tests.acceptance.desk_play import Play
from tests.unit.alerts.parts import alarm, at, fault, message
from tests.unit.api.parts import World

ALERTS_AND_ORDERS = ["told alert.*", "told work-order.*"]


def stands(*, outside: bool, passengers: bool | None = None, moving: bool = False) -> Message:
    state = State(in_door_zone=not outside, moving=moving, floor=4, door="closed", passengers=passengers, power=True)
    return message("A1", Kind.STATE, state)


def only_case(play: Play) -> EntrapmentCase:
    (case,) = play.world.service.cases.cases(limit=10)
    return case


def expect_assigned(world: World, names: str) -> None:
    order = world.service.journal.work_order(1)
    assert order is not None
    assert order.assigned_to == names


@pytest.mark.parametrize("desks", [1, 2])
def test_the_controllers_own_word_goes_through_all_stages_by_the_steps_of_the_order(
    sqlite_engine: Engine, desks: int
) -> None:
    play = Play(sqlite_engine, desks=desks, every_s=10)
    play.push(0, fault("entrapment", floor=3, in_door_zone=False, passengers=True))
    play.push(15, alarm("button"))
    play.push(40, alarm("answered"))
    play.post(120, "cases/1/stages", by="Olga", stage="dispatched", people=["Ines", "Juan"])
    play.do(121, lambda world: expect_assigned(world, "Ines, Juan"))
    play.post(180, "work-orders/1/transitions", by="Ines", to="en-route")
    play.post(900, "work-orders/1/transitions", by="Ines", to="on-site")
    play.push(1_200, fault("entrapment", "cleared"), alarm("end"))
    play.post(1_300, "work-orders/1/transitions", by="Ines", to="done", cause_code="door lock")
    play.post(1_400, "cases/1/stages", by="Olga", stage="closed")
    play.run(1_450)
    play.expect(
        """
        0 alert A1 entrapment entrapment
        0 order A1 rescue entrapment
        15 alert A1 passenger-alarm
        0 told case.received A1*
        40 told case.answered A1*
        120 told case.dispatched A1*
        180 told case.en-route A1*
        900 told case.arrived A1*
        1200 told case.reported-free A1*
        1300 told case.released A1*
        1400 told case.closed A1*
        """,
        ignoring=ALERTS_AND_ORDERS,
    )
    case = only_case(play)
    assert (case.certainty, case.stage, case.outcome) == (Certainty.REPORTED, Stage.CLOSED, Outcome.RELEASED)
    assert case.people == ["Ines", "Juan"]
    assert case.reported_free_at == at(1_200)
    assert (case.alert_id, case.work_order_id) == (1, 1)


def test_button_outside_the_zone_and_passengers_are_an_entrapment_with_its_rescue(sqlite_engine: Engine) -> None:
    play = Play(sqlite_engine, every_s=10)
    play.push(0, stands(outside=True, passengers=True))
    play.push(60, alarm("button"))
    play.push(700, alarm("end"), stands(outside=False, passengers=False))
    play.run(900)
    play.expect(
        """
        60 alert A1 passenger-alarm
        60 alert A1 entrapment entrapment
        60 order A1 rescue entrapment
        60 told case.received A1*
        360 told case.answer-late A1*
        700 told case.reported-free A1*
        60 told alert.raised A1 passenger-alarm
        60 told alert.raised A1 entrapment entrapment
        60 told work-order.opened A1 rescue entrapment
        660 told alert.reminded A1 passenger-alarm
        660 told alert.reminded A1 entrapment entrapment
        700 told alert.cleared A1 passenger-alarm
        700 told alert.cleared A1 entrapment entrapment
        """
    )
    case = only_case(play)
    assert (case.certainty, case.closed_at) == (Certainty.CONCLUDED, None), "the case waits for a person"
    assert play.world.service.journal.alerts(limit=9, state="open") == []


TOWER = Lift(lift_id="A1", site_id="S7", site_name="Harbour Plaza", site_address="5 Quay Street")
PLACE = "lift A1, floor 4, outside the landing zone, Harbour Plaza, 5 Quay Street"


def first_told(play: Play) -> list[tuple[str, str, str]]:
    """What somebody who asked for all about alerts and cases was told: topic, words, what to do first."""
    with play.world.service.journal.reading() as connection:
        rows = connection.execute(sa.select(tables.outbox.c.topic, tables.outbox.c.body).order_by(tables.outbox.c.id))
        told = [(topic, body.get("alert") or body) for topic, body in rows if not topic.startswith("work-order.")]
    return [
        (topic, about.get("message") or about["text"], about.get("guidance") or " ".join(about.get("steps", [])))
        for topic, about in told
    ]


@pytest.mark.parametrize("desks", [1, 2])
def test_without_the_passengers_signal_the_first_word_is_that_somebody_may_be_trapped_and_where(
    sqlite_engine: Engine, desks: int
) -> None:
    play = Play(sqlite_engine, [TOWER], desks=desks, every_s=10)
    play.push(0, fault("car-stopped-outside-landing-zone", floor=4, in_door_zone=False))
    play.push(10, alarm("button"))
    play.run(24)
    raised, received, *_ = first_told(play)
    assert raised[:2] == ("alert.raised", f"Passengers may be trapped in {PLACE}: alarm button pressed")
    assert "Answer over the intercom now" in raised[2]
    assert received[:2] == ("case.received", f"Passengers may be trapped in {PLACE}")
    assert "Main switch off before anything is opened or moved." in received[2]
    (alert,) = play.world.service.journal.alerts(limit=9, kind="passenger-alarm")
    assert alert.priority == 1
    assert {"case_id": 1} in alert.evidence
    assert only_case(play).certainty is Certainty.SUSPECTED
    assert [order.kind for order in play.world.service.journal.work_orders(limit=9)] == ["repair"]


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ([stands(outside=True), alarm("button")], "Passengers may be trapped in {}: alarm button pressed"),
        ([alarm("button"), stands(outside=True)], "Passengers may be trapped in {}: alarm button pressed"),
        (
            [stands(outside=True), alarm("filtered")],
            "Passengers may be trapped in {}: a press of the alarm button that the equipment filtered",
        ),
        ([fault("entrapment", floor=4, in_door_zone=False)], "Passengers trapped in {}"),
        ([stands(outside=True), fault("entrapment")], "Passengers trapped in {}"),
    ],
)
def test_whoever_is_told_first_hears_with_one_word_what_is_known(
    sqlite_engine: Engine, said: list[Message], words: str
) -> None:
    play = Play(sqlite_engine, [TOWER], every_s=10)
    play.push(1, *said)
    play.run(4)
    told = first_told(play)
    assert ("alert.raised", words.format(PLACE)) in [each[:2] for each in told]
    assert all("trapped" in text and PLACE in text and todo for _, text, todo in told)


def test_a_button_that_was_pressed_before_the_car_stopped_says_it_when_it_does(sqlite_engine: Engine) -> None:
    play = Play(sqlite_engine, [TOWER], every_s=10)
    play.push(0, stands(outside=False), alarm("button"))
    play.push(20, stands(outside=True))
    play.run(24)
    raised, *_, changed = first_told(play)
    assert raised[:2] == ("alert.raised", "Alarm button pressed in lift A1, Harbour Plaza, 5 Quay Street")
    assert changed[:2] == ("alert.changed", f"Passengers may be trapped in {PLACE}: alarm button pressed")
    assert "Answer over the intercom now" in changed[2]


def test_a_suspicion_that_nobody_answers_becomes_an_entrapment_with_its_rescue(sqlite_engine: Engine) -> None:
    play = Play(sqlite_engine, every_s=10)
    play.push(0, stands(outside=True))
    play.push(10, alarm("button"))
    play.restart(100)
    play.run(2_000)
    play.expect(
        """
        10 alert A1 passenger-alarm
        310 alert A1 entrapment entrapment
        310 order A1 rescue entrapment
        10 told case.received A1*
        310 told case.answer-late A1*
        1810 told case.arrival-late A1*
        10 told alert.raised A1 passenger-alarm
        310 told alert.raised A1 entrapment entrapment
        310 told work-order.opened A1 rescue entrapment
        610 told alert.reminded A1 passenger-alarm
        910 told alert.reminded A1 entrapment entrapment
        1210 told alert.reminded A1 passenger-alarm
        1510 told alert.reminded A1 entrapment entrapment
        1510 told work-order.clock-warning A1 rescue entrapment
        1810 told alert.reminded A1 passenger-alarm
        """
    )


def test_a_suspicion_that_was_answered_is_closed_with_a_reason(sqlite_engine: Engine) -> None:
    play = Play(sqlite_engine, every_s=10)
    play.push(0, stands(outside=True))
    play.push(10, alarm("button"))
    play.post(60, "cases/1/stages", by="Olga", stage="answered", note="a child pressed it")
    play.post(70, "cases/1/stages", by="Olga", stage="closed", status=409)
    play.post(80, "cases/1/stages", by="Olga", stage="closed", nobody_trapped=True, note="a child pressed it")
    play.push(90, stands(outside=True), alarm("answered"))
    play.run(400)
    play.expect(
        """
        10 alert A1 passenger-alarm
        10 told case.received A1*
        60 told case.answered A1*
        80 told case.closed A1*
        """,
        ignoring=ALERTS_AND_ORDERS,
    )
    assert play.world.service.journal.alerts(limit=9, state="open") == []


def test_a_button_at_a_landing_is_a_passengers_alarm_until_the_car_stops_outside(sqlite_engine: Engine) -> None:
    play = Play(sqlite_engine, every_s=10)
    play.push(0, stands(outside=False), alarm("button"))
    play.push(5, stands(outside=True, moving=True))
    play.run(30)
    assert play.world.service.cases.cases(limit=9) == []
    play.push(40, stands(outside=True, passengers=True))
    play.run(60)
    assert only_case(play).certainty is Certainty.CONCLUDED


def test_a_press_that_was_filtered_rings_where_the_car_stands_outside_the_zone(sqlite_engine: Engine) -> None:
    play = Play(sqlite_engine, every_s=10)
    play.push(0, stands(outside=False), alarm("filtered"))
    play.push(100, stands(outside=True))
    play.push(110, alarm("filtered"))
    play.run(200)
    play.expect(
        """
        110 alert A1 passenger-alarm
        110 told case.received A1*
        """,
        ignoring=ALERTS_AND_ORDERS,
    )


def test_sending_people_to_a_suspicion_opens_the_rescue_and_one_person_is_a_warning(sqlite_engine: Engine) -> None:
    play = Play(sqlite_engine, every_s=10)
    play.push(0, stands(outside=True))
    play.push(10, alarm("button"))
    play.post(60, "cases/1/stages", by="Olga", stage="dispatched", people=["Ines"])
    play.post(70, "cases/1/stages", by="Olga", stage="arrived")
    play.run(80)
    order = play.world.service.journal.work_order(1)
    assert order is not None
    assert (order.kind, order.state, order.arrived_at, order.assigned_to) == ("rescue", "on-site", at(70), "Ines")
    told = play.world.client.get("/api/v1/cases/1").json()
    assert told["warnings"] == ["1 of 2 certificated people are named (WO-02, ST-01, RS-11)"]
    play.post(90, "cases/1/people", by="Olga", people=["Juan"])
    play.run(100)
    assert play.world.client.get("/api/v1/cases/1").json()["warnings"] == []
    order = play.world.service.journal.work_order(1)
    assert order is not None
    assert order.assigned_to == "Ines, Juan"


@pytest.mark.parametrize("restarts", [False, True])
def test_old_news_and_news_told_again_open_no_case(sqlite_engine: Engine, *, restarts: bool) -> None:
    play = Play(sqlite_engine, every_s=10)
    play.push(1_000, fault("entrapment"), said_s=0)
    play.push(1_001, fault("entrapment", lift_id="B2"))
    play.post(1_010, "cases/1/stages", by="Olga", stage="released")
    play.post(1_020, "cases/1/stages", by="Olga", stage="closed")
    if restarts:
        play.restart(1_021)
    play.push(1_030, fault("entrapment", lift_id="B2"), said_s=1_001)
    play.run(1_100)
    assert [case.lift_id for case in play.world.service.cases.cases(limit=9)] == ["B2"]
    play.push(1_200, fault("entrapment", lift_id="B2"))
    play.run(1_300)
    assert [case.lift_id for case in play.world.service.cases.cases(limit=9)] == ["B2", "B2"]
