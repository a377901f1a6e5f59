"""Bindings inside bindings: a kind such as ``webhook`` runs another process, which is written as a binding is.

A kind names the fields that hold one in ``nested``, a class variable. Whoever looks for what a binding refers to walks
it here, so that nothing that runs is overlooked.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from apimgmt.model import Binding
from apimgmt.registry import find, names


def written(value: Mapping[str, Any]) -> Binding:
    """The binding that is written ``{"kind": ..., fields of that kind}``; its kind is empty if none is given."""
    config = {name: member for name, member in value.items() if name != "kind"}
    return Binding(kind=str(value.get("kind", "")), config=config)


def with_nested(binding: Binding) -> Iterator[Binding]:
    """A binding and every one inside it, the outermost first; what could not be built is walked as far as it goes."""
    known, pending = set(names("process")), [binding]
    while pending:
        outer = pending.pop()
        yield outer
        members = getattr(find("process", outer.kind), "nested", ()) if outer.kind in known else ()
        pending.extend(written(inner) for name in members if isinstance(inner := outer.config.get(name), dict))
