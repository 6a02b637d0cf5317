from pathlib import Path

import pytest
from msgspec import structs
from structlog.testing import capture_logs

from alerts.alert import ALERT_KINDS, AlertKind
from alerts.rules import Rule, RuleBook, RuleBookError
from alerts.work_orders import LEGAL_TRANSITIONS, OrderKind
from analytics.occurrences import PASSES_WITHIN, PASSING_CODES
from ingest.faults import CANONICAL, Origin
from tests.unit.alerts.parts import RULES

DOCUMENT = Path(__file__).parents[3] / "docs" / "alerts.md"
ORDERS = DOCUMENT.with_name("work-orders.md")


@pytest.mark.parametrize("rule", RULES.rules, ids=lambda rule: "/".join([rule.kind, *rule.codes[:1]]))
def test_every_rule_says_what_it_means_what_to_do_first_and_where_it_comes_from(rule: Rule) -> None:
    assert len(rule.guidance.split()) >= 10
    assert rule.source.strip()


@pytest.mark.parametrize("kind", ALERT_KINDS)
def test_every_kind_has_a_rule(kind: str) -> None:
    assert RULES.rule(kind).kind == kind


def test_people_come_first_and_planning_last() -> None:
    of_kind = {kind: RULES.rule(kind).priority for kind in ALERT_KINDS}
    at_once = {kind for kind, priority in of_kind.items() if priority == 1}
    in_danger = {"entrapment", "passenger-alarm", "unregistered-lift-alarm", "door-open-while-moving"}
    assert at_once == {*in_danger, "broker-away", "lift-unobserved"}, "a call for help may not be heard"
    assert {kind for kind, priority in of_kind.items() if priority == 4} == {
        "anomaly",
        "maintenance-due",
        "inspection-due",
        "breakdown-likely",
        "usage-due",
        "usage-overdue",
    }


def test_a_rescue_arrives_in_30_minutes_and_a_repair_in_60() -> None:
    rescue, repair = RULES.rule("entrapment"), RULES.rule("lift-stopped", "door-closing-fault")
    assert (rescue.opens_order, rescue.arrive_within_min) == (OrderKind.RESCUE, 30)
    assert (repair.opens_order, repair.arrive_within_min) == (OrderKind.REPAIR, 60)


def test_every_fault_that_can_hurt_somebody_is_priority_1() -> None:
    for code in CANONICAL.values():
        if code.stops_lift and code.code != "entrapment":
            assert RULES.rule("lift-stopped", code.code).priority == (1 if code.safety else 2)


def test_what_comes_from_outside_the_lift_orders_no_repair() -> None:
    for code in CANONICAL.values():
        if code.origin is Origin.EXTERNAL:
            assert RULES.rule("lift-stopped", code.code).opens_order is None


def test_the_words_name_the_lift_the_fault_and_the_floor() -> None:
    rule = RULES.rule("lift-stopped", "door-closing-fault")
    said = rule.words(lift_id="A1", code="door-closing-fault", floor=0)
    assert said == "Lift A1 stopped: door closing fault, floor 0"
    assert rule.words(lift_id="A1", code="door-closing-fault") == "Lift A1 stopped: door closing fault"


def changed(of_kind: str, /, **changes: object) -> list[Rule]:
    return [structs.replace(rule, **changes) if rule.kind == of_kind else rule for rule in RULES.rules]


def test_a_book_without_a_rule_for_a_kind_is_refused() -> None:
    with pytest.raises(RuleBookError, match="no rule for no-contact"):
        RuleBook([rule for rule in RULES.rules if rule.kind != AlertKind.NO_CONTACT])


def test_a_rule_for_one_code_is_not_a_rule_for_the_kind() -> None:
    with pytest.raises(RuleBookError, match="no rule for entrapment"):
        RuleBook(changed("entrapment", codes=["entrapment"]))


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"kind": "flood"}, "flood: no such kind of alert"),
        ({"codes": ["E17"]}, "E17 is not a canonical fault code"),
        ({"arrive_within_min": 30}, "arrive_within_min without opens_order"),
        ({"kind": "entrapment", "on_delay_s": 5}, "entrapment: nothing waits where somebody may be in danger"),
        ({"kind": "passenger-alarm", "off_delay_s": 5}, "nothing waits where somebody may be in danger"),
        ({"opens_order_within_days": 30}, "opens_order_within_days without opens_order"),
        ({"message": "lift {lift}"}, "nothing fills in {lift}"),
        ({"message": "lift {lift_id:d}"}, "nothing fills in {lift_id}"),
        ({"message": "lift {lift_id.__class__}"}, "nothing fills in {lift_id.__class__}"),
        ({"message": "lift {"}, "no-contact: message: "),
    ],
)
def test_a_rule_that_could_fail_when_it_is_needed_is_refused(changes: dict[str, object], fault: str) -> None:
    with pytest.raises(RuleBookError) as refused:
        RuleBook(changed("no-contact", **changes))
    assert fault in str(refused.value)


def test_two_rules_for_one_thing_are_refused() -> None:
    with pytest.raises(RuleBookError, match="two rules for lift-stopped overspeed"):
        RuleBook([*RULES.rules, structs.replace(RULES.rule("lift-stopped"), codes=["overspeed"])])


def test_everything_that_is_wrong_is_said_at_once() -> None:
    rules = [rule for rule in changed("entrapment", message="{who}") if rule.kind != "no-contact"]
    with pytest.raises(RuleBookError, match=r"no rule for no-contact; entrapment: message: nothing fills in \{who\}"):
        RuleBook(rules)


SHIPPED = Path(__file__).parents[3] / "alerts" / "rules.yaml"


def test_a_centre_may_bring_its_own_file(tmp_path: Path) -> None:
    own = tmp_path / "own.yaml"
    own.write_text(SHIPPED.read_text().replace("arrive_within_min: 30", "arrive_within_min: 25"))
    assert RuleBook.load(own).rule("entrapment").arrive_within_min == 25


@pytest.mark.parametrize(
    ("before", "after", "fault"),
    [
        ("rules:", "rules: [", "own.yaml"),
        ("priority: 4", "priority: 5", r"\$\.rules"),
        ("opens_order: rescue", "opens_order: prayer", "Invalid enum value 'prayer'"),
        ("opens_order:", "opens_oder:", "unknown field"),
        ("kind: no-contact", "kind: entrapment", "two rules for entrapment"),
    ],
)
def test_a_file_that_is_not_a_rule_book_is_refused_by_name(tmp_path: Path, before: str, after: str, fault: str) -> None:
    own = tmp_path / "own.yaml"
    own.write_text(SHIPPED.read_text().replace(before, after))
    with pytest.raises(RuleBookError, match=fault) as refused:
        RuleBook.load(own)
    assert "own.yaml" in str(refused.value)


OWN = """
rules:
  - kind: no-contact
    priority: 2
    message: "{lift_id} does not speak: {reason}"
    guidance: ring the caretaker
    source: our contract
  - kind: lift-stopped
    codes: [overspeed, power-supply-fault]
    priority: 1
    message: "{lift_id}: {fault}"
    guidance: ring the caretaker
    source: our contract
"""


def test_what_an_owners_file_does_not_name_stays_as_it_is_shipped(tmp_path: Path) -> None:
    own = tmp_path / "own.yaml"
    own.write_text(OWN)
    with capture_logs() as logs:
        book = RuleBook.load(own)
    assert book.rule("no-contact").priority == 2
    assert {book.rule("lift-stopped", code).source for code in ("overspeed", "power-supply-fault")} == {"our contract"}
    for kind, code in (("entrapment", None), ("lift-stopped", None), ("lift-stopped", "brake-fault")):
        assert book.rule(kind, code).guidance == RULES.rule(kind, code).guidance
    (said,) = logs
    assert said["event"] == "rules-as-shipped"
    assert set(ALERT_KINDS) - set(said["kinds"]) == {"no-contact"}, "of lift-stopped some codes are as shipped"


def test_an_own_rule_for_a_whole_kind_stands_for_all_its_codes(tmp_path: Path) -> None:
    own = tmp_path / "own.yaml"
    own.write_text(OWN.replace("    codes: [overspeed, power-supply-fault]\n", ""))
    book = RuleBook.load(own)
    assert {book.rule("lift-stopped", code).source for code in CANONICAL} == {"our contract"}


def documented(rule: Rule) -> str:
    kind = f"`{rule.kind}`" + "".join(f"<br>`{code}`" for code in rule.codes)
    order = rule.opens_order.value if rule.opens_order else "-"
    clock = f"{rule.arrive_within_min} min" if rule.arrive_within_min else "-"
    return f"| {kind} | {rule.priority} | {order} | {clock} | {rule.guidance} | {rule.source} |"


def test_the_document_lists_exactly_these_rules() -> None:
    lines = [line for line in DOCUMENT.read_text().splitlines() if line.startswith("| `")]
    rules_table = [line for line in lines if line.count("|") == 7]
    assert rules_table == [documented(rule) for rule in RULES.rules]


def timing(rule: Rule) -> str:
    kind = f"`{rule.kind}`" + "".join(f"<br>`{code}`" for code in rule.codes)
    delays = [f"{seconds} s" if seconds else "at once" for seconds in (rule.on_delay_s, rule.off_delay_s)]
    reminder = "never" if rule.reminds_after_min is None else f"{rule.reminds_after_min} min"
    return f"| {kind} | {' | '.join(delays)} | {reminder} |"


def test_the_document_lists_every_delay_and_every_reminder_that_is_not_the_usual() -> None:
    lines = [line for line in DOCUMENT.read_text().splitlines() if line.startswith("| `") and line.count("|") == 5]
    unusual = [rule for rule in RULES.rules if rule.on_delay_s or rule.off_delay_s or rule.remind_after_min is not None]
    assert lines == [timing(rule) for rule in unusual]


def test_what_is_urgent_is_reminded_of_after_10_minutes_and_a_plan_never() -> None:
    assert [RULES.rule(kind).reminds_after_min for kind in ("entrapment", "lift-stopped", "no-contact")] == [
        10,
        10,
        480,
    ]
    assert RULES.rule("maintenance-due").reminds_after_min is None
    assert structs.replace(RULES.rule("entrapment"), remind_after_min=0).reminds_after_min is None


def test_a_file_may_say_how_many_operators_share_the_alerts(tmp_path: Path) -> None:
    assert {rule.operators for rule in RULES.rules} == {1}
    own = tmp_path / "own.yaml"
    own.write_text(SHIPPED.read_text().replace("rules:\n", "operators: 3\nrules:\n", 1))
    assert {rule.operators for rule in RuleBook.load(own).rules} == {3}


def test_the_document_says_when_each_kind_is_raised_and_cleared() -> None:
    lines = [line for line in DOCUMENT.read_text().splitlines() if line.startswith("| `")]
    when_table = [line.split("|") for line in lines if line.count("|") == 4]
    assert [cells[1].strip(" `") for cells in when_table] == list(ALERT_KINDS)
    assert all(len(cell.split()) >= 4 for cells in when_table for cell in cells[2:4])


def test_the_document_holds_the_table_of_transitions() -> None:
    life = ORDERS.read_text().partition("## The life of an order")[2].partition("| step | needs |")[0]
    rows = [line.split("|")[1:3] for line in life.splitlines() if line.count("|") == 3]
    told = {before.strip(): {to.strip() for to in after.split(",") if to.strip()} for before, after in rows[2:]}
    assert told == {before.value: {to.value for to in after} for before, after in LEGAL_TRANSITIONS.items()}


def test_what_passes_for_analytics_is_what_waits_by_the_rules() -> None:
    waits = {code: RULES.rule(AlertKind.LIFT_STOPPED, code).on_delay_s for code in CANONICAL}
    assert {code for code, on_delay_s in waits.items() if on_delay_s == PASSES_WITHIN.total_seconds()} == PASSING_CODES
