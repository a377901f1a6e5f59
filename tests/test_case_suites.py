"""The test suites of peers, run end to end: document in, request in, accepted or rejected as their authors expect.

Cases whose peers contradict each other are left out, and so are those that test something else than a verdict on a
request (credentials of the peer's own test server, its options, documents with references out of the upload). What we
decide otherwise on purpose stands in ``OTHERWISE``, with the reason; ``docs/design.md`` has the list for readers.
"""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from harness import serve

CASES = Path(__file__).parents[2] / "shared" / "corpus" / "cases"
SUITES = ("libopenapi-validator", "express-openapi-validator", "openapi-backend", "connexion")
ELSEWHERE = ("security", "ui-or-spec-served", "external-refs", "option:ignoreUndocumented", "option:formats")

SLASH = "a path with a slash at its end is another path: there is one canonical path and no redirect"
NUMBER = "the number grammar is the one of JSON: no +, no bare point, no leading zero"
REPEATED = "a parameter that is one text must not be sent twice"
READ_ONLY = "a readOnly property must not be sent (the peer has it switched off here, or does not know it)"
UNKNOWN_FORM_FIELD = "a form may have fields that the document does not declare, unless its schema closes it"
PYTHON_NULL = "None is not a null; null is"
EMPTY_OPTIONAL = "a body that is not required may be left out"
OTHERWISE = {
    **dict.fromkeys(("openapi-backend/078", "openapi-backend/079"), SLASH),
    **dict.fromkeys([f"connexion/00{number}" for number in (51, 52, 53, 60, 62, 63, 66)], NUMBER),
    **dict.fromkeys([f"connexion/0{number}" for number in ("038", "040", "044", "045", "493")], REPEATED),
    **dict.fromkeys(("eov/0247", "eov/0249", "eov/0250", "connexion/0230"), READ_ONLY),
    **dict.fromkeys(("connexion/0101", "connexion/0103"), PYTHON_NULL),
    "connexion/0078": UNKNOWN_FORM_FIELD,
    "connexion/0018": EMPTY_OPTIONAL,
}
STRICT = ("libopenapi-validator/0290", "connexion/0047")


def cases() -> list[Any]:
    """Every case that is a demand, as pytest parameters."""
    found = []
    for suite in SUITES:
        path = CASES / suite / "cases.json"
        if not path.exists():
            return [
                pytest.param(None, None, id="corpus", marks=pytest.mark.skip(reason="../shared/corpus is not here"))
            ]
        found += [pytest.param(suite, case, id=case["id"]) for case in json.loads(path.read_bytes()) if is_demand(case)]
    return found


def is_demand(case: dict[str, Any]) -> bool:
    """Whether a case is a verdict on a request that nobody disputes."""
    needs = case.get("needs") or []
    return (
        case["verdict"] in ("accept", "reject")
        and not case.get("contested")
        and case.get("spec_valid") is not False
        and not any(need in ELSEWHERE for need in needs)
    )


def document(suite: str, case: dict[str, Any]) -> bytes:
    """The document of a case: a file of the suite, or written into the case."""
    spec = case["spec"]
    return (CASES / suite / spec).read_bytes() if isinstance(spec, str) else json.dumps(spec).encode()


def content(body: Any) -> bytes:
    """The body of a request."""
    if isinstance(body, dict):
        return body["text"].encode() if "text" in body else base64.b64decode(body["base64"])
    return (body or "").encode()


@pytest.mark.parametrize(("suite", "case"), cases())
def test_a_request_is_accepted_or_rejected_as_the_peer_expects(suite: str, case: dict[str, Any]) -> None:
    """Below 400 is accepted; never is there a 500."""
    needs = case.get("needs") or []
    strict = "policy:unknown-query-rejected" in needs or case["id"] in STRICT
    client = serve(document(suite, case), trigger={"strictQuery": strict})
    request = case["request"]
    headers = [
        (name, value) for name, value in request["headers"] if name.lower() not in ("content-length", "connection")
    ]
    answer = client.request(request["method"], request["target"], headers, content(request.get("body")))
    assert answer.status < 500
    verdict = "accept" if answer.status < 400 else "reject"
    if case["id"] in OTHERWISE:
        assert verdict != case["verdict"], f"no longer decided otherwise: {OTHERWISE[case['id']]}"
    else:
        assert verdict == case["verdict"], answer
