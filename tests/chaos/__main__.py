"""Run chaos trials: `python -m tests.chaos --trials 100 --seed 1 --report docs/reliability.md`."""

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from tests.chaos.plan import DISK_FULL, plan_of
from tests.chaos.report import write_report
from tests.chaos.stage import Servers
from tests.chaos.tiny_disk import why_not
from tests.chaos.trial import Outcome, run_trial


def main() -> int:
    """Run the trials that the command line asks for; return 1 where one of them failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description="seeded failures of a whole service")
    parser.add_argument("--trials", type=int, default=10, help="how many (10)")
    parser.add_argument("--seed", type=int, default=1, help="the seed of the first; the others follow it (1)")
    parser.add_argument("--report", type=Path, help="write the table of trials into this file")
    parser.add_argument("--folder", type=Path, help="keep everything here; else only what failed is kept")
    given = parser.parse_args()
    folder = given.folder or Path(tempfile.mkdtemp(prefix="liftwatch-chaos-"))
    without = skipped()
    (folder / "servers").mkdir(parents=True)
    with Servers(folder / "servers") as servers:
        seeds = range(given.seed, given.seed + given.trials)
        outcomes = [_run(seed, servers, folder, without, keep=given.folder is not None) for seed in seeds]
    failed = [outcome for outcome in outcomes if not outcome.verdict.is_good]
    if given.report is not None:
        write_report(given.report, outcomes, without)
    if not failed and given.folder is None:
        shutil.rmtree(folder)
    print(f"{len(outcomes)} trials, {len(failed)} failed" + (f"; see {folder}" if failed else ""))
    return 1 if failed else 0


def skipped() -> dict[str, str]:
    """Return the failures that this machine does not allow, with the reason, and say so."""
    reason = why_not()
    without = {} if reason is None else {DISK_FULL: reason}
    for name, words in without.items():
        print(f"skipped: {name}: {words}")
    return without


def _run(seed: int, servers: Servers, folder: Path, without: dict[str, str], *, keep: bool) -> Outcome:
    own = folder / f"seed-{seed}"
    outcome = run_trial(plan_of(seed, without), servers, own)
    print(outcome.line(), flush=True)
    for fault in outcome.verdict.faults():
        print(f"    {fault}", flush=True)
    if outcome.verdict.is_good and not keep:
        shutil.rmtree(own)
    return outcome


if __name__ == "__main__":
    sys.exit(main())
