"""echo shows what a process would receive (rows F-061 to F-089)."""

from __future__ import annotations

import msgspec
import orjson
import pytest
from invocations import api, invocation, operation, run

from apimgmt.processes.echo import Echo


class File(msgspec.Struct):
    """A file as forms give it."""

    filename: str
    content_type: str
    content: bytes


@pytest.mark.rows("F-061", "F-062", "F-063", "F-064", "F-065", "F-066", "F-071", "F-075", "F-077", "F-080", "F-084")
def test_everything() -> None:
    """The answer has the operation, the cast parameters, the body and the trigger data under the names of the rows."""
    one = operation(operation_id="op")
    called = invocation(
        one,
        {"cookie": "c=1; d=2"},
        path={"id": 5},
        query={"tags": ["a"], "none": None},
        header={"X-Id": 7},
        cookie={"c": 1},
        body={"house": {"windows": 4}},
        raw=b'{"house": {"windows": 4}}',
    )
    assert run(Echo().build(one, api(one)), called) == {
        "operation": {"method": "GET", "path": "/a", "key": "get /a"},
        "parameters": {
            "path": {"id": 5},
            "query": {"tags": ["a"], "none": None},
            "header": {"X-Id": 7},
            "cookie": {"c": 1},
        },
        "body": {"house": {"windows": 4}},
        "trigger": {
            "httpBody": '{"house": {"windows": 4}}',
            "httpClientIp": "192.0.2.1",
            "httpContentBytesInBase64": None,
            "httpCookies": {"c": "1", "d": "2"},
            "httpHeader": {"X-Id": 7},
            "httpMethod": "GET",
            "httpRequestUri": "https://h.example/a?q=1",
            "username": None,
            "claimsprincipal": None,
        },
    }


def test_bytes_and_files_can_be_shown() -> None:
    """Bytes are Base64, files their name, type and size, and the whole can be written as JSON."""
    one = operation()
    body = {"f": File("a.txt", "text/plain", b"ab"), "fs": [File("b", "x/y", b"")], "b": b"ab"}
    shown = run(Echo().build(one, api(one)), invocation(one, body=body))
    assert shown["body"]["f"] == {"filename": "a.txt", "contentType": "text/plain", "size": 2}
    assert shown["body"]["b"] == "YWI="
    assert orjson.loads(orjson.dumps(shown)) == shown


def test_no_credentials() -> None:
    """The caller's Authorization does not come back: it would be readable to every script that may call."""
    one = operation()
    called = invocation(one, {"authorization": "Bearer secret", "x-api-key": "secret"}, username="u")
    shown = run(Echo().build(one, api(one)), called)
    assert "secret" not in str(shown)
    assert shown["trigger"]["username"] == "u"
