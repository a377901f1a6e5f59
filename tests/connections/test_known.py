"""The connections of a process: taken up as they are published, and those that were replaced let go of.

No test here lets garbage be collected: a worker keeps what is published out of every collection.
"""

from __future__ import annotations

import asyncio
import gc
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from connections.databases import Prepared, sqlite
from connections.faults import Faults

from apimgmt.connections import Call
from apimgmt.connections.connection import Connection
from apimgmt.connections.known import ORIGINS_MOST, Connections
from apimgmt.errors import SettingInvalid
from apimgmt.model import ConnectionEntry
from apimgmt.settings import Settings

PATIENCE_SECONDS = 60.0


@pytest.fixture(autouse=True)
def _uncollected() -> Iterator[None]:
    was_enabled = gc.isenabled()
    gc.disable()
    yield
    if was_enabled:
        gc.enable()


def entry(base: str, **members: Any) -> ConnectionEntry:
    """A connection called ``crm`` as it is published, with one entity."""
    settings = {"baseUrl": base, "internalHosts": ["127.0.0.1"], "retries": {"count": 0}, **members}
    return ConnectionEntry(id="c1", name="crm", settings=settings, entities={"all": {"path": "/all"}})


def publish(known: Connections, *entries: ConnectionEntry, settings: Settings | None = None) -> None:
    """Put these in place of those before."""
    known.prepared(entries, settings or known.settings)()


def eventually(condition: Callable[[], bool]) -> None:
    """Wait for what another thread makes true."""
    until = time.monotonic() + PATIENCE_SECONDS
    while not condition() and time.monotonic() < until:
        time.sleep(0.01)
    assert condition()


@pytest.mark.parametrize("entries", [0, 1], ids=["removed", "changed"])
def test_idle_sockets_of_a_replaced_connection_are_closed(entries: int) -> None:
    """Also where an entity was made, which refers to its connection; one that stays as it is keeps its sockets."""
    known = Connections()
    with Faults() as upstream, Faults() as other:
        staying = ConnectionEntry(id="c2", name="erp", settings=entry(other.url).settings)
        publish(known, entry(upstream.url), staying)
        assert list(known.find("crm").entity("all").list()) == [{"ok": True}]
        known.find("erp").get("/")
        publish(known, *[entry(upstream.url, timeout=5)][:entries], staying)
        eventually(lambda: upstream.live == 0)
        known.find("erp").get("/")
        assert (other.connections, other.live) == (1, 1)


def test_a_call_that_is_under_way_ends_as_if_nothing_had_changed() -> None:
    """Its socket is closed when it has its answer, not before."""
    known, replies = Connections(), []
    with Faults("delay", seconds=0.5) as upstream:
        publish(known, entry(upstream.url))
        calling = threading.Thread(target=lambda: replies.append(known.find("crm").get("/").status))
        calling.start()
        eventually(lambda: len(upstream.requests) == 1)
        publish(known)
        assert upstream.live == 1
        calling.join(PATIENCE_SECONDS)
        eventually(lambda: upstream.live == 0)
    assert replies == [200]


async def test_an_answer_that_is_passed_on_is_passed_on_to_its_end() -> None:
    """The session on the event loop is closed after the last piece."""
    known = Connections()
    with Faults(body=bytes(200_000)) as upstream:
        publish(known, entry(upstream.url))
        call = Call(method="GET", url=upstream.url + "/", streamed=True)
        reply = await known.find("crm").streaming().send(call)
        publish(known)
        assert sum([len(piece) async for piece in reply.stream]) == 200_000
        del reply
        until = time.monotonic() + PATIENCE_SECONDS
        while upstream.live and time.monotonic() < until:
            await asyncio.sleep(0.01)
        assert upstream.live == 0


def test_whoever_holds_a_replaced_connection_can_go_on() -> None:
    """What it opens then goes with it, entities and sockets."""
    known = Connections()
    with Faults() as upstream:
        publish(known, entry(upstream.url))
        held = known.find("crm")
        publish(known)
        assert list(held.entity("all").list()) == [{"ok": True}]
        gone = weakref.ref(held)
        assert upstream.live == 1
        del held
        assert gone() is None
        eventually(lambda: upstream.live == 0)


def test_sessions_with_a_database_are_closed_and_a_list_under_way_goes_on(tmp_path: Path) -> None:
    """An idle session at once; one that rows are read from when the last row was."""
    with sqlite(tmp_path) as prepared:
        prepared.run("INSERT INTO customers (id, name) VALUES (:id, :id)", *({"id": number} for number in range(1200)))
        known = Connections()
        published = ConnectionEntry(
            id="c1", name="crm", settings=prepared.members, entities={"all": {"table": "customers"}}
        )
        publish(known, published, settings=prepared.settings)
        rows = known.find("crm").entity("all").list()
        assert next(rows)["id"] == 0
        known.find("crm").entity("all").get(7)
        # SQLite closes a file of a process only when no session of it has a lock
        assert sessions(prepared) >= 2
        publish(known, settings=prepared.settings)
        assert len(list(rows)) == 1199
        del rows
        eventually(lambda: sessions(prepared) == 0)


def sessions(prepared: Prepared) -> int:
    """How often this process has the file of a database open, besides whoever prepared it."""
    prepared.engine.dispose()
    found = 0
    for one in Path("/proc/self/fd").iterdir():
        try:
            found += str(one.readlink()) == str(prepared.engine.url.database)
        except OSError:
            continue
    return found


def test_of_calls_without_a_connection_the_sockets_of_few_origins_are_kept() -> None:
    """The one called longest ago is let go of."""
    known, settings = Connections(), Settings(egress_allow="127.0.0.1")
    with Faults() as upstream:
        known.anonymous(upstream.url, True, settings).get("/")
        for number in range(ORIGINS_MOST - 1):
            known.anonymous(f"http://127.0.0.1:{number + 1}", True, settings)
        assert upstream.live == 1
        known.anonymous("http://127.0.0.1:99", True, settings)
        eventually(lambda: upstream.live == 0)


def test_a_connection_that_a_module_asks_for_says_where_to_ask() -> None:
    """Modules are loaded before connections are known; later the message lists those that there are."""
    known = Connections()
    with pytest.raises(SettingInvalid, match="inside the function that uses it"):
        known.find("crm")
    publish(known, entry("https://crm.example"))
    with pytest.raises(SettingInvalid, match="there is no connection 'erp'; there are: crm"):
        known.find("erp")


def test_an_unchanged_connection_is_the_same_object() -> None:
    """What it has learned, its budget and its tokens, stays."""
    known = Connections()
    publish(known, entry("https://crm.example"))
    before = known.find("crm")
    publish(known, entry("https://crm.example"))
    assert isinstance(before, Connection) and known.find("crm") is before
