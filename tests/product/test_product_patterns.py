"""Patterns of a document that make a backtracking engine run for ever, with values that make it do so (S-06).

Every pattern is that of a path, a query and a header parameter and of a body, all four sent in each request.
"""

from __future__ import annotations

import json
import re
import statistics
import time
from itertools import product as combinations
from typing import Any

from product_platform import Product
from product_wire import Wire, request

CPU_SECONDS_MOST = 0.02
# what a clock of 10 ms adds to one request
TICKS_SECONDS = 0.03
PATH, QUERY, HEADER, BODY = 1_800, 1_800, 8_000, 50_000

# What repeats, what is repeated in it, and what has to come at the end and does not.
_INNER = ("a+", "a*", "(a|a)+", "(a|aa)+", "[a-c]*a", "(a|b|ab)*", "a?a*", "(a*)*", r"\w+", ".*a")
_OUTER = ("^({})+$", "^({})*b$", "({}){{2,40}}$", "^(x|{})+y", "^({}|{})*$")
_TAILS = ("", "c?", "(d|d)*", "[^!]$")
PATTERNS = [
    outer.format(inner, inner) + tail
    for outer, inner, tail in combinations(_OUTER, _INNER, _TAILS)
    if "$" not in tail[:1]
]
UNTRANSLATABLE = (r"(a+)\1", "^(?=(a+)+$)a", "(?<!a)a+$")


def document(patterns: list[str]) -> dict[str, Any]:
    """One operation for each pattern."""
    return {
        "openapi": "3.1.0",
        "info": {"title": "Patterns", "version": "1"},
        "paths": {f"/p{number}/{{in-path}}": {"post": _operation(pattern)} for number, pattern in enumerate(patterns)},
    }


def _operation(pattern: str) -> dict[str, Any]:
    schema = {"type": "string", "pattern": pattern}
    parameters = [
        {"name": f"in-{location}", "in": location, "required": True, "schema": schema}
        for location in ("path", "query", "header")
    ]
    body = {"required": True, "content": {"application/json": {"schema": schema}}}
    return {"parameters": parameters, "requestBody": body, "responses": {"200": {"description": "ok"}}}


def hostile(number: int) -> bytes:
    """The request that almost matches in all four places."""
    return request(
        "POST",
        f"/patterns/p{number}/{'a' * PATH}%21?in-query={'a' * QUERY}%21",
        f"in-header: {'a' * HEADER}!",
        "Content-Type: application/json",
        body=json.dumps("a" * BODY + "!").encode(),
    )


def test_every_pattern_takes_little_time(product: Product) -> None:
    """200 patterns: whatever the verdict, at most 20 ms of CPU a request."""
    assert len(set(PATTERNS)) == len(PATTERNS) >= 200
    uploaded = product.upload("patterns", document(PATTERNS), basePath="/patterns", authentication="none")
    assert [one for one in uploaded["findings"] if one["code"] == "pattern-not-enforced"] == []
    spent: dict[str, float] = {}
    refused = 0
    with Wire(product.port) as wire:
        for number, pattern in enumerate(PATTERNS):
            wire.ask(hostile(number))  # the first use compiles it
            before = product.cpu()
            answer = wire.ask(hostile(number))
            spent[pattern] = product.cpu() - before
            assert answer is not None and answer.status in (200, 400)
            refused += answer.status == 400
    worst = max(spent, key=lambda one: spent[one])
    mean = statistics.mean(spent.values())
    print(f"\n{refused} of {len(spent)} refuse: mean {mean * 1000:.1f} ms, most {spent[worst] * 1000:.0f}, by {worst}")
    assert refused >= len(PATTERNS) / 2, "the values are not hostile"
    assert mean <= CPU_SECONDS_MOST
    assert spent[worst] <= CPU_SECONDS_MOST + TICKS_SECONDS


def test_a_pattern_without_linear_form_is_not_run(product: Product) -> None:
    """Look-around and back-references: the upload says so, and the values are not held to them."""
    uploaded = product.upload(
        "lookaround", document(list(UNTRANSLATABLE)), basePath="/lookaround", authentication="none"
    )
    found = [one["pointer"] for one in uploaded["findings"] if one["code"] == "pattern-not-enforced"]
    assert len(found) == 4 * len(UNTRANSLATABLE)
    with Wire(product.port) as wire:
        for number in range(len(UNTRANSLATABLE)):
            before = product.cpu()
            answer = wire.ask(hostile(number).replace(b"/patterns/", b"/lookaround/", 1))
            assert answer is not None and answer.status == 200
            assert product.cpu() - before <= CPU_SECONDS_MOST + TICKS_SECONDS


def test_a_backtracking_engine_takes_longer_for_much_less() -> None:
    """The mutant: Python's own engine, on twenty-odd characters instead of thousands."""
    assert "^(a+)+$" in PATTERNS
    begun = time.process_time()
    assert re.match("^(a+)+$", "a" * 20 + "!") is None
    assert time.process_time() - begun > CPU_SECONDS_MOST
