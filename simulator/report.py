"""The realism report: what a simulated fleet comes to, held against what was published of real ones.

A range is called sourced only where a publication states it, or it follows from one by arithmetic (marked D). The
sources are listed in `docs/simulator.md`. Where one city's figure stands for all, the tolerance around it is ours, and
said.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import date, timedelta
from itertools import pairwise

from msgspec import Struct

from ingest.clock import from_ms
from simulator.cycles import cycles
from simulator.fleet import Care, LiftSpec, Use
from simulator.life import Breakdown, Life
from simulator.living import make_life
from simulator.traffic import HOUR_MS, trips_before

YEAR_H = 365.25 * 24
# One city's share of its ends in some hours: another city's may differ by so much.
_HOURS_TOLERANCE = 0.05
_WORKDAYS, _TUESDAY = 5, date(2025, 6, 3)
_LEVELS_OF = 40


class Range(Struct, frozen=True, kw_only=True):
    """What a figure should lie in. `mark`: S stated, D derived from what is stated, U our own requirement."""

    low: float
    high: float
    mark: str
    source: str

    @property
    def is_sourced(self) -> bool:
        """Tell whether the range comes from a publication."""
        return self.mark in ("S", "D")


class Figure(Struct, frozen=True, kw_only=True):
    """One figure of the report."""

    name: str
    value: float
    unit: str
    range: Range

    @property
    def is_inside(self) -> bool:
        """Tell whether the figure lies in its range."""
        return self.range.low <= self.value <= self.range.high

    def line(self) -> str:
        """Return a line for a person."""
        inside = "inside" if self.is_inside else "OUTSIDE"
        bounds = f"{_short(self.range.low)}-{_short(self.range.high)}"
        return (
            f"{self.name:<52} {_short(self.value):>8} {self.unit:<14} {bounds:>15} "
            f"{inside:<8} {self.range.mark} {self.range.source}"
        )


class Sample(Struct, frozen=True):
    """A fleet and what happened to it in a window; `years` are those of all lifts together."""

    lifts: Sequence[tuple[LiftSpec, Life]]
    since_ms: int
    until_ms: int

    def of(self, *cares: Care) -> "Sample":
        """Return the part of the fleet in this care."""
        return Sample([pair for pair in self.lifts if pair[0].care in cares], self.since_ms, self.until_ms)

    @property
    def years(self) -> float:
        """Return the lift-years."""
        return len(self.lifts) * (self.until_ms - self.since_ms) / HOUR_MS / YEAR_H

    @property
    def failures(self) -> list[Breakdown]:
        """Return everything that failed, whatever the cause."""
        known = (each for _, life in self.lifts for each in life.breakdowns)
        return [each for each in known if self.since_ms <= each.failed_ms < self.until_ms]

    @property
    def breakdowns(self) -> list[Breakdown]:
        """Return the failures of the equipment that stopped a lift."""
        return [each for each in self.failures if each.kind == "breakdown" and each.stops]

    @property
    def trapped(self) -> list[Breakdown]:
        """Return the failures that trapped somebody."""
        return [each for each in self.failures if each.freed_ms is not None]


def sample(fleet: Sequence[LiftSpec], since_ms: int, until_ms: int) -> Sample:
    """Return the lives of a fleet in a window."""
    return Sample([(spec, make_life(spec, until_ms)) for spec in fleet], since_ms, until_ms)


def report(of: Sample) -> list[Figure]:
    """Return the figures of a sample."""
    return [*_rates(of), *_people(of), *_causes(of), *_hours(of), *_down(of), *_physics(of)]


def text_of(figures: Sequence[Figure], of: Sample) -> str:
    """Return the report for a person."""
    head = (
        f"{len(of.lifts)} lifts, {from_ms(of.since_ms).date()} to {from_ms(of.until_ms).date()}, "
        f"{of.years:.0f} lift-years, {len(of.breakdowns)} breakdowns, {len(of.trapped)} entrapments"
    )
    titles = f"{'figure':<52} {'value':>8} {'unit':<14} {'range':>15} {'':<8} mark, source"
    sourced = [figure for figure in figures if figure.range.is_sourced]
    tail = f"{sum(figure.is_inside for figure in sourced)} of {len(sourced)} figures inside the sourced ranges"
    return "\n".join([head, titles, *(figure.line() for figure in figures), tail])


def _rates(of: Sample) -> Iterator[Figure]:
    ranges = {
        Care.GOOD: Range(low=0.5, high=2, mark="S", source="S60 well kept, commercial and residential"),
        Care.FAIR: Range(low=2, high=4, mark="S", source="S60, S65, S67 service lifts, UK residential"),
        Care.NEGLECTED: Range(low=10, high=14, mark="D", source="S61 44,000 outages / 3,200 lifts = 13.75"),
    }
    for care, bounds in ranges.items():
        part = of.of(care)
        rate = _ratio(len(part.breakdowns), part.years)
        yield Figure(name=f"breakdowns, {care.value} care", value=rate, unit="a lift-year", range=bounds)
        hours = Range(
            low=YEAR_H / bounds.high, high=YEAR_H / bounds.low, mark="D", source="8,766 h / breakdowns a year"
        )
        between_h = _ratio(_mean_gap_h(part) or 0.0, 1.0)
        yield Figure(name=f"time between breakdowns, {care.value} care", value=between_h, unit="h", range=hours)
    share = _ratio(sum(each.precursor_ms is None for each in of.breakdowns), len(of.breakdowns))
    bounds = Range(low=1 / 3, high=1, mark="U", source="required: a third or more comes without a sign")
    yield Figure(name="breakdowns without a precursor", value=share, unit="share", range=bounds)


def _mean_gap_h(of: Sample) -> float | None:
    """Return the mean time between two breakdowns of one lift, counted over the window where it had none or one."""
    gaps: list[float] = []
    for _, life in of.lifts:
        inside = [each.failed_ms for each in life.breakdowns if each.kind == "breakdown" and each.stops]
        times = [of.since_ms, *(at_ms for at_ms in inside if of.since_ms <= at_ms < of.until_ms)]
        gaps += [(after - before) / HOUR_MS for before, after in pairwise(times)]
        gaps.append((of.until_ms - times[-1]) / HOUR_MS)
    ends = len(gaps) - len(of.lifts)
    return sum(gaps) / ends if ends else None


def _people(of: Sample) -> Iterator[Figure]:
    trapped = of.trapped
    rate = Range(low=0.037, high=0.159, mark="D", source="S55, S56, S57, S71-S74 rescue platforms")
    yield Figure(name="entrapments", value=_ratio(len(trapped), of.years), unit="a lift-year", range=rate)
    arrival = [(each.arrived_ms - each.failed_ms) / 60_000 for each in trapped if each.arrived_ms is not None]
    release = [(each.freed_ms - each.arrived_ms) / 60_000 for each in trapped if each.freed_ms and each.arrived_ms]
    bounds = Range(low=9.79, high=13.1, mark="S", source="S56, S71 mean arrival")
    yield Figure(name="until somebody is with the trapped", value=_mean(arrival), unit="min", range=bounds)
    bounds = Range(low=0.99, high=1, mark="S", source="S57, S58, S71 99.5-99.8 % within 30 min, ours: 99 %")
    in_time = _ratio(sum(minutes <= 30 for minutes in arrival), len(arrival))  # noqa: PLR2004 - the rule's 30 min
    yield Figure(name="there within 30 min", value=in_time, unit="share", range=bounds)
    bounds = Range(low=2.88, high=7.3, mark="S", source="S58, S74 mean time at the car")
    yield Figure(name="until they are out, then", value=_mean(release), unit="min", range=bounds)


def _causes(of: Sample) -> Iterator[Figure]:
    trapped = of.trapped
    equipment = [each for each in trapped if each.kind == "breakdown"]
    power = sum(each.component == "power" for each in trapped)
    human = len(trapped) - len(equipment) - power
    shares = (
        ("entrapments: external (mains)", power, trapped, 0.212, 0.356, "S", "S55-S57, S74, S76"),
        ("entrapments: people", human, trapped, 0.225, 0.347, "S", "S55-S57, S74, S76"),
    )
    for name, count, whole, low, high, mark, source in shares:
        bounds = Range(low=low, high=high, mark=mark, source=source)
        yield Figure(name=name, value=_ratio(count, len(whole)), unit="share", range=bounds)
    doors = sum(each.component == "door" for each in equipment)
    bounds = Range(low=0.32, high=0.43, mark="D", source="S55-S57, S74, S76 doors / equipment")
    yield Figure(
        name="entrapments by equipment: doors", value=_ratio(doors, len(equipment)), unit="share", range=bounds
    )
    doors = sum(each.component == "door" for each in of.breakdowns)
    bounds = Range(low=0.5, high=0.9, mark="S", source="S9, S78-S80 'over half' to '80-90 %' of call-outs")
    yield Figure(name="breakdowns: doors", value=_ratio(doors, len(of.breakdowns)), unit="share", range=bounds)


def _hours(of: Sample) -> Iterator[Figure]:
    hours = [from_ms(each.failed_ms).hour for each in of.trapped]
    windows: tuple[tuple[str, Callable[[int], bool], float, str], ...] = (
        ("8-10", lambda hour: 8 <= hour < 10, 0.123, "S75"),  # noqa: PLR2004
        ("18-20", lambda hour: 18 <= hour < 20, 0.147, "S75"),  # noqa: PLR2004
        ("6-12 and 18-22", lambda hour: 6 <= hour < 12 or 18 <= hour < 22, 0.745, "S73"),  # noqa: PLR2004
    )
    for name, is_in, share, source in windows:
        low, high = share - _HOURS_TOLERANCE, share + _HOURS_TOLERANCE
        bounds = Range(low=low, high=high, mark="S", source=f"{source} {share:.1%}, tolerance 5 points (ours)")
        value = _ratio(sum(map(is_in, hours)), len(hours))
        yield Figure(name=f"entrapments at {name} h", value=value, unit="share", range=bounds)


def _down(of: Sample) -> Iterator[Figure]:
    kept = of.of(Care.GOOD, Care.FAIR)
    bounds = Range(low=3, high=5, mark="S", source="S64 about 4 h, tolerance 1 h (ours)")
    yield Figure(name="down per breakdown, good and fair care", value=_mean(_down_h(kept)), unit="h", range=bounds)
    bounds = Range(low=10, high=14, mark="S", source="S61 about 12 h, tolerance 2 h (ours)")
    hours = _mean(_down_h(of.of(Care.NEGLECTED)))
    yield Figure(name="down per breakdown, neglected", value=hours, unit="h", range=bounds)
    bounds = Range(low=0.97, high=0.9999, mark="S", source="S91 contracts >= 97 %, S64 99.8 %")
    yield Figure(name="in service, good and fair care", value=_in_service(kept), unit="share", range=bounds)
    bounds = Range(low=0.976, high=0.986, mark="D", source="S61 13.75 x 12 h / 8,760 h = 98.1 %, 0.5 points (ours)")
    yield Figure(name="in service, neglected", value=_in_service(of.of(Care.NEGLECTED)), unit="share", range=bounds)


def _down_h(of: Sample) -> list[float]:
    return [(each.cleared_ms - each.failed_ms) / HOUR_MS for each in of.breakdowns]


def _in_service(of: Sample) -> float:
    return 1 - _ratio(sum(_down_h(of)), of.years * YEAR_H)


def _physics(of: Sample) -> Iterator[Figure]:
    bounds = {
        Use.PUBLIC_HOUSING: Range(
            low=500, high=1_000, mark="D", source="S61 3.2 million trips / 3,200 lifts; low end ours"
        ),
        Use.OFFICE: Range(low=750, high=1_538, mark="D", source="S44b, S60 400,000 trips / 260 days"),
    }
    for use, limits in bounds.items():
        days = [_trips_a_workday(spec) for spec, _ in of.lifts if spec.use is use]
        yield Figure(name=f"trips a workday, {use.value}", value=_mean(days), unit="trips", range=limits)
    levels = [abs(error) for spec, _ in of.lifts[:_LEVELS_OF] for error in _levels_mm(spec)]
    limit = Range(low=0.99, high=1, mark="S", source="S1 EN 81-20: new lifts stop within 10 mm")
    share = _ratio(sum(error <= 10 for error in levels), len(levels))  # noqa: PLR2004 - the clause's 10 mm
    yield Figure(name="stops within 10 mm, nothing worn", value=share, unit="share", range=limit)


def _trips_a_workday(spec: LiftSpec) -> float:
    monday = _TUESDAY - timedelta(days=1)
    return (trips_before(spec, monday + timedelta(days=_WORKDAYS)) - trips_before(spec, monday)) / _WORKDAYS


def _levels_mm(spec: LiftSpec) -> list[float]:
    return [tenths / 10 for tenths in cycles(spec, [], _TUESDAY, []).error_tenth_mm.tolist()]


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else 0.0


def _mean(values: Sequence[float]) -> float:
    return _ratio(sum(values), len(values))


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}" if value >= 1 else f"{value:.3f}"  # noqa: PLR2004
