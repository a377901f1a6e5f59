"""Schemas of input and output: what they check, and what they must not reach."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from processes.flows.flowing import definition, run

from apimgmt.errors import SettingInvalid
from apimgmt.processes.flows import FlowFailed
from apimgmt.processes.flows.compiling import Flow
from apimgmt.processes.flows.definition import read_definition

SCHEMA = b'{"type": "object"}'


class Elsewhere(ThreadingHTTPServer):
    """A system with a schema, and who asked for it."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Asked)
        self.seen: list[str] = []

    @property
    def url(self) -> str:
        """Its schema."""
        return f"http://127.0.0.1:{self.server_port}/schema"


class Asked(BaseHTTPRequestHandler):
    """Answers every request with the schema."""

    def do_GET(self) -> None:
        assert isinstance(self.server, Elsewhere)
        self.server.seen.append(self.path)
        self.send_response(200)
        self.send_header("Content-Length", str(len(SCHEMA)))
        self.end_headers()
        self.wfile.write(SCHEMA)

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def elsewhere() -> Iterator[Elsewhere]:
    """Such a system, ended afterwards."""
    server = Elsewhere()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def places(document: Any) -> list[dict[str, Any]]:
    """Definitions with this schema at every place where one can stand."""
    schema = {"schema": {"document": document}}
    task = {"set": {"n": 1}}
    return [
        definition(task, input=schema),
        definition(task, output=schema),
        definition({**task, "input": schema}),
        definition({**task, "output": schema}),
    ]


@pytest.mark.parametrize("keyword", ["$ref", "$schema"])
def test_a_schema_makes_us_call_nobody(elsewhere: Elsewhere, keyword: str) -> None:
    """Neither when a flow is stored nor when it runs: what may be called is for the guard to say."""
    for given in places({keyword: elsewhere.url}):
        with pytest.raises(SettingInvalid, match="no JSON Schema"):
            Flow(read_definition(given))
    assert elsewhere.seen == []
    # so it would be without our setting
    jsonschema_rs.validator_for({"$ref": elsewhere.url})
    assert elsewhere.seen == ["/schema"]


def test_a_schema_makes_us_read_no_file(tmp_path: Path) -> None:
    """A designer is no operator: files of the machine are not his."""
    file = tmp_path / "schema.json"
    file.write_bytes(SCHEMA)
    for given in places({"$ref": file.as_uri()}):
        with pytest.raises(SettingInvalid, match="no JSON Schema"):
            Flow(read_definition(given))
    jsonschema_rs.validator_for({"$ref": file.as_uri()})


async def test_schemas_may_refer_to_their_own_parts_and_to_known_drafts() -> None:
    """That needs no retrieval."""
    inner = {"$defs": {"n": {"type": "integer"}}, "properties": {"n": {"$ref": "#/$defs/n"}}}
    for document in (inner, {**inner, "$schema": "http://json-schema.org/draft-07/schema#"}):
        for given in places(document):
            assert await run(given, {"n": 5}) == {"n": 1}
        with pytest.raises(FlowFailed, match="Validation"):
            await run(places(document)[0], {"n": "x"})


async def test_a_pattern_takes_linear_time() -> None:
    """A pattern that another engine would try in 2 ** 60 ways; lookaround, which needs such an engine, is refused."""
    began = time.monotonic()
    with pytest.raises(FlowFailed, match="Validation"):
        await run(places({"properties": {"a": {"pattern": "^(a+)+$"}}})[0], {"a": "a" * 60 + "b"})
    assert time.monotonic() - began < 30
    with pytest.raises(SettingInvalid, match="no JSON Schema"):
        Flow(read_definition(places({"pattern": "^(?=a)"})[0]))
