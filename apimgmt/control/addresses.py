"""Names, ids and base paths: how an API is called and where it answers."""

from __future__ import annotations

import re
import secrets
import unicodedata
from collections.abc import Collection, Iterable

from apimgmt.errors import Problem
from apimgmt.model import Operation
from apimgmt.spec import paths

NAME = re.compile(r"\w(?:[\w .-]{0,98}[\w.-])?")
RESERVED = ("/.well-known/apimgmt", "/.well-known/oauth-authorization-server", "/livez", "/oauth2", "/readyz")
LONGEST_BASE = 1_000


def new_id(kind: str) -> str:
    """A fresh id such as ``api_9w3kq0vd1xwz``: URL-safe, ours, never from a document."""
    alphabet = "0123456789abcdefghjkmnpqrstvwxyz"
    return f"{kind}_{''.join(secrets.choice(alphabet) for _ in range(12))}"


def given_name(name: str, taken: Collection[str]) -> str:
    """A name that a person chose; refused if it cannot stand in a URL (400) or another API has it (409)."""
    if not NAME.fullmatch(name):
        detail = "must be 1 to 100 letters, digits, spaces and `_.-`, beginning with a letter or digit"
        raise invalid("query", "name", "pattern", detail)
    if name in taken:
        raise Problem(
            "conflict", f"there is an API named {name!r}; choose another name, or make it a revision (`--revision-of`)"
        )
    return name


def name_from_title(title: str, taken: Collection[str]) -> str:
    """The title as a slug (``Swagger Petstore`` -> ``swagger-petstore``), with a number if that is taken."""
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode().lower()
    slug = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:80].strip("-") or "api"
    candidates = [slug, *(f"{slug}-{number}" for number in range(2, len(taken) + 3))]
    return next(candidate for candidate in candidates if candidate not in taken)


def join(prefix: str, base_path: str) -> str:
    """Prefix and base path as one normalised base path: leading slash, no trailing one; ``""`` is the root."""
    return normalised("prefix", prefix) + normalised("basePath", base_path)


def normalised(parameter: str, path: str) -> str:
    """One path in the gateway's canonical form; refused (400) if no request could begin with it."""
    inner = path.strip("/")
    if not inner:
        return ""
    if len(path) > LONGEST_BASE or any(character in "{}?#" for character in path):
        raise invalid("query", parameter, "pattern", "must be a URL path such as /v1/shop, without {}, ? and #")
    try:
        return paths.normalised(f"/{inner}")
    except paths.PathInvalid as error:
        raise invalid("query", parameter, "pattern", f"must be a URL path such as /v1/shop: {error}") from None


def check_free(base_path: str, api: str, around: dict[str, tuple[str, str]]) -> None:
    """Refuse (409) a base path that another API or the gateway itself has; ``around`` are the APIs at or near it."""
    if base_path in RESERVED:
        raise Problem("conflict", f"{base_path} belongs to the gateway; pass another basePath or a prefix")
    owner, name = around.get(base_path, (api, ""))
    if owner != api:
        remedy = (
            "place this one elsewhere with basePath or prefix (`apimgmt upload --prefix /...`), or make it a "
            f"revision of that API (`--revision-of {name}`)"
        )
        raise Problem("conflict", f"the base path {base_path or '/'} belongs to the API {name!r}; {remedy}")


def overlaps(outer: str, operations: Iterable[Operation], inner: str) -> list[Operation]:
    """The operations of an API at ``outer`` that could begin with ``inner``, where another API answers first."""
    if not inner.startswith(f"{outer}/"):
        return []
    wanted = inner[len(outer) + 1 :].split("/")
    return [operation for operation in operations if _begins_with(operation.path.strip("/").split("/"), wanted)]


def _begins_with(template: list[str], wanted: list[str]) -> bool:
    return len(template) >= len(wanted) and all(
        "{" in segment or segment == literal for segment, literal in zip(template, wanted, strict=False)
    )


def invalid(location: str, name: str, code: str, detail: str) -> Problem:
    """The problem of one parameter that cannot be (400)."""
    return Problem(
        "validation", f"{name}: {detail}", errors=[{"in": location, "name": name, "code": code, "detail": detail}]
    )
