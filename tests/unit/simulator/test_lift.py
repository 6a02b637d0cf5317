import hashlib
from collections.abc import Iterable
from datetime import date, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.clock import from_ms
from ingest.intake import Intake
from ingest.messages import Alarm, Counters, DoorCycle, FaultReport, Kind, Levelling, State, Trip
from ingest.wire import decode, encode, topic_of
from simulator.faults import ENTRAPMENT, POWER_CUT, FaultPeriod
from simulator.fleet import LiftSpec, make_fleet
from simulator.life import Life, Planned
from simulator.lift import LiftMessage, messages, messages_of_day, state_at
from simulator.living import life_of
from simulator.traffic import DAY_MS, HOUR_MS, day_start_ms

FLEET = make_fleet(7, 30)
TROUBLED = next(spec for spec in FLEET if spec.troubled)
CALM = next(spec for spec in FLEET if not spec.troubled)
DAY = date(2026, 3, 2)
MIDNIGHT_MS = day_start_ms(DAY)


def fortnight(spec: LiftSpec) -> list[LiftMessage]:
    return list(messages(spec, MIDNIGHT_MS, MIDNIGHT_MS + 14 * DAY_MS))


def in_bytes(said: Iterable[LiftMessage]) -> list[tuple[int, Kind, bytes]]:
    return [(message.at_ms, message.kind, encode(message.body)) for message in said]


def entrapment(raised_ms: int, lasts_ms: int = 30 * 60_000) -> FaultPeriod:
    return FaultPeriod(
        fault_id="test-1",
        code=ENTRAPMENT,
        stops=True,
        raised_ms=raised_ms,
        cleared_ms=raised_ms + lasts_ms,
        in_door_zone=False,
        passengers=True,
    )


def test_the_same_seed_gives_the_same_bytes_and_another_seed_other_bytes() -> None:
    here, again = (make_fleet(7, 30)[3] for _ in range(2))
    elsewhere = make_fleet(8, 30)[3]
    assert in_bytes(messages_of_day(here, DAY)) == in_bytes(messages_of_day(again, DAY))
    assert in_bytes(messages_of_day(here, DAY)) != in_bytes(messages_of_day(elsewhere, DAY))


def test_the_bytes_of_a_seed_do_not_change_from_release_to_release() -> None:
    said = list(messages(FLEET[0], MIDNIGHT_MS, MIDNIGHT_MS + DAY_MS))
    first = next(message for message in said if message.kind is Kind.TRIP)
    assert encode(first.body) == (
        b'{"at":1772410434194,"from_floor":1,"to_floor":3,"duration_ms":6957,'
        b'"distance_mm":6600,"load_pct":32,"max_speed_mm_s":2298}'
    )
    content = b"".join(encode(message.body) for message in said)
    assert hashlib.sha256(content).hexdigest()[:16] == "41cf8e90a5c550af"


def test_no_two_lifts_and_no_two_days_are_the_same() -> None:
    said = [in_bytes(messages_of_day(spec, DAY)) for spec in FLEET]
    assert all(one != other for index, one in enumerate(said) for other in said[:index])
    tomorrow = [(at_ms - DAY_MS, kind) for at_ms, kind, _ in in_bytes(messages_of_day(CALM, DAY + timedelta(days=1)))]
    assert tomorrow != [(at_ms, kind) for at_ms, kind, _ in said[FLEET.index(CALM)]]


@settings(max_examples=30, deadline=None)
@given(spec=st.sampled_from(FLEET), cuts=st.lists(st.integers(0, 3 * DAY_MS), min_size=1, max_size=4))
def test_a_window_that_is_cut_equals_the_whole(spec: LiftSpec, cuts: list[int]) -> None:
    edges = [MIDNIGHT_MS + cut for cut in sorted([0, *cuts, 3 * DAY_MS])]
    pieces = [message for since_ms, until_ms in pairwise(edges) for message in messages(spec, since_ms, until_ms)]
    assert in_bytes(pieces) == in_bytes(messages(spec, MIDNIGHT_MS, MIDNIGHT_MS + 3 * DAY_MS))


def test_messages_come_in_the_order_of_the_controllers_clock_and_carry_it() -> None:
    said = fortnight(TROUBLED)
    assert said == sorted(said, key=lambda message: message.at_ms)
    assert all(message.body.at == message.at_ms for message in said)


def test_the_service_accepts_every_message_as_it_is() -> None:
    intake = Intake({})
    for spec in (TROUBLED, CALM, FLEET[-1]):
        for message in fortnight(spec):
            payload = encode(message.body)
            decoded = decode(message.kind, payload)
            assert decoded.refusals == []
            assert decoded.unknown_fields == 0
            taken = intake.take(topic_of(spec.lift_id, message.kind), payload, message.at_ms, lambda _: None)
            assert taken.quarantined == []
            assert len(taken.accepted) == 1


def test_every_kind_of_the_contract_is_spoken() -> None:
    assert {message.kind for spec in FLEET[:10] for message in fortnight(spec)} == set(Kind)


def test_each_trip_is_followed_by_its_levelling_and_its_door_cycle_at_the_same_floor() -> None:
    said = [message.body for message in fortnight(CALM) if isinstance(message.body, Trip | Levelling | DoorCycle)]
    assert len(said) % 3 == 0
    for trip, levelling, door in zip(said[::3], said[1::3], said[2::3], strict=True):
        assert isinstance(trip, Trip)
        assert isinstance(levelling, Levelling)
        assert isinstance(door, DoorCycle)
        assert trip.to_floor == levelling.floor == door.floor


def test_a_cleared_fault_was_raised_before_and_no_fault_is_raised_twice() -> None:
    for spec in FLEET[:10]:
        open_ids: set[str] = set()
        ever: set[str] = set()
        for message in messages(spec, MIDNIGHT_MS - DAY_MS, MIDNIGHT_MS + 30 * DAY_MS):
            report = message.body
            if not isinstance(report, FaultReport) or report.fault_id is None:
                continue
            if report.phase == "raised":
                assert report.fault_id not in ever
                open_ids.add(report.fault_id)
                ever.add(report.fault_id)
            elif report.fault_id in ever:
                open_ids.remove(report.fault_id)
        assert len(open_ids) <= 1


def test_no_lift_moves_and_its_state_says_so_while_a_stopping_fault_is_active() -> None:
    until_ms = MIDNIGHT_MS + 13 * DAY_MS
    life = life_of(TROUBLED, MIDNIGHT_MS)
    stops = [period for period in life.periods if period.stops and MIDNIGHT_MS <= period.raised_ms < until_ms]
    assert len(stops) > 3
    said = fortnight(TROUBLED)
    for period in stops:
        during = [message for message in said if period.raised_ms <= message.at_ms < period.cleared_ms]
        assert not any(isinstance(message.body, Trip | DoorCycle | Levelling) for message in during)
        states = [message.body for message in during if isinstance(message.body, State)]
        assert states
        modes = {state.service_mode for state in states}
        assert modes <= {"out-of-service", "inspection"}
        assert not any(state.moving for state in states)


def test_a_lift_comes_back_into_service_when_its_last_fault_is_cleared() -> None:
    first = entrapment(MIDNIGHT_MS + 10 * HOUR_MS)
    second = entrapment(first.cleared_ms - 60_000)
    states = {
        message.at_ms: message.body
        for message in messages_of_day(CALM, DAY, [first, second])
        if isinstance(message.body, State)
    }
    assert states[first.raised_ms].service_mode == "out-of-service"
    assert states[first.cleared_ms].service_mode == "out-of-service"
    assert states[second.cleared_ms].service_mode == "normal"


def test_an_entrapment_is_reported_with_its_passengers_and_their_call() -> None:
    trapped = entrapment(MIDNIGHT_MS + 10 * HOUR_MS)
    said = list(messages(CALM, trapped.raised_ms, trapped.cleared_ms + 1, [trapped]))
    reports = [message.body for message in said if isinstance(message.body, FaultReport)]
    assert [(report.code, report.phase) for report in reports] == [(ENTRAPMENT, "raised"), (ENTRAPMENT, "cleared")]
    assert reports[0].passengers is True
    assert reports[0].in_door_zone is False
    calls = [message.body.type for message in said if isinstance(message.body, Alarm)]
    assert calls == ["button", "answered", "end"]


def test_a_fault_that_lasts_over_midnight_is_cleared_on_the_next_day() -> None:
    trapped = entrapment(MIDNIGHT_MS + DAY_MS - 10 * 60_000)
    next_day = messages_of_day(CALM, DAY + timedelta(days=1), [trapped])
    cleared = [message.body for message in next_day if isinstance(message.body, FaultReport)]
    assert [report.phase for report in cleared] == ["cleared"]
    assert all(message.at_ms >= trapped.cleared_ms for message in next_day if isinstance(message.body, Trip))


def test_a_scripted_fault_changes_nothing_long_before_it() -> None:
    trapped = entrapment(MIDNIGHT_MS + 12 * HOUR_MS)
    until_ms = trapped.raised_ms - 3 * HOUR_MS
    assert in_bytes(messages(CALM, MIDNIGHT_MS, until_ms, [trapped])) == in_bytes(messages(CALM, MIDNIGHT_MS, until_ms))


def test_without_mains_the_state_says_so() -> None:
    raised_ms = MIDNIGHT_MS + 9 * HOUR_MS
    cut = FaultPeriod(fault_id="cut", code=POWER_CUT, stops=True, raised_ms=raised_ms, cleared_ms=raised_ms + 60_000)
    states = [message.body for message in messages_of_day(CALM, DAY, [cut]) if isinstance(message.body, State)]
    assert [state.at for state in states if state.power is False] == [raised_ms]


def test_the_state_of_any_instant_is_known() -> None:
    trapped = entrapment(MIDNIGHT_MS + 10 * HOUR_MS)
    assert state_at(CALM, trapped.raised_ms + 5_000, [trapped]).service_mode == "out-of-service"
    for minute in range(0, 24 * 60, 97):
        at_ms = MIDNIGHT_MS + minute * 60_000
        state = state_at(CALM, at_ms)
        assert state.at == at_ms
        assert state.connected is True


@pytest.mark.parametrize("spec", [TROUBLED, CALM, FLEET[-1]])
def test_counters_count_the_trips_that_were_reported(spec: LiftSpec) -> None:
    trips = 0
    first: int | None = None
    stop = entrapment(MIDNIGHT_MS + 2 * DAY_MS + 10 * HOUR_MS, 5 * HOUR_MS)
    for message in messages(spec, MIDNIGHT_MS, MIDNIGHT_MS + 30 * DAY_MS, [stop]):
        if isinstance(message.body, DoorCycle):
            trips += 1
        if isinstance(message.body, Counters):
            assert message.body.trips_total is not None
            first = message.body.trips_total - trips if first is None else first
            assert message.body.trips_total == message.body.door_cycles_total == first + trips


def test_the_alarm_is_tested_at_least_every_three_days() -> None:
    tests = [from_ms(message.at_ms).date() for message in fortnight(CALM) if message.kind is Kind.ALARM]
    assert len(tests) in (4, 5)
    assert all(after - before == timedelta(days=3) for before, after in pairwise(tests))


def test_a_lift_is_never_silent_for_long() -> None:
    instants = [message.at_ms for message in fortnight(CALM)]
    assert max(after - before for before, after in pairwise(instants)) <= 15 * 60_000


def test_while_somebody_is_there_the_lift_is_in_inspection_mode_and_carries_nobody() -> None:
    life = life_of(CALM, MIDNIGHT_MS)
    visits = [each for each in life.presences if MIDNIGHT_MS <= each.begin_ms < MIDNIGHT_MS + 28 * DAY_MS]
    assert [each.kind for each in visits].count("maintenance") == 2
    said = list(messages(CALM, MIDNIGHT_MS, MIDNIGHT_MS + 30 * DAY_MS))
    for visit in visits:
        during = [message.body for message in said if visit.begin_ms <= message.at_ms < visit.end_ms]
        assert not any(isinstance(body, Trip | DoorCycle) for body in during)
        states = [body for body in during if isinstance(body, State)]
        assert states
        assert all(state.service_mode == "inspection" for state in states)


def test_a_lift_out_of_use_stands_still_and_its_counters_too() -> None:
    life = Life(planned=[Planned("out-of-use", MIDNIGHT_MS + DAY_MS, MIDNIGHT_MS + 4 * DAY_MS)]).ordered()
    said = list(messages(CALM, MIDNIGHT_MS + DAY_MS + HOUR_MS, MIDNIGHT_MS + 4 * DAY_MS, (), life))
    assert not any(isinstance(message.body, Trip) for message in said)
    totals = {message.body.trips_total for message in said if isinstance(message.body, Counters)}
    assert len(totals) == 1
    modes = {message.body.service_mode for message in said if isinstance(message.body, State)}
    assert modes == {"out-of-service"}
    after = messages(CALM, MIDNIGHT_MS + 4 * DAY_MS, MIDNIGHT_MS + 5 * DAY_MS, (), life)
    assert any(isinstance(message.body, Trip) for message in after)
