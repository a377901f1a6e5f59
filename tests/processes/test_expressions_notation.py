"""``#trigger.data.path.id>3`` in expressions: what it becomes, what it gives, and where it is left alone."""

from __future__ import annotations

from typing import Any

import pytest

from apimgmt.processes.expressions import ExpressionFailed
from apimgmt.processes.expressions.children import Children
from apimgmt.processes.expressions.expression import Expression
from apimgmt.processes.expressions.notation import translated

TRIGGER: dict[str, Any] = {
    "data": {
        "path": {"id": 4, "on": False},
        "query": {"limit": None, "mode": "1", "a-b": 7},
        "header": {"X-Custom-Header": "x", "X-Numbers": [1, 2]},
        "cookie": {"session-id": "s"},
        "body": {"house": {"windows": 4}, "lines": [{"n": 1}, {"n": 2}], "a b": 1},
        "httpHeaders": {"x-other": "o"},
        "httpMethod": "POST",
        "username": None,
    },
    "claimsprincipal": {"Claims": {"sub": "ann", "foo": None, "https://x.example/r": 1}, "Roles": ["editor"]},
}

GIVES: dict[str, Any] = {
    "#trigger.data.path.id>3": True,
    "#trigger.data.path.id>4": False,
    "#trigger.data.path.id-1": 3,
    "#trigger.data.path.id * 2 + #trigger.data.body.house.windows": 12,
    "#trigger.data.path.on": False,
    "#trigger.data.query.limit": None,
    '#trigger.data.query.mode == "1"': True,
    '#trigger.data.query["a-b"]': 7,
    "#trigger.data.nothing.at.all": None,
    "#trigger.data.httpMethod.x.y": None,
    "#trigger.data.path.id.x": None,
    "#trigger.data.httpHeader.foo": None,
    "#trigger.data.header.X-Custom-Header": "x",
    "#trigger.data.header.x-custom-header": "x",
    "#trigger.data.httpHeader.X-Custom-Header": "x",
    '#trigger.data.header["X-CUSTOM-HEADER"]': "x",
    "#trigger.data.header.X-Numbers[1] - 1": 1,
    "#trigger.data.httpHeaders.X-Other": "o",
    "#trigger.data.cookie.session-id": "s",
    "#trigger.data.body.lines[1].n": 2,
    '#trigger.data.body["a b"]': 1,
    "#trigger.data.body.lines | length": 2,
    "[#trigger.data.body.lines[] | .n]": [1, 2],
    "#trigger.data.username": None,
    '#trigger.claimsprincipal.HasClaim("sub")': True,
    '#trigger.claimsprincipal.HasClaim("foo")': True,
    '#trigger.claimsprincipal.HasClaim("bar")': False,
    '#trigger.claimsprincipal.IsInRole("editor")': True,
    '#trigger.claimsprincipal.IsInRole("edit")': False,
    "#trigger.claimsprincipal.Claims.sub": "ann",
    '#trigger.claimsprincipal.Claims["https://x.example/r"]': 1,
    'if #trigger.claimsprincipal.IsInRole("reader") then 1 else #trigger.data.path.id end': 4,
    '"id: #trigger.data.path.id"': "id: #trigger.data.path.id",
    '"id: \\(#trigger.data.path.id) and \\("#trigger" + "x")"': "id: 4 and #triggerx",
    "1 # a comment #trigger.data.path.id": 1,
    "1 #triggers are no triggers": 1,
    "[1,2] # one\n| length": 2,
}


@pytest.mark.rows("F-072", "F-073", "F-074", "F-075", "F-079", "F-087", "F-088", "F-089")
@pytest.mark.parametrize("source", GIVES)
async def test_a_reference_gives_what_came(source: str) -> None:
    """By our functions where they know it, and by jq itself: the same."""
    children = Children(seconds=10.0)
    try:
        expression = Expression(source, ("trigger",))
        await expression.check(children)
        assert await expression.evaluate(None, {"trigger": TRIGGER}, children) == GIVES[source]
        # a function of jq that ours do not know
        by_jq = Expression(f"[{source}\n] | first", ("trigger",))
        assert not by_jq.is_direct
        assert await by_jq.evaluate(None, {"trigger": TRIGGER}, children) == GIVES[source]
    finally:
        await children.close()


@pytest.mark.rows("F-071")
@pytest.mark.parametrize("method", ["HasClaim", "IsInRole"])
async def test_without_a_token_there_are_no_claims(method: str) -> None:
    """The principal is null: it has no claim and no role."""
    children = Children(seconds=10.0)
    trigger = {"data": {}, "claimsprincipal": None}
    for source in (f'#trigger.claimsprincipal.{method}("x")', f'[#trigger.claimsprincipal.{method}("x")] | first'):
        assert await Expression(source, ("trigger",)).evaluate(None, {"trigger": trigger}, children) is False
    principal = Expression("#trigger.claimsprincipal", ("trigger",))
    assert await principal.evaluate(None, {"trigger": trigger}, children) is None
    await children.close()


@pytest.mark.parametrize("source", ["#trigger.data.path.id>3", "#trigger.data.header.X-Id", "#trigger.data.body.a.b"])
def test_a_simple_reference_needs_no_jq(source: str) -> None:
    """It is compiled into a look-up."""
    assert Expression(source, ("trigger",)).is_direct


@pytest.mark.parametrize("source", ["#trigger.claimsprincipal.HasClaim", "#trigger.claimsprincipal.IsInRole(editor)"])
def test_a_method_without_its_text_is_refused(source: str) -> None:
    """With what is to be written."""
    with pytest.raises(ExpressionFailed, match="takes a text in quotes"):
        Expression(source, ("trigger",))


@pytest.mark.parametrize("name", [r'"\q"', r'"\(1)"'])
def test_a_name_that_is_more_than_a_text_is_refused(name: str) -> None:
    """Nothing is inserted into names."""
    with pytest.raises(ExpressionFailed, match="is a plain text"):
        Expression(f"#trigger.data.body[{name}]", ("trigger",))


@pytest.mark.parametrize("source", [".a", '"#trigger.data.x"', "# nothing", "1 # about #trigger.data"])
def test_what_is_no_reference_stays_as_it_is(source: str) -> None:
    """Strings and comments."""
    assert translated(source) == source


HOSTILE = [
    '#trigger.data.body["a\\") | env"]',
    '#trigger.data.path["x"]; env',
    '#trigger.claimsprincipal.HasClaim("\\(1)")',
]


@pytest.mark.parametrize("source", HOSTILE)
async def test_a_reference_cannot_smuggle_anything_in(source: str) -> None:
    """A name in quotes stays a name; what follows is jq like any other, and no more."""
    children = Children(seconds=10.0)
    try:
        found = await Expression(source, ("trigger",)).evaluate(None, {"trigger": TRIGGER}, children)
    except ExpressionFailed:
        found = None
    finally:
        await children.close()
    assert found in (None, False)
