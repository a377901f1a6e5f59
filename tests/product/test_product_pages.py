"""The page of an API in a real browser: a document cannot run a script, and the page shows no other document.

The documents are :mod:`product_scripts`; reliability.md T8, T19. ``pytest -s`` prints what was shown and what ran. The
short form shows every second text, in documents of all three versions; ``PRODUCT_PAGES=6`` shows them all.
"""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
import requests
from product_browser import Browser, DialogShown, browser, until
from product_elsewhere import DIALOG, EMPTY, FRAME, Elsewhere
from product_platform import Product
from product_scripts import hostile_openapi, hostile_swagger, texts

# Swagger UI draws only what is in sight from 150 tags and operations on, and needs a second for five open operations.
PAGES = 6
SHOWN = int(os.environ.get("PRODUCT_PAGES", "3"))
TEXTS_LEAST, RUN_LEAST = 100, 40
OPERATIONS = "return document.querySelectorAll('.opblock').length"
TITLE = "return document.querySelector('.info .title')?.firstChild.textContent ?? ''"
# Each opens one more layer of the page and says whether there was any.
EXPAND = """
  const closed = [...document.querySelectorAll('#swagger-ui button[aria-expanded="false"]')];
  closed.forEach(button => button.click());
  return closed.length;
"""
OTHER_TABS = """
  document.querySelectorAll("#swagger-ui .tablinks[aria-selected='false'], .try-out__btn").forEach(tab => tab.click());
"""
POKE = """
  for (const element of document.querySelectorAll("#swagger-ui *"))
    for (const kind of ["mouseover", "mouseenter", "focus", "pointerover", "toggle", "animationstart"])
      element.dispatchEvent(new Event(kind));
"""
# What could run: elements, attributes and addresses that no text may bring.
ARMED = """
  const schemes = /^(javascript|data|vbscript):/;
  return [...document.querySelectorAll("#swagger-ui *")].filter(element =>
    /^(script|iframe|frame|object|embed|base|meta|link|animate|set|foreignobject)$/i.test(element.tagName)
    || [...element.attributes].some(attribute => /^on/i.test(attribute.name))
    || schemes.test(element.href?.baseVal ?? element.href ?? "") || schemes.test(element.action ?? "")
  ).map(element => element.outerHTML.slice(0, 200));
"""
FETCHED = "return performance.getEntriesByType('resource').map(entry => entry.name)"
INLINE = """
  const script = document.createElement("script");
  script.text = "top.__xss=1";
  document.body.append(script);
"""
IN_FRAMES = """
  for (const text of arguments[0]) {
    const frame = document.createElement("iframe");
    frame.srcdoc = text;
    document.body.append(frame);
  }
"""


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """One browser for all tests of this file."""
    with browser(tmp_path_factory.mktemp("profile")) as one:
        yield one


@pytest.fixture(scope="module")
def elsewhere(page: Browser, product: Product) -> Iterator[Elsewhere]:
    """Another origin beside the gateway."""
    server = Elsewhere(product.gateway)
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def hostile(product: Product, elsewhere: Elsewhere) -> str:
    """The base path of an API whose texts are all hostile."""
    every = texts(elsewhere.url)[::PAGES]
    product.upload("texts", hostile_openapi("3.0.3", every, elsewhere.url), basePath="/texts")
    return "/texts"


def expand(page: Browser) -> None:
    """Open everything that can be opened."""
    for _ in range(4):
        if page.run(EXPAND) == 0:
            break


def document(version: str, every: list[str], away: str) -> dict[str, Any]:
    """The hostile document of a version."""
    return hostile_swagger(every, away) if version == "2.0" else hostile_openapi(version, every, away)


@pytest.mark.parametrize("first", range(SHOWN))
def test_no_text_of_a_document_runs(first: int, page: Browser, product: Product, elsewhere: Elsewhere) -> None:
    """A text in every field, everything open: no marker, no dialog, nothing that could run, no visit elsewhere."""
    version = ("2.0", "3.0.3", "3.1.0")[first % 3]
    every, name = texts(elsewhere.url)[first::PAGES], f"scripts{first}"
    product.upload(name, document(version, every, elsewhere.url), basePath=f"/{name}")
    elsewhere.visits.clear()
    page.open(f"{product.gateway}/{name}/ui/")
    page.wait("return document.querySelectorAll('.opblock').length >= arguments[0]", len(every))
    expand(page)
    page.run(OTHER_TABS)
    expand(page)
    page.run("document.querySelector('.btn.authorize').click()")
    page.wait("return document.querySelector('.dialog-ux') !== null")
    page.run(POKE)
    assert page.run(OPERATIONS) == len(every)
    print(f"\n{version}: {page.run('return document.querySelectorAll(`*`).length')} elements")
    assert page.run(ARMED) == []
    assert page.ran() == []
    reports = page.run("return window.__reports")
    assert {disposition for _, disposition, _ in reports} <= {"enforce"}
    foreign = {url for url in page.run(FETCHED) if not url.startswith((product.gateway, "data:"))}
    assert foreign <= {blocked for _, _, blocked in reports}
    assert elsewhere.visits == []


def test_the_texts_run_where_nothing_keeps_them(page: Browser, elsewhere: Elsewhere) -> None:
    """The mutant: put into pages as they are, many of the texts run and visit others, and the detectors say so."""
    assert len(set(texts(elsewhere.url))) >= TEXTS_LEAST
    elsewhere.visits.clear()
    page.open(elsewhere.url + EMPTY)
    page.run(IN_FRAMES, [text for text in texts(elsewhere.url) if "(1)" not in text])
    until(lambda: len(page.ran()) >= RUN_LEAST, "the texts run")
    print(f"\n{len(page.ran())} of {len(texts(elsewhere.url))} texts run in a naive page")
    until(lambda: len(set(elsewhere.visits)) >= 5, "others are visited")


def test_dialogs_are_seen(page: Browser, elsewhere: Elsewhere) -> None:
    """The mutant: a page that opens a dialog fails the test that looks at it."""
    page.open(elsewhere.url + EMPTY)
    with pytest.raises(DialogShown):
        page.open(elsewhere.url + DIALOG)
        page.wait("return false")


def test_only_our_policy_stops_an_inline_script(
    page: Browser, product: Product, elsewhere: Elsewhere, bookshop: str
) -> None:
    """The mutant: our page without its policy and with an inline script; with the policy that script is blocked."""
    page.open(f"{elsewhere.url}/bookshop/ui/")
    assert page.ran() == [4711]
    page.open(bookshop)
    page.run(
        "const script = document.createElement('script'); script.text = 'top.__xss=1'; document.body.append(script)"
    )
    until(lambda: page.run("return window.__reports"), "the policy reports")
    assert page.ran() == []


@pytest.mark.parametrize(
    "more",
    [
        "?url={here}",
        "?url={there}",
        "?configUrl={here}",
        "?configUrl={there}",
        "?urls.primaryName=x&spec={here}",
        "?url={here}#/default/getBook",
        "#/?url={here}",
        "#url={here}",
        "#/%22%3E%3Cimg%20src=x%20onerror=top.__xss=1%3E/{here}",
    ],
)
def test_the_url_names_no_document(
    more: str, page: Browser, product: Product, elsewhere: Elsewhere, bookshop: str, hostile: str
) -> None:
    """Neither one of the same gateway nor one of elsewhere, however the URL names it."""
    here, there = (quote(f"{server}{hostile}/openapi.json", safe="") for server in (product.gateway, elsewhere.url))
    page.open(bookshop + more.format(here=here, there=there))
    page.wait(f"{OPERATIONS} > 0")
    fetched = [url for url in page.run(FETCHED) if "json" in url]
    assert (page.run(TITLE).strip(), fetched) == ("Bookshop", [f"{product.gateway}/bookshop/openapi.json"])
    assert page.ran() == []


def test_a_page_configured_by_its_url_shows_another_document(
    page: Browser, product: Product, elsewhere: Elsewhere, bookshop: str, hostile: str
) -> None:
    """The mutant: with ``queryConfigEnabled`` it shows what the URL names; no text runs, even without our policy."""
    page.open(f"{elsewhere.url}/bookshop/ui/?url={quote(f'{elsewhere.url}{hostile}/openapi.json', safe='')}")
    page.wait(f"{OPERATIONS} > {TEXTS_LEAST // PAGES}")
    assert page.ran() == [4711]


def test_the_page_cannot_be_framed(page: Browser, elsewhere: Elsewhere, bookshop: str) -> None:
    """The policy says so and the browser obeys; the same page without the policy (the mutant) is framed."""
    assert "frame-ancestors 'none'" in requests.get(bookshop, timeout=10).headers["content-security-policy"]
    shown = {}
    for name, url in (("ours", bookshop), ("mutant", f"{elsewhere.url}/bookshop/ui/")):
        page.open(elsewhere.url + FRAME + quote(url, safe=""))
        page.enter_frame(0)
        shown[name] = page.run("return document.getElementById('swagger-ui') !== null")
        page.leave_frame()
    assert shown == {"ours": False, "mutant": True}


@pytest.mark.rows("H-078")
def test_try_it_out(page: Browser, product: Product, bookshop: str) -> None:
    """A reader gives the key, fills in the id, executes, and sees the response of the mock; the cURL line below does
    the same, and the document can be had for other tools."""
    page.open(bookshop)
    page.click(".btn.authorize")
    page.type(".auth-container input", product.key("reader"))
    page.click(".auth-btn-wrapper .authorize")
    page.click(".auth-btn-wrapper .btn-done")
    page.wait("return document.querySelector('.dialog-ux') === null")
    page.click("#operations-default-getBook .opblock-summary-control")
    page.click("#operations-default-getBook .try-out__btn")
    page.type("#operations-default-getBook tr[data-param-name=id] input", "7")
    page.click("#operations-default-getBook .execute")
    answer = "document.querySelector('.live-responses-table tbody')?.innerText ?? ''"
    assert "The Left Shelf" in page.wait(f"return {answer}")
    assert page.run(f"return {answer}").lstrip().startswith("200")
    line = str(page.run("return document.querySelector('#operations-default-getBook .curl').innerText"))
    words = shlex.split(line.replace("\\\n", " "))
    assert words[0] == "curl"
    done = subprocess.run([*words, "--silent", "--fail"], capture_output=True, timeout=60, check=True)
    assert b"The Left Shelf" in done.stdout
    document = requests.get(bookshop.removesuffix("ui/") + "openapi.json", timeout=60).json()
    assert "getBook" in {one["operationId"] for item in document["paths"].values() for one in item.values()}


@pytest.mark.rows("H-079")
def test_a_get_works_from_the_address_bar(page: Browser, product: Product) -> None:
    """With the key in the query and a parameter beside it; without the key the browser shows why not."""
    answer = {"description": "them", "content": {"application/json": {"example": {"found": "The Left Shelf"}}}}
    limit = {"name": "limit", "in": "query", "schema": {"type": "integer"}}
    paths = {"/shelves": {"get": {"parameters": [limit], "responses": {"200": answer}}}}
    document = {"openapi": "3.1.0", "info": {"title": "Shelves", "version": "1"}, "paths": paths}
    product.upload("shelves", document, basePath="/shelves-of")
    url, key = f"{product.gateway}/shelves-of/shelves?limit=", product.key("visitor")
    try:
        for query, shown in ((f"5&api_key={key}", "The Left Shelf"), ("5", "credential-missing"), ("x", "credential")):
            page.open(url + query)
            assert shown in str(page.run("return document.documentElement.textContent"))
        page.open(f"{url}x&api_key={key}")
        assert "is not an integer" in str(page.run("return document.documentElement.textContent"))
    finally:
        product.ask("DELETE", "/apis/shelves")
