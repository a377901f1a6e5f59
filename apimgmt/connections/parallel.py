"""Independent calls at the same time, their results combined in the order in which they were asked for (C-071)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import TypeVar

from apimgmt.errors import ConnectionFailed

Result = TypeVar("Result")
MOST_AT_ONCE = 8


def parallel(calls: Iterable[Callable[[], Result]], most: int = MOST_AT_ONCE) -> list[Result | ConnectionFailed]:
    """The result of each function, or the ConnectionFailed that it raised; at most ``most`` run at a time.

    Any other exception is a defect and comes out as it is, after the others have ended.

    >>> parallel([lambda: crm.get("/customers/1"), lambda: erp.get("/orders")])
    [<Reply>, <Reply>]
    """
    functions = list(calls)
    if not functions:
        return []
    with ThreadPoolExecutor(max(1, min(most, len(functions))), "apimgmt-parallel") as pool:
        started = [pool.submit(copy_context().run, _kept, function) for function in functions]
    return [future.result() for future in started]


def _kept(function: Callable[[], Result]) -> Result | ConnectionFailed:
    try:
        return function()
    except ConnectionFailed as error:
        return error
