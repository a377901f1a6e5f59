"""Writes the reference pages from the product itself: ``python docs/generate.py``; a test keeps them fresh."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import typing
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import msgspec
from ruamel.yaml import YAML

import apimgmt
from apimgmt import registry
from apimgmt.cli.commands import apimgmt as program
from apimgmt.cli.commands import every_command
from apimgmt.errors import CATALOGUE, PROBLEM_BASE
from apimgmt.settings import Settings

PAGES = Path(__file__).parent / "reference"
KINDS = ("process", "format", "authentication", "policy", "connection")
PACKAGES = ("processes", "formats", "auth", "policies", "connections")
NOTE = "% Written by docs/generate.py; change the source instead.\n"
ADMIN = Path(apimgmt.__file__).parent / "control" / "openapi.yaml"


def settings_page() -> Iterator[str]:
    """Every setting: its variable, its default, what it may be, what it is for."""
    yield "# Settings\n"
    yield "Read once at start: the default, then the environment variable, then the flag of `apimgmt start`, if any."
    for field in msgspec.structs.fields(Settings):
        base, meta = typing.get_args(field.type)
        limits = [
            f"{sign} {value}" for sign, value in ((">=", meta.ge), (">", meta.gt), ("<=", meta.le)) if value is not None
        ]
        default = f"`{field.default}`" if field.default != "" else "empty"
        yield f"\n## {field.name}\n"
        yield f"{meta.description}\n"
        yield f"- Variable: `APIMGMT_{field.name.upper()}`"
        yield f"- Type: {base.__name__}{' ' + ' and '.join(limits) if limits else ''}"
        yield f"- Default: {default}"


def problems_page() -> Iterator[str]:
    """Every problem that a caller may see."""
    yield "# Problems\n"
    yield "Errors are answered as problem details (RFC 9457) unless the API asks for the other shape. The `type` of a"
    yield f"problem is `{PROBLEM_BASE}` and its code; the gateway answers that path with the text below."
    for code, kind in sorted(CATALOGUE.items()):
        yield f"\n## {code}\n"
        yield f"Status {kind.status}: {kind.title}. {kind.remedy}"


def plugins() -> Iterator[tuple[str, str, Any]]:
    """Kind, name and class of every registered plug-in."""
    for module in pkgutil.walk_packages(apimgmt.__path__, "apimgmt."):
        if module.name.split(".")[1] in PACKAGES:
            importlib.import_module(module.name)
    for kind in KINDS:
        for name in registry.names(kind):
            plugin = registry.find(kind, name)
            # a test may have registered one of its own
            if plugin.__module__.startswith("apimgmt."):
                yield kind, name, plugin


def plugins_page() -> Iterator[str]:
    """Every plug-in with its fields, which are its configuration."""
    yield "# Plug-ins\n"
    yield "A plug-in is one file; the fields of its struct are its configuration, and an unknown field is an error."
    for kind, name, plugin in plugins():
        yield f"\n## {kind}: {name}\n"
        yield (inspect.getdoc(plugin) or "").replace("``", "`")
        if isinstance(plugin, type) and issubclass(plugin, msgspec.Struct):
            yield from _fields(plugin)


def commands_page() -> Iterator[str]:
    """Every command with its help."""
    yield "# Command line\n"
    yield "Exit codes: 0 done; 1 the check or the call failed; 2 wrong use. `--output json` prints what a script can"
    yield "read; what takes longer than a second says so on standard error."
    for name, command in every_command():
        context = click.Context(program, info_name="apimgmt", **program.context_settings)
        for word in name.split(" ")[:-1]:
            context = click.Context(click.Group(), info_name=word, parent=context)
        last = name.rpartition(" ")[2]
        help_text = command.get_help(click.Context(command, info_name=last, parent=context, terminal_width=100))
        yield f"\n## {name}\n\n```text\n{help_text}\n```"


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Method, path and operation object of the admin API."""
    document = YAML(typ="safe", pure=True).load(ADMIN)
    for path, item in document["paths"].items():
        for method in ("get", "post", "put", "delete", "patch"):
            if method in item:
                yield method.upper(), path, {**item[method], "parameters": _parameters(document, item, method)}


def admin_page() -> Iterator[str]:
    """Every operation of the admin API."""
    yield "# Admin API\n"
    yield "Served on the admin port under `/api/v1`, for the bearer admin token. The document is at"
    yield "`/api/v1/openapi.json`, to try it out at `/api/v1/ui/`."
    for method, path, operation in operations():
        yield f"\n## {method} {path}\n"
        yield f"{operation.get('summary', '')}. {operation.get('description', '')}".strip().replace("..", ".") + "\n"
        for parameter in operation["parameters"]:
            kind = parameter.get("schema", {}).get("enum") or parameter.get("schema", {}).get("type", "")
            shown = " or ".join(map(str, kind)) if isinstance(kind, list) else kind
            description = " ".join(parameter.get("description", "").split())
            yield f"- `{parameter['name']}` in {parameter['in']} ({shown}) {description}".rstrip()
        yield f"- Answers: {', '.join(map(str, operation['responses']))}"


def _parameters(document: dict[str, Any], item: dict[str, Any], method: str) -> list[dict[str, Any]]:
    found = [*item.get("parameters", []), *item[method].get("parameters", [])]
    return [_resolved(document, parameter) for parameter in found]


def _resolved(document: dict[str, Any], value: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in value:
        target: Any = document
        for part in value["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        value = target
    return value


def _fields(struct: type[msgspec.Struct]) -> Iterator[str]:
    yield ""
    for field in msgspec.structs.fields(struct):
        made = field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()
        default = "required" if made is msgspec.NODEFAULT else f"default `{made!r}`"
        yield f"- `{field.encode_name}`: {default}"


BUILDERS: dict[str, Callable[[], Iterator[str]]] = {
    "settings": settings_page,
    "problems": problems_page,
    "plugins": plugins_page,
    "commands": commands_page,
    "admin": admin_page,
}


def pages() -> dict[str, str]:
    """File name to text of every reference page."""
    return {f"{name}.md": NOTE + "\n" + "\n".join(build()) + "\n" for name, build in BUILDERS.items()}


if __name__ == "__main__":
    PAGES.mkdir(exist_ok=True)
    for name, text in pages().items():
        (PAGES / name).write_text(text, "utf-8")
