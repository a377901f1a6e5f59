"""try: tasks whose errors are caught, tried again, or followed by other tasks."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Mapping
from typing import Annotated, Any

import msgspec

from apimgmt.errors import SettingInvalid
from apimgmt.model import Struct
from apimgmt.processes.expressions.operators import equal, truthy
from apimgmt.processes.flows import STANDARD, FlowFailed, Perform, Scope
from apimgmt.processes.flows.compiling import Compiler
from apimgmt.processes.flows.definition import seconds, strictly
from apimgmt.processes.flows.template import Evaluate
from apimgmt.reading import pointer
from apimgmt.registry import register

MOST_ATTEMPTS = 100
# the error types as the conformance kit writes them
OTHER = "https://serverlessworkflow.io/dsl/errors/types/"


class Filter(Struct, frozen=True):
    """Which errors are caught: those with these members."""

    match: dict[str, Any] | None = msgspec.field(default=None, name="with")


class Catch(Struct, frozen=True):
    """``as`` names the variable of the error; ``retry`` is a policy or the name of one in ``use``."""

    errors: Filter = Filter()
    variable: str = msgspec.field(default="error", name="as")
    when: str | None = None
    except_when: str | None = None
    retry: dict[str, Any] | str | None = None
    do: list[Any] | None = None


class Attempts(Struct, frozen=True):
    """How often, after the first time."""

    count: Annotated[int, msgspec.Meta(ge=0, le=MOST_ATTEMPTS)] = MOST_ATTEMPTS
    duration: Any = None


class Limit(Struct, frozen=True):
    """How often and how long."""

    attempt: Attempts = Attempts()
    duration: Any = None


class Policy(Struct, frozen=True):
    """When and how it is tried again."""

    when: str | None = None
    except_when: str | None = None
    delay: Any = None
    backoff: dict[str, dict[str, Any]] | None = None
    limit: Limit = Limit()
    jitter: dict[str, Any] | None = None


class Again:
    """A compiled policy: whether there is another attempt, and after how long."""

    def __init__(self, policy: Policy, compiler: Compiler, place: str) -> None:
        self._when = _condition(compiler, policy.when, f"{place}/when")
        self._except_when = _condition(compiler, policy.except_when, f"{place}/exceptWhen")
        self._delay = seconds(policy.delay, f"{place}/delay") if policy.delay is not None else 0.0
        backoff = policy.backoff if policy.backoff is not None else {"constant": {}}
        if len(backoff) != 1 or not backoff.keys() <= {"constant", "linear", "exponential"}:
            raise SettingInvalid("a backoff is constant, linear or exponential", f"{place}/backoff")
        self._backoff = next(iter(backoff))
        self._count = policy.limit.attempt.count
        if policy.limit.attempt.duration is not None:
            detail = "a limit for each attempt is not done here: give the tasks that are tried a `timeout`"
            raise SettingInvalid(detail, f"{place}/limit/attempt/duration")
        duration = policy.limit.duration
        self._seconds = seconds(duration, f"{place}/limit/duration") if duration is not None else float("inf")
        ends = policy.jitter or {}
        self._jitter = tuple(seconds(ends.get(end, {"seconds": 0}), f"{place}/jitter/{end}") for end in ("from", "to"))

    async def delay(self, attempt: int, began: float, scope: Scope, given: Any) -> float | None:
        """The seconds until the attempt after this one, None if there is none."""
        if attempt > self._count:
            return None
        if not await _holds(self._when, self._except_when, scope, given):
            return None
        factor = {"constant": 1, "linear": attempt, "exponential": 2 ** (attempt - 1)}[self._backoff]
        pause = self._delay * factor + random.uniform(*self._jitter)
        return pause if time.monotonic() - began + pause <= self._seconds else None


@register("task", "try")
class Try(Struct, frozen=True):
    """``try`` are the tasks, ``catch`` what becomes of their errors."""

    tasks: list[Any] = msgspec.field(name="try")
    catch: Catch

    def build(self, compiler: Compiler, place: str, indexes: Mapping[str, int]) -> Perform:
        """The tasks with what catches their errors."""
        tasks = compiler.sequence(self.tasks, f"{place}/try")
        where, name = f"{place}/catch", self.catch.variable
        with compiler.with_variables(name):
            when = _condition(compiler, self.catch.when, f"{where}/when")
            except_when = _condition(compiler, self.catch.except_when, f"{where}/exceptWhen")
            again = self._again(compiler, f"{where}/retry")
            handler = compiler.sequence(self.catch.do, f"{where}/do") if self.catch.do is not None else None
        wanted = _filter(self.catch.errors.match, f"{where}/errors/with")

        async def perform(scope: Scope, given: Any) -> Any:
            attempt, began = 0, time.monotonic()
            while True:
                attempt += 1
                try:
                    return await tasks(scope, given)
                except FlowFailed as failed:
                    inside = scope.with_variables(**{name: failed.error})
                    if not _fits(failed.error, wanted) or not await _holds(when, except_when, inside, given):
                        raise
                    pause = await again.delay(attempt, began, inside, given) if again is not None else None
                    if pause is None:
                        if handler is not None:
                            return await handler(inside, given)
                        if again is not None:
                            raise
                        return given
                await asyncio.sleep(pause)

        return perform

    def _again(self, compiler: Compiler, place: str) -> Again | None:
        retry = self.catch.retry
        if isinstance(retry, str):
            if retry not in compiler.definition.use.retries:
                raise SettingInvalid(f"there is no retry {retry!r:.100} in `use`", place)
            retry = compiler.definition.use.retries[retry]
        return None if retry is None else Again(strictly(retry, Policy, place), compiler, place)


@register("reusable", "retries")
def check_policy(compiler: Compiler, value: Any, place: str) -> None:
    """Raise SettingInvalid for what is no policy."""
    Again(strictly(value, Policy, place), compiler, place)


def _filter(match: Mapping[str, Any] | None, place: str) -> dict[str, Any]:
    """The members that an error has to have; raises SettingInvalid for values that no error has."""
    if match is None:
        return {}
    if not match:
        raise SettingInvalid("at least one of type, status, instance, title and detail is needed", place)
    for name, value in match.items():
        is_right = type(value) is int if name == "status" else isinstance(value, str)
        if not is_right:
            kind = "a whole number" if name == "status" else "a text"
            raise SettingInvalid(f"{kind} is needed; for conditions there is `when`", place + pointer(name))
    # the filters of the DSL have another name for what is the detail of an error
    return {{"details": "detail"}.get(name, name): value for name, value in match.items()}


def _condition(compiler: Compiler, text: str | None, place: str) -> Evaluate | None:
    return compiler.expression(text, place) if text is not None else None


async def _holds(when: Evaluate | None, except_when: Evaluate | None, scope: Scope, given: Any) -> bool:
    if when is not None and not truthy(await when(scope, given)):
        return False
    return except_when is None or not truthy(await except_when(scope, given))


def _fits(error: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    return all(equal(_known_as(error.get(name)), _known_as(value)) for name, value in wanted.items())


def _known_as(value: Any) -> Any:
    """An error type of the DSL under the one name that it has here; its documents write it in two ways."""
    return STANDARD + value.removeprefix(OTHER) if isinstance(value, str) and value.startswith(OTHER) else value
