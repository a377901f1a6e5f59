"""Routing, authentication, validation and process always mean the same operation (F-016, reliability.md C1, F4)."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness import api_key, serve

SEGMENTS = ["a", "b", "7", "true", "{i}", "{b}", "{n}", "{s}", "x{i}", "{s}.{t}"]
TYPES = {"i": "integer", "b": "boolean", "n": "number", "s": "string", "t": "string"}
TEXTS = ["a", "b", "7", "-7", "7.5", "true", "false", "x7", "a.b", "zz", "%37", "%61", "07", "TRUE"]

templates = st.lists(
    st.tuples(st.lists(st.sampled_from(SEGMENTS), min_size=1, max_size=3), st.sampled_from(["get", "post"])),
    min_size=1,
    max_size=8,
)
urls = st.lists(st.lists(st.sampled_from(TEXTS), min_size=1, max_size=3), min_size=1, max_size=12)


def shape(path: str) -> str:
    """A template without the names of its parameters' numbers, but with their types."""
    return re.sub(r"\{(\w)\d*\}", r"{\1}", path).replace("{t}", "{s}")


def document(operations: list[tuple[str, str]]) -> dict[str, Any]:
    """Every operation has a key of its own in a header of its own, and a required header parameter of its own."""
    paths: dict[str, Any] = {}
    schemes: dict[str, Any] = {}
    for number, (path, method) in enumerate(operations):
        schemes[f"s{number}"] = {"type": "apiKey", "in": "header", "name": f"Key-{number}"}
        parameters = [
            {"name": name, "in": "path", "required": True, "schema": {"type": TYPES[name]}}
            for name in re.findall(r"\{(\w)\}", path)
        ]
        parameters.append({"name": f"Need-{number}", "in": "header", "required": True, "schema": {"type": "string"}})
        paths.setdefault(path, {})[method] = {
            "operationId": "the same for all",
            "parameters": parameters,
            "security": [{f"s{number}": []}],
            "responses": {"200": {"description": "ok"}},
        }
    return {
        "openapi": "3.0.3",
        "info": {"title": "t", "version": "1"},
        "components": {"securitySchemes": schemes},
        "paths": paths,
    }


@pytest.mark.rows("F-016")
@given(templates, urls)
@settings(max_examples=60, deadline=None)
def test_what_is_authorised_and_validated_is_what_runs(
    drawn: list[tuple[list[str], str]], called: list[list[str]]
) -> None:
    """The 401 names the key of one operation; with it the 400 names the header of the same one; with both it runs."""
    distinct = {(shape("/" + "/".join(parts)), method): "/" + "/".join(parts) for parts, method in drawn}
    operations = [(path, method) for (_, method), path in distinct.items()]
    client = serve(document(operations), authentication="document", keys=[api_key("secret")])
    for texts in called:
        for method in ("GET", "POST"):
            target = "/" + "/".join(texts)
            refused = client.request(method, target)
            if refused.status in (404, 405):
                assert client.request(method, target, every_credential(operations)).status == refused.status
                continue
            assert refused.status == 401
            number = int(re.search(r'name="Key-(\d+)"', refused.header("www-authenticate") or "")[1])  # type: ignore[index]
            key = {f"Key-{number}": "secret"}
            invalid = client.request(method, target, key)
            assert [error["name"] for error in invalid.json()["errors"]] == [f"Need-{number}"]
            answer = client.request(method, target, {**key, f"Need-{number}": "x"})
            path, expected = operations[number]
            assert answer.json()["operation"] == {"method": method, "path": path, "key": f"{expected} {path}"}


def every_credential(operations: list[tuple[str, str]]) -> dict[str, str]:
    """The keys of all operations at once."""
    return {f"Key-{number}": "secret" for number in range(len(operations))}
