"""Connexion's RoutingMiddleware with typed, specificity-ordered, compiled routing (rows F-008 to F-020).

Stock Connexion takes the first template in the order of the document, knows no boolean, and answers 405 with the
methods of one template. Here a tree finds the most specific template that has the method, in time that does not depend
on how many operations there are.
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from typing import Any

from connexion.middleware.routing import RoutingAPI, RoutingMiddleware, RoutingOperation

from apimgmt.errors import Problem, SnapshotRefused
from apimgmt.request import NOWHERE, SCOPE_KEY, Request, Target
from apimgmt.spec.paths import Template
from apimgmt.spec.tree import Tree


class Route(RoutingOperation):  # type: ignore[misc]
    """One operation in the tree; ``target`` is what it is to access; ``next_app`` is linked to its own check when
    the stack is complete, and ``preflight`` to what answers a CORS preflight for it, if anything does."""

    target: Target = NOWHERE
    preflight: Any = None


class TypedRoutingAPI(RoutingAPI):  # type: ignore[misc]
    """Puts every operation of the skeleton into the tree, under its template."""

    def __init__(
        self, *args: Any, tree: Tree, routes: dict[str, Route], templates: Mapping[str, Template], **kwargs: Any
    ) -> None:
        self._tree = tree
        self._routes = routes
        self._templates = templates
        super().__init__(*args, **kwargs)

    def make_operation(self, operation: Any) -> Route:
        """The route of one operation, remembered by its key."""
        return self._routes.setdefault(operation.operation_id, Route.from_operation(operation, next_app=self.next_app))

    @staticmethod
    def _framework_path_and_name(operation: Any, path: str) -> tuple[str, str]:
        return operation.operation_id, operation.operation_id

    def _add_operation_internal(self, method: str, path: str, operation: Route, name: str | None = None) -> None:
        there = self._tree.add(self._templates[path], method.upper(), operation)
        if there is not operation:
            raise SnapshotRefused(f"{path} and {there.operation_id} cannot be told apart")


class TypedRouting(RoutingMiddleware):  # type: ignore[misc]
    """Finds the operation; raises the problems of 404 and 405 itself."""

    def __init__(self, app: Any) -> None:
        super().__init__(app)
        self.tree = Tree()
        self.routes: dict[str, Route] = {}

    def add_api(self, specification: Any, base_path: str | None = None, arguments: Any = None, **kwargs: Any) -> None:
        """Add the operations of the one API of this stack."""
        TypedRoutingAPI(
            specification,
            base_path=base_path,
            arguments=arguments,
            next_app=self.app,
            tree=self.tree,
            routes=self.routes,
            **kwargs,
        )

    def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> Awaitable[None]:
        # not a coroutine of its own: it awaits nothing, and the next step's awaitable is as good
        request: Request = scope[SCOPE_KEY]
        method = scope["method"]
        if method == "OPTIONS" and (preflight := self._preflight(request)) is not None:
            awaitable: Awaitable[None] = preflight(scope, receive, send)
            return awaitable
        found = self.tree.find_from(request.segments, request.start, method)
        if found is None and method == "HEAD":
            found = self.tree.find_from(request.segments, request.start, "GET")
        if found is None:
            raise self._refusal(request)
        route, request.values = found
        request.target = route.target
        answer: Awaitable[None] = route.next_app(scope, receive, send)
        return answer

    def _preflight(self, request: Request) -> Any:
        """What answers a CORS preflight: it belongs to the operation that the browser is going to call.

        A method that the path has not is refused by an operation that the path shares, which says so in the log.
        """
        asked = request.headers.get(b"access-control-request-method")
        if asked is None or b"origin" not in request.headers:
            return None
        method = asked.decode("latin-1")
        leaves = list(self.tree.leaves_from(request.segments, request.start))
        for wanted in (method, "GET") if method == "HEAD" else (method,):
            for leaf in leaves:
                if wanted in leaf:
                    return leaf[wanted].preflight
        return next((route.preflight for leaf in leaves for route in leaf.values() if route.preflight), None)

    def _refusal(self, request: Request) -> Problem:
        allowed = {method for leaf in self.tree.leaves_from(request.segments, request.start) for method in leaf}
        if not allowed:
            return Problem("not-found")
        if "GET" in allowed:
            allowed.add("HEAD")
        return Problem("method-not-allowed", headers=[("allow", ", ".join(sorted(allowed)))])
