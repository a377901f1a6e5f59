"""A real browser, by the WebDriver protocol: Debian's ``chromium`` and ``chromium-driver``."""

from __future__ import annotations

import contextlib
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
)
PATIENCE_SECONDS = 20.0
# Before any script of the page: whoever sets the marker, and whatever the policy reports, is kept.
WATCH = """
  window.__ran = []; window.__reports = [];
  Object.defineProperty(window, "__xss", {set: number => { window.__ran.push(number) }});
  window.addEventListener("securitypolicyviolation",
    event => window.__reports.push([event.effectiveDirective, event.disposition, event.blockedURI]), true);
"""


class DialogShown(AssertionError):
    """A page opened an alert, a confirmation or a prompt."""


class Browser:
    """One session; every page is watched."""

    def __init__(self, driver: str) -> None:
        self._session = requests.Session()
        self._session.trust_env = False
        self._url = driver

    def open_session(self, folder: Path) -> None:
        """Start the browser with an empty profile."""
        options = {"binary": shutil.which("chromium"), "args": [*FLAGS.split(), f"--user-data-dir={folder}"]}
        wanted = {"goog:chromeOptions": options, "unhandledPromptBehavior": "dismiss and notify"}
        answer = self._send("POST", "/session", {"capabilities": {"alwaysMatch": wanted}})
        self._url += f"/session/{answer['sessionId']}"
        self._send("POST", "/goog/cdp/execute", _cdp("Page.addScriptToEvaluateOnNewDocument", source=WATCH))

    def close(self) -> None:
        """End the session and the browser."""
        self._send("DELETE", "")

    def open(self, url: str) -> None:
        """Go to a page, also when only the fragment differs, and wait until it is loaded."""
        self._send("POST", "/url", {"url": "about:blank"})
        self._send("POST", "/url", {"url": url})

    def run(self, script: str, *arguments: Any) -> Any:
        """What a script returns."""
        return self._send("POST", "/execute/sync", {"script": script, "args": list(arguments)})

    def wait(self, script: str, *arguments: Any) -> Any:
        """What a script returns as soon as that is true."""
        return until(lambda: self.run(script, *arguments), script)

    def click(self, selector: str) -> None:
        """Click as a user does."""
        self._send("POST", f"/element/{self._element(selector)}/click", {})

    def type(self, selector: str, text: str) -> None:
        """Type into a field."""
        self._send("POST", f"/element/{self._element(selector)}/value", {"text": text})

    def enter_frame(self, number: int) -> None:
        """What is asked next is asked of a frame of the page."""
        self._send("POST", "/frame", {"id": number})

    def leave_frame(self) -> None:
        """Back to the page."""
        self._send("POST", "/frame", {"id": None})

    def ran(self) -> list[int]:
        """The numbers of the texts that ran."""
        return sorted(set(self.run("return window.__ran")))

    def _element(self, selector: str) -> str:
        self.wait("return document.querySelector(arguments[0]) !== null", selector)
        found = self._send("POST", "/element", {"using": "css selector", "value": selector})
        return str(next(iter(found.values())))

    def _send(self, method: str, path: str, content: Any = None) -> Any:
        answer = self._session.request(method, self._url + path, json=content, timeout=60)
        value = answer.json()["value"]
        if answer.ok:
            return value
        if value["error"] == "unexpected alert open":
            raise DialogShown(value["message"])
        raise RuntimeError(f"{value['error']}: {value['message']}")


def _cdp(command: str, **parameters: Any) -> dict[str, Any]:
    return {"cmd": command, "params": parameters}


def until(condition: Callable[[], Any], what: str) -> Any:
    """The first true value of a condition."""
    end = time.monotonic() + PATIENCE_SECONDS
    while not (value := condition()):
        assert time.monotonic() < end, f"never true: {what}"
        time.sleep(0.05)
    return value


@contextlib.contextmanager
def browser(folder: Path) -> Iterator[Browser]:
    """A browser that is gone afterwards; the test is skipped where there is none."""
    for program in ("chromium", "chromedriver"):
        if shutil.which(program) is None:
            pytest.skip(f"there is no {program}: apt install chromium chromium-driver")
    driver = subprocess.Popen(["chromedriver", "--port=0"], stdout=subprocess.PIPE, text=True)
    try:
        assert driver.stdout is not None
        port = next(found[1] for line in driver.stdout if (found := re.search(r"successfully on port (\d+)", line)))
        one = Browser(f"http://127.0.0.1:{port}")
        one.open_session(folder)
        try:
            yield one
        finally:
            one.close()
    finally:
        driver.terminate()
        driver.wait(10)
