"""The response cache at the gateway: what is a hit and what never is (S-31), one run for many, 304, clearing."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import http_sf
import pytest

from apimgmt.archive import CLEARINGS_KEPT, Archive
from apimgmt.errors import SettingInvalid
from apimgmt.gateway.runtime import build
from apimgmt.model import ApiEntry, Snapshot
from apimgmt.policies import Place, compose
from apimgmt.policies.caching import LOOK_SECONDS, Answers, Kept
from apimgmt.processes import Answer as Result
from apimgmt.processes import Invocation
from apimgmt.settings import Settings
from apimgmt.shared import Shared
from apimgmt.spec.compiler.compiler import compile_document
from apimgmt.spec.intake.loader import load
from harness import Answer, Client, _exchange, api_key, serve

DOCUMENT = """
openapi: 3.0.3
info: {title: t, version: '1'}
paths:
  /items/{id}:
    get:
      operationId: item
      parameters:
        - {name: id, in: path, required: true, schema: {type: string}}
        - {name: tag, in: query, schema: {type: string}}
        - {name: page, in: query, schema: {type: integer}}
        - {name: trace, in: query, schema: {type: string}}
        - {name: shape, in: query, style: form, explode: true, schema: {$ref: '#/components/schemas/Shape'}}
        - {name: filter, in: query, style: deepObject, explode: true, schema: {type: object}}
        - {name: X-Tenant, in: header, schema: {type: string}}
      responses: {'200': {description: ok, content: {application/json: {}}}}
    post:
      operationId: change
      parameters: [{name: id, in: path, required: true, schema: {type: string}}]
      responses: {'200': {description: ok}}
  /other: {get: {operationId: other, responses: {'200': {description: ok}}}}
components: {schemas: {Shape: {type: object, properties: {r: {type: integer}}}}}
"""
A, B = {"X-API-Key": "key-of-a-0123456789"}, {"X-API-Key": "key-of-b-0123456789"}
KEYS = [api_key("key-of-a-0123456789", "a"), api_key("key-of-b-0123456789", "b")]


class Process:
    """A process that counts its runs and says which one it was, and for whom."""

    def __init__(self, **answer: Any) -> None:
        self.runs = 0
        self.answer = answer

    async def run(self, trigger: Invocation) -> Any:
        """The number of this run, with the caller's name."""
        self.runs += 1
        value = {"run": self.runs, "for": trigger.data.username}
        await asyncio.sleep(0)
        return Result(value, **self.answer)


def cached(
    folder: Path, process: Any, key: bool = True, cache: dict[str, Any] | None = None, **settings: Any
) -> Client:
    """A gateway whose operations run ``process`` behind a cache."""
    names = ("item", "change", "other")
    policies = {"cache": {"seconds": 60, **(cache or {})}}
    return serve(
        DOCUMENT,
        bindings={name: {"kind": "python", "function": "cached_process"} for name in names},
        functions={"cached_process": process},
        settings=Settings(data=str(folder), **settings),
        triggers={
            "item": {"policies": policies},
            "change": {"policies": {"cache": {"seconds": 60}}},
            "other": {"policies": {"cache": {"seconds": 60}}},
        },
        authentication="apiKey" if key else "none",
        keys=KEYS,
    )


def status_of(answer: Answer) -> str:
    """``hit``, or why it was forwarded and what else there is to say (RFC 9211)."""
    ((name, said),) = http_sf.parse((answer.header("Cache-Status") or "").encode(), tltype="list")
    assert str(name) == "apimgmt"
    return " ".join(
        str(said.get("fwd", "")).split() + [word for word in ("hit", "stored", "collapsed") if word in said]
    )


@pytest.mark.rows("H-055")
def test_the_process_does_not_run_again(tmp_path: Path) -> None:
    """The second answer is the first one, with its age and an entity tag."""
    process = Process()
    client = cached(tmp_path, process.run)
    first, second = client.get("/items/1", A), client.get("/items/1", A)
    assert (process.runs, first.body) == (1, second.body)
    assert (status_of(first), status_of(second)) == ("miss stored", "hit")
    assert (first.header("Age"), second.header("Age")) == (None, "0")
    assert first.header("ETag") == second.header("ETag") is not None


def test_what_is_kept_is_kept_for_its_seconds_only(tmp_path: Path) -> None:
    """A second, and not longer; a shorter age that the process gives counts."""
    process = Process()
    client = cached(tmp_path, process.run, cache={"seconds": 1})
    assert [status_of(client.get("/items/1", A)) for _ in range(2)] == ["miss stored", "hit"]
    time.sleep(1.01)
    assert status_of(client.get("/items/1", A)) == "miss stored"
    short = Process(headers=[("Cache-Control", "max-age=1")])
    client = cached(tmp_path, short.run)
    assert [status_of(client.get("/items/1", A)) for _ in range(2)] == ["miss stored", "hit"]
    time.sleep(1.01)
    assert status_of(client.get("/items/1", A)) == "miss stored"


# What is asked after ``GET /items/1?tag=a&page=2`` of the same caller, and whether it is the same question.
VARIATIONS: list[tuple[str, str, dict[str, str], bool]] = [
    ("GET", "/items/1?tag=a&page=2", {}, True),
    ("GET", "/items/1?page=2&tag=a", {}, True),
    ("GET", "/items/1?tag=%61&page=2", {}, True),
    ("GET", "/items/%31?tag=a&page=2", {}, True),
    ("GET", "/items/1?tag=a&page=2", {"User-Agent": "x"}, True),
    ("GET", "/items/1?tag=a&page=2", {"X-Forwarded-Host": "evil.example"}, True),
    ("GET", "/items/1?tag=a&page=2", {"Range": "bytes=0-3"}, True),
    ("GET", "/items/1?tag=a&page=2", {"Cache-Control": "no-cache"}, True),
    ("GET", "/items/2?tag=a&page=2", {}, False),
    ("GET", "/items/1", {}, False),
    ("GET", "/items/1?tag=a", {}, False),
    ("GET", "/items/1?tag=a&page=3", {}, False),
    ("GET", "/items/1?tag=A&page=2", {}, False),
    ("GET", "/items/1?tag=a&page=2&unknown=1", {}, False),
    ("GET", "/items/1?tag=a&page=2&tag=a", {}, False),
    ("GET", "/items/1?tag=b&tag=a&page=2", {}, False),
    ("GET", "/items/1?tag=a%26page=2", {}, False),
    ("GET", "/items/1?tag=a&page=2", {"X-Tenant": "x"}, False),
    ("GET", "/items/1?tag=a&page=2", {"Accept": "application/xml"}, False),
    ("GET", "/items/1?tag=a&page=2", {"Accept-Encoding": "gzip"}, False),
    ("GET", "/items/1?tag=a&page=2", {"Host": "evil.example"}, False),
    ("GET", "/items/1?tag=a&page=2", {"Cookie": "session=1"}, False),
    ("GET", "/items/1?tag=a&page=2", {"Authorization": "Bearer x"}, False),
    ("HEAD", "/items/1?tag=a&page=2", {}, False),
    ("GET", "/items/1?tag=a&page=2&api_key=key-of-a-0123456789", {}, True),
    ("GET", "/items/1/?tag=a&page=2", {}, False),
    ("GET", "/items/1?tag=a&page=02", {}, False),
    ("GET", "/other?tag=a&page=2", {}, False),
    ("POST", "/items/1", {}, False),
    ("GET", "/items/1?tag=&page=2", {}, False),
]


@pytest.mark.rows("H-056", "H-058")
@pytest.mark.parametrize(("method", "target", "headers", "same"), VARIATIONS)
def test_only_the_same_question_of_the_same_caller_is_a_hit(
    tmp_path: Path, method: str, target: str, headers: dict[str, str], same: bool
) -> None:
    """30 variations, each asked by the same caller and by another one, who never gets the answer to the first."""
    process = Process()
    client = cached(tmp_path, process.run)
    assert client.get("/items/1?tag=a&page=2", A).json() == {"run": 1, "for": "a"}
    asked = client.request(method, target, {**A, **headers})
    assert process.runs == (1 if same or asked.status in (400, 401, 404) else 2)
    assert same is ("hit" in (asked.header("Cache-Status") or ""))
    by_another = client.request(method, target.replace("key-of-a", "key-of-b"), {**B, **headers})
    assert "hit" not in (by_another.header("Cache-Status") or "")
    assert b'"a"' not in by_another.body and b">a<" not in by_another.body
    assert by_another.status in (400, 401, 404) or process.runs == (2 if same else 3)


def test_public_operations_have_one_cache_for_everybody(tmp_path: Path) -> None:
    """Whoever sends no credentials is nobody in particular; whoever sends some is."""
    process = Process()
    client = cached(tmp_path, process.run, key=False)
    assert status_of(client.get("/items/1")) == "miss stored"
    client.address = "192.0.2.99"
    assert status_of(client.get("/items/1")) == "hit"
    assert status_of(client.get("/items/1", {"Authorization": "Basic eDp5"})) == "miss stored"


@pytest.mark.rows("H-056")
@pytest.mark.parametrize(
    ("cache", "target", "same"),
    [
        ({"ignore": ["query.trace"]}, "/items/1?tag=a&trace=2", True),
        ({"ignore": ["query.trace"]}, "/items/1?tag=b&trace=1", False),
        ({"ignore": ["query.trace"]}, "/items/1?tag=a&trace=1&unknown=1", False),
        ({"ignore": ["query.filter"]}, "/items/1?tag=a&trace=1&filter[x]=1", True),
        ({"ignore": ["path.id"]}, "/items/2?tag=a&trace=1", True),
        ({"vary": ["path.id", "query.tag"]}, "/items/1?tag=a&trace=9&unknown=1", True),
        ({"vary": ["path.id", "query.tag"]}, "/items/2?tag=a", False),
        ({"vary": ["query.filter"]}, "/items/1?filter[x]=1", False),
        ({"vary": []}, "/items/9?tag=z", True),
    ],
)
def test_the_designer_says_what_is_in_the_key(tmp_path: Path, cache: dict[str, Any], target: str, same: bool) -> None:
    """Named parameters only, or all but named ones."""
    client = cached(tmp_path, Process().run, cache=cache)
    client.get("/items/1?tag=a&trace=1", A)
    assert status_of(client.get(target, A)) == ("hit" if same else "miss stored")


@pytest.mark.parametrize(
    ("cache", "pointer"),
    [
        ({"vary": ["query.nothing"]}, "/cache/vary/0"),
        ({"vary": ["tag"]}, "/cache/vary/0"),
        ({"ignore": ["query.tag", "query.shape"]}, "/cache/ignore/1"),
        ({"seconds": 0}, "/cache/seconds"),
        ({"seconds": 86_401}, "/cache/seconds"),
    ],
)
def test_a_key_that_cannot_be_is_refused_with_its_place(tmp_path: Path, cache: dict[str, Any], pointer: str) -> None:
    """What is not declared; an object whose properties are query parameters of their own, so that nothing names it."""
    compiled = compile_document(load(DOCUMENT.encode(), "application/yaml", Settings()))
    settings = Settings(data=str(tmp_path))
    entry = ApiEntry(id="api", name="api", base_path="", revision=1, digest="")
    place = Place(entry, compiled, compiled.operations[0], ("id",), settings, Shared(settings))
    with pytest.raises(SettingInvalid) as refused:
        compose({"cache": {"seconds": 1, **cache}}, place)
    assert refused.value.pointer == pointer


@pytest.mark.rows("H-058")
@pytest.mark.parametrize(
    ("answer", "stored"),
    [
        ({"status": 201}, False),
        ({"status": 206}, False),
        ({"status": 401}, False),
        ({"status": 404}, False),
        ({"status": 500}, False),
        ({"headers": [("Set-Cookie", "a=b")]}, False),
        ({"headers": [("Cache-Control", "no-store")]}, False),
        ({"headers": [("Cache-Control", "max-age=60, Private")]}, False),
        ({"headers": [("Cache-Control", 'no-cache="x"')]}, False),
        ({"headers": [("Cache-Control", "max-age=0")]}, False),
        ({"headers": [("Cache-Control", "max-age=nonsense")]}, False),
        ({"headers": [("Cache-Control", "max-age=60, s-maxage=0")]}, False),
        ({"headers": [("Expires", "0")]}, False),
        ({"headers": [("Expires", "Thu, 01 Jan 1970 00:00:00 GMT")]}, False),
        ({"headers": [("Vary", "*")]}, False),
        ({"headers": [("Vary", ", ".join(f"X-{number}" for number in range(20)))]}, False),
        ({"headers": [("Vary", "Accept, Origin")]}, True),
        ({"headers": [("Vary", "Accept, x-tenant, Authorization")]}, True),
        ({"headers": [("Cache-Control", "max-age=60")]}, True),
        ({"headers": [("Expires", "Thu, 01 Jan 2099 00:00:00 GMT")]}, True),
        ({}, True),
    ],
)
def test_what_must_not_be_kept_is_not(tmp_path: Path, answer: dict[str, Any], stored: bool) -> None:
    """Anything but a 200 without cookies that its process has nothing against."""
    process = Process(**answer)
    client = cached(tmp_path, process.run)
    assert [status_of(client.get("/items/1", A)) for _ in range(2)] == (
        ["miss stored", "hit"] if stored else ["miss"] * 2
    )
    assert process.runs == (1 if stored else 2)


def test_header_fields_that_an_answer_depends_on_are_in_the_key(tmp_path: Path) -> None:
    """``Vary`` is learned from the first answer, and holds for those who waited for it, too (RFC 9111 section 4.1)."""

    async def run(trigger: Invocation) -> Result:
        await asyncio.sleep(0)
        return Result({"in": trigger.data.httpHeaders["accept-language"]}, headers=[("Vary", "Accept-Language")])

    client = cached(tmp_path, run, key=False)
    for expected in ("miss stored", "hit"):
        for language in ("de", "fr"):
            answer = client.get("/items/1", {"Accept-Language": language})
            assert (answer.json(), status_of(answer)) == ({"in": language}, expected)
    fresh = cached(tmp_path, run, key=False)

    async def at_once() -> list[Answer]:
        scopes = [fresh.scope("GET", "/items/1", {"accept-language": [text]}) for text in ("de", "fr", "de")]
        return await asyncio.gather(*(_exchange(fresh.app, scope, []) for scope in scopes))

    assert [answer.json()["in"] for answer in asyncio.run(at_once())] == ["de", "fr", "de"]


def test_requests_with_a_body_go_past_the_cache(tmp_path: Path) -> None:
    """A body may decide anything, and is not in the key."""
    process = Process()
    client = cached(tmp_path, process.run)
    answers = [client.request("GET", "/items/1", A, b"x") for _ in range(2)]
    assert (process.runs, {status_of(answer) for answer in answers}) == (2, {"bypass"})


@pytest.mark.parametrize("known", ['"v1"', 'W/"v1"', '"x", "v1"', "*"])
def test_who_has_the_answer_already_is_told_so(tmp_path: Path, known: str) -> None:
    """304 on a hit and on the miss that stored it, with the fields of RFC 9110 section 15.4.5, without a body."""
    client = cached(tmp_path, Process(headers=[("ETag", '"v1"'), ("X-More", "1")]).run)
    for expected in ("miss stored", "hit"):
        answer = client.get("/items/1", {**A, "If-None-Match": known})
        assert (answer.status, answer.body, status_of(answer), answer.header("ETag")) == (304, b"", expected, '"v1"')
        assert answer.header("X-More") is None
    assert client.get("/items/1", {**A, "If-None-Match": '"v2"'}).status == 200


def together(client: Client, targets: Sequence[str], headers: dict[str, str]) -> list[Answer]:
    """Requests at the same time, on the loop of the gateway."""

    async def all_of_them() -> list[Answer]:
        scopes = [client.scope("GET", target, {name: [text] for name, text in headers.items()}) for target in targets]
        for scope in scopes:
            scope["headers"] = [(name.lower(), text) for name, text in scope["headers"]]
        return await asyncio.gather(*(_exchange(client.app, scope, []) for scope in scopes))

    return asyncio.run(all_of_them())


def test_a_stampede_runs_the_process_once(tmp_path: Path) -> None:
    """200 callers at once: one run, one answer; the others say that they waited for it."""
    process = Process()
    answers = together(cached(tmp_path, process.run), ["/items/1"] * 200, A)
    assert process.runs == 1 and {answer.body for answer in answers} == {answers[0].body}
    assert sorted(map(status_of, answers)) == ["miss collapsed"] * 199 + ["miss stored"]


def test_a_stampede_for_what_is_not_kept_runs_for_everybody(tmp_path: Path) -> None:
    """Nobody gets another's answer, and nobody waits for more than one run."""
    process = Process(headers=[("Cache-Control", "private")])
    answers = together(cached(tmp_path, process.run), ["/items/1"] * 50, A)
    assert process.runs == 50 and len({answer.body for answer in answers}) == 50


def test_whoever_waits_for_a_run_that_takes_too_long_is_told_so_at_once(tmp_path: Path) -> None:
    """All get 504 when the first does, instead of running into the timeout one after another."""
    runs = []

    async def slow(trigger: Invocation) -> str:
        runs.append(1)
        await asyncio.sleep(30)
        return "late"

    client = serve(
        DOCUMENT,
        bindings={"other": {"kind": "python", "function": "cached_process"}},
        functions={"cached_process": slow},
        settings=Settings(data=str(tmp_path)),
        trigger={"policies": {"cache": {"seconds": 60}}, "timeout": 0.3},
    )
    begun = time.monotonic()
    answers = together(client, ["/other"] * 20, {})
    assert {answer.status for answer in answers} == {504} and len(runs) == 1
    assert time.monotonic() - begun < 5


def test_when_the_first_goes_away_another_runs_for_all(tmp_path: Path) -> None:
    """Its task is cancelled in the middle of the run: the others neither fail nor wait for ever."""
    process = Process()

    async def scenario() -> list[Answer]:
        client = cached(tmp_path, process.run, key=False)
        tasks = [asyncio.create_task(_exchange(client.app, client.scope("GET", "/items/1"), [])) for _ in range(10)]
        await asyncio.sleep(0)
        tasks[0].cancel()
        return [answer for answer in await asyncio.gather(*tasks, return_exceptions=True) if isinstance(answer, Answer)]

    answers = asyncio.run(scenario())
    assert len(answers) == 9 and {answer.body for answer in answers} == {b'{"run":2,"for":null}'} and process.runs == 2


@pytest.mark.rows("H-057")
@pytest.mark.parametrize(
    ("clearing", "gone"),
    [
        ({"api": "api_sample"}, {"/items/1?tag=a", "/items/2", "/other"}),
        ({"api": "api_sample", "operation": "get /items/{id}"}, {"/items/1?tag=a", "/items/2"}),
        ({"api": "api_sample", "operation": "get /items/{id}", "key": "path.id=1&query.tag=a"}, {"/items/1?tag=a"}),
        ({"api": "api_sample", "key": "path.id=2"}, {"/items/2"}),
        ({"api": "another"}, set()),
    ],
)
def test_answers_are_cleared_by_key_operation_or_api(tmp_path: Path, clearing: dict[str, str], gone: set[str]) -> None:
    """Within a second, of every caller; all others stay."""
    client = cached(tmp_path, Process().run)
    targets = ("/items/1?tag=a", "/items/2", "/other")
    for headers in (A, B):
        for target in targets:
            client.get(target, headers)
    Archive(tmp_path).clear(**clearing)
    time.sleep(LOOK_SECONDS)
    for headers in (A, B):
        missed = {target for target in targets if status_of(client.get(target, headers)) != "hit"}
        assert missed == gone


def test_what_is_cleared_while_the_process_runs_is_not_kept(tmp_path: Path) -> None:
    """What it read may be what was wrong."""

    async def run(trigger: Invocation) -> dict[str, int]:
        Archive(tmp_path).clear("api_sample")
        return {"a": 1}

    client = cached(tmp_path, run)
    assert [status_of(client.get("/items/1", A)) for _ in range(2)] == ["miss", "miss"]


def test_a_worker_that_missed_clearings_forgets_everything(tmp_path: Path) -> None:
    """More were made than are noted since it last looked."""
    client = cached(tmp_path, Process().run)
    client.get("/items/1", A)
    for _ in range(CLEARINGS_KEPT + 1):
        Archive(tmp_path).clear("another")
    time.sleep(LOOK_SECONDS)
    assert status_of(client.get("/items/1", A)) == "miss stored"


def test_a_change_of_the_api_begins_with_an_empty_cache(tmp_path: Path) -> None:
    """Another process behind an operation, another revision: nothing of what was before is answered; a publish that
    does not touch the API keeps it."""
    process = Process()
    client = cached(tmp_path, process.run)
    client.get("/items/1", A)
    runtime = client.app.runtime
    entry = next(iter(runtime.stacks.values())).entry
    compiled = compile_document(load(DOCUMENT.encode(), "application/yaml", Settings()))
    settings = Settings(data=str(tmp_path))

    def publish(changed: ApiEntry) -> None:
        snapshot = Snapshot(number=2, created="", apis=(changed,), keys=tuple(KEYS))
        client.app.runtime = build(snapshot, lambda _: compiled, lambda _: b"{}", settings, client.app.runtime)

    publish(entry)
    assert status_of(client.get("/items/1", A)) == "hit"
    fields = {name: getattr(entry, name) for name in ApiEntry.__struct_fields__}
    publish(ApiEntry(**{**fields, "revision": 2}))
    assert status_of(client.get("/items/1", A)) == "miss stored"
    publish(ApiEntry(**{**fields, "bindings": {}}))
    assert "fwd=miss" in (client.get("/items/1", A).header("Cache-Status") or "")


def test_memory_is_bounded_and_the_least_used_go_first(tmp_path: Path) -> None:
    """At the bound and one past it; an answer that alone would fill the cache is not kept."""
    answers = Answers(Settings(data=str(tmp_path), cache_bytes=100_000))
    now = time.monotonic()

    def kept(size: int) -> Kept:
        return Kept("api", "op", "", [], b"x" * size, b"", now, now + 60)

    fits = 100_000 // kept(8_000).size
    for number in range(fits):
        assert answers.keep(number, kept(8_000))
    assert answers.find(0, now)
    assert answers.keep(fits, kept(8_000))
    assert [answers.find(number, now) is not None for number in (0, 1, 2, fits)] == [True, False, True, True]
    assert not answers.keep("huge", kept(12_501)) and answers.keep("large", kept(12_500 - kept(0).size))


def test_credentials_are_not_in_the_key_that_is_shown(tmp_path: Path) -> None:
    """A key in the query is one of the credentials, not of the parameters."""
    client = cached(tmp_path, Process().run)
    answer = client.get("/items/1?api_key=key-of-a-0123456789&tag=a")
    assert 'key="path.id=1&query.tag=a"' in (answer.header("Cache-Status") or "")


def test_limits_count_hits_too_and_say_what_is_left(tmp_path: Path) -> None:
    """What policies add for one caller is never kept for the next."""
    policies = {"cache": {"seconds": 60}, "rateLimit": {"limits": [{"requests": 2, "seconds": 60}]}}
    client = serve(DOCUMENT, settings=Settings(data=str(tmp_path)), triggers={"other": {"policies": policies}})
    answers = [client.get("/other") for _ in range(3)]
    assert [answer.status for answer in answers] == [200, 200, 429]
    assert [len(answer.all("RateLimit")) for answer in answers] == [1, 1, 1]
    assert ["r=1" in (answers[0].header("RateLimit") or ""), "r=0" in (answers[1].header("RateLimit") or "")] == [
        True,
        True,
    ]
