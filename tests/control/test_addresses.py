"""Names and base paths."""

from __future__ import annotations

import pytest

from apimgmt.control.addresses import check_free, given_name, join, name_from_title, new_id, overlaps
from apimgmt.errors import Problem
from apimgmt.model import Operation


@pytest.mark.parametrize(
    ("prefix", "base", "expected"),
    [
        ("", "", ""),
        ("", "/", ""),
        ("", "v1/", "/v1"),
        ("/shop/", "/v1", "/shop/v1"),
        ("shop", "", "/shop"),
        ("", "/a%7eb/caf%c3%a9", "/a~b/caf%C3%A9"),
        ("", "/café", "/caf%C3%A9"),
    ],
)
def test_base_paths_are_normalised(prefix: str, base: str, expected: str) -> None:
    """A leading slash, no trailing one, the gateway's canonical escapes; the root is empty."""
    assert join(prefix, base) == expected


@pytest.mark.parametrize(
    "path", ["/a//b", "/../etc", "/a/./b", "/{tenant}", "/a?b", "/a#b", "/%2e%2e", "/a%2Fb", "/a b"]
)
def test_a_base_path_that_no_request_can_have_is_refused(path: str) -> None:
    """Dot segments, empty segments, templates, queries and encoded slashes: 400, naming the parameter."""
    with pytest.raises(Problem) as caught:
        join("", path)
    assert caught.value.status == 400
    assert caught.value.errors[0]["name"] == "basePath"


def test_the_longest_base_path_is_1000() -> None:
    """At the limit it is taken, one past it refused."""
    assert len(join("", "/" + "a" * 999)) == 1000
    with pytest.raises(Problem):
        join("", "/" + "a" * 1000)


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("Swagger Petstore", "swagger-petstore"),
        ("Überblick & Co. 2.0", "uberblick-co-2-0"),
        ("书店", "api"),
        ("../../etc/passwd", "etc-passwd"),
        ("x" * 200, "x" * 80),
    ],
)
def test_a_title_becomes_a_name(title: str, name: str) -> None:
    """A name made from a title is short and stands in a URL."""
    assert name_from_title(title, ()) == name


def test_a_name_from_a_title_is_made_unique() -> None:
    """A taken name gets the next free number."""
    assert name_from_title("Shop", {"shop", "shop-2"}) == "shop-3"


@pytest.mark.parametrize("name", ["shop", "My Shop 2.0", "a" * 100, "étoile"])
def test_a_name_that_stands_in_a_url_is_taken(name: str) -> None:
    """People may choose letters, digits, spaces and a few signs."""
    assert given_name(name, ()) == name


@pytest.mark.parametrize("name", ["", " shop", "a/b", "..", "a" * 101, "a\n", "shop?x", "-"])
def test_a_name_that_does_not_is_refused(name: str) -> None:
    """Anything that would change the meaning of a URL is refused (400)."""
    with pytest.raises(Problem) as caught:
        given_name(name, ())
    assert caught.value.status == 400


def test_a_taken_name_is_a_conflict() -> None:
    """A name that was chosen is never changed silently (409)."""
    with pytest.raises(Problem) as caught:
        given_name("shop", {"shop"})
    assert caught.value.status == 409


def test_ids_are_ours() -> None:
    """Ids say what they are of, and differ."""
    ids = {new_id("api") for _ in range(1000)}
    assert len(ids) == 1000
    assert all(one.startswith("api_") and one.isascii() for one in ids)


@pytest.mark.rows("F-019")
def test_a_base_path_belongs_to_one_api() -> None:
    """The same base path twice is a conflict that names the owner and the remedy; one's own is free."""
    check_free("/v1", "api_1", {"/v1": ("api_1", "shop")})
    with pytest.raises(Problem) as caught:
        check_free("/v1", "api_2", {"/v1": ("api_1", "shop")})
    assert caught.value.status == 409
    assert "'shop'" in caught.value.detail
    assert "basePath" in caught.value.detail


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/.well-known/apimgmt"])
def test_the_gateways_own_paths_are_not_given_away(path: str) -> None:
    """No API can hide the health checks."""
    with pytest.raises(Problem):
        check_free(path, "api_1", {})


def test_operations_that_a_longer_base_path_takes_away_are_found() -> None:
    """An API at /shop loses those requests to one at /shop/v1 that begin with /v1, parameters included."""
    paths = ("/v1", "/v1/books", "/{version}/books", "/v2/books", "/{all}", "/v10")
    operations = [Operation(key=f"get {path}", method="get", path=path) for path in paths]
    found = [operation.path for operation in overlaps("/shop", operations, "/shop/v1")]
    assert found == ["/v1", "/v1/books", "/{version}/books", "/{all}"]
    assert overlaps("/shop", operations, "/shopping/v1") == []
    assert overlaps("/shop/v1", operations, "/shop") == []
