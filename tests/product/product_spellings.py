"""Other spellings of a path: a grammar of all the ways in which a router and a guard could come to disagree (S-21)."""

from __future__ import annotations

from collections.abc import Iterator

BEFORE = (
    "/",
    "//",
    "/.",
    "/./",
    "/../",
    "/..;/",
    "/%2e",
    "/%2e/",
    "/%2e%2e/",
    "/%2f",
    "/;x",
    "\\",
    "/\\",
    "/%5c",
    "/x/..",
    "/x/%2e%2e",
    "/x/..%2f",
    "/.%2e/",
    "/%00",
    "/%20",
    "/%0d%0a",
    "/.;/",
)
AFTER = (
    "/",
    "//",
    "/.",
    "/./",
    "/..",
    "/../",
    "/..;/",
    "/%2e",
    "/%2e%2e",
    "/%2f",
    "%2f",
    ";",
    ";x",
    ";x=1",
    "/;",
    "/;x",
    "\\",
    "%5c",
    "%00",
    "%00.json",
    "%0a",
    "%0d%0a",
    "%20",
    "%09",
    "+",
    ".",
    "..",
    "...",
    ".json",
    ".html",
    ".css",
    "~",
    "%",
    "%2",
    "%zz",
    "%u002f",
    "#",
    "%23",
    "%3f",
    "?",
    "?x",
    "??",
    "&",
    "/*",
    "*",
    "%2a",
    "!",
    "'",
    "%ff",
    "%c0%af",
    "%e0%80%af",
    "%ef%bc%8f",
    "%e2%88%95",
    "%c2%a0",
    "%e2%80%8b",
    "%cc%88",
    "%f0%9f%98%80",
    "%d9%a3",
    "%2500",
)
BETWEEN = (
    "//",
    "/./",
    "/%2e/",
    "/x/../",
    "/x/%2e%2e/",
    "/x/..;/",
    "/;/",
    "/;x=1/",
    "\\",
    "%2f",
    "%2F",
    "%5c",
    "%252f",
    "%c0%af",
    "%ef%bc%8f",
    "/%20",
    "%20/",
    "/%00/",
    "%00/",
    "/.;/",
    "/ /",
    "/%09/",
    "/\t",
    "/%0a/",
    "\xe2\x88\x95",
)


def spellings(path: str) -> Iterator[str]:
    """Well over 120 spellings of a canonical path, itself not among them; as latin-1 text of the request target."""
    seen = {path}
    for spelling in _all(path):
        if spelling not in seen:
            seen.add(spelling)
            yield spelling


def _all(path: str) -> Iterator[str]:
    yield from (f"{before}{path}" for before in BEFORE)
    yield from (f"{before}{path[1:]}" for before in BEFORE)
    yield from (f"{path}{after}" for after in AFTER)
    slashes = [place for place, character in enumerate(path) if character == "/" and place]
    for place in slashes:
        yield from (path[:place] + between + path[place + 1 :] for between in BETWEEN)
    letters = [place for place, character in enumerate(path) if character.isalnum()]
    for place in letters[:: max(1, len(letters) // 6)]:
        code = ord(path[place])
        for escape in (
            f"%{code:02x}",
            f"%{code:02X}",
            f"%25{code:02x}",
            f"%u00{code:02x}",
            f"&#{code};",
            f"%c1%{code | 0x80:02x}",
        ):
            yield path[:place] + escape + path[place + 1 :]
        yield path[:place] + chr(code + 0xFEE0).encode().decode("latin-1") + path[place + 1 :]
        yield path[:place] + path[place].swapcase() + path[place + 1 :]
    yield from (path.upper(), path.title(), path.swapcase(), path[1:], f"http://gateway{path}", f"http://other{path}")
    yield from (f"https://gateway{path}", f"gateway{path}", f"*{path}", f"/{path[1:].replace('/', '/%2e/')}")
    yield "".join(f"%{ord(character):02x}" if character != "/" else "/" for character in path)
    yield "".join(f"%25{ord(character):02x}" if character != "/" else "/" for character in path)
    yield "/" + "".join(f"%{ord(character):02x}" for character in path[1:])
