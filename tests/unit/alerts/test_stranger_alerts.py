import pytest
from sqlalchemy.engine import Engine

from alerts.stranger_alerts import MORE, OPEN_MAX
from ingest.clock import to_ms
from ingest.fleet import Lift
from ingest.strangers import StrangerCall
from tests.unit.alerts.parts import NOON, Room, at

LONG_AGO = at(-90_000)


@pytest.fixture
def room(sqlite_engine: Engine) -> Room:
    return Room(sqlite_engine)


def call(lift_id: str, *, at_s: float = 0, what: str = "alarm button") -> StrangerCall:
    return StrangerCall(lift_id, what, to_ms(at(at_s)))


def test_a_call_of_a_lift_that_nobody_registered_rings_once_until_it_is_registered(room: Room) -> None:
    room.desk.hear_strangers([call("X9"), call("X9", what="entrapment", at_s=1)])
    room.another_desk().hear_strangers([call("X9")])
    alert = room.alert()
    assert (alert.lift_id, alert.code, alert.priority, alert.repeats) == ("$service", "X9", 1, 2)
    assert alert.message == "Call for help from a lift that is not registered: alarm button of X9"
    room.desk.watch(at(60), LONG_AGO)
    assert room.alert().state.is_open
    room.register.register([Lift(lift_id="X9")], NOON)
    room.desk.watch(at(65), LONG_AGO)
    assert not room.alert().state.is_open


def test_a_flood_of_unknown_lifts_is_bounded_and_one_alert_says_so(room: Room) -> None:
    room.desk.hear_strangers([call(f"X{number:03}") for number in range(500)])
    assert len(room.alerts()) == OPEN_MAX + 1
    more = room.alerts()[0]
    assert (more.code, more.repeats) == (MORE, 500 - OPEN_MAX - 1)
    room.register.register([Lift(lift_id=f"X{number:03}") for number in range(15)], NOON)
    room.desk.watch(at(60), LONG_AGO)
    assert len(room.alerts(state="open", kind="unregistered-lift-alarm")) == OPEN_MAX - 15
    assert not room.alerts(kind="unregistered-lift-alarm")[0].state.is_open
