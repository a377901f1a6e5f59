"""Kind and name to plug-in: the one place where the product learns what it can do.

A plug-in is a frozen struct whose fields are its configuration; registering two under one name is an error that
names both places.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, TypeVar

from apimgmt.errors import NameTaken, SettingInvalid

Plugin = TypeVar("Plugin")

_plugins: dict[str, dict[str, Any]] = {}


def register(kind: str, name: str) -> Callable[[Plugin], Plugin]:
    """Put a plug-in under ``kind`` (authentication, policy, process, format, connection) and ``name``."""

    def add(plugin: Plugin) -> Plugin:
        taken = _plugins.setdefault(kind, {}).setdefault(name, plugin)
        if taken is not plugin:
            raise NameTaken(f"{kind} {name!r} is both {_place(taken)} and {_place(plugin)}")
        return plugin

    return add


def find(kind: str, name: str) -> Any:
    """The plug-in of that kind and name; an unknown name is an error that lists the known ones."""
    known = _plugins.get(kind, {})
    if name not in known:
        raise SettingInvalid(f"there is no {kind} {name!r}; there are: {', '.join(sorted(known)) or 'none'}")
    return known[name]


def names(kind: str) -> list[str]:
    """The names registered under a kind, sorted."""
    return sorted(_plugins.get(kind, {}))


def _place(plugin: Any) -> str:
    return f"{inspect.getsourcefile(plugin)}:{inspect.getsourcelines(plugin)[1]}"
