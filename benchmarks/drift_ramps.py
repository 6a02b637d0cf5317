"""How late a ramp is found, against a detector that knows slope, level and noise; and how often nothing is.

Daily values with marginal standard deviation 1, autocorrelation 0.5, and 2 % odd days that lie off by 5 to 10. The ramp
begins right after 60 days of baseline. The informed detector adds up likelihood ratios of the known ramp over its
unknown first day (CUSUM); its threshold is searched so that it, too, rings once in 20 lift-years.
"""

import argparse
import time

import numpy as np

from analytics import ramps
from analytics.baseline import BASELINE_DAYS, Floats, baseline
from benchmarks.parts.informed import informed_scores
from benchmarks.parts.noise import Noise, noisy, ramp

BUDGET_DAYS = 7_300.0
SLOPES = (0.01, 0.03, 0.1)
REACH = 1.25
_CHUNK = 500
_RESAMPLES = 500
CONDITIONS = {
    "as above": (Noise(), BASELINE_DAYS),
    "no autocorrelation": (Noise(phi=0.0), BASELINE_DAYS),
    "autocorrelation 0.3": (Noise(phi=0.3), BASELINE_DAYS),
    "autocorrelation 0.7": (Noise(phi=0.7), BASELINE_DAYS),
    "5 % odd days of 5 to 30": (Noise(odd_share=0.05, odd_sigma=(5.0, 30.0)), BASELINE_DAYS),
    "Student noise, 3 degrees of freedom": (Noise(heavy=True), BASELINE_DAYS),
    "10 % of the days missing": (Noise(missing_share=0.1), BASELINE_DAYS),
    "25 % of the days missing": (Noise(missing_share=0.25), BASELINE_DAYS),
    "30 days of baseline": (Noise(), 30),
}


def scores(values: Floats, first_end: int) -> Floats:
    """Return how far above its threshold the evidence is, at the end of each day from `first_end` on."""
    total = ramps.sums(baseline(values, np.full(len(values), 1e-9)))
    return ramps.evidence(total, range(first_end, values.shape[1] + 1), np.zeros(len(values))).score


def first_over(score: Floats, limit: float = 0.0) -> Floats:
    """Return after how many days each series rings first; infinite where it does not."""
    is_over = score > limit
    return np.where(is_over.any(axis=1), is_over.argmax(axis=1) + 1.0, np.inf)


def alarms(first: Floats, days: int) -> tuple[int, float]:
    """Return how often it rang, and in how many lift-years of watching until then."""
    return int(np.isfinite(first).sum()), float(np.minimum(first, days).sum() / 365)


def informed_limit(score: Floats) -> float:
    """Return the threshold that the informed detector passes once in 7,300 days."""
    low, high = 0.0, 20.0
    for _ in range(30):
        limit = (low + high) / 2
        count, years = alarms(first_over(score, limit), score.shape[1])
        low, high = (limit, high) if count / (years * 365) > 1 / BUDGET_DAYS else (low, limit)
    return high


def interval(rng: np.random.Generator, first: Floats, other: Floats) -> tuple[float, float, float]:
    """Return the ratio of two medians with its 95 % bootstrap interval over series."""
    ratio = float(np.median(first) / np.median(other))
    draws = [
        np.median(rng.choice(first, len(first))) / np.median(rng.choice(other, len(other))) for _ in range(_RESAMPLES)
    ]
    low, high = np.quantile(draws, (0.025, 0.975))
    return ratio, float(low), float(high)


def delays(rng: np.random.Generator, options: argparse.Namespace) -> None:
    """Print how late each slope is found."""
    quiet = noisy(rng, Noise(), options.series // 2, BASELINE_DAYS + options.days)
    print("| slope, a day | informed, days | this, days | ratio | 95 % | reach | begun after 180 days |")
    print("|--:|--:|--:|--:|--:|--:|--:|")
    for slope in SLOPES:
        limit = informed_limit(informed_scores(quiet, slope, Noise(), BASELINE_DAYS))
        days = BASELINE_DAYS + 260
        rising = noisy(rng, Noise(), options.series, days) + ramp(days, BASELINE_DAYS, slope)
        knows = first_over(informed_scores(rising, slope, Noise(), BASELINE_DAYS), limit)
        ours = first_over(scores(rising, BASELINE_DAYS + 1))
        later = noisy(rng, Noise(), options.series, 180 + 260) + ramp(180 + 260, 180, slope)
        late = np.median(first_over(scores(later, 181)))
        ratio, low, high = interval(rng, ours, knows)
        medians = f"{np.median(knows):.0f} | {np.median(ours):.0f}"
        print(f"| {slope} | {medians} | {ratio:.2f} | {low:.2f}-{high:.2f} | {REACH} | {late:.0f} |", flush=True)


def false_alarms(rng: np.random.Generator, options: argparse.Namespace) -> None:
    """Print how often lifts that are well ring, under several kinds of noise."""
    print("\n| noise | lift-years | false findings | for 20 lift-years | 95 % interval |")
    print("|---|--:|--:|--:|--:|")
    for name, (noise, baseline_days) in CONDITIONS.items():
        count, years = 0, 0.0
        for _ in range(max(1, options.series // _CHUNK)):
            score = scores(noisy(rng, noise, _CHUNK, baseline_days + options.days), baseline_days + 1)
            more = alarms(first_over(score), options.days)
            count, years = count + more[0], years + more[1]
        per, spread = 20 * count / years, 1.96 * 20 * np.sqrt(max(count, 1)) / years
        print(
            f"| {name} | {years:,.0f} | {count} | {per:.2f} | {max(per - spread, 0):.2f}-{per + spread:.2f} |",
            flush=True,
        )


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--series", type=int, default=3_000)
    parser.add_argument("--days", type=int, default=730)
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()
    began, rng = time.monotonic(), np.random.default_rng(options.seed)
    delays(rng, options)
    false_alarms(rng, options)
    print(f"\nseed {options.seed}, {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
