from collections import Counter
from collections.abc import Sequence
from datetime import date
from itertools import pairwise

import pytest
from msgspec import structs

from ingest.messages import Body, Kind
from ingest.wire import decode, parse_topic
from simulator.fleet import make_fleet
from simulator.life import Life
from simulator.lift import messages
from simulator.traffic import DAY_MS, HOUR_MS, day_start_ms
from simulator.transport import (
    CLEAN,
    REBOOT_MS,
    ROUGH,
    ControllerClock,
    Line,
    Link,
    Roughness,
    Sent,
)

SPEC = make_fleet(7, 30, traffic=0.1)[0]
START_MS = day_start_ms(date(2026, 3, 2))
UNTIL_MS = START_MS + 6 * DAY_MS


class Log:
    """Keeps what a line writes down."""

    def __init__(self) -> None:
        self.numbers: list[tuple[str, int]] = []
        self.disturbances: Counter[str] = Counter()
        self.lost: list[tuple[str, int]] = []

    def said(self, lift_id: str, boot: str, seq: int, made_ms: int) -> None:
        del lift_id, made_ms
        self.numbers.append((boot, seq))

    def disturbed(self, lift_id: str, what: str, made_ms: int, boot: str = "", seq: int | None = None) -> None:
        del lift_id, made_ms
        self.disturbances[what] += 1
        if seq is not None:
            self.lost.append((boot, seq))


def carried(rough: Roughness = CLEAN, reboots: Sequence[int] = (), log: Log | None = None) -> list[Sent]:
    life = Life(reboots=list(reboots)).ordered()
    line = Line(SPEC, life, "b", START_MS, rough, log)
    line.say(messages(SPEC, START_MS, UNTIL_MS, (), life))
    return list(line.carry(UNTIL_MS + 2 * DAY_MS))


def bodies(sent: Sequence[Sent]) -> list[Body]:
    found: list[Body] = []
    for each in sent:
        parsed = parse_topic(each.topic)
        if each.link is Link.SAID and isinstance(parsed, tuple) and parsed[0] == SPEC.lift_id:
            found += decode(parsed[1], each.payload).bodies
    return found


def plain(found: Sequence[Body]) -> set[Body]:
    return {structs.replace(body, seq=None, boot=None) for body in found}


EXPECTED = plain([message.body for message in messages(SPEC, START_MS, UNTIL_MS, (), Life().ordered())])


def test_a_clean_line_hands_everything_on_at_once_in_order_and_numbered() -> None:
    sent = carried()
    assert plain(bodies(sent)) == EXPECTED
    assert [body.seq for body in bodies(sent)] == list(range(len(sent)))
    assert all(each.due_ms == each.made_ms for each in sent)
    assert all(each.retain is each.topic.endswith("/state") for each in sent)


def test_a_controller_that_starts_again_counts_from_nought_and_is_away_for_a_while() -> None:
    reboots = [START_MS + DAY_MS, START_MS + DAY_MS + 90_000, START_MS + 3 * DAY_MS]
    sent = carried(reboots=reboots)
    links = [(each.link, each.due_ms) for each in sent if each.link is not Link.SAID]
    assert links == [
        (link, at_ms + extra) for at_ms in reboots for link, extra in ((Link.LOST, 0), (Link.BACK, REBOOT_MS))
    ]
    runs: dict[str | None, list[int]] = {}
    for body in bodies(sent):
        runs.setdefault(body.boot, []).append(body.seq or 0)
    assert len(runs) >= 3
    assert all(numbers == list(range(len(numbers))) for numbers in runs.values())
    assert plain(bodies(sent)) == EXPECTED
    away = [
        each for each in sent if each.link is Link.SAID and any(at < each.due_ms < at + REBOOT_MS for at in reboots)
    ]
    assert away == [], "nothing goes out while the controller starts"


def test_what_goes_out_is_in_the_order_in_which_it_goes_out() -> None:
    sent = carried(ROUGH, reboots=[START_MS + DAY_MS])
    assert all(before.due_ms <= after.due_ms for before, after in pairwise(sent))


def test_after_hours_of_silence_everything_comes_in_a_burst() -> None:
    sent = carried(Roughness(silences_per_week=7.0, silence_h=(2.0, 2.0)))
    lost = [each.due_ms for each in sent if each.link is Link.LOST]
    back = [each.due_ms for each in sent if each.link is Link.BACK]
    assert len(lost) >= 5
    assert all(after - before == 2 * HOUR_MS for before, after in zip(lost, back, strict=True))
    for begin_ms, end_ms in zip(lost, back, strict=True):
        quiet = [each for each in sent if each.link is Link.SAID and begin_ms < each.due_ms < end_ms]
        burst = [each for each in sent if each.link is Link.SAID and end_ms <= each.due_ms < end_ms + 60_000]
        assert quiet == []
        assert len(burst) > 10
    assert plain(bodies(sent)) == EXPECTED


def test_duplicates_and_latecomers_are_the_same_messages() -> None:
    log = Log()
    sent = carried(Roughness(duplicate_chance=0.1, late_chance=0.1), log=log)
    found = [(body.boot, body.seq) for body in bodies(sent)]
    assert len(found) - len(set(found)) == log.disturbances["duplicate"] > 0
    numbers = [body.seq or 0 for body in bodies(sent)]
    assert numbers != sorted(numbers)
    assert log.disturbances["late"] > 0
    assert plain(bodies(sent)) == EXPECTED


def test_what_was_truncated_is_written_down_as_lost_and_is_no_json() -> None:
    log = Log()
    sent = carried(Roughness(truncated_chance=0.02), log=log)
    arrived = {(body.boot, body.seq) for body in bodies(sent)}
    assert len(log.lost) == log.disturbances["truncated"] > 10
    assert arrived == set(log.numbers) - set(log.lost)


def test_garbage_strangers_and_floods_come_on_top() -> None:
    log = Log()
    rough = Roughness(garbage_per_day=3.0, strangers_per_day=1.0, floods_per_week=7.0, flood_messages=200)
    sent = carried(rough, log=log)
    assert log.disturbances["garbage"] >= 18
    assert log.disturbances["stranger"] >= 6
    strangers = {each.topic.split("/")[2] for each in sent if each.link is Link.SAID} - {SPEC.lift_id}
    assert strangers == {f"X{SPEC.lift_id}"}
    assert log.disturbances["flood"] >= 5
    assert len(log.numbers) >= len(EXPECTED) + 200 * log.disturbances["flood"]
    assert {(body.boot, body.seq) for body in bodies(sent)} >= set(log.numbers)


def test_a_skewed_clock_drifts_and_steps_and_a_clean_one_is_right() -> None:
    life = Life().ordered()
    assert ControllerClock(SPEC, life, CLEAN).read(START_MS) == START_MS
    clock = ControllerClock(SPEC, life, Roughness(skew_s_max=20, drift_ppm_max=50, clock_steps_per_week=1.0))
    offsets = [clock.read(START_MS + hour * HOUR_MS) - (START_MS + hour * HOUR_MS) for hour in range(24 * 28)]
    usual = sorted(offsets)[len(offsets) // 2]
    assert 0 < abs(usual) < 150_000
    stepped = [offset for offset in offsets if abs(offset - usual) > 200_000]
    assert 10 < len(stepped) < 24 * 7


def test_a_clock_without_a_battery_is_born_again_until_somebody_sets_it() -> None:
    life = Life(reboots=[START_MS]).ordered()
    clock = ControllerClock(SPEC, life, Roughness(no_clock_battery_share=1.0))
    assert clock.read(START_MS + 1_000) == 946_684_801_000
    assert clock.read(START_MS + HOUR_MS) == START_MS + HOUR_MS


def test_the_same_line_says_the_same_again() -> None:
    assert carried(ROUGH, [START_MS + DAY_MS]) == carried(ROUGH, [START_MS + DAY_MS])


@pytest.mark.parametrize("lost", [1, 5])
def test_a_number_is_given_when_a_message_is_made_and_not_before(lost: int) -> None:
    log = Log()
    life = Life().ordered()
    line = Line(SPEC, life, "b", START_MS, CLEAN, log)
    line.say(messages(SPEC, START_MS, UNTIL_MS, (), life))
    taken = [line.take(UNTIL_MS) for _ in range(lost)]
    assert all(taken)
    assert len(log.numbers) == lost
    assert line.take(START_MS) is None


def test_the_link_comes_back_past_what_waits_for_it() -> None:
    life = Life(reboots=[START_MS + HOUR_MS]).ordered()
    line = Line(SPEC, life, "b", START_MS, Roughness(late_chance=0.5))
    line.say(messages(SPEC, START_MS, UNTIL_MS, (), life))
    now_ms = START_MS + HOUR_MS + REBOOT_MS + 1
    while (sent := line.take(START_MS + HOUR_MS + 1)) is not None and sent.link is not Link.LOST:
        pass
    back = line.take(now_ms, link_only=True)
    assert back is not None
    assert back.link is Link.BACK
    assert line.take(now_ms, link_only=True) is None


def test_every_kind_goes_through_a_line() -> None:
    kinds = {each.topic.split("/")[3] for each in carried() if each.link is Link.SAID}
    assert kinds >= {kind.value for kind in Kind} - {"fault"}
