"""What ``start`` loads once the platform is up: the sample and the documents named on the command line."""

from __future__ import annotations

import importlib.resources
from typing import Any, NamedTuple
from urllib.parse import quote

from apimgmt.cli.files import document_name, read_document
from apimgmt.cli.remote import Admin, Refused
from apimgmt.cli.sample import Sample
from apimgmt.model import FLOWS_API

DEMO = "bookshop"
DEMO_CALL = "/books/7"


class Loaded(NamedTuple):
    """An API that ``start`` has loaded or found, and the key that was made for it, if any.

    ``call`` is a path below the API that can be tried with the key, ``arguments`` what curl needs behind it.
    """

    name: str
    base_path: str
    key: str | None = None
    call: str = ""
    arguments: str = ""


class Loader:
    """Loads documents through the admin REST API; what is there already and unchanged stays as it is.

    An operation that nobody has bound yet and whose ``operationId`` is the name of a process function is bound to it.
    """

    def __init__(self, admin: Admin, choices: dict[str, str]) -> None:
        self._admin = admin
        self._functions = frozenset(admin.get("/functions"))
        self._choices = choices
        self._known = {api["name"]: api for api in admin.get("/apis")}

    def document(self, path: str) -> Loaded:
        """Publish the document at ``path`` as a new API, or as a new revision if it differs from the current one."""
        try:
            return self._document(path)
        except Refused as refused:
            raise Refused({**refused.problem, "detail": f"{path}: {refused.problem.get('detail', '')}"}) from None

    def _document(self, path: str) -> Loaded:
        content, media_type = read_document(path)
        name = document_name(path)
        known = self._known.get(name)
        if known is None:
            parameters = {"name": name, "publish": "false", **self._choices}
            changed = True
            self._send("POST", "/apis", parameters, content, media_type)
        else:
            changed = self._current_document(known) != content
            if changed:
                self._send("PUT", f"/apis/{quote(name, safe='')}", {"publish": "false"}, content, media_type)
        bound = self._bind(name)
        if changed or bound:
            self._admin.send("POST", f"/apis/{quote(name, safe='')}/publish")
        return Loaded(name, self._admin.get(f"/apis/{quote(name, safe='')}")["basePath"])

    def demo(self) -> Loaded:
        """Publish the sample with a key for it, unless an earlier start has done so; a key is shown once only."""
        known = self._known.get(DEMO)
        if known is not None:
            return Loaded(DEMO, known["basePath"])
        content = importlib.resources.files("apimgmt.control").joinpath("demo.yaml").read_bytes()
        api = self._send("POST", "/apis", {"name": DEMO, "publish": "true"}, content, "application/yaml")
        rules = [{"methods": ["*"], "path": f"{api['basePath']}/**"}]
        key = self._admin.send("POST", "/keys", body={"name": "demo", "rules": rules}).json()["key"]
        return Loaded(DEMO, api["basePath"], key, DEMO_CALL)

    def sample(self, sample: Sample) -> Loaded:
        """Publish a sample flow with a key for it, unless an earlier start has done so; its database is there."""
        name = sample.name
        new = name not in {endpoint["name"] for endpoint in self._admin.get("/endpoints")}
        if new:
            self._make("/connections", sample.connection)
            self._make("/flows", {"name": name, "definition": sample.flow})
            self._make("/endpoints", {"name": name, "flow": name, **sample.endpoint})
        api = self._admin.get(f"/apis/{FLOWS_API}")
        if not new:
            return Loaded(api["name"], api["basePath"])
        rules = [{"methods": ["*"], "path": f"{api['basePath']}/{name}/**"}]
        key = self._admin.send("POST", "/keys", body={"name": f"sample-{name}", "rules": rules}).json()["key"]
        return Loaded(api["name"], api["basePath"], key, f"/{name}{sample.call['path']}", sample.arguments)

    def _make(self, path: str, body: dict[str, Any]) -> None:
        """Make it, unless an earlier start that was interrupted has."""
        if body["name"] not in {one["name"] for one in self._admin.get(path)}:
            self._admin.send("POST", path, body=body)

    def _current_document(self, api: dict[str, Any]) -> bytes:
        path = f"/apis/{quote(api['name'], safe='')}/revisions/{api['revision']}/document"
        return self._admin.send("GET", path).content

    def _bind(self, name: str) -> bool:
        """Bind what is still a mock to the function of its name; says whether there was anything to bind."""
        operations = self._admin.get(f"/apis/{quote(name, safe='')}/operations")
        bindings = {
            operation["key"]: {"kind": "python", "function": operation["operationId"]}
            for operation in operations
            if operation["binding"]["kind"] == "mock" and operation.get("operationId") in self._functions
        }
        if bindings:
            self._admin.send("PUT", f"/apis/{quote(name, safe='')}/bindings", body=bindings)
        return bool(bindings)

    def _send(self, method: str, path: str, parameters: dict[str, str], content: bytes, media_type: str) -> Any:
        headers = {"Content-Type": media_type}
        return self._admin.send(method, path, params=parameters, content=content, headers=headers).json()
