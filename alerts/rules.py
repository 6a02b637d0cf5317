"""The rules of alerts as data: priority, words, guidance, source, and which work order an alert opens."""

from collections.abc import Mapping, Sequence
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from string import Formatter
from typing import Annotated

import msgspec
import structlog
import yaml
from msgspec import Meta, Struct, structs

from alerts.alert import ALERT_KINDS, PEOPLE
from alerts.work_orders import OrderKind
from ingest.faults import CANONICAL

Words = Annotated[str, Meta(min_length=1, max_length=1_000)]
# Minutes until somebody is reminded of an alert for which nothing happens, by priority: what is for at once and for
# within the hour after 10 min, what is for today once a shift, what is to be planned never.
REMIND_AFTER_MIN: Mapping[int, int | None] = {1: 10, 2: 10, 3: 480, 4: None}
_SHIPPED = "rules.yaml"
WORDS_OF_MESSAGES = frozenset({"lift_id", "fault", "where", "reason"})


class Rule(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What happens when an alert of `kind` (and of one of `codes`, where they are given) is raised.

    `priority` is 1 (at once) to 4 (plan it); `opens_order` None: no work order by itself; `arrive_within_min` counts
    from receipt. A condition rings once it has stood for `on_delay_s`, and is over once it has been gone for
    `off_delay_s`. `remind_after_min` None: as its priority asks for; 0: never. `operators` is how many share the alerts
    (the whole book's, `RuleBook`).
    """

    kind: Words
    codes: list[Words] = []
    priority: Annotated[int, Meta(ge=1, le=4)]
    message: Words
    guidance: Words
    source: Words
    opens_order: OrderKind | None = None
    opens_order_within_days: Annotated[int, Meta(ge=1, le=365)] | None = None
    arrive_within_min: Annotated[int, Meta(ge=1, le=10_080)] | None = None
    on_delay_s: Annotated[int, Meta(ge=0, le=3_600)] = 0
    off_delay_s: Annotated[int, Meta(ge=0, le=3_600)] = 0
    remind_after_min: Annotated[int, Meta(ge=0, le=10_080)] | None = None
    operators: Annotated[int, Meta(ge=1, le=100)] = 1

    @property
    def reminds_after_min(self) -> int | None:
        """Return after how many minutes somebody is reminded, None for never."""
        if self.remind_after_min is None:
            return REMIND_AFTER_MIN[self.priority]
        return self.remind_after_min or None

    def at(self, days_left: float | None) -> "Rule":
        """Return the rule for a finding that leaves so many days: without its order where there is time."""
        within = self.opens_order_within_days
        if within is None or (days_left is not None and days_left <= within):
            return self
        return structs.replace(self, opens_order=None)

    def words(
        self,
        *,
        lift_id: str,
        code: str | None = None,
        floor: int | None = None,
        where: str | None = None,
        reason: str = "",
    ) -> str:
        """Return the message for an operator; `where` takes the place of the floor alone."""
        fault = code.replace("-", " ") if code else ""
        if where is None:
            where = "" if floor is None else f", floor {floor}"
        return self.message.format_map({"lift_id": lift_id, "fault": fault, "where": where, "reason": reason})


log = structlog.get_logger()


class RuleBookError(ValueError):
    """A file of rules that cannot be used; the text says which file and everything that is wrong with it."""


class RuleBook:
    """Exactly one rule for each kind of alert, and for those codes of a kind that have a rule of their own."""

    def __init__(self, rules: Sequence[Rule], operators: int | None = None) -> None:
        """Hold rules that are complete and do not contradict each other; `operators` share what rings.

        Raises:
            RuleBookError: a kind without a rule or with two, a kind or code that does not exist, a message with words
                that nothing fills in, an arrival clock without an order, or a delay where somebody may be in danger.
        """
        if operators is not None:
            rules = [structs.replace(rule, operators=operators) for rule in rules]
        faults = [*_faults_of_book(rules), *(fault for rule in rules for fault in _faults_of_rule(rule))]
        if faults:
            raise RuleBookError("; ".join(faults))
        self.rules = tuple(rules)
        self._by_key: Mapping[tuple[str, str | None], Rule] = {key: rule for rule in rules for key in _keys(rule)}

    @classmethod
    def load(cls, path: Path | None = None) -> "RuleBook":
        """Return the rules that ship with Liftwatch; those in the YAML file `path` take their place, kind by kind.

        What the file does not name stays as it is shipped, so that an owner's file goes on to work when a release
        brings a new kind.

        Raises:
            RuleBookError: not YAML, not rules, or rules that contradict each other.
        """
        shipped = _read(resources.files("alerts").joinpath(_SHIPPED))
        try:
            document = shipped if path is None else _read(path)
            rest = _not_named_in(document.rules, shipped.rules)
            book = cls([*document.rules, *rest], document.operators or shipped.operators)
        except (yaml.YAMLError, msgspec.ValidationError, RuleBookError) as error:
            message = f"{path or _SHIPPED}: {error}"
            raise RuleBookError(message) from error
        if rest:
            log.info("rules-as-shipped", file=str(path), kinds=sorted({rule.kind for rule in rest}))
        return book

    def rule(self, kind: str, code: str | None = None) -> Rule:
        """Return the rule for an alert: that of its code where there is one, else that of its kind.

        Raises:
            KeyError: no such kind; a book that could be made holds every kind.
        """
        return self._by_key.get((kind, code)) or self._by_key[(kind, None)]


class _Document(Struct, frozen=True, forbid_unknown_fields=True):
    rules: list[Rule]
    operators: Annotated[int, Meta(ge=1, le=100)] | None = None


def _read(source: Traversable) -> _Document:
    return msgspec.convert(yaml.safe_load(source.read_bytes()), _Document)


def _not_named_in(own: Sequence[Rule], shipped: Sequence[Rule]) -> list[Rule]:
    """Return the shipped rules for what no own rule names; a rule for a whole kind stands for all its codes."""
    whole = {rule.kind for rule in own if not rule.codes}
    codes = {(rule.kind, code) for rule in own for code in rule.codes}
    rest = []
    for rule in shipped:
        left = [code for code in rule.codes if (rule.kind, code) not in codes]
        if rule.kind not in whole and bool(left) is bool(rule.codes):
            rest.append(structs.replace(rule, codes=left))
    return rest


def _keys(rule: Rule) -> list[tuple[str, str | None]]:
    return [(rule.kind, code) for code in rule.codes] or [(rule.kind, None)]


def _faults_of_book(rules: Sequence[Rule]) -> list[str]:
    keys = [key for rule in rules for key in _keys(rule)]
    twice = sorted({f"{kind} {code or ''}".strip() for kind, code in keys if keys.count((kind, code)) > 1})
    without = [kind for kind in ALERT_KINDS if (kind, None) not in keys]
    return [*(f"two rules for {name}" for name in twice), *(f"no rule for {kind}" for kind in without)]


def _faults_of_rule(rule: Rule) -> list[str]:
    faults = []
    if rule.kind not in ALERT_KINDS:
        faults.append(f"{rule.kind}: no such kind of alert")
    faults += [f"{rule.kind}: {code} is not a canonical fault code" for code in rule.codes if code not in CANONICAL]
    faults += [
        f"{rule.kind}: {name} without opens_order"
        for name in ("arrive_within_min", "opens_order_within_days")
        if getattr(rule, name) is not None and rule.opens_order is None
    ]
    if rule.kind in PEOPLE and (rule.on_delay_s or rule.off_delay_s):
        faults.append(f"{rule.kind}: nothing waits where somebody may be in danger")
    return faults + _faults_of_message(rule)


def _faults_of_message(rule: Rule) -> list[str]:
    try:
        parts = [part for part in Formatter().parse(rule.message) if part[1] is not None]
    except ValueError as error:
        return [f"{rule.kind}: message: {error}"]
    # A name alone: with a format behind it, a message could fail when it is needed.
    unknown = [name for _, name, form, conversion in parts if form or conversion or name not in WORDS_OF_MESSAGES]
    return [f"{rule.kind}: message: nothing fills in {{{name}}}" for name in unknown]
