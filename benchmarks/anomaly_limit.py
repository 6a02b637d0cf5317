"""How often nothing is taken for an anomaly, by distance: on lifts of a simulated fleet at which nothing wore or broke.

`python -m benchmarks.anomaly_limit --cache fleet1000.npz`. A lift counts on days that are
at least 60 days after any wear or failure of it.
"""

import argparse
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

from analytics import anomaly
from analytics.series import DailySeries
from benchmarks.simulated_fleet import SimulatedFleet, load_cache

_QUIET = timedelta(days=60)
_STEP_DAYS = 7


def busy(fleet: SimulatedFleet) -> dict[str, list[tuple[datetime, datetime]]]:
    """Return when something was going on at each lift."""
    times: dict[str, list[tuple[datetime, datetime]]] = {lift.lift_id: [] for lift in fleet.truth.lifts}
    for wear in fleet.truth.wears:
        times[wear.lift_id].append((wear.began_at, wear.ended_at + _QUIET))
    for failure in fleet.truth.failures:
        times[failure.lift_id].append((failure.failed_at, failure.cleared_at + _QUIET))
    return times


def main() -> None:
    """Print how many false anomalies each distance makes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cache", type=Path, default=Path("fleet1000.npz"))
    parser.add_argument("--blocks", type=int, default=4)
    options = parser.parse_args()
    fleet = load_cache(options.cache)
    times, start = busy(fleet), datetime.combine(fleet.first_day, datetime.min.time(), UTC)
    blocks = [fleet.block(number) for number in range(options.blocks)]
    print("| distance, spreads | lift-years | by channel | a lift-year and channel |")
    print("|--:|--:|---|--:|")
    usual = anomaly.DISTANCE
    for distance in (4.0, 5.0, 6.0, 8.0):
        anomaly.DISTANCE = distance
        count: Counter[str] = Counter()
        watched = 0
        for block in blocks:
            kept = [number for number, key in enumerate(block.keys) if key.floor is None]
            keys = [block.keys[number] for number in kept]
            for day in range(90, fleet.days + 1, _STEP_DAYS):
                at = start + timedelta(days=day)
                quiet = {
                    lift_id
                    for lift_id in {key.lift_id for key in keys}
                    if not any(begin <= at <= end for begin, end in times[lift_id])
                }
                watched += len(quiet) * _STEP_DAYS
                known = DailySeries(keys, block.first_day, block.values[kept, :day], block.counts[kept, :day])
                found = anomaly.anomaly_findings(known, at)
                count.update(str(each.channel) for each in found if each.lift_id in quiet)
        years = max(watched, 1) / 365
        most = ", ".join(f"{channel} {number}" for channel, number in count.most_common(4)) or "none"
        rate = count.total() / years / len(anomaly.ANOMALY_CHANNELS)
        print(f"| {distance:.0f} | {years:.0f} | {most} | {rate:.4f} |", flush=True)
    anomaly.DISTANCE = usual


if __name__ == "__main__":
    main()
