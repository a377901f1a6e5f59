"""One published API, ready to serve: Connexion's routing and security around our operations, linked at load time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from connexion.middleware import ConnexionMiddleware

from apimgmt.auth import Surroundings
from apimgmt.auth.demands import query_credentials
from apimgmt.errors import SettingInvalid, SnapshotRefused
from apimgmt.gateway.accepting import Accepting
from apimgmt.gateway.credentials import without_credentials
from apimgmt.gateway.deadlines import Deadlines
from apimgmt.gateway.operation import OperationApp, compile_operation
from apimgmt.gateway.pages import Pages, make_page
from apimgmt.gateway.routing import Route, TypedRouting
from apimgmt.gateway.security import Alternatives, GuardedOperation, Kinds, Security, security_map
from apimgmt.gateway.skeleton import connexion_api
from apimgmt.model import ApiEntry, Binding, CompiledApi, Operation
from apimgmt.policies import Place, compose
from apimgmt.runs.journal import Journal
from apimgmt.runs.orders import Orders
from apimgmt.settings import Settings
from apimgmt.shared import Shared
from apimgmt.spec.paths import PathInvalid, Template, parse
from apimgmt.spec.validation.validator import Validators

_MOCK = Binding()


class Stack:
    """The ASGI application of one API; ``pages`` are its document and Swagger UI, ``guards`` the checks of credentials
    by operation."""

    __slots__ = ("app", "entry", "guards", "operations", "pages")

    def __init__(
        self, entry: ApiEntry, app: Any, pages: Pages, operations: int, guards: Mapping[str, GuardedOperation]
    ) -> None:
        self.guards = guards
        self.entry = entry
        self.app = app
        self.pages = pages
        self.operations = operations


def build_stack(
    entry: ApiEntry,
    compiled: CompiledApi,
    make_document: Callable[[], bytes],
    settings: Settings,
    deadlines: Deadlines,
    shared: Shared,
    kinds: Kinds,
) -> Stack:
    """Everything that load time can do for an API; raises SnapshotRefused, naming what does not build."""
    templates = {operation.key: _template(operation, compiled) for operation in compiled.operations}
    applications = _applications(entry, compiled, templates, settings, deadlines, shared)
    middleware = ConnexionMiddleware(_unlinked, import_name=__name__, middlewares=[TypedRouting, Security])
    api = connexion_api(entry, compiled, Alternatives(security_map(Surroundings(entry, settings, shared), kinds)))
    api.kwargs["templates"] = templates
    middleware.apis.append(api)
    routing, chain = middleware._build_middleware_stack()
    security = next(layer for layer in chain if isinstance(layer, Security))
    guards = security.apis[entry.base_path][0].operations
    for operation in compiled.operations:
        place = Place(entry, compiled, operation, templates[operation.key].names, settings, shared)
        _link(routing.routes[operation.key], guards[operation.key], applications[operation.key], place)
    pages = Pages(lambda: make_page(make_document(), "application/json"))
    return Stack(entry, routing, pages, len(applications), guards)


def _applications(
    entry: ApiEntry,
    compiled: CompiledApi,
    templates: dict[str, Template],
    settings: Settings,
    deadlines: Deadlines,
    shared: Shared,
) -> dict[str, OperationApp]:
    validators = Validators(compiled.schemas)
    journal, orders = shared.part(Journal), shared.part(Orders)

    def accepting(operation: Operation) -> Accepting | None:
        trigger = entry.triggers.get(operation.key, entry.trigger)
        if trigger.respond_async == "never" and not trigger.durable:
            return None
        return Accepting(orders, entry, compiled, operation, entry.bindings.get(operation.key, _MOCK), trigger)

    return {
        operation.key: compile_operation(
            _without_credentials(operation, entry, compiled),
            templates[operation.key].names,
            compiled,
            entry.bindings.get(operation.key, _MOCK),
            entry.triggers.get(operation.key, entry.trigger),
            validators,
            deadlines,
            journal,
            accepting(operation),
            settings,
        )
        for operation in compiled.operations
    }


def _link(route: Route, guard: GuardedOperation, application: OperationApp, place: Place) -> None:
    """Let every step call the next one of its own operation, so that no request looks one up by its id."""
    trigger = place.entry.triggers.get(place.operation.key, place.entry.trigger)
    try:
        policies = compose(trigger.policies, place)
    except SettingInvalid as error:
        raise SnapshotRefused(f"{place.operation.key}: {error}") from None
    inner = without_credentials(query_credentials(place.operation, trigger, place.api), policies.after(application))
    guard.next_app = inner
    route.next_app = policies.before(guard if guard.security else inner)
    route.target = place.target
    route.preflight = policies.preflight


def _without_credentials(operation: Operation, entry: ApiEntry, compiled: CompiledApi) -> Operation:
    """The operation without the parameters that its check uses up."""
    hidden = query_credentials(operation, entry.triggers.get(operation.key, entry.trigger), compiled)
    kept = [one for one in operation.parameters if one.location != "query" or one.name not in hidden]
    if len(kept) == len(operation.parameters):
        return operation
    return msgspec.structs.replace(operation, parameters=tuple(kept))


def _template(operation: Operation, compiled: CompiledApi) -> Template:
    try:
        return parse(operation, compiled.schemas)
    except PathInvalid as error:
        raise SnapshotRefused(f"{operation.key}: {error}") from None


async def _unlinked(scope: Any, receive: Any, send: Any) -> None:
    raise AssertionError("every operation is linked to its own application")
