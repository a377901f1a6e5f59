"""Handlers come from files and modules that the operator names."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from apimgmt.errors import SettingInvalid
from apimgmt.processes.functions.handlers import load_handlers


def _write(folder: Path, name: str, text: str) -> str:
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}.py"
    path.write_text(text, "utf-8")
    return str(path)


@pytest.fixture(autouse=True)
def _restored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    for name in ("shop_a", "shop_b", "shop_helper"):
        monkeypatch.delitem(sys.modules, name, raising=False)


def test_names_of_a_file(tmp_path: Path) -> None:
    """Functions have a short and a long name; what is private, imported or a class is no handler."""
    text = "import json\nfrom json import dumps\ndef get(): return 1\ndef _own(): pass\nclass A:\n"
    text += "    @staticmethod\n    def make(): return 2\n    def method(self): pass\nnumber = 5\n"
    functions = load_handlers(_write(tmp_path, "shop_a", text))
    assert sorted(functions) == ["A.make", "get", "shop_a.A.make", "shop_a.get"]
    assert (functions["get"](), functions["shop_a.A.make"]()) == (1, 2)


def test_names_of_a_module() -> None:
    """An installed module is named as it is imported; its __all__ may hold what it took from elsewhere."""
    functions = load_handlers("json")
    assert {"dumps", "json.dumps", "json.loads"} <= set(functions)
    assert "JSONDecoder" not in functions


def test_short_name_of_two(tmp_path: Path) -> None:
    """A short name that two modules have is nobody's; the same file twice is one."""
    one = _write(tmp_path, "shop_a", "def get(): return 1")
    two = _write(tmp_path, "shop_b", "def get(): return 2")
    functions = load_handlers(f"{one}, {two} ,{one},")
    assert sorted(functions) == ["shop_a.get", "shop_b.get"]
    assert functions["shop_b.get"]() == 2


def test_two_files_of_one_name(tmp_path: Path) -> None:
    """A second file of the same name is imported too and does not replace the first."""
    one = _write(tmp_path / "one", "shop_a", "def first(): return 1")
    two = _write(tmp_path / "two", "shop_a", "def second(): return 2")
    functions = load_handlers(f"{one},{two}")
    assert (functions["first"](), functions["second"]()) == (1, 2)


def test_neighbours_and_shadows(tmp_path: Path) -> None:
    """A file can import the one beside it, and one called like a module of Python does not replace that."""
    _write(tmp_path, "shop_helper", "def help(): return 3")
    _write(tmp_path, "random", "raise RuntimeError")
    main = _write(tmp_path, "shop_a", "import random\nfrom shop_helper import help\ndef get(): return help()")
    assert load_handlers(main)["get"]() == 3
    calendar = _write(tmp_path, "json", "def own(): return 4")
    assert load_handlers(calendar)["json.own"]() == 4
    assert sys.modules["json"].__file__ != calendar


@pytest.mark.parametrize(
    "text", ["raise RuntimeError('x')", "import nothing_like_this", "raise SystemExit(2)", "def ("]
)
def test_what_fails(tmp_path: Path, text: str) -> None:
    """A file that fails while it is imported is an invalid setting that names it, and leaves nothing behind."""
    path = _write(tmp_path, "shop_a", text)
    with pytest.raises(SettingInvalid, match="shop_a"):
        load_handlers(path)
    assert "shop_a" not in sys.modules


@pytest.mark.parametrize("spec", ["nothing_like_this", "missing.py", "a b"])
def test_what_is_not_there(spec: str) -> None:
    """A module or file that does not exist is an invalid setting."""
    with pytest.raises(SettingInvalid):
        load_handlers(spec)


def test_none() -> None:
    """No handlers, no functions."""
    assert load_handlers("") == {}
