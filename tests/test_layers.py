"""The shape of the package: imports point down, siblings stay apart, nothing imports in a circle, files stay small."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "apimgmt"
LONGEST = 500
FORBIDDEN = {"utils", "util", "base", "constants", "managers", "manager", "helpers", "common"}

# From the ground up; what stands on one line may not import each other. ``archive`` keeps the structs of ``model``.
FLOORS: tuple[tuple[str, ...], ...] = (
    ("errors",),
    ("model", "members", "settings", "registry", "request", "reading", "digest"),
    ("archive", "shared", "origin"),
    ("encryption", "runs"),
    ("connections",),
    ("spec", "auth", "policies", "processes", "formats"),
    ("gateway", "control", "runner"),
    ("asgi",),
    ("cli",),
)
# ``connections`` is a sibling of the floor above it for everyone but ``processes``.
APART = {("spec", "connections"), ("auth", "connections"), ("policies", "connections"), ("formats", "connections")}

FLOOR = {part: number for number, floor in enumerate(FLOORS) for part in floor}


def _sources(package: Path) -> list[Path]:
    return sorted(path for path in package.rglob("*.py") if "migrations" not in path.parts)


def _module(path: Path, package: Path) -> str:
    parts = path.relative_to(package.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _runtime_nodes(tree: ast.AST) -> list[ast.AST]:
    """Every node but those under ``if TYPE_CHECKING``: a name in an annotation ties nothing together at run time."""
    nodes: list[ast.AST] = []
    pending: list[ast.AST] = [tree]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            pending.extend(node.orelse)
            continue
        nodes.append(node)
        pending.extend(ast.iter_child_nodes(node))
    return nodes


def _imports(path: Path, modules: set[str]) -> set[str]:
    """The modules of the package that a file imports at run time, lazily or not."""
    found: set[str] = set()
    for node in _runtime_nodes(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        found.update(name if name in modules else name.rpartition(".")[0] for name in names)
    return found & modules


def graph(package: Path) -> dict[str, set[str]]:
    """Module to the modules it imports."""
    modules = {_module(path, package): path for path in _sources(package)}
    return {name: _imports(path, set(modules)) - {name} for name, path in modules.items()}


def misplaced(imports: dict[str, set[str]]) -> list[str]:
    """The imports that go up or aside, as sentences."""
    wrong = []
    for module, targets in sorted(imports.items()):
        for target in sorted(targets):
            part, other = ([*module.split("."), ""])[1], ([*target.split("."), ""])[1]
            if part == other or not part or not other:
                continue
            if FLOOR[other] >= FLOOR[part] or (part, other) in APART:
                wrong.append(f"{module} (floor {FLOOR[part]}) imports {target} (floor {FLOOR[other]})")
    return wrong


def cycle(imports: dict[str, set[str]]) -> list[str]:
    """One circle of imports, from a module back to itself, or nothing."""
    done: set[str] = set()

    def visit(module: str, trail: list[str]) -> list[str]:
        if module in trail:
            return [*trail[trail.index(module) :], module]
        if module in done:
            return []
        for target in sorted(imports[module]):
            found = visit(target, [*trail, module])
            if found:
                return found
        done.add(module)
        return []

    for module in sorted(imports):
        found = visit(module, [])
        if found:
            return found
    return []


def test_every_part_stands_on_a_floor() -> None:
    """A new file or folder at the top of the package needs a place in the table above."""
    parts = {path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    assert parts - {"__init__"} <= set(FLOOR)


def test_imports_point_down_and_siblings_stay_apart() -> None:
    """No module imports from its own floor's neighbours or from above."""
    assert misplaced(graph(PACKAGE)) == []


def test_nothing_imports_in_a_circle() -> None:
    """The modules of the package have an order in which each can be read after those that it uses."""
    assert cycle(graph(PACKAGE)) == []


@pytest.mark.parametrize("path", _sources(PACKAGE), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_file_has_one_noun_and_a_readable_length(path: Path) -> None:
    """No file is a drawer for leftovers, and none is longer than 500 lines."""
    assert path.stem not in FORBIDDEN and path.parent.name not in FORBIDDEN
    assert len(path.read_text("utf-8").splitlines()) <= LONGEST


def _write(package: Path, **files: str) -> Path:
    for name, text in files.items():
        path = package / (name.replace("__", "/") + ".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return package


def test_an_import_upwards_is_found(tmp_path: Path) -> None:
    """The check sees an import from a lower floor to a higher one, even inside a function."""
    package = _write(tmp_path / "apimgmt", errors="def f():\n    from apimgmt import model\n", model="")
    assert misplaced(graph(package)) == ["apimgmt.errors (floor 0) imports apimgmt.model (floor 1)"]


def test_an_import_of_a_sibling_is_found(tmp_path: Path) -> None:
    """The check sees two parts of one floor that know each other, and lets pass what only an annotation needs."""
    package = _write(
        tmp_path / "apimgmt",
        gateway__app="from apimgmt.control.store import Store\n",
        control__store="from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import apimgmt.gateway.app\n",
    )
    assert misplaced(graph(package)) == ["apimgmt.gateway.app (floor 6) imports apimgmt.control.store (floor 6)"]


def test_a_circle_is_found(tmp_path: Path) -> None:
    """The check names a circle of imports inside one package."""
    package = _write(tmp_path / "apimgmt", spec__a="import apimgmt.spec.b\n", spec__b="from apimgmt.spec import a\n")
    assert cycle(graph(package)) == ["apimgmt.spec.a", "apimgmt.spec.b", "apimgmt.spec.a"]
