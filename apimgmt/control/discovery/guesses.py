"""How a list is paged, where its document leaves no doubt: by the names of its parameters and of its answer.

A guess is said, so that whoever stores the entity can look; where two ways are possible, none is taken.
"""

from __future__ import annotations

from typing import Any

from apimgmt.control.discovery.shapes import Shape
from apimgmt.model import Operation, Response

LIMITS = ("limit", "per_page", "perPage", "page_size", "pageSize", "size", "top", "count")
OFFSETS = ("offset", "skip", "start")
PAGES = ("page", "pageNumber", "page_number")
CURSORS = {
    "cursor": ("nextCursor", "next_cursor", "cursor"),
    "pageToken": ("nextPageToken",),
    "page_token": ("next_page_token",),
    "after": ("nextCursor", "next_cursor", "endCursor"),
    "continuationToken": ("continuationToken", "nextContinuationToken"),
}
TOTAL_PAGES = ("totalPages", "total_pages", "pageCount")
TOTALS = ("total", "totalCount", "total_count")
LINKS = ("@odata.nextLink", "nextLink", "next_link")


def guess(operation: Operation, response: Response, shape: Shape) -> tuple[dict[str, Any], str]:
    """The pagination of a list as JSON, and what was seen; ``({}, "")`` where nothing is certain."""
    if not shape.is_list:
        return {}, ""
    asked = {one.name for one in operation.parameters if one.location == "query"}
    limits = [name for name in LIMITS if name in asked]
    limit = limits[0] if len(limits) == 1 else ""
    ways = [*_by_link(response, shape), *_by_cursor(asked, shape, limit), *_by_number(asked, shape, limit)]
    if len(ways) != 1:
        return {}, ""
    pagination, seen = ways[0]
    return pagination, f"pagination guessed from {seen}"


def _by_link(response: Response, shape: Shape) -> list[tuple[dict[str, Any], str]]:
    if any(name.lower() == "link" for name in response.headers):
        return [({"kind": "link"}, "the header field Link")]
    found = [name for name in LINKS if name in shape.members]
    return [({"kind": "link", "path": f"$['{name}']"}, f"the member {name!r}") for name in found]


def _by_cursor(asked: set[str], shape: Shape, limit: str) -> list[tuple[dict[str, Any], str]]:
    found = []
    for name, members in CURSORS.items():
        given = [member for member in members if member in shape.members]
        if name in asked and len(given) == 1:
            way = {"kind": "cursor", "cursor": name, "path": f"$.{given[0]}", "limit": limit}
            found.append((way, f"the parameter {name!r} and the member {given[0]!r}"))
    return found


def _by_number(asked: set[str], shape: Shape, limit: str) -> list[tuple[dict[str, Any], str]]:
    """By offset or by page: only with a limit beside it."""
    if not limit:
        return []
    found: list[tuple[dict[str, Any], str]] = []
    for name in OFFSETS:
        if name in asked:
            totals = [f"$.{total}" for total in TOTALS if total in shape.members]
            more = {"total": totals[0]} if len(totals) == 1 else {}
            way = {"kind": "offset", "offset": name, "limit": limit, **more}
            found.append((way, f"the parameters {name!r} and {limit!r}"))
    for name in PAGES:
        if name in asked:
            totals = [f"$.{total}" for total in TOTAL_PAGES if total in shape.members]
            # without a number of pages the first empty page is the last
            way = {"kind": "page", "page": name, "perPage": limit, "totalPages": totals[0] if len(totals) == 1 else ""}
            found.append((way, f"the parameters {name!r} and {limit!r}"))
    return found
