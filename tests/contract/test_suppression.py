"""Silence and delays hold on every database, with several desks at work at once."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy.engine import Engine

from alerts.alert import Suppression
from alerts.quiet_desk import QuietDesk
from analytics.findings import Finding, FindingKind
from ingest.fleet import Lift
from tests.unit.alerts.parts import NOON, RULES, Room, at, fault, state

DESKS = 4
LIFTS = [f"L{number:02}" for number in range(12)]


@pytest.fixture
def room(engine: Engine) -> Room:
    made = Room(engine, lift_ids=[])
    made.register.register([Lift(lift_id=lift_id, site_id="tower") for lift_id in LIFTS], NOON)
    return made


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(DESKS) as pool:
        yield pool


def watch_at_once(threads: ThreadPoolExecutor, room: Room, seconds: float) -> None:
    barrier = threading.Barrier(DESKS)

    def watch(_: int) -> None:
        desk = room.another_desk()
        barrier.wait(timeout=30)
        desk.watch(at(seconds), None)

    list(threads.map(watch, range(DESKS)))


def topics(room: Room) -> list[str]:
    with room.journal.reading() as connection:
        return [row.topic for row in connection.exec_driver_sql("SELECT topic FROM outbox ORDER BY id")]


def test_a_delay_that_ends_is_one_alert_whoever_watches(room: Room, threads: ThreadPoolExecutor) -> None:
    room.desk.observe([fault("car-stopped-outside-landing-zone", lift_id=lift_id) for lift_id in LIFTS[:4]])
    watch_at_once(threads, room, 46)
    assert sorted(alert.lift_id for alert in room.alerts()) == LIFTS[:4]
    assert topics(room).count("alert.raised") == len(room.orders()) == 4


def test_a_reminder_and_the_end_of_a_shelf_are_told_once_whoever_watches(
    room: Room, threads: ThreadPoolExecutor
) -> None:
    room.desk.observe([fault("overspeed", lift_id="L00"), fault("runtime-limit-exceeded", lift_id="L01")])
    quiet = QuietDesk(room.journal, RULES)
    quiet.shelve(room.alert(lift_id="L01").id, 30, "Olga", at(1), "known")
    watch_at_once(threads, room, 601)
    assert topics(room).count("alert.reminded") == 1
    watch_at_once(threads, room, 1_802)
    assert topics(room).count("alert.returned") == 1
    assert room.alert(lift_id="L01").suppression is Suppression.NONE


def test_a_cut_is_one_alert_of_the_site_and_what_stands_afterwards_rings_once(
    room: Room, threads: ThreadPoolExecutor
) -> None:
    room.desk.observe([fault("power-supply-fault", lift_id=lift_id) for lift_id in LIFTS])
    room.desk.observe([fault("runtime-limit-exceeded", lift_id="L05", at_s=10)])
    assert room.alert(kind="site-power-cut").code == "tower"
    assert len(room.alerts(suppression=Suppression.SUPPRESSED)) == len(LIFTS) + 1
    room.desk.observe([fault("power-supply-fault", "cleared", lift_id=lift_id, at_s=60) for lift_id in LIFTS])
    watch_at_once(threads, room, 65)
    watch_at_once(threads, room, 200)
    watch_at_once(threads, room, 205)
    assert [(alert.lift_id, alert.suppression) for alert in room.alerts(state="open")] == [("L05", Suppression.NONE)]
    assert topics(room).count("alert.restored") == 1


def test_a_flood_is_said_once_and_told_in_groups(room: Room, threads: ThreadPoolExecutor) -> None:
    room.desk.observe([fault("runtime-limit-exceeded", lift_id=lift_id) for lift_id in LIFTS])
    watch_at_once(threads, room, 5)
    assert topics(room).count("flood.began") == 1
    quiet = QuietDesk(room.journal, RULES)
    assert [(group.site_id, group.kind, group.alerts) for group in quiet.groups()] == [
        ("tower", "lift-stopped", 12),
    ]
    assert quiet.groups()[0].newest_at == NOON
    watch_at_once(threads, room, 700)
    assert topics(room).count("flood.ended") == 1
    assert not quiet.counts().flood


def test_what_an_assessment_finds_is_no_flood_and_hides_no_alarm(room: Room, threads: ThreadPoolExecutor) -> None:
    due = FindingKind.MAINTENANCE_DUE
    found = [
        Finding(lift_id=lift_id, kind=due, as_of=NOON, found_at=NOON, value=1, limit=15, reason="soon", evidence=[])
        for lift_id in LIFTS
    ]
    room.desk.apply(found, NOON)
    watch_at_once(threads, room, 5)
    assert "flood.began" not in topics(room)
    assert (topics(room).count("alert.raised"), topics(room).count("alert.grouped")) == (10, 2)
    room.desk.observe([fault("runtime-limit-exceeded", lift_id="L05", at_s=10)])
    assert topics(room).count("alert.raised") == 11


def test_a_fault_that_comes_together_with_the_inspection_mode_is_silent(room: Room) -> None:
    room.desk.observe(
        [state(service_mode="inspection", lift_id="L00"), fault("runtime-limit-exceeded", lift_id="L00", at_s=1)]
    )
    assert room.alert(lift_id="L00").suppression is Suppression.SUPPRESSED
    room.desk.observe([fault("entrapment", lift_id="L00", at_s=2)])
    assert room.alert(lift_id="L00", kind="entrapment").suppression is Suppression.NONE


def test_inspection_and_what_is_out_of_service_silence_a_lift(room: Room) -> None:
    quiet = QuietDesk(room.journal, RULES)
    room.desk.observe([state(service_mode="inspection", lift_id="L00")])
    entry = quiet.take_out("L01", "lift-stopped", None, "Olga", NOON, "it is rebuilt")
    room.desk.observe([fault("runtime-limit-exceeded", lift_id=lift_id, at_s=5) for lift_id in ("L00", "L01", "L02")])
    assert [alert.suppression.value for alert in reversed(room.alerts())] == ["suppressed", "out-of-service", "none"]
    assert quiet.counts().suppressed == quiet.counts().out_of_service == 1
    room.desk.watch(at(8 * 86_400), None)
    assert topics(room).count("out-of-service.stale") == 1
    quiet.end(entry.id, "Olga", at(8 * 86_400), "done")
    room.desk.watch(at(8 * 86_400 + 5), None)
    assert room.alert(lift_id="L01").suppression is Suppression.NONE
    assert room.alert(lift_id="L00").suppression is Suppression.NONE, "nobody inspects a lift for a week"


def test_an_alert_about_a_site_stands_in_the_group_of_its_site(room: Room) -> None:
    room.desk.observe([fault("power-supply-fault", lift_id=lift_id) for lift_id in LIFTS[:2]])
    found = QuietDesk(room.journal, RULES).groups()
    assert ("tower", "site-power-cut") in {(group.site_id, group.kind) for group in found}
