"""The JSON Schema organisation's own suite, sent through our conversion and validators, not through the library alone.

Each schema is put into an OpenAPI document (2020-12 into 3.1, draft 4 into 3.0), compiled, and asked about each value.
What differs on purpose is listed with its reason; anything else that differs fails the test.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from apimgmt.spec.compiler.compiler import compile_document
from apimgmt.spec.document import Document, Source, Specification
from apimgmt.spec.validation.validator import Validators

SUITE = Path(__file__).parents[2] / "../shared/corpus/standards/json-schema-test-suite"
HOST = "http://localhost:1234/"

NO_NETWORK = "only the document itself is looked at; the loader refuses what it does not bring in"
NO_ID = "`id` is no keyword of OpenAPI 3.0, where references are JSON pointers or URLs of files"

DIFFERENT_2020 = {
    "format.json |": "formats are checked, as API designers expect",
    "format/time.json | validation of time strings | no time offset": "documents mean a time of day too (.NET, Graph)",
    "defs.json | validate definition against metaschema |": NO_NETWORK,
    "ref.json | remote ref, containing refs itself |": NO_NETWORK,
    "refRemote.json | remote HTTP ref with different": "a schema with an $id is known by that, not by its URL",
    "vocabulary.json | schema that uses custom metaschema": "one set of keywords, whatever $schema says",
    "unknownKeyword.json | $id inside an unknown keyword": "two schemas with one $id: no document should have them",
}
DIFFERENT_DRAFT4 = {
    "definitions.json | validate definition against metaschema |": NO_NETWORK,
    "refRemote.json |": NO_NETWORK,
    "ref.json | remote ref, containing refs itself |": NO_NETWORK,
    "ref.json | Recursive references between schemas |": NO_ID,
    "ref.json | Location-independent identifier": NO_ID,
    "ref.json | id must be resolved against nearest parent": NO_ID,
    "ref.json | $ref prevents a sibling id": NO_ID,
    "id.json | id inside an enum": NO_ID,
    "zeroTerminatedFloats.json |": "1.0 is an integer, as in every draft since 6",
    "format/hostname.json | validation of host names | hostname with consecutive hyphens": "RFC 5891 section 4.2.3.1",
}

pytestmark = pytest.mark.skipif(not SUITE.exists(), reason="the corpus is not beside the repository")


class Case(NamedTuple):
    name: str
    schema: Any
    value: Any
    valid: bool


class Nowhere:
    def find(self, tokens: Any) -> tuple[int, int]:
        return 1, 1


def cases(draft: str, pattern: str) -> Iterator[Case]:
    for path in sorted((SUITE / "tests" / draft).glob(pattern)):
        for group in json.loads(path.read_text("utf-8")):
            for test in group["tests"]:
                file = path.relative_to(SUITE / "tests" / draft).as_posix().removeprefix("optional/")
                name = f"{file} | {group['description']} | {test['description']}"
                yield Case(name, group["schema"], test["data"], test["valid"])


def verdict(document: dict[str, Any], specification: Specification, value: Any) -> bool:
    """Whether the body of the only operation takes ``value``; an answer and a list of violations must agree."""
    compiled = compile_document(Document(document, specification, Source("", document, Nowhere())))
    body = compiled.operations[0].body
    assert body is not None
    validator = Validators(compiled.schemas).compile(body.content["application/json"].schema)
    valid = validator.is_valid(value)
    assert valid == (not validator.violations(value, {"in": "body"}))
    return valid


def in_31(schema: Any) -> dict[str, Any]:
    """A 3.1 document around a 2020-12 schema, with the suite's remote schemas beside it under their own URLs."""
    schemas = {"Case": {"$id": "urn:case", **schema} if isinstance(schema, dict) else schema}
    if HOST in json.dumps(schema):
        for number, path in enumerate(sorted((SUITE / "remotes/draft2020-12").rglob("*.json"))):
            remote = json.loads(path.read_text("utf-8"))
            url = HOST + path.relative_to(SUITE / "remotes").as_posix()
            schemas[f"Remote{number}"] = {"$id": url, **remote} if isinstance(remote, dict) else remote
    return around(schemas, "3.1.0")


def in_30(schema: Any) -> dict[str, Any]:
    """A 3.0 document around a draft-4 schema, whose references to itself become references to the component."""
    return around({"Case": moved(schema)}, "3.0.3")


def moved(value: Any) -> Any:
    if isinstance(value, list):
        return [moved(item) for item in value]
    if not isinstance(value, dict):
        return value
    result = {key: item if key == "enum" else moved(item) for key, item in value.items()}
    if isinstance(value.get("$ref"), str) and value["$ref"].startswith("#"):
        result["$ref"] = "#/components/schemas/Case" + value["$ref"][1:]
    return result


def around(schemas: dict[str, Any], version: str) -> dict[str, Any]:
    body = {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Case"}}}}
    return {
        "openapi": version,
        "info": {"title": "Suite", "version": "1"},
        "paths": {"/case": {"post": {"requestBody": body, "responses": {}}}},
        "components": {"schemas": schemas},
    }


def differences(found: list[tuple[Case, bool]], expected: dict[str, str]) -> list[str]:
    """The cases that came out differently and are on no list, and the listed ones that no longer differ."""
    wrong = [case.name for case, valid in found if valid != case.valid]
    unexplained = [name for name in wrong if not any(name.startswith(start) for start in expected)]
    stale = [f"no longer differs: {start}" for start in expected if not any(name.startswith(start) for name in wrong)]
    return unexplained + stale


def score(title: str, found: list[tuple[Case, bool]]) -> None:
    right = sum(valid == case.valid for case, valid in found)
    print(f"{title}: {right} of {len(found)} as the suite says")


@pytest.mark.parametrize(
    ("draft", "specification", "around_it", "expected"),
    [("draft2020-12", "3.1", in_31, DIFFERENT_2020), ("draft4", "3.0", in_30, DIFFERENT_DRAFT4)],
)
def test_every_verdict_of_the_suite(
    draft: str,
    specification: Specification,
    around_it: Callable[[Any], dict[str, Any]],
    expected: dict[str, str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Required and optional cases and formats come out as the suite says, but for those that are explained."""
    found = []
    for part in ("*.json", "optional/*.json", "optional/format/*.json"):
        of_part = [(case, verdict(around_it(case.schema), specification, case.value)) for case in cases(draft, part)]
        with capsys.disabled():
            score(f"{draft}/{part} as OpenAPI {specification}", of_part)
        found += of_part
    assert differences(found, expected) == []
