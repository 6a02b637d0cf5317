"""A plan follows from its seed, and plans that follow each other leave no failure out."""

from tests.chaos.plan import DISK_FULL, FAULTS, LENGTH_S, PAUSE_S, POISON, TOPOLOGIES, plan_of

PARTS = {fault.name: fault.part for fault in FAULTS}
SEEDS = range(400)


def test_a_seed_gives_the_same_plan_each_time() -> None:
    assert plan_of(7) == plan_of(7)
    assert len({plan_of(seed).words() for seed in SEEDS}) > 0.9 * len(SEEDS)


def test_seeds_in_a_row_go_through_every_failure() -> None:
    assert {plan_of(seed).faults[0].name for seed in range(100, 100 + len(FAULTS))} == set(PARTS)
    assert {plan_of(seed).topology for seed in SEEDS} == set(TOPOLOGIES)


def test_only_what_is_there_fails() -> None:
    for seed in SEEDS:
        plan = plan_of(seed)
        assert {PARTS[fault.name] for fault in plan.faults} <= plan.topology.parts
        assert 1 <= len(plan.faults) <= 2


def test_failures_begin_in_the_middle_and_two_of_one_part_follow_each_other() -> None:
    for seed in SEEDS:
        faults = [fault for fault in plan_of(seed).faults if fault.name != POISON]
        assert all(fault.begin_s >= 0.2 * LENGTH_S for fault in faults)
        if len(faults) == 2 and PARTS[faults[0].name] == PARTS[faults[1].name]:
            assert faults[1].begin_s >= faults[0].begin_s + faults[0].length_s + PAUSE_S - 0.02


def test_what_a_machine_does_not_allow_is_left_out() -> None:
    assert all(DISK_FULL not in plan_of(seed, [DISK_FULL]).words() for seed in SEEDS)


def test_a_poison_line_is_in_the_stream_where_it_is_in_the_plan() -> None:
    for seed in SEEDS:
        plan = plan_of(seed)
        assert plan.twists.poison is any(fault.name == POISON for fault in plan.faults)
