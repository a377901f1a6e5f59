"""What flows call: URLs, connections, rows of tables, functions; with real servers and a real database."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy
from connections.faults import Faults
from processes.flows.flowing import definition, run

from apimgmt.connections.known import connections
from apimgmt.errors import ConnectionFailed, Problem, SettingInvalid
from apimgmt.model import ConnectionEntry
from apimgmt.processes import python
from apimgmt.processes.flows import FlowFailed
from apimgmt.settings import Settings


@pytest.fixture
def upstream() -> Iterator[Faults]:
    """Another system, which answers ``{"id": 7}``."""
    with Faults("good", body=b'{"id": 7}') as server:
        yield server


@pytest.fixture(autouse=True)
def settings(tmp_path: Path) -> Iterator[Settings]:
    """This machine may be called; a database ``shop`` with two orders is there."""
    made = Settings(data=str(tmp_path), egress_allow="127.0.0.1")
    (tmp_path / "databases").mkdir()
    engine = sqlalchemy.create_engine(f"sqlite:///{tmp_path}/databases/shop.db")
    with engine.begin() as database:
        database.execute(sqlalchemy.text("CREATE TABLE orders (id INTEGER PRIMARY KEY, status TEXT, total REAL)"))
        database.execute(sqlalchemy.text("INSERT INTO orders VALUES (1, 'open', 10), (2, 'closed', 20)"))
    engine.dispose()
    entities = {"orders": {"table": "orders"}}
    entry = ConnectionEntry(
        id="c1", name="shop", settings={"type": "sql", "baseUrl": "sqlite:///shop.db"}, entities=entities
    )
    connections.prepared([entry], made)()
    yield made
    connections.prepared([], Settings())()


def call(function: str, /, **arguments: Any) -> dict[str, Any]:
    """A flow of one call."""
    return definition({"call": function, "with": arguments})


async def test_http_fills_the_url_and_gives_the_content(upstream: Faults) -> None:
    """``{name}`` is a member of the input, percent-encoded; query, header fields and body may be expressions."""
    flow = call(
        "http",
        method="post",
        endpoint=f"{upstream.url}/pets/{{petId}}",
        query={"status": "${ .status }"},
        headers={"X-Name": "${ .name }"},
        body={"n": "${ .petId }"},
    )
    assert await run(flow, {"petId": "a/b c", "status": "x&y", "name": "Ann"}) == {"id": 7}
    [seen] = upstream.requests
    assert (seen.method, seen.target) == ("POST", "/pets/a%2Fb%20c?status=x%26y")
    assert (seen.headers["x-name"], seen.body) == ("Ann", b'{"n":"a/b c"}')


async def test_http_gives_the_whole_response_without_the_credential(upstream: Faults) -> None:
    """Status, header fields, content and what was asked; Basic and Bearer, in place or from ``use``."""
    basic = {"basic": {"username": "u", "password": "p"}}
    for authentication in (basic, {"use": "login"}):
        endpoint = {"uri": f"{upstream.url}/me", "authentication": authentication}
        flow = {
            **call("http", method="get", endpoint=endpoint, output="response"),
            "use": {"authentications": {"login": basic}},
        }
        output = await run(flow, {})
        assert (output["statusCode"], output["content"]) == (200, {"id": 7})
        assert output["request"]["uri"] == f"{upstream.url}/me"
        assert "dTpw" not in str(output)
    assert {seen.headers["authorization"] for seen in upstream.requests} == {"Basic dTpw"}


async def test_http_fails_with_the_status_of_the_answer() -> None:
    """404 is an error that can be caught by its status; a redirect is one unless it is asked for."""
    gone = b"HTTP/1.1 404 no\r\nContent-Length: 0\r\n\r\n"
    moved = b"HTTP/1.1 302 x\r\nLocation: /y\r\nContent-Length: 0\r\n\r\n"
    with Faults(gone, moved, moved) as upstream:
        with pytest.raises(FlowFailed) as failed:
            await run(call("http", method="get", endpoint=upstream.url + "/x"), {})
        assert failed.value.error["type"].endswith("/communication")
        assert (failed.value.error["status"], failed.value.error["instance"]) == (404, "/do/0/a")
        with pytest.raises(FlowFailed):
            await run(call("http", method="get", endpoint=upstream.url + "/x"), {})
        output = await run(
            call("http", method="get", endpoint=upstream.url + "/x", redirect=True, output="response"), {}
        )
        assert output["statusCode"] == 302


@pytest.mark.parametrize(
    "url", ["http://169.254.169.254/latest", "http://[::1]:1/", "file:///etc/passwd", "http://2130706433/"]
)
async def test_http_calls_only_what_may_be_called(url: str) -> None:
    """The egress guard stands before flows, too; also for a URL that an expression makes."""
    for endpoint in (url, "${ .url }"):
        with pytest.raises(FlowFailed):
            await run(call("http", method="get", endpoint=endpoint), {"url": url})


async def test_a_value_of_the_input_cannot_leave_its_place_in_the_url(upstream: Faults) -> None:
    """Slashes, question marks and dots are encoded; a missing value is an error that names it."""
    await run(call("http", method="get", endpoint=upstream.url + "/a/{x}/b"), {"x": "../../admin?y#z"})
    assert upstream.requests[0].target == "/a/..%2F..%2Fadmin%3Fy%23z/b"
    with pytest.raises(FlowFailed) as failed:
        await run(call("http", method="get", endpoint=upstream.url + "/a/{x.y}"), {"x": {}})
    assert "{x.y}" in failed.value.error["detail"]


async def test_a_connection_is_called_with_its_own_credential(upstream: Faults, settings: Settings) -> None:
    """The flow says path, query and body; it never sees the credential."""
    entry = ConnectionEntry(id="c2", name="crm", settings={"baseUrl": f"{upstream.url}/v2", "headers": {"X-Org": "o"}})
    connections.prepared([entry], settings)()
    flow = call("connection", connection="crm", path="/customers/{id}", query={"full": True})
    assert await run(flow, {"id": 5}) == {"id": 7}
    assert upstream.requests[0].target == "/v2/customers/5?full=true"
    assert upstream.requests[0].headers["x-org"] == "o"
    with pytest.raises(FlowFailed, match="Configuration"):
        await run(call("connection", connection="nowhere"), {})


@pytest.mark.rows("H-067", "H-068")
async def test_rows_are_loaded_filtered_and_written() -> None:
    """The filter is a value of the request and is worked out by the database; create, get, update, delete."""
    listed = call("entity", connection="shop", entity="orders", parameters={"status": "${ .status }"})
    assert await run(listed, {"status": "open"}) == [{"id": 1, "status": "open", "total": 10.0}]
    assert await run(listed, {"status": "' OR 1=1 --"}) == []
    row = {"id": 3, "status": "new", "total": "${ .total * 2 }"}
    await run(call("entity", connection="shop", entity="orders", action="create", row=row), {"total": 4})
    one = call("entity", connection="shop", entity="orders", action="get", parameters={"id": "${ .id }"})
    assert (await run(one, {"id": 3}))["total"] == 8.0
    change = {"row": {"status": "done"}, "parameters": {"id": 3}}
    await run(call("entity", connection="shop", entity="orders", action="update", **change), {})
    assert (await run(one, {"id": 3}))["status"] == "done"
    await run(call("entity", connection="shop", entity="orders", action="delete", parameters={"id": 3}), {})
    assert await run(one, {"id": 3}) is None


@pytest.mark.parametrize(("most", "good"), [(2, True), (1, False)])
async def test_as_many_rows_are_loaded_as_are_allowed(most: int, good: bool) -> None:
    """At the limit, and one row more."""
    flow = call("entity", connection="shop", entity="orders", most=most)
    if good:
        assert len(await run(flow, {})) == 2
    else:
        with pytest.raises(FlowFailed) as failed:
            await run(flow, {})
        assert "more than 1 rows" in failed.value.error["detail"]


async def test_functions_of_the_handlers_are_called_by_name() -> None:
    """On the loop or in a thread; what they raise on purpose keeps its status, anything else says nothing."""

    def double(n: int) -> int:
        return 2 * n

    async def slow(n: int) -> int:
        await asyncio.sleep(0)
        return n + 1

    def refuses() -> None:
        raise Problem("conflict", "it is taken")

    def breaks() -> None:
        raise ValueError("secret inside")

    def away() -> None:
        raise ConnectionFailed("refused", "nothing listens there")

    python.functions.update({"double": double, "slow": slow, "refuses": refuses, "breaks": breaks, "away": away})
    assert await run(call("python", function="double", arguments={"n": "${ .n }"}), {"n": 4}) == 8
    assert await run(call("python", function="slow", arguments={"n": 1}), {}) == 2
    for function, status, detail in (("refuses", 409, "it is taken"), ("breaks", 500, "the function failed")):
        with pytest.raises(FlowFailed) as failed:
            await run(call("python", function=function), {})
        assert (failed.value.error["status"], failed.value.error["detail"]) == (status, detail)
    with pytest.raises(FlowFailed) as failed:
        await run(call("python", function="away"), {})
    assert failed.value.error["type"].endswith("/communication")


async def test_functions_of_the_flow_itself(upstream: Faults) -> None:
    """Each is a task whose input are the arguments; one that calls itself is refused."""
    get_pet = {"call": "http", "with": {"method": "get", "endpoint": upstream.url + "/pets/{petId}"}}
    assert await run({**call("getPet", petId=69), "use": {"functions": {"getPet": get_pet}}}, {}) == {"id": 7}
    assert upstream.requests[0].target == "/pets/69"
    with pytest.raises(SettingInvalid, match="nested deeper"):
        await run({**call("again"), "use": {"functions": {"again": {"call": "again"}}}}, {})


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "an unknown function": (call("nothing"), "/do/0/a/call"),
    "grpc": (call("grpc"), "/do/0/a/call"),
    "an unknown argument": (call("http", method="get", endpoint="http://x.example", bodi=1), "/do/0/a/with/bodi"),
    "a missing argument": (call("http", method="get"), "/do/0/a/with"),
    "an unknown handler": (call("python", function="nowhere"), "/do/0/a/with/function"),
    "a function of the admin API": (call("python", function="apimgmt.control.listApis"), "/do/0/a/with/function"),
}


@pytest.mark.parametrize("name", WRONG)
async def test_a_call_that_cannot_work_is_refused_with_its_place(name: str) -> None:
    """Before it runs."""
    given, place = WRONG[name]
    with pytest.raises(SettingInvalid) as refused:
        await run(given)
    assert refused.value.pointer == place
