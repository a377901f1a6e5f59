"""CORS, on a gateway without sockets (F-045 to F-052, H-052 to H-054, H-112)."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from apimgmt.errors import Problem, SnapshotRefused
from apimgmt.policies.cors import Origins
from harness import Answer, Client, api_key, serve

KEY = "secret-key-of-crm"
A = "https://a.example"
RUNS: list[str] = []
ALLOW = ("access-control-allow-origin", "access-control-allow-methods", "access-control-allow-headers")


def ran(trigger: Any) -> Any:
    """A process that leaves a trace; some parameters make it fail."""
    RUNS.append(trigger.data.httpMethod)
    outcome = trigger.data.query.outcome
    if outcome == "missing":
        raise Problem("not-found")
    if outcome == "many":
        raise Problem("quota-exceeded")
    if outcome == "broken":
        raise ValueError("a defect")
    if outcome == "own":
        return {"ran": True}, 200, {"Access-Control-Allow-Origin": "*", "access-control-max-age": "1", "X-Theirs": "1"}
    return {"ran": True}


def document() -> dict[str, Any]:
    """Orders, with a key in a header of its own, a header parameter, and a path that declares OPTIONS itself."""
    answer = {"responses": {"200": {"description": "ok"}}}
    outcome = {"name": "outcome", "in": "query", "schema": {"type": "string"}}
    trace = {"name": "X-Trace", "in": "header", "schema": {"type": "string"}}
    return {
        "openapi": "3.0.3",
        "info": {"title": "Orders", "version": "1"},
        "components": {"securitySchemes": {"key": {"type": "apiKey", "in": "header", "name": "X-Order-Key"}}},
        "security": [{"key": []}],
        "paths": {
            "/orders": {
                "get": {**answer, "parameters": [outcome, trace]},
                "post": answer,
                "delete": answer,
            },
            "/declared": {"get": answer, "options": answer},
        },
    }


def gateway(cors: Any = None, triggers: Any = None, **options: Any) -> Client:
    """The document with CORS on every operation, or as ``triggers`` say."""
    RUNS.clear()
    content = document()
    keys = [f"{method} {path}" for path, item in content["paths"].items() for method in item]
    return serve(
        content,
        authentication="document",
        trigger={} if cors is None else {"policies": {"cors": cors}},
        triggers=triggers,
        bindings={key: {"kind": "python", "function": "ran"} for key in keys},
        functions={"ran": ran},
        keys=[api_key(KEY), api_key("narrow", "narrow", rules=())],
        **options,
    )


def call(client: Client, origin: str | None, target: str = "/orders", method: str = "GET", key: str = KEY) -> Answer:
    """A call as a page of that origin makes it."""
    fields = {"X-Order-Key": key, **({} if origin is None else {"Origin": origin})}
    return client.request(method, target, fields)


def ask(client: Client, origin: str, method: str = "GET", headers: str = "", target: str = "/orders") -> Answer:
    """A preflight as a browser sends it: without credentials."""
    fields = {"Origin": origin, "Access-Control-Request-Method": method}
    if headers:
        fields["Access-Control-Request-Headers"] = headers
    return client.request("OPTIONS", target, fields)


def allowed(answer: Answer) -> str | None:
    """The origin that is allowed, if one is; there is never more than one word on it."""
    assert len(answer.all("access-control-allow-origin")) <= 1
    return answer.header("access-control-allow-origin")


# ---- origins ---------------------------------------------------------------------------------------------------------


@pytest.mark.rows("F-045")
def test_cors_is_off_unless_switched_on() -> None:
    """No word about origins, no Vary, and a preflight is an OPTIONS that nobody declared."""
    client = gateway()
    answer = call(client, A)
    assert (answer.status, allowed(answer), answer.header("vary")) == (200, None, "Accept")
    assert ask(client, A).status == 405
    RUNS.clear()
    assert ask(client, A, "GET", target="/declared").status == 401


@pytest.mark.rows("F-046", "H-052")
def test_a_listed_origin_may_read_and_another_may_not() -> None:
    """The one is named back, the other gets an answer that its browser keeps to itself."""
    client = gateway({"origins": A})
    assert allowed(call(client, A)) == A
    assert allowed(call(client, "https://b.example")) is None
    assert call(client, "https://b.example").status == 200
    assert allowed(call(client, None)) is None


@pytest.mark.rows("F-047")
def test_an_asterisk_is_every_origin() -> None:
    """Then the answer is the same for all, and says so."""
    client = gateway({"origins": "*"})
    assert {allowed(call(client, origin)) for origin in (A, "http://x.example:1", "null")} == {"*"}
    assert allowed(ask(client, A)) == "*"


@pytest.mark.rows("F-048", "F-049")
@pytest.mark.parametrize(
    "origins",
    [
        "https://a.example, https://b.example;https://c.example:8443",
        " https://a.example ;; https://b.example ,https://c.example:8443,",
        ["https://a.example", " https://b.example ", "https://c.example:8443"],
    ],
)
def test_origins_are_separated_by_comma_or_semicolon(origins: Any) -> None:
    """Mixed, with blanks, or as a list; the colon belongs to scheme and port."""
    client = gateway({"origins": origins})
    for origin in (A, "https://b.example", "https://c.example:8443"):
        assert allowed(call(client, origin)) == origin
    assert allowed(call(client, "https://c.example")) is None


CONFIGURATIONS = {
    "one": {"origins": "https://a.example"},
    "default port": {"origins": "https://a.example:443"},
    "upper case": {"origins": "HTTPS://A.Example"},
    "port": {"origins": "https://a.example:8443"},
    "plain": {"origins": "http://a.example:80"},
    "idn": {"origins": "https://bücher.example"},
    "address": {"origins": "http://127.0.0.1:3000; http://[::1]:3000"},
    "credentials": {"origins": "https://a.example", "credentials": True},
    "all": {"origins": "*"},
}
SECURE, PLAIN = {"one", "default port", "upper case", "credentials"}, {"plain"}
# forty spellings of where a page comes from -> the configurations under which it may read
ORIGINS: dict[str, set[str]] = {
    "https://a.example": SECURE,
    "https://a.example:443": SECURE,
    "HTTPS://a.example": SECURE,
    "https://A.EXAMPLE": SECURE,
    "https://a.example:8443": {"port"},
    "http://a.example": PLAIN,
    "http://a.example:80": PLAIN,
    "https://xn--bcher-kva.example": {"idn"},
    "https://XN--BCHER-KVA.example:443": {"idn"},
    "http://127.0.0.1:3000": {"address"},
    "http://[::1]:3000": {"address"},
    "http://[0:0:0:0:0:0:0:1]:3000": {"address"},
    "null": set(),
    "NULL": set(),
    "": set(),
    "*": set(),
    "https://": set(),
    "a.example": set(),
    "//a.example": set(),
    "https://a.example.": set(),
    "https://.a.example": set(),
    "https://xa.example": set(),
    "https://sub.a.example": set(),
    "https://a.example.evil.example": set(),
    "https://a.example-evil.example": set(),
    "https://a.examplee": set(),
    "https://a.exampl": set(),
    "https://a_example": set(),
    "https://aXexample": set(),
    "https://evil.example/https://a.example": set(),
    "https://evil.example#https://a.example": set(),
    "https://evil.example?https://a.example": set(),
    "https://a.example@evil.example": set(),
    "https://a.example:8443@evil.example": set(),
    "https://a.example/": set(),
    "https://a.example:0443": set(),
    "https://a.example:80": set(),
    "http://a.example:443": set(),
    "https://a.example https://b.example": set(),
    "https://a.example, https://a.example": set(),
    "https://b\xfccher.example": set(),
    "https://\xe0.example": set(),
    "http://127.0.0.1": set(),
    "http://localhost:3000": set(),
    "ftp://a.example": set(),
    "https:/a.example": set(),
}


def expected(origin: str, name: str) -> str | None:
    """What an answer says by the table."""
    return "*" if name == "all" else origin if name in ORIGINS[origin] else None


@pytest.mark.rows("F-050", "F-051")
@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_origins_are_compared_whole(name: str) -> None:
    """S-30: only what is the same by scheme, host and port is named back, Vary says Origin, null is never named."""
    assert len(ORIGINS) >= 40
    client = gateway(CONFIGURATIONS[name])
    for origin in ORIGINS:
        for answer in (call(client, origin), ask(client, origin), call(client, origin, key="wrong")):
            assert allowed(answer) == expected(origin, name), (origin, answer.headers)
            assert "Origin" in answer.all("vary")
            sends_cookies = answer.header("access-control-allow-credentials")
            assert sends_cookies == ("true" if name == "credentials" and allowed(answer) else None)
            assert allowed(answer) != "null" and answer.status < 500
    assert "Origin" in call(client, None).all("vary")


def naive(origin: str, config: Any) -> bool:
    """The mutant of S-30: how origins are often compared, by prefix and suffix."""
    listed = [text.strip() for text in config["origins"].replace(";", ",").split(",")]
    return any(origin.startswith(text) or origin.endswith(text.removeprefix("https://")) for text in listed)


def test_the_table_of_origins_catches_a_naive_comparison() -> None:
    """It disagrees with the table in many places, so that the test above can fail."""
    one = CONFIGURATIONS["one"]
    wrong = [origin for origin in ORIGINS if naive(origin, one) != (expected(origin, "one") is not None)]
    assert len(wrong) >= 10


@pytest.mark.parametrize(
    "origins",
    [
        *("", " , ;", [], "null", "a.example", "https://*.example", "https://a.example/", "https://a.example/page"),
        *("https://a.example:0", "https://a.example:65536", "https://user@a.example", "https://a.example b.example"),
        *("https://", "https://exa mple", "https://[::g]", f"https://{'ü' * 64}.example", "https://a.example?x"),
    ],
)
def test_what_is_no_origin_is_refused(origins: Any) -> None:
    """At the time it is set, hence before any page finds out."""
    with pytest.raises(SnapshotRefused, match="cors: "):
        gateway({"origins": origins})


def test_the_port_at_its_limit() -> None:
    """65535 is a port."""
    assert Origins(("https://a.example:65535",)).allow(b"https://a.example:65535") == b"https://a.example:65535"


@pytest.mark.parametrize("origins", ["*", "https://a.example, *", ["*"]])
def test_an_asterisk_excludes_credentials(origins: Any) -> None:
    """Otherwise any page could act as whoever looks at it."""
    with pytest.raises(SnapshotRefused, match="excludes `credentials`"):
        gateway({"origins": origins, "credentials": True})


# ---- preflights ------------------------------------------------------------------------------------------------------


@pytest.mark.rows("F-052")
def test_a_preflight_needs_no_credentials_and_starts_no_process() -> None:
    """Although the document declares no OPTIONS, and although it does."""
    client = gateway({"origins": A, "maxAge": 5})
    answer = ask(client, A, "POST", "x-order-key, content-type")
    assert (answer.status, answer.body, RUNS) == (204, b"", [])
    assert {name: value for name, value in answer.headers if name.startswith("access-control-")} == {
        "access-control-allow-origin": A,
        "access-control-allow-methods": "POST",
        "access-control-allow-headers": "Content-Type, Authorization, X-API-Key, X-Order-Key",
        "access-control-max-age": "5",
    }
    assert ask(client, A, target="/declared").status == 204 and not RUNS
    assert call(client, A, "/declared", "OPTIONS").status == 200 and RUNS == ["OPTIONS"]
    assert call(client, A, "/declared", "OPTIONS", key="wrong").status == 401


def test_an_options_that_is_no_preflight_is_not_answered_by_cors() -> None:
    """Without Origin or without the method that is going to be asked for, it is a method that the path has not."""
    client = gateway({"origins": A})
    for fields in ({"Origin": A}, {"Access-Control-Request-Method": "GET"}, {}):
        answer = client.request("OPTIONS", "/orders", fields)
        assert (answer.status, answer.header("access-control-allow-methods")) == (405, None)


@pytest.mark.rows("H-053", "H-054", "H-112")
@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"origin": "https://b.example"}, "the origin 'https://b.example'"),
        ({"origin": "null"}, "the origin 'null'"),
        ({"origin": A, "method": "PUT"}, "the method 'PUT'"),
        ({"origin": A, "method": "DELETE"}, "the method 'DELETE'"),
        ({"origin": A, "method": "get"}, "the method 'get'"),
        ({"origin": A, "headers": "X-Trace,x-other"}, "the header 'x-other'"),
        ({"origin": A, "headers": "*"}, "the header '*'"),
        ({"origin": A, "headers": "authorization"}, "the header 'authorization'"),
    ],
)
def test_the_log_says_what_a_preflight_may_not(asked: Any, said: str, caplog: pytest.LogCaptureFixture) -> None:
    """Origin, method or header, under the id that the answer has; and nothing is allowed."""
    client = gateway({"origins": A, "methods": "GET; POST", "headers": ["X-Trace"]})
    caplog.set_level(logging.INFO)
    answer = ask(client, **asked)
    assert answer.status == 403
    assert not [name for name, _ in answer.headers if name.startswith("access-control-")]
    assert answer.header("vary") == "Origin"
    identity = answer.json()["instance"].removeprefix("urn:apimgmt:request:")
    (line,) = [line for line in caplog.messages if line.startswith(identity)]
    assert "cors-not-allowed" in line and line.endswith(f"CORS does not allow {said}")


@pytest.mark.rows("H-052", "H-112")
def test_the_log_says_which_page_may_not_read(caplog: pytest.LogCaptureFixture) -> None:
    """Also where the browser asked nothing before; a page of the gateway itself is no matter of CORS."""
    client = gateway({"origins": A})
    caplog.set_level(logging.INFO)
    call(client, "http://gateway.example")
    call(client, A)
    assert not caplog.messages
    call(client, "https://b.example")
    assert caplog.messages == ["get /orders: CORS does not allow the origin 'https://b.example'"]


@pytest.mark.rows("H-053", "H-054")
def test_methods_and_headers_can_be_narrowed() -> None:
    """By default what the operation is and takes; otherwise what is listed, whatever its case."""
    client = gateway({"origins": A})
    assert ask(client, A, "GET").header("access-control-allow-methods") == "GET, HEAD"
    assert ask(client, A, "HEAD").header("access-control-allow-methods") == "GET, HEAD"
    assert ask(client, A, "GET", "X-TRACE,X-Order-Key,content-type,authorization").status == 204
    assert ask(client, A, "POST", "X-Trace").status == 403
    client = gateway({"origins": A, "methods": ["post"], "headers": "X-Mine", "expose": "ETag, X-Theirs"})
    assert ask(client, A, "POST", "x-mine").header("access-control-allow-headers") == "X-Mine"
    assert ask(client, A, "GET").status == 403
    assert allowed(call(client, A)) is None
    answer = call(client, A, method="POST")
    assert (allowed(answer), answer.header("access-control-expose-headers")) == (A, "ETag, X-Theirs")


def test_what_is_said_of_one_operation_opens_no_other() -> None:
    """A preflight is answered by the operation that is going to be called."""
    client = gateway(triggers={"get /orders": {"policies": {"cors": {"origins": A}}}})
    assert ask(client, A, "GET").status == 204
    for method in ("POST", "DELETE"):
        assert ask(client, A, method).status == 405
        assert allowed(call(client, A, method=method)) is None


@pytest.mark.parametrize(
    "config",
    [
        *({"methods": "FETCH"}, {"methods": "*"}, {"headers": "*"}, {"headers": "X Y"}, {"expose": "*"}),
        *(
            {"expose": "X\r\nSet-Cookie: a=b"},
            {"maxAge": 86_401},
            {"maxAge": -1},
            {"credentials": "yes"},
            {"colour": 1},
        ),
    ],
)
def test_a_configuration_is_read_strictly(config: Any) -> None:
    """Names of methods and header fields, one by one, and at most a day."""
    with pytest.raises(SnapshotRefused, match="cors: "):
        gateway({"origins": A, **config})
    assert ask(gateway({"origins": A, "maxAge": 86_400}), A).header("access-control-max-age") == "86400"


def test_a_name_of_the_document_cannot_split_an_answer() -> None:
    """A header parameter whose name is none is left out of what a preflight allows."""
    content = document()
    content["paths"]["/orders"]["post"] = {
        "parameters": [{"name": "X: y\r\nSet-Cookie", "in": "header", "schema": {"type": "string"}}],
        "responses": {"200": {"description": "ok"}},
    }
    client = serve(content, trigger={"policies": {"cors": {"origins": A}}})
    assert "Set-Cookie" not in (ask(client, A, "POST").header("access-control-allow-headers") or "")


# ---- answers ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "key", "status"),
    [
        *(("/orders", "wrong", 401), ("/orders?outcome=missing", KEY, 404), ("/orders?outcome=many", KEY, 429)),
        *(("/orders?outcome=broken", KEY, 500), ("/orders", "narrow", 403)),
    ],
)
def test_problems_can_be_read_by_the_page(target: str, key: str, status: int) -> None:
    """Otherwise a browser shows its user nothing but a network error."""
    client = gateway({"origins": A, "expose": "Retry-After", "credentials": True})
    answer = call(client, A, target, key=key)
    assert (answer.status, allowed(answer)) == (status, A)
    assert answer.header("access-control-allow-credentials") == "true"
    assert answer.header("access-control-expose-headers") == "Retry-After"
    assert allowed(call(client, "https://b.example", target, key=key)) is None


def test_the_process_does_not_contradict_the_policy() -> None:
    """Its own word on CORS is dropped: with two a browser refuses the answer, with its alone it would be too wide."""
    client = gateway({"origins": A})
    answer = call(client, A, "/orders?outcome=own")
    assert (allowed(answer), answer.header("x-theirs"), answer.header("access-control-max-age")) == (A, "1", None)
    assert allowed(call(client, "https://b.example", "/orders?outcome=own")) is None
    assert allowed(call(gateway(), A, "/orders?outcome=own")) == "*"


def test_a_preflight_keeps_to_the_allowed_protocol() -> None:
    """A preflight over the wrong protocol gets what the call would get."""
    policies = {"cors": {"origins": A}, "protocols": {"allow": "https"}}
    client = serve(document(), trigger={"policies": policies})
    answer = ask(client, A)
    assert (answer.status, answer.json()["type"].rpartition("/")[2]) == (403, "protocol-not-allowed")
    client.scheme = "https"
    assert ask(client, A).status == 204
