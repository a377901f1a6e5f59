"""Runs ``specs/acceptance/**/*.yaml``: small texts that say what is published, what is asked, and what comes back.

A file holds one scenario or several with ``---`` between them::

    title: what it shows, in one sentence
    rows: [F-011]                     # the rows of the acceptance list
    document: {paths: {...}}          # or a file below specs/documents; openapi, info, responses are filled in
    bindings: {get /pets: {kind: echo}}
    handlers: handlers.py             # beside the scenarios: functions for bindings of kind python
    bind: echo                        # what every other operation runs
    authentication: none              # or document
    trigger: {rawBody: true}          # settings of the API
    triggers: {get /pets: {...}}      # settings of one operation
    keys: {KEY: [{path: /**}]}        # API keys by their text, with their rules
    basePath: /v1
    scheme: https
    requests:
      - request: GET /pets?limit=5
        headers: {Accept: application/json}
        body: text | json: value | base64: text
        expect:
          status: 200
          headers: {vary: Accept, x-gone: null}     # null: the field is not there
          json: value                               # exactly
          like: value                               # objects may have more members
          text: exactly | contains: [text] | lacks: [text] | base64: text
    refused: [path-collision]         # instead of requests: the findings for which the upload is refused

The upload goes through the loader, the checks and the compiler; the requests through routing to the response.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from ruamel.yaml import YAML

from apimgmt.errors import DocumentRefused
from apimgmt.model import METHODS, Finding, Rule
from apimgmt.processes.functions.handlers import load_handlers
from apimgmt.settings import Settings
from apimgmt.spec.compiler.compiler import compile_document
from apimgmt.spec.intake.loader import load
from apimgmt.spec.lint.linter import lint, lint_operations
from harness import Answer, Client, api_key, serve

SCENARIOS = Path(__file__).resolve().parents[1] / "specs" / "acceptance"
FIELDS = {
    "title", "rows", "document", "bindings", "bind", "authentication", "trigger", "triggers", "keys", "basePath",
    "scheme", "requests", "refused", "settings", "handlers",
}  # fmt: skip


def _scenarios() -> Iterator[Any]:
    for path in sorted(SCENARIOS.rglob("*.yaml")):
        for number, scenario in enumerate(YAML(typ="safe", pure=True).load_all(path), 1):
            assert set(scenario) <= FIELDS, f"{path.name}, scenario {number}: {set(scenario) - FIELDS}"
            marks = pytest.mark.rows(*scenario["rows"])
            yield pytest.param(scenario, id=f"{path.stem}-{number}", marks=marks)


@pytest.mark.parametrize("scenario", list(_scenarios()))
def test_scenario(scenario: dict[str, Any]) -> None:
    """What the scenario's title says."""
    document = _completed(scenario["document"])
    if "refused" in scenario:
        codes = {finding.code for finding in _errors(document, Settings(**scenario.get("settings", {})))}
        assert codes == set(scenario["refused"]), scenario["title"]
        return
    client = _client(scenario, document)
    for step in scenario["requests"]:
        answer = _ask(client, step)
        _compare(step["expect"], answer, f"{scenario['title']}: {step['request']}")


def _completed(document: Any) -> Any:
    """The document with the parts that every document has and that show nothing."""
    if isinstance(document, str):
        return document
    if "swagger" not in document:
        document = {"openapi": "3.0.3", **document}
    for item in document["paths"].values():
        for method in set(item) & set(METHODS):
            item[method].setdefault("responses", {"200": {"description": "done"}})
    return {"info": {"title": "Sample", "version": "1"}, **document}


def _errors(document: Any, settings: Settings) -> list[Finding]:
    try:
        loaded = load(msgspec.json.encode(document), "application/json", settings)
    except DocumentRefused as refused:
        return [finding for finding in refused.findings if finding.severity == "error"]
    found = lint(loaded, settings)
    if not any(finding.severity == "error" for finding in found):
        found = [*found, *lint_operations(compile_document(loaded), loaded, settings)]
    return [finding for finding in found if finding.severity == "error"]


def _client(scenario: dict[str, Any], document: Any) -> Client:
    keys = [
        api_key(text, f"key{number}", [msgspec.convert(rule, Rule) for rule in rules])
        for number, (text, rules) in enumerate(scenario.get("keys", {}).items())
    ]
    client = serve(
        document,
        bindings=scenario.get("bindings"),
        bind=scenario.get("bind", "echo"),
        authentication=scenario.get("authentication", "none"),
        trigger=scenario.get("trigger"),
        triggers=scenario.get("triggers"),
        base_path=scenario.get("basePath"),
        keys=keys,
        settings=Settings(**scenario.get("settings", {})),
        functions=load_handlers(str(SCENARIOS / scenario["handlers"])) if "handlers" in scenario else None,
    )
    client.scheme = scenario.get("scheme", "http")
    return client


def _ask(client: Client, step: dict[str, Any]) -> Answer:
    method, _, target = step["request"].partition(" ")
    body = step.get("body", "")
    if "base64" in step:
        body = base64.b64decode(step["base64"])
    headers = [(name, text) for name, value in step.get("headers", {}).items() for text in _each(value)]
    return client.request(method, target, headers, body, json=step.get("json"))


def _each(value: Any) -> list[str]:
    return [str(item) for item in value] if isinstance(value, list) else [str(value)]


def _compare(expect: dict[str, Any], answer: Answer, where: str) -> None:
    assert answer.status == expect["status"], f"{where}: {answer}"
    for name, value in expect.get("headers", {}).items():
        found = answer.all(name)
        assert found == ([] if value is None else _each(value)), f"{where}: {name}: {found}"
    if "json" in expect:
        assert answer.json() == expect["json"], f"{where}: {answer}"
    if "like" in expect:
        assert _is_like(answer.json(), expect["like"]), f"{where}: {answer}"
    if "text" in expect:
        assert answer.text == expect["text"], f"{where}: {answer}"
    if "base64" in expect:
        assert answer.body == base64.b64decode(expect["base64"]), f"{where}: {answer}"
    for text in expect.get("contains", []):
        assert text in answer.text, f"{where}: {text} is missing in {answer}"
    for text in expect.get("lacks", []):
        assert text not in answer.text, f"{where}: {text} is in {answer}"


def _is_like(value: Any, wanted: Any) -> bool:
    """Whether ``value`` is ``wanted``, with more members in its objects allowed; 1 is neither 1.0 nor true."""
    if isinstance(wanted, dict):
        return isinstance(value, dict) and all(key in value and _is_like(value[key], wanted[key]) for key in wanted)
    if isinstance(wanted, list):
        return isinstance(value, list) and len(value) == len(wanted) and all(map(_is_like, value, wanted))
    return type(value) is type(wanted) and value == wanted
