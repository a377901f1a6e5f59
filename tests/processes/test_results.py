"""Exceptions and responses of other frameworks."""

from __future__ import annotations

from typing import Any

import pytest
from connexion.exceptions import BadRequestProblem, ProblemException
from connexion.lifecycle import ConnexionResponse
from starlette.background import BackgroundTask
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, PlainTextResponse
from werkzeug.exceptions import ImATeapot, MethodNotAllowed

from apimgmt.processes import Answer, Envelope
from apimgmt.processes.functions.results import adapted, problem_of


@pytest.mark.parametrize(
    ("error", "status", "code", "detail"),
    [
        (HTTPException(404), 404, "not-found", "Not Found"),
        (HTTPException(499, "odd"), 499, "bad-request", "odd"),
        (HTTPException(507, "full"), 507, "process-failed", "full"),
        (HTTPException(99, "odd"), 500, "process-failed", ""),
        (BadRequestProblem("bad"), 400, "bad-request", "bad"),
        (ImATeapot("tea"), 418, "bad-request", "tea"),
        (ValueError("secret"), 500, "process-failed", ""),
    ],
)
def test_statuses(error: Exception, status: int, code: str, detail: str) -> None:
    """The status and the words of an HTTP exception stay; the code is the nearest of the catalogue."""
    problem = problem_of(error)
    assert (problem.status, problem.code, problem.detail) == (status, code, detail)


def test_problem_exception() -> None:
    """A problem of Connexion keeps its type, title and extensions; without a type it is about:blank."""
    error = ProblemException(status=409, title="T", detail="d", type="urn:t", ext={"x": 1}, headers={"X-A": "1"})
    problem = problem_of(error)
    expected = {"type": "urn:t", "title": "T", "status": 409, "detail": "d", "x": 1}
    assert (problem.document(), problem.headers) == (expected, [("X-A", "1")])
    assert problem_of(ProblemException(status=400)).document()["type"] == "about:blank"


def test_headers_of_exceptions() -> None:
    """Allow and the like travel with the problem; the type of the framework's page does not."""
    assert problem_of(MethodNotAllowed(["GET"])).headers == [("Allow", "GET")]


async def test_background_task_and_file(tmp_path: Any) -> None:
    """What a Starlette response does afterwards is done, and a file is read."""
    done: list[int] = []
    response = PlainTextResponse("a", background=BackgroundTask(done.append, 1))
    assert ((await adapted(response)).content, done) == (b"a", [1])
    (tmp_path / "f.txt").write_text("content", "utf-8")
    assert (await adapted(FileResponse(tmp_path / "f.txt"))).content == b"content"


async def test_connexion_response_with_a_value() -> None:
    """A Connexion response whose body is no text is written like any object."""
    answer = await adapted(ConnexionResponse(201, body={"a": 1}))
    assert isinstance(answer, Answer)
    assert (answer.status, answer.value) == (201, {"a": 1})
    assert isinstance(await adapted(ConnexionResponse(204)), Envelope)
