"""Prism's own cases for mocks (corpus), without routing, security and validation, which are not this process's."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest
from invocations import invocation, run

import apimgmt.formats.json
import apimgmt.formats.xml  # noqa: F401  registers the formats
from apimgmt.errors import Problem
from apimgmt.gateway.messages.responder import Reply, compile_responder, problem_reply
from apimgmt.model import CompiledApi, Operation
from apimgmt.processes.mock import Mock
from apimgmt.settings import Settings
from apimgmt.spec.compiler.compiler import compile_document
from apimgmt.spec.intake.loader import load

CASES = Path(__file__).parents[2] / "../shared/corpus/cases/prism/cases.json"
OTHERS = ("security", "cors")

# Prism's answer -> ours, and why
DIFFERENT = {
    "E2E-Accept-Content-Negotiation-AC-14.oas3": "Accept */* gets JSON if it is declared (F-112), not what is first",
    "E2E-Accept-Content-Negotiation-Xml-AC-5.oas2": "the root is named by the component (OpenAPI), not xml",
    "default_responses-AC-7.oas3": "the problem has our type and lists the statuses that there are",
    "range-status-codes-AC-4.oas3": "the problem has our type and lists the statuses that there are",
    "E2E-Recursive-Array-Handling.oas3": "values vary by operation; recursion stops one level earlier",
    "prefer-concrete-path.oas3": "values vary by operation and are not always 0",
    "E2E-text-html-complex-serialisation.oas3": "an object declared as text is sent as JSON text, not refused",
    "static_examples-AC-2.oas3_1": "values vary by operation and are not always 'string'",
    "allow-empty-value.oas2": "values vary by operation and are not always 'string'",
    "multipart-allow-empty-value.oas2": "values vary by operation and are not always 'string'",
}


@cache
def _cases() -> list[dict[str, Any]]:
    if not CASES.exists():
        print(f"skipped: {CASES} is not there")
        return []
    cases = [case for case in json.loads(CASES.read_text("utf-8")) if case["mode"] == "mock"]
    return [case for case in cases if case["category"] != "cors" and not _is_of_others(case)]


def _is_of_others(case: dict[str, Any]) -> bool:
    refused = case["expect"]["status"] >= 400
    return refused and (case["category"] in OTHERS or case["category"].startswith("validate"))


def _operation(api: CompiledApi, method: str, path: str) -> Operation:
    path = unquote(path.removeprefix(api.base_path))
    for wanted in (method.lower(), "get"):
        for operation in sorted(api.operations, key=lambda one: one.path.count("{")):
            pattern = "/".join("[^/]+" if "{" in part else re.escape(part) for part in operation.path.split("/"))
            if re.fullmatch(pattern, path) and operation.method == wanted:
                return operation
    raise AssertionError("the case calls an operation that is not there")


def _reply(case: dict[str, Any]) -> Reply:
    api = compile_document(load(json.dumps(case["spec_repaired"]).encode(), "application/json", Settings()))
    target = urlsplit(case["request"]["target"])
    headers = {name.lower(): value for name, value in case["request"]["headers"]}
    # Prism also reads preferences from the query (__code=201); here they are a field of the header only (RFC 7240)
    wished = [f"{name[2:]}={value}" for name, value in parse_qsl(target.query) if name.startswith("__")]
    if wished:
        headers["prefer"] = ", ".join(wished)
    operation = _operation(api, case["request"]["method"], target.path)
    config = Mock(dynamic=bool({"-d", "--dynamic"} & set(case["options"])))
    responder = compile_responder(operation, api)
    try:
        result = run(config.build(operation, api), invocation(operation, headers))
        return responder.reply(result, headers.get("accept", "").encode() or None)
    except Problem as problem:
        return problem_reply(problem)


def _differences(case: dict[str, Any], reply: Reply) -> list[str]:
    expected = case["expect"]
    found = [] if reply.status == expected["status"] else [f"status {reply.status}"]
    for name, value in expected["headers"]:
        sent = (reply.header(name.lower().encode()) or b"").decode("latin-1").partition(";")[0]
        found += [] if sent == value else [f"{name}: {sent}"]
    body = re.sub(r"^<\?xml.*\?>\n", "", reply.body.decode())
    if expected["body"] is not None and expected["body_match"] == "exact" and not _equal(body, expected["body"]):
        found.append(f"body {body[:200]}")
    return found


def _equal(one: str, other: str) -> bool:
    try:
        return bool(json.loads(one) == json.loads(other))
    except ValueError:
        return one == other


@pytest.mark.parametrize("case", _cases(), ids=lambda case: str(case["id"]).rpartition("/")[2])
def test_case(case: dict[str, Any]) -> None:
    """A case has Prism's answer, or one that differs on purpose."""
    name = str(case["id"]).rpartition("/")[2]
    differences = _differences(case, _reply(case))
    assert bool(differences) == (name in DIFFERENT), differences


def test_score() -> None:
    """The list of differences names cases that exist, and is short."""
    names = {str(case["id"]).rpartition("/")[2] for case in _cases()}
    if not names:
        pytest.skip(f"{CASES} is not there")
    print(
        f"Prism's mock cases: {len(names) - len(DIFFERENT)} of {len(names)} alike, {len(DIFFERENT)} differ on purpose"
    )
    assert set(DIFFERENT) <= names
