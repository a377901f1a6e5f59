"""Policies: what happens to a request around its operation. This file holds the protocol; every policy is a file.

A policy is a frozen struct, registered as ``("policy", name)``, whose fields are its configuration: what a person
writes under ``policies`` of a trigger. At load time it is asked for its :class:`Layers` around one operation. A layer
takes the next application and returns one, as ASGI middleware does; the request lies in the scope under ``SCOPE_KEY``.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple, Protocol

from apimgmt import reading
from apimgmt.errors import SettingInvalid
from apimgmt.model import ApiEntry, CompiledApi, Operation
from apimgmt.registry import find
from apimgmt.request import Target
from apimgmt.settings import Settings
from apimgmt.shared import Shared

App = Callable[[dict[str, Any], Any, Any], Awaitable[None]]
Layer = Callable[[App], App]

# Who comes first. What costs least and says least to strangers is first; the cache is last, for it must not answer a
# caller whom a limit would refuse. A policy that is not named here comes after them.
ORDER = (
    "protocols",  # 403 before anything is looked at (F-026)
    "cors",  # preflights are answered without credentials (F-052)
    "rateLimit",  # by address before the credentials, by key or caller after them (H-047 to H-051)
    "quota",  # a day, a month
    "cache",  # the process does not run on a hit (H-055)
)


class Place(NamedTuple):
    """Where a policy is built: an operation with the names of its path parameters, its API as it is published and as
    its document says, what the worker keeps."""

    entry: ApiEntry
    api: CompiledApi
    operation: Operation
    names: tuple[str, ...]
    settings: Settings
    shared: Shared

    @property
    def target(self) -> Target:
        """What the operation is to whoever decides about access."""
        path = self.entry.base_path + self.operation.path
        return Target(self.operation.method.upper(), path, self.entry.id, self.operation.key)


class Layers(NamedTuple):
    """What a policy does: before the credentials are looked at, after it is known who calls, and to a CORS preflight
    (an application that answers it)."""

    before: Layer | None = None
    after: Layer | None = None
    preflight: App | None = None


class Policy(Protocol):
    """The configuration of one policy."""

    def layers(self, place: Place) -> Layers:
        """What it does around one operation; raises SettingInvalid, with the place, if it cannot be done."""


class Surrounding(NamedTuple):
    """All policies of one operation, composed."""

    before: Layer
    after: Layer
    preflight: App | None


def compose(policies: Mapping[str, Any], place: Place) -> Surrounding:
    """The policies of an operation in their order; raises SettingInvalid with the place below ``policies``."""
    known = {name: read(name, config) for name, config in policies.items()}
    before: list[Layer] = []
    after: list[Layer] = []
    preflight: App | None = None
    for name in sorted(known, key=lambda name: ORDER.index(name) if name in ORDER else len(ORDER)):
        with _at(name):
            layers = known[name].layers(place)
        if layers.preflight is not None:
            preflight = _wrap(before)(layers.preflight)
        before += [layers.before] if layers.before else []
        after += [layers.after] if layers.after else []
    return Surrounding(_wrap(before), _wrap(after), preflight)


def read(name: str, config: Any) -> Policy:
    """A policy as a person wrote it, read strictly; raises SettingInvalid with the place below ``policies``."""
    with _at(name):
        policy: Policy = reading.read(config, find("policy", name))
    return policy


@contextmanager
def _at(name: str) -> Iterator[None]:
    """What is refused in here is refused of the policy with that name."""
    try:
        yield
    except SettingInvalid as error:
        raise SettingInvalid(f"{name}: {error}", reading.pointer(name) + error.pointer) from None


def _wrap(layers: list[Layer]) -> Layer:
    wanted = tuple(reversed(layers))

    def wrapped(app: App) -> App:
        for layer in wanted:
            app = layer(app)
        return app

    return wrapped
