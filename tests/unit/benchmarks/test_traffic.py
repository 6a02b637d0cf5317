from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import islice

import pytest

from benchmarks.parts.traffic import KINDS, SHARES, Publication, Traffic, rfc3339
from ingest.intake import Intake
from ingest.messages import FaultReport, Kind, Message

T0_MS = 1_767_600_000_123


def accepted(publications: Iterable[Publication]) -> Iterator[Message]:
    """Give what the service would accept; it must be everything, and nothing that it does not know."""
    intake = Intake({})
    for topic, payload in publications:
        taken = intake.take(topic, payload, T0_MS, lambda _lift_id: None)
        assert not taken.quarantined
        assert not taken.unknown_fields
        yield from taken.accepted


def test_every_message_is_one_that_the_service_accepts() -> None:
    traffic = Traffic(50)

    assert len(list(accepted(traffic.singles(3_000, T0_MS - 60_000, T0_MS)))) == 3_000
    assert len(list(accepted(traffic.arrays(100, 20, T0_MS - 60_000, T0_MS - 2_000)))) == 2_000


def test_every_lift_says_every_kind_once_for_the_warm_up() -> None:
    messages = list(accepted(Traffic(5).everything(T0_MS)))

    assert len({(message.lift_id, message.kind) for message in messages}) == len(messages) == 5 * len(Kind)
    assert {Kind(kind) for kind in KINDS} == set(Kind)


def test_the_warm_up_rings_nowhere() -> None:
    faults = [message.body for message in accepted(Traffic(5).everything(T0_MS)) if message.kind is Kind.FAULT]

    assert all(isinstance(fault, FaultReport) and fault.phase == "cleared" for fault in faults)


def test_a_lift_numbers_what_it_says_over_all_kinds() -> None:
    traffic = Traffic(7)
    publications = [*traffic.singles(70, T0_MS, T0_MS), *traffic.arrays(14, 3, T0_MS, T0_MS)]
    numbers = defaultdict(list)
    for message in accepted(publications):
        numbers[message.lift_id].append(message.body.seq)

    assert len(numbers) == 7
    for seqs in numbers.values():
        assert seqs == list(range(seqs[0] or 0, (seqs[0] or 0) + 16))


def test_the_size_is_that_of_a_usual_message() -> None:
    sizes = [len(each.payload) for each in Traffic(1_000).singles(20_000, T0_MS, T0_MS)]

    assert sum(sizes) / len(sizes) == pytest.approx(214, abs=3)


@pytest.mark.parametrize("lifts", [10, 500, 1_000, 3_000])
def test_no_lift_says_the_same_kind_for_ever(lifts: int) -> None:
    kinds = defaultdict(set)
    for topic, _payload in Traffic(lifts).singles(lifts * 20, T0_MS, T0_MS):
        lift_id, kind = topic.split("/")[2:]
        kinds[lift_id].add(kind)

    assert min(len(some) for some in kinds.values()) >= 2


def test_the_shares_are_kept() -> None:
    kinds = [topic.rpartition("/")[2] for topic, _payload in Traffic(100).singles(10_000, T0_MS, T0_MS)]

    assert {kind: kinds.count(kind) for kind in SHARES} == {
        kind: pytest.approx(share * 10, rel=0.1) for kind, share in SHARES.items()
    }


def test_the_same_seed_says_the_same() -> None:
    first, again, other = (list(islice(Traffic(9, seed).singles(50, T0_MS, T0_MS), 50)) for seed in (1, 1, 2))

    assert first == again != other


def test_an_entrapment_is_raised_in_the_lift_that_was_named() -> None:
    (message,) = accepted([Traffic(20).entrapment(13, T0_MS)])

    assert (message.lift_id, message.kind) == ("lift-00013", Kind.FAULT)
    assert isinstance(message.body, FaultReport)
    assert (message.body.code, message.body.phase) == ("entrapment", "raised")


def test_instants_are_written_as_controllers_write_them() -> None:
    assert rfc3339(T0_MS) == "2026-01-05T08:00:00.123Z"
