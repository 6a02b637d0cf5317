"""How much evidence of a ramp is needed: a table that `benchmarks/drift_thresholds.py` made by simulation.

So that a series of a lift that is well gives one false finding in 20 lift-years (7,300 days) of watching: 21,918
lift-years of autocorrelated noise (0.5) with 2 % odd days, seed 20 (`--series 16000`).
"""

import math

DAYS_KNOWN = (30.0, 40.0, 50.0, 60.0, 80.0, 100.0, 130.0, 160.0, 200.0, 240.0, 280.0)
THRESHOLDS = (2.83, 2.54, 2.7, 2.59, 2.79, 3.27, 3.44, 3.56, 3.62, 3.83, 3.73)


def shared(series: int) -> float:
    """Return how much more evidence each of some series needs that share one budget, as the landings of a lift do.

    The evidence is the logarithm of a likelihood ratio: so many times rarer asks for so many times as much of it.
    """
    return math.log(max(series, 1))
