"""Documents that try to make the intake run, fetch, open, grow or hang; each with what the verdict has to be.

``VERDICTS``: "accepted" (the trick is only text), "refused", or "any" (either will do, as long as nothing happens).
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from typing import Any, NamedTuple


class Hostile(NamedTuple):
    """One upload: a name for the test, the bytes, the media type, and the verdict."""

    name: str
    content: bytes
    media_type: str
    verdict: str


TEMPLATES = (
    "{{ cycler.__init__.__globals__.os.popen('touch CANARY').read() }}",
    "{% for x in ().__class__.__base__.__subclasses__() %}{{ x }}{% endfor %}",
    "${__import__('os').system('touch CANARY')}",
    "#{7*7}<%= system('touch CANARY') %>",
    "$(touch CANARY)`touch CANARY`",
)
CALLABLES = tuple(
    name
    for names in (
        ("os.getpid", "os.system", "os.abort", "subprocess.run", "subprocess.Popen", "shutil.rmtree"),
        ("builtins.exec", "builtins.eval", "builtins.open", "sys.exit", "socket.create_connection", "pickle.loads"),
        ("importlib.import_module", "pathlib.Path.unlink", "ctypes.CDLL", "runpy.run_path", "webbrowser.open"),
        ("urllib.request.urlopen", "signal.raise_signal", "multiprocessing.Process"),
    )
    for name in names
)
FUNCTION_FIELDS = (
    "x-openapi-router-controller",
    "x-swagger-router-controller",
    "x-basicInfoFunc",
    "x-apikeyInfoFunc",
    "x-bearerInfoFunc",
    "x-tokenInfoFunc",
    "x-scopeValidateFunc",
    "x-tokenInfoUrl",
)
FORMATS = (
    "http://x/{v:>200000000}",
    "http://x/{v.__class__}",
    "http://x/{0}{1}",
    "http://x/{",
    "%s%n%s",
    "http://x/{v!r}",
)


def outward_references(port: int) -> list[str]:
    """References that lead out of an upload, in every spelling that some resolver follows."""
    host = f"127.0.0.1:{port}"
    return [
        f"http://{host}/a.json",
        f"HTTP://{host}/a.json#/Pet",
        f"https://{host}/a.yaml",
        f"ftp://{host}/a.json",
        f"//{host}/a.json",
        f"\\\\{host}\\share\\a.json",
        f"http:/{host}/a.json",
        f"http://user:password@{host}/a.json",
        f"http://[::1]:{port}/a.json",
        f"jar:http://{host}/a.zip!/a.json",
        f"gopher://{host}/_a",
        f"http://{host}/%2e%2e/a.json",
        "file:///etc/passwd",
        "file:///proc/self/environ",
        "FILE:/etc/passwd",
        "file://localhost/etc/passwd",
        "/etc/passwd",
        "/etc/passwd#/Pet",
        "../../../../../../etc/passwd",
        "..\\..\\..\\etc\\passwd",
        "./a.json#/Pet",
        "a.json",
        "a%2ejson#/Pet",
        "C:\\Windows\\win.ini",
        "data:application/json,{}",
    ]


def openapi(**more: Any) -> dict[str, Any]:
    """A small OpenAPI 3.0 document with these members."""
    return {"openapi": "3.0.3", "info": {"title": "t", "version": "1"}, "paths": {}, **more}


def with_schema(schema: Any, **schemas: Any) -> dict[str, Any]:
    """A document whose one operation takes a body of this schema."""
    body = {"content": {"application/json": {"schema": schema}}}
    operation = {"requestBody": body, "responses": {"200": {"description": "ok"}}}
    return openapi(paths={"/a": {"post": operation}}, components={"schemas": schemas})


def documents(port: int) -> Iterator[Hostile]:
    """All of them; ``port`` is where a listener waits for a connection that must not come."""
    yield from _texts()
    yield from _names()
    for index, reference in enumerate(outward_references(port)):
        yield _json(f"reference-{index}", with_schema({"$ref": reference}), "refused")
    yield from _aliases()
    yield from _nesting()
    yield from _circles()
    yield from _sizes()
    yield from _tags()
    yield from _encodings()
    yield from _zips()


def _json(name: str, document: Any, verdict: str) -> Hostile:
    return Hostile(name, json.dumps(document).encode(), "application/json", verdict)


def _yaml(name: str, text: str, verdict: str = "refused") -> Hostile:
    return Hostile(name, text.encode(), "application/yaml", verdict)


def _texts() -> Iterator[Hostile]:
    for index, text in enumerate(TEMPLATES):
        info = {"title": text, "version": text, "description": text, "contact": {"name": text}}
        operation = {"summary": text, "description": text, "tags": [text], "responses": {"200": {"description": text}}}
        yield _json(f"template-{index}", openapi(info=info, paths={"/a": {"get": operation}}), "accepted")
    for index, url in enumerate(FORMATS):
        yield _json(f"format-{index}", openapi(servers=[{"url": url}]), "any")


def _names() -> Iterator[Hostile]:
    operation: dict[str, Any] = {"responses": {"200": {"description": "ok"}}}
    paths = {f"/{index}": {"get": {**operation, "operationId": name}} for index, name in enumerate(CALLABLES)}
    yield _json("callables", openapi(paths=paths), "accepted")
    fields: dict[str, Any] = dict.fromkeys(FUNCTION_FIELDS, "os.abort")
    scheme = {"type": "apiKey", "in": "header", "name": "k", **fields}
    components = {"securitySchemes": {"s": scheme}}
    paths = {"/a": {"get": {**operation, **fields}, **fields}}
    yield _json("functions", openapi(paths=paths, components=components, security=[{"s": []}], **fields), "accepted")


def _aliases() -> Iterator[Hostile]:
    for power in range(3, 13):
        levels = "".join(f"x-{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, power))
        yield _yaml(f"aliases-10^{power}", f"openapi: 3.0.3\nx-0: &a0 [{', '.join('0' * 10)}]\n{levels}", "refused")
    merges = "".join(f"x-{n}: &m{n} {{<<: [{', '.join([f'*m{n - 1}'] * 9)}], k{n}: 1}}\n" for n in range(1, 12))
    yield _yaml("merges", f"openapi: 3.0.3\nx-0: &m0 {{a: 1}}\n{merges}")
    yield _yaml("alias-in-itself", "openapi: 3.0.3\nx-a: &a [*a]\n")
    yield _yaml("alias-of-nothing", "openapi: 3.0.3\nx-a: *a\n")


def _nesting() -> Iterator[Hostile]:
    for power in range(2, 7):
        depth = 10**power
        yield Hostile(f"json-depth-10^{power}", b"[" * depth, "application/json", "refused")
        yield Hostile(f"yaml-depth-10^{power}", b"[" * depth, "application/yaml", "refused")
    yield Hostile("json-braces", b'{"a":' * 100_000, "application/json", "refused")
    yield Hostile("yaml-braces", b"{a: " * 100_000, "application/yaml", "refused")
    yield Hostile("yaml-dashes", b"- " * 100_000, "application/yaml", "refused")
    yield Hostile("yaml-questions", b"? " * 100_000, "application/yaml", "refused")
    deep: dict[str, Any] = {}
    for _ in range(200):
        deep = {"properties": {"a": deep}}
    yield _json("schema-depth", with_schema(deep), "refused")


def _circles() -> Iterator[Hostile]:
    for length in (1, 2, 3, 10, 49, 50, 51):
        loop = {f"S{n}": {"$ref": f"#/components/schemas/S{(n + 1) % length}"} for n in range(length)}
        yield _json(f"circle-{length}", with_schema({"$ref": "#/components/schemas/S0"}, **loop), "refused")
    chain = {f"S{n}": {"$ref": f"#/components/schemas/S{n + 1}"} for n in range(60)} | {"S60": {"type": "string"}}
    yield _json("chain-60", with_schema({"$ref": "#/components/schemas/S0"}, **chain), "refused")
    fan = {
        f"F{n}": {"type": "object", "properties": {p: {"$ref": f"#/components/schemas/F{n + 1}"} for p in "ab"}}
        for n in range(30)
    }
    yield _json("fan-out-2^30", with_schema({"$ref": "#/components/schemas/F0"}, **fan, F30={}), "accepted")
    every = {f"F{n}": {"allOf": [{"$ref": f"#/components/schemas/F{n + 1}"}] * 2} for n in range(30)}
    yield _json("all-of-2^30", with_schema({"$ref": "#/components/schemas/F0"}, **every, F30={}), "any")
    example = {"$ref": "#/components/schemas/F0"}
    yield _json("all-of-2^30-example", with_schema({**every["F0"], "default": 1}, **every, F30=example), "any")
    inward = {"A": {"allOf": [{"$ref": "#/components/schemas/A"}]}}
    yield _json("all-of-itself", with_schema({"$ref": "#/components/schemas/A"}, **inward), "any")
    item = {"$ref": "#/paths/~1a"}
    yield _json("path-of-itself", openapi(paths={"/a": item}), "refused")
    yield _json("recursive", with_schema({}, A={"properties": {"a": {"$ref": "#/components/schemas/A"}}}), "accepted")


def _sizes() -> Iterator[Hostile]:
    operation = {"responses": {"200": {"description": "ok"}}}
    yield _json("long-string", openapi(info={"title": "t" * (1 << 20), "version": "1"}), "accepted")
    yield _json("too-long-string", openapi(info={"title": "t" * ((1 << 20) + 1), "version": "1"}), "refused")
    yield _json("20-megabytes", openapi(**{"x-a": ["a" * 1_000_000] * 20}), "accepted")
    yield _json("33-megabytes", openapi(**{"x-a": ["a" * 1_000_000] * 34}), "refused")
    yield _json("10000-operations", openapi(paths={f"/{n}": {"get": operation} for n in range(10_000)}), "accepted")
    yield _json("20001-operations", openapi(paths={f"/{n}": {"get": operation} for n in range(20_001)}), "refused")
    parameters = [{"name": f"p{n}", "in": "query", "schema": {}} for n in range(1_001)]
    yield _json("parameters", openapi(paths={"/a": {"get": {**operation, "parameters": parameters}}}), "refused")
    yield _json("braces-in-path", openapi(paths={"/" + "{a}" * 5_000: {"get": operation}}), "any")
    yield _json("slashes-in-path", openapi(paths={"/a" * 50_000: {"get": operation}}), "any")
    for index, pattern in enumerate(
        ("^(a+)+$", "(a|a)*b", "((a{1,100}){1,100}){1,100}", "[" * 5_000, "(" * 50_000, "a{1000000000}")
    ):
        yield _json(f"pattern-{index}", with_schema({"type": "string", "pattern": pattern, "example": "a" * 50}), "any")
    yield Hostile("digits", b'{"openapi": "3.0.3", "x-a": ' + b"9" * 5_000_000 + b"}", "application/json", "refused")
    yield Hostile("exponent", b'{"openapi": "3.0.3", "x-a": 1e999999999}', "application/json", "refused")
    yield Hostile("yaml-digits", b"openapi: 3.0.3\nx-a: " + b"9" * 900_000, "application/yaml", "refused")
    yield Hostile("quotes", b'{"openapi": "' + b"\\u0041" * 1_000_000, "application/json", "refused")
    yield Hostile("doubles", b"{" + b'"a":1,' * 500_000 + b'"a":1}', "application/json", "refused")
    yield _yaml("yaml-doubles", "a: 1\n" * 100_000)
    yield _json(
        "wide-any-of", with_schema({"anyOf": [{"type": "object", "required": [str(n)]} for n in range(20_000)]}), "any"
    )


def _tags() -> Iterator[Hostile]:
    for index, tag in enumerate(
        (
            "!!python/object/apply:os.system ['touch CANARY']",
            "!!python/object/new:os.system ['touch CANARY']",
            "!!python/name:os.system",
            "!!python/module:os",
            "!!python/tuple [1, 2]",
            "!!binary aGk=",
            "!!timestamp 2020-01-01",
            "!!set {a, b}",
            "!include /etc/passwd",
            "!!java.net.URL http://127.0.0.1/",
        )
    ):
        yield _yaml(f"tag-{index}", f"openapi: 3.0.3\ninfo: {{title: t, version: '1'}}\npaths: {{}}\nx-a: {tag}\n")


def _encodings() -> Iterator[Hostile]:
    good = json.dumps(openapi())
    yield Hostile("bom", b"\xef\xbb\xbf" + good.encode(), "application/json", "accepted")
    for encoding in ("utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le"):
        yield Hostile(encoding, good.encode(encoding), "application/json", "refused")
    yield Hostile("latin-1", good.replace('"t"', '"\xe9"').encode("latin-1"), "application/json", "refused")
    yield Hostile("overlong", good.encode().replace(b'"t"', b'"\xc0\xaf"'), "application/json", "refused")
    yield Hostile("nul", good.encode().replace(b'"t"', b'"\x00"'), "application/json", "refused")
    yield Hostile("surrogate", good.encode().replace(b'"t"', rb'"\ud800"'), "application/json", "refused")
    yield Hostile("nan", good.encode().replace(b'"t"', b"NaN"), "application/json", "refused")
    yield Hostile("double-name", b'{"openapi": "3.0.3", "paths": {}, "paths": {}}', "application/json", "refused")
    yield _yaml("yaml-double-name", "openapi: 3.0.3\npaths: {}\npaths: {}\n")
    yield _yaml("streams", "openapi: 3.0.3\n---\nopenapi: 3.0.3\n")
    for name, content in (("empty", b""), ("space", b"  \n"), ("null", b"null"), ("list", b"[]"), ("text", b"hello")):
        yield Hostile(name, content, "application/yaml", "refused")
    yield Hostile("random", bytes(range(256)) * 40, "", "refused")


def _zips() -> Iterator[Hostile]:
    good = json.dumps(openapi())
    yield _zip("zip-bomb", {"openapi.json": good, "b.json": "0" * 100_000_000})
    yield _zip("zip-bomb-root", {"openapi.json": good + " " * 100_000_000})
    for index, name in enumerate(
        ("../a.json", "/etc/a.json", "..\\a.json", "C:/a.json", "a/../../b.json", "a\nb.json")
    ):
        yield _zip(f"zip-slip-{index}", {"openapi.json": good, name: "{}"})
    yield _zip("zip-files", {"openapi.json": good, **{f"{n}.json": "{}" for n in range(1_000)}})
    yield _zip("zip-roots", {"a.json": good, "b.json": good})
    yield _zip("zip-no-root", {"a.json": "{}"})
    yield Hostile("zip-torn", _zip("", {"openapi.json": good}).content[:-20], "application/zip", "refused")
    yield Hostile("zip-rubbish", b"PK\x03\x04" + b"\x00" * 100, "application/zip", "refused")
    outward = with_schema({"$ref": "../../etc/passwd#/Pet"})
    yield _zip("zip-outward", {"openapi.json": json.dumps(outward)})
    circle = openapi(paths={"/a": {"$ref": "a.json"}})
    yield _zip("zip-circle", {"openapi.json": json.dumps(circle), "a.json": '{"$ref": "a.json"}'})
    item = {"get": {"responses": {}, "callbacks": {"c": {"u": {"$ref": "a.json"}, "v": {"$ref": "a.json"}}}}}
    yield _zip("zip-circle-of-paths", {"openapi.json": json.dumps(circle), "a.json": json.dumps(item)})


def _zip(name: str, files: dict[str, str]) -> Hostile:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for member, content in files.items():
            archive.writestr(member, content)
    return Hostile(name, buffer.getvalue(), "application/zip", "refused")
