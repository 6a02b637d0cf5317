"""The form of the scenarios of the centre, on the simplest of them."""

import pytest
from sqlalchemy.engine import Engine

from tests.acceptance.desk_play import Play
from tests.unit.alerts.parts import fault

# What is told is for the tests of what is told.
UNTOLD = ["told *"]


@pytest.mark.parametrize("desks", [1, 2])
def test_an_entrapment_is_one_alert_and_one_rescue_however_often_it_is_said(sqlite_engine: Engine, desks: int) -> None:
    play = Play(sqlite_engine, desks=desks)
    play.push(3, fault("entrapment"))
    play.push(7, fault("entrapment"), said_s=3)
    play.restart(8)
    play.post(20, "alerts/1/acknowledge", by="Olga")
    play.push(9 * 60, fault("entrapment", "cleared"))
    play.run(10 * 60)
    play.expect(
        """
        3 alert A1 entrapment entrapment
        3 order A1 rescue entrapment
        """,
        ignoring=UNTOLD,
    )


def test_a_scenario_fails_on_what_is_missing_and_on_what_is_too_much(sqlite_engine: Engine) -> None:
    play = Play(sqlite_engine)
    play.push(0, fault("overspeed"))
    play.run(60)
    with pytest.raises(AssertionError) as refused:
        play.expect("1m..1h alert B2 *\n0 order A1 repair overspeed", ignoring=UNTOLD)
    assert str(refused.value) == "missing: 60..3600 alert B2 *\nnot expected: 0 alert A1 lift-stopped overspeed"
