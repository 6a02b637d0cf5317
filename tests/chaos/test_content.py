"""What a fleet says is the same for the same seed, numbered without a gap, and rings as docs/alerts.md says."""

import json
from collections import defaultdict

import pytest

from alerts.rules import RuleBook
from tests.chaos.content import RINGING, SILENT, Said, Twists, compose
from tests.chaos.verdict import key_of_said

SEEDS = range(20)
ODD = Twists(duplicates=True, reordering=True, clock_steps=True, garbage=True, poison=True)
START_MS = 1_700_000_000_000


def said_in(seed: int, twists: Twists) -> list[Said]:
    return [said for publication in compose(seed, twists, START_MS, 6.0) for said in publication.said]


def test_a_seed_says_the_same_each_time_and_another_seed_something_else() -> None:
    assert compose(1, ODD, START_MS, 6.0) == compose(1, ODD, START_MS, 6.0)
    assert compose(1, ODD, START_MS, 6.0) != compose(2, ODD, START_MS, 6.0)


@pytest.mark.parametrize("twists", [Twists(), ODD])
def test_every_lift_numbers_what_it_says_without_a_gap(twists: Twists) -> None:
    for seed in SEEDS:
        numbers: dict[tuple[str, str], set[int]] = defaultdict(set)
        for said in said_in(seed, twists):
            if said.number is not None:
                numbers[said.lift_id, said.number[0]].add(said.number[1])
        assert all(found == set(range(1, len(found) + 1)) for found in numbers.values())


def test_what_is_said_twice_is_said_in_the_same_words() -> None:
    by_key: dict[object, Said] = {}
    count = 0
    for said in said_in(3, ODD):
        assert by_key.setdefault(key_of_said(said), said) == said
        count += 1
    assert len(by_key) < count
    plain = said_in(3, Twists())
    assert len({key_of_said(said) for said in plain}) == len(plain)


def test_the_words_of_a_condition_keep_within_one_boot() -> None:
    for seed in SEEDS:
        boots: dict[tuple[str, str], set[str]] = defaultdict(set)
        for said in said_in(seed, ODD):
            if said.condition is not None and not said.is_old:
                boots[said.lift_id, said.condition].add(said.fields["boot"])
        assert all(len(found) == 1 for found in boots.values())


def test_without_reordering_a_lift_speaks_in_order() -> None:
    for seed in SEEDS:
        heard: dict[tuple[str, str], int] = defaultdict(int)
        for said in said_in(seed, Twists(garbage=True)):
            if said.number is not None:
                assert said.number[1] == heard[said.lift_id, said.number[0]] + 1
                heard[said.lift_id, said.number[0]] = said.number[1]


def test_the_last_word_of_a_lift_that_goes_stays_its_last() -> None:
    for seed in SEEDS:
        gone: set[str] = set()
        for said in said_in(seed, ODD):
            assert said.lift_id not in gone
            if said.fate == "will":
                gone.add(said.lift_id)
        assert len(gone) == 2


def test_payloads_are_json_with_what_was_said_in_them() -> None:
    for publication in compose(5, ODD, START_MS, 6.0):
        if publication.said:
            content = json.loads(publication.payload)
            objects = content if isinstance(content, list) else [content]
            assert objects == [said.fields for said in publication.said]


def test_what_rings_here_is_what_the_rules_say() -> None:
    rules = RuleBook.load()
    for condition, (kind, order) in RINGING.items():
        opens = rules.rule(kind, None if condition == "alarm" else condition).opens_order
        assert (opens.value if opens else None) == order
    assert not set(SILENT) & set(RINGING)
