"""jq for what is not simple: a few processes of a worker, each with one question at a time.

An expression that takes too long costs its own process and its own run: the process is killed and another one started.
jq holds the interpreter's lock and cannot be interrupted, so it must not run in the worker itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import msgspec
import orjson

from apimgmt.processes.expressions import ExpressionFailed
from apimgmt.processes.expressions.rows import DEFINITIONS

CHILD = Path(__file__).with_name("child.py")
CHILDREN = 2
SECONDS = 1.0
START_SECONDS = 10.0
LARGEST_INPUT = 16 * 1024 * 1024

# What would reach out of the expression, or out of its own input, does not exist. The names are those of jq 1.8.
PRELUDE = """
def env: {}; {} as $ENV | {} as $__prog_args |
def input: error("there is no further input"); def inputs: empty; def input_filename: null; def input_line_number: 0;
def debug: .; def debug(f): .; def stderr: .; def halt: error("halt"); def halt_error: error("halt");
def halt_error(f): error("halt"); def modulemeta: error("there are no modules"); def get_search_list: [];
"""


class Children:
    """The processes of one worker; started when they are first needed. ``seconds`` are for one evaluation."""

    def __init__(self, most: int = CHILDREN, seconds: float = SECONDS) -> None:
        self._seconds = seconds
        self._turn = asyncio.Semaphore(most)
        self._idle: list[Process] = []

    async def evaluate(self, program: str, value: Any, variables: Mapping[str, Any]) -> Any:
        """The result of a :func:`program`; raises ExpressionFailed."""
        try:
            question = orjson.dumps([program, {"value": value, "variables": variables}])
        except TypeError as error:
            raise ExpressionFailed(f"a value is not JSON: {error}") from None
        if len(question) > LARGEST_INPUT:
            raise ExpressionFailed(f"the values are larger than {LARGEST_INPUT} bytes")
        async with self._turn:
            answer = await self._asked(question)
        if "error" in answer:
            raise ExpressionFailed(answer["error"])
        return answer["value"]

    async def check(self, expression: str, names: Collection[str]) -> None:
        """Raise ExpressionFailed if an expression that may use these variables is not well-formed by itself."""
        # nothing goes in, so nothing but the compilation happens
        try:
            await self.evaluate(f"{_bound(names)} | empty | {expression}", None, {})
        except ExpressionFailed as error:
            # without the place, which is one in our own program
            raise ExpressionFailed(str(error).partition(" at <top-level>")[0].removeprefix("jq: error: ")) from None

    async def close(self) -> None:
        """End the processes."""
        for child in self._idle:
            await _ended(child)
        self._idle.clear()

    async def _asked(self, question: bytes) -> dict[str, Any]:
        child = self._idle.pop() if self._idle else await _started()
        try:
            async with asyncio.timeout(self._seconds):
                answer = await _ask(child, question)
        except TimeoutError:
            await _ended(child)
            raise ExpressionFailed(f"the expression took longer than {self._seconds:g} s") from None
        except (asyncio.IncompleteReadError, ConnectionError, msgspec.DecodeError):
            await _ended(child)
            raise ExpressionFailed("the expression needed too much memory") from None
        except BaseException:
            # whoever asked is gone; the answer under way is nobody's
            await _ended(child)
            raise
        self._idle.append(child)
        return answer


def program(expression: str, names: Collection[str]) -> str:
    """The program of an expression: its input and variables come as one value, which is bound by patterns."""
    # the line break ends a comment in the expression
    return f"{_bound(names)} | ({expression}\n)"


def _bound(names: Collection[str]) -> str:
    pattern = "".join(f", {name}: ${name}" for name in names)
    return f"{DEFINITIONS}{PRELUDE} . as {{value: $__value, variables: {{__: $__{pattern}}}}} | $__value"


async def _started() -> Process:
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-I", str(CHILD), stdin=PIPE, stdout=PIPE, stderr=asyncio.subprocess.DEVNULL, env={}, cwd="/"
    )
    try:
        # starting takes its time, which is not the expression's
        async with asyncio.timeout(START_SECONDS):
            await _ask(child, orjson.dumps([".", None]))
    except BaseException:
        await _ended(child)
        raise
    return child


async def _ask(child: Process, question: bytes) -> dict[str, Any]:
    assert child.stdin is not None and child.stdout is not None
    child.stdin.write(len(question).to_bytes(4, "big") + question)
    await child.stdin.drain()
    size = int.from_bytes(await child.stdout.readexactly(4), "big")
    answer: dict[str, Any] = orjson.loads(await child.stdout.readexactly(size))
    return answer


async def _ended(child: Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        child.kill()
    await child.wait()
