"""Numbers as spans: which numbers of a boot are there, which are missing, and since when that can be seen. Pure.

A span is [first, last, begun_ms]: every number from `first` to `last` is there; `begun_ms` is our clock when the first
of them came. Spans of a list are in order, and between two of them at least one number is missing.
"""

import itertools
from collections.abc import Iterable, Sequence
from typing import NamedTuple

# A lift whose numbers make no sense must not fill the database: beyond this the oldest gaps are no longer listed.
SPANS_MAX = 1_000


class Span(NamedTuple):
    """The numbers `first` to `last`; `begun_ms`: when the first of them came, our clock."""

    first: int
    last: int
    begun_ms: int

    @property
    def length(self) -> int:
        """How many numbers."""
        return self.last - self.first + 1


class Gap(NamedTuple):
    """The missing numbers `first` to `last`; `seen_ms`: when a number above them came first, our clock."""

    first: int
    last: int
    seen_ms: int

    @property
    def length(self) -> int:
        """How many numbers."""
        return self.last - self.first + 1


def spans_of(numbers: Iterable[int], begun_ms: int) -> list[Span]:
    """Return numbers, in any order and with repeats, as spans."""
    spans: list[Span] = []
    for number in sorted(numbers):
        if spans and number <= spans[-1].last + 1:
            if number > spans[-1].last:
                spans[-1] = Span(spans[-1].first, number, begun_ms)
        else:
            spans.append(Span(number, number, begun_ms))
    return spans


def joined(one: Sequence[Span], other: Sequence[Span]) -> list[Span]:
    """Return the numbers of both."""
    if one and other and one[-1].last + 1 == other[0].first:  # the usual case: the numbers go on
        middle = Span(one[-1].first, other[0].last, one[-1].begun_ms)
        return [*one[:-1], middle, *other[1:]]
    spans: list[Span] = []
    for span in sorted([*one, *other]):
        if spans and span.first <= spans[-1].last + 1:
            before = spans[-1]
            spans[-1] = Span(before.first, max(before.last, span.last), min(before.begun_ms, span.begun_ms))
        else:
            spans.append(span)
    return spans


def without(spans: Sequence[Span], others: Sequence[Span]) -> int:
    """Return how many numbers of `spans` are not in `others`."""
    return count(joined(spans, others)) - count(others)


def count(spans: Iterable[Span]) -> int:
    """Return how many numbers there are."""
    return sum(span.length for span in spans)


def gaps_of(spans: Sequence[Span]) -> list[Gap]:
    """Return what is missing between the first and the last number."""
    return [Gap(below.last + 1, above.first - 1, above.begun_ms) for below, above in itertools.pairwise(spans)]


def bounded(spans: list[Span]) -> tuple[list[Span], int]:
    """Return at most `SPANS_MAX` spans, and how many missing numbers are no longer listed because of that."""
    excess = len(spans) - SPANS_MAX
    if excess <= 0:
        return spans, 0
    old = spans[: excess + 1]
    first = Span(old[0].first, old[-1].last, old[0].begun_ms)
    return [first, *spans[excess + 1 :]], first.length - count(old)
