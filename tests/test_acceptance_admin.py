"""Acceptance rows that take both planes: what is done through the admin API is what callers meet."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

import apimgmt.asgi
from apimgmt.archive import Archive
from apimgmt.control.service import Control
from apimgmt.control.store import Store
from apimgmt.gateway.app import Gateway
from apimgmt.gateway.runtime import build
from apimgmt.settings import Settings
from apimgmt.spec.intake import take_in
from harness import Answer, Client

DOCUMENT: dict[str, Any] = {
    "openapi": "3.0.3",
    "info": {"title": "Pets", "version": "1"},
    "servers": [{"url": "/v1"}],
    "paths": {"/pets": {"get": {"operationId": "list", "responses": {"200": {"description": "all"}}}}},
}


class Platform:
    """Store, admin API and gateway in this process, in a folder of their own."""

    def __init__(self, root: Path) -> None:
        self._settings = Settings(data=str(root))
        self._archive = Archive(root)
        digest = hashlib.sha256(b"token").hexdigest()
        control = Control(self._settings, Store(self._settings), self._archive, take_in, admin_tokens=[digest])
        runtime = apimgmt.asgi.admin_runtime(self._settings, control)
        self._admin = Client(Gateway(runtime))

    def admin(self, method: str, path: str, body: Any = None) -> Answer:
        """A call of the admin API with a JSON body, a document being one too."""
        headers = {"Authorization": "Bearer token"}
        return self._admin.request(method, f"/api/v1{path}", headers, json=body)

    def call(self, method: str, target: str, body: Sequence[bytes] = (), **headers: str) -> Answer:
        """A call of the gateway, as it is published now."""
        archive = self._archive
        snapshot = archive.load_snapshot(archive.current()[0])
        runtime = build(snapshot, archive.load_api, archive.load_document, self._settings)
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        return Client(Gateway(runtime)).request(method, target, fields, body)


@pytest.fixture
def platform(tmp_path: Path) -> Platform:
    """A platform without APIs."""
    return Platform(tmp_path)


def _with(**members: Any) -> dict[str, Any]:
    document: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(DOCUMENT))
    document["paths"]["/pets"].update(members)
    return document


@pytest.mark.rows("F-007")
def test_a_method_that_is_not_supported_is_listed_and_the_rest_is_imported(platform: Platform) -> None:
    """TRACE makes no operation; the report names its place, and GET answers."""
    document = _with(trace={"responses": {"200": {"description": "echo"}}})
    answer = platform.admin("POST", "/apis?publish=true&authentication=none", document)
    assert answer.status == 201
    assert [operation["key"] for operation in answer.json()["operations"]] == ["get /pets"]
    found = [finding for finding in answer.json()["findings"] if finding["code"] == "unsupported-method"]
    assert [(finding["severity"], finding["pointer"]) for finding in found] == [("warning", "/paths/~1pets/trace")]
    assert platform.call("GET", "/v1/pets").status == 200
    assert platform.call("TRACE", "/v1/pets").status in (405, 501)


@pytest.mark.rows("H-074")
def test_an_api_answers_only_once_it_is_published(platform: Platform) -> None:
    """Before that the path is 404; after a deletion it is again."""
    api = platform.admin("POST", "/apis?publish=false&authentication=none", DOCUMENT).json()
    assert platform.call("GET", "/v1/pets").status == 404
    assert platform.admin("POST", f"/apis/{api['id']}/publish").status == 200
    assert platform.call("GET", "/v1/pets").status == 200
    assert platform.admin("DELETE", f"/apis/{api['id']}").status == 204
    assert platform.call("GET", "/v1/pets").status == 404


@pytest.mark.rows("F-001", "F-002")
@pytest.mark.parametrize("version", ["2.0", "3.0.3", "3.1.0"])
def test_there_are_as_many_triggers_as_operations(platform: Platform, version: str) -> None:
    """One for each pair of method and path, whatever the version of the document."""
    responses = {"responses": {"200": {"description": "done"}}}
    document = {"swagger" if version == "2.0" else "openapi": version, "info": DOCUMENT["info"]}
    document["paths"] = {"/a": {"get": responses, "post": responses}, "/b": {"delete": responses}}
    operations = platform.admin("POST", "/apis", document).json()["operations"]
    assert sorted(operation["key"] for operation in operations) == ["delete /b", "get /a", "post /a"]


@pytest.mark.rows("H-044", "H-045")
def test_a_timeout_is_30_seconds_and_at_most_300(platform: Platform) -> None:
    """The limit itself is accepted, a second more is refused and nothing changes."""
    api = platform.admin("POST", "/apis", DOCUMENT).json()["id"]

    def timeout() -> float:
        trigger = platform.admin("GET", f"/apis/{api}/operations?operation=list").json()[0]["trigger"]
        return float(trigger.get("timeout", 30))

    assert timeout() == 30
    assert platform.admin("PUT", f"/apis/{api}/triggers", {"list": {"timeout": 300}}).status == 200
    assert platform.admin("PUT", f"/apis/{api}/triggers", {"list": {"timeout": 301}}).status == 400
    assert timeout() == 300


@pytest.mark.rows("H-017")
def test_a_key_is_needed_unless_it_is_switched_off_with_a_warning(platform: Platform) -> None:
    """Nothing said means a key; authentication=none is a warning in the report."""
    platform.admin("POST", "/apis?publish=true&prefix=/closed", DOCUMENT)
    assert platform.call("GET", "/closed/v1/pets").status == 401
    answer = platform.admin("POST", "/apis?publish=true&prefix=/open&authentication=none", DOCUMENT)
    assert "warning" in {finding["severity"] for finding in answer.json()["findings"]}
    assert platform.call("GET", "/open/v1/pets").status == 200


@pytest.mark.rows("H-096", "H-098")
def test_every_client_has_a_key_and_a_revoked_one_is_refused(platform: Platform) -> None:
    """One client's key is revoked; the other's goes on."""
    platform.admin("POST", "/apis?publish=true", DOCUMENT)
    rules = [{"methods": ["GET"], "path": "/v1/**"}]
    one, two = (platform.admin("POST", "/keys", {"name": name, "rules": rules}).json() for name in ("one", "two"))
    assert one["key"] != two["key"]
    for key in (one, two):
        assert platform.call("GET", "/v1/pets", X_API_Key=key["key"]).status == 200
    assert platform.admin("DELETE", f"/keys/{one['id']}").status == 204
    assert platform.call("GET", "/v1/pets", X_API_Key=one["key"]).status == 401
    assert platform.call("GET", "/v1/pets", X_API_Key=two["key"]).status == 200


@pytest.mark.rows("F-056")
def test_a_raw_body_of_five_mebibytes_arrives_byte_for_byte(platform: Platform) -> None:
    """With NUL bytes and bytes that are not UTF-8 in it; echo gives its Base64 back."""
    body = {"content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}}
    document = _with(post={"operationId": "send", "requestBody": body, "responses": {"200": {"description": "got"}}})
    api = platform.admin("POST", "/apis?bind=echo&authentication=none", document).json()["id"]
    trigger = {"send": {"rawBody": True, "bodyLimit": 6 * 1_048_576}}
    assert platform.admin("PUT", f"/apis/{api}/triggers?publish=true", trigger).status == 200
    content = b"\x00\xff\xfe" * (5 * 1_048_576 // 3)
    pieces = [content[start : start + 65_536] for start in range(0, len(content), 65_536)]
    answer = platform.call("POST", "/v1/pets", pieces, Content_Type="application/octet-stream")
    assert answer.status == 200
    encoded = answer.json()["trigger"]["httpContentBytesInBase64"]
    assert hashlib.sha256(msgspec.convert(encoded, bytes)).digest() == hashlib.sha256(content).digest()
