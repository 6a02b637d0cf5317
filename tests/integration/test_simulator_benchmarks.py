"""The benchmarks of the simulator run, small: what nobody runs is broken on the day when a figure is asked for."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.servers import find_program

ROOT = Path(__file__).parent.parent.parent


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("simulator_history", "--lifts 2 --days 3", "messages a second of CPU"),
        ("simulator_publishing", "--lifts 5 --seconds 1 --traffic 0.1", "of one core"),
    ],
)
def test_a_benchmark_of_the_simulator_says_what_it_measured(name: str, options: str, words: str) -> None:
    find_program("mosquitto")
    command = [sys.executable, "-m", f"benchmarks.{name}", *options.split()]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert words in done.stdout
