"""Every operation of every real document answers (the goal of the intake)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bench.every_operation import DOCUMENTS_PER_PROCESS, Failure, call_all, documents, lines, survey

CORPUS = Path(__file__).parents[2] / "../shared/corpus/documents"

# Operations for which no value was found that fits the document, and why there is none that anybody would send.
WITHOUT_VALUE = {
    "v3.0-readme-polymorphism.json": "`oneOf` with alternatives that all take the same objects, or any text",
    "v3.1-readme-schema-types.json": "`allOf` of a string and an integer",
}


@pytest.mark.parametrize("name", sorted(path.name for path in documents(CORPUS)) or [""])
def test_every_operation_of_a_real_document_answers(name: str) -> None:
    """Accepted; mock, echo and protected answer as they must, with what is required and with all that is declared."""
    if not name:
        pytest.skip("the corpus of documents is not here")
    outcome = call_all(CORPUS / name)
    assert outcome.crash == ""
    assert outcome.refused == []
    assert sum(outcome.answers.values()) == outcome.operations
    unexpected: list[Failure] = [one for one in outcome.failures if name not in WITHOUT_VALUE or one.kind != "no value"]
    assert unexpected == []


def document(paths: dict[str, Any]) -> str:
    """A document whose operations are GETs with one path parameter ``p`` of these schemas, or none."""
    operations = {path: {"get": {"parameters": _parameters(schema), "responses": {}}} for path, schema in paths.items()}
    return json.dumps({"openapi": "3.0.3", "info": {"title": "t", "version": "1"}, "paths": operations})


def _parameters(schema: Any) -> list[dict[str, Any]]:
    return [] if schema is None else [{"name": "p", "in": "path", "required": True, "schema": schema}]


def test_what_does_not_answer_is_counted(tmp_path: Path) -> None:
    """A refused document with its code, an operation that no value fits, and one that answers."""
    never = {"allOf": [{"type": "string"}, {"type": "integer"}]}
    (tmp_path / "a.json").write_text(document({"/x/{p}": {}, "/x/{q}": {}}))
    (tmp_path / "b.json").write_text(document({"/x/{p}": never, "/y": None}))
    (tmp_path / "c.json").write_text("{}")
    outcomes = [call_all(path) for path in documents(tmp_path)]
    assert [len(outcome.refused) for outcome in outcomes] == [1, 0]
    assert outcomes[1].answers == {"no value": 1, "2xx": 1}
    text = "\n".join(lines(outcomes, 1))
    assert "ambiguous-path" in text
    assert "1 failures" in text
    assert "get /x/{p}: no value" in text


def test_every_document_has_its_turn(tmp_path: Path) -> None:
    """Also where one process after the other takes a share of them, and in order."""
    for number in range(DOCUMENTS_PER_PROCESS + 1):
        (tmp_path / f"{number:03}.json").write_text(document({"": None}))
    outcomes = list(survey(documents(tmp_path), jobs=1))
    assert [Path(outcome.document).stem for outcome in outcomes] == [f"{number:03}" for number in range(len(outcomes))]
    assert len(outcomes) == DOCUMENTS_PER_PROCESS + 1


def test_an_operation_that_another_one_hides_is_found_out(tmp_path: Path) -> None:
    """The echo tells which operation ran: here no text reaches the second one."""
    paths = {"/x/a": None, "/x/{p}": {"type": "string", "enum": ["a"]}}
    (tmp_path / "a.json").write_text(document(paths))
    outcome = call_all(tmp_path / "a.json")
    assert outcome.answers == {"2xx": 1, "another operation": 1}
