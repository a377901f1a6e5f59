"""The real product for the tests of this folder: ``apimgmt start`` in a folder of its own, and what it is asked."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import psutil
import requests

PROGRAM = str(Path(sys.executable).with_name("apimgmt"))
HANDLERS = Path(__file__).with_name("product_handlers.py")
TOKEN = "product-tests-admin-token-0123456789"
PATIENCE_SECONDS = 60.0


class Product:
    """One ``apimgmt start`` with everything below it; ``settings`` are fields of Settings."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.settings = {"handlers": HANDLERS, "workers": 2, **settings}
        self.gateway = ""
        self.admin = ""
        self.secret = ""
        self.process: subprocess.Popen[str] | None = None

    def start(self) -> Product:
        """Start it and wait until both ports answer; a later start takes the ports of the first."""
        variables = {f"APIMGMT_{name.upper()}": str(value) for name, value in self.settings.items()}
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("APIMGMT_")}
        ports = ["--gateway-port", _port(self.gateway), "--admin-port", _port(self.admin)]
        self.process = subprocess.Popen(
            [PROGRAM, "start", "--data", str(self.data), *ports, "--output", "json"],
            cwd=self.folder,
            env=inherited | variables | {"APIMGMT_ADMIN_TOKEN": TOKEN},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self.process.stdout is not None
        text = ""
        for line in self.process.stdout:
            text += line
            if line == "}\n":
                break
        said = json.loads(text)
        self.gateway, self.admin = said["gateway"], said["admin"]
        self.secret = said.get("gatewayTls", "")
        return self

    @property
    def port(self) -> int:
        """The port of the gateway."""
        return int(_port(self.gateway))

    # ---- the admin API -------------------------------------------------------------------------------------------

    def ask(
        self, method: str, path: str, content: Any = None, media_type: str = "application/json", **query: Any
    ) -> Any:
        """The JSON of an answer of the admin API; raises requests.HTTPError, with what it said, for a refusal."""
        content = content if isinstance(content, str | bytes | None) else json.dumps(content)
        headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": media_type}
        url = f"{self.admin}{path}?{urlencode(query)}"
        answer = requests.request(method, url, data=content, headers=headers, timeout=PATIENCE_SECONDS)
        if not answer.ok:
            raise requests.HTTPError(f"{answer.status_code} {answer.text[:3000]}", response=answer)
        return answer.json() if answer.content else None

    def upload(self, name: str, document: Any, media_type: str = "application/yaml", **query: Any) -> Any:
        """Publish a document: JSON values, or text of the media type."""
        query = {"name": name, "publish": "true", **query}
        if isinstance(document, dict):
            document, media_type = json.dumps(document), "application/json"
        return self.ask("POST", "/apis", document, media_type, **query)

    def bind(self, name: str, bindings: Mapping[str, Any]) -> Any:
        """Bind operations and publish."""
        return self.ask("PUT", f"/apis/{name}/bindings", dict(bindings), publish="true")

    def key(self, name: str, *rules: Mapping[str, Any]) -> str:
        """The text of a new API key, which may call everything unless rules are given."""
        body = {"name": name, "rules": list(rules) or [{"methods": ["*"], "path": "/**"}]}
        return str(self.ask("POST", "/keys", body)["key"])

    # ---- processes -----------------------------------------------------------------------------------------------

    def master(self, name: str = "gateway") -> psutil.Process | None:
        """The gunicorn master of the gateway or of the admin API, if it is there."""
        assert self.process is not None
        with contextlib.suppress(psutil.NoSuchProcess):
            for child in psutil.Process(self.process.pid).children():
                with contextlib.suppress(psutil.NoSuchProcess):
                    if f"apimgmt.cli.child {name}" in " ".join(child.cmdline()):
                        return child
        return None

    def workers(self, name: str = "gateway") -> list[psutil.Process]:
        """The workers of a master."""
        master = self.master(name)
        with contextlib.suppress(psutil.NoSuchProcess):
            return [] if master is None else [one for one in master.children() if one.status() != psutil.STATUS_ZOMBIE]
        return []

    def pids(self) -> set[int]:
        """The process ids of the gateway's workers."""
        return {worker.pid for worker in self.workers()}

    def memory(self) -> dict[int, float]:
        """Resident memory of each gateway worker in MB, by process id."""
        return {worker.pid: worker.memory_info().rss / 1e6 for worker in self.workers()}

    def cpu(self) -> float:
        """CPU time of the gateway's workers so far, in seconds."""
        return sum(sum(worker.cpu_times()[:2]) for worker in self.workers())

    def log(self, name: str = "gateway") -> str:
        """What the gateway or the admin process wrote."""
        return (self.data / "logs" / f"{name}.log").read_text("utf-8", "replace")

    def everything(self) -> list[psutil.Process]:
        """The supervisor and all below it."""
        assert self.process is not None
        with contextlib.suppress(psutil.NoSuchProcess):
            supervisor = psutil.Process(self.process.pid)
            return [supervisor, *supervisor.children(recursive=True)]
        return []

    def kill(self) -> None:
        """``kill -9`` of everything at once."""
        victims = self.everything()
        for process in victims:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(victims, timeout=10)

    def stop(self) -> None:
        """Ctrl-C; what is left after that is killed."""
        if self.process is None:
            return
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.kill()


def wait(condition: Callable[[], object], seconds: float = 15.0) -> float:
    """Wait for something; the seconds it took."""
    begun = time.monotonic()
    while not condition():
        assert time.monotonic() - begun < seconds, "it did not happen in time"
        time.sleep(0.02)
    return time.monotonic() - begun


def _port(url: str) -> str:
    found = re.search(r":(\d+)", url.removeprefix("http:"))
    return found[1] if found else "0"
