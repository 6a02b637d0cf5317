"""Numbers as spans: which are there, which are missing between them, and since when that can be seen. Pure.

The spans of a list are in order, and between two of them at least one number is missing.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

# A lift whose numbers make no sense must not fill the database.
SPANS_MAX = 1_000
# Begun at no time: a number that only a history tells of, which says nothing of what should have come.
NEVER_MS = 2**62


class Span(NamedTuple):
    """The numbers `first` to `last` are there; `begun_ms`: when the first of them came, by our clock."""

    first: int
    last: int
    begun_ms: int


class Gap(NamedTuple):
    """The numbers `first` to `last` are missing; `seen_ms`: when a number above them came first, by our clock."""

    first: int
    last: int
    seen_ms: int


def spans_of(numbers: Iterable[int], begun_ms: int) -> list[Span]:
    """Return numbers, in any order and with repeats, as spans."""
    spans: list[Span] = []
    first = last = None
    for number in sorted(numbers):
        if last is None or number > last + 1:
            if first is not None and last is not None:
                spans.append(Span(first, last, begun_ms))
            first = number
        last = number
    if first is not None and last is not None:
        spans.append(Span(first, last, begun_ms))
    return spans


def joined(one: Sequence[Span], other: Sequence[Span]) -> list[Span]:
    """Return the numbers of both."""
    if not one or not other:
        return [*one, *other]
    if one[-1].last < other[0].first:  # the usual case: the numbers go on
        return _after(one, other)
    spans: list[Span] = []
    for span in sorted([*one, *other]):
        if spans and span.first <= spans[-1].last + 1:
            before = spans[-1]
            spans[-1] = Span(before.first, max(before.last, span.last), min(before.begun_ms, span.begun_ms))
        else:
            spans.append(span)
    return spans


def _after(one: Sequence[Span], other: Sequence[Span]) -> list[Span]:
    below, above = one[-1], other[0]
    if below.last + 1 < above.first:
        return [*one, *other]
    return [*one[:-1], Span(below.first, above.last, min(below.begun_ms, above.begun_ms)), *other[1:]]


def without(spans: Sequence[Span], others: Sequence[Span]) -> list[Span]:
    """Return the numbers of `spans` that are not in `others`."""
    left: list[Span] = []
    place = 0
    for first, last, begun_ms in spans:
        start = first
        while place < len(others) and others[place].first <= last:
            if others[place].first > start:
                left.append(Span(start, others[place].first - 1, begun_ms))
            start = max(start, others[place].last + 1)
            if start > last:
                break  # it may reach into the next span too
            place += 1
        if start <= last:
            left.append(Span(start, last, begun_ms))
    return left


def count(spans: Iterable[Span | Gap]) -> int:
    """Return how many numbers there are."""
    return sum(span.last - span.first + 1 for span in spans)


def gaps_of(spans: Sequence[Span]) -> list[Gap]:
    """Return what is missing between the first and the last number.

    What comes later and fills a part of a gap does not make the rest of it any younger.
    """
    gaps: list[Gap] = []
    seen_ms = NEVER_MS
    for number in range(len(spans) - 1, 0, -1):
        seen_ms = min(seen_ms, spans[number].begun_ms)
        gaps.append(Gap(spans[number - 1].last + 1, spans[number].first - 1, seen_ms))
    gaps.reverse()
    return gaps
