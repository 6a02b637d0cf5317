"""What a model is fitted to: what was known on the day of its week, whoever asks and whatever came since."""

from datetime import date, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy.engine import Engine

from analytics.failure_reader import FailureReader
from analytics.outage_history import OutageHistory, days_of, instant_of
from analytics.risk_book import RiskBook
from analytics.risk_frame import frame_of
from analytics.risk_model import HorizonModel
from analytics.risk_store import RiskStore
from ingest.fleet import Lift, Outage, OutageKind
from ingest.fleet_register import FleetRegister
from ingest.telemetry_store import MemoryTelemetryStore
from tests.unit.analytics.fleets_of_chance import START, history, lifts, outage

# A day on which models are made (a multiple of seven days since 1970), with more than a year of history before it.
MODEL_DAY = 7.0 * np.ceil((days_of(START) + 500.0) / 7.0)


class Asking(RiskStore):
    """A folder in which no model is ever found; it remembers of which histories one was wanted."""

    def __init__(self) -> None:
        """Remember nothing."""
        super().__init__(Path("nowhere"))
        self.wanted: set[str] = set()

    def load(self, horizon_days: float, fingerprint: str) -> HorizonModel | None:
        """Remember."""
        self.wanted.add(f"{horizon_days:g} {fingerprint}")
        return None


class Fleet:
    """Four lifts that break down every nine days for 500 days, and what is wanted of the store of models."""

    def __init__(self, engine: Engine) -> None:
        """Register lifts and outages."""
        self.register, self.asking = FleetRegister(engine), Asking()
        self.register.register(
            [Lift(lift_id=f"L{n}", site_id=f"S{n}", observed_from=START.date()) for n in range(4)], START
        )
        self.breakdown(*range(0, 500, 9))

    def breakdown(self, *days: int, code: str = "door-closing-fault") -> None:
        at = [START + timedelta(days=day, hours=3) for day in days]
        self.register.add_outages(
            Outage(
                lift_id=f"L{place % 4}",
                kind=OutageKind.BREAKDOWN,
                code=code,
                raised_at=each,
                cleared_at=each + timedelta(hours=2),
            )
            for place, each in enumerate(at)
        )

    def book(self, store: RiskStore) -> RiskBook:
        return RiskBook(self.register, FailureReader(self.register, MemoryTelemetryStore()), store)

    def ask(self, at: datetime) -> None:
        self.book(self.asking).risk(at)


@pytest.fixture
def fleet(sqlite_engine: Engine) -> Fleet:
    return Fleet(sqlite_engine)


def test_one_model_serves_a_week_though_the_year_that_is_read_moves_on(fleet: Fleet) -> None:
    for day in range(7):
        fleet.ask(instant_of(MODEL_DAY + day + 0.5))
    assert len(fleet.asking.wanted) == 2  # one for each horizon
    fleet.ask(instant_of(MODEL_DAY + 7.5))
    assert len(fleet.asking.wanted) == 4


def test_what_is_registered_or_heard_first_in_the_week_asks_for_no_other_model(fleet: Fleet) -> None:
    fleet.ask(instant_of(MODEL_DAY + 1.5))
    later = instant_of(MODEL_DAY + 2.2)
    fleet.register.register([Lift(lift_id="K9", site_id="R1"), Lift(lift_id="M9", site_id="S1")], later)
    fleet.breakdown(int(MODEL_DAY - days_of(START)) + 2, code="brake-fault")
    fleet.ask(instant_of(MODEL_DAY + 3.5))
    assert len(fleet.asking.wanted) == 2


def test_what_came_late_of_before_asks_for_another(fleet: Fleet) -> None:
    fleet.ask(instant_of(MODEL_DAY + 1.5))
    fleet.breakdown(int(MODEL_DAY - days_of(START)) - 10)
    fleet.ask(instant_of(MODEL_DAY + 1.6))
    assert len(fleet.asking.wanted) == 4


def test_a_lift_whose_log_was_brought_in_is_at_risk_since_the_log_began_for_whoever_counts(fleet: Fleet) -> None:
    now = START + timedelta(days=300)
    fleet.register.register([Lift(lift_id=name) for name in ("with-log", "heard-of", "new")], now - timedelta(days=5))
    fleet.register.add_outages(
        Outage(lift_id=lift_id, kind=OutageKind.BREAKDOWN, raised_at=at, cleared_at=at + timedelta(hours=1))
        for lift_id, at in (("with-log", now - timedelta(days=100)), ("heard-of", now - timedelta(days=5.2)))
    )
    reader = FailureReader(fleet.register, MemoryTelemetryStore())
    counted, history = reader.history(now).failures, RiskBook(fleet.register, reader).risk(now).history
    exposure = dict(zip(counted.lift_ids, counted.exposure_days.tolist(), strict=True))
    since = dict(zip(history.lift_ids, (history.until - history.since).tolist(), strict=True))
    assert exposure["with-log"] == pytest.approx(300.0, abs=0.5)  # since the first record of any lift
    assert exposure["heard-of"] == pytest.approx(5.2, abs=0.5)
    assert exposure["new"] == pytest.approx(5.0, abs=0.5)
    assert all(since[lift_id] == pytest.approx(days, abs=1.0) for lift_id, days in exposure.items())


def test_a_window_counts_what_was_open_at_its_begin_and_nothing_that_was_over() -> None:
    known = history([outage(5.0), outage(10.0, days=30.0), outage(25.0), outage(30.0, "L001")], count=2, days=60)
    cut = known.window(days_of(START) + 20.0)
    assert (cut.raised - days_of(START)).round(3).tolist() == [10.0, 25.0, 30.0]
    assert (cut.since - days_of(START)).tolist() == [20.0, 20.0]


def test_a_neighbour_that_is_installed_later_is_not_seen_before() -> None:
    told, day = [outage(3.0, days=None)], days_of(START) + 5.0
    alone = OutageHistory.of(lifts(2), told, START + timedelta(days=60))
    later = Lift(lift_id="L009", site_id="S0", observed_from=date(2025, 2, 20))
    together = OutageHistory.of([*lifts(2), later], told, START + timedelta(days=60))
    assert np.array_equal(frame_of(alone, day).values, frame_of(together, day).values[:2])
