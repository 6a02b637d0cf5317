"""How much evidence of a ramp is needed: a table that `benchmarks/drift_thresholds.py` made by simulation.

So that a series of a lift that is well gives one false finding in 20 lift-years (7,300 days) of watching: 87,671
lift-years of autocorrelated noise (0.5) with 2 % odd days, seed 20 (`--series 64000`).
"""

import math

DAYS_KNOWN = (30.0, 40.0, 50.0, 60.0, 80.0, 100.0, 130.0, 160.0, 200.0, 240.0, 280.0)
THRESHOLDS = (3.25, 3.03, 3.18, 2.74, 2.8, 3.06, 3.25, 3.38, 3.51, 3.61, 3.66)


def shared(series: int) -> float:
    """Return how much more evidence each of some series needs that share one budget, as the landings of a lift do.

    The evidence is the logarithm of a likelihood ratio: so many times rarer asks for so many times as much of it.
    """
    return math.log(max(series, 1))
