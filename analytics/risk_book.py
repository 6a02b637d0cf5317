"""The risk of a fleet as of a day: fitted once a week, predicted once a day, kept for whoever asks."""

import hashlib
from collections import OrderedDict
from datetime import date, datetime, timedelta
from threading import Lock

import structlog
from msgspec import Struct, structs

from analytics.failure_reader import FailureHistory, FailureReader
from analytics.failures import WINDOW_DAYS, midnight_before, part_of
from analytics.outage_history import OutageHistory, days_of
from analytics.risk_fit import FrameBook, fit
from analytics.risk_frame import RiskFrame, frame_of
from analytics.risk_model import HorizonModel, Prediction, predict
from analytics.risk_rates import Clock, rates
from analytics.risk_store import ModelRefusedError, RiskStore
from ingest.fleet import Lift
from ingest.fleet_register import FleetRegister, RegisteredLift

HORIZONS = (7.0, 30.0)
_FIT_EVERY_DAYS = 7.0
_DAYS_KEPT = 2
# A component breaks down too seldom for what was two months ago to be forgotten.
_COMPONENT_HALF_LIFE = 360.0

log = structlog.get_logger()


class FleetRisk(Struct, frozen=True, kw_only=True):
    """What is predicted of every lift from a midnight on; `models` None where the rates stand alone."""

    as_of: datetime
    history: OutageHistory
    frame: RiskFrame
    predictions: dict[float, Prediction]
    models: dict[float, HorizonModel | None]

    def place(self, lift_id: str) -> int | None:
        """Return the row of a lift; None where it is not in the fleet."""
        return self.frame.lift_ids.index(lift_id) if lift_id in self.frame.lift_ids else None

    def components(self, place: int, horizon_days: float) -> dict[str, tuple[float, float]]:
        """Return by component the probability and the expected number of one lift, by rates alone, likeliest first."""
        codes: dict[str, set[str]] = {}
        for code in self.history.codes:
            codes.setdefault(part_of(code), set()).add(code)
        days, found = self.frame.days_recorded(horizon_days), {}
        for part, chosen in codes.items():
            own = rates(Clock.of(self.history.of_codes(frozenset(chosen))), _COMPONENT_HALF_LIFE)
            if own.counted.any():
                found[part] = float(own.probability(days)[place]), float(own.expected(days)[place])
        return dict(sorted(found.items(), key=lambda entry: -entry[1][0]))


class RiskBook:
    """Predicts from the year before the midnight that an instant follows. The same data give the same risk."""

    def __init__(self, register: FleetRegister, failures: FailureReader, store: RiskStore | None = None) -> None:
        """Read the fleet from `register` and `failures`; keep models in `store`."""
        self._register = register
        self._failures = failures
        self._store = store
        self._known: OrderedDict[datetime, tuple[FailureHistory, FleetRisk]] = OrderedDict()
        self._lock = Lock()

    def risk(self, as_of: datetime) -> FleetRisk:
        """Return the risk of the whole fleet as of the midnight before an instant.

        The model is that of the last Thursday (a multiple of seven days since 1970): fitted where it is asked for
        first, to a bounded number of rows, and read from its file afterwards.

        Raises:
            StoreUnavailableError: the store cannot answer now.
        """
        history, until = self._failures.history(as_of), midnight_before(as_of)
        with self._lock:
            known = self._known.get(until)
            if known is None or known[0] is not history:
                self._known[until] = history, self._predicted(history, until)
            self._known.move_to_end(until)
            while len(self._known) > _DAYS_KEPT:
                self._known.popitem(last=False)
            return self._known[until][1]

    def _predicted(self, found: FailureHistory, until: datetime) -> FleetRisk:
        lifts = [_observed(lift, until) for lift in self._register.lifts()]
        history = OutageHistory.of(lifts, found.occurrences, until)
        frame = frame_of(history, days_of(until))
        models = {horizon: self._model(history, horizon) for horizon in HORIZONS}
        predictions = {horizon: predict(frame, horizon, model) for horizon, model in models.items()}
        return FleetRisk(as_of=until, history=history, frame=frame, predictions=predictions, models=models)

    def _model(self, history: OutageHistory, horizon: float) -> HorizonModel | None:
        day = history.until - history.until % _FIT_EVERY_DAYS
        then = history.as_of(day)
        made_of = fingerprint(then)
        kept = self._kept(horizon, made_of)
        if kept is not None:
            return kept
        model = fit(FrameBook(then), day, horizon)
        if model is not None and self._store is not None:
            try:
                self._store.save(horizon, model, made_of)
            except OSError as error:
                log.warning("model-not-kept", error=str(error))
        return model

    def _kept(self, horizon: float, made_of: str) -> HorizonModel | None:
        if self._store is None:
            return None
        try:
            return self._store.load(horizon, made_of)
        except (ModelRefusedError, OSError) as error:
            log.warning("model-refused", error=str(error))
            return None


def fingerprint(history: OutageHistory) -> str:
    """Return what tells one history from another: a digest of everything in it."""
    digest = hashlib.sha256("\n".join(history.lift_ids + history.codes).encode())
    for name in ("site", "since", "until_of", "lift", "kind", "code", "raised", "cleared"):
        digest.update(getattr(history, name).tobytes())
    digest.update(repr(history.until).encode())
    return digest.hexdigest()


def _observed(registered: RegisteredLift, until: datetime) -> Lift:
    """Return a lift as observed from when we know of it, but not before the window that was read."""
    told: date = registered.lift.observed_from or registered.registered_at.date()
    first = (until - timedelta(days=WINDOW_DAYS)).date()
    return structs.replace(registered.lift, observed_from=max(told, first))
