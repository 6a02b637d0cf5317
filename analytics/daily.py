"""What daily values tell of a fleet as of an instant, block by block: each once for a day and a state of its data.

A block is some lifts that are built alike, so that they can be compared with each other. What is found of a block
depends on nothing but the day, its lifts, their visits and their values: it is kept, and found anew when one of them
has changed. So an assessment every minute costs, but for the first of a day, what has changed since the last.
"""

from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from threading import Lock
from typing import TypeVar
from zlib import crc32

from msgspec import Struct, structs

from analytics.catching_up import JUDGED_DAYS, catch_up
from analytics.daily_series import day_of, series_of
from analytics.feature_book import FeatureBook
from analytics.findings import Finding
from analytics.records import begin_of, needed_visits
from analytics.series import DailySeries
from analytics.stale_days import last_settled_day
from analytics.wear_rows import WINDOW_DAYS, WearRows, lately, wear_rows
from analytics.wear_signs import WearSigns, joined, latest_signs
from ingest.clock import EPOCH, to_ms
from ingest.fleet import Lift, Visit
from ingest.fleet_register import FleetRegister
from ingest.telemetry_store import TelemetryStore

BLOCK_LIFTS = 100
# A block ends where it is full or, once it has two fifths of that, at a lift whose name falls so, one in 32: so a lift
# that is registered changes its own block and hardly another, and not every one behind it.
_WHOLE_PART, _ENDS_BLOCK = 2 / 5, 32
# Of 100,000 lifts for one day, or of 20,000 for five.
BLOCKS_REMEMBERED = 2_500
# What was found before stands for so long while days of a block are to be computed: one that cannot be computed must
# not freeze the lifts beside it for ever.
HELD_DAYS = 3
# A lift of which more of the last days are to be computed is not judged: half of them tell what was, not what is. Older
# days are no reason to wait: without them a lift is judged like one that was connected later.
STALE_DAYS_MAX = 7


class Block(Struct, frozen=True, kw_only=True):
    """Some lifts that are built alike, their daily values and their visits; nothing of it later than `as_of`.

    `wear` is what can wear of the series, made once for whoever asks. `as_of` is the end of the last day of the series;
    visits, ordered by instant, may be later than that, but not later than the instant of the assessment.
    """

    lifts: Sequence[Lift]
    series: DailySeries
    wear: WearRows
    visits: Sequence[Visit]
    as_of: datetime


Judge = Callable[[Block], list[Finding]]
_Key = TypeVar("_Key")
_Value = TypeVar("_Value")


class _Known(Struct, frozen=True):
    """What was found of a block, as of which day, and of what it was found."""

    day: int
    lift_ids: tuple[str, ...]
    visits: int  # a hash: years of visits are not held for it
    revisions: tuple[int, ...]
    findings: list[Finding]


class _Signed(Struct, frozen=True):
    """How worn a block looks, as of which day, and of what values."""

    day: int
    lift_ids: tuple[str, ...]
    revisions: tuple[int, ...]
    signs: WearSigns | None


class Daily:
    """Findings that rest on daily values. Safe to share between threads."""

    def __init__(
        self, book: FeatureBook, store: TelemetryStore, register: FleetRegister, judges: Sequence[Judge] = ()
    ) -> None:
        """Keep values in `book`, computed from `store`; each of the `judges` is asked of each block."""
        self._book, self._store, self._register, self._judges = book, store, register, judges
        self._lock = Lock()
        self._known: OrderedDict[tuple[int, str], _Known] = OrderedDict()
        self._changed: dict[str, int] = {}
        self._seen_revision = -1
        self._signed: OrderedDict[tuple[int, str], _Signed] = OrderedDict()
        self._joined: tuple[list[WearSigns], WearSigns] | None = None

    def catch_up(self, as_of: datetime, has_time: Callable[[], bool] = lambda: True) -> bool:
        """Compute the values of days that are over at `as_of` and marked; return whether nothing is left of them.

        Raises:
            StoreUnavailableError: the store cannot answer now; what was computed before stays.
        """
        return catch_up(self._book, self._store, last_settled_day(to_ms(as_of)), has_time)

    def findings(
        self, as_of: datetime, lift_ids: Collection[str] | None = None, visits: Sequence[Visit] | None = None
    ) -> list[Finding]:
        """Return what the judges find of the lifts (all where None).

        `visits` are those of all lifts that count (`records`), where they are known already. While days of a block are
        left to compute, what was found of it before stands, rather than what half of the data would tell.
        """
        if not self._judges:
            return []
        wanted = None if lift_ids is None else set(lift_ids)
        blocks, day, stale = self._blocks(as_of)
        if wanted is not None:
            blocks = [block for block in blocks if any(lift.lift_id in wanted for lift in block)]
        by_lift = _by_lift(self._visits(as_of, blocks) if visits is None else visits)
        found = [item for block in blocks for item in self._of_block(block, by_lift, day, stale)]
        return [structs.replace(item, as_of=as_of) for item in found if wanted is None or item.lift_id in wanted]

    def signs(self, as_of: datetime) -> WearSigns | None:
        """Return how worn the parts of all lifts look; None where no lift tells. The same until something changes."""
        blocks, day, stale = self._blocks(as_of)
        each = [self._signs_of_block(block, day, stale) for block in blocks]
        found = [signs for signs in each if signs is not None]
        with self._lock:
            known = self._joined
            if known is None or list(map(id, known[0])) != list(map(id, found)):
                known = self._joined = found, joined(found)
        return known[1] if known[1].is_any_watched else None

    def _blocks(self, as_of: datetime) -> tuple[list[list[Lift]], int, Mapping[str, int]]:
        """Return the blocks, the last day that is over, and how many of its last days each lift still lacks."""
        day = last_settled_day(to_ms(as_of))
        self._note_changes()
        stale = self._book.stale_lifts(day - JUDGED_DAYS + 1, day)
        return blocks_of([item.lift for item in self._register.lifts()]), day, stale

    def _note_changes(self) -> None:
        """Learn which lifts have got other values since the last time; at first nothing is known of any."""
        with self._lock:
            newest = self._book.revision()
            if self._seen_revision >= 0 and newest != self._seen_revision:
                self._changed |= self._book.changed_since(self._seen_revision)
            self._seen_revision = newest

    def _visits(self, as_of: datetime, blocks: Sequence[Sequence[Lift]]) -> list[Visit]:
        lift_ids = [lift.lift_id for block in blocks for lift in block]
        own = (item.visit for lift_id in lift_ids for item in self._register.visits(as_of, lift_id=lift_id))
        return needed_visits(own, begin_of(as_of))

    def _of_block(
        self, lifts: Sequence[Lift], visits: Mapping[str, Sequence[Visit]], day: int, stale: Mapping[str, int]
    ) -> list[Finding]:
        lift_ids = tuple(lift.lift_id for lift in lifts)
        own = tuple(visit for lift_id in lift_ids for visit in visits.get(lift_id, ()))
        of_visits, revisions = hash(own), self._revisions(lift_ids)
        with self._lock:
            of_day = self._known.get((day, lift_ids[0]))
            before = of_day or self._known.get((day - 1, lift_ids[0]))
        if of_day is not None and (of_day.lift_ids, of_day.visits, of_day.revisions) == (
            lift_ids,
            of_visits,
            revisions,
        ):
            return of_day.findings
        if before is not None and _is_held(before, lift_ids, day, stale):
            known = structs.replace(before, revisions=())  # for tomorrow; of no state of today's values
        else:
            wear = self._wear(_judged_of(lift_ids, stale), day)
            self._note_signs(lift_ids, revisions, day, wear)
            findings = [] if wear is None else self._judged(lifts, own, day, wear)
            known = _Known(day, lift_ids, of_visits, revisions, findings)
        with self._lock:
            _remember(self._known, (day, lift_ids[0]), known)
        return known.findings

    def _judged(self, lifts: Sequence[Lift], visits: Sequence[Visit], day: int, wear: WearRows) -> list[Finding]:
        block = Block(
            lifts=lifts,
            series=wear.series,
            wear=wear,
            visits=sorted(visits, key=lambda visit: visit.done_at),
            as_of=EPOCH + timedelta(days=day + 1),
        )
        return [item for judge in self._judges for item in judge(block)]

    def _signs_of_block(self, lifts: Sequence[Lift], day: int, stale: Mapping[str, int]) -> WearSigns | None:
        lift_ids = tuple(lift.lift_id for lift in lifts)
        revisions = self._revisions(lift_ids)
        with self._lock:
            of_day = self._signed.get((day, lift_ids[0]))
            before = of_day or self._signed.get((day - 1, lift_ids[0]))
        if of_day is not None and (of_day.lift_ids, of_day.revisions) == (lift_ids, revisions):
            return of_day.signs
        if before is not None and _is_held(before, lift_ids, day, stale):
            with self._lock:
                _remember(self._signed, (day, lift_ids[0]), structs.replace(before, revisions=()))
            return before.signs
        return self._note_signs(lift_ids, revisions, day, self._wear(_judged_of(lift_ids, stale), day))

    def _note_signs(
        self, lift_ids: tuple[str, ...], revisions: tuple[int, ...], day: int, wear: WearRows | None
    ) -> WearSigns | None:
        """Make the signs of a block's values, once: what asks for them later need not read the values again."""
        with self._lock:
            known = self._signed.get((day, lift_ids[0]))
        if known is not None and (known.lift_ids, known.revisions) == (lift_ids, revisions):
            return known.signs
        signs = None if wear is None else latest_signs(wear)
        with self._lock:
            _remember(self._signed, (day, lift_ids[0]), _Signed(day, lift_ids, revisions, signs))
        return signs

    def _revisions(self, lift_ids: Sequence[str]) -> tuple[int, ...]:
        with self._lock:
            return tuple(self._changed.get(lift_id, 0) for lift_id in lift_ids)

    def _wear(self, lift_ids: Sequence[str], day: int) -> WearRows | None:
        values = self._book.values(lift_ids, day - WINDOW_DAYS + 1, day)
        if not len(values.lift):
            return None
        first = int(values.lift["day"].min())
        return wear_rows(lately(series_of(values, day_of(first), day - first + 1)))


def _is_held(before: _Known | _Signed, lift_ids: tuple[str, ...], day: int, stale: Mapping[str, int]) -> bool:
    """Tell whether what was found before stands: days of the block are to be computed, and that not for too long."""
    is_behind = any(lift_id in stale for lift_id in lift_ids)
    return is_behind and before.lift_ids == lift_ids and day - before.day <= HELD_DAYS


def _judged_of(lift_ids: Sequence[str], stale: Mapping[str, int]) -> list[str]:
    return [lift_id for lift_id in lift_ids if stale.get(lift_id, 0) <= STALE_DAYS_MAX]


def _remember(known: OrderedDict[_Key, _Value], key: _Key, value: _Value) -> None:
    known[key] = value
    known.move_to_end(key)
    while len(known) > BLOCKS_REMEMBERED:
        known.popitem(last=False)


def _by_lift(visits: Sequence[Visit]) -> dict[str, list[Visit]]:
    found: dict[str, list[Visit]] = {}
    for visit in sorted(visits, key=lambda visit: (visit.done_at, visit.kind.value)):
        found.setdefault(visit.lift_id, []).append(visit)
    return found


def blocks_of(lifts: Sequence[Lift], size: int = BLOCK_LIFTS) -> list[list[Lift]]:
    """Return the lifts in blocks of at most `size`, those that are built alike side by side."""
    blocks: list[list[Lift]] = []
    for lift in sorted(lifts, key=_likeness):
        if not blocks or _is_whole(blocks[-1], size):
            blocks.append([])
        blocks[-1].append(lift)
    return blocks


def _is_whole(block: Sequence[Lift], size: int) -> bool:
    ends = len(block) >= _WHOLE_PART * size and crc32(block[-1].lift_id.encode()) % _ENDS_BLOCK == 0
    return ends or len(block) == size


def _likeness(lift: Lift) -> tuple[str, ...]:
    return lift.drive or "", lift.maker or "", lift.model or "", lift.site_id or "", lift.lift_id
