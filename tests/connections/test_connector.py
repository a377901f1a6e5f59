"""The HTTP connector: its six actions, and every input on every action that has it (P-010 to P-047)."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from functools import cache, partial
from typing import Any

import msgspec
import pytest
import responses
from connections.driving import Driver, answering
from connections.faults import Faults, certificates
from connections.test_connection import made
from pki import authority

import apimgmt.asgi  # noqa: F401  registers every plug-in
from apimgmt.connections import connector
from apimgmt.connections.connection import Connection
from apimgmt.connections.connector.actions import Action, Delete, FormData, Get, Output, Patch, Post, Put
from apimgmt.connections.connector.actions import made as filled
from apimgmt.errors import ConnectionFailed, SettingInvalid
from apimgmt.reading import read
from apimgmt.settings import Settings

ACTIONS: list[type[Action]] = [Delete, Get, Patch, Post, Put, FormData]
SENDING: list[type[Action]] = [Patch, Post, Put]
METHODS = {Delete: "DELETE", Get: "GET", Patch: "PATCH", Post: "POST", Put: "PUT", FormData: "POST"}
EVERYWHERE = [
    "connection", "url", "responseType", "header", "queryParameter", "maxRetryCount", "retryDelay",
    "useExponentialBackoff", "retryOnAllErrors", "timeout", "includeFullResponse", "debugRequest", "ignoreSslErrors",
]  # fmt: skip
URL = "http://api.example/v1/items"
LOCAL = Settings(egress_allow="127.0.0.1")

every = pytest.mark.parametrize("kind", ACTIONS, ids=lambda kind: kind.__name__.lower())
sending = pytest.mark.parametrize("kind", SENDING, ids=lambda kind: kind.__name__.lower())


def run(
    kind: type[Action], url: str = URL, settings: Settings = LOCAL, to: Connection | None = None, **inputs: Any
) -> Any:
    """Perform an action, through the connection ``to`` if there is one."""
    if to is not None:
        inputs["connection"] = "crm"
    return connector.perform(filled(kind, url=url, **inputs), lambda name: {"crm": to}[name], settings)  # type: ignore[return-value]


def answer(kind: type[Action], status: int = 200, **options: Any) -> None:
    """The next answer at the URL."""
    responses.add(METHODS[kind], URL, status=status, **{"json": {"ok": True}, **options})


def sent(number: int = -1) -> Any:
    """A request that went out."""
    return responses.calls[number].request


def failure(action: Callable[[], Any]) -> ConnectionFailed:
    """The failure that this ends in."""
    with pytest.raises(ConnectionFailed) as caught:
        action()
    return caught.value


INPUTS = [
    pytest.param(Delete, [], marks=pytest.mark.rows("P-010"), id="delete"),
    pytest.param(Get, [], marks=pytest.mark.rows("P-011"), id="get"),
    pytest.param(Patch, ["data"], marks=pytest.mark.rows("P-012"), id="patch"),
    pytest.param(
        FormData,
        ["httpMethod", "formData", "fileData", "fileDataFileNames"],
        marks=pytest.mark.rows("P-013"),
        id="form-data",
    ),
    pytest.param(Post, ["data"], marks=pytest.mark.rows("P-014"), id="post"),
    pytest.param(Put, ["data"], marks=pytest.mark.rows("P-015"), id="put"),
]


@pytest.mark.parametrize(("kind", "more"), INPUTS)
@responses.activate
def test_an_action_has_its_inputs_and_its_method(kind: type[Action], more: list[str]) -> None:
    """13, 14 or 17 of them, in JSON with these names and no other."""
    assert {field.encode_name for field in msgspec.structs.fields(kind)} == {*EVERYWHERE, *more}
    assert len(EVERYWHERE) + len(more) == {0: 13, 1: 14, 4: 17}[len(more)]
    with pytest.raises(SettingInvalid):
        read({"url": URL, "colour": "red"}, kind)
    answer(kind)
    function = {FormData: connector.form_data}.get(kind) or getattr(connector, kind.__name__.lower())
    assert function(URL) == {"ok": True} and sent().method == METHODS[kind]


@every
def test_the_url_is_needed(kind: type[Action]) -> None:
    """Everything else has a default."""
    with pytest.raises(SettingInvalid) as caught:
        read({}, kind)
    assert caught.value.pointer == "/url"
    assert read({"url": URL}, kind).url == URL


@every
@pytest.mark.rows("P-016")
@responses.activate
def test_without_a_connection_no_credential_is_sent(kind: type[Action]) -> None:
    """Not even one that lies around in a file of this machine's user."""
    answer(kind)
    run(kind)
    names = {name.lower() for name in sent().headers}
    assert names <= {"content-type", "content-length", "accept-encoding", "user-agent"}


@every
@pytest.mark.rows("P-017")
@responses.activate
def test_the_url_is_called(kind: type[Action]) -> None:
    """As it is written."""
    answer(kind)
    run(kind, f"{URL}?a=1")
    assert sent().url == f"{URL}?a=1"


@every
@responses.activate
def test_with_a_connection_its_credential_goes_and_the_url_may_be_a_path(kind: type[Action]) -> None:
    """Below the base URL, or whole and of the same origin."""
    crm = made(baseUrl="http://api.example/v1", authentication={"kind": "bearer", "token": "t0ken"})
    for url in ("/items", "items", URL):
        answer(kind)
        assert run(kind, url, to=crm) == {"ok": True}
        assert (sent().url, sent().headers["Authorization"]) == (URL, "Bearer t0ken")


@every
@pytest.mark.parametrize("url", ["http://evil.example/", "https://api.example/v1/items", "//evil.example/"])
def test_a_credential_goes_nowhere_else(kind: type[Action], url: str) -> None:
    """A URL of another origin is refused before anything is sent."""
    crm = made(baseUrl="http://api.example/v1", authentication={"kind": "bearer", "token": "t0ken"})
    assert failure(lambda: run(kind, url, to=crm)).cause == "address"


@every
@pytest.mark.parametrize(
    ("url", "cause"),
    [
        ("http://127.0.0.1:9/", "forbidden-address"), ("http://169.254.169.254/latest", "forbidden-address"),
        ("/items", "address"), ("file:///etc/passwd", "address"), ("http://u:p@api.example/", "address"),
    ],
)  # fmt: skip
def test_the_egress_guard_stands_before_every_action(kind: type[Action], url: str, cause: str) -> None:
    """Nothing but the public internet, http and https."""
    assert failure(lambda: run(kind, url, Settings())).cause == cause


@sending
@pytest.mark.rows("P-018")
@responses.activate
@pytest.mark.parametrize(
    ("data", "body", "media_type"),
    [
        ("text ü", "text ü".encode(), "text/plain; charset=utf-8"),
        (b"\x00\xff", b"\x00\xff", "application/octet-stream"),
        (Output("text"), b"text", "text/plain; charset=utf-8"),
        (Output(b"\x00\xff"), b"\x00\xff", "application/octet-stream"),
        (Output({"a": [1]}), b'{"a":[1]}', "application/json"),
        (Output(5), b"5", "application/json"),
        (Output(None), b"null", "application/json"),
    ],
    ids=["text", "bytes", "output-text", "output-bytes", "output-object", "output-number", "output-null"],
)
def test_data_is_a_text_or_an_output(kind: type[Action], data: Any, body: bytes, media_type: str) -> None:
    """Sent as it is, or as JSON where it is neither text nor bytes; with a type, unless a header names one."""
    for headers, expected in (([], media_type), ([("content-type", "a/b")], "a/b")):
        answer(kind)
        run(kind, data=data, header=headers)
        content = sent().body if isinstance(sent().body, bytes) else sent().body.encode()
        assert (content, sent().headers["Content-Type"]) == (body, expected)


@sending
@pytest.mark.rows("P-018")
@pytest.mark.parametrize("data", [5, 1.5, True, None, {"a": 1}, ["a"]], ids=repr)
def test_data_of_another_type_is_refused(kind: type[Action], data: Any) -> None:
    """From Python and from JSON, with its place."""
    with pytest.raises(SettingInvalid) as caught:
        run(kind, data=data)
    assert caught.value.pointer == "/data"
    with pytest.raises(SettingInvalid) as caught:
        read({"url": URL, "data": data}, kind)
    assert caught.value.pointer.startswith("/data")


@sending
@responses.activate
def test_an_output_in_json(kind: type[Action]) -> None:
    """``{"output": ...}`` is what a flow puts in the place of a reference."""
    answer(kind)
    connector.perform(read({"url": URL, "data": {"output": {"a": 1}}}, kind), settings=LOCAL)
    assert sent().body == b'{"a":1}'


@sending
@responses.activate
def test_no_data_is_no_body(kind: type[Action]) -> None:
    """And no type of one."""
    answer(kind)
    run(kind)
    assert sent().body is None and "Content-Type" not in sent().headers


@every
@pytest.mark.rows("P-019", "P-020")
@responses.activate
def test_json_is_the_default_and_is_parsed(kind: type[Action]) -> None:
    """No body at all is nothing; what is no JSON is a failure."""
    for body, expected in ((b'{"a": [1]}', {"a": [1]}), (b"null", None), (b"", None)):
        answer(kind, json=None, body=body)
        assert run(kind) == run(kind, response_type="json") == expected
        responses.reset()
    answer(kind, json=None, body=b"<html>")
    assert failure(lambda: run(kind)).cause == "protocol"


@every
@pytest.mark.rows("P-021")
@responses.activate
def test_text_is_a_string(kind: type[Action]) -> None:
    """In the charset that the answer names."""
    answer(kind, json=None, body="{ü}".encode("latin-1"), content_type="text/plain; charset=iso-8859-1")
    assert run(kind, response_type="text") == "{ü}"


@every
@pytest.mark.rows("P-022")
@responses.activate
def test_binary_is_the_exact_bytes(kind: type[Action]) -> None:
    """All 256 of them."""
    answer(kind, json=None, body=bytes(range(256)))
    assert run(kind, response_type="binary") == bytes(range(256))


@every
def test_another_response_type_is_refused(kind: type[Action]) -> None:
    """With its place."""
    with pytest.raises(SettingInvalid) as caught:
        run(kind, response_type="xml")
    assert caught.value.pointer == "/responseType"


@every
@pytest.mark.rows("P-023")
@responses.activate
@pytest.mark.parametrize(
    "given", [[("X-A", "1"), ("X-B", "ü")], {"X-A": "1", "X-B": "ü"}, [{"key": "X-A", "value": 1}, ("X-B", "ü")]],
    ids=["pairs", "mapping", "objects"],
)  # fmt: skip
def test_headers_are_sent(kind: type[Action], given: Any) -> None:
    """A list of them, in Python also as pairs or a mapping; they win over those of the connection."""
    answer(kind)
    run(kind, header=given, to=made(baseUrl="http://api.example/v1", headers={"x-a": "0"}))
    value = sent().headers["X-B"]
    assert (sent().headers["X-A"], value.decode() if isinstance(value, bytes) else value) == ("1", "ü")


@every
@pytest.mark.rows("P-024")
@responses.activate
def test_query_parameters_are_added(kind: type[Action]) -> None:
    """In their order, repeated keys kept, values encoded, after what the URL has already."""
    answer(kind)
    run(
        kind,
        f"{URL}?z=0",
        query_parameter=[("key1", "value1"), ("key2", "a b&c=d"), ("key1", "ü"), ("n", 5), ("y", True)],
    )
    assert sent().url == f"{URL}?z=0&key1=value1&key2=a%20b%26c%3Dd&key1=%C3%BC&n=5&y=true"


@every
@pytest.mark.rows("P-025")
@responses.activate
def test_without_a_count_there_is_one_request(kind: type[Action]) -> None:
    """Even through a connection that has retries: the action decides."""
    answer(kind, 503)
    assert failure(lambda: run(kind)).cause == "status"
    assert len(responses.calls) == 1
    assert failure(lambda: run(kind, to=made(baseUrl="http://api.example/v1"))).cause == "status"
    assert len(responses.calls) == 2


@every
@pytest.mark.rows("P-026")
@pytest.mark.parametrize("count", [1, 2, 20])
def test_the_count_is_the_most_retries(kind: type[Action], count: int) -> None:
    """n retries, n + 1 requests; fewer if one succeeds."""
    with Faults("unavailable") as upstream:
        failure(lambda: run(kind, upstream.url, max_retry_count=count))
        assert len(upstream.requests) == count + 1
    with Faults("unavailable", "good") as upstream:
        assert run(kind, upstream.url, max_retry_count=count) == {"ok": True}
        assert len(upstream.requests) == 2


def waits(kind: type[Action], **inputs: Any) -> list[float]:
    """The pauses of an action that always gets a 503 (or what ``status`` says), without waiting for them."""
    driver = Driver(answering(inputs.pop("status", 503)))
    action = filled(kind, url=URL, **inputs)
    _, exchange = connector.begun(action, lambda name: made(), LOCAL)
    driver.run(exchange)
    return driver.waits


@every
@pytest.mark.rows("P-027", "P-028", "P-029")
def test_the_delay_is_in_milliseconds_and_always_the_same(kind: type[Action]) -> None:
    """By default none: retries follow at once; exponential backoff is off."""
    assert waits(kind, max_retry_count=3) == []
    assert waits(kind, max_retry_count=3, retry_delay=250) == [0.25] * 3
    assert waits(kind, max_retry_count=2, retry_delay=1) == [0.001] * 2


@every
@pytest.mark.rows("P-030")
def test_exponential_backoff_ignores_the_delay(kind: type[Action]) -> None:
    """1, 2 and 4 seconds, each up to a tenth longer."""
    for wait, exact in zip(
        waits(kind, max_retry_count=3, retry_delay=60_000, use_exponential_backoff=True), (1, 2, 4), strict=True
    ):
        assert exact <= wait <= 1.1 * exact


@every
@pytest.mark.rows("P-031")
@pytest.mark.parametrize(("status", "retries"), [(500, 1), (501, 1), (503, 1), (599, 1), (429, 0), (404, 0), (302, 0)])
def test_by_default_only_server_errors_are_retried(kind: type[Action], status: int, retries: int) -> None:
    """5xx, and nothing below it."""
    assert len(waits(kind, max_retry_count=1, retry_delay=5, status=status)) == retries


@every
@pytest.mark.rows("P-031")
@pytest.mark.parametrize("fault", ["reset", "reset-before-headers", "garbage"])
def test_network_errors_are_retried(kind: type[Action], fault: str) -> None:
    """For POST, too: whoever sets a number of retries has asked for them."""
    with Faults(fault, "good") as upstream:
        assert run(kind, upstream.url, max_retry_count=1) == {"ok": True}


@every
@pytest.mark.rows("P-032")
@pytest.mark.parametrize("status", [302, 404, 429, 500])
def test_all_errors_are_retried_if_that_is_set(kind: type[Action], status: int) -> None:
    """Redirects and client errors, too."""
    assert waits(kind, max_retry_count=2, retry_delay=5, retry_on_all_errors=True, status=status) == [0.005] * 2


@every
@pytest.mark.rows("P-033", "P-034")
def test_the_timeout_is_in_milliseconds_and_has_no_default(kind: type[Action]) -> None:
    """None from the action: without a connection none at all, with one the connection's."""
    bare = connector.begun(filled(kind, url=URL), lambda name: made(), LOCAL)[1]
    assert next(bare).call.timeout is None  # type: ignore[union-attr]
    for url, inputs, seconds in (
        (URL, {"timeout": 2000}, 2.0),
        ("/a", {"connection": "crm"}, 7.0),
        ("/a", {"connection": "crm", "timeout": 1}, 0.001),
    ):
        exchange = connector.begun(filled(kind, url=url, **inputs), lambda name: made(timeout=7), LOCAL)[1]
        assert next(exchange).call.timeout == seconds  # type: ignore[union-attr]


@every
@pytest.mark.rows("P-033")
def test_a_timeout_ends_the_call(kind: type[Action]) -> None:
    """With the cause ``timeout``."""
    with Faults("never-answer") as upstream:
        assert failure(lambda: run(kind, upstream.url, timeout=150)).cause == "timeout"


@every
@pytest.mark.parametrize("timeout", [0, -1, "long"])
def test_a_timeout_that_is_none_is_refused(kind: type[Action], timeout: Any) -> None:
    """With its place."""
    with pytest.raises(SettingInvalid) as caught:
        run(kind, timeout=timeout)
    assert caught.value.pointer == "/timeout"


@every
@pytest.mark.rows("P-035")
@responses.activate
def test_by_default_the_result_is_the_data(kind: type[Action]) -> None:
    """And what is no success is a failure that has the answer."""
    answer(kind)
    assert run(kind) == {"ok": True}
    responses.reset()
    answer(kind, 429, headers={"Retry-After": "3"})
    error = failure(lambda: run(kind))
    assert (error.cause, error.retry_after, error.reply.status) == ("rate-limited", 3, 429)


@every
@pytest.mark.rows("P-036")
@responses.activate
def test_the_full_response_has_status_headers_and_data(kind: type[Action]) -> None:
    """Whatever the status, so that a flow can branch on it."""
    fields = {"X-A": "1"}
    answer(kind, 201, headers=fields)
    full = run(kind, include_full_response=True)
    assert (full["status"], full["headers"]["x-a"], full["data"]) == (201, "1", {"ok": True})
    responses.reset()
    answer(kind, 502, json=None, body="<html>")
    full = run(kind, include_full_response=True)
    assert (full["status"], full["data"]) == (502, "<html>")


@every
@pytest.mark.rows("P-036")
def test_fields_that_come_twice_are_all_there(kind: type[Action]) -> None:
    """Joined by a comma; cookies, which may have commas in them, as a list."""
    with Faults(headers=(("X-A", "1"), ("X-A", "2"), ("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"))) as upstream:
        headers = run(kind, upstream.url, include_full_response=True)["headers"]
    assert (headers["x-a"], headers["set-cookie"]) == ("1, 2", ["a=1", "b=2"])


@every
@pytest.mark.rows("P-037", "P-038")
@responses.activate
def test_a_debug_request_is_logged_without_credentials(kind: type[Action], caplog: pytest.LogCaptureFixture) -> None:
    """Only if it is asked for; at a level that is logged without any further setting."""
    crm = made(
        baseUrl="http://api.example/v1",
        authentication={"kind": "bearer", "token": "s3cret-1"},
        secretHeaders={"X-Own": "s3cret-2"},
    )
    with caplog.at_level(logging.INFO, "apimgmt.connections"):
        answer(kind)
        run(kind, to=crm)
        assert caplog.messages == []
        run(
            kind, debug_request=True, to=crm, header=[("X-Api-Key", "s3cret-3"), ("X-Note", "seen")],
            query_parameter=[("access_token", "s3cret-4"), ("page", 7)],
        )  # fmt: skip
    assert len(caplog.messages) == 2
    text = "".join(caplog.messages)
    assert "s3cret" not in text and f"{METHODS[kind]} {URL}?access_token=***&page=7" in text and '"seen"' in text


CERTIFICATES = ["self-signed", "expired", "wrong-name"]
HOLDERS = cache(lambda: certificates(authority("Test CA")))


@every
@pytest.mark.rows("P-039", "P-040", "P-041")
def test_tls_errors_fail_the_call_unless_they_are_ignored(kind: type[Action], caplog: pytest.LogCaptureFixture) -> None:
    """By default they fail it; if they may be ignored and are, it goes through and leaves a warning."""
    holders = HOLDERS()
    permitted = Settings(egress_allow="127.0.0.1", ignore_tls_errors="127.0.0.1")
    for name in CERTIFICATES:
        with Faults(tls=holders[name]) as upstream:
            assert failure(lambda: run(kind, upstream.url, permitted)).cause == "certificate"
            assert caplog.messages == []
            assert run(kind, upstream.url, permitted, ignore_ssl_errors=True) == {"ok": True}
            assert "TLS errors of 127.0.0.1 are ignored" in caplog.text
            assert failure(lambda: run(kind, upstream.url, permitted)).cause == "certificate"
            caplog.clear()


@every
def test_tls_errors_are_ignored_only_where_an_administrator_permits_it(kind: type[Action]) -> None:
    """Nowhere by default, and never together with a credential, unless the connection itself checks nothing (T46)."""
    with Faults(tls=HOLDERS()["self-signed"]) as upstream:
        listed = Settings(egress_allow="127.0.0.1", ignore_tls_errors="*.test.example, 127.0.0.1")
        token = {"authentication": {"kind": "bearer", "token": "t"}}
        here: dict[str, Any] = {"baseUrl": upstream.url, "internalHosts": ["127.0.0.1"]}
        refused = [
            {"settings": LOCAL},
            {"settings": Settings(egress_allow="127.0.0.1", ignore_tls_errors="0.0.1, *.0.0.1x")},
            {"settings": listed, "header": [("Authorization", "x")]},
            {"settings": listed, "query_parameter": [("api_key", "x")]},
            {"settings": listed, "to": made(**here, **token)},
            {"settings": listed, "to": made(**here, secretHeaders={"X-Own": "x"})},
            {"settings": listed, "to": made(**here, headers={"X-Api-Key": "x"})},
            {"settings": LOCAL, "to": made(**here)},
        ]
        for inputs in refused:
            error = failure(partial(run, kind, upstream.url, ignore_ssl_errors=True, **inputs))
            assert error.cause == "unverified", inputs
        assert upstream.requests == []
        for settings, members in ((listed, here), (LOCAL, {**here, **token, "tls": {"verify": False}})):
            assert run(kind, "/", settings, made(**members), ignore_ssl_errors=True) == {"ok": True}


def parts(request: Any) -> list[tuple[str, bytes]]:
    """Head and content of each part of a multipart body."""
    found = re.fullmatch(r"multipart/form-data; boundary=(\S+)", request.headers["Content-Type"])
    assert found
    pieces = request.body.split(b"--" + found[1].encode())
    assert pieces[0] == b"" and pieces[-1] == b"--\r\n"
    split = [piece.removeprefix(b"\r\n").partition(b"\r\n\r\n") for piece in pieces[1:-1]]
    return [(head.decode(), content.removesuffix(b"\r\n")) for head, _, content in split]


@pytest.mark.rows("P-042", "P-044")
@responses.activate
def test_fields_go_as_parts_of_a_multipart_form() -> None:
    """In their order, repeated keys kept; a Content-Type of the headers cannot break the boundary."""
    answer(FormData)
    fields = [("a", "1"), ("b", "ü\r\n--x"), ("a", 2)]
    run(FormData, form_data=fields, header=[("content-type", "multipart/form-data")])
    assert [content for _, content in parts(sent())] == [b"1", "ü\r\n--x".encode(), b"2"]
    assert [re.search('name="(.)"', head)[1] for head, _ in parts(sent())] == ["a", "b", "a"]  # type: ignore[index]


@pytest.mark.rows("P-043")
@responses.activate
@pytest.mark.parametrize(
    ("inputs", "method"), [({}, "POST"), ({"http_method": "post"}, "POST"), ({"http_method": "put"}, "PUT")]
)
def test_the_method_of_a_form(inputs: dict[str, str], method: str) -> None:
    """POST by default."""
    responses.add(method, URL, json={})
    run(FormData, form_data={"a": "1"}, **inputs)
    assert sent().method == method
    with pytest.raises(SettingInvalid):
        run(FormData, http_method="patch")


@pytest.mark.rows("P-045")
def test_files_arrive_byte_by_byte() -> None:
    """Over a real connection: all bytes, line ends and what looks like a boundary; one megabyte."""
    content = bytes(range(256)) * 4096 + b"\r\n--boundary--\r\n"
    with Faults() as upstream:
        run(FormData, upstream.url, file_data={"a": content, "b": b"", "c": Output("text"), "d": "ü"})
        request = upstream.requests[0]
    boundary = request.headers["content-type"].partition("boundary=")[2].encode()
    pieces = [piece.partition(b"\r\n\r\n")[2][:-2] for piece in request.body.split(b"--" + boundary)[1:-1]]
    assert pieces == [content, b"", b"text", "ü".encode()]


@pytest.mark.rows("P-046", "P-047")
@responses.activate
def test_files_have_the_names_that_are_given_or_their_keys() -> None:
    """And the media type that the name suggests."""
    answer(FormData)
    run(FormData, file_data=[("a", b"1"), ("b", b"2")], file_data_file_names=[("a", 'naïve "1".csv')])
    heads = [head for head, _ in parts(sent())]
    assert 'name="a"; filename="naïve %221%22.csv"' in heads[0] and "text/csv" in heads[0]
    assert 'name="b"; filename="b"' in heads[1] and "application/octet-stream" in heads[1]


@pytest.mark.rows("P-046")
@pytest.mark.parametrize("files", [{}, {"a": b"1"}], ids=["none", "another"])
def test_a_name_without_a_file_is_refused(files: dict[str, bytes]) -> None:
    """The message says which, and which files there are."""
    with pytest.raises(SettingInvalid, match="'b'.*files are: " + (", ".join(files) or "none")):
        run(FormData, file_data=files, file_data_file_names={"b": "x.txt"})


@responses.activate
def test_a_form_in_json() -> None:
    """Files are base64 there, or the output of a former step."""
    answer(FormData)
    files = [{"key": "a", "value": "AP8="}, {"key": "b", "value": {"output": "text"}}]
    connector.perform(read({"url": URL, "fileData": files, "formData": [{"key": "c", "value": "d"}]}, FormData))
    assert [content for _, content in parts(sent())] == [b"d", b"\x00\xff", b"text"]


@every
async def test_an_action_on_the_event_loop(kind: type[Action]) -> None:
    """The same result."""
    with Faults("unavailable", "good") as upstream:
        action = filled(kind, url=upstream.url, max_retry_count=1)
        assert await connector.aperform(action, settings=LOCAL) == {"ok": True}
        connection, _ = connector.begun(action, lambda name: made(), LOCAL)
        await connection.streaming().close()


def test_an_unknown_connection_is_an_error_that_lists_the_known_ones() -> None:
    """From the function as from the struct."""
    with pytest.raises(SettingInvalid, match="there is no connection 'nowhere'"):
        connector.get("/", connection="nowhere")
