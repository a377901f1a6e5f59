"""A whole platform in front of another system: uploaded, connected, bound, called."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import requests
from connections.faults import Faults
from processes.proxied import Flood, until
from product_platform import Product

MIB = 1_048_576
SIZE = 200 * MIB
BINARY = {"Content-Type": "application/octet-stream"}
DOCUMENT = {
    "openapi": "3.0.3",
    "info": {"title": "Files", "version": "1"},
    "paths": {
        "/files/{name}": {
            "parameters": [{"name": "name", "in": "path", "required": True, "schema": {"type": "string"}}],
            "get": {"operationId": "load", "responses": {"200": {"description": "it"}}},
            "put": {
                "operationId": "store",
                "requestBody": {"content": {"application/octet-stream": {}}},
                "responses": {"200": {"description": "stored"}},
            },
        }
    },
}


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """A platform that may call this machine."""
    started = Product(tmp_path_factory.mktemp("proxy"), egress_allow="127.0.0.1", workers=1)
    try:
        yield started.start()
    finally:
        started.stop()


def bound(platform: Product, name: str, url: str) -> str:
    """A new API whose operations are passed on to ``url``; where it is."""
    connection = {"name": name, "type": "rest", "baseUrl": f"{url}/base", "retries": {"count": 0}, "timeout": 30}
    platform.ask("POST", "/connections", connection, untested="true")
    platform.upload(name, {**DOCUMENT, "servers": [{"url": f"/{name}"}]}, authentication="none")
    fields = {"kind": "proxy", "connection": name}
    platform.bind(name, {"load": fields, "store": fields})
    return f"{platform.gateway}/{name}"


@pytest.mark.rows("C-001")
def test_from_the_upload_to_the_call(platform: Product) -> None:
    """Requests reach the other system and its answers the caller; a connection that is not there cannot be bound."""
    with Faults(headers=(("Content-Type", "application/json"), ("X-From", "upstream"))) as upstream:
        base = bound(platform, "first", upstream.url)
        answer = requests.put(f"{base}/files/a%20b", data=b"content", headers=BINARY, timeout=20)
        assert (answer.status_code, answer.text) == (200, '{"ok": true}')
        assert answer.headers["X-From"] == "upstream"
        seen = upstream.requests[-1]
        assert (seen.method, seen.target, seen.body) == ("PUT", "/base/files/a%20b", b"content")
        assert seen.headers["forwarded"].startswith("for=127.0.0.1")
        with pytest.raises(requests.HTTPError, match="there is no connection 'nowhere'"):
            platform.bind("first", {"load": {"kind": "proxy", "connection": "nowhere"}})
    assert requests.get(f"{base}/files/a", timeout=20).status_code == 502


def test_a_large_answer_costs_no_memory(platform: Product) -> None:
    """200 MB pass through a worker that grows by less than 30 MB, whole and with their length."""
    with Flood(SIZE) as flood:
        base = bound(platform, "large", flood.url)
        before = max(platform.memory().values())
        with requests.get(f"{base}/files/a", stream=True, timeout=60) as answer:
            assert answer.headers["Content-Length"] == str(SIZE)
            flood.stalled()
            size = sum(map(len, answer.iter_content(MIB)))
        assert size == SIZE
        assert max(platform.memory().values()) - before < 30


def test_a_caller_who_leaves_ends_the_call_behind(platform: Product) -> None:
    """The worker cuts the connection to the other system, although nobody reads on."""
    with Flood(SIZE) as flood:
        base = bound(platform, "left", flood.url)
        answer = requests.get(f"{base}/files/a", stream=True, timeout=60)
        next(answer.iter_content(1000))
        answer.close()
        assert flood.cut.wait(30)


def test_an_answer_that_breaks_off_is_cut_off(platform: Product) -> None:
    """The caller notices that it is not whole; the worker goes on."""
    with Faults("reset-mid-body", body=bytes(5 * MIB)) as upstream:
        base = bound(platform, "broken", upstream.url)
        with pytest.raises(requests.RequestException):
            requests.get(f"{base}/files/a", timeout=60).content  # noqa: B018
        assert requests.get(f"{platform.gateway}/livez", timeout=20).status_code == 200
        until(lambda: "cut off" in platform.log())
