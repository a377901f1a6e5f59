"""Canonical paths, typed templates, their tree and collisions (apimgmt/spec: paths.py, tree.py, lint/collisions.py)."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apimgmt.errors import Problem
from apimgmt.model import Operation, Parameter, Schema
from apimgmt.spec.lint.collisions import collisions
from apimgmt.spec.paths import (
    BOOLEAN,
    GREEDY,
    INTEGER,
    LITERAL,
    MIXED,
    NUMBER,
    STRING,
    UUID,
    PathInvalid,
    canonical,
    parse,
    parse_path,
)
from apimgmt.spec.tree import Tree

KINDS = {"i": INTEGER, "b": BOOLEAN, "n": NUMBER, "u": UUID, "s": STRING}


def operation(path: str, method: str = "get", **types: Schema) -> Operation:
    """An operation whose path parameters have these schemas."""
    parameters = tuple(
        Parameter(name=name, location="path", style="simple", required=True, schema=schema)
        for name, schema in types.items()
    )
    return Operation(key=f"{method} {path}", method=method, path=path, parameters=parameters)  # type: ignore[arg-type]


def tree(*paths: str) -> Tree:
    """A tree of GET templates; the first letter of a parameter's name says its kind."""
    made = Tree()
    for path in paths:
        made.add(parse_path(path, KINDS), "GET", path)
    return made


def found(made: Tree, path: str) -> str | None:
    """The template that a path leads to."""
    hit = made.find(path, "GET")
    return None if hit is None else hit[0]


@pytest.mark.parametrize(
    ("raw", "form"),
    [
        (b"/a/b", "/a/b"),
        (b"/", "/"),
        (b"/a/", "/a/"),
        (b"/%61/b", "/a/b"),
        (b"/a%7eb", "/a~b"),
        (b"/%e2%82%ac", "/%E2%82%AC"),
        (b"/a%20b", "/a%20b"),
        (b"/.well-known/x", "/.well-known/x"),
        (b"/a;b=1", "/a;b=1"),
        (b"/a%252fb", "/a%252fb"),
        (b'/a"b|c', "/a%22b%7Cc"),
    ],
)
def test_a_path_has_one_canonical_form(raw: bytes, form: str) -> None:
    """Escapes of unreserved characters are decoded, the others are in upper case."""
    assert canonical(raw) == form


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"a",
        b"//",
        b"/a//b",
        b"/./a",
        b"/a/..",
        b"/a/../b",
        b"/%2e/a",
        b"/%2E%2e/a",
        b"/.%2e/a",
        b"/..;x/a",
        b"/a/..;/b",
        b"/a%2fb",
        b"/a%2Fb",
        b"/a%5cb",
        b"/a\\b",
        b"/a%00",
        b"/a%0a",
        b"/a%7f",
        b"/a b",
        b"/a\x01",
        b"/%",
        b"/%4",
        b"/%zz",
        b"/%c0%af",
        b"/%ff",
        b"/\xe2\x82\xac",
    ],
)
def test_an_ambiguous_path_is_refused(raw: bytes) -> None:
    """What two readers could take for two paths is a 400 (T21)."""
    with pytest.raises(Problem) as caught:
        canonical(raw)
    assert caught.value.status == 400


@given(st.binary(max_size=40))
def test_the_canonical_form_is_stable(tail: bytes) -> None:
    """What canonical returns, it returns again for its own result; anything else is a problem, never another error."""
    try:
        form = canonical(b"/" + tail)
    except Problem:
        return
    assert canonical(form.encode("ascii")) == form


@pytest.mark.rows("F-010", "F-011", "F-012", "F-013")
@pytest.mark.parametrize(
    ("path", "text", "matches"),
    [
        ("/p/{i}", "5", True),
        ("/p/{i}", "-5", True),
        ("/p/{i}", "9" * 309, True),
        ("/p/{i}", "9" * 310, False),
        *(
            ("/p/{i}", text, False)
            for text in ("abc", "5.0", "", "0x10", "1e3", "5%20", "%EF%BC%95", "+5", "--5", "1_0", "007")
        ),
        ("/p/{b}", "true", True),
        ("/p/{b}", "false", True),
        *(("/p/{b}", text, False) for text in ("maybe", "1", "True", "", "truee")),
        *(("/p/{n}", text, True) for text in ("1", "1.5", "-2", "1e3", "1.5E-3")),
        *(("/p/{n}", text, False) for text in (".", "", "nan", "inf", "1.", ".5", "1e", "abc", "01")),
        ("/p/{u}", "7b8a0d0e-5a5b-4b57-9ad1-2a7a0c1f0b11", True),
        ("/p/{u}", "7b8a0d0e5a5b4b579ad12a7a0c1f0b11", False),
        ("/p/{s}", "anything", True),
        ("/p/{s}", "", False),
    ],
)
def test_a_typed_parameter_restricts_the_path(path: str, text: str, matches: bool) -> None:
    """A segment matches only what its type can be."""
    assert (found(tree(path), f"/p/{text}") is not None) is matches


@pytest.mark.rows("F-014", "F-015", "F-020")
@pytest.mark.parametrize(
    "order", list(itertools.permutations(["/p/{s}", "/p/{i}", "/p/getStatus", "/p/{b}", "/p/{n}"]))
)
def test_the_most_specific_template_wins_in_any_order(order: tuple[str, ...]) -> None:
    """Literal, boolean, integer, number, string: the order of the document does not matter."""
    made = tree(*order)
    wins = {"7": "/p/{i}", "7.5": "/p/{n}", "true": "/p/{b}", "getStatus": "/p/getStatus", "bob": "/p/{s}"}
    assert {text: found(made, f"/p/{text}") for text in wins} == wins


def test_a_literal_further_left_wins() -> None:
    """Specificity is compared from left to right."""
    made = tree("/a/{s}/b", "/a/b/{s}")
    assert found(made, "/a/b/b") == "/a/b/{s}"
    assert found(made, "/a/z/b") == "/a/{s}/b"


def test_a_dead_end_is_left_again() -> None:
    """A literal that leads nowhere does not hide a parameter beside it."""
    made = tree("/a/b/c", "/a/{s}/d")
    assert found(made, "/a/b/d") == "/a/{s}/d"


@pytest.mark.rows("F-016", "F-018")
def test_methods_are_told_apart() -> None:
    """A template without the method does not hide one that has it."""
    made = tree("/p/{i}")
    made.add(parse_path("/p/{s}", KINDS), "POST", "post")
    assert made.find("/p/7", "POST") == ("post", ["7"])
    assert made.find("/p/7", "GET") == ("/p/{i}", ["7"])
    assert [sorted(leaf) for leaf in made.leaves("/p/7")] == [["GET"], ["POST"]]


def test_mixed_and_greedy_segments() -> None:
    """Several parameters in a segment, and one that takes several segments."""
    made = tree("/f/{s}.{s2}", "/f/{s}", "/file/{s+}", "/x/{s+}/end", "/v{i}/y")
    assert made.find("/f/a.b", "GET") == ("/f/{s}.{s2}", ["a", "b"])
    assert found(made, "/f/ab") == "/f/{s}"
    assert made.find("/file/a/b/c", "GET") == ("/file/{s+}", ["a/b/c"])
    assert made.find("/x/a/b/end", "GET") == ("/x/{s+}/end", ["a/b"])
    assert made.find("/v12/y", "GET") == ("/v{i}/y", ["12"])
    assert found(made, "/vx/y") is None
    with pytest.raises(PathInvalid):
        parse_path("/{a+}/{b+}", {})


@pytest.mark.parametrize("order", list(itertools.permutations(["/a/{s+}", "/a/{s+}/end", "/a/{s}"])))
def test_a_rest_after_a_greedy_parameter_wins(order: tuple[str, ...]) -> None:
    """``/a/{s+}/end`` is not hidden by ``/a/{s+}``."""
    made = tree(*order)
    wins = {"x/y/end": "/a/{s+}/end", "x/y": "/a/{s+}", "x": "/a/{s}", "end/end": "/a/{s+}/end", "end": "/a/{s}"}
    assert {text: found(made, f"/a/{text}") for text in wins} == wins
    assert made.find("/a/x/end/end", "GET") == ("/a/{s+}/end", ["x/end"])
    assert [leaf["GET"] for leaf in made.leaves("/a/x/end")] == ["/a/{s+}/end", "/a/{s+}"]


def test_a_mixed_segment_takes_linear_time() -> None:
    """Many parameters in one segment and a path that almost matches do not explode (T6)."""
    made = tree("/" + "-".join(f"{{s{number}}}" for number in range(12)) + "x")
    assert found(made, "/" + "-" * 3000) is None


def test_literals_are_compared_in_canonical_form() -> None:
    """A # or a blank in a template is reached by its escape."""
    made = tree("/#Action=x", "/a b/ü", "/100%")
    assert found(made, "/%23Action=x")
    assert found(made, canonical(b"/a%20b/%c3%bc"))
    assert found(made, "/100%25")


@pytest.mark.parametrize("path", ["x", "/a//b", "/../a", "/a/./b", "/a%2Fb"])
def test_a_template_that_cannot_be_reached_is_refused(path: str) -> None:
    """The canonical form of a request never equals these."""
    with pytest.raises(PathInvalid):
        parse_path(path, {})


@pytest.mark.rows("F-019")
def test_templates_that_differ_only_in_a_name_collide() -> None:
    """Nothing tells them apart, and the witness shows it; another type or method does."""
    integer: Schema = {"type": "integer"}
    clashes = collisions([operation("/pet/{id}", id=integer), operation("/pet/{petId}", petId=integer)], {})
    assert [(clash.first.path, clash.second.path, clash.witness, clash.certain) for clash in clashes] == [
        ("/pet/{id}", "/pet/{petId}", "/pet/7", True)
    ]
    assert not collisions([operation("/pet/{id}", id=integer), operation("/pet/{flag}", flag={"type": "boolean"})], {})
    assert not collisions([operation("/pet/{id}"), operation("/pet/{name}", method="post")], {})


@pytest.mark.rows("F-017", "F-020")
def test_a_string_beside_a_literal_is_an_uncertain_collision() -> None:
    """The literal wins, and the collision is said with the path that both match."""
    clashes = collisions([operation("/pet/{name}"), operation("/pet/getStatus")], {})
    assert [(clash.first.path, clash.second.path, clash.witness, clash.certain) for clash in clashes] == [
        ("/pet/getStatus", "/pet/{name}", "/pet/getStatus", False)
    ]
    assert not collisions([operation("/pet/{n}", n={"type": "number"}), operation("/pet/getStatus")], {})


def test_a_literal_part_beside_a_string_is_an_uncertain_collision() -> None:
    """``near.json`` could be an id; a part that has another type could not."""
    clashes = collisions([operation("/s/{id}.{f}"), operation("/s/near.{f}")], {})
    assert [(clash.first.path, clash.second.path, clash.witness, clash.certain) for clash in clashes] == [
        ("/s/near.{f}", "/s/{id}.{f}", "/s/near.text", False)
    ]
    assert not collisions([operation("/v{n}", n={"type": "integer"}), operation("/v{s}")], {})


def test_the_kind_of_a_parameter_follows_references() -> None:
    """A $ref, a nullable type and a format decide as if they were written out."""
    schemas: dict[str, Schema] = {"Id": {"$ref": "#/$defs/Real"}, "Real": {"type": ["integer", "null"]}}
    template = parse(
        operation("/{id}/{key}", id={"$ref": "#/$defs/Id"}, key={"type": "string", "format": "uuid"}), schemas
    )
    assert [segment.kind for segment in template.segments] == [INTEGER, UUID]


def test_of_mixed_segments_the_one_with_more_literal_text_wins() -> None:
    """``near.{f}`` is not hidden by ``{id}.{f}``, whichever comes first."""
    for order in itertools.permutations(["/s/{s}.{s2}", "/s/near.{s}", "/s/{s}.json"]):
        made = tree(*order)
        wins = {"near.xml": "/s/near.{s}", "a.json": "/s/{s}.json", "a.xml": "/s/{s}.{s2}", "near.json": "/s/near.{s}"}
        assert {text: found(made, f"/s/{text}") for text in wins} == wins


def test_an_enumeration_says_where_a_mixed_segment_is_divided() -> None:
    """``{id}{extension}``: what belongs to which follows from the listed extensions, and others do not match."""
    template = parse(operation("/p/{id}{ext}", id={"type": "string"}, ext={"enum": [".json", ".a b"]}), {})
    made = Tree()
    made.add(template, "GET", "it")
    assert made.find("/p/7.json", "GET") == ("it", ["7", ".json"])
    assert made.find("/p/7.a%20b", "GET") == ("it", ["7", ".a%20b"])
    assert made.find("/p/7.xml", "GET") is None
    assert template.witness() == "/p/text.a%20b"


def test_a_parameter_that_must_have_a_slash_takes_several_segments() -> None:
    """A pattern that nothing without a slash matches; of two such parameters only the first."""
    arn: Schema = {"type": "string", "pattern": "^arn:[a-z]*:(key)/[0-9]+$"}
    template = parse(operation("/tags/{arn}/of/{other}", arn=arn, other=arn), {})
    assert [segment.kind for segment in template.segments] == [LITERAL, GREEDY, LITERAL, STRING]
    made = Tree()
    made.add(template, "GET", "it")
    assert made.find("/tags/arn:a:key/7/of/x", "GET") == ("it", ["arn:a:key/7", "x"])
    listed = parse(operation("/m/{id}", id={"type": "string", "enum": ["a", "b/c"]}), {})
    assert [segment.kind for segment in listed.segments] == [LITERAL, GREEDY]
    explicit = parse(operation("/{first}/{path+}", first={"type": "string", "format": "path"}), {})
    assert [segment.kind for segment in explicit.segments] == [STRING, GREEDY]


@pytest.mark.parametrize("order", list(itertools.permutations(["/tags/{arn}", "/tags/{arn}#keys", "/tags/to-{arn}"])))
def test_several_segments_beside_a_literal(order: tuple[str, ...]) -> None:
    """``{arn}#keys`` with a slash in ``arn``: the text round it is looked for, and comes before the plain one."""
    arn: Schema = {"type": "string", "pattern": "^[a-z]+/[a-z]+$"}
    made = Tree()
    for path in order:
        template = parse(operation(path, arn=arn), {})
        assert template.segments[1].kind == GREEDY
        made.add(template, "GET", path)
        assert made.find(template.witness(), "GET") is not None
    assert made.find("/tags/a/b", "GET") == ("/tags/{arn}", ["a/b"])
    assert made.find("/tags/a/b%23keys", "GET") == ("/tags/{arn}#keys", ["a/b"])
    assert made.find("/tags/to-a/b", "GET") == ("/tags/to-{arn}", ["a/b"])
    assert [leaf["GET"] for leaf in made.leaves("/tags/a/b%23keys")] == ["/tags/{arn}#keys", "/tags/{arn}"]
    made.add(parse(operation("/tags/{arn}/of/{id}#keys", arn=arn), {}), "GET", "rest")
    assert made.find("/tags/a/b/of/c%23keys", "GET") == ("rest", ["a/b", "c"])
    two = parse(operation("/x/{arn}.{type}", arn=arn), {})
    assert [segment.kind for segment in two.segments] == [LITERAL, MIXED]


def test_a_greedy_place_belongs_to_the_parameter_of_its_bare_name() -> None:
    """``{proxy+}`` is the place of ``proxy`` or of ``proxy+``, whichever is declared."""
    assert parse(operation("/{proxy+}", proxy={"type": "string"}), {}).names == ("proxy",)
    both = operation("/{proxy+}", **{"proxy": {"type": "string"}, "proxy+": {"type": "string"}})
    assert parse(both, {}).names == ("proxy+",)


segments = st.sampled_from(["a", "b", "7", "true", "{i}", "{b}", "{n}", "{s}", "x{i}", "{s}.{s2}"])


@given(st.lists(st.lists(segments, min_size=1, max_size=4), min_size=1, max_size=12))
def test_the_tree_agrees_with_a_search_through_all_templates(paths: list[list[str]]) -> None:
    """Oracle: of all templates that match a witness, the tree finds the one with the least rank."""
    templates = {}
    made = Tree()
    for parts in paths:
        template = parse_path("/" + "/".join(parts), KINDS)
        templates[template.shape] = template
        made.add(template, "GET", template.shape)
    for template in templates.values():
        path = template.witness()
        matching = [leaf["GET"] for leaf in made.leaves(path)]
        assert template.shape in matching
        hit = made.find(path, "GET")
        assert hit is not None
        assert hit[0] == matching[0]
        assert [kind for kind, _ in hit[0]] <= [kind for kind, _ in template.shape]
