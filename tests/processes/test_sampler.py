"""Values made from schemas."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from apimgmt.model import CompiledApi, Schema
from apimgmt.processes.sampling.sampler import DEPTH, ITEMS, sample
from apimgmt.settings import Settings
from apimgmt.spec.compiler.compiler import compile_document
from apimgmt.spec.intake.loader import load
from apimgmt.spec.validation.validator import Validators

CORPUS = Path(__file__).parents[2] / "../shared/corpus/documents"
NODE = {"type": "object", "properties": {"name": {"type": "string"}, "next": {"$ref": "#/$defs/Node"}}}

SCHEMAS: list[Any] = [
    True,
    {"type": "string", "enum": [None, "a"]},
    {"type": ["null", "integer"]},
    {"type": "null"},
    {"const": {"a": 1}},
    {"type": "object", "required": ["a", "b"], "properties": {"a": {"type": "integer"}}},
    {"type": "object", "minProperties": 3, "additionalProperties": {"type": "integer"}},
    {"type": "object", "maxProperties": 1, "properties": {"a": True, "b": True}},
    {"patternProperties": {"^x-[a-z]+$": {"type": "integer"}}, "additionalProperties": False, "minProperties": 2},
    {"propertyNames": {"pattern": "^k[0-9]{3}$"}, "minProperties": 2},
    {"properties": {"a": {"type": "integer"}}, "dependentRequired": {"a": ["b"]}},
    {"type": "array", "minItems": 3, "uniqueItems": True, "items": {"enum": [1, 2, 3]}},
    {"type": "array", "minItems": 4, "uniqueItems": True, "items": {"type": "integer", "minimum": 1, "maximum": 4}},
    {"type": "array", "items": {"type": "string", "example": "same"}, "minItems": 3, "uniqueItems": True},
    {"prefixItems": [{"type": "string"}, {"type": "integer"}], "items": False},
    {"type": "array", "contains": {"const": 5}, "minItems": 2},
    {"type": "array", "items": False},
    {"type": "array", "maxItems": 0, "items": {"type": "string"}},
    {
        "allOf": [
            {"type": "object", "properties": {"a": {"minimum": 3}}},
            {"properties": {"a": {"type": "integer", "maximum": 3}}, "required": ["a"]},
        ]
    },
    {"anyOf": [{"type": "null"}, {"type": "string"}]},
    {"oneOf": [{"type": "number"}, {"type": "integer", "minimum": 5}]},
    {"oneOf": [False, {"const": 2}]},
    {"oneOf": [{"required": ["a"]}, {"required": ["b"]}], "type": "object", "properties": {"a": {}, "b": {}}},
    {"type": "integer", "not": {"enum": [1]}},
    {"type": "string", "pattern": "^[A-Z]{2}[0-9]+$", "minLength": 10, "maxLength": 10},
    {"type": "object", "additionalProperties": {"$ref": "#/$defs/Node"}},
    {"$ref": "#/$defs/Node"},
    {"$ref": "#/$defs/Tree"},
    {"$ref": "#/$defs/Cat"},
    {"oneOf": [{"$ref": "#/$defs/One"}, {"$ref": "#/$defs/Two"}], "discriminator": {"propertyName": "kind"}},
    {"type": "string", "default": 5},
    {"type": "object", "properties": {"a": {"type": "integer"}}, "example": {"a": "wrong"}, "required": ["a"]},
]
DEFINITIONS: dict[str, Any] = {
    "Node": NODE,
    "Tree": {
        "type": "object",
        "required": ["value", "branches"],
        "properties": {"value": {"type": "integer"}, "branches": {"type": "array", "items": {"$ref": "#/$defs/Tree"}}},
    },
    "Animal": {
        "type": "object",
        "required": ["kind"],
        "properties": {"kind": {"type": "string"}},
        "discriminator": {"propertyName": "kind"},
    },
    "Cat": {"allOf": [{"$ref": "#/$defs/Animal"}, {"properties": {"lives": {"type": "integer"}}}]},
    "One": {"type": "object", "required": ["kind"], "properties": {"kind": {"type": "string"}}},
    "Two": {"type": "object", "required": ["kind", "x"], "properties": {"kind": {"type": "string"}}},
}


@pytest.mark.parametrize("schema", SCHEMAS, ids=lambda schema: json.dumps(schema)[:60])
@pytest.mark.parametrize("examples", [True, False])
def test_valid(schema: Any, examples: bool) -> None:
    """What is made is valid by the gateway's own validator, and the same for the same seed."""
    validator = Validators(DEFINITIONS).compile(schema, "response")
    for seed in ("a", "b", "c"):
        made = sample(schema, DEFINITIONS, "response", seed, examples)
        assert validator.violations(made, {}) == []
        assert made == sample(schema, DEFINITIONS, "response", seed, examples)


def test_examples_and_defaults() -> None:
    """A fitting example comes first, then the examples, then the default; dynamic values look at none of them."""
    schema = {"type": "string", "example": 5, "examples": [6, "e"], "default": "d"}
    assert sample(schema, {}) == "e"
    assert sample({"type": "string", "default": "d"}, {}) == "d"
    assert sample(schema, {}, seed="s", examples=False) not in ("e", "d")


def test_discriminators() -> None:
    """A chosen branch says what the mapping calls it; a schema that inherits a discriminator says its own name."""
    branches = {"anyOf": [{"$ref": "#/$defs/Two"}, {"$ref": "#/$defs/One"}]}
    mapping = {"zwei": "#/$defs/Two", "eins": "#/$defs/One"}
    schema = {**branches, "discriminator": {"propertyName": "kind", "mapping": mapping}}
    assert sample(schema, DEFINITIONS)["kind"] == "zwei"
    assert sample({"$ref": "#/$defs/Cat"}, DEFINITIONS)["kind"] == "Cat"


def test_directions() -> None:
    """A response has no writeOnly and a request no readOnly property, required or not, made or in an example."""
    properties = {"r": {"type": "integer", "readOnly": True}, "w": {"type": "integer", "writeOnly": True}}
    schema = {"type": "object", "properties": properties, "required": ["r", "w"]}
    assert set(sample(schema, {}, "response")) == {"r"}
    assert set(sample(schema, {}, "request")) == {"w"}
    assert sample({**schema, "example": {"r": 1, "w": 2}}, {}, "response") == {"r": 1}


def test_recursion_stops() -> None:
    """Optional members that lead back are left out; a required one is None where nothing else is possible."""
    assert set(sample({"$ref": "#/$defs/Node"}, DEFINITIONS)) == {"name"}
    assert sample({"$ref": "#/$defs/Tree"}, DEFINITIONS)["branches"] == []
    endless = {"E": {"type": "object", "required": ["e"], "properties": {"e": {"$ref": "#/$defs/E"}}}}
    assert sample({"$ref": "#/$defs/E"}, endless) is None


def test_depth() -> None:
    """Optional properties are there down to DEPTH objects inside each other, required ones at any depth."""
    schema: dict[str, Any] = {"type": "object", "properties": {}}
    for _ in range(DEPTH + 3):
        schema = {"type": "object", "properties": {"o": schema}}
    made, depth = sample(schema, {}), 0
    while "o" in made:
        made, depth = made["o"], depth + 1
    assert depth == DEPTH
    for _ in range(DEPTH + 3):
        schema = {"type": "object", "properties": {"r": schema}, "required": ["r"]}
    made, depth = sample(schema, {}), 0
    while "r" in made:
        made, depth = made["r"], depth + 1
    assert depth == DEPTH + 3


def test_limits() -> None:
    """A thousand items are made, one more is not; a web of schemas gives a small value in a short time."""
    assert len(sample({"type": "array", "minItems": ITEMS}, {})) == ITEMS
    assert sample({"type": "array", "minItems": ITEMS + 1}, {}) is None
    names = [f"S{number}" for number in range(60)]
    web = {
        name: {"type": "object", "properties": {other: {"$ref": f"#/$defs/{other}"} for other in names}}
        for name in names
    }
    started = time.perf_counter()
    made = sample({"$ref": "#/$defs/S0"}, web)
    assert time.perf_counter() - started < 10
    assert 0 < len(json.dumps(made)) < 100_000


def _documents() -> list[Path]:
    paths = sorted(path for path in CORPUS.glob("*") if path.suffix in (".json", ".yaml"))
    if not paths:
        print(f"skipped: {CORPUS} is not there")
    return [path for path in paths if path.stat().st_size < 700_000]


def _compiled(path: Path) -> CompiledApi:
    media_type = "application/json" if path.suffix == ".json" else "application/yaml"
    return compile_document(load(path.read_bytes(), media_type, Settings()))


@pytest.mark.parametrize("path", _documents(), ids=lambda path: str(path.name))
def test_real_documents(path: Path) -> None:
    """What is made for the responses of a real document is valid (Spotify's discriminators contradict its enums)."""
    api = _compiled(path)
    validators = Validators(api.schemas)
    made = wrong = 0
    for operation in api.operations:
        for response in operation.responses.values():
            for media in response.content.values():
                made += 1
                value = sample(media.schema, api.schemas, "response", operation.key)
                wrong += not validators.compile(media.schema, "response").is_valid(value)
    print(f"{path.name}: {made - wrong} of {made} valid")
    assert wrong <= (2 if "spotify" in path.name else 0)


def test_a_discriminator_that_only_the_server_sets() -> None:
    """A readOnly discriminator is in a response, with the name of the schema, and not in a request."""
    schemas: dict[str, Schema] = {
        "Cat": {
            "type": "object",
            "properties": {"kind": {"type": "string", "readOnly": True}},
            "required": ["kind"],
            "discriminator": {"propertyName": "kind"},
        }
    }
    assert sample({"$ref": "#/$defs/Cat"}, schemas, "response") == {"kind": "Cat"}
    assert sample({"$ref": "#/$defs/Cat"}, schemas, "request") == {}
