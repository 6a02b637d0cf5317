"""Spans are sets of numbers, and gaps what is missing between them."""

import itertools
from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from ingest.ledger_spans import NEVER_MS, Gap, Span, count, gaps_of, joined, spans_of, without

NUMBERS = st.sets(st.integers(0, 40))


def members(spans: Iterable[Span | Gap]) -> set[int]:
    return {number for span in spans for number in range(span.first, span.last + 1)}


def in_order(spans: list[Span]) -> bool:
    return all(above.first > below.last + 1 for below, above in itertools.pairwise(spans))


@given(st.lists(st.integers(0, 40)))
def test_numbers_in_any_order_and_with_repeats_are_spans(numbers: list[int]) -> None:
    spans = spans_of(numbers, 5)
    assert members(spans) == set(numbers)
    assert in_order(spans)
    assert count(spans) == len(set(numbers))


@given(NUMBERS, NUMBERS)
def test_spans_are_joined_and_taken_apart_like_sets(one: set[int], other: set[int]) -> None:
    both = joined(spans_of(one, 5), spans_of(other, 3))
    assert members(both) == one | other
    assert in_order(both)
    assert members(without(spans_of(one, 5), spans_of(other, 3))) == one - other
    assert in_order(without(spans_of(one, 5), spans_of(other, 3)))


@given(st.lists(st.tuples(NUMBERS, st.integers(0, 9)), max_size=5))
def test_a_gap_is_seen_when_the_first_number_above_it_comes(batches: list[tuple[set[int], int]]) -> None:
    spans: list[Span] = []
    for numbers, at_ms in batches:
        spans = joined(spans, spans_of(numbers, at_ms))
    known = {number for numbers, _ in batches for number in numbers}
    gaps = gaps_of(spans)
    assert members(gaps) == set(range(min(known, default=0), max(known, default=0))) - known
    for gap in gaps:
        assert gap.seen_ms == min(at_ms for numbers, at_ms in batches for number in numbers if number > gap.last)


@given(st.permutations([([1, 2], 7), ([4], 3), ([5, 9], 5), ([8], 1)]))
def test_the_order_in_which_batches_are_joined_does_not_matter(batches: list[tuple[list[int], int]]) -> None:
    spans: list[Span] = []
    for numbers, at_ms in batches:
        spans = joined(spans, spans_of(numbers, at_ms))
    assert spans == [Span(1, 2, 7), Span(4, 5, 3), Span(8, 9, 1)]


def test_what_a_history_tells_was_never_expected() -> None:
    (gap,) = gaps_of(joined(spans_of([1], NEVER_MS), spans_of([3], NEVER_MS)))
    assert gap == Gap(2, 2, NEVER_MS)
