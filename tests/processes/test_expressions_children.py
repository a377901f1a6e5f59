"""jq in processes of its own: it sees its input and nothing else, and costs nobody anything but its own run (S-42)."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator
from typing import Any

import jq
import pytest

from apimgmt.processes.expressions import ExpressionFailed
from apimgmt.processes.expressions.children import Children
from apimgmt.processes.expressions.expression import LONGEST, Expression

SECRET = "planted-in-the-environment"


@pytest.fixture
async def children(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Children]:
    """The processes of a worker whose environment has a secret; patient, as the machine may be busy."""
    monkeypatch.setenv("PLANTED", SECRET)
    made = Children(seconds=10.0)
    yield made
    await made.close()


async def result(children: Children, source: str, value: Any = None, **variables: Any) -> Any:
    """What an expression comes to."""
    expression = Expression(source, tuple(variables))
    await expression.check(children)
    return await expression.evaluate(value, variables, children)


@pytest.mark.parametrize(
    ("source", "value", "expected"),
    [
        ("[.[] | . + 1]", [1, 2], [2, 3]),
        (".[]", [1, 2], [1, 2]),
        ("empty", None, None),
        ("reduce .[] as $x (0; . + $x)", [1, 2, 3], 6),
        (
            "group_by(.k) | map({k: .[0].k, n: length})",
            [{"k": 1}, {"k": 2}, {"k": 1}],
            [{"k": 1, "n": 2}, {"k": 2, "n": 1}],
        ),
        ("unique_by(.id) | sort_by(-.id)", [{"id": 1}, {"id": 2}, {"id": 1}], [{"id": 2}, {"id": 1}]),
        ('map(select(.name | test("^a")))', [{"name": "ab"}, {"name": "b"}], [{"name": "ab"}]),
        (". # a comment at the end", 7, 7),
        ('$item + "!" | ascii_upcase', None, "TEXT!"),
    ],
)
async def test_what_is_not_simple_is_done_by_jq(children: Children, source: str, value: Any, expected: Any) -> None:
    """The whole language is there: one result is the value, several are an array, none is null."""
    assert await result(children, source, value, item="text") == expected


async def test_values_that_are_in_doubt_go_to_jq(children: Children) -> None:
    """A direct expression asks jq when it meets what it does not decide: an order across types, a repeated string."""
    assert await result(children, ".a < .b", {"a": "x", "b": [1]}) is True
    assert await result(children, ".a * 2", {"a": "ab"}) == "abab"
    assert await result(children, ".a / .b", {"a": "a,b", "b": ","}) == ["a", "b"]


@pytest.mark.parametrize(
    "source", [".a |", "1) | env | (2", "$unknown", 'import "a" as a; .', "{", "nothing", "def f: 1"]
)
async def test_what_is_not_well_formed_is_refused_beforehand(children: Children, source: str) -> None:
    """Checked without being run, also what would be well-formed only inside our own parentheses."""
    with pytest.raises(ExpressionFailed):
        await Expression(source, ("item",)).check(children)


REACHING = """\
env|$ENV|env.PLANTED|$ENV.PLANTED|env["PLANTED"]|$ENV["PLANTED"]|env[]|$ENV[]|[env]|{e: env}
env as $e # $e|$ENV as $e # $e|env # .PLANTED|$ENV # .PLANTED|"\\(env)"|"\\($ENV)"|env # tojson
$ENV # tojson|@text "\\(env)"|@json "\\($ENV)"|input|inputs|[inputs]|first(inputs)|input_filename
input_line_number|debug|debug("x")|stderr|halt|halt_error|halt_error(1)|modulemeta|"os" # modulemeta
"/etc/passwd" # modulemeta|get_search_list|$__prog_args|$__prog_args.named|ltrimstr(env)
include "/etc/passwd"; .|import "/etc/passwd" as $d; $d|import "a" as a {search: "/"}; a::b
$__loc__ # .file|input # env|def f: env; f|def env: $ENV; env|def f(g): g; f(env)
reduce (env) as $e (0; $e)|foreach ($ENV) as $e (0; $e)|path(env)|try env catch .|try input catch .
try error(env) catch .|label $x # env|env # keys|$ENV # to_entries|env # has("PLANTED")
getpath(["PLANTED"])|env # getpath(["PLANTED"])|$ENV # paths|[env # paths]|env # .. |$ENV # ..|env # any
env # length|builtins # map(select(startswith("env")))|input # halt|1) # env # (2|1) # $ENV.PLANTED # (2
); env; (|env; env|@sh "\\(env # tojson)"|@base64 "\\(env # tojson)"|@uri "\\($ENV # tojson)"
@html "\\(env # tojson)"|@csv "\\([env # tojson])"|splits(env # tojson)"""
WRAPPERS = ["{}", "({})", "[{}]", "{} | .", "try ({}) catch .", "[.] | map({})", "def __f: {}; __f"]
ATTEMPTS = [
    wrapper.replace("{}", attempt.replace(" # ", " | "))
    for attempt, wrapper in itertools.product(
        (one for line in REACHING.splitlines() for one in line.split("|")), WRAPPERS
    )
]


async def test_no_attempt_to_reach_out_succeeds(children: Children) -> None:
    """More than 300 ways to the environment, files, modules and streams, all in one child: none sees the secret, a file
    or the machine, and the child still answers."""
    assert len(ATTEMPTS) >= 300
    for source in ATTEMPTS:
        try:
            shown = str(await Expression(source, ()).evaluate({"a": 1}, {}, children))
        except ExpressionFailed as error:
            shown = str(error)
        for trace in (SECRET, "root:", "/usr", "PATH", "HOME"):
            assert trace not in shown.replace(source, ""), source
    assert await result(children, "[.[] | . + 1]", [1]) == [2]


def test_jq_by_itself_shows_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The mutant: the library in this process, without what we put before the expression."""
    monkeypatch.setenv("PLANTED", SECRET)
    assert jq.compile("env.PLANTED").input_value(None).all() == [SECRET]
    assert jq.compile("$ENV.PLANTED").input_value(None).all() == [SECRET]


ENDLESS = [
    "def f: f; f",
    "[range(1e12)] | length",
    "reduce range(1e12) as $i (0; . + 1)",
    "last(repeat(1))",
    "[limit(1e9; repeat(.))] | length",
]


async def test_an_endless_expression_costs_its_own_run_only() -> None:
    """While each of several runs for its whole second, the loop turns and simple and other expressions are answered."""
    children = Children(most=2, seconds=1.0)
    try:
        assert await children.evaluate(".value", 1, {}) == {"value": 1, "variables": {}}["value"]
        hostile = [asyncio.create_task(Expression(source, ()).evaluate(1, {}, children)) for source in ENDLESS[:2]]
        direct, turns, begun = Expression(".a + 1", ()), 0, time.monotonic()
        while not all(task.done() for task in hostile):
            assert await direct.evaluate({"a": 1}, {}, children) == 2
            await asyncio.sleep(0.005)
            turns += 1
        assert turns >= 20
        assert time.monotonic() - begun < 10
        for task in hostile:
            with pytest.raises(ExpressionFailed, match=r"took longer than 1 s|memory"):
                await task
        for source in ENDLESS[2:]:
            with pytest.raises(ExpressionFailed, match=r"took longer than 1 s|memory"):
                await Expression(source, ()).evaluate(1, {}, children)
    finally:
        await children.close()


async def test_memory_is_bounded(children: Children) -> None:
    """A string of a gigabyte ends the child or the expression; the next question gets its answer."""
    with pytest.raises(ExpressionFailed):
        await result(children, '"aaaaaaaaaa" * 200000000 | length')
    assert await result(children, "[.[] | . + 1]", [1]) == [2]


async def test_whoever_goes_away_leaves_no_answer_for_the_next(children: Children) -> None:
    """A run that is cancelled while its expression is evaluated: the next one gets its own result."""
    slow = asyncio.create_task(Expression("def f: f; f", ()).evaluate(1, {}, children))
    await asyncio.sleep(0.3)
    slow.cancel()
    with pytest.raises(asyncio.CancelledError):
        await slow
    assert await result(children, "[.[] | . + 1]", [1]) == [2]


async def test_many_at_once_get_their_own_results(children: Children) -> None:
    """100 questions over two processes."""
    expression = Expression("[.[] | . * 2] | add", ())
    results = await asyncio.gather(*(expression.evaluate([number, 1], {}, children) for number in range(100)))
    assert results == [2 * number + 2 for number in range(100)]


@pytest.mark.parametrize(("size", "fits"), [(LONGEST, True), (LONGEST + 1, False)])
async def test_an_expression_has_a_length(children: Children, size: int, fits: bool) -> None:
    """As long as the limit, and one longer."""
    source = "." + " " * (size - 1)
    if fits:
        assert await result(children, source, 1) == 1
    else:
        with pytest.raises(ExpressionFailed, match="longer than"):
            Expression(source, ())


FAILS = object()
HOSTILE: dict[str, tuple[str, Any]] = {
    "a long sum": ("1+" * 4000 + "1", 4001),
    "a long or": (".a or " * 1500 + "true", True),
    "a long path": (".a" * 4500, None),
    "open parentheses": ("(" * 4000 + "1" + ")" * 4000, 1),
    "open brackets": ("[" * 4000 + "]" * 4000, FAILS),
    "open braces": ('{"a":' * 1500 + "1" + "}" * 1500, FAILS),
    "strings in strings": ('"\\(' * 1200 + "1" + ')"' * 1200, "1"),
    "references and strings in strings": ("#trigger.data.a // " + '"\\(' * 1200 + "1" + ')"' * 1200, FAILS),
    "maps in maps": ("map(" * 1000 + "." + ")" * 1000, []),
    "a long number": ("9" * 5000 + " > 5", True),
    "a long index": (".[" + "9" * 5000 + "]", FAILS),
    "a long index from behind": (".[-" + "9" * 5000 + "]", FAILS),
}


@pytest.mark.parametrize("name", HOSTILE)
async def test_what_is_too_deep_or_too_long_is_done_by_jq_or_an_error_of_the_expression(
    children: Children, name: str
) -> None:
    """Python's own limits are not met as exceptions of theirs."""
    source, expected = HOSTILE[name]
    if expected is FAILS:
        with pytest.raises(ExpressionFailed):
            await result(children, source, {})
    else:
        assert await result(children, source, {}) == expected


async def test_digits_are_those_of_jq(children: Children) -> None:
    """Python reads other scripts, too."""
    with pytest.raises(ExpressionFailed):
        await result(children, "٣ + 1", None)
