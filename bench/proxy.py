"""``python -m bench proxy``: passing a request on, beside the same call made by a process function in other ways.

The other system is nginx with ready answers (the bare application if there is no nginx), on the core of the load.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from apimgmt.archive import Archive
from apimgmt.model import Binding, ConnectionEntry, Snapshot, Trigger
from bench import compare, machine, table
from bench.catalogue import OURS
from bench.exchanges import GET, POST
from bench.serving import running
from bench.subjects import Command, Place, Subject, product

GOAL = 3.0
PLAIN = "requests, in a thread"
PROXY = "proxy"
FUNCTIONS = (
    (PLAIN, "plain_requests", "py:requests"),
    ("requests with sessions, in a thread", "session_requests", "py:requests"),
    ("connection().call, in a thread", "through_connection", "py:requests"),
    ("connection().acall", "through_connection_async", "py:aiohttp"),
    ("httpx, AsyncClient", "async_httpx", "py:httpx"),
    ("aiohttp, ClientSession", "async_aiohttp", "py:aiohttp"),
)


def measure(plan: compare.Plan) -> list[compare.Row]:
    """Start the other system and measure everything against it; raises NotStarted if it does not start."""
    _, cores = machine.split_cores() if plan.pinned else (frozenset[int](), frozenset[int]())
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        subject = Subject("the other system", upstream if nginx_is_there() else product.bare, ())
        other = stack.enter_context(running(subject, folder / "upstream", cores))
        return compare.compare(subjects(f"http://127.0.0.1:{other.port}"), plan)


def subjects(url: str) -> list[Subject]:
    """What is measured; ``url`` is where the other system is. The first is what the others are compared with."""
    found = [
        Subject(PROXY, gateway(url, {"kind": "proxy", "connection": "upstream"}), OURS, checks=False),
        Subject(
            "proxy, answers validated",
            gateway(url, {"kind": "proxy", "connection": "upstream", "validate": "enforce"}),
            OURS,
            checks=False,
        ),
    ]
    for name, function, package in FUNCTIONS:
        config = {"kind": "python", "function": function}
        found.append(Subject(name, gateway(url, config), (package,), checks=False))
    if nginx_is_there():
        found.append(Subject("nginx", lambda place: reverse(place, url), (), checks=False))
    return found


def gateway(url: str, binding: dict[str, str]) -> Callable[[Place], Command]:
    """One worker with every operation bound to this, no credential needed, and a connection to the other system."""

    def prepare(place: Place) -> Command:
        archive = Archive(place.folder)
        config = {name: value for name, value in binding.items() if name != "kind"}
        entry = product.shop_entry(archive, "mock")
        bound = {key: Binding(kind=binding["kind"], config=config) for key in product.OPERATIONS}
        entry = msgspec.structs.replace(entry, bindings=bound, trigger=Trigger(authentication="none"))
        connection = ConnectionEntry(id="upstream", name="upstream", settings={"baseUrl": url})
        snapshot = Snapshot(number=1, created="2026-01-01T00:00:00Z", apis=(entry,), connections=(connection,))
        archive.make_current(archive.put_snapshot(snapshot))
        command = product.serve("apimgmt.asgi:gateway()", place, "handlers_upstream.py")
        added = {"APIMGMT_EGRESS_ALLOW": "127.0.0.1", "BENCH_UPSTREAM": url}
        return Command(command.arguments, {**command.environment, **added})

    return prepare


def nginx_is_there() -> bool:
    """Whether nginx is installed."""
    return shutil.which("nginx") is not None


def upstream(place: Place) -> Command:
    """nginx with ready answers."""
    bodies = {exchange.method: json.dumps(exchange.answer) for exchange in (GET, POST)}
    return _nginx(
        place,
        f"""server {{
            listen 127.0.0.1:{place.port};
            location / {{ default_type application/json;
                if ($request_method = POST) {{ return 200 '{bodies["POST"]}'; }}
                return 200 '{bodies["GET"]}'; }} }}""",
    )


def reverse(place: Place, url: str) -> Command:
    """nginx as a reverse proxy: one worker, connections to the other system kept open."""
    return _nginx(
        place,
        f"""upstream other {{ server {url.removeprefix("http://")}; keepalive 64; keepalive_requests 1000000000; }}
        server {{
            listen 127.0.0.1:{place.port};
            location / {{ proxy_pass http://other; proxy_http_version 1.1; proxy_set_header Connection "";
                proxy_set_header X-Forwarded-For $remote_addr; }} }}""",
    )


def _nginx(place: Place, servers: str) -> Command:
    folder = place.folder
    temporary = "".join(
        f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    text = f"""daemon off; worker_processes 1; pid {folder}/pid; error_log stderr error;
    events {{ worker_connections 1024; }}
    http {{ access_log off; keepalive_requests 1000000000; {temporary}
        {servers}
    }}"""
    path = folder / "nginx.conf"
    path.write_text(text, "utf-8")
    return Command(("nginx", "-e", "stderr", "-p", str(folder), "-c", str(path)))


def lines(rows: Sequence[compare.Row], facts: dict[str, str]) -> Iterator[str]:
    """The table, and whether the goal is reached."""
    yield from table.lines(rows, facts)
    if not nginx_is_there():
        yield "not measured: nginx: it is not installed (apt-get install nginx)"
    ours, plain = (next((row for row in rows if row.name == name and row.runs), None) for name in (PROXY, PLAIN))
    if ours is not None and plain is not None:
        ratio = min(_ratio(ours, plain, request) for request in ours.runs)
        verdict = "reached" if ratio >= GOAL else "not reached"
        yield f"goal: {PROXY} >= {GOAL:g} x {PLAIN}: {ratio:.2f}, {verdict}"


def _ratio(one: Any, other: Any, request: str) -> float:
    return float(one.median(request, "rps") / other.median(request, "rps"))
