"""YAML 1.2 as JSON values: the core schema, names, merge keys, aliases and tags."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import pytest
import yaml

from apimgmt.errors import DocumentRefused
from apimgmt.settings import Settings
from apimgmt.spec.intake.yaml12 import read


def value_of(text: str, **settings: Any) -> Any:
    """The value of a YAML text."""
    return read(text, msgspec.structs.replace(Settings(), **settings)).root


def code_of(text: str, **settings: Any) -> str:
    """The code with which a YAML text is refused."""
    with pytest.raises(DocumentRefused) as caught:
        value_of(text, **settings)
    return caught.value.findings[0].code


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("on", "on"),
        ("no", "no"),
        ("Yes", "Yes"),
        ("true", True),
        ("FALSE", False),
        ("~", None),
        ("", None),
        ("Null", None),
        ("2020-01-01", "2020-01-01"),
        ("12:30:45", "12:30:45"),
        ("1_000", "1_000"),
        ("012", 12),
        ("0o14", 12),
        ("0x1F", 31),
        ("+7", 7),
        ("-.5", -0.5),
        ("1e3", 1000.0),
        ("1.", 1.0),
        (".nan", ".nan"),
        (".inf", ".inf"),
        ("1.2.3", "1.2.3"),
        ("-", None),
        ("'1'", "1"),
        ('"true"', "true"),
        ("! 1", "1"),
        ("!!str 1", "1"),
        ("!!int '1'", 1),
        ("=", "="),
        ("<<", "<<"),
        ("18446744073709551616", 2.0**64),
    ],
)
def test_scalars_are_those_of_the_core_schema(text: str, value: Any) -> None:
    """Plain scalars are read by YAML 1.2 section 10.3.2; what YAML 1.1 made of them otherwise stays a string."""
    read_value = value_of(f"a: {text}" if text != "-" else "a:\n-")["a"]
    if text == "-":
        assert read_value == [None]
    else:
        assert (read_value, type(read_value)) == (value, type(value))


def test_mutant_yaml_1_1_reads_other_values() -> None:
    """PyYAML's own loader makes booleans, dates and sexagesimal numbers of the same texts."""
    theirs = yaml.safe_load("{a: on, b: 2020-01-01, c: 12:30:45, d: 1_000, 200: e}")
    assert theirs != value_of("{a: on, b: 2020-01-01, c: 12:30:45, d: 1_000, 200: e}")


def test_names_are_strings_as_they_are_written() -> None:
    """Status codes, booleans, nulls and empty names: a name is its text."""
    names = value_of("{200: a, 1.10: b, true: c, ~: d, on: e, '': f, 2020-01-01: g}")
    assert list(names) == ["200", "1.10", "true", "~", "on", "", "2020-01-01"]


def test_merge_keys_add_what_is_not_there() -> None:
    """``<<`` takes a mapping or a list of them; what the mapping says itself wins, in quotes it is a name."""
    text = "base: &b {a: 1, b: 2}\nother: &o {b: 3, c: 4}\none: {<<: *b, a: 0}\nall: {<<: [*b, *o]}\nname: {'<<': 1}\n"
    value = value_of(text)
    assert value["one"] == {"a": 0, "b": 2}
    assert value["all"] == {"a": 1, "b": 2, "c": 4}
    assert value["name"] == {"<<": 1}
    assert code_of("a: {<<: 1}") == "merge"


def test_places_of_merged_members_are_where_they_were_written() -> None:
    """A member that came by a merge key stands in the mapping that it came from."""
    source = read("base: &b\n  a: 1\none:\n  <<: *b\n  c: 2\n", Settings())
    assert source.places.find(["one", "a"]) == (2, 3)
    assert source.places.find(["one", "c"]) == (5, 3)


def test_aliases_are_shared_and_counted_expanded() -> None:
    """Uses and expanded values are limited: the limit passes, one more is refused."""
    text = "a: &a [1, 2]\nb: [*a, *a, *a]\n"
    assert value_of(text, document_aliases=3)["b"] == [[1, 2]] * 3
    assert code_of(text, document_aliases=2) == "too-much-aliases"
    assert value_of(text, document_nodes=14)
    assert code_of(text, document_nodes=13) == "too-much-nodes"


def test_depth_counts_through_aliases() -> None:
    """An alias is as deep as what it stands for."""
    text = "a: &a [[1]]\nb: [[*a]]\n"
    assert value_of(text, document_depth=5)
    assert code_of(text, document_depth=4) == "too-much-depth"


def test_a_billion_laughs_are_refused_at_once() -> None:
    """The expanded size is a sum, not a copy: 10^40 costs nothing."""
    bomb = "a0: &a0 [1,1,1,1,1,1,1,1,1,1]\n"
    bomb += "".join(f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 40))
    assert code_of(bomb, document_depth=1_000) == "too-much-nodes"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("a: *b", "alias"),
        ("a: &a [*a]", "alias"),
        ("a: !!python/name:os.system x", "tag"),
        ("a: !!binary aGk=", "tag"),
        ("a: !!set {b, c}", "tag"),
        ("a: !local {b: c}", "tag"),
        ("{a: 1}: b", "key"),
        ("? [a]\n: b", "key"),
        ("a: 1\n---\nb: 2\n", "several-documents"),
        ("a: [", "syntax"),
        ("a: \x07", "syntax"),
        ("a: 1e999", "number"),
    ],
)
def test_what_is_no_json_is_refused(text: str, code: str) -> None:
    """Tags, cyclic aliases, names that are no text, several documents, numbers beyond a float."""
    assert code_of(text) == code


def test_finite_means_finite() -> None:
    """No float of a document is infinite or not a number."""
    assert all(math.isfinite(item) for item in value_of("[1.7e308, -1.7e308, 1e-400]"))


def test_an_alias_may_be_a_name() -> None:
    """``*a :`` as a name stands for the anchored text; an anchored list cannot be a name."""
    assert value_of("a: &a text\n*a : 1\n") == {"a": "text", "text": 1}
    assert code_of("a: &a [1]\n*a : 1\n") == "key"


def test_many_doubles_end_the_reading() -> None:
    """After 100 names that are there twice nothing more is looked at."""
    with pytest.raises(DocumentRefused) as caught:
        value_of("a: 1\n" * 10_000)
    assert len(caught.value.findings) == 100
