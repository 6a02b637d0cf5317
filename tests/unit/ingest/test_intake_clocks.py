"""Intake with controllers whose clocks are known to be wrong: nothing is lost, nothing rings falsely."""

from datetime import UTC, datetime

import pytest

from ingest.clock import to_ms
from ingest.clock_estimate import Sighting
from ingest.intake import Intake, Taken
from ingest.messages import Message
from ingest.wire import Reason

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
NOW_MS = to_ms(NOW)
MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000


def take(at_ms: object, offset_ms: int | None, received_ms: int = NOW_MS) -> Taken:
    intake = Intake({}, offset_of=lambda lift_id, boot: offset_ms if (lift_id, boot) == ("L1", "b") else None)
    payload = f'{{"at": {at_ms}, "boot": "b", "seq": 1, "code": "entrapment", "phase": "raised"}}'
    return intake.take("lifts/v1/L1/fault", payload.encode(), received_ms, lambda _: None)


def accepted(taken: Taken) -> Message:
    assert taken.quarantined == []
    (message,) = taken.accepted
    return message


def test_a_live_word_of_a_clock_that_is_two_hours_behind_rings() -> None:
    message = accepted(take(NOW_MS - 2 * HOUR, 2 * HOUR))
    assert not message.late
    assert message.measured_ms == NOW_MS - 2 * HOUR, "the key never changes"
    assert message.happened_at == NOW


def test_the_same_word_of_a_clock_that_is_not_known_to_be_wrong_is_old_news() -> None:
    message = accepted(take(NOW_MS - 2 * HOUR, None))
    assert message.late
    assert message.happened_at == message.measured_at


def test_old_news_of_a_clock_that_is_two_hours_ahead_does_not_look_live() -> None:
    assert accepted(take(NOW_MS, -2 * HOUR)).late
    assert accepted(take(NOW_MS + 5 * MINUTE, -2 * HOUR)).late


def test_old_news_of_a_clock_that_is_behind_stays_old_news() -> None:
    assert accepted(take(NOW_MS - 5 * HOUR, 2 * HOUR)).late


@pytest.mark.parametrize("offset_ms", [-2 * HOUR, -400 * DAY, 100 * DAY, NOW_MS - 5_000])
def test_an_instant_beyond_the_limits_is_put_right_where_the_clock_is_known(offset_ms: int) -> None:
    message = accepted(take(NOW_MS - offset_ms, offset_ms))
    assert message.measured_ms == NOW_MS
    assert (message.late, message.happened_at) == (False, NOW)


def test_a_message_that_was_put_right_and_comes_again_is_the_same_row() -> None:
    first, again = (accepted(take(NOW_MS + 2 * HOUR, -2 * HOUR, at)) for at in (NOW_MS, NOW_MS + 40 * MINUTE))
    assert first.key_ns == again.key_ns
    assert again.late


@pytest.mark.parametrize(
    ("at_ms", "reason"), [(NOW_MS + 2 * HOUR, Reason.FUTURE), (5_000, Reason.TOO_OLD), (-(2**53), Reason.TOO_OLD)]
)
@pytest.mark.parametrize("offset_ms", [None, 3 * HOUR, 2**53])
def test_an_instant_that_cannot_be_put_right_waits_and_is_told(
    at_ms: int, reason: Reason, offset_ms: int | None
) -> None:
    taken = take(at_ms, offset_ms)
    assert [item.reason for item in taken.quarantined] == [reason]
    assert taken.misplaced == [Sighting("L1", "b", at_ms, NOW_MS)]


@pytest.mark.parametrize("offset_ms", [2 * HOUR, 2**53, -(2**53)])
def test_an_offset_that_cannot_be_true_of_a_message_is_not_used(offset_ms: int) -> None:
    message = accepted(take(NOW_MS - 1_000, offset_ms))
    assert (message.measured_ms, message.late, message.offset_ms) == (NOW_MS - 1_000, False, 0)


def test_what_is_accepted_tells_nothing_apart() -> None:
    assert take(NOW_MS, None).misplaced == []


def test_a_last_will_needs_no_clock() -> None:
    intake = Intake({}, offset_of=lambda *_: 2 * HOUR)
    taken = intake.take("lifts/v1/L1/state", b'{"connected": false}', NOW_MS, lambda _: None)
    message = accepted(taken)
    assert (message.measured_ms, message.late, message.offset_ms) == (NOW_MS, False, 0)
    refused = intake.take("lifts/v1/L1/state", b'[{"connected": false}, {"at": 1e3}]', NOW_MS, lambda _: None)
    assert refused.misplaced == []
