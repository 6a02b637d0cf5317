"""Quarantined messages that go through intake again: once, as old news, and never lost on the way."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy.engine import Engine

from ingest.clock import ManualClock, to_ms
from ingest.faults import load_profiles
from ingest.fleet import Lift
from ingest.fleet_register import FleetRegister
from ingest.intake import UNKNOWN_LIFT, Intake, IntakeLimits
from ingest.messages import Alarm, Fault, Kind, Message, State
from ingest.quarantine import Quarantine, Quarantined, QuarantinedMessage, Selection
from ingest.replay import IN_HAND, ROWS_AT_A_TIME, Replay, ReplayReport
from ingest.telemetry_store import MemoryTelemetryStore, StoreRefusedError, StoreUnavailableError
from ingest.wire import Reason

THEN = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
NOW = THEN + timedelta(days=1)
PROFILES = load_profiles()
THEN_MS = to_ms(THEN)
EVERYTHING = Selection()


class ToldStore(MemoryTelemetryStore):
    """Is away, or never takes a number, when told so."""

    def __init__(self) -> None:
        super().__init__()
        self.away = False
        self.disliked: set[int | None] = set()
        self.writes = 0

    def write(self, messages: Sequence[Message]) -> None:
        self.writes += 1
        if self.away:
            raise StoreUnavailableError
        if any(message.body.seq in self.disliked for message in messages):
            message = "disliked"
            raise StoreRefusedError(message)
        super().write(messages)


class Bench:
    """A quarantine with what L1 sent before anybody registered it."""

    def __init__(self, engine: Engine) -> None:
        self.quarantine = Quarantine(engine)
        self.register = FleetRegister(engine)
        self.store = ToldStore()
        self.clock = ManualClock(NOW)
        self.noted: list[int | None] = []
        self.noted_refused: list[int | None] = []

    def replay(self, limits: IntakeLimits | None = None) -> Replay:
        intake = Intake(PROFILES, limits)
        return Replay(self.quarantine, intake, self.register, self.clock, keep=self.store.write, note=self.note)

    def note(self, kept: Sequence[Message], refused: Sequence[Quarantined]) -> None:
        self.noted += [message.body.seq for message in kept]
        self.noted_refused += [seq for item in refused for _, seq in item.numbers()]

    def run(self, which: Selection = EVERYTHING, *, limit: int = 10_000, dry_run: bool = False) -> ReplayReport:
        return self.replay().run(which, limit=limit, dry_run=dry_run)

    def refuse(self, kind: str, *contents: str) -> None:
        """Let L1 send something while it is not registered."""
        for content in contents:
            taken = Intake({}).take(f"lifts/v1/L1/{kind}", content.encode(), THEN_MS, lambda _: UNKNOWN_LIFT)
            self.quarantine.add(taken.quarantined)

    def admit(self, profile: str | None = None) -> None:
        self.register.register([Lift(lift_id="L1", profile=profile)], NOW)

    def stored(self, kind: Kind = Kind.ALARM) -> list[Message]:
        return self.store.messages("L1", kind, THEN - timedelta(days=100), NOW)

    def rows(self) -> list[QuarantinedMessage]:
        return self.quarantine.list(limit=1_000)


@pytest.fixture
def bench(sqlite_engine: Engine) -> Bench:
    return Bench(sqlite_engine)


def alarm(seq: int) -> str:
    return f'{{"at": {THEN_MS + seq}, "seq": {seq}, "type": "button", "new": 1}}'


def test_what_was_refused_is_kept_after_the_register_is_put_right(bench: Bench) -> None:
    bench.refuse("alarm", alarm(1), alarm(2))
    bench.admit()
    assert bench.run() == ReplayReport(rows=2, replayed=2, messages=2)
    first, second = bench.stored()
    assert first.body == Alarm(at=THEN_MS + 1, seq=1, type="button")
    assert (first.received_at, first.late, second.late) == (THEN, True, True)
    assert [row.replayed_at for row in bench.rows()] == [NOW, NOW]
    assert bench.noted == [1, 2]


def test_a_row_is_replayed_once(bench: Bench) -> None:
    bench.refuse("alarm", alarm(1))
    bench.admit()
    bench.run()
    bench.clock.advance(timedelta(hours=1))
    assert bench.run() == ReplayReport()
    assert (len(bench.stored()), bench.noted, bench.rows()[0].replayed_at) == (1, [1], NOW)


def test_what_is_refused_again_waits_on_in_its_row_with_the_new_reason(bench: Bench) -> None:
    bench.refuse("fault", f'{{"at": {THEN_MS}, "code": "E02", "phase": "raised", "seq": 4}}')
    bench.refuse("alarm", "[5, 6]")
    bench.admit()
    assert bench.run() == ReplayReport(rows=2, refused=2)
    array, fault = bench.rows()
    assert (fault.reason, fault.replayed_at) == ("unknown-fault-code", None)
    assert "E02" in fault.detail
    assert array.reason == "wrong-type"
    assert array.detail.endswith("(and 1 more of its objects)")
    assert bench.noted_refused == [4]

    bench.admit(profile="example-vf200")
    only_codes = Selection(reason=Reason.UNKNOWN_CODE)
    assert bench.run(only_codes) == ReplayReport(rows=1, replayed=1, messages=1)
    (stored,) = bench.stored(Kind.FAULT)
    assert isinstance(stored.body, Fault)
    assert stored.body.code == "door-closing-fault"


def test_of_an_array_what_is_accepted_is_kept_and_the_rest_waits_by_itself(bench: Bench) -> None:
    bad = '{"at": 0, "seq": 2, "type": "button"}'
    bench.refuse("alarm", f"[{alarm(1)}, {bad}, {alarm(3)}]")
    bench.admit()
    assert bench.run() == ReplayReport(rows=1, replayed=1, messages=2, rest=1)
    rest, whole = bench.rows()
    assert (whole.replayed_at, rest.replayed_at) == (NOW, None)
    assert (rest.payload.decode(), rest.reason, rest.received_at) == (bad, "too-old", THEN)
    assert (bench.noted, bench.noted_refused) == ([1, 3], [2])


def test_todays_limits_judge_by_the_instant_of_arrival(bench: Bench) -> None:
    bench.admit()
    old = f'{{"at": {THEN_MS - 100 * 86_400_000}, "type": "button"}}'
    taken = Intake({}).take("lifts/v1/L1/alarm", old.encode(), THEN_MS, lambda _: None)
    bench.quarantine.add(taken.quarantined)
    assert bench.run().refused == 1
    assert bench.replay(IntakeLimits(age_max_ms=101 * 86_400_000)).run(EVERYTHING, limit=1).messages == 1


def test_a_last_will_counts_from_its_first_arrival_however_often_it_is_replayed(bench: Bench) -> None:
    bench.refuse("state", '{"connected": false}')
    bench.admit()
    bench.run()
    bench.refuse("state", '{"connected": false}')
    assert bench.run().replayed == 1, "it came again, so that it waited again"
    (message,) = bench.stored(Kind.STATE)
    assert (message.measured_at, message.body) == (THEN, State(connected=False))


def test_a_store_that_is_away_costs_nothing_and_the_rows_can_be_replayed_at_once(bench: Bench) -> None:
    bench.refuse("alarm", alarm(1))
    bench.admit()
    bench.store.away = True
    with pytest.raises(StoreUnavailableError):
        bench.run()
    assert (bench.rows()[0].replayed_at, bench.noted) == (None, [])
    bench.store.away = False
    assert bench.run().replayed == 1


def test_what_the_store_refuses_waits_on_and_the_rest_is_kept(bench: Bench) -> None:
    bench.refuse("alarm", *map(alarm, range(9)), f"[{alarm(10)}, {alarm(11)}]")
    bench.admit()
    bench.store.disliked = {4, 11}
    assert bench.run() == ReplayReport(rows=10, replayed=9, messages=9, refused=1, rest=1)
    assert [message.body.seq for message in bench.stored()] == [0, 1, 2, 3, 5, 6, 7, 8, 10]
    assert sorted(bench.noted_refused, key=str) == [11, 4]
    assert [row.reason for row in bench.rows() if row.replayed_at is None] == ["store-refused", "store-refused"]


def test_a_replay_that_was_killed_before_it_said_so_happens_again_without_a_trace(bench: Bench) -> None:
    bench.refuse("alarm", alarm(1))
    bench.admit()
    until = NOW + IN_HAND
    (row,) = bench.quarantine.claim(EVERYTHING, limit=1, after_id=0, now=NOW, until=until)
    taken = Intake({}).take(row.topic, row.payload, to_ms(row.received_at), lambda _: None)
    bench.store.write(taken.accepted)

    assert bench.run() == ReplayReport(next_id=None), "it may be alive, and the row is in its hand"
    bench.clock.advance(IN_HAND)
    assert bench.run().replayed == 1
    assert len(bench.stored()) == 1


def test_two_replays_at_once_double_nothing(bench: Bench) -> None:
    bench.refuse("alarm", *map(alarm, range(2 * ROWS_AT_A_TIME)))
    bench.admit()
    reports: list[ReplayReport] = []
    write = bench.store.write

    def write_while_another_replays(messages: Sequence[Message]) -> None:
        if not reports:
            reports.append(ReplayReport())
            reports.append(bench.run())
        write(messages)

    bench.store.write = write_while_another_replays  # type: ignore[method-assign]
    reports.append(bench.run())
    assert [report.replayed for report in reports] == [0, ROWS_AT_A_TIME, ROWS_AT_A_TIME]
    assert sorted(seq or 0 for seq in bench.noted) == list(range(2 * ROWS_AT_A_TIME))


def test_a_dry_run_says_what_would_become_of_them_and_touches_nothing(bench: Bench) -> None:
    bench.refuse("alarm", alarm(1), "garbage", f"[{alarm(2)}, 5]")
    bench.admit()
    before = bench.rows()
    told = bench.run(dry_run=True)
    assert told == ReplayReport(rows=3, replayed=2, messages=2, refused=1, rest=1)
    assert (bench.rows(), bench.stored(), bench.noted, bench.store.writes) == (before, [], [], 0)
    assert bench.run() == told


def test_a_limit_ends_a_replay_and_says_where_to_go_on(bench: Bench) -> None:
    bench.refuse("alarm", "garbage", alarm(1), alarm(2))
    bench.admit()
    first = bench.run(limit=2)
    assert first == ReplayReport(rows=2, replayed=1, messages=1, refused=1, next_id=2)
    assert bench.replay().run(EVERYTHING, limit=2, after_id=2) == ReplayReport(rows=1, replayed=1, messages=1)


def test_what_is_not_kept_whole_is_told_and_left_alone(bench: Bench) -> None:
    bench.quarantine.add([Quarantined("lifts/v1/L1/alarm", "L1", b"x" * 300_000, Reason.TOO_LARGE, "", THEN_MS)])
    bench.admit()
    report = bench.run()
    assert report == ReplayReport(unreplayable=1)
    assert "1 cannot be replayed" in report.summary(dry_run=False)


def test_a_flood_is_replayed_like_anything_else(bench: Bench) -> None:
    flood = [
        Quarantined("lifts/v1/L1/alarm", "L1", alarm(seq).encode(), Reason.FLOODING, "", THEN_MS) for seq in range(3)
    ]
    bench.quarantine.add(flood)
    bench.admit()
    assert bench.run(Selection(reason=Reason.FLOODING)).messages == 3


def test_a_cleared_state_that_waits_from_before_is_done_with(bench: Bench) -> None:
    bench.quarantine.add([Quarantined("lifts/v1/L1/state", "L1", b"", Reason.NOT_JSON, "", THEN_MS)])
    assert bench.run() == ReplayReport(rows=1, replayed=1)


def test_a_report_reads_as_a_sentence() -> None:
    report = ReplayReport(rows=4, replayed=3, messages=5, refused=1, rest=2, next_id=9)
    assert report.summary(dry_run=True) == (
        "3 would be replayed (5 messages), 1 would be refused again, 2 objects of those replayed would be refused again"
        "; more wait"
    )
