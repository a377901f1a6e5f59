"""Policies: what happens to a request around its operation. This file holds the protocol; every policy is a file.

A policy is a frozen struct, registered as ``("policy", name)``, whose fields are its configuration: what a person
writes under ``policies`` of a trigger. At load time it is asked for its :class:`Layers` around one operation. A layer
takes the next application and returns one, as ASGI middleware does; the request lies in the scope under ``SCOPE_KEY``.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple, Protocol

import msgspec

from apimgmt.errors import SettingInvalid
from apimgmt.model import ApiEntry, Operation
from apimgmt.registry import find
from apimgmt.request import Target
from apimgmt.settings import Settings
from apimgmt.shared import Shared

App = Callable[[dict[str, Any], Any, Any], Awaitable[None]]
Layer = Callable[[App], App]

# Who comes first. What costs least and says least to strangers is first; the cache is last, for it must not answer a
# caller whom a limit would refuse.
ORDER = (
    "protocols",  # 403 before anything is looked at (F-026)
    "cors",  # preflights are answered without credentials (F-052)
    "rateLimit",  # by address before the credentials, by key or caller after them (H-047 to H-051)
    "quota",  # a day, a month
    "cache",  # the process does not run on a hit (H-055)
)


class Place(NamedTuple):
    """Where a policy is built: an operation with the names of its path parameters, its API, what the worker keeps."""

    entry: ApiEntry
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
        """What it does around one operation; raises SettingInvalid if it cannot be done."""


class Surrounding(NamedTuple):
    """All policies of one operation, composed."""

    before: Layer
    after: Layer
    preflight: App | None


def compose(policies: Mapping[str, Any], place: Place) -> Surrounding:
    """The policies of an operation in their order; raises SettingInvalid, naming the policy and the field."""
    for name in policies:
        find("policy", name)
    before: list[Layer] = []
    after: list[Layer] = []
    preflight: App | None = None
    for name in (name for name in ORDER if name in policies):
        layers = read(name, policies[name]).layers(place)
        if layers.preflight is not None:
            preflight = _wrap(before)(layers.preflight)
        before += [layers.before] if layers.before else []
        after += [layers.after] if layers.after else []
    return Surrounding(_wrap(before), _wrap(after), preflight)


def read(name: str, config: Any) -> Policy:
    """A policy as a person wrote it, read strictly; raises SettingInvalid."""
    kind = find("policy", name)
    try:
        policy: Policy = msgspec.convert(config, kind)
    except msgspec.ValidationError as error:
        raise SettingInvalid(f"{name}: {error}") from None
    return policy


def _wrap(layers: list[Layer]) -> Layer:
    wanted = tuple(reversed(layers))

    def wrapped(app: App) -> App:
        for layer in wanted:
            app = layer(app)
        return app

    return wrapped
