"""A fleet of which everything is found that can be found, each of a lift of its own."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from random import Random

import numpy as np

from analytics.feature_format import packed
from analytics.features import LIFT_CHANNELS, DayValues
from analytics.findings import FindingKind
from analytics.outage_history import days_of
from analytics.risk_findings import LIKELY_DAYS
from analytics.risk_model import HoldOut, HorizonModel, Linear, Trees
from analytics.risk_past import fingerprint, model_day, taught
from analytics.risk_store import RiskStore
from analytics.sign_reader import SignReader
from api.composition import Parts
from ingest.clock import to_ms
from ingest.fleet import Lift, Outage, OutageKind, Visit, VisitKind
from ingest.ledger import LedgerBatch
from ingest.messages import Alarm, Body, Counters, Kind, Message, Trip
from ingest.quarantine import Quarantined
from ingest.wire import Reason
from tests.unit.ingest.clock_streams import off_by, stream

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
DOOR, SUPPLY = "door-closing-fault", "controller-supply-fault"
QUIET, PEERS = 30, 8
# Which lift shows which kind; `drift` is the scenario's own.
SHOWN_BY = {
    FindingKind.REPEATED_FAULT: "K-repeated",
    FindingKind.REPEAT_REPAIR: "K-returned",
    FindingKind.REPEAT_BREAKDOWNS: "K-thrice",
    FindingKind.OFTEN_FAILING: "K-often",
    FindingKind.BREAKDOWN_LIKELY: "K-often",
    FindingKind.WORSENING: "K-worse",
    FindingKind.DRIFT: "L0003",
    FindingKind.ANOMALY: "P-odd",
    FindingKind.MAINTENANCE_DUE: "K-visit",
    FindingKind.MAINTENANCE_OVERDUE: "K-unvisited",
    FindingKind.INSPECTION_DUE: "K-visit",
    FindingKind.INSPECTION_OVERDUE: "K-unvisited",
    FindingKind.USAGE_DUE: "K-used",
    FindingKind.USAGE_OVERDUE: "K-used-up",
    FindingKind.NO_VALID_CERTIFICATE: "K-unvisited",
    FindingKind.MESSAGES_MISSING: "K-gap",
    FindingKind.FLOODING: "K-flood",
    FindingKind.CLOCK_WRONG: "K-clock",
}


def give_everything(parts: Parts, start: datetime, now: datetime, like: DayValues) -> None:
    """Let lifts say and suffer what makes every kind as of `now`; `like` are days of a lift without fault."""
    _register(parts, start, now)
    for lift_id, days_ago, codes in (
        ("K-repeated", (1, 3, 5), (DOOR,)),
        ("K-returned", (4,), (DOOR,)),
        ("K-thrice", (3, 12, 24), (DOOR, "brake-fault", "position-lost")),
        ("K-often", range(1, 110, 3), (DOOR, SUPPLY, "start-failure", "position-lost", "brake-fault", "drive-fault")),
        ("K-worse", (110, 60, 31, 26, 21, 17, 13, 10, 7, 4.5, 2.5, 1), (DOOR, SUPPLY, "brake-fault", "start-failure")),
    ):
        _break_down(parts, lift_id, [now - each * DAY for each in days_ago], codes)
    _visit(parts, now, "K-returned", VisitKind.REPAIR, 9, DOOR)
    _visit(parts, now, "K-visit", VisitKind.MAINTENANCE, 13)
    _visit(parts, now, "K-unvisited", VisitKind.MAINTENANCE, 20)
    _say(parts, Kind.TRIP, "K-unvisited", [(now - 2 * HOUR, Trip(from_floor=1, to_floor=4, duration_ms=9_000))])
    for lift_id, begin in (("K-used", 2_930_000), ("K-used-up", 2_960_000)):
        days = [(start + (day + 0.5) * DAY, day) for day in range((now - start).days)]
        _say(parts, Kind.COUNTERS, lift_id, [(at, Counters(door_cycles_total=begin + 500 * day)) for at, day in days])
    _report_badly(parts, now)
    _behave_oddly(parts, like, now)
    keep_model(parts, now)


def _register(parts: Parts, start: datetime, now: datetime) -> None:
    today, names = now.date(), sorted(set(SHOWN_BY.values()) - {"L0003", "P-odd"})
    regimes = {"K-visit": (today + 20 * DAY), "K-unvisited": (today - 5 * DAY)}
    lifts = [Lift(lift_id=f"Q{number:02d}", site_id=f"S{number // 4}") for number in range(QUIET)]
    lifts += [Lift(lift_id=name, site_id="K") for name in names if name not in regimes]
    lifts += [
        Lift(lift_id=name, site_id="K", regime="CN-2012", certificate_expires_on=expires_on)
        for name, expires_on in regimes.items()
    ]
    lifts += [Lift(lift_id=name, site_id="P", drive="traction") for name in _peers()]
    parts.register.register(lifts, start)


def _peers() -> list[str]:
    return [*(f"P{number}" for number in range(PEERS)), "P-odd"]


def _break_down(parts: Parts, lift_id: str, instants: Iterable[datetime], codes: Sequence[str]) -> None:
    parts.register.add_outages(
        Outage(
            lift_id=lift_id,
            kind=OutageKind.BREAKDOWN,
            code=codes[number % len(codes)],
            raised_at=at,
            cleared_at=at + 2 * HOUR,
        )
        for number, at in enumerate(instants)
    )


def _visit(
    parts: Parts, now: datetime, lift_id: str, kind: VisitKind, days_ago: float, cause: str | None = None
) -> None:
    done_at = now - days_ago * DAY
    parts.register.add_visits([Visit(lift_id=lift_id, kind=kind, done_at=done_at, cause_code=cause)])


def _say(parts: Parts, kind: Kind, lift_id: str, said: Iterable[tuple[datetime, Body]]) -> list[Message]:
    messages = [Message(lift_id, kind, to_ms(at), to_ms(at), body) for at, body in said]
    parts.store.write(messages)
    return messages


def _report_badly(parts: Parts, now: datetime) -> None:
    """One lift leaves numbers out, one says too much, the clock of one is two hours behind."""
    numbered = [
        (now - 5 * HOUR + seq * timedelta(minutes=1), Alarm(seq=seq, boot="b1", type="test")) for seq in (1, 2, 7)
    ]
    parts.ledger.note(LedgerBatch.of(_say(parts, Kind.ALARM, "K-gap", numbered), []))
    refused_ms = to_ms(now - timedelta(minutes=20))
    parts.quarantine.add(
        Quarantined("lifts/v1/K-flood/door", "K-flood", f"{number}".encode(), Reason.FLOODING, "", refused_ms)
        for number in range(40)
    )
    said = stream(Random(1), off_by(7_200_000), hours=1, per_hour=120, start_ms=to_ms(now - 3 * HOUR))
    parts.clocks.tick(0)
    parts.clocks.observe(
        [
            Message("K-clock", Kind.ALARM, each.at_ms, each.received_ms, Alarm(at=each.at_ms, boot="b1", type="test"))
            for each in said
        ]
    )


def _behave_oddly(parts: Parts, like: DayValues, now: datetime) -> None:
    """Lifts that are built alike do the same; the brake of one releases late for the last three days."""
    rows = packed(like)
    odd = like.lift.copy()
    last = int(days_of(now))
    late = (last - 3 <= odd["day"]) & (odd["day"] < last)
    odd["values"][late, LIFT_CHANNELS.index("brake_release_ms")] += 90.0
    of_odd = packed(DayValues(doors=like.doors, levels=like.levels, lift=odd, faults={}))
    for lift_id in _peers():
        own = of_odd if lift_id == "P-odd" else rows
        parts.features.keep({(lift_id, day): row for day, row in own.items() if day < last}, [])


def keep_model(parts: Parts, now: datetime) -> None:
    """Keep a model of these lifts that says what the rates say, and was right about 60 % and more."""
    risk = parts.risks.risk(now)
    day = model_day(days_of(risk.as_of))
    past = taught(risk.history, day)
    state = SignReader(parts.daily, parts.features, parts.register).state(past.lift_ids, day)
    nothing, leaf = np.zeros(1), np.zeros(1, dtype=np.int64)
    trees = Trees(leaf, nothing, leaf, leaf, nothing, leaf, 0.0)
    linear = Linear(nothing, np.ones(1), np.ones(1), 0.0)
    model = HorizonModel(
        horizon_days=LIKELY_DAYS,
        columns=(),
        logistic=linear,
        boosted=trees,
        count_linear=linear,
        count_boosted=trees,
        weight=0.01,
        linear_say=0.5,
        rows=3_000,
        trained_from=day - 90.0,
        trained_until=day - LIKELY_DAYS,
        held_out=HoldOut(
            rows=900,
            lifts=50,
            prevalence=0.2,
            skill=0.2,
            skill_rates=0.1,
            ece=0.02,
            threshold=0.6,
            precision=0.86,
            precision_low=0.8,
            precision_high=0.9,
            alarms=40,
        ),
    )
    RiskStore(parts.settings.data_dir / "models").save(LIKELY_DAYS, model, fingerprint(past, state))
