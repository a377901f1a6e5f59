"""Lists of many pages: by offset, cursor, page and link, lazily, to one origin, and never for ever."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urljoin, urlsplit

import pytest
import responses
from endpoints import BASE, connected, endpoint

from apimgmt.connections.entities.pages import followed
from apimgmt.connections.entities.pagination import next_link
from apimgmt.errors import ConnectionFailed

URL = f"{BASE}/customers"
Answer = tuple[int, dict[str, str], str]


def serving(
    answer: Callable[[dict[str, str]], Any], headers: Callable[[dict[str, str]], dict[str, str]] = lambda _: {}
) -> None:
    """Answer every GET with what the function makes of its query."""

    def reply(request: Any) -> Answer:
        query = dict(parse_qsl(urlsplit(request.url).query))
        return 200, headers(query), json.dumps(answer(query))

    responses.add_callback("GET", URL, reply)


def queries() -> list[dict[str, str]]:
    """What was asked for, in order."""
    return [dict(parse_qsl(urlsplit(call.request.url).query)) for call in responses.calls]


def rows(start: int, stop: int) -> list[dict[str, int]]:
    """Rows with these numbers."""
    return [{"id": number} for number in range(start, stop)]


@pytest.mark.rows("C-045")
@pytest.mark.parametrize(("total", "requests"), [(0, 1), (99, 1), (100, 2), (101, 2), (250, 3)], ids=str)
@responses.activate
def test_offset_goes_on_until_a_page_has_fewer_than_the_limit(total: int, requests: int) -> None:
    """``offset=0&limit=100``, then ``offset=100&limit=100``."""
    serving(lambda query: rows(int(query["offset"]), min(total, int(query["offset"]) + int(query["limit"]))))
    assert list(endpoint(pagination={"kind": "offset"}).list(status="active")) == rows(0, total)
    expected = [{"status": "active", "offset": str(100 * n), "limit": "100"} for n in range(requests)]
    assert queries() == expected


@pytest.mark.rows("C-045")
@responses.activate
def test_offset_with_a_total_survives_a_server_that_gives_less_than_asked() -> None:
    """A cap of 30 rows is neither the end nor a gap, if the answer says how many there are."""

    def answer(query: dict[str, str]) -> Any:
        start = int(query["skip"])
        return {"rows": rows(start, min(70, start + 30)), "meta": {"total": 70}}

    serving(answer)
    pagination = {"kind": "offset", "offset": "skip", "limit": "top", "size": 50, "total": "$.meta.total"}
    assert list(endpoint(dataPath="$.rows", pagination=pagination).list()) == rows(0, 70)
    assert [query["skip"] for query in queries()] == ["0", "30", "60"]


@pytest.mark.rows("C-046")
@pytest.mark.parametrize("last", [{}, {"nextCursor": None}, {"nextCursor": ""}], ids=["absent", "null", "empty"])
@responses.activate
def test_cursor_goes_on_until_there_is_no_next_cursor(last: dict[str, Any]) -> None:
    """``limit=100``, then ``limit=100&cursor=...``; a cursor is passed on as it came."""
    answers = {None: {"rows": rows(0, 2), "nextCursor": "a&b="}, "a&b=": {"rows": rows(2, 3), **last}}
    serving(lambda query: answers[query.get("cursor")])
    assert list(endpoint(dataPath="$.rows", pagination={"kind": "cursor"}).list()) == rows(0, 3)
    assert queries() == [{"limit": "100"}, {"limit": "100", "cursor": "a&b="}]


@pytest.mark.rows("C-046")
@responses.activate
def test_a_cursor_may_be_in_a_header_field() -> None:
    """Named by ``header``."""
    serving(
        lambda query: rows(int(query.get("cursor", 0)), int(query.get("cursor", 0)) + 1),
        lambda query: {"X-Next": "1"} if "cursor" not in query else {},
    )
    assert list(endpoint(pagination={"kind": "cursor", "header": "X-Next", "limit": ""}).list()) == rows(0, 2)
    assert queries() == [{}, {"cursor": "1"}]


@pytest.mark.rows("C-046", "C-051")
@responses.activate
def test_has_more_and_the_last_id_are_a_cursor() -> None:
    """``starting_after`` is the id of the last row, as long as the answer says ``has_more``."""

    def answer(query: dict[str, str]) -> Any:
        start = int(query.get("starting_after", -1)) + 1
        return {"data": rows(start, start + 2), "has_more": start < 4}

    serving(answer)
    pagination = {"kind": "cursor", "cursor": "starting_after", "path": "$.data[-1].id", "more": "$.has_more"}
    assert list(endpoint(dataPath="$.data", pagination=pagination).list()) == rows(0, 6)
    assert len(queries()) == 3


@responses.activate
def test_more_without_a_cursor_is_an_error() -> None:
    """Rows would be lost in silence otherwise."""
    serving(lambda query: {"rows": rows(0, 2), "more": True})
    with pytest.raises(ConnectionFailed, match="more, but has no cursor"):
        list(endpoint(dataPath="$.rows", pagination={"kind": "cursor", "more": "$.more"}).list())


@pytest.mark.rows("C-047")
@pytest.mark.parametrize(("start", "count"), [(1, 3), (0, 3), (1, 1), (1, 0)], ids=str)
@responses.activate
def test_page_goes_on_until_total_pages(start: int, count: int) -> None:
    """``page=1&per_page=100``, then ``page=2``, until page >= totalPages; pages may count from 0."""
    serving(lambda query: {"rows": rows(int(query["page"]), int(query["page"]) + min(count, 1)), "totalPages": count})
    found = list(endpoint(dataPath="$.rows", pagination={"kind": "page", "start": start}).list())
    assert found == rows(start, start + count)
    assert queries() == [{"page": str(start + n), "per_page": "100"} for n in range(max(1, count))]


@pytest.mark.rows("C-047")
@pytest.mark.parametrize("where", ["header", "nowhere", "text"])
@responses.activate
def test_page_ends_by_a_header_field_or_at_an_empty_page(where: str) -> None:
    """Where the body does not say how many pages there are."""
    serving(
        lambda query: {
            "rows": rows(int(query["page"]), int(query["page"]) + 1) if int(query["page"]) < 4 else [],
            **({"totalPages": "3"} if where == "text" else {}),
        },
        lambda _: {"X-Pages": "3"} if where == "header" else {},
    )
    pagination = {"kind": "page", "totalHeader": "X-Pages"} if where == "header" else {"kind": "page"}
    assert list(endpoint(dataPath="$.rows", pagination=pagination).list()) == rows(1, 4)
    assert len(queries()) == (4 if where == "nowhere" else 3)


@responses.activate
def test_link_follows_the_next_relation() -> None:
    """Relative or whole, as RFC 8288 writes them; the query of the link is the query."""
    links = {
        "1": f'<{BASE}/customers?after=a>; rel="next", </v2/customers>; rel=first',
        "a": '<?after=b>; rel="last next"',
    }
    serving(
        lambda query: rows(len(queries()), len(queries()) + 1),
        lambda query: {"Link": links[query.get("after", "1")]} if query.get("after") != "b" else {},
    )
    assert list(endpoint(pagination={"kind": "link", "limit": "per_page", "size": 1}).list(status="x")) == rows(0, 3)
    assert queries() == [{"status": "x", "per_page": "1"}, {"after": "a"}, {"after": "b"}]


@pytest.mark.rows("C-002")
@responses.activate
def test_a_link_may_be_in_the_body() -> None:
    """As OData writes it: ``@odata.nextLink``."""
    serving(
        lambda query: {"value": rows(0, 1)} if query else {"value": rows(1, 2), "@odata.nextLink": "customers?$skip=1"}
    )
    source = endpoint(dataPath="$.value", pagination={"kind": "link", "path": "$['@odata.nextLink']"})
    assert [row["id"] for row in source.list()] == [1, 0]


@pytest.mark.parametrize(
    ("field", "target"),
    [
        ('<u>; rel="next"', "u"),
        ("<u>; rel=next", "u"),
        ('<u>;REL="Next"', "u"),
        ('<a>; rel="prev", <u>; title="x, <y>; rel=z"; rel="next"', "u"),
        ('<u>; rel="prev next"', "u"),
        ('<u>; rel="nextish"', None),
        ('<u>; title="next"', None),
        ('<u?a=1,2;3>; rel="next"', "u?a=1,2;3"),
        ("", None),
        ("<u", None),
        ("<" * 5_000 + ";" * 5_000, None),
    ],
    ids=range(11),
)
def test_a_link_field_is_read(field: str, target: str | None) -> None:
    """Parameters in any order and case, several relations, signs in quotes (RFC 8288 section 3)."""
    assert next_link(field) == target


ELSEWHERE = [
    "http://evil.example/v2/customers",
    "https://crm.example/v2/customers",
    "http://crm.example:81/v2/customers",
    "//evil.example/",
    "http://crm.example@evil.example/",
    "http://user@crm.example/",
    "http://crm.example\\@evil.example/",
    "http://crm.example.evil.example/",
    "http://[::1/",
    "http://crm.example:99999/",
    "javascript:alert(1)",
    "file:///etc/passwd",
]


@pytest.mark.parametrize("link", ELSEWHERE)
@responses.activate
def test_a_link_to_another_origin_is_not_followed(link: str) -> None:
    """The credential goes to the system that it is for (S-44): one request, and an error."""
    serving(lambda _: rows(0, 1), lambda _: {"Link": f'<{link}>; rel="next"'})
    connection = connected(
        {"c": {"path": "/customers", "pagination": {"kind": "link"}}},
        authentication={"kind": "bearer", "token": "t0ken"},
    )
    with pytest.raises(ConnectionFailed) as caught:
        list(connection.entity("c").list())
    assert caught.value.cause == "pagination" and "evil" not in str(caught.value)
    assert len(responses.calls) == 1


def test_the_naive_follower_would_leave() -> None:
    """The test above is not empty: resolved as they are, most of the links lead to another host or scheme."""
    left = [link for link in ELSEWHERE[:4] if urlsplit(urljoin(URL, link))[:2] != urlsplit(URL)[:2]]
    assert len(left) == 4


@pytest.mark.parametrize(
    ("link", "target"),
    [
        ("?page=2", f"{URL}?page=2"),
        ("/x", "http://crm.example/x"),
        ("HTTP://CRM.example:80/x#part", "HTTP://CRM.example:80/x"),
        ("next", f"{BASE}/next"),
    ],
)
def test_a_link_is_resolved_against_where_it_came_from(link: str, target: str) -> None:
    """Case of scheme and host and the default port do not matter; a fragment is not sent."""
    assert followed(f"{URL}?page=1", link) in (target, target.replace("HTTP", "http"))


LOOPS: dict[str, tuple[dict[str, Any], Callable[[dict[str, str]], Any], int]] = {
    "same cursor": (
        {"kind": "cursor"},
        lambda q: {"rows": rows(0, 1) if q.get("cursor") else [], "nextCursor": "x"},
        2,
    ),
    "cursors in a circle": (
        {"kind": "cursor"},
        lambda q: {"rows": [{"c": q.get("cursor")}], "nextCursor": {None: "a", "a": "b", "b": "a"}[q.get("cursor")]},
        3,
    ),
    "offset that is ignored": ({"kind": "offset", "size": 2}, lambda q: {"rows": rows(0, 2)}, 2),
    "page that is ignored": ({"kind": "page"}, lambda q: {"rows": rows(0, 2)}, 2),
    "link to itself": ({"kind": "link", "path": "$.next"}, lambda q: {"rows": [dict(q)], "next": "?a=1"}, 2),
    "link to the first": ({"kind": "link", "path": "$.next"}, lambda q: {"rows": [dict(q)], "next": "customers"}, 1),
}


@pytest.mark.rows("C-048")
@pytest.mark.parametrize("name", LOOPS)
@responses.activate
def test_a_server_that_repeats_itself_is_stopped(name: str) -> None:
    """The same cursor, link or page again is an error, after so many requests (T45)."""
    pagination, answer, requests = LOOPS[name]
    serving(answer)
    with pytest.raises(ConnectionFailed) as caught:
        list(endpoint(dataPath="$.rows", pagination=pagination).list())
    assert caught.value.cause == "pagination"
    assert len(responses.calls) == requests


@pytest.mark.rows("C-048")
@pytest.mark.parametrize(("pages", "is_fine"), [(5, True), (6, False)], ids=["at the limit", "one past it"])
@responses.activate
def test_there_are_only_so_many_pages(pages: int, is_fine: bool) -> None:
    """``mostPages`` pages with rows, and an empty one that says it is the end."""
    serving(lambda query: rows(int(query["page"]), int(query["page"]) + 1) if int(query["page"]) <= pages else [])
    source = endpoint(pagination={"kind": "page", "mostPages": 5})
    if is_fine:
        assert len(list(source.list())) == 5
        return
    with pytest.raises(ConnectionFailed, match="more than 5 pages"):
        list(source.list())


@pytest.mark.rows("C-048")
@pytest.mark.parametrize(("pages", "is_fine"), [(5, True), (6, False)], ids=["at the limit", "one past it"])
@responses.activate
def test_the_limit_holds_where_the_last_page_is_known(pages: int, is_fine: bool) -> None:
    """No page beyond the limit is given out, although the list would end with it."""
    serving(lambda query: {"rows": rows(int(query["page"]), int(query["page"]) + 1), "totalPages": pages})
    found = endpoint(dataPath="$.rows", pagination={"kind": "page", "mostPages": 5}).list()
    assert [row["id"] for _, row in zip(range(5), found, strict=False)] == [1, 2, 3, 4, 5]
    if is_fine:
        assert list(found) == []
        return
    with pytest.raises(ConnectionFailed, match="more than 5 pages"):
        next(found)


@responses.activate
def test_empty_pages_with_ever_new_cursors_end_too() -> None:
    """1,000 pages by default, then one more."""
    serving(lambda query: {"rows": [], "nextCursor": str(int(query.get("cursor", 0)) + 1)})
    with pytest.raises(ConnectionFailed, match="more than 7 pages"):
        list(endpoint(dataPath="$.rows", pagination={"kind": "cursor", "mostPages": 7}).list())
    assert len(responses.calls) == 8


@pytest.mark.rows("C-051")
@responses.activate
def test_pages_are_fetched_when_they_are_wanted() -> None:
    """Who takes one row has made one request; who takes all has the combined result."""
    serving(lambda query: {"rows": rows(int(query["page"]) * 2, int(query["page"]) * 2 + 2), "totalPages": 3})
    source = endpoint(dataPath="$.rows", pagination={"kind": "page"})
    found = source.list()
    assert len(responses.calls) == 0
    assert [next(found)["id"], next(found)["id"]] == [2, 3]
    assert len(responses.calls) == 1
    assert [row["id"] for row in found] == [4, 5, 6, 7]
    assert len(responses.calls) == 3


@pytest.mark.rows("C-032", "C-046")
@responses.activate
def test_a_placeholder_takes_the_parameter_of_the_pagination() -> None:
    """``page: {pageNumber}`` in the query, or a cursor in a body that is posted."""
    serving(lambda query: rows(int(query["p"]), int(query["p"]) + 1) if int(query["p"]) < 3 else [])
    paged = endpoint(query={"p": "{pageNumber}"}, pagination={"kind": "page", "page": "pageNumber", "perPage": ""})
    assert list(paged.list()) == rows(1, 3)
    assert queries()[0] == {"p": "1"}

    def search(request: Any) -> Answer:
        after = json.loads(request.body)["after"]
        return 200, {}, json.dumps({"rows": [{"after": after}], "nextCursor": None if after else "x"})

    responses.add_callback("POST", URL, search)
    searched = endpoint(
        method="POST",
        body={"text": "{text}", "after": "{cursor}"},
        dataPath="$.rows",
        pagination={"kind": "cursor", "limit": ""},
    )
    assert list(searched.list(text="a")) == [{"after": None}, {"after": "x"}]


@pytest.mark.parametrize("name", ["page", "per_page"])
def test_what_the_pagination_sends_cannot_be_given(name: str) -> None:
    """It would ask for the same page again and again."""
    with pytest.raises(ConnectionFailed, match=f"'{name}' is set by the pagination"):
        list(endpoint(pagination={"kind": "page"}).list(**{name: 3}))


@responses.activate
def test_an_offset_without_a_limit_has_the_size_of_the_server() -> None:
    """``size`` says when a page is the last one; nothing says it to the server."""
    serving(lambda query: rows(int(query["offset"]), min(3, int(query["offset"]) + 2)))
    assert list(endpoint(pagination={"kind": "offset", "limit": "", "size": 2}).list()) == rows(0, 3)
    assert queries() == [{"offset": "0"}, {"offset": "2"}]


@responses.activate
def test_rows_that_are_nested_deeply_are_rows() -> None:
    """Deeper than they could be compared; a cache refuses those that it could not copy."""
    row = b'{"a":' * 600 + b"1" + b"}" * 600
    responses.get(URL, body=b"[" + row + b"]", content_type="application/json")
    assert len(list(endpoint(pagination={"kind": "offset", "size": 2}).list())) == 1
    deepest = b"[" + b"[" * 1_000 + b"]" * 1_000 + b"]"
    responses.replace("GET", URL, body=deepest, content_type="application/json")
    with pytest.raises(ConnectionFailed, match="nested too deeply"):
        list(endpoint(cache=60).list())


@responses.activate
def test_a_failing_page_ends_the_list_with_an_error() -> None:
    """The rows before it were given; what follows is not made up."""
    responses.get(URL, json={"rows": rows(0, 2), "totalPages": 2})
    responses.get(URL, status=500, body="secret")
    found = endpoint(dataPath="$.rows", pagination={"kind": "page"}).list()
    assert [next(found), next(found)] == rows(0, 2)
    with pytest.raises(ConnectionFailed) as caught:
        next(found)
    assert caught.value.cause == "status" and caught.value.reply.status == 500 and "secret" not in str(caught.value)


# ---- memory ------------------------------------------------------------------------------------------------------

PAGES, PER_PAGE = 1_000, 100

CHILD = """
import re, sys
sys.path.insert(0, sys.argv[1])
from endpoints import connected

def peak():
    return int(re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())[1])

fields = [{"name": name, "type": "string"} for name in ("id", "name", "email", "city", "note")]
entity = {"path": "/rows", "dataPath": "$.rows", "fields": fields, "pagination": {"kind": "page", "mostPages": 1000}}
source = connected({"rows": entity}, egress="127.0.0.1", baseUrl=sys.argv[2]).entity("rows")
warm = source.list()
next(warm)
warm.close()
before = peak()
count = sum(1 for _ in (source.list() if sys.argv[3] == "stream" else list(source.list())))
print(count, peak() - before)
"""


class Rows(BaseHTTPRequestHandler):
    """Serves the pages of a long list."""

    protocol_version = "HTTP/1.1"
    # head and body leave together: apart, each answer would wait for an acknowledgement
    wbufsize = 65_536

    def do_GET(self) -> None:
        page = int(parse_qs(urlsplit(self.path).query)["page"][0])
        made = [
            {
                "id": f"{page}-{number}",
                "name": f"name {page} {number}",
                "email": "x" * 90,
                "city": "y" * 90,
                "note": "z" * 190,
            }
            for number in range(PER_PAGE)
        ]
        body = json.dumps({"rows": made, "totalPages": PAGES}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture(scope="module")
def long_list() -> Iterator[str]:
    """The base URL of a local server with 100,000 rows on 1,000 pages."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Rows)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


async def test_an_async_function_lists_and_sends_without_blocking_the_loop(long_list: str) -> None:
    """Page by page, as far as it wants; the same casts and the same errors."""
    paged = {"dataPath": "$.rows", "pagination": {"kind": "page"}}
    fields = [{"name": "id", "type": "string"}]
    entities = {
        "rows": {"path": "/rows", "fields": fields, **paged},
        "page": {"path": "/rows?page={number}", "dataPath": "$.totalPages"},
        "wrong": {"path": "/rows", **paged, "dataPath": "$.lines"},
    }
    connection = connected(entities, egress="127.0.0.1", baseUrl=long_list)
    found = []
    async for row in connection.entity("rows").alist():
        found.append(row["id"])
        if len(found) == 250:
            break
    assert found == [f"{1 + number // 100}-{number % 100}" for number in range(250)]
    assert await connection.entity("page").asend(number=7) == PAGES
    assert (await connection.entity("page").acall(number=7)).status == 200
    with pytest.raises(ConnectionFailed, match=r"^wrong: the data path \$\.lines leads nowhere"):
        async for _ in connection.entity("wrong").alist():
            pass
    await connection.streaming().close()


@pytest.mark.rows("C-051")
@pytest.mark.parametrize("way", ["stream", "collect"])
def test_a_hundred_thousand_rows_stream_in_little_memory(long_list: str, way: str) -> None:
    """Less than 50 MB more in a process of its own; the mutant that collects needs more, so the measure measures."""
    command = [sys.executable, "-c", CHILD, str(Path(__file__).parent), long_list, way]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    count, kilobytes = map(int, done.stdout.split())
    print(f"{way}: {count} rows, {kilobytes / 1024:.1f} MB more")
    assert count == PAGES * PER_PAGE
    assert (kilobytes < 50 * 1024) == (way == "stream")
