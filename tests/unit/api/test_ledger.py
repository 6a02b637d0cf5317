from ingest.clock import to_ms
from ingest.ledger import LedgerBatch
from ingest.messages import Counters, Kind, Message
from tests.unit.api.parts import NOON, Client, World


def note(world: World, *seqs: int | None, boot: str | None = "b") -> None:
    at_ms = to_ms(NOON)
    messages = [Message("L1", Kind.COUNTERS, at_ms, at_ms, Counters(at=at_ms, seq=seq, boot=boot)) for seq in seqs]
    world.service.ledger.note(LedgerBatch.of(messages, []))


def test_the_ledger_tells_what_is_stored_and_what_is_missing(world: World) -> None:
    world.register("L1")
    note(world, 1, 2, 2, 5, None)
    assert world.client.get("/api/v1/lifts/L1/ledger").json() == {
        "lift_id": "L1",
        "reboots": 0,
        "unnumbered": 1,
        "boots_forgotten": 0,
        "stored_forgotten": 0,
        "missing_forgotten": 0,
        "boots": [
            {
                "boot": "b",
                "first_seq": 1,
                "last_seq": 5,
                "stored": 3,
                "duplicates": 1,
                "quarantined": 0,
                "gaps": [[3, 4]],
                "unlisted_missing": 0,
                "first_received_at": "2026-03-02T12:00:00Z",
                "last_received_at": "2026-03-02T12:00:00Z",
            }
        ],
    }


def test_a_boot_without_a_name_is_null(world: World) -> None:
    world.register("L1")
    note(world, 1, boot=None)
    (boot,) = world.client.get("/api/v1/lifts/L1/ledger").json()["boots"]
    assert boot["boot"] is None


def test_a_lift_that_never_spoke_has_no_boots_and_an_unknown_one_no_ledger(client: Client, world: World) -> None:
    world.register("L1")
    ledger = client.get("/api/v1/lifts/L1/ledger").json()
    assert (ledger["boots"], ledger["reboots"]) == ([], 0)
    assert client.get("/api/v1/lifts/L9/ledger").status_code == 404
