"""``python -m bench flows``: what flows cost of our own time by their number of tasks, and what expressions cost."""

from __future__ import annotations

import asyncio
import time
import timeit
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any

BATCHES = 7
TASKS = (1, 5, 20)
INPUT = {"n": 1, "name": "Ann", "rows": [{"id": number, "total": number % 7} for number in range(100)]}
DATA = {
    "path": {"id": 7},
    "query": {"limit": 100},
    "header": {"X-Custom-Header": "x"},
    "httpHeaders": {"x-custom-header": "x"},
    "body": {"customer": {"name": "Ann"}},
}
TRIGGER = {"data": DATA, "claimsprincipal": {"Claims": {"sub": "ann"}, "Roles": ["editor"]}}
# what people write, by kind; the last two are for jq itself
EXPRESSIONS = (
    ("reference", "customerId"),
    ("reference to a member", "customer.name"),
    ("reference to a header field", "headers.X-Custom-Header"),
    ("notation", "#trigger.data.path.id>3"),
    ("notation, header field", "#trigger.data.header.x-custom-header"),
    ("notation, role", '#trigger.claimsprincipal.IsInRole("editor")'),
    ("path", "$trigger.data.body.customer.name"),
    ("comparison", ".n < 60 or .n > 100"),
    ("object", "{id: .n, name: .name}"),
    ("text", '"Hello \\(.name)"'),
    ("100 rows, filtered", ".rows | where(.total > 3)"),
    ("100 rows, filtered, sorted, a page", ".rows | where(.total > 3) | sort_by_desc(.total) | page(1; 10)"),
    ("jq: 100 rows in groups", ".rows | aggregate(.total; .id)"),
    ("jq: a function of its own", ".name | ascii_upcase"),
)


def lines(share: float = 1.0) -> Iterator[str]:
    """Two tables: microseconds for a run of a flow, and for an expression, each in the fastest of the batches.

    ``share`` is that of the usual number of runs.
    """
    yield from asyncio.run(_measured(share))


async def _measured(share: float) -> list[str]:
    import apimgmt.asgi  # noqa: F401  registers every kind of task; the other scenarios start it as a process
    from apimgmt.processes.expressions.children import Children
    from apimgmt.processes.flows import Execution
    from apimgmt.processes.flows.compiling import Flow
    from apimgmt.processes.flows.definition import read_definition

    children = Children()
    said = ["| tasks of set and switch | µs a run |", "|---|---|"]
    try:
        for count in TASKS:
            flow = Flow(read_definition(definition([_task(number) for number in range(count)])))
            best = await _best(lambda flow=flow: flow.run(Execution(children), INPUT, TRIGGER), 500 * share)  # type: ignore[misc]
            said.append(f"| {count} | {best:.1f} |")
        said += ["", "| expression | | µs |", "|---|---|---|"]
        for kind, source in EXPRESSIONS:
            shown = source.replace("|", "\\|")
            said.append(f"| {kind} | `{shown}` | {await _expression(source, children, share):.1f} |")
    finally:
        await children.close()
    return said


def definition(tasks: list[Mapping[str, Any]]) -> dict[str, Any]:
    """A flow of these tasks."""
    document = {"dsl": "1.0.3", "namespace": "bench", "name": "bench", "version": "1.0.0"}
    return {"document": document, "do": [{f"task{number}": dict(task)} for number, task in enumerate(tasks)]}


def _task(number: int) -> dict[str, Any]:
    if number % 2:
        cases = [{"many": {"when": ".n > 1000", "then": "end"}}, {"few": {"when": ".n <= 1000", "then": "continue"}}]
        return {"switch": cases}
    return {"set": {"n": "${ .n + 1 }", "id": "${customerId}", "name": "${ .name }", "kind": "order"}}


async def _expression(source: str, children: Any, share: float) -> float:
    """Microseconds for what stands in ``${ }``, as a task has it worked out."""
    from apimgmt.processes.flows import Execution, Scope
    from apimgmt.processes.flows.compiling import Compiler
    from apimgmt.processes.flows.definition import read_definition
    from apimgmt.processes.flows.template import now_of

    compiler = Compiler(read_definition(definition([{"set": {"a": 1}}])))
    evaluate = compiler.expression(f"${{ {source} }}", "/")
    scope = Scope(Execution(children), {"trigger": TRIGGER})
    now = now_of(evaluate)
    if now is None:
        return await _best(lambda: evaluate(scope, INPUT), 50 * share)
    count = max(1, int(2000 * share))
    return min(timeit.repeat(lambda: now(scope, INPUT), number=count, repeat=BATCHES)) / count * 1e6


async def _best(run: Callable[[], Awaitable[Any]], runs: float) -> float:
    """Microseconds a run, in the fastest of the batches: the one that the machine disturbed least."""
    count, times = max(1, int(runs)), []
    for _ in range(BATCHES):
        started = time.perf_counter()
        for _ in range(count):
            await run()
        times.append((time.perf_counter() - started) / count * 1e6)
    return min(times)
