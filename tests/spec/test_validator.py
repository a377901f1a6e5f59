"""Validators: verdicts, formats, numbers, sharing, first use, and what is no JSON value."""

from __future__ import annotations

import datetime
import threading
import time
from typing import Any

import pytest

from apimgmt.spec.validation.validator import MOST_EXAMINED, Validators


def fits(schema: Any, value: Any, direction: Any = "request") -> bool:
    """The verdict; the list of violations must agree with it."""
    validator = Validators({}).compile(schema, direction)
    valid = validator.is_valid(value)
    assert valid == (validator.violations(value, {}) == [])
    return valid


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("date", ["2024-02-29"], ["2023-02-29", "2024-2-1", ""]),
        (
            "date-time",
            ["2024-01-01T00:00:00Z", "1998-12-31T23:59:60Z"],
            ["2024-01-01 00:00:00Z", "2024-01-01T00:00:00"],
        ),
        ("time", ["12:00:00Z", "12:00:00+02:00", "12:00:00", "08:00:00.0000000"], ["12:00", "25:00:00Z", "12:00:00Zz"]),
        ("uuid", ["123e4567-e89b-12d3-a456-426614174000"], ["123e4567", ""]),
        ("email", ["a@b.example"], ["a", "@b"]),
        ("hostname", ["a.example"], ["-a.example", "a_b"]),
        ("ipv4", ["127.0.0.1"], ["127.0.0.256", "127.1"]),
        ("ipv6", ["::1"], [":::1"]),
        ("uri", ["https://a.example/b"], ["/b"]),
        ("byte", ["", "aGk=", "aGVsbG8h"], ["aGk", "a_k=", "é", "aGk=\n"]),
        ("base64url", ["aGk", "aGk=", "a_-k"], ["a+k=", "a"]),
        ("password", ["anything"], []),
        ("no-such-format", ["anything"], []),
        ("int32", [2**31 - 1, -(2**31), 1.0, "text"], [2**31, -(2**31) - 1]),
        ("int64", [2**63 - 1, -(2**63)], [2**63, -(2**63) - 1, 2**70]),
        ("uint8", [0, 255], [-1, 256]),
        ("float", [3.4e38], [3.5e38, -1e39]),
        ("double", [1e308, 10**308], [10**309]),
    ],
)
def test_formats(name: str, good: list[Any], bad: list[Any]) -> None:
    """Known formats are checked to the end of their range; unknown ones are no demand."""
    assert [value for value in good if not fits({"format": name}, value)] == []
    assert [value for value in bad if fits({"format": name}, value)] == []


@pytest.mark.parametrize(
    ("schema", "value", "valid"),
    [
        ({"type": "integer"}, 1.0, True),
        ({"type": "integer"}, 1.5, False),
        ({"type": "integer"}, 2**200, True),
        ({"type": "integer"}, True, False),
        ({"type": "number"}, "1", False),
        ({"maximum": 2**53}, 2**53 + 1, False),
        ({"multipleOf": 0.01}, 19.99, True),
        ({"multipleOf": 0.01}, 19.999, False),
        ({"const": 2**70}, 2**70, True),
        ({"const": 2**70}, 2**70 + 1, False),
        (True, None, True),
        (False, None, False),
        ({}, "x", True),
    ],
)
def test_numbers_are_exact(schema: Any, value: Any, valid: bool) -> None:
    """An integer is what has no fraction (2020-12); large and decimal numbers are compared exactly."""
    assert fits(schema, value) is valid


@pytest.mark.parametrize("value", [b"bytes", datetime.date(2024, 1, 1), "\ud800", {1: 2}, {"a": object()}])
def test_what_is_no_json_value_is_not_valid(value: Any) -> None:
    """Bytes, dates and broken text fail with a violation, not with an exception."""
    schema = {"type": ["string", "object"], "additionalProperties": {"type": "string"}}
    assert not fits(schema, value)
    (violation,) = Validators({}).compile(schema).violations(value, {"in": "body"})
    assert violation == {"in": "body", "pointer": "", "code": "type", "detail": "has parts that are not JSON values"}


@pytest.mark.rows("H-024", "H-025", "H-026", "H-027")
def test_order_of_the_seed_is_held_to_its_schema() -> None:
    """Required members, a date, and the types in an array of objects, each with its place."""
    item = {"type": "object", "properties": {"productId": {"type": "string"}, "quantity": {"type": "number"}}}
    order = {
        "type": "object",
        "required": ["customerId", "items"],
        "properties": {
            "customerId": {"type": "string"},
            "orderDate": {"type": "string", "format": "date"},
            "items": {"type": "array", "items": item},
        },
    }
    validator = Validators({}).compile(order)
    assert validator.is_valid(
        {"customerId": "c", "orderDate": "2024-01-31", "items": [{"productId": "p", "quantity": 1}]}
    )
    wrong = {"orderDate": "31.1.2024", "items": [{"productId": 1, "quantity": "1"}]}
    assert {(v["pointer"], v["code"]) for v in validator.violations(wrong, {"in": "body"})} == {
        ("/customerId", "required"),
        ("/orderDate", "format"),
        ("/items/0/productId", "type"),
        ("/items/0/quantity", "type"),
    }


def test_one_validator_for_one_schema_and_direction() -> None:
    """Equal schemas share their validator; the two directions do not."""
    validators = Validators({"A": {"type": "string"}})
    one = validators.compile({"$ref": "#/$defs/A"})
    assert validators.compile({"$ref": "#/$defs/A"}) is one
    assert validators.compile({"$ref": "#/$defs/A"}, "response") is not one
    assert validators.compile({"type": "string"}) is not one


def test_recursive_schemas_and_loops_of_references_end() -> None:
    """A tree is checked to its leaves; references that only lead to each other demand nothing."""
    schemas: dict[str, Any] = {
        "Tree": {"type": "object", "properties": {"next": {"$ref": "#/$defs/Tree"}, "v": {"type": "integer"}}},
        "Loop": {"allOf": [{"$ref": "#/$defs/Loop"}]},
    }
    validators = Validators(schemas)
    tree = validators.compile({"$ref": "#/$defs/Tree"})
    assert tree.is_valid({"next": {"next": {"v": 1}}})
    assert not tree.is_valid({"next": {"next": {"v": "1"}}})
    assert validators.compile({"$ref": "#/$defs/Loop"}).is_valid({"next": 1})


def test_nothing_is_compiled_before_the_first_value() -> None:
    """Asking for a validator never looks at the schema; even one that the engine would refuse costs nothing."""
    validator = Validators({}).compile({"$ref": "#/$defs/Absent"})
    with pytest.raises(KeyError, match="Absent"):
        validator.prepare()


def test_first_use_by_many_threads_gives_one_answer() -> None:
    """Threads that come at once all get the verdict, while the schema is compiled."""
    schemas = {f"S{n}": {"properties": {"a": {"$ref": f"#/$defs/S{n + 1}"}}} for n in range(500)}
    validator = Validators({**schemas, "S500": {"type": "string"}}).compile({"$ref": "#/$defs/S0"})
    verdicts: list[bool] = []
    threads = [threading.Thread(target=lambda: verdicts.append(validator.is_valid({"a": {}}))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert verdicts == [True] * 8


@pytest.mark.parametrize(("items", "told"), [(MOST_EXAMINED - 1, 100), (MOST_EXAMINED, 1)])
def test_large_value_gets_its_first_violation_only(items: int, told: int) -> None:
    """Up to the limit (the list counts as one) violations are listed; one value more, and the first one is told."""
    validator = Validators({}).compile({"items": {"type": "string"}})
    assert len(validator.violations([1] * items, {})) == told


@pytest.mark.parametrize(
    ("alternatives", "limit"), [(4, MOST_EXAMINED), (20, MOST_EXAMINED // 5), (500, MOST_EXAMINED // 10)]
)
def test_alternatives_lower_the_limit(alternatives: int, limit: int) -> None:
    """Each alternative has its own errors for each value, so fewer values are examined, down to a tenth."""
    schema = {"items": {"anyOf": [{"const": number} for number in range(alternatives)]}}
    validator = Validators({}).compile(schema)
    assert len(validator.violations(["x"] * (limit - 1), {})) == min(limit - 1, 100)
    assert len(validator.violations(["x"] * limit, {})) == 1


def test_large_wrong_value_is_refused_in_no_time() -> None:
    """Half a megabyte of wrong items costs a fraction of what listing all its violations does (the mutant)."""
    validator = Validators({}).compile({"items": {"anyOf": [{"type": "integer"}, {"items": {"type": "integer"}}]}})
    value = [["x"] * 2 for _ in range(20_000)]
    start = time.process_time()
    assert len(validator.violations(value, {})) == 3
    ours = time.process_time() - start
    start = time.process_time()
    assert len(list(validator.prepare().iter_errors(value))) == 20_000
    assert time.process_time() - start > 3 * ours


def test_verdict_takes_about_a_microsecond() -> None:
    """The fast question on a small object stays far below the time of a request."""
    schema = {"type": "object", "required": ["a"], "properties": {"a": {"type": "integer", "format": "int32"}}}
    validator = Validators({}).compile(schema)
    validator.is_valid({"a": 1})
    start = time.process_time()
    for _ in range(10_000):
        validator.is_valid({"a": 1})
    assert time.process_time() - start < 0.1
