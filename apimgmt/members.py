"""Dictionaries whose members are attributes: what a process sees of the parameters of a request."""

from __future__ import annotations

from typing import Any


class Members(dict[str, Any]):
    """A dictionary whose members are attributes too; one that is not there is None, not an error (F-088)."""

    __slots__ = ()

    def __getattr__(self, name: str) -> Any:
        return self.get(name)

    def __missing__(self, name: str) -> Any:
        return None


class HeaderMembers(Members):
    """Header members, found whatever the case of the name (F-087); keys keep the document's spelling."""

    __slots__ = ()

    def __getattr__(self, name: str) -> Any:
        return self[name]

    def __missing__(self, name: str) -> Any:
        wanted = name.lower()
        alternative = wanted.replace("_", "-")
        for key, value in self.items():
            if key.lower() in (wanted, alternative):
                return value
        return None
