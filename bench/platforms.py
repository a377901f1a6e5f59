"""Platforms of any size, made of the document of the benchmark over and over."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import msgspec
from ruamel.yaml import YAML

from apimgmt.archive import Archive
from apimgmt.model import ApiEntry, CompiledApi
from apimgmt.settings import Settings
from apimgmt.spec.intake import take_in
from bench.catalogue import DOCUMENT
from bench.exchanges import GET
from bench.subjects.product import binding

FUNCTIONS = {"get": "get_item", "post": "create_order"}


def document(operations: int, title: str = "Shop") -> bytes:
    """A document with this even number of operations: GET /items-00000/{id}, POST /orders-00000 and so on."""
    with open(DOCUMENT, encoding="utf-8") as file:
        root: dict[str, Any] = YAML(typ="safe").load(file)
    root["info"]["title"] = title
    root["paths"] = dict(_paths(root["paths"], operations // 2))
    return json.dumps(root).encode()


def _paths(paths: dict[str, Any], copies: int) -> Iterator[tuple[str, Any]]:
    for number in range(copies):
        for path, item in paths.items():
            item = copy.deepcopy(item)
            for operation in item.values():
                operation["operationId"] += f"_{number}"
            first, *rest = path[1:].split("/")
            yield "/".join(("", f"{first}-{number:05}", *rest)), item


def entries(archive: Archive, apis: int, operations: int) -> list[ApiEntry]:
    """This many APIs of this many operations each, kept in the archive, no two of them the same document."""
    intake = take_in(document(operations), "application/json", Settings())
    compiled = msgspec.json.decode(intake.compiled, type=CompiledApi)
    bindings = {operation.key: binding("python", FUNCTIONS[operation.method]) for operation in compiled.operations}
    made = []
    for number in range(apis):
        one = msgspec.structs.replace(compiled, title=f"Shop {number}")
        digest = archive.put_api(msgspec.json.encode(one), intake.document)
        name = f"shop-{number:05}"
        entry = ApiEntry(id=name, name=name, base_path=f"/{name}", revision=1, digest=digest, bindings=bindings)
        made.append(entry)
    return made


def targets(apis: int, operations: int, most: int) -> list[str]:
    """At most this many different GET targets, spread evenly over the whole platform."""
    every = [(api, pair) for api in range(apis) for pair in range(operations // 2)]
    step = max(1, len(every) // most)
    tail = GET.target.removeprefix("/items")
    return [f"/shop-{api:05}/items-{pair:05}{tail}" for api, pair in every[step // 2 :: step]][:most]
