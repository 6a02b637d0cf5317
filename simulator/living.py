"""How a life comes about: hazards by age and care, wear that visits end or mask, repairs that do not hold.

A life begins in good order at `EPOCH`, and depends on the seed and the lift alone: asked again for a longer time, it is
the same life and more.
"""

from bisect import bisect_right
from datetime import UTC, date, datetime
from functools import lru_cache
from random import Random

from ingest.clock import from_ms, to_ms
from simulator import mechanisms
from simulator.chance import seeded
from simulator.failures import (
    SELF_CLEARED_MIN,
    add_failure,
    breakdown,
    candidates,
    choose,
    early_faults,
    poisson,
    power_cut,
)
from simulator.faults import DOOR_CLOSING, FaultPeriod
from simulator.fleet import Care, LiftSpec
from simulator.life import Breakdown, Life, Planned, VisitEffect
from simulator.mechanisms import LEFT_WRONG, MECHANISMS, MISUSE, SUDDEN, Mechanism, Sudden, fits
from simulator.people import (
    BREAKS_CHANCE,
    BREAKS_WITHIN_H,
    MASKED_CHANCE,
    MINUTE_MS,
    SEES,
    Presence,
    calendar,
)
from simulator.traffic import DAY_MS, HOUR_MS, moment
from simulator.wear import Segment, Wear

EPOCH = datetime(2023, 1, 1, tzinfo=UTC)
EPOCH_MS = to_ms(EPOCH)
YEAR_MS = round(365.25 * DAY_MS)
# All rates are assumptions that make the published ranges come out (`report.py`), unless a source is named.
CARE_RATE = {Care.GOOD: 0.55, Care.FAIR: 1.0, Care.NEGLECTED: 3.05}
SUDDEN_PER_YEAR = 1.0
MISUSE_PER_YEAR = 0.5
# Per building and year; power cuts are 19-23 % of all entrapments in published figures.
POWER_CUTS_PER_YEAR = 0.5
# A door that nobody mends: four faults a week, cleared by the controller itself; some of them end with a technician.
CHRONIC_FAULTS_PER_WEEK = 4.0
_CHRONIC_CLEANED_DAYS = 56
_CHRONIC_PROGRESS = (0.35, 0.85)
_CHRONIC_REPAIRED_CHANCE = 0.25
_FAILURES_MAX = 6
_PROGRESS_AFTER = (0.45, 0.75)
_MASKED_TO = (0.3, 0.6)
_OUT_OF_USE_CHANCE, _OUT_OF_USE_DAYS = 0.02, (14, 56)
_MODERNISED_CHANCE, _MODERNISED_DAYS, _MODERNISED_FROM_AGE = 0.05, (21, 42), 18
# Monthly entrapments of 1.45 % at 11-15 years and 0.68 % after modernisation (Nanjing, 2015): about twice as many.
_AGE_BASE, _AGE_PER_YEAR, _AGE_MAX = 0.6, 0.04, 1.8


@lru_cache(maxsize=20_000)
def _life_until_year(spec: LiftSpec, year: int) -> Life:
    return make_life(spec, to_ms(datetime(year, 1, 1, tzinfo=UTC)))


def life_of(spec: LiftSpec, at_ms: int) -> Life:
    """Return the life of a lift, complete until some time after `at_ms`."""
    return _life_until_year(spec, from_ms(at_ms).year + 2)


def age_factor(age_years: float) -> float:
    """Return how much more often a lift of this age fails than one of ten years."""
    return min(_AGE_MAX, _AGE_BASE + _AGE_PER_YEAR * max(0.0, age_years))


def make_life(spec: LiftSpec, until_ms: int) -> Life:
    """Return the life of a lift from `EPOCH` until `until_ms`, everything that began until then to its end."""
    return _Living(spec, until_ms).live()


class _Living:
    """Walks through one life, mechanism by mechanism, year by year."""

    def __init__(self, spec: LiftSpec, until_ms: int) -> None:
        self.spec = spec
        self.until_ms = until_ms
        self.life = Life()
        self.years = range(EPOCH.year, from_ms(until_ms).year + 1)
        self.visits = calendar(spec, EPOCH.date(), date(self.years[-1] + 1, 12, 31))
        self.visits_ms = [visit.begin_ms for visit in self.visits]
        self.new_since: list[int] = [to_ms(datetime(*spec.commissioned_on.timetuple()[:3], tzinfo=UTC))]

    def live(self) -> Life:
        self._plan()
        for mechanism in MECHANISMS:
            if fits(mechanism, self.spec):
                self._wear_out(mechanism)
        self._chronic()
        for year in self.years:
            self._sudden(year)
            self._power_cuts(year)
        self._break_by_visits()
        self.life.presences += [visit for visit in self.visits if visit.begin_ms < self.until_ms]
        return self.life.ordered()

    def _plan(self) -> None:
        for year in self.years:
            random = self.spec.random("planned", year)
            begin_ms = to_ms(datetime(year, 1, 1, 6, tzinfo=UTC)) + int(random.random() * 300) * DAY_MS
            old = begin_ms - self.new_since[-1] > _MODERNISED_FROM_AGE * YEAR_MS
            chance, out_of_use, modernised = random.random(), random.randint(*_OUT_OF_USE_DAYS), 0
            modernised = random.randint(*_MODERNISED_DAYS)
            if old and chance < _MODERNISED_CHANCE:
                self.life.planned.append(Planned("modernisation", begin_ms, begin_ms + modernised * DAY_MS))
                self.new_since.append(begin_ms + modernised * DAY_MS)
            elif chance > 1 - _OUT_OF_USE_CHANCE:
                self.life.planned.append(Planned("out-of-use", begin_ms, begin_ms + out_of_use * DAY_MS))
        self.life.reboots += self.new_since[1:]

    def _rate(self, per_year: float, at_ms: int) -> float:
        since_ms = max((new_ms for new_ms in self.new_since if new_ms <= at_ms), default=at_ms)
        return per_year * CARE_RATE[self.spec.care] * age_factor((at_ms - since_ms) / YEAR_MS)

    def _wear_out(self, mechanism: Mechanism) -> None:
        random = self.spec.random("wear", mechanism.name)
        onset_ms = max(EPOCH_MS, self.new_since[0])
        while True:
            rate = self._rate(mechanism.onsets_per_year + 1e-9, onset_ms)
            onset_ms += int(random.expovariate(rate) * YEAR_MS)
            onset_ms = self._sooner(mechanism, onset_ms)
            if onset_ms >= self.until_ms:
                return
            floor = random.randint(1, self.spec.floors) if mechanism.one_floor else None
            onset_ms = _Episode(self, mechanism, floor, random).run(onset_ms)

    def _sooner(self, mechanism: Mechanism, onset_ms: int) -> int:
        """Return when the ropes settle: they are new after a modernisation, whatever chance says."""
        if mechanism.name != mechanisms.ROPE_SETTLING:
            return onset_ms
        done = (
            self.life.wears[-1].until_ms if self.life.wears and self.life.wears[-1].mechanism == mechanism.name else 0
        )
        return min([new_ms for new_ms in self.new_since[1:] if new_ms >= max(done, EPOCH_MS)], default=onset_ms)

    def _chronic(self) -> None:
        if not self.spec.troubled:
            return
        phase_ms = int(self.spec.phase * _CHRONIC_CLEANED_DAYS * DAY_MS)
        cleaned = range(EPOCH_MS - phase_ms, self.until_ms + 1, _CHRONIC_CLEANED_DAYS * DAY_MS)
        low, high = _CHRONIC_PROGRESS
        per_day = (high - low) / _CHRONIC_CLEANED_DAYS
        segments = tuple(Segment(at_ms, at_ms + cleaned.step, low, per_day) for at_ms in cleaned)
        self.life.wears.append(
            Wear(
                mechanism=mechanisms.DOOR_FRICTION_LANDING,
                floor=self.spec.bad_floor,
                shape=1.0,
                segments=segments,
                ended_by="nobody",
            )
        )
        for year in self.years:
            random = self.spec.random("chronic", year)
            for number, raised_ms in enumerate(self._moments(random, CHRONIC_FAULTS_PER_WEEK / 7 * 365.25, year)):
                self._chronic_fault(f"d{year}-{number}", raised_ms, random)

    def _chronic_fault(self, number: str, raised_ms: int, random: Random) -> None:
        period = FaultPeriod(
            fault_id=f"{self.spec.lift_id}-{number}",
            code=DOOR_CLOSING,
            stops=True,
            raised_ms=raised_ms,
            cleared_ms=raised_ms + int(random.uniform(*SELF_CLEARED_MIN) * MINUTE_MS),
            floor=self.spec.bad_floor,
        )
        self.life.early.append(period)
        if random.random() < _CHRONIC_REPAIRED_CHANCE:
            seen = {"kind": "repair", "cause_code": DOOR_CLOSING, "outcome": "repaired"}
            self.life.presences.append(Presence(begin_ms=period.raised_ms, end_ms=period.cleared_ms, **seen))

    def _moments(self, random: Random, per_year: float, year: int) -> list[int]:
        """Return instants of a year at which something happens, while people use the lift; before `until_ms`."""
        first = date(year, 1, 1).toordinal()
        days = sorted(first + int(random.random() * 365) for _ in range(poisson(random, per_year)))
        instants = (moment(self.spec, date.fromordinal(day), random) for day in days)
        return [at_ms for at_ms in instants if max(EPOCH_MS, self.new_since[0]) <= at_ms]

    def _sudden(self, year: int) -> None:
        middle_ms = to_ms(datetime(year, 7, 1, tzinfo=UTC))
        for word, per_year, causes in (
            ("sudden", self._rate(SUDDEN_PER_YEAR, middle_ms), SUDDEN),
            ("misuse", MISUSE_PER_YEAR, MISUSE),
        ):
            random = self.spec.random(word, year)
            for number, at_ms in enumerate(self._moments(random, per_year, year)):
                self._break_down(choose(random, causes), f"{word[0]}{year}-{number}", at_ms, random)

    def _break_down(self, cause: Sudden, number: str, at_ms: int, random: Random) -> None:
        floor = random.randint(1, self.spec.floors) if cause.at_floor else None
        self.add_breakdown(cause, number, at_ms, random, floor=floor)

    def _break_by_visits(self) -> None:
        random = self.spec.random("left wrong")
        for number, visit in enumerate(self.visits):
            breaks, hours = random.random() < BREAKS_CHANCE[self.spec.care], random.random() * BREAKS_WITHIN_H
            if breaks and visit.begin_ms < self.until_ms:
                cause = choose(random, LEFT_WRONG)
                day = from_ms(visit.end_ms + int(hours * HOUR_MS)).date()
                at_ms = max(visit.end_ms + HOUR_MS, moment(self.spec, day, random))
                self.life.effects.append(VisitEffect(visit.end_ms, cause.component, "broke"))
                self._break_down(cause, f"v{number}", at_ms, random)

    def _power_cuts(self, year: int) -> None:
        common = seeded(self.spec.seed, self.spec.site_id, "power", year)
        first_ms = to_ms(datetime(year, 1, 1, tzinfo=UTC))
        for number in range(poisson(common, POWER_CUTS_PER_YEAR)):
            at_ms = first_ms + int(common.random() * YEAR_MS)
            until_ms = at_ms + int(common.uniform(2, 45) * MINUTE_MS)
            random = self.spec.random("power", year, number)
            self.life.breakdowns.append(power_cut(self.spec, f"p{year}-{number}", at_ms, until_ms, random))
            self.life.reboots.append(until_ms)

    def add_breakdown(
        self,
        cause: Sudden | Mechanism,
        number: str,
        failed_ms: int,
        random: Random,
        *,
        floor: int | None = None,
        precursor_ms: int | None = None,
        stops: bool = True,
    ) -> Breakdown:
        """Add a failure and the repair that ends it to the life."""
        each = breakdown(
            self.spec, cause, number, failed_ms, random, floor=floor, precursor_ms=precursor_ms, stops=stops
        )
        add_failure(self.life, each, random)
        return each


class _Episode:
    """One part on its way from the first sign to failure, with the visits that help it or do not."""

    def __init__(self, living: _Living, mechanism: Mechanism, floor: int | None, random: Random) -> None:
        self._living, self._mechanism, self._floor, self._random = living, mechanism, floor, random
        self._spec, self._life = living.spec, living.life
        median = mechanism.days_median
        self._per_day = 1 / (median * random.lognormvariate(0.0, mechanism.days_sigma))
        self._segments: list[Segment] = []

    def run(self, onset_ms: int) -> int:
        """Add the wear and all that comes of it to the life; return when it is over."""
        at_ms, progress, ended_by, failures = onset_ms, 0.0, "", 0
        new_ms = min((each for each in self._living.new_since if each > onset_ms), default=1 << 62)
        while not ended_by:
            fails_ms = at_ms + int((1 - progress) / self._per_day * DAY_MS)
            masked = self._visit(at_ms, progress, min(fails_ms, new_ms))
            if masked is not None:
                until_ms, left, ended_by = masked
            elif new_ms <= fails_ms:
                until_ms, left, ended_by = new_ms, 0.0, "modernisation"
            else:
                failures += 1
                until_ms, left, ended_by = self._fail(onset_ms, max(at_ms, fails_ms), failures)
            self._segments.append(Segment(at_ms, until_ms, progress, self._per_day))
            at_ms, progress = until_ms, left
        wear = Wear(
            mechanism=self._mechanism.name,
            floor=self._floor,
            shape=self._mechanism.shape,
            segments=tuple(self._segments),
            ended_by=ended_by,
        )
        self._life.wears.append(wear)
        self._warn(wear)
        return at_ms

    def _visit(self, at_ms: int, progress: float, before_ms: int) -> tuple[int, float, str] | None:
        """Return when a visit ended or masked the wear, what is left of it, and how it ended; None where none did."""
        visits = self._living.visits
        for index in range(bisect_right(self._living.visits_ms, at_ms), len(visits)):
            visit = visits[index]
            if visit.end_ms >= before_ms:
                return None
            worn = progress + (visit.begin_ms - at_ms) / DAY_MS * self._per_day
            chance = self._random.random()
            found = self._mechanism.seen * SEES[self._spec.care] * worn
            if chance < found:
                self._life.effects.append(VisitEffect(visit.end_ms, self._mechanism.name, "fixed"))
                return visit.end_ms, 0.0, "visit"
            if chance < found + MASKED_CHANCE * worn:
                self._life.effects.append(VisitEffect(visit.end_ms, self._mechanism.name, "masked"))
                return visit.end_ms, worn * self._random.uniform(*_MASKED_TO), ""
        return None

    def _fail(self, onset_ms: int, nominal_ms: int, failures: int) -> tuple[int, float, str]:
        """Let the part fail; return when it was repaired, what is left of the wear, how it ended ("": it did not)."""
        failed_ms = moment(self._spec, from_ms(nominal_ms).date(), self._random)
        if failed_ms < nominal_ms:
            failed_ms = moment(self._spec, from_ms(nominal_ms + DAY_MS).date(), self._random)
        number = f"w{self._mechanism.name}-{onset_ms // DAY_MS}-{failures}"
        each = self._living.add_breakdown(
            self._mechanism,
            number,
            failed_ms,
            self._random,
            floor=self._floor,
            precursor_ms=onset_ms,
            stops=self._mechanism.stops,
        )
        if each.held or failures == _FAILURES_MAX:
            return each.cleared_ms, 0.0, "repair"
        return each.cleared_ms, self._random.uniform(*_PROGRESS_AFTER), ""

    def _warn(self, wear: Wear) -> None:
        self._life.early += early_faults(self._spec, self._mechanism, wear, self._random)
        if self._mechanism.effects.reboots_per_day:
            instants = candidates(wear, self._mechanism.effects.reboots_per_day, self._random)
            self._life.reboots += [at_ms for at_ms, chance in instants if chance < wear.severity_at(at_ms) ** 2]
