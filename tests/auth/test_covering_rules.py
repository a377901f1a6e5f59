"""Rules: what they cover, against a second evaluator that was written apart (apimgmt/auth/rules.py, S-27)."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from typing import NamedTuple

import msgspec
import pytest

from apimgmt.auth.apikey import Keys
from apimgmt.auth.rules import SHOWN_MOST, Rules, covers
from apimgmt.model import Rule
from apimgmt.request import Target
from harness import api_key, serve

TARGET = Target("GET", "/v1/pet/{id}", "api_1", "get /pet/{id}")
TABLES, SERVED = 500, 25
SEGMENTS = ("pet", "pets", "Pet", "pe", "{id}", "{name}", "p%C3%A9t")
METHODS = ("GET", "PUT", "POST", "DELETE")
APIS = {"api_a": "/a", "api_ab": "/ab", "api_root": ""}


@pytest.mark.rows("F-036")
@pytest.mark.parametrize(
    ("path", "template", "allowed"),
    [
        ("/**", "/v1/pet/{id}", True),
        ("/**", "/", True),
        ("/", "/", True),
        ("/v1/**", "/v1/pet/{id}", True),
        ("/v1/**", "/v1", True),
        ("/v1/**", "/v1/", True),
        ("/v1/**", "/v12/pet", False),
        ("/v1/pet", "/v1/pets", False),
        ("/v1/pets", "/v1/pets/", False),
        ("/v1/pets/", "/v1/pets", False),
        ("/v1/pets/*", "/v1/pets/", False),
        ("/v1/pet/*", "/v1/pet/{id}", True),
        ("/v1/pet/{id}", "/v1/pet/{id}", True),
        ("/v1/pet/7", "/v1/pet/{id}", False),
        ("/v1/pet/*", "/v1/pet/{id}/tags", False),
        ("/v1/*/{id}", "/v1/pet/{id}", True),
        ("/v1/pet", "/v1/PET", False),
    ],
)
def test_rules_are_compared_segment_by_segment(path: str, template: str, allowed: bool) -> None:
    """A rule for /pet does not open /pets (T27), and a slash at the end is a difference."""
    assert covers(Rule(path=path), Target("GET", template)) is allowed


def test_rules_name_methods_in_capitals_or_all() -> None:
    """A rule for GET does not open DELETE."""
    assert covers(Rule(methods=("GET", "PUT")), TARGET)
    assert not covers(Rule(methods=("GET",)), Target("DELETE", "/v1/pet/{id}"))


def test_an_api_and_an_operation_narrow_a_rule() -> None:
    """All that a rule says must hold."""
    assert covers(Rule(api="api_1"), TARGET)
    assert not covers(Rule(api="api_2"), TARGET)
    assert covers(Rule(api="api_1", operation="get /pet/{id}"), TARGET)
    assert not covers(Rule(api="api_1", operation="get /pet"), TARGET)
    assert not covers(Rule(api="api_1", path="/v2/**"), TARGET)


def test_the_first_rule_that_covers_decides() -> None:
    """It is what an audit wants to know."""
    first, second = Rule(methods=("PUT",)), Rule(path="/v1/**", ruleset="readers")
    assert Rules([first, second, Rule()]).deciding(TARGET) is second
    assert Rules([first]).deciding(TARGET) is None


def test_the_rules_in_words_are_bounded() -> None:
    """All of them up to the limit; of one more the last is only counted."""
    assert str(Rules([])) == "no rules"
    assert str(Rules([Rule(methods=("GET",), path="/a", api="x", operation="get /a", ruleset="r")])) == (
        "GET /a of x operation 'get /a' (ruleset r)"
    )
    assert "more" not in str(Rules([Rule()] * SHOWN_MOST))
    assert str(Rules([Rule()] * (SHOWN_MOST + 1))).endswith("; and 1 more")


# ---- generated tables ------------------------------------------------------------------------------------------------


class Table(NamedTuple):
    """Operations, and keys with the rules that their rulesets give them."""

    targets: list[Target]
    keys: dict[str, list[Rule]]


Evaluator = Callable[[Rule, Target], bool]


def table(seed: int) -> Table:
    """Three APIs whose base paths and paths begin alike, three rulesets, five keys with some of each."""
    dice = random.Random(seed)
    targets = {
        Target(method, base + path, api, f"{method.lower()} {path}")
        for api, base in APIS.items()
        for path in (path_of(dice) for _ in range(4))
        for method in dice.sample(METHODS, 2)
    }
    ordered = sorted(targets)
    rulesets = [[rule_of(dice, ordered) for _ in range(dice.randint(0, 3))] for _ in range(3)]
    keys = {
        f"key{number}": [rule for chosen in dice.sample(rulesets, dice.randint(0, 2)) for rule in chosen]
        + [rule_of(dice, ordered) for _ in range(dice.randint(0, 2))]
        for number in range(5)
    }
    return Table(ordered, keys)


def path_of(dice: random.Random) -> str:
    """A path template of one to three segments, now and then with a slash at the end."""
    segments = dice.choices(SEGMENTS, k=dice.randint(1, 3))
    return "/" + "/".join(segments) + dice.choice(["", "", "", "/"])


def rule_of(dice: random.Random, targets: list[Target]) -> Rule:
    """A rule that is near one of the operations: its path, cut, widened or changed by a segment."""
    target = dice.choice(targets)
    segments = target.path.split("/")[1 : dice.choice([2, 3, 4, 5])]
    segments = [dice.choice(["*", *SEGMENTS]) if dice.random() < 0.25 else one for one in segments]
    path = "/" + "/".join([*segments, "**"] if dice.random() < 0.4 else segments)
    methods = tuple(dice.sample(METHODS, dice.randint(1, 2))) if dice.random() < 0.6 else ("*",)
    api = dice.choice(["", "", target.api])
    return Rule(methods=methods, path=path, api=api, operation=target.operation if api and dice.random() < 0.3 else "")


def by_expression(rule: Rule, target: Target) -> bool:
    """The second evaluator: the rule as one regular expression over all that an operation is."""
    path = re.escape(rule.path).replace(r"/\*\*", "(/.*)?").replace(r"\*", "[^/]+") if rule.path != "/**" else "/.*"
    methods = ".*" if "*" in rule.methods else "|".join(rule.methods)
    parts = [f"({methods})", path, re.escape(rule.api) or ".*", re.escape(rule.operation) or ".*"]
    return re.fullmatch("\n".join(parts), "\n".join(target), re.DOTALL) is not None


def by_prefix(rule: Rule, target: Target) -> bool:
    """The mutant: the path of a rule is compared as a text that the operation's begins with."""
    other = Rule(methods=rule.methods, api=rule.api, operation=rule.operation)
    return target.path.startswith(rule.path.rstrip("*")) and covers(other, target)


def without_api(rule: Rule, target: Target) -> bool:
    """Another mutant: what narrows a rule to an API is forgotten."""
    return covers(Rule(methods=rule.methods, path=rule.path), target)


def allowed(found: Table, evaluate: Evaluator) -> set[tuple[str, Target]]:
    """Which key may call what."""
    return {
        (name, target)
        for name, rules in found.keys.items()
        for target in found.targets
        if any(evaluate(rule, target) for rule in rules)
    }


def decided(found: Table) -> set[tuple[str, Target]]:
    """The same as the product decides it."""
    keys = Keys([api_key(name, name, rules) for name, rules in found.keys.items()])
    pairs = [(name, target) for name in found.keys for target in found.targets]
    return {(name, target) for name, target in pairs if (made := keys.decide(name, target, ())) and made.allowed}


@pytest.mark.rows("F-036", "F-037")
def test_500_generated_tables_are_decided_as_by_a_second_evaluator() -> None:
    """Every key and every operation of every table: equal, and both answers are frequent."""
    tables = [table(seed) for seed in range(TABLES)]
    differing = [seed for seed, one in enumerate(tables) if decided(one) != allowed(one, by_expression)]
    opened = sum(len(allowed(one, by_expression)) for one in tables)
    asked = sum(len(one.keys) * len(one.targets) for one in tables)
    assert differing == []
    assert 0.05 < opened / asked < 0.6


@pytest.mark.parametrize("mutant", [by_prefix, without_api])
def test_the_tables_find_a_naive_evaluator(mutant: Evaluator) -> None:
    """A prefix by text, or a forgotten API, is found in many of the tables."""
    differing = [seed for seed in range(100) if allowed(table(seed), mutant) != decided(table(seed))]
    assert len(differing) > 20


@pytest.mark.parametrize("seed", range(SERVED))
def test_the_gateway_answers_what_the_table_says(seed: int) -> None:
    """The operations of one API of a table, called by every key: 200 or 403, exactly as decided."""
    found = table(seed)
    served = servable([target for target in found.targets if target.api == "api_a"])
    keys = [api_key(name, name, [_of_the_sample(rule) for rule in rules]) for name, rules in found.keys.items()]
    client = serve(document_of(served), base_path="/a", authentication="document", keys=keys)
    opened = allowed(found, by_expression)
    for target in served:
        for name in found.keys:
            answer = client.request(target.method, re.sub(r"{\w+}", "7", target.path), {"X-API-Key": name})
            assert answer.status == (200 if (name, target) in opened else 403), (name, target)


def servable(targets: list[Target]) -> list[Target]:
    """Those that can be in one document: no name twice in a template, no two templates that only names tell apart."""
    by_shape: dict[str, str] = {}
    return [
        target
        for target in targets
        if len(set(names := re.findall(r"{\w+}", target.path))) == len(names)
        and by_shape.setdefault(re.sub(r"{\w+}", "{}", target.path), target.path) == target.path
    ]


def document_of(targets: list[Target]) -> dict[str, object]:
    """A document with these operations."""
    paths: dict[str, dict[str, object]] = {}
    for target in targets:
        method, _, template = target.operation.partition(" ")
        parameters = [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
            for name in re.findall(r"{(\w+)}", template)
        ]
        paths.setdefault(template, {})[method] = {"parameters": parameters, "responses": {}}
    return {"openapi": "3.0.3", "info": {"title": "t", "version": "1"}, "paths": paths}


def _of_the_sample(rule: Rule) -> Rule:
    return msgspec.structs.replace(rule, api="api_sample") if rule.api == "api_a" else rule
