from datetime import UTC, datetime, timedelta

import pytest

from ingest.clock import to_ms
from ingest.faults import CANONICAL, ProfileError, load_profiles, parse_profile
from ingest.intake import UNKNOWN_LIFT, Intake, IntakeLimits, Taken
from ingest.messages import Fault, Kind, Message, State
from ingest.wire import Reason

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
NOW_MS = to_ms(NOW)
PROFILES = load_profiles()


def take(kind: str, payload: str, *, profile: str | None = None, limits: IntakeLimits | None = None) -> Taken:
    intake = Intake(PROFILES, limits)
    return intake.take(f"lifts/v1/L1/{kind}", payload.encode(), NOW_MS, lambda _: profile)


def accepted(taken: Taken) -> Message:
    assert taken.quarantined == []
    (message,) = taken.accepted
    return message


def refused(taken: Taken) -> Reason:
    assert taken.accepted == []
    (item,) = taken.quarantined
    return item.reason


def test_an_instant_may_be_a_text_with_offset_or_milliseconds() -> None:
    as_text = accepted(take("alarm", '{"at": "2026-03-02T20:00:00+08:00", "type": "test"}'))
    as_number = accepted(take("alarm", f'{{"at": {NOW_MS}, "type": "test"}}'))
    assert as_text.measured_at == as_number.measured_at == NOW
    assert as_text.received_at == NOW


def test_the_last_will_counts_from_its_arrival() -> None:
    message = accepted(take("state", '{"connected": false}'))
    assert (message.measured_at, message.late) == (NOW, False)
    assert message.body == State(connected=False)


def test_any_other_message_without_an_instant_is_refused() -> None:
    assert refused(take("state", '{"connected": true}')) is Reason.NO_INSTANT
    assert refused(take("alarm", '{"type": "button"}')) is Reason.NO_INSTANT


@pytest.mark.parametrize(
    ("age", "verdict"),
    [
        (timedelta(minutes=-10, seconds=-1), Reason.FUTURE),
        (timedelta(minutes=-10), "live"),
        (timedelta(minutes=10), "live"),
        (timedelta(minutes=10, milliseconds=1), "late"),
        (timedelta(days=92), "late"),
        (timedelta(days=92, seconds=1), Reason.TOO_OLD),
    ],
)
def test_how_old_a_message_is_decides_what_becomes_of_it(age: timedelta, verdict: object) -> None:
    taken = take("alarm", f'{{"at": {to_ms(NOW - age)}, "type": "button"}}')
    if isinstance(verdict, Reason):
        assert refused(taken) is verdict
    else:
        assert accepted(taken).late is (verdict == "late")


def test_a_history_may_be_of_any_age() -> None:
    limits = IntakeLimits(age_max_ms=None)
    assert accepted(take("alarm", '{"at": 0, "type": "button"}', limits=limits)).late


def test_an_absurd_instant_is_refused_and_nothing_breaks() -> None:
    for digits in (15, 16, 19, 23, 400, 5_000):
        for sign in ("", "-"):
            reason = refused(take("alarm", f'{{"at": {sign}{"9" * digits}, "type": "button"}}'))
            assert reason in (Reason.FUTURE, Reason.TOO_OLD, Reason.IMPLAUSIBLE, Reason.NOT_JSON), digits


def test_a_strange_lift_topic_or_kind_is_quarantined_whole() -> None:
    intake = Intake({})
    for topic, reason in (
        ("lifts/v1/L9/door", Reason.UNKNOWN_LIFT),
        ("lifts/v1/L9/horn", Reason.UNKNOWN_KIND),
        ("lifts/v1", Reason.UNKNOWN_TOPIC),
    ):
        taken = intake.take(topic, b"\x00\xff", NOW_MS, lambda _: UNKNOWN_LIFT)
        assert refused(taken) is reason
        assert taken.quarantined[0].payload == b"\x00\xff"


def test_a_controllers_own_code_becomes_canonical_and_is_kept_beside_it() -> None:
    message = accepted(take("fault", f'{{"at": {NOW_MS}, "code": "E02", "phase": "raised"}}', profile="example-vf200"))
    assert isinstance(message.body, Fault)
    assert (message.body.code, message.body.controller_code) == ("door-closing-fault", "E02")


def test_a_canonical_code_needs_no_profile() -> None:
    message = accepted(take("fault", f'{{"at": {NOW_MS}, "code": "entrapment", "phase": "raised"}}'))
    assert isinstance(message.body, Fault)
    assert message.body.controller_code is None


def test_a_code_that_nobody_knows_waits_in_quarantine() -> None:
    payload = f'{{"at": {NOW_MS}, "code": "E99", "phase": "raised"}}'
    assert refused(take("fault", payload, profile="example-vf200")) is Reason.UNKNOWN_CODE
    assert refused(take("fault", payload.replace("E99", "E02"))) is Reason.UNKNOWN_CODE


@pytest.mark.parametrize(
    ("kind", "content", "reason"),
    [
        ("alarm", '{"at": 0,  "type": "button", "seq": 7, "boot": "b1", "new": 1}', Reason.TOO_OLD),
        ("alarm", f'{{"at": {NOW_MS + 10**9},  "type": "button", "seq": 7, "boot": "b1"}}', Reason.FUTURE),
        ("alarm", '{"type":  "button", "seq": 7, "boot": "b1"}', Reason.NO_INSTANT),
        (
            "fault",
            f'{{"at": {NOW_MS},  "code": "E99", "phase": "raised", "seq": 7, "boot": "b1", "new": 1}}',
            Reason.UNKNOWN_CODE,
        ),
        ("door", f'{{"at": {NOW_MS},  "floor": "one", "seq": 7, "boot": "b1"}}', Reason.WRONG_TYPE),
    ],
)
def test_what_is_refused_is_kept_as_it_came_with_its_number(kind: str, content: str, reason: Reason) -> None:
    alone = take(kind, content)
    assert [(item.payload.decode(), item.reason) for item in alone.quarantined] == [(content, reason)]
    assert [(item.boot, item.seq) for item in alone.quarantined] == [("b1", 7)]
    (among_others,) = take(kind, f"[{content}]").quarantined
    assert (among_others.payload.decode(), among_others.seq) == (content, 7)


def test_the_neighbours_of_a_refused_object_are_taken() -> None:
    good = f'{{"at": {NOW_MS}, "type": "test", "seq": 1}}'
    taken = take("alarm", f'[{good}, {{"at": 0, "type": "test", "seq": 2}}, 5, {good.replace("1}", "3}")}]')
    assert [message.body.seq for message in taken.accepted] == [1, 3]
    assert sorted(item.payload for item in taken.quarantined) == [b"5", b'{"at": 0, "type": "test", "seq": 2}']


def test_all_numbers_of_a_payload_that_was_refused_whole_are_known() -> None:
    whole = ("[" + ", ".join(f'{{"seq": {number}}}' for number in range(501)) + "]").encode()
    (item,) = take("alarm", whole.decode()).quarantined
    assert item.reason is Reason.TOO_MANY
    assert item.numbers() == [(None, number) for number in range(501)]
    stranger = Intake({}).take("lifts/v1/L9/alarm", b'{"seq": 1}', NOW_MS, lambda _: UNKNOWN_LIFT).quarantined[0]
    assert stranger.numbers() == [], "nobody keeps a ledger of a lift that is not registered"


def test_a_retained_state_that_is_cleared_is_no_message() -> None:
    of_a_stranger = Intake({}).take("lifts/v1/L9/state", b"", NOW_MS, lambda _: UNKNOWN_LIFT)
    for taken in (take("state", ""), of_a_stranger):
        assert (taken.accepted, taken.quarantined, taken.states_cleared) == ([], [], 1)
    assert refused(take("door", "")) is Reason.NOT_JSON


def test_the_canonical_codes_are_the_17_of_bacnet_and_seven_more() -> None:
    numbers = [code.bacnet for code in CANONICAL.values() if code.bacnet is not None]
    assert numbers == list(range(17))
    assert len(CANONICAL) == 24


def test_a_profile_that_maps_to_nothing_canonical_is_refused() -> None:
    with pytest.raises(ProfileError, match="not canonical: broken"):
        parse_profile("mine.yaml", b"name: mine\nmaker: me\nfaults: {E1: broken}")
    with pytest.raises(ProfileError, match="mine"):
        parse_profile("mine.yaml", b"faults: [")
    with pytest.raises(ProfileError, match="mine"):
        parse_profile("mine.yaml", b"- a list")


def test_two_messages_of_one_millisecond_stay_two_and_a_redelivered_one_stays_one() -> None:
    def key(seq: int | None, boot: str = "b1", kind: str = "test") -> int:
        number = "" if seq is None else f'"seq": {seq}, "boot": "{boot}", '
        return accepted(take(Kind.ALARM.value, f'{{"at": {NOW_MS}, {number}"type": "{kind}"}}')).key_ns

    assert key(1) != key(2)
    assert key(1) == key(1)
    assert key(1, "b1") != key(1, "b2")
    assert key(None, kind="test") != key(None, kind="end")
    assert key(None) // 1_000_000 == NOW_MS
