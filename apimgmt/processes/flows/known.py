"""The flows of this process, by name; swapped as one reference when a snapshot is."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from apimgmt.errors import SettingInvalid
from apimgmt.model import FlowEntry
from apimgmt.processes.flows.compiling import Flow
from apimgmt.processes.flows.definition import read_definition


class Flows:
    """All flows that are published; every one is compiled once."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[FlowEntry, Flow | SettingInvalid]] = {}

    def prepared(self, entries: Iterable[FlowEntry]) -> Callable[[], None]:
        """Compile what changed, aside; the function that is returned puts it in place.

        One that cannot be compiled, because a function of the handlers is gone, say, fails its own runs and nothing
        else.
        """
        known, made = self._known, {}
        for entry in entries:
            kept = known.get(entry.name)
            is_good = kept is not None and kept[0] == entry and isinstance(kept[1], Flow)
            made[entry.name] = kept if kept is not None and is_good else (entry, _compiled(entry))

        def use() -> None:
            self._known = made

        return use

    def find(self, name: str) -> Flow:
        """The newest revision of the flow of that name; raises SettingInvalid."""
        found = self._known.get(name)
        if found is None:
            raise SettingInvalid(f"there is no flow {name!r}; there are: {', '.join(self.names()) or 'none'}")
        if isinstance(found[1], SettingInvalid):
            raise found[1]
        return found[1]

    def named(self, namespace: str, name: str, version: str) -> Flow:
        """The flow that a ``run: workflow`` means: by what its document says of itself; raises SettingInvalid."""
        for entry, flow in self._known.values():
            document = entry.definition["document"]
            if (document["namespace"], document["name"]) == (namespace, name) and isinstance(flow, Flow):
                if version in ("latest", document["version"]):
                    return flow
                there = document["version"]
                raise SettingInvalid(f"the flow {namespace}/{name} has the version {there}, not {version}")
        raise SettingInvalid(f"there is no flow {namespace}/{name}")

    def names(self) -> list[str]:
        """All names, sorted."""
        return sorted(self._known)


def _compiled(entry: FlowEntry) -> Flow | SettingInvalid:
    try:
        return Flow(read_definition(entry.definition))
    except SettingInvalid as error:
        return SettingInvalid(f"flow {entry.name!r}: {error}", error.pointer)


flows = Flows()
