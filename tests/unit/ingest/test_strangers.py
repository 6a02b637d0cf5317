from pathlib import Path

import pytest
from sqlalchemy.engine import Engine

from ingest.intake import UNKNOWN_LIFT, Intake
from ingest.quarantine import Quarantined
from ingest.strangers import StrangerCall, calls_of
from ingest.wire import Reason
from tests.unit.ingest.parts import NOW_MS, Pipeline


def refused(topic: str, payload: bytes, received_ms: int = NOW_MS) -> list[Quarantined]:
    return Intake({}).take(topic, payload, received_ms, lambda _: UNKNOWN_LIFT).quarantined


@pytest.mark.parametrize(
    ("kind", "payload", "whats"),
    [
        ("alarm", b'{"at": %d, "type": "button"}', ["alarm button"]),
        ("alarm", b'{"at": %d, "type": "test"}', []),
        ("alarm", b'{"at": %d, "type": "filtered"}', []),
        ("fault", b'{"at": %d, "code": "entrapment", "phase": "raised"}', ["entrapment"]),
        ("fault", b'{"at": %d, "code": "entrapment", "phase": "cleared"}', []),
        ("fault", b'{"at": %d, "code": "overspeed", "phase": "raised"}', []),
        ("state", b'{"at": %d, "moving": false}', []),
        ("alarm", b"[%d, 7", []),
    ],
)
def test_a_call_is_an_alarm_button_or_the_word_entrapment(kind: str, payload: bytes, whats: list[str]) -> None:
    found = calls_of(refused(f"lifts/v1/X9/{kind}", payload % NOW_MS))
    assert found == [StrangerCall("X9", what, NOW_MS) for what in whats]


def test_an_array_of_the_same_call_is_one() -> None:
    one = b'{"at": %d, "type": "button"}' % NOW_MS
    assert len(calls_of(refused("lifts/v1/X9/alarm", b"[%b, %b]" % (one, one)))) == 1


@pytest.mark.parametrize(("age_ms", "calls"), [(0, 1), (600_000, 1), (600_001, 0), (-3_600_000, 1)])
def test_old_news_is_no_call_but_a_clock_that_is_ahead_may_call(age_ms: int, calls: int) -> None:
    payload = b'{"at": %d, "type": "button"}' % (NOW_MS - age_ms)
    assert len(calls_of(refused("lifts/v1/X9/alarm", payload))) == calls


def test_what_a_registered_lift_sends_wrongly_is_none() -> None:
    item = Quarantined("lifts/v1/A1/alarm", "A1", b'{"type": "button"}', Reason.NO_INSTANT, "", NOW_MS)
    topicless = Quarantined("elsewhere", None, b"", Reason.UNKNOWN_LIFT, "", NOW_MS)
    assert calls_of([item, topicless]) == []


def test_a_worker_tells_who_calls_and_is_not_registered(sqlite_engine: Engine, tmp_path: Path) -> None:
    bench = Pipeline(sqlite_engine, tmp_path)
    press = b'{"at": %d, "type": "button"}' % NOW_MS
    bench.broker.publish("lifts/v1/X9/alarm", press, NOW_MS)
    bench.broker.publish("lifts/v1/X8/alarm", press, NOW_MS, retained=True)
    bench.broker.publish("lifts/v1/L1/alarm", press, NOW_MS)
    bench.step()
    assert [call.lift_id for call in bench.strangers] == ["X9"]
    assert [message.lift_id for message in bench.observed] == ["L1"]
    bench.publish(1)
    bench.step()
    assert len(bench.strangers) == 1
