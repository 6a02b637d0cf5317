"""What a monitoring centre of 1,000 simulated lifts says in a month, and whether it was right.

`python -m benchmarks.simulated_month --lifts 1000 --days 30`

The lives are those of the simulator, in virtual time, through the real intake and desk. Only what can ring is sent:
faults, alarms and hourly states. What trips, doors and readings would tell is put into the feature book day by day, and
the fleet is assessed each midnight (`--alarms-only`: neither). The operator and the technicians are simulated too.
`--rough` disturbs what the lifts send.
"""

import argparse
import heapq
import tempfile
import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from api.composition import Parts, open_parts
from api.settings import Settings
from benchmarks.parts.month_days import Days
from benchmarks.parts.month_people import Centre
from benchmarks.parts.month_truth import Truths, kinds_of, verdict, verdict_of_the_rest
from benchmarks.parts.month_words import greeting, words_of
from benchmarks.parts.tables import machine, show, table
from ingest.clock import ManualClock, from_ms, to_ms
from ingest.intake import UNKNOWN_LIFT, Intake, UnknownLift
from ingest.messages import Kind, State
from ingest.strangers import calls_of
from ingest.wire import encode, topic_of
from simulator.fleet import LiftSpec, make_fleet
from simulator.living import life_of
from simulator.register import lifts
from simulator.traffic import DAY_MS
from simulator.transport import CLEAN, ROUGH, Line, Link, NoLog, Roughness

START = "2026-03-02T00:00:00+00:00"
LAST_WILL = encode(State(connected=False))
# Somebody looks every 5 s in the service; here every 30 min, each minute for 2 min after a fault or an alarm, and when
# a fault has stood for as long as it waits at most.
CALM, AWAKE, AWAKE_FOR = timedelta(minutes=30), timedelta(minutes=1), timedelta(minutes=2)
WAITS = timedelta(minutes=20)
_RINGS = frozenset({Kind.FAULT.value, Kind.ALARM.value})

Came = tuple[int, str, bytes]


class Month:
    """Plays the month through the parts of a service."""

    def __init__(self, parts: Parts, clock: ManualClock, fleet: Sequence[LiftSpec], days: float, seed: int) -> None:
        """Register the fleet; `assessed` None: no daily values and no assessments."""
        self.parts, self.clock = parts, clock
        self.start_ms = to_ms(clock.now())
        self.until_ms = self.start_ms + int(days * DAY_MS)
        self.fleet = fleet
        self.lives = {spec.lift_id: life_of(spec, self.start_ms) for spec in fleet}
        self.known = {spec.lift_id for spec in fleet}
        parts.register.register(lifts(fleet, clock.now()), clock.now())
        self.assessed: Days | None = None
        self.centre = Centre(parts, self.lives, seed)
        self.intake = Intake(parts.profiles, parts.settings.intake_limits, parts.clocks.offset_ms)
        self.refused: Counter[str] = Counter()
        self.messages = self.looks = 0

    def play(self, rough: Roughness) -> None:
        """Let the month pass."""
        start = self.clock.now()
        next_day_ms = self.start_ms + DAY_MS
        look_at, awake_until = start + CALM, start
        waited: deque[datetime] = deque()
        batch: list[Came] = []
        for came in heapq.merge(*(self._came(spec, rough) for spec in self.fleet)):
            now = from_ms(came[0])
            while look_at <= now:
                self._look(batch, look_at, start)
                if self.assessed is not None and to_ms(look_at) >= next_day_ms:
                    self.assessed.over(next_day_ms)
                    next_day_ms += DAY_MS
                batch = []
                while waited and waited[0] <= look_at:
                    waited.popleft()
                look_at += AWAKE if look_at < awake_until else CALM
                look_at = min([look_at, *list(waited)[:1]])
            batch.append(came)
            if came[1].rsplit("/", 1)[-1] in _RINGS:
                awake_until = now + AWAKE_FOR
                look_at = min(look_at, now + AWAKE)
                waited.append(now + WAITS)
        self._look(batch, from_ms(self.until_ms), start)

    def _look(self, batch: Sequence[Came], now: datetime, since: datetime) -> None:
        self.looks += 1
        accepted, calls = [], []
        for received_ms, topic, payload in batch:
            taken = self.intake.take(topic, payload, received_ms, self._profile_of)
            accepted += taken.accepted
            calls += calls_of(taken.quarantined)
            self.refused.update(item.reason.value for item in taken.quarantined)
        self.messages += len(accepted)
        self.parts.desk.observe(accepted)
        if self.assessed is not None:
            self.parts.store.write([message for message in accepted if message.kind is Kind.FAULT])
        self.parts.clocks.observe(accepted, [])
        if calls:
            self.parts.desk.hear_strangers(calls)
        self.clock.advance(now - self.clock.now())
        self.parts.clocks.tick(now.timestamp())
        self.parts.desk.watch(now, since)
        self.centre.act(now)

    def _profile_of(self, lift_id: str) -> str | UnknownLift | None:
        return None if lift_id in self.known else UNKNOWN_LIFT

    def _came(self, spec: LiftSpec, rough: Roughness) -> Iterator[Came]:
        """Yield what the broker hands on: when, topic, payload."""
        life = self.lives[spec.lift_id]
        line = Line(spec, life, "b0", self.start_ms, rough, NoLog())
        line.say(words_of(spec, life, self.start_ms, self.until_ms))
        topic = topic_of(spec.lift_id, Kind.STATE)
        for sent in line.carry(self.until_ms):
            if sent.due_ms >= self.until_ms:
                return
            if sent.link is Link.LOST:
                yield sent.due_ms, topic, LAST_WILL
            elif sent.link is Link.BACK:
                yield sent.due_ms, topic, encode(line.number(greeting(life, sent.due_ms), sent.due_ms))
            else:
                yield sent.due_ms, sent.topic, sent.payload


def main() -> None:
    """Play the month, and print what it was like."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lifts", type=int, default=1_000)
    parser.add_argument("--days", type=float, default=30)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rough", action="store_true")
    parser.add_argument("--alarms-only", action="store_true", help="without daily values and assessments")
    parser.add_argument("--trapped", action="store_true", help="only lifts in which people are trapped in the month")
    parser.add_argument("--traffic", type=float, default=0.3, help="of the trips that daily values are made of")
    parser.add_argument("--keep", type=Path, help="a folder in which what the service wrote stays")
    options = parser.parse_args()
    began_s, clock = time.monotonic(), ManualClock(datetime.fromisoformat(START))
    with tempfile.TemporaryDirectory() as folder:
        parts = open_parts(Settings(data_dir=options.keep or Path(folder)), clock)
        fleet = make_fleet(options.seed, options.lifts, options.traffic)
        if options.trapped:
            fleet = [spec for spec in fleet if _traps(spec, to_ms(clock.now()), options.days)]
        month = Month(parts, clock, fleet, options.days, options.seed)
        if not options.alarms_only:
            month.assessed = Days(parts, fleet, month.lives)
            month.assessed.before(month.start_ms)
        month.play(ROUGH if options.rough else CLEAN)
        show(machine())
        show(
            f"{options.lifts:,} lifts, {options.days:g} days, seed {options.seed}{', rough' if options.rough else ''}: "
            f"{month.messages:,} messages, {month.looks:,} looks, {time.monotonic() - began_s:.0f} s; "
            f"refused {dict(month.refused) or 'nothing'}"
        )
        tell(parts, month)
        parts.close()


def _traps(spec: LiftSpec, start_ms: int, days: float) -> bool:
    until_ms = start_ms + int(days * DAY_MS)
    return any(each.freed_ms and start_ms <= each.failed_ms < until_ms for each in life_of(spec, start_ms).breakdowns)


def tell(parts: Parts, month: Month) -> None:
    """Print the figures of the month and whether priority 1 was right."""
    since, until = from_ms(month.start_ms), from_ms(month.until_ms)
    total = parts.kpis.report(since, until).total
    mix = {
        priority: f"{count} ({count / max(1, total.alarm_count):.0%})" for priority, count in total.priorities.items()
    }
    rows = [
        ("AlarmCount", f"{total.alarm_count:,}"),
        ("alerts for an operator in 10 min (AverageAlarmRate)", f"{total.per_operator_10_min:.3f}"),
        ("MaximumAlarmRate", f"{total.maximum_alarm_rate:g}"),
        ("share of time in flood", f"{total.flood_share:.3%}"),
        *((f"priority {priority}", words) for priority, words in mix.items()),
        ("chattering sources", f"{len(total.chattering)}"),
        ("stale at the end (of priority 1 or 2)", f"{total.stale} ({total.stale_urgent})"),
        ("MaximumReAlarmCount", f"{total.maximum_re_alarm_count}"),
        ("MaximumActiveState, h", f"{total.maximum_active_state_s / 3600:.1f}"),
        ("MaximumUnAck, h", f"{total.maximum_unack_s / 3600:.1f}"),
        ("time to acknowledge, median, s", f"{total.acknowledge_median_s or 0:.0f}"),
        ("time to acknowledge, 95 of 100, s", f"{total.acknowledge_p95_s or 0:.0f}"),
        ("share of the ten busiest sources", f"{total.top_share or 0:.1%}"),
    ]
    show()
    show(table(("figure", "value"), rows))
    truths = Truths.of(month.lives, month.start_ms, month.until_ms)
    show()
    show(table(("priority 1 against the truth", "value"), verdict(parts, truths)))
    show()
    show(table(("the rest against the truth", "value"), verdict_of_the_rest(parts, truths)))
    show()
    show(table(("kind", "priority", "alerts", "right", "orders opened"), kinds_of(parts, truths)))


if __name__ == "__main__":
    main()
