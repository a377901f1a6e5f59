"""Problems as replies (H-039 to H-043, H-102, H-109)."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from apimgmt.errors import CATALOGUE, Problem
from apimgmt.gateway.messages.problems import LONGEST_POINTER, MOST_ERRORS, problem_reply


def _errors(count: int) -> list[dict[str, Any]]:
    return [{"in": "body", "pointer": f"/{number}", "code": "type", "detail": "no"} for number in range(count)]


@pytest.mark.rows("H-039", "H-040", "H-041", "H-042", "H-043")
@pytest.mark.parametrize("code", sorted(CATALOGUE))
def test_problem_details(code: str) -> None:
    """Every row of the catalogue is a problem document with its own type and status (RFC 9457)."""
    reply = problem_reply(Problem(code, "why"), "urn:x:1")
    body = orjson.loads(reply.body)
    assert reply.header(b"content-type") == b"application/problem+json"
    assert reply.header(b"content-length") == b"%d" % len(reply.body)
    assert reply.status == body["status"] == CATALOGUE[code].status
    assert body["type"].endswith(code)
    assert (body["detail"], body["instance"]) == ("why", "urn:x:1")


@pytest.mark.rows("H-109")
def test_all_violations_up_to_a_hundred() -> None:
    """Exactly a hundred violations are all there; of one more the last is only counted."""
    exact = orjson.loads(problem_reply(Problem("validation", errors=_errors(MOST_ERRORS))).body)
    assert exact["errors"] == _errors(MOST_ERRORS)
    assert "errorsOmitted" not in exact
    more = orjson.loads(problem_reply(Problem("validation", errors=_errors(MOST_ERRORS + 1))).body)
    assert (more["errors"], more["errorsOmitted"]) == (_errors(MOST_ERRORS), 1)


def test_a_pointer_is_bounded() -> None:
    """At the limit it is whole, past it it is cut: a name in it may be as long as the body was."""
    for length in (LONGEST_POINTER, LONGEST_POINTER + 1, 1_000_000):
        error = {"in": "body", "pointer": "/" + "a" * (length - 1), "code": "type", "detail": "no"}
        shown = orjson.loads(problem_reply(Problem("validation", errors=[error])).body)["errors"][0]["pointer"]
        assert len(shown) == min(length, LONGEST_POINTER + 1) and shown[:LONGEST_POINTER] in error["pointer"]


def test_error_shape() -> None:
    """An API may have the other shape: code, message and details under one member."""
    problem = Problem("validation", errors=_errors(1), headers=[("Retry-After", "1")], extra={"trace": "t"})
    reply = problem_reply(problem, "urn:x:1", "error")
    assert reply.header(b"content-type") == b"application/json"
    assert reply.header(b"retry-after") == b"1"
    assert orjson.loads(reply.body) == {
        "error": {
            "code": "validation",
            "message": CATALOGUE["validation"].title,
            "details": _errors(1),
            "instance": "urn:x:1",
            "trace": "t",
        }
    }


@pytest.mark.rows("H-102")
def test_not_cached_and_not_split() -> None:
    """An error is for this request only, and what a handler puts into its status and headers is checked."""
    assert problem_reply(Problem("not-found")).header(b"cache-control") == b"no-store"
    with pytest.raises(Problem):
        problem_reply(Problem("not-found", headers=[("X", "a\r\nb")]))
    with pytest.raises(Problem):
        problem_reply(Problem("not-found", status=99))
