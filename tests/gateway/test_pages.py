"""The document of an API as it is served."""

from __future__ import annotations

import tracemalloc
from typing import Any

import orjson
import pytest

from apimgmt.gateway.pages import located
from apimgmt.model import ApiEntry

ENTRY = ApiEntry(id="api", name="api", base_path="/here", revision=1, digest="0" * 64)


def served(document: dict[str, Any], specification: str) -> Any:
    """The document as it is served."""
    return orjson.loads(located(orjson.dumps(document), ENTRY, specification))


def test_swagger_names_no_host() -> None:
    """The base path is the one of this gateway; host and schemes are whoever is asked."""
    document = {"swagger": "2.0", "host": "a", "schemes": ["http"], "basePath": "/there", "paths": {"/a": {"x": "é"}}}
    assert served(document, "2.0") == {"swagger": "2.0", "basePath": "/here", "paths": {"/a": {"x": "é"}}}


@pytest.mark.parametrize("servers", [{}, {"servers": [{"url": "/there"}]}])
def test_openapi_has_one_server(servers: dict[str, Any]) -> None:
    """Servers of the document, of paths and of operations give way to the base path on this gateway."""
    get = {"summary": "`servers`", "responses": {}}
    document = {"openapi": "3.1.0", **servers, "paths": {"/a": {**servers, "get": {**get, **servers}}, "x-note": "no"}}
    expected = {"/a": {"get": get}, "x-note": "no"}
    assert served(document, "3.1") == {"openapi": "3.1.0", "servers": [{"url": "/here"}], "paths": expected}


@pytest.mark.parametrize(
    "more", [{}, {"paths": None}, {"paths": {"/a": None}, "x": "servers"}, {"paths": {"/a": {"get": [1]}}}]
)
def test_odd_documents(more: dict[str, Any]) -> None:
    """Nothing is expected of the rest of the document."""
    assert served({"openapi": "3.1.0", **more}, "3.1") == {"openapi": "3.1.0", **more, "servers": [{"url": "/here"}]}


def test_a_large_document_is_not_taken_apart() -> None:
    """It takes little more memory than the answer has bytes; as Python objects (the mutant) many times more."""
    paths = {f"/{number}": {"get": {"responses": {"200": {"description": "x"}}}} for number in range(20_000)}
    document = orjson.dumps({"openapi": "3.1.0", "paths": paths})
    tracemalloc.start()
    try:
        located(document, ENTRY, "3.1")
        ours = tracemalloc.get_traced_memory()[1]
        tracemalloc.reset_peak()
        orjson.dumps(orjson.loads(document))
        mutant = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert ours < 3 * len(document) < mutant
