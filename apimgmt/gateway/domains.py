"""Domains of their own for endpoints of flows: ``https://DOMAIN/PATH`` is ``/v1/WORKSPACE/flows/FLOW/PATH`` (H-007).

The path is put in its long form at the entrance, and from there on nothing knows of it: the request is routed, guarded,
counted and shown in rules as the one operation that it means.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from apimgmt.gateway.stack import Stack
from apimgmt.model import FLOWS_API
from apimgmt.spec.paths import parse_path
from apimgmt.spec.tree import Tree


class Domains:
    """The hosts, and where the paths of the endpoints lead; ``hosts`` are separated by commas."""

    __slots__ = ("_base_path", "_hosts", "_tree")

    def __init__(self, hosts: str, stacks: Iterable[Stack]) -> None:
        self._hosts = frozenset(host.strip().lower().encode("ascii", "replace") for host in hosts.split(","))
        self._tree = Tree()
        self._base_path = ""
        for stack in stacks:
            if stack.entry.id == FLOWS_API:
                self._base_path = stack.entry.base_path
                self._add(stack)

    def _add(self, stack: Stack) -> None:
        for key in stack.guards:
            method, _, path = key.partition(" ")
            flow, _, rest = path[1:].partition("/")
            # two that are the same without their flow are refused when they are made; here the first one counts
            self._tree.add(parse_path(f"/{rest}", {}), method.upper(), flow)

    def place(self, scope: dict[str, Any], path: str) -> str:
        """The canonical path of a request in its long form, if its host is one of ours and an endpoint is there."""
        host = next((value for name, value in scope["headers"] if name == b"host"), b"")
        if not host.endswith(b"]"):
            name, colon, port = host.rpartition(b":")
            host = name if colon and port.isdigit() else host
        if host.lower() not in self._hosts:
            return path
        segments = path.split("/")
        found = self._tree.find_from(segments, 1, _method(scope))
        if found is None:
            # another method: the endpoint itself says which it has
            flow = next((flow for leaf in self._tree.leaves_from(segments, 1) for flow in leaf.values()), None)
        else:
            flow = found[0]
        return path if flow is None else f"{self._base_path}/{flow}{path if path != '/' else ''}"


def _method(scope: dict[str, Any]) -> str:
    """The method whose operation is meant: HEAD is answered by GET, a CORS preflight speaks of another."""
    method: str = scope["method"]
    if method == "OPTIONS":
        asked = (value for name, value in scope["headers"] if name == b"access-control-request-method")
        method = next(asked, b"OPTIONS").decode("latin-1")
    return "GET" if method == "HEAD" else method
