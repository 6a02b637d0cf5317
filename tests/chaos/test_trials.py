"""A short run of trials, one of each sort of failure; the long one is `make chaos`."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos import hasty
from tests.chaos.content import Twists
from tests.chaos.plan import DISK_FULL, KILL_BROKER, POISON, TOPOLOGIES, Fault, Plan
from tests.chaos.stage import Servers
from tests.chaos.tiny_disk import why_not
from tests.chaos.trial import run_trial

EMBEDDED, SERVERS, _, TWO_WORKERS = TOPOLOGIES
FULL = Fault(DISK_FULL, 1.0, 1.5)
INGEST_LATER = Fault("kill ingest", 3.2, 0.2)
INFLUXDB = Fault("kill InfluxDB", 0.8, 1.5)
LINE = Fault(POISON, 0.0, 0.0)
POSTGRESQL = Fault("kill PostgreSQL", 1.0, 0.5)
INGEST = Fault("kill ingest", 1.5, 0.5)
MOSQUITTO = Fault(KILL_BROKER, 1.5, 0.5)
NETWORK = Fault("half-open InfluxDB", 1.2, 1.0)
PLANS = (
    Plan(1_001, EMBEDDED, (FULL, INGEST_LATER), Twists(duplicates=True)),
    Plan(1_002, SERVERS, (INFLUXDB, LINE), Twists(poison=True, garbage=True)),
    Plan(1_003, TWO_WORKERS, (POSTGRESQL, INGEST), Twists()),
    Plan(1_004, SERVERS, (MOSQUITTO, NETWORK), Twists(clock_steps=True)),
)
SHORT_S = 3.0


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """Servers of their own, for they are killed."""
    with Servers(tmp_path_factory.mktemp("servers")) as opened:
        yield opened


@pytest.mark.parametrize("plan", PLANS, ids=lambda plan: plan.words())
def test_nothing_is_lost_and_nothing_is_doubled_whatever_fails(plan: Plan, servers: Servers, tmp_path: Path) -> None:
    if DISK_FULL in plan.words() and why_not() is not None:
        pytest.skip(str(why_not()))
    outcome = run_trial(plan, servers, tmp_path / "trial", length_s=SHORT_S)
    assert outcome.verdict.faults() == []
    assert outcome.verdict.messages > 500


def test_a_service_that_acknowledges_before_it_keeps_is_found_out(servers: Servers, tmp_path: Path) -> None:
    plan = Plan(1_005, EMBEDDED, (Fault("kill ingest", 1.5, 0.0),), Twists())
    outcome = run_trial(plan, servers, tmp_path / "trial", hasty.COMMAND, length_s=SHORT_S, settle_s=1.0)
    assert outcome.verdict.lost != []
