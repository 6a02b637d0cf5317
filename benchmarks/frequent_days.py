"""How often a controller that is well would be said to start again too often, by how often it does so anyhow.

`python -m benchmarks.frequent_days` draws lifts whose controllers start again by chance, on as many days a year.
"""

import argparse

import numpy as np

from analytics.frequency import frequency

RATES_A_YEAR = (0.5, 2.0, 4.0, 12.0, 26.0, 52.0)
FIRST_END = 30


def false_findings(rng: np.random.Generator, rate: float, lifts: int, days: int) -> int:
    """Return of how many lifts the evidence was enough on any day, of chance alone."""
    told = 0
    for _ in range(lifts):
        flags = (rng.random(days) < rate / 365).astype(np.float64)
        told += bool(frequency(flags, range(FIRST_END, days + 1)).score.max() > 0)
    return told


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lifts", type=int, default=2_000)
    parser.add_argument("--days", type=int, default=730)
    parser.add_argument("--seed", type=int, default=3)
    options = parser.parse_args()
    rng, years = np.random.default_rng(options.seed), options.lifts * (options.days - FIRST_END) / 365
    print("| starts a year | lift-years | false findings | for 20 lift-years |")
    print("|--:|--:|--:|--:|")
    for rate in RATES_A_YEAR:
        told = false_findings(rng, rate, options.lifts, options.days)
        print(f"| {rate:g} | {years:,.0f} | {told} | {20 * told / years:.2f} |")


if __name__ == "__main__":
    main()
