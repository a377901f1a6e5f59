"""python: a function of the operator's, found by name in ``functions`` and never imported because a document says so.

A function with one argument that is called ``trigger`` or annotated ``Invocation`` gets the invocation; every other one
gets its arguments by name, like a function written for Connexion. ``async`` functions run on the loop, others in
threads.
"""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Callable, Iterator
from functools import lru_cache, partial
from types import FunctionType, ModuleType
from typing import Any

from connexion import context as connexion

from apimgmt.connections.remaining import within
from apimgmt.errors import SettingInvalid
from apimgmt.model import CompiledApi, Operation, Struct
from apimgmt.processes import Intermediate, Invocation, Process, Thrown
from apimgmt.processes.functions.arguments import Arguments, context_of, receiver
from apimgmt.processes.functions.handlers import load_handlers as load_handlers
from apimgmt.processes.functions.results import adapted, problem_of
from apimgmt.processes.functions.threads import Share, Threads
from apimgmt.registry import register

SHOWN = 20

# results that go as they are, without a look at what they could stand for
_READY = frozenset((dict, list, str, int, float, bool, bytes, type(None)))


class Functions(dict[str, Callable[..., Any]]):
    """The functions by name, and the threads in which those run that would hold up the loop."""

    threads = 40
    _pool: Threads | None = None

    @property
    def pool(self) -> Threads:
        """The threads; started at the first use, so that every worker process has its own."""
        if self._pool is None:
            self._pool = Threads(self.threads)
        return self._pool


functions = Functions()


@register("process", "python")
class Python(Struct, frozen=True):
    """``function`` is one of the names that the handlers have."""

    function: str

    def build(self, operation: Operation, api: CompiledApi) -> Process:
        """The process for an operation; raises SettingInvalid for an unknown name or arguments that nothing fills."""
        function = functions.get(self.function)
        if function is None:
            shown = sorted(name for name in functions if not name.startswith("apimgmt."))
            known = ", ".join(shown[:SHOWN]) or "none"
            raise SettingInvalid(f"there is no function {self.function!r} in the handlers; there are: {known}")
        try:
            call = _call(function, operation, api, Share(f"{self.function} of {operation.key}"))
        except SettingInvalid as error:
            raise SettingInvalid(f"function {self.function!r}: {error}") from None
        return _process(call, _uses_connexion(function))


def _process(call: Process, with_context: bool) -> Process:
    async def run(invocation: Invocation) -> Any:
        within.set(invocation)
        if with_context:
            _set_context(invocation)
        try:
            result = await call(invocation)
            return result if type(result) in _READY else await adapted(result)
        except Thrown:
            raise
        except (Exception, SystemExit, KeyboardInterrupt) as error:
            response = getattr(error, "response", None)
            if response is not None and type(error).__module__.startswith("werkzeug"):
                # flask.abort(response)
                return await adapted(response)
            raise problem_of(error) from error

    return run


def _call(function: Callable[..., Any], operation: Operation, api: CompiledApi, share: Share) -> Process:
    """The function as a process, before its result is looked at."""
    if inspect.isasyncgenfunction(function) or inspect.isgeneratorfunction(function):
        return _generating(function, operation, api, share)
    # an object that is called is as async as its __call__
    is_async = any(map(inspect.iscoroutinefunction, (function, getattr(type(function), "__call__", None))))  # noqa: B004
    if _takes_invocation(function, operation):
        return function if is_async else partial(_threaded, share, function)
    arguments = Arguments(function, operation, api, threaded=not is_async)
    if is_async:
        return lambda invocation: function(**arguments(invocation))
    return lambda invocation: _threaded(share, partial(function, **arguments(invocation)))


def _generating(function: Callable[..., Any], operation: Operation, api: CompiledApi, share: Share) -> Process:
    """A generator as a process: what it yields as ``Intermediate`` is an early answer, and its result is what it
    returns or, of what else it yields, the last."""
    is_async = inspect.isasyncgenfunction(function)
    arguments = None if _takes_invocation(function, operation) else Arguments(function, operation, api, not is_async)

    async def over(generator: Any, invocation: Invocation) -> Any:
        result = None
        async for value in generator:
            if isinstance(value, Intermediate):
                await invocation.respond(value.result)
            else:
                result = value
        return result

    def through(generator: Any, invocation: Invocation) -> Any:
        result = None
        while True:
            try:
                value = next(generator)
            except StopIteration as stop:
                return result if stop.value is None else stop.value
            if isinstance(value, Intermediate):
                invocation.respond(value.result)
            else:
                result = value

    async def run(invocation: Invocation) -> Any:
        generator = function(invocation) if arguments is None else function(**arguments(invocation))
        return await (over(generator, invocation) if is_async else _threaded(share, through, generator, invocation))

    return run


async def _threaded(share: Share, function: Callable[..., Any], *arguments: Any) -> Any:
    result = await functions.pool.run(share, function, *arguments)
    # a decorator that is not async around a function that is
    return await result if inspect.isawaitable(result) else result


def _takes_invocation(function: Callable[..., Any], operation: Operation) -> bool:
    parameters = list(inspect.signature(function).parameters.values())
    if len(parameters) != 1 or parameters[0].kind is parameters[0].VAR_KEYWORD:
        return False
    annotation = parameters[0].annotation
    if annotation is Invocation or (isinstance(annotation, str) and annotation.rpartition(".")[2] == "Invocation"):
        return True
    return parameters[0].name == "trigger" and all(one.name != "trigger" for one in operation.parameters)


def _set_context(invocation: Invocation) -> None:
    """What ``from connexion import request, context`` looks at."""
    connexion._context.set(context_of(invocation))
    connexion._operation.set(invocation.operation)
    connexion._receive.set(receiver(invocation.data.content))
    connexion._scope.set(dict(invocation.scope))


def _uses_connexion(function: Callable[..., Any]) -> bool:
    """Whether the function could look at Connexion's context: its module or one beside it names Connexion."""
    module = sys.modules.get(inspect.unwrap(function).__module__)
    return module is None or _names_connexion(module)


@lru_cache(maxsize=1000)
def _names_connexion(module: ModuleType) -> bool:
    pending, seen = [module], {module}
    while pending:
        try:
            if "connexion" in inspect.getsource(pending[-1]):
                return True
        except (OSError, TypeError):
            return True
        beside = {other for other in _neighbours(pending.pop()) if _is_beside(other, module)} - seen
        seen |= beside
        pending += beside
    return False


def _neighbours(module: ModuleType) -> Iterator[ModuleType]:
    """The modules that a module refers to. Types are compared exactly: a proxy that is asked may raise."""
    for value in vars(module).values():
        other = value if type(value) is ModuleType else None
        if type(value) in (FunctionType, type):
            other = sys.modules.get(value.__module__)
        if other is not None:
            yield other


def _is_beside(other: ModuleType, module: ModuleType) -> bool:
    """Whether two modules were written together: one package or one folder."""
    if other.__name__.partition(".")[0] == module.__name__.partition(".")[0]:
        return True
    folders = [os.path.dirname(getattr(one, "__file__", None) or "") for one in (other, module)]
    return folders[0] == folders[1] != ""
