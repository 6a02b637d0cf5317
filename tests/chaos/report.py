"""The report of a run: what was tried, what was lost, and how to run it again. Written into docs/reliability.md."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tests.chaos.content import LIFTS
from tests.chaos.plan import FAULTS, LENGTH_S
from tests.chaos.trial import BROKER_MEMORY_S, READY_S_MAX, Outcome

_INTRODUCTION = """# Reliability

What Liftwatch promises (nothing acknowledged is lost, nothing is doubled, one cause rings once) is tried out on
whole services with real servers: mosquitto, InfluxDB, PostgreSQL. A trial starts them, lets {lifts} lifts speak for
{length:g} s with QoS 1 and known content, lets one or two things fail in the middle, heals everything, waits for
quiet, and compares:

- every message that the broker acknowledged to its lift is in the telemetry store exactly once and unaltered, or,
  where it is none, in quarantine exactly once; nothing else is in either;
- every alert and work order that follows from the messages is there exactly once, open or cleared as the lift's
  last word says, and every alert is linked to the one order of its cause. Where messages may overtake each other
  (several processes, a reordered stream, a killed broker) a clear can come before its raise, which then never
  rings: the trial then demands that what stands at the end is open, and that nothing rang twice;
- the ledger of each lift and boot says the right number stored and the right gaps;
- each process is ready again within {ready:g} s of the healing, never ended by itself, and stops in order.

Where mosquitto is killed, it loses by itself what it has acknowledged to lifts but not yet written to disk (it
writes every second or two, at best). It also keeps no shared subscription on disk: where several processes share
the lifts, whatever comes after its start and before the first of them is back, it acknowledges and drops. Such
messages are counted apart, under strict conditions that a proxy between mosquitto and Liftwatch reads along:
acknowledged to the lift at most {memory:g} s before the kill and never acknowledged to mosquitto by Liftwatch, or
acknowledged after the start and before a subscription, and never delivered. All others count as lost.

A forgotten connection is one that no longer passes anything and is never reset: only the keepalive can notice it.
In a half-open network connections fall silent and are reset when it heals. The disk is full under the data folder
with the spool; where telemetry has a server of its own, that answers 503 meanwhile, so that the spool is needed. A
poison line is one that InfluxDB refuses with 400, with whatever stands beside it.

## How to run it again

`make chaos TRIALS=100` runs seeds 1 to 100 and writes this file; it needs mosquitto, InfluxDB 1.x and PostgreSQL,
and root for the trials with a full disk (a small tmpfs). `python -m tests.chaos --seed 17 --trials 1` repeats one
of them. A seed fixes failures, their times and what the lifts say; how processes and network interleave is
different each time. `make test` runs a few of them, and shows that a service that acknowledges too early is found
out.
"""


def write_report(path: Path, outcomes: Sequence[Outcome], without: Mapping[str, str]) -> None:
    """Write the report of a run to `path`."""
    path.write_text(report_of(outcomes, without), encoding="utf-8")


def report_of(outcomes: Sequence[Outcome], without: Mapping[str, str]) -> str:
    """Return the report of a run as Markdown; `without` names what this machine did not allow, and why."""
    introduction = _INTRODUCTION.format(lifts=LIFTS, length=LENGTH_S, ready=READY_S_MAX, memory=BROKER_MEMORY_S)
    if not outcomes:
        return f"{introduction}\n## Result\n\nNo long run stands here yet.\n"
    skipped = [f"Not tried: {name} ({reason}).\n" for name, reason in without.items()]
    parts = [introduction, "## Result\n", _summary(outcomes), *skipped]
    parts += ["## By failure\n", _by_failure(outcomes), "## All trials\n", _all(outcomes)]
    return "\n".join(parts)


def _summary(outcomes: Sequence[Outcome]) -> str:
    failed = [str(outcome.plan.seed) for outcome in outcomes if not outcome.verdict.is_good]
    rows: list[tuple[str, object]] = [
        ("trials", len(outcomes)),
        ("trials in which something was wrong", f"{len(failed)} (seeds {', '.join(failed)})" if failed else 0),
        ("messages", _sum(outcomes, lambda outcome: outcome.verdict.messages)),
        ("lost", _sum(outcomes, lambda outcome: len(outcome.verdict.lost))),
        ("doubled", _sum(outcomes, lambda outcome: len(outcome.verdict.doubled))),
        ("alerts or orders missing, doubled or wrong", _sum(outcomes, lambda outcome: len(outcome.verdict.alerts))),
        ("ledgers wrong", _sum(outcomes, lambda outcome: len(outcome.verdict.ledger))),
        ("lost by mosquitto itself", _sum(outcomes, lambda outcome: len(outcome.verdict.lost_by_broker))),
    ]
    return _table(("what", "count"), rows)


def _by_failure(outcomes: Sequence[Outcome]) -> str:
    """Return one row for each failure; a trial with two failures stands in two rows."""
    rows = []
    for fault in FAULTS:
        own = [outcome for outcome in outcomes if fault.name in {each.name for each in outcome.plan.faults}]
        lost = _sum(own, lambda outcome: len(outcome.verdict.lost))
        doubled = _sum(own, lambda outcome: len(outcome.verdict.doubled))
        wrong = _sum(own, lambda outcome: len(outcome.verdict.alerts) + len(outcome.verdict.ledger))
        by_broker = _sum(own, lambda outcome: len(outcome.verdict.lost_by_broker))
        messages = _sum(own, lambda outcome: outcome.verdict.messages)
        rows.append((fault.name, len(own), messages, lost, doubled, wrong, by_broker))
    heads = ("failure", "trials", "messages", "lost", "doubled", "alerts, orders, ledgers wrong", "lost by mosquitto")
    return _table(heads, rows)


def _all(outcomes: Sequence[Outcome]) -> str:
    rows = [
        (
            outcome.plan.seed,
            outcome.plan.topology.name,
            ", ".join(f"{fault.name} {fault.length_s:.1f} s" for fault in outcome.plan.faults),
            ", ".join(outcome.plan.twists.names()) or "plain",
            outcome.verdict.messages,
            len(outcome.verdict.lost),
            len(outcome.verdict.doubled),
            len(outcome.verdict.lost_by_broker) if outcome.plan.kills_broker else "-",
            "ok" if outcome.verdict.is_good else "wrong",
        )
        for outcome in outcomes
    ]
    heads = ("seed", "where", "failures", "stream", "messages", "lost", "doubled", "lost by mosquitto", "result")
    return _table(heads, rows)


def _sum(outcomes: Sequence[Outcome], count: Callable[[Outcome], int]) -> int:
    return sum(count(outcome) for outcome in outcomes)


def _table(heads: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    cells = ([f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in line] for line in lines)
    return "".join(f"| {' | '.join(line)} |\n" for line in cells)
