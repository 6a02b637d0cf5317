"""The risk of a fleet as of a day: fitted once a week, predicted once a day, kept for whoever asks."""

from collections import OrderedDict
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from threading import Lock
from typing import Protocol

import structlog
from msgspec import Struct, field, structs

from analytics.failure_reader import FailureHistory, FailureReader
from analytics.failures import WINDOW_DAYS, midnight_before, part_of
from analytics.outage_history import Floats, OutageHistory, days_of
from analytics.risk_fit import FrameBook, fit
from analytics.risk_frame import RiskFrame, frame_of
from analytics.risk_model import HorizonModel, Prediction, predict
from analytics.risk_past import FIT_EVERY_DAYS, fingerprint, model_day, taught
from analytics.risk_rates import Clock, rates
from analytics.risk_reasons import Reason, reasons_of, usual_of
from analytics.risk_store import ModelRefusedError, RiskStore
from analytics.wear_signs import WATCHED, WearSigns
from ingest.fleet import Lift
from ingest.fleet_register import FleetRegister, RegisteredLift

HORIZONS = (7.0, 30.0)
_DAYS_KEPT = 2
# Of this week, the next, and one past that somebody asks about.
_MODELS_KEPT = 3 * len(HORIZONS)
# A component breaks down too seldom for what was two months ago to be forgotten.
_COMPONENT_HALF_LIFE = 360.0

log = structlog.get_logger()


class FleetRisk(Struct, frozen=True, kw_only=True):
    """What is predicted of every lift from a midnight on; `models` None where the rates stand alone.

    `signs` are how worn the lifts look, `usual` by horizon what a model sees of a lift that is like the fleet.
    """

    as_of: datetime
    history: OutageHistory
    frame: RiskFrame
    predictions: dict[float, Prediction]
    models: dict[float, HorizonModel | None]
    signs: WearSigns | None = None
    usual: dict[float, Floats] = field(default_factory=dict)

    def place(self, lift_id: str) -> int | None:
        """Return the row of a lift; None where it is not in the fleet."""
        return self.frame.lift_ids.index(lift_id) if lift_id in self.frame.lift_ids else None

    def reasons(self, place: int, horizon_days: float) -> list[Reason]:
        """Return why a lift is so likely to break down, what weighs most in it first."""
        signs = () if self.signs is None else self.signs.leading.get(self.frame.lift_ids[place], ())
        model = self.models.get(horizon_days)
        return reasons_of(self.frame, place, model, signs, self.usual.get(horizon_days))

    def components(self, place: int, horizon_days: float) -> dict[str, tuple[float, float]]:
        """Return by component the probability and the expected number of one lift, by rates alone, likeliest first."""
        codes: dict[str, set[str]] = {}
        for code in self.history.codes:
            codes.setdefault(part_of(code), set()).add(code)
        days, found = self.frame.days_recorded(horizon_days), {}
        for part, chosen in codes.items():
            history = self.history.of_codes(frozenset(chosen))
            share = history.breakdowns / max(self.history.breakdowns, 1)
            if share > 0.0:
                own = rates(Clock.of(history), _COMPONENT_HALF_LIFE, share)
                found[part] = float(own.probability(days)[place]), float(own.expected(days)[place])
        return dict(sorted(found.items(), key=lambda entry: -entry[1][0]))


class Signs(Protocol):
    """How worn lifts look: `sign_reader` says what is asked of it."""

    def latest(self, as_of: datetime) -> WearSigns | None:
        """Return the signs of all lifts as of the last day that is over."""

    def state(self, lift_ids: Sequence[str], day: float) -> str:
        """Return what tells one state of the past before `day` from another; empty where it teaches nothing."""

    def past(self, lift_ids: Sequence[str], day: float) -> WearSigns | None:
        """Return the signs of days before `day`."""


class _Known(Struct, frozen=True):
    """The risk of a day, and of what it was made."""

    history: FailureHistory
    signs: WearSigns | None
    risk: FleetRisk


class RiskBook:
    """Predicts from the year before the midnight that an instant follows. The same data give the same risk.

    The model of a week was fitted for the Thursday (a multiple of seven days since 1970) before the week: whoever
    serves fits the next one meanwhile (`prepare`), on a thread that nothing waits for. Where it is not there yet, on
    the first day or after older data have changed, the first who asks fits it and waits: another model, or none, would
    give other findings for the same instant.
    """

    def __init__(
        self,
        register: FleetRegister,
        failures: FailureReader,
        store: RiskStore | None = None,
        signs: Signs | None = None,
    ) -> None:
        """Read the fleet from `register`, `failures` and, of how worn it looks, `signs`; keep models in `store`."""
        self._register, self._failures, self._store, self._signs = register, failures, store, signs
        self._known: OrderedDict[datetime, _Known] = OrderedDict()
        self._models: OrderedDict[tuple[float, str], HorizonModel | None] = OrderedDict()
        self._lock, self._models_lock = Lock(), Lock()

    def risk(self, as_of: datetime) -> FleetRisk:
        """Return the risk of the whole fleet as of the midnight before an instant.

        Raises:
            StoreUnavailableError: the store cannot answer now.
        """
        history, until = self._failures.history(as_of), midnight_before(as_of)
        with self._lock:
            signs = None if self._signs is None else self._signs.latest(as_of)
            known = self._known.get(until)
            if known is None or known.history is not history or known.signs is not signs:
                self._known[until] = _Known(history, signs, self._predicted(history, signs, until))
            self._known.move_to_end(until)
            while len(self._known) > _DAYS_KEPT:
                self._known.popitem(last=False)
            return self._known[until].risk

    def prepare(self, as_of: datetime) -> None:
        """Fit the models of next week, where that has not been done.

        Raises:
            StoreUnavailableError: the store cannot answer now.
        """
        history, until = self._failures.history(as_of), midnight_before(as_of)
        self._models_for(self._outages(history, until), model_day(days_of(until) + FIT_EVERY_DAYS))

    def _outages(self, found: FailureHistory, until: datetime) -> OutageHistory:
        lifts = [_observed(lift, until) for lift in self._register.lifts()]
        return OutageHistory.of(lifts, found.occurrences, until).window(days_of(until) - WINDOW_DAYS)

    def _predicted(self, found: FailureHistory, signs: WearSigns | None, until: datetime) -> FleetRisk:
        history, day = self._outages(found, until), days_of(until)
        models = self._models_for(history, model_day(day))
        is_wear_seen = any(model is not None and WATCHED in model.columns for model in models.values())
        frame = frame_of(history, day, (signs or WearSigns.none()) if is_wear_seen else None)
        predictions = {
            horizon: predict(frame if model is None else frame.only(model.columns), horizon, model)
            for horizon, model in models.items()
        }
        return FleetRisk(
            as_of=until,
            history=history,
            frame=frame,
            predictions=predictions,
            models=models,
            signs=signs,
            usual={horizon: usual_of(frame, model) for horizon, model in models.items() if model is not None},
        )

    def _models_for(self, history: OutageHistory, day: float) -> dict[float, HorizonModel | None]:
        past = taught(history, day)
        state = "" if self._signs is None else self._signs.state(past.lift_ids, day)
        made_of = fingerprint(past, state)
        models = {horizon: self._kept(horizon, made_of) for horizon in HORIZONS}
        missing = [horizon for horizon, (is_there, _) in models.items() if not is_there]
        found = {horizon: model for horizon, (_, model) in models.items()}
        if missing:
            signs = self._signs.past(past.lift_ids, day) if self._signs is not None and state else None
            book = FrameBook(past, signs)
            for horizon in missing:
                found[horizon] = fit(book, day, horizon)
                self._keep(horizon, made_of, found[horizon], day)
        return found

    def _keep(self, horizon: float, made_of: str, model: HorizonModel | None, day: float) -> None:
        with self._models_lock:
            self._models[horizon, made_of] = model
            while len(self._models) > _MODELS_KEPT:
                self._models.popitem(last=False)
        if model is not None and self._store is not None:
            try:
                self._store.save(horizon, model, made_of, int(day // FIT_EVERY_DAYS) % 2)
            except OSError as error:
                log.warning("model-not-kept", error=str(error))

    def _kept(self, horizon: float, made_of: str) -> tuple[bool, HorizonModel | None]:
        """Return whether the model is known, and it; None is known too: that there is too little to fit one."""
        with self._models_lock:
            if (horizon, made_of) in self._models:
                return True, self._models[horizon, made_of]
        if self._store is None:
            return False, None
        try:
            model = self._store.load(horizon, made_of)
        except (ModelRefusedError, OSError) as error:
            log.warning("model-refused", error=str(error))
            return False, None
        return model is not None, model


def _observed(registered: RegisteredLift, until: datetime) -> Lift:
    """Return a lift as observed from when we know of it, but not before the window that was read."""
    told: date = registered.lift.observed_from or registered.registered_at.date()
    first = (until - timedelta(days=WINDOW_DAYS)).date()
    return structs.replace(registered.lift, observed_from=max(told, first))
