from datetime import UTC, datetime
from typing import Any

from api.ledger_view import GAPS_SHOWN, ledger_lines
from ingest.ledger import BootLedger, LiftLedger

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def lines(*boots: BootLedger, **sums: Any) -> list[str]:
    none = {"reboots": 0, "unnumbered": 0, "boots_forgotten": 0, "stored_forgotten": 0, "missing_forgotten": 0}
    return list(ledger_lines(LiftLedger(lift_id="L1", boots=list(boots), **{**none, **sums})))


def boot(**changes: Any) -> BootLedger:
    plain = {"boot": "b", "first_seq": 0, "last_seq": 9, "stored": 10, "duplicates": 0, "quarantined": 0, "gaps": []}
    ends = {"unlisted_missing": 0, "first_received_at": NOON, "last_received_at": NOON}
    return BootLedger(**{**plain, **ends, **changes})


def test_a_complete_boot_says_n_of_n() -> None:
    assert lines(boot()) == [
        "L1: 0 reboots, 0 messages without a number",
        "boot b: stored 10 of 10, no gaps",
        "  numbers 0 to 9, received 2026-03-02 12:00 UTC to 2026-03-02 12:00 UTC",
    ]


def test_what_is_missing_doubled_or_refused_is_told() -> None:
    told = lines(
        boot(boot=None, last_seq=5_313, stored=5_309, gaps=[(17, 18), (20, 20)], quarantined=2, duplicates=1_003),
        reboots=1,
    )
    assert told[0] == "L1: 1 reboot, 0 messages without a number"
    assert told[1] == "boot (none): stored 5,309 of 5,314, gaps: 17-18 20, 2 in quarantine, 1,003 came again"


def test_many_gaps_are_cut_and_what_is_not_listed_is_counted() -> None:
    gaps = [(2 * number, 2 * number) for number in range(GAPS_SHOWN + 1_000)]
    (_, told, _) = lines(boot(gaps=gaps, unlisted_missing=7))
    assert told.endswith("2036 2038 and 1,000 older ones and 7 missing numbers that are no longer listed")


def test_older_boots_are_summed() -> None:
    told = lines(boots_forgotten=3, stored_forgotten=5_000, missing_forgotten=2)
    assert told[1] == "3 older boots: stored 5,000, missing 2"
