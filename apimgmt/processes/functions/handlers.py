"""Handlers: the functions that python processes may run, from the files and modules that the operator named.

A document says which name it wants and never what is imported for it. ``petstore.py`` with a function ``get_pet``
gives the names ``get_pet`` and ``petstore.get_pet``; a module ``shop.pets`` gives ``get_pet`` and
``shop.pets.get_pet``, and so do the static methods of its classes (``Pets.get``). A short name that two modules have is
nobody's; the long ones stay.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import sys
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from apimgmt.errors import SettingInvalid

Function = Callable[..., Any]


def load_handlers(spec: str) -> dict[str, Function]:
    """The functions of the files and modules in ``spec``, separated by commas, by name.

    Raises SettingInvalid, naming the entry, for what is not there or fails while it is imported.
    """
    found: dict[str, list[Function]] = {}
    for item in filter(None, (part.strip() for part in spec.split(","))):
        module, name = _module(item)
        for short, function in _functions(module):
            for known in (short, f"{name}.{short}"):
                functions = found.setdefault(known, [])
                if not any(function == other for other in functions):
                    functions.append(function)
    return {name: functions[0] for name, functions in found.items() if len(functions) == 1}


def _module(item: str) -> tuple[ModuleType, str]:
    """The imported module and the name by which documents know it."""
    path = Path(item)
    try:
        if path.suffix == ".py":
            return _file(path.resolve()), path.stem
        return importlib.import_module(item), item
    except (Exception, SystemExit) as error:
        raise SettingInvalid(f"handlers {item!r}: {type(error).__name__}: {error}") from error


def _file(path: Path) -> ModuleType:
    name = path.stem
    taken = sys.modules.get(name)
    if taken is not None:
        if getattr(taken, "__file__", None) == str(path):
            return taken
        # a file called like a module that is there already keeps out of its way
        name = f"{name}_{zlib.crc32(bytes(path)):08x}"
    if str(path.parent) not in sys.path:
        # at the end, so that a file beside the handlers cannot stand in for a module of Python
        sys.path.append(str(path.parent))
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError("not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _functions(module: ModuleType) -> Iterator[tuple[str, Function]]:
    exported = getattr(module, "__all__", ())
    for name, value in vars(module).items():
        if name not in exported and (name.startswith("_") or not _belongs(value, module)):
            continue
        if inspect.isclass(value):
            for method, kind in vars(value).items():
                if isinstance(kind, staticmethod | classmethod) and not method.startswith("_"):
                    yield f"{name}.{method}", getattr(value, method)
        elif callable(value):
            yield name, value


def _belongs(value: Any, module: ModuleType) -> bool:
    """Whether a value was defined in the module or its package: what it imports from elsewhere is no handler."""
    home = str(getattr(value, "__module__", None) or "")
    return home == module.__name__ or home.startswith(f"{module.__name__}.")
