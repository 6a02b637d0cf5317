"""A service that is broken on purpose: it acknowledges what it takes at once, before anything is kept.

Run as `python -m tests.chaos.hasty serve`. A trial that does not find it out would find nothing out.
"""

import sys
import time
from collections.abc import Sequence
from typing import cast

from api.composition import open_parts
from api.serve import Serving
from api.settings import load_settings
from ingest.broker import Broker, Delivery
from ingest.clock import SystemClock

COMMAND = ("-m", "tests.chaos.hasty", "serve")
HOLD_S = 0.5


class HastyBroker:
    """The port before another one: what is taken is acknowledged at once, and then held for a while."""

    def __init__(self, inner: Broker) -> None:
        """Take from `inner`."""
        self._inner = inner

    def take(self, most: int, wait_s: float) -> list[Delivery]:
        """Take, and promise what is not yet so."""
        taken = self._inner.take(most, wait_s)
        self._inner.acknowledge(taken)
        time.sleep(HOLD_S if taken else 0)
        return taken

    def acknowledge(self, deliveries: Sequence[Delivery]) -> None:
        """Do nothing: it is done."""


def main() -> int:
    """Serve as `liftwatch serve` does, but for the broker."""
    serving = Serving(open_parts(load_settings(None), SystemClock()))
    ingesting = serving._ingesting
    assert ingesting is not None
    hasty = cast("Broker", HastyBroker(ingesting.broker))  # as much of the port as worker and keeper use
    ingesting.worker._broker = ingesting.keeper._broker = hasty
    return serving.run()


if __name__ == "__main__":
    sys.exit(main())
