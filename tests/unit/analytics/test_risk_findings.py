import numpy as np
from msgspec import structs

from analytics.findings import FindingKind
from analytics.outage_history import days_of, instant_of
from analytics.risk_book import FleetRisk
from analytics.risk_findings import breakdowns_likely, likely_from
from analytics.risk_frame import frame_of
from analytics.risk_model import HoldOut, HorizonModel, Linear, Trees, predict
from analytics.risk_past import fingerprint
from analytics.risk_reasons import reasons_of
from tests.unit.analytics.fleets_of_chance import START, history, outage

DAY = days_of(START) + 100.0
NONE, NO_PLACES = np.empty(0), np.empty(0, dtype=np.int64)
SCORES = HoldOut(
    rows=900, lifts=4, prevalence=0.2, skill=0.2, skill_rates=0.1, ece=0.02, threshold=0.55, precision=0.86, alarms=40
)


def model_with(scores: HoldOut) -> HorizonModel:
    trees = Trees(NO_PLACES, NONE, NO_PLACES, NO_PLACES, NONE, NO_PLACES, 0.0)
    linear = Linear(NONE, NONE, NONE, 0.0)
    return HorizonModel(
        horizon_days=30.0,
        columns=(),
        logistic=linear,
        boosted=trees,
        count_linear=linear,
        count_boosted=trees,
        weight=1.0,
        linear_say=0.5,
        rows=3_000,
        trained_from=DAY - 90.0,
        trained_until=DAY - 30.0,
        held_out=scores,
    )


def risk_with(model: HorizonModel | None) -> FleetRisk:
    known = history([outage(float(day), "L001") for day in range(2, 100, 4)], count=4, days=100)
    frame = frame_of(known, DAY)
    return FleetRisk(
        as_of=instant_of(DAY),
        history=known,
        frame=frame,
        predictions={30.0: predict(frame, 30.0)},
        models={30.0: model},
    )


def test_a_likely_breakdown_is_found_with_its_reasons_and_scores() -> None:
    (found,) = breakdowns_likely(risk_with(model_with(SCORES)), instant_of(DAY + 0.4))
    assert (found.lift_id, found.kind, found.limit) == ("L001", FindingKind.BREAKDOWN_LIKELY, 0.6)
    assert found.value == found.confidence
    assert found.found_at == instant_of(DAY)
    assert "of this fleet's lifts 20% have one" in found.reason
    assert found.evidence[0]["precision"] == 0.86


def test_what_stands_stands_until_it_is_clearly_less_likely() -> None:
    """The probability is what the rates say, 97 %: thresholds around it stand for days on which it moves."""
    (said,) = (found.value for found in breakdowns_likely(risk_with(model_with(SCORES)), instant_of(DAY)))
    near, far = ((said * odds) / (1.0 - said + said * odds) for odds in (1.5, 2.5))
    since, now = instant_of(DAY - 9.0), instant_of(DAY + 0.4)
    for threshold, is_found in ((near, True), (far, False)):
        risk = risk_with(model_with(structs.replace(SCORES, threshold=threshold)))
        assert breakdowns_likely(risk, now) == []
        found = breakdowns_likely(risk, now, {"L001": since, "L002": since})
        assert [one.lift_id for one in found] == ["L001"] * is_found
        if is_found:
            assert (found[0].found_at, found[0].value) == (since, said)
            assert found[0].limit <= said
            assert "is still likely" in found[0].reason
    never_usual = risk_with(model_with(structs.replace(SCORES, prevalence=0.9999)))
    assert breakdowns_likely(never_usual, now, {"L001": since}) == []


def test_what_was_never_scored_or_never_sure_finds_nothing() -> None:
    assert breakdowns_likely(risk_with(None), instant_of(DAY)) == []
    assert breakdowns_likely(risk_with(model_with(structs.replace(SCORES, threshold=None))), instant_of(DAY)) == []


def test_where_most_lifts_break_down_that_is_no_news() -> None:
    assert likely_from(model_with(structs.replace(SCORES, prevalence=0.8, threshold=0.5))) == 0.9


def test_reasons_say_what_stands_now_and_what_has_been() -> None:
    known = history(
        [outage(11.0, "L000", days=0.2), outage(40.0, days=20.0), outage(97.0, days=None)], count=3, days=100
    )
    reasons = [one.text for one in reasons_of(frame_of(known, DAY), 0)]
    assert reasons[0] == "3 breakdowns in the 89 days since it is observed; a lift of this fleet has 1.0"
    young = reasons_of(frame_of(known, DAY - 70.0), 0)[0].text  # nobody wrote anything down before the 11th day
    assert young == "1 breakdown in the 19 days since it is observed; a lift of this fleet has 0.3"
    assert reasons_of(frame_of(known, DAY - 89.4), 0)[0].text == "it has not been observed for a day yet"
    assert reasons[1].startswith("out of service for 3 days (a breakdown); such outages take about")
    assert reasons_of(frame_of(known, DAY - 20.0), 0)[-1].text == "back for 20 days after 20 days out of service"


def test_another_history_has_another_fingerprint() -> None:
    first, second = history([outage(1.0)], count=2), history([outage(1.0), outage(2.0)], count=2)
    assert fingerprint(first) != fingerprint(second)
    assert fingerprint(first) == fingerprint(history([outage(1.0)], count=2))
