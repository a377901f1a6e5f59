"""Thousands of malformed requests: no server error, no worker lost, no growth, no word about our insides (S-38, S-40).

``PRODUCT_REQUESTS=10000`` is the long form; it takes a fresh seed, which is printed, unless ``PRODUCT_SEED`` is given.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
from collections import Counter
from collections.abc import Iterator

import h11
from product_fuzzer import Request, requests
from product_platform import Product
from product_wire import Answer, leaks

COUNT = int(os.environ.get("PRODUCT_REQUESTS", "2000"))
SEED = int(os.environ.get("PRODUCT_SEED", "40" if COUNT == 2000 else str(secrets.randbelow(2**32))))
WAIT_SECONDS = 0.15
GROWTH_MB = 10.0
MAPPED = (501, 502, 503, 504)


def test_malformed_requests(product: Product, workshop: str) -> None:
    """Every answer is valid HTTP; those that refuse are problems of at most 2 KB; nobody dies and nothing grows."""
    found: list[str] = []
    statuses: Counter[int] = Counter()
    for request in requests(200, SEED + 1, workshop):
        talk(product.port, request)
    pids, memory, errors = product.pids(), product.memory(), product.log().count("Traceback")
    for number, request in enumerate(requests(COUNT, SEED, workshop)):
        answers = talk(product.port, request)
        statuses.update([answer.status for answer in answers] or [0])
        found += [
            f"{number}: {fault}, {request.data[:2000]!r}" for answer in answers if (fault := wrong(answer, request))
        ]
    grown = max(after - memory[pid] for pid, after in product.memory().items() if pid in memory)
    print(f"\nseed {SEED}, {COUNT} requests: {dict(sorted(statuses.items()))}, grown by {grown:.1f} MB")
    assert not found, f"seed {SEED}\n" + "\n".join(found[:20])
    assert product.pids() == pids
    assert product.log().count("Traceback") == errors, product.log()[-3000:]
    assert grown <= GROWTH_MB
    assert statuses[0] <= COUNT / 5, "too many had no answer at all"


def wrong(answer: Answer, request: Request) -> str:
    """What an answer must not be."""
    if answer.status >= 500 and answer.status not in MAPPED:
        return f"a {answer.status}: {answer.body[:300]!r}"
    if 300 <= answer.status < 400 and answer.status not in (304, 308):
        return f"a {answer.status}"
    if answer.status == 308 and not answer.field("location").startswith("ui/"):
        return f"a redirect to {answer.field('location')}"
    if answer.status >= 400 and not (request.method == "HEAD" and not answer.body):
        return leaks(answer)
    return ""


def talk(port: int, request: Request) -> list[Answer]:
    """The answers to what is sent on one connection, until it is closed or quiet."""
    data = b""
    with socket.create_connection(("127.0.0.1", port)) as connection, contextlib.suppress(ConnectionError):
        connection.settimeout(WAIT_SECONDS)
        connection.sendall(request.data)
        with contextlib.suppress(TimeoutError):
            while piece := connection.recv(1 << 20):
                data += piece
                if len(piece) < 1 << 16 and _whole(data, request.method):
                    break
    return list(answers(data, request.method))


def _whole(data: bytes, method: str) -> bool:
    """Whether what came ends with an answer, so that there is nothing to wait for."""
    try:
        return sum(1 for _ in answers(data, method)) > 0
    except (AssertionError, h11.RemoteProtocolError):
        return False


def answers(data: bytes, method: str) -> Iterator[Answer]:
    """The answers in a stream; raises AssertionError or h11.RemoteProtocolError if it is not made of whole ones."""
    while data:
        reader = h11.Connection(h11.CLIENT)
        reader.send(h11.Request(method="HEAD" if method == "HEAD" else "GET", target="/", headers=[("host", "x")]))
        reader.send(h11.EndOfMessage())
        reader.receive_data(data)
        body, head = b"", None
        while True:
            event = reader.next_event()
            assert event is not h11.NEED_DATA, f"half an answer: {data[:300]!r}"
            if isinstance(event, h11.Response):
                head = event
            elif isinstance(event, h11.Data):
                body += event.data
            elif isinstance(event, h11.EndOfMessage):
                break
        assert head is not None
        fields = [(name.decode().lower(), value.decode("latin-1")) for name, value in head.headers]
        yield Answer(head.status_code, fields, body)
        # what follows a request is rarely another one, and never a HEAD
        data, method = reader.trailing_data[0], "GET"
