"""What is known of controllers' clocks: kept by boot, shared by workers, ended when a clock is right again."""

from datetime import timedelta
from itertools import pairwise
from random import Random

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from analytics.reporting import clocks_wrong
from ingest.clock import from_ms
from ingest.clock_estimate import Sighting
from ingest.controller_clocks import (
    BOOTS_MAX,
    REFRESH_S,
    ControllerClocks,
    controller_clock,
    own_clock_suspect,
)
from ingest.messages import Alarm, Kind, Message, State
from tests.unit.ingest.clock_streams import HOUR, MINUTE, NOON_MS, off_by, stream

NOON = from_ms(NOON_MS)
TWO_H = 2 * HOUR
BIRTH = NOON_MS  # the clock began at 1970


def life(
    offset_ms: int,
    *,
    lift_id: str = "L1",
    boot: str | None = "b1",
    start_ms: int = NOON_MS,
    hours: float = 1,
    seed: int = 1,
) -> list[Message]:
    """What a lift with such a clock says."""
    sightings = stream(Random(seed), off_by(offset_ms), hours=hours, per_hour=120, boot=boot, start_ms=start_ms)
    return [message_of(sighting, lift_id) for sighting in sightings]


def message_of(sighting: Sighting, lift_id: str = "L1") -> Message:
    body = Alarm(at=sighting.at_ms, boot=sighting.boot, type="test")
    return Message(lift_id, Kind.ALARM, sighting.at_ms, sighting.received_ms, body)


@pytest.fixture
def clocks(engine: Engine) -> ControllerClocks:
    return started(engine)


def started(engine: Engine) -> ControllerClocks:
    """What a worker has after its start."""
    clocks = ControllerClocks(engine)
    clocks.tick(0)
    return clocks


def rows(engine: Engine) -> list[sa.Row[tuple[object, ...]]]:
    with engine.connect() as connection:
        return list(connection.execute(sa.select(controller_clock).order_by(controller_clock.c.boot)))


def test_a_wrong_clock_is_known_by_lift_and_boot(clocks: ControllerClocks) -> None:
    clocks.observe(life(TWO_H))
    assert clocks.offset_ms("L1", "b1") == TWO_H
    assert clocks.offset_ms("L1", "b2") is None
    assert clocks.offset_ms("L2", "b1") is None
    (wrong,) = clocks.wrong(NOON + timedelta(hours=1))
    assert (wrong.lift_id, wrong.boot, wrong.offset_ms) == ("L1", "b1", TWO_H)
    assert wrong.established_at - NOON < timedelta(minutes=15)
    assert wrong.messages >= 8


def test_a_controller_without_boots_has_a_clock_too(clocks: ControllerClocks) -> None:
    clocks.observe(life(-TWO_H, boot=None))
    assert clocks.offset_ms("L1", None) == -TWO_H
    assert [wrong.boot for wrong in clocks.wrong(NOON + timedelta(hours=1))] == [None]


def test_a_clock_is_not_wrong_before_it_is_known(clocks: ControllerClocks) -> None:
    clocks.observe(life(TWO_H))
    assert clocks.wrong(NOON + timedelta(minutes=4)) == []


def test_what_one_worker_learns_all_use_and_a_restart_forgets_nothing(engine: Engine) -> None:
    first, second = started(engine), started(engine)
    first.observe(life(TWO_H))
    second.tick(REFRESH_S - 1)
    assert second.offset_ms("L1", "b1") is None
    second.tick(REFRESH_S)
    assert second.offset_ms("L1", "b1") == started(engine).offset_ms("L1", "b1") == TWO_H


def test_two_workers_that_learn_it_at_once_use_the_same(engine: Engine) -> None:
    first, second = started(engine), started(engine)
    first.observe(life(TWO_H))
    second.observe(life(TWO_H + 20_000, seed=2))
    assert first.offset_ms("L1", "b1") == second.offset_ms("L1", "b1") == TWO_H
    assert len(rows(engine)) == 1


def test_the_offset_stays_exactly_as_it_is_while_messages_go_on(engine: Engine, clocks: ControllerClocks) -> None:
    said = life(BIRTH, hours=6)
    offsets = set()
    for start in range(0, len(said), 5):
        clocks.observe(said[start : start + 5])
        clocks.tick(start)
        offsets.add(clocks.offset_ms("L1", "b1"))
    assert offsets - {None} == {BIRTH}
    (row,) = rows(engine)
    assert timedelta(hours=4) < row.confirmed_at - NOON < timedelta(hours=6)


def test_a_clock_that_was_set_right_is_no_longer_wrong(engine: Engine, clocks: ControllerClocks) -> None:
    clocks.observe(life(TWO_H))
    clocks.observe(life(0, start_ms=NOON_MS + HOUR))
    assert clocks.offset_ms("L1", "b1") is None
    assert "L1" not in clocks._watched
    assert clocks.wrong(NOON + timedelta(hours=2)) == []
    assert len(clocks.wrong(NOON + timedelta(minutes=50))) == 1, "as of then it was"
    another = started(engine)
    assert another.offset_ms("L1", "b1") is None


def test_another_worker_stops_using_what_has_ended(engine: Engine) -> None:
    first, second = started(engine), started(engine)
    first.observe(life(TWO_H))
    second.tick(REFRESH_S)
    first.observe(life(0, start_ms=NOON_MS + HOUR))
    second.tick(2 * REFRESH_S)
    assert second.offset_ms("L1", "b1") is None
    assert "L1" not in second._watched


def test_after_a_reboot_into_the_right_time_old_words_keep_their_instant(engine: Engine) -> None:
    clocks = started(engine)
    clocks.observe(life(BIRTH, boot="b1"))
    clocks.observe(life(0, boot="b2", start_ms=NOON_MS + HOUR))
    assert clocks.wrong(NOON + timedelta(hours=2)) == []
    for worker in (clocks, started(engine)):
        assert worker.offset_ms("L1", "b1") == BIRTH, "a word of that boot may still come, or come again"
        assert worker.offset_ms("L1", "b2") is None


def test_a_controller_that_starts_in_1970_at_each_power_cut_is_one_wrong_clock(engine: Engine) -> None:
    clocks = started(engine)
    for n in range(BOOTS_MAX + 2):
        start_ms = NOON_MS + n * HOUR
        clocks.observe(life(start_ms, boot=f"b{n}", start_ms=start_ms))
    (wrong,) = clocks.wrong(NOON + timedelta(hours=BOOTS_MAX + 2))
    assert wrong.boot == f"b{BOOTS_MAX + 1}"
    assert len(rows(engine)) == BOOTS_MAX


def test_what_was_refused_for_its_instant_teaches_as_well(clocks: ControllerClocks) -> None:
    refused = [Sighting("L1", None, m.measured_ms, m.received_ms) for m in life(BIRTH, boot=None)]
    clocks.observe([], refused)
    assert clocks.offset_ms("L1", None) == BIRTH


def test_a_right_clock_is_not_watched_and_a_last_will_says_nothing(engine: Engine, clocks: ControllerClocks) -> None:
    will = Message("L1", Kind.STATE, NOON_MS - TWO_H, NOON_MS, State(connected=False))
    clocks.observe([*life(5_000), will])
    assert "L1" not in clocks._watched
    assert rows(engine) == []


def test_the_same_batch_again_changes_nothing(engine: Engine, clocks: ControllerClocks) -> None:
    said = life(TWO_H, hours=0.5)
    for start in range(0, len(said), 10):
        clocks.observe(said[start : start + 10])
        clocks.observe(said[start : start + 10])
    once = started(engine)
    assert once.offset_ms("L1", "b1") == clocks.offset_ms("L1", "b1") == TWO_H


def test_while_the_database_is_away_nothing_learnt_is_lost(sqlite_engine: Engine) -> None:
    clocks = started(sqlite_engine)
    with sqlite_engine.begin() as connection:
        connection.execute(sa.text("ALTER TABLE controller_clock RENAME TO away"))
    with pytest.raises(sa.exc.OperationalError):
        clocks.observe(life(TWO_H))
    with sqlite_engine.begin() as connection:
        connection.execute(sa.text("ALTER TABLE away RENAME TO controller_clock"))
    clocks.observe([])
    assert started(sqlite_engine).offset_ms("L1", "b1") == TWO_H


def test_where_most_lifts_are_off_alike_it_is_our_own_clock(clocks: ControllerClocks) -> None:
    for n in range(8):
        clocks.observe(life(TWO_H + n * 1_000, lift_id=f"L{n}", seed=n))
    clocks.observe(life(-HOUR, lift_id="M1"))
    wrong = clocks.wrong(NOON + timedelta(hours=1))
    assert own_clock_suspect(wrong, 16) is None, "half of them is not most of them"
    shared_ms = own_clock_suspect(wrong, 15)
    assert shared_ms is not None
    assert abs(shared_ms - TWO_H) < MINUTE
    assert own_clock_suspect(wrong, 9) is None, "too few to tell"
    found = clocks_wrong(wrong, NOON, fleet_size=15)
    assert [finding.lift_id for finding in found] == ["M1"], "the others are not to blame"


def test_lifts_that_are_off_by_this_and_that_do_not_accuse_us(clocks: ControllerClocks) -> None:
    for n in range(12):
        clocks.observe(life((n + 2) * 5 * MINUTE, lift_id=f"L{n:02}", seed=n))
    wrong = clocks.wrong(NOON + timedelta(hours=1))
    assert len(wrong) == 12
    assert own_clock_suspect(wrong, 12) is None
    assert all(a.lift_id < b.lift_id for a, b in pairwise(wrong))
