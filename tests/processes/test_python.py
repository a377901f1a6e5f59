"""python: which function runs, where, and what becomes of its result."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from connexion import context
from invocations import api, invocation, operation, run

from apimgmt.errors import Problem, SettingInvalid
from apimgmt.model import Parameter
from apimgmt.processes import Answer, Envelope, Invocation
from apimgmt.processes.functions.handlers import load_handlers
from apimgmt.processes.functions.threads import Share
from apimgmt.processes.python import Functions, Python, _uses_connexion, functions

ID = Parameter(name="id", location="path", required=True)
VARIABLE: contextvars.ContextVar[str] = contextvars.ContextVar("VARIABLE", default="unset")


@pytest.fixture(autouse=True)
def _registered() -> Iterator[None]:
    before = dict(functions)
    yield
    functions.clear()
    functions.update(before)


def _run(function: Any, *parameters: Parameter, **data: Any) -> Any:
    functions["tested"] = function
    one = operation(*parameters)
    return run(Python(function="tested").build(one, api(one)), invocation(one, **data))


def test_never_imported() -> None:
    """A name that the operator did not register is not imported, however importable it is."""
    one = operation()
    for name in ("os.getcwd", "subprocess.run", "antigravity"):
        with pytest.raises(SettingInvalid, match="no function"):
            Python(function=name).build(one, api(one))
    assert "antigravity" not in sys.modules


def test_by_name() -> None:
    """Arguments by name, async on the loop and sync in a thread of ours."""

    async def asynchronous(id: int) -> Any:
        return {"id": id, "thread": threading.current_thread().name}

    def synchronous(id: int) -> Any:
        return {"id": id, "thread": threading.current_thread().name}

    assert _run(asynchronous, ID, path={"id": 5}) == {"id": 5, "thread": "MainThread"}
    result = _run(synchronous, ID, path={"id": 5})
    assert (result["id"], result["thread"].startswith("process")) == (5, True)


def test_whole_invocation() -> None:
    """One argument called trigger, or annotated Invocation, is the invocation itself."""

    async def one(trigger):  # type: ignore[no-untyped-def]
        return trigger.data.path.id

    def two(whatever: Invocation) -> Any:
        return whatever.data.path["id"]

    def three(trigger: Any) -> Any:
        return trigger

    assert _run(one, ID, path={"id": 5}) == 5
    assert _run(two, ID, path={"id": 6}) == 6
    assert _run(three, Parameter(name="trigger", location="query"), query={"trigger": "q"}) == "q"


def test_callables_of_all_kinds() -> None:
    """Partial functions, methods, objects that are called, and decorated functions run as what they are."""

    class Called:
        async def __call__(self, id: int) -> int:
            return id

        def method(self, id: int) -> int:
            return id + 1

    def decorated(function: Any) -> Any:
        @functools.wraps(function)
        def inner(*args: Any, **kwargs: Any) -> Any:
            return function(*args, **kwargs)

        return inner

    async def asynchronous(id: int) -> int:
        return id + 2

    partial = functools.partial(asynchronous)
    ways = (Called(), Called().method, decorated(asynchronous), partial)
    assert [_run(function, ID, path={"id": 1}) for function in ways] == [1, 2, 3, 3]


def test_context_variables() -> None:
    """Context variables of the request are there in the thread."""

    def function() -> str:
        return VARIABLE.get()

    token = VARIABLE.set("set")
    try:
        assert _run(function) == "set"
    finally:
        VARIABLE.reset(token)


def test_threads_are_bounded() -> None:
    """No more calls of one function run at a time than it may have threads."""
    registry = Functions()
    registry.threads = 2
    running, most = 0, 0
    lock = threading.Lock()

    def function() -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        threading.Event().wait(0.02)
        with lock:
            running -= 1

    async def many() -> None:
        share = Share("function")
        await asyncio.gather(*(registry.pool.run(share, function) for _ in range(8)))

    asyncio.run(many())
    assert most == 2
    registry.pool.close()


@pytest.mark.parametrize(
    ("result", "status", "value"),
    [
        (("a",), 200, "a"),
        ((None,), 204, None),
        (({"a": 1}, 201), 201, {"a": 1}),
        (({"a": 1}, 201, None), 201, {"a": 1}),
        (({"a": 1}, {"X": "1"}), 200, {"a": 1}),
    ],
)
def test_tuples(result: Any, status: int, value: Any) -> None:
    """Tuples are body, status and headers."""
    answer = _run(lambda: result)
    assert isinstance(answer, Answer)
    assert (answer.status, answer.value) == (status, value)


@pytest.mark.parametrize("result", [(), (1, 2, 3, 4), ("a", 200, 5)])
def test_tuples_that_are_none(result: Any) -> None:
    """A tuple of another length or without headers for headers is a failed process."""
    with pytest.raises(Problem) as failed:
        _run(lambda: result)
    assert failed.value.code == "process-failed"


@pytest.mark.parametrize(
    "result", [{"a": 1}, [1], "a", None, 5, Envelope(201, "x"), {"HttpStatusCode": 1, "Content": ""}]
)
def test_others_as_they_are(result: Any) -> None:
    """Everything else is for the messages to decide."""
    assert _run(lambda: result) is result


@pytest.mark.rows("H-043", "H-102")
@pytest.mark.parametrize("error", [ValueError("secret"), SystemExit("secret"), KeyError("secret")])
def test_failures(error: BaseException) -> None:
    """A failure is process-failed with nothing of it said; the exception itself is kept for the log."""

    def function() -> None:
        raise error

    with pytest.raises(Problem) as failed:
        _run(function)
    assert failed.value.code == "process-failed"
    assert "secret" not in str(failed.value.document())
    assert failed.value.__cause__ is error


def test_problems_pass() -> None:
    """A problem of ours goes to the caller as it is."""
    problem = Problem("conflict", "so it is")

    def function() -> None:
        raise problem

    with pytest.raises(Problem) as failed:
        _run(function)
    assert failed.value is problem


async def test_cancellation_passes() -> None:
    """A timeout cancels an async function; that is no failure of the process."""

    async def function() -> None:
        await asyncio.sleep(60)

    functions["tested"] = function
    one = operation()
    task = asyncio.create_task(Python(function="tested").build(one, api(one))(invocation(one)))  # type: ignore[arg-type]
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def _module(folder: Path, name: str, text: str) -> Any:
    path = folder / f"{name}.py"
    path.write_text(text, "utf-8")
    return load_handlers(str(path))[f"{name}.get"]


def test_connexion_context_only_where_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Connexion's context is set where the function's module, or one beside it, names Connexion, and when unsure."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    assert not _uses_connexion(_module(tmp_path, "needs_none", "import json\ndef get(): return 1"))
    assert _uses_connexion(_module(tmp_path, "needs_direct", "def get():\n    from connexion import request"))
    (tmp_path / "needs_helper.py").write_text("import connexion\ndef user(): pass", "utf-8")
    assert _uses_connexion(_module(tmp_path, "needs_beside", "from needs_helper import user\ndef get(): return user()"))
    assert _uses_connexion(eval("lambda: 1", {"__name__": "not_a_module"}))


def test_connexion_operation() -> None:
    """connexion.context.operation is the operation that runs."""

    async def function() -> Any:
        return context.operation.key, context.scope["method"]

    assert _run(function).value == "get /a"
