"""The risk of a fleet as of a day: fitted once a week, predicted once a day, kept for whoever asks, who never waits."""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import Protocol

import structlog
from msgspec import Struct, field, structs

from analytics.failure_reader import FailureHistory, FailureReader
from analytics.failures import WINDOW_DAYS, midnight_before, part_of
from analytics.outage_history import Floats, OutageHistory, days_of
from analytics.risk_fit import FrameBook, fit, teaches_nothing
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
# While the model of a week is being fitted an older one speaks, if it is not older than that.
_INSTEAD_DAYS = 28.0
# Days of which somebody has asked and whose models are still to be fitted; who asks of more has to ask again.
_WANTED_MAX = 4
# A component breaks down too seldom for what was two months ago to be forgotten.
_COMPONENT_HALF_LIFE = 360.0

log = structlog.get_logger()


class FleetRisk(Struct, frozen=True, kw_only=True):
    """What is predicted of every lift from a midnight on; `models` None where the rates stand alone.

    `signs` are how worn the lifts look, `usual` by horizon what a model sees of a lift that is like the fleet.
    `is_provisional`: the model of this week is still to be fitted; an older one speaks, or the rates.
    """

    as_of: datetime
    history: OutageHistory
    frame: RiskFrame
    predictions: dict[float, Prediction]
    models: dict[float, HorizonModel | None]
    is_provisional: bool = False
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
    """The risk of a day, and of what it was made: `fits` is how many models had been fitted by then."""

    history: FailureHistory
    signs: WearSigns | None
    fits: int
    risk: FleetRisk


class _Asked(Struct, frozen=True):
    """What the models of a week are made of, by which they are known."""

    past: OutageHistory
    signs_state: str
    made_of: str
    day: float


class RiskBook:
    """Predicts from the year before the midnight that an instant follows. The same data give the same risk.

    The model of a week was fitted for the Thursday (a multiple of seven days since 1970) before the week: whoever
    serves fits the next one meanwhile (`prepare`), on a thread that nothing waits for. Where it is not there yet, on
    the first day or after older data have changed, nobody waits either: the risk is provisional until it is fitted.
    Who wants the last word, and has the time, calls `catch_up` first.
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
        self._models: OrderedDict[tuple[float, str], tuple[float, HorizonModel | None]] = OrderedDict()
        self._wanted: OrderedDict[datetime, None] = OrderedDict()
        self._fits = 0
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
            if known is None or not self._stands(known, history, signs):
                fits = self._fits
                known = _Known(history, signs, fits, self._predicted(history, signs, until))
                self._known[until] = known
            self._known.move_to_end(until)
            while len(self._known) > _DAYS_KEPT:
                self._known.popitem(last=False)
        if known.risk.is_provisional:
            self._want(until)
        return known.risk

    def _stands(self, known: _Known, history: FailureHistory, signs: WearSigns | None) -> bool:
        is_same = known.history is history and known.signs is signs
        return is_same and not (known.risk.is_provisional and known.fits != self._fits)

    def catch_up(self, as_of: datetime) -> None:
        """Fit the models that speak of an instant, where that has not been done.

        Raises:
            StoreUnavailableError: the store cannot answer now.
        """
        until = midnight_before(as_of)
        self._fit(self._asked(self._outages(self._failures.history(as_of), until), model_day(days_of(until))))

    def prepare(self, as_of: datetime) -> None:
        """Fit the models that somebody has asked for, those of now, and those of next week.

        Raises:
            StoreUnavailableError: the store cannot answer now.
        """
        while (wanted := self._next_wanted()) is not None:
            self.catch_up(wanted)
        self.catch_up(as_of)
        until = midnight_before(as_of)
        next_day = model_day(days_of(until) + FIT_EVERY_DAYS)
        self._fit(self._asked(self._outages(self._failures.history(as_of), until), next_day))

    @property
    def is_wanted(self) -> bool:
        """Whether somebody has asked for what is still to be fitted."""
        return bool(self._wanted)

    def _want(self, until: datetime) -> None:
        with self._models_lock:
            self._wanted[until] = None
            while len(self._wanted) > _WANTED_MAX:
                self._wanted.popitem(last=False)

    def _next_wanted(self) -> datetime | None:
        with self._models_lock:
            return self._wanted.popitem(last=False)[0] if self._wanted else None

    def _outages(self, found: FailureHistory, until: datetime) -> OutageHistory:
        lifts = [_observed(lift, found, until) for lift in self._register.lifts()]
        return OutageHistory.of(lifts, found.occurrences, until).window(days_of(until) - WINDOW_DAYS)

    def _asked(self, history: OutageHistory, day: float) -> _Asked:
        past = taught(history, day)
        state = "" if self._signs is None else self._signs.state(past.lift_ids, day)
        return _Asked(past, state, fingerprint(past, state), day)

    def _predicted(self, found: FailureHistory, signs: WearSigns | None, until: datetime) -> FleetRisk:
        history, day = self._outages(found, until), days_of(until)
        asked = self._asked(history, model_day(day))
        kept = {horizon: self._kept(horizon, asked) for horizon in HORIZONS}
        models = {
            horizon: model if is_there else self._instead(horizon, asked.day)
            for horizon, (is_there, model) in kept.items()
        }
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
            is_provisional=not all(is_there for is_there, _ in kept.values()),
            signs=signs,
            usual={horizon: usual_of(frame, model) for horizon, model in models.items() if model is not None},
        )

    def _fit(self, asked: _Asked) -> None:
        missing = [horizon for horizon in HORIZONS if not self._kept(horizon, asked)[0]]
        if missing:
            reads = self._signs if asked.signs_state else None
            book = FrameBook(asked.past, None if reads is None else reads.past(asked.past.lift_ids, asked.day))
            for horizon in missing:
                self._keep(horizon, asked, fit(book, asked.day, horizon))

    def _keep(self, horizon: float, asked: _Asked, model: HorizonModel | None) -> None:
        self._note(horizon, asked, model)
        self._fits += 1
        if model is not None and self._store is not None:
            try:
                self._store.save(horizon, model, asked.made_of, int(asked.day // FIT_EVERY_DAYS) % 2)
            except OSError as error:
                log.warning("model-not-kept", error=str(error))

    def _note(self, horizon: float, asked: _Asked, model: HorizonModel | None) -> None:
        with self._models_lock:
            self._models[horizon, asked.made_of] = asked.day, model
            while len(self._models) > _MODELS_KEPT:
                self._models.popitem(last=False)

    def _kept(self, horizon: float, asked: _Asked) -> tuple[bool, HorizonModel | None]:
        """Return whether the model is known, and it; None is known too: that there is too little to fit one."""
        with self._models_lock:
            if (horizon, asked.made_of) in self._models:
                return True, self._models[horizon, asked.made_of][1]
        model = self._load(lambda store: store.load(horizon, asked.made_of))
        if model is None and not teaches_nothing(asked.past, asked.day, horizon):
            return False, None
        self._note(horizon, asked, model)
        return True, model

    def _instead(self, horizon: float, day: float) -> HorizonModel | None:
        """Return the newest model that was fitted for `day` or shortly before; it knows nothing of later."""
        with self._models_lock:
            known = [
                (fitted_for, number, model)
                for number, ((days, _), (fitted_for, model)) in enumerate(self._models.items())
                if days == horizon and day - _INSTEAD_DAYS <= fitted_for <= day
            ]
        if known:
            return max(known, key=lambda each: each[:2])[2]
        return self._load(lambda store: store.newest(horizon, day - _INSTEAD_DAYS - horizon, day))

    def _load(self, ask: Callable[[RiskStore], HorizonModel | None]) -> HorizonModel | None:
        if self._store is None:
            return None
        try:
            return ask(self._store)
        except (ModelRefusedError, OSError) as error:
            log.warning("model-refused", error=str(error))
            return None


def _observed(registered: RegisteredLift, found: FailureHistory, until: datetime) -> Lift:
    """Return a lift as observed from when its breakdowns count, but not before the window that was read."""
    lift = registered.lift
    since = found.observed_since.get(lift.lift_id, registered.registered_at)
    first = until - timedelta(days=WINDOW_DAYS)
    return structs.replace(lift, observed_from=max(since, first).astimezone(UTC).date())
