"""Results of processes that try to break the answer: what is sent is valid HTTP, and nothing is injected (S-37)."""

from __future__ import annotations

import pytest
from product_envelopes import ENVELOPES
from product_platform import Product
from product_wire import Wire, leaks, request

FORBIDDEN = {"x-injected", "transfer-encoding", "upgrade", "te", "trailer", "keep-alive", "proxy-connection"}
CODES = {502: "bad-result", 500: "process-failed"}
FIELDS_BYTES_MOST = 65_536


@pytest.fixture(scope="module", autouse=True)
def api(product: Product) -> None:
    """One operation that gives each of the results."""
    number = {"name": "number", "in": "path", "required": True, "schema": {"type": "integer"}}
    get = {"parameters": [number], "responses": {"200": {"description": "ok"}}}
    document = {
        "openapi": "3.0.3",
        "info": {"title": "Hostile", "version": "1"},
        "paths": {"/hostile/{number}": {"get": get}},
    }
    product.upload("hostile", document, authentication="none")
    product.bind("hostile", {"get /hostile/{number}": {"kind": "python", "function": "envelope"}})


def test_there_are_enough_hostile_results() -> None:
    """At least 80, none twice."""
    assert len({name for name, _, _ in ENVELOPES}) == len(ENVELOPES) >= 80


def test_hostile_results(product: Product) -> None:
    """Every answer is one that h11 reads; each has its status; nothing is injected; the connection and the workers go
    on; what a process must not decide (framing, connection) is left out."""
    pids = product.pids()
    wrong = [
        f"{name}: {fault}"
        for number, (name, _, status) in enumerate(ENVELOPES)
        if (fault := _fault(product, number, status))
    ]
    assert not wrong, "\n".join(wrong)
    assert product.pids() == pids


def _fault(product: Product, number: int, status: int) -> str:
    """What is wrong with the answer that one of the results makes."""
    with Wire(product.port) as wire:
        answer = wire.ask(request("GET", f"/hostile/{number}"))
        sane = wire.is_sane()
    if answer is None or answer.status != status:
        return f"{answer}"[:500]
    fields = dict(answer.fields)
    if set(fields) & FORBIDDEN or sum(map(len, (*fields, *fields.values()))) > FIELDS_BYTES_MOST:
        return f"fields {answer.fields}"[:500]
    if status in CODES:
        return leaks(answer) or ("" if answer.json()["type"].endswith(CODES[status]) else f"{answer}")
    return "" if sane and answer.body == (b"body" if status == 200 else b"") else f"{answer}"[:500]


def test_each_failure_is_logged_once_under_its_id(product: Product) -> None:
    """The caller gets an id and no details; the log has the id once, with the details."""
    names = [name for name, _, _ in ENVELOPES]
    with Wire(product.port) as wire:
        answer = wire.ask(request("GET", f"/hostile/{names.index('an exception with line breaks')}"))
        assert answer is not None
        identity = answer.json()["instance"].rpartition(":")[2]
    assert product.log().count(identity) == 1
    assert "ValueError" in product.log() and b"ValueError" not in answer.body
