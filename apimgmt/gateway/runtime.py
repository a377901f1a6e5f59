"""A snapshot, built: immutable, swapped as one reference; what did not change is taken over from the one before."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from apimgmt.auth.access import Access
from apimgmt.errors import Problem, SettingInvalid, SnapshotRefused
from apimgmt.gateway.deadlines import Deadlines
from apimgmt.gateway.document import shown, told
from apimgmt.gateway.domains import Domains
from apimgmt.gateway.security import KINDS, GuardedOperation, Kinds
from apimgmt.gateway.stack import Stack, build_stack
from apimgmt.model import ApiEntry, CompiledApi, Snapshot
from apimgmt.request import Target
from apimgmt.settings import Settings
from apimgmt.shared import Shared


class Runtime:
    """All APIs of a snapshot. ``number`` is the snapshot's, ``digest`` its address in the archive."""

    __slots__ = ("_bases", "access", "deadlines", "digest", "domains", "number", "shared", "stacks")

    def __init__(
        self,
        number: int,
        digest: str,
        stacks: dict[str, Stack],
        access: Access,
        deadlines: Deadlines,
        shared: Shared,
        mounts: Mapping[str, Stack],
        domains: Domains | None = None,
    ) -> None:
        self.number = number
        self.digest = digest
        self.access = access
        self.deadlines = deadlines
        self.shared = shared
        self.stacks = stacks
        self.domains = domains
        self._bases = Base()
        for base_path, stack in {**stacks, **mounts}.items():
            self._bases.add(base_path.split("/")[1:], stack)

    def locate(self, segments: list[str]) -> tuple[Stack | None, int]:
        """The API with the longest base path that the path is in, and the index of the first segment after it.

        ``segments`` is the canonical path split at its slashes, so that the first one is empty.
        """
        base, found, start = self._bases, self._bases.stack, 1
        for index in range(1, len(segments)):
            below = base.below.get(segments[index])
            if below is None:
                break
            base = below
            if base.stack is not None:
                found, start = base.stack, index + 1
        return found, start

    def guard(self, api: str, operation: str) -> tuple[GuardedOperation | None, Target]:
        """Who checks the credentials of an operation (None for nobody), and what it is to the rules about access.

        Raises Problem ``not-found`` if it is not published.
        """
        stack = next((stack for stack in self.stacks.values() if stack.entry.id == api), None)
        if stack is None or operation not in stack.guards:
            raise Problem("not-found")
        method, _, path = operation.partition(" ")
        return stack.guards[operation], Target(method.upper(), stack.entry.base_path + path, api, operation)


class Base:
    """The base paths as a tree of segments: finding one costs its length, not the number of APIs."""

    __slots__ = ("below", "stack")

    def __init__(self) -> None:
        self.below: dict[str, Base] = {}
        self.stack: Stack | None = None

    def add(self, segments: list[str], stack: Stack) -> None:
        """Put an API at its base path."""
        if not segments:
            self.stack = stack
        else:
            self.below.setdefault(segments[0], Base()).add(segments[1:], stack)


def build(
    snapshot: Snapshot,
    load_api: Callable[[str], CompiledApi],
    load_document: Callable[[str], bytes],
    settings: Settings,
    previous: Runtime | None = None,
    digest: str = "",
    mounts: Mapping[str, Stack] = MappingProxyType({}),
    kinds: Kinds = KINDS,
) -> Runtime:
    """The runtime of a snapshot; raises SnapshotRefused, and then nothing that serves has changed.

    ``mounts`` are what the platform itself has, by base path; ``kinds`` how credentials are checked, by scheme.
    """
    deadlines = previous.deadlines if previous is not None else Deadlines()
    shared = previous.shared if previous is not None else Shared(settings)
    before = {stack.entry.id: stack for stack in previous.stacks.values()} if previous is not None else {}
    stacks: dict[str, Stack] = {}
    for entry in snapshot.apis:
        if entry.base_path in stacks:
            raise SnapshotRefused(f"{entry.name!r} and {stacks[entry.base_path].entry.name!r} have one base path")
        stacks[entry.base_path] = _stack(
            entry, before.get(entry.id), load_api, load_document, settings, deadlines, shared, kinds
        )
    domains = Domains(settings.flows_domains, stacks.values()) if settings.flows_domains else None
    return Runtime(snapshot.number, digest, stacks, Access(snapshot), deadlines, shared, mounts, domains)


def _stack(
    entry: ApiEntry,
    before: Stack | None,
    load_api: Callable[[str], CompiledApi],
    load_document: Callable[[str], bytes],
    settings: Settings,
    deadlines: Deadlines,
    shared: Shared,
    kinds: Kinds,
) -> Stack:
    if before is not None and before.entry == entry:
        return before

    try:
        compiled = load_api(entry.digest)
        about = told(entry, compiled)
        # made when somebody reads it: most APIs are called far more often than they are read
        return build_stack(
            entry, compiled, lambda: shown(load_document(entry.digest), about), settings, deadlines, shared, kinds
        )
    except (SettingInvalid, SnapshotRefused) as error:
        raise SnapshotRefused(f"API {entry.name!r}: {error}") from None
