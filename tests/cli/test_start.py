"""``apimgmt start`` as a new user meets it: real processes, real sockets, a folder of its own."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import psutil
import pytest
import requests

from apimgmt.archive import Archive
from apimgmt.cli.start import rejection
from apimgmt.model import WorkerReport
from apimgmt.settings import Settings

PROGRAM = str(Path(sys.executable).with_name("apimgmt"))
READY_SECONDS = 30
DOCUMENT = """
openapi: 3.0.3
info: {title: Pets, version: "1"}
paths:
  /pets/{id}:
    get:
      operationId: get_pet
      parameters: [{name: id, in: path, required: true, schema: {type: integer}}]
      responses: {"200": {description: the pet, content: {application/json: {example: {mocked: true}}}}}
  /pets:
    get:
      operationId: list_pets
      responses: {"200": {description: all, content: {application/json: {example: [mocked]}}}}
    post:
      operationId: add_pet
      requestBody: {content: {application/json: {schema: {type: object, required: [name]}}}}
      responses: {"201": {description: added, content: {application/json: {example: {added: true}}}}}
"""
HANDLERS = '''
def get_pet(id):
    """One pet."""
    return {"id": id, "name": "Rex"}
'''


class Platform:
    """One ``apimgmt start`` and everything below it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.lines: list[str] = []
        self.process: subprocess.Popen[str] | None = None
        self.below: list[psutil.Process] = []

    def start(self, *arguments: str, said: IO[str] | None = None, **environment: str) -> Platform:
        """Start on free ports and wait for the last line of what it prints."""
        ports = ["--gateway-port", "0", "--admin-port", "0"]
        command = [PROGRAM, "start", *arguments, "--data", str(self.folder / "data"), *ports]
        self.process = subprocess.Popen(
            command, cwd=self.folder, env=_environment(**environment), stdout=subprocess.PIPE, stderr=said, text=True
        )
        assert self.process.stdout is not None
        self.lines = []
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))
            if line.startswith("Ctrl-C"):
                break
        assert self.lines and self.lines[-1].startswith("Ctrl-C"), "it ended before it was ready"
        self.below = psutil.Process(self.process.pid).children(recursive=True)
        return self

    def said(self, word: str) -> str:
        """What is printed behind a word; empty if the word is not there."""
        found = [line.strip().removeprefix(word).strip() for line in self.lines if line.strip().startswith(word)]
        return found[0].removesuffix(" (shown this once)") if found else ""

    @property
    def gateway(self) -> str:
        """The URL of the gateway."""
        return self.said("Gateway")

    @property
    def admin(self) -> str:
        """The URL of the admin API."""
        return self.said("Admin API").removesuffix("/ui/")

    def children(self, name: str) -> list[psutil.Process]:
        """The processes of the gateway or the admin API: the master first, then its workers."""
        assert self.process is not None
        masters = [
            process
            for process in psutil.Process(self.process.pid).children()
            if process.is_running() and f"apimgmt.cli.child {name}" in " ".join(process.cmdline())
        ]
        return [masters[0], *masters[0].children()] if masters else []

    def stop(self, number: int = signal.SIGINT) -> int:
        """Send a signal and wait; returns the exit code."""
        assert self.process is not None
        self.below = psutil.Process(self.process.pid).children(recursive=True)
        self.process.send_signal(number)
        return self.process.wait(20)

    def left(self) -> list[psutil.Process]:
        """The processes below it that are still there."""
        return [process for process in self.below if _runs(process)]

    def kill(self) -> None:
        """Kill everything, whatever state it is in."""
        if self.process is None:
            return
        processes = [*self.below]
        with contextlib.suppress(psutil.NoSuchProcess):
            supervisor = psutil.Process(self.process.pid)
            processes += [supervisor, *supervisor.children(recursive=True)]
        for process in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self.process.wait(10)


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[Platform]:
    """A platform that is not started yet; nothing of it outlives the test."""
    started = Platform(tmp_path)
    yield started
    started.kill()


def _environment(**more: str) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("APIMGMT_")}
    return inherited | more


def _wait(condition: Callable[[], object], seconds: float = 15) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def _answers(url: str, **headers: str) -> bool:
    try:
        return requests.get(url, headers=headers, timeout=2).status_code == 200
    except requests.RequestException:
        return False


def _run(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [PROGRAM, *arguments], cwd=folder, env=_environment(**environment), capture_output=True, text=True, timeout=60
    )


def test_a_new_user_starts_the_demo(platform: Platform) -> None:
    """One command prints at most 15 lines with all there is to know, and the curl in it works as printed."""
    began = time.monotonic()
    platform.start("--demo")
    assert time.monotonic() - began < READY_SECONDS
    assert len(platform.lines) <= 15
    assert platform.said("Admin token") and platform.said("API key")
    assert requests.get(platform.said("Swagger UI").split()[0], timeout=5).status_code == 200
    assert requests.get(f"{platform.admin}/ui/", timeout=5).status_code == 200
    command = platform.said("Try")
    assert command.startswith("curl ")
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    answer = subprocess.run(["bash", "-c", f"{command} --silent --fail"], capture_output=True, check=True)
    assert json.loads(answer.stdout)["title"] == "The Left Shelf"


@pytest.mark.rows("H-076", "H-077")
@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_plain_curl_is_enough(platform: Platform) -> None:
    """GET with a query and POST with a JSON body, each with the key as a bearer token."""
    (platform.folder / "pets.yaml").write_text(DOCUMENT)
    platform.start("pets.yaml")
    admin = {"Authorization": f"Bearer {platform.said('Admin token')}"}
    rules = {"name": "shell", "rules": [{"methods": ["*"], "path": "/**"}]}
    key = requests.post(f"{platform.admin}/keys", json=rules, headers=admin, timeout=5).json()["key"]
    curl = ["curl", "--silent", "--fail", "-H", f"Authorization: Bearer {key}"]
    found = subprocess.run([*curl, f"{platform.gateway}/pets?limit=2"], capture_output=True, check=True)
    assert json.loads(found.stdout) == ["mocked"]
    body = ["-H", "Content-Type: application/json", "-d", '{"name": "Rex"}']
    added = subprocess.run([*curl, *body, f"{platform.gateway}/pets"], capture_output=True, check=True)
    assert json.loads(added.stdout) == {"added": True}


def test_a_second_start_goes_on_where_the_first_stopped(platform: Platform) -> None:
    """No new secrets, the old ones are good, and what was uploaded in between is there."""
    platform.start("--demo")
    token, key = platform.said("Admin token"), platform.said("API key")
    (platform.folder / "pets.yaml").write_text(DOCUMENT)
    remote = {"APIMGMT_URL": platform.admin.removesuffix("/api/v1"), "APIMGMT_TOKEN": token}
    uploaded = _run(platform.folder, "upload", "pets.yaml", "--authentication", "none", **remote)
    assert uploaded.returncode == 0, uploaded.stderr
    assert platform.stop() == 0
    assert platform.left() == []

    platform.start("--demo")
    assert platform.said("Admin token") == platform.said("API key") == ""
    assert requests.get(f"{platform.gateway}/pets", timeout=5).json() == ["mocked"]
    assert _answers(f"{platform.gateway}/bookshop/books/7", **{"X-API-Key": key})
    assert _answers(f"{platform.admin}/apis", Authorization=f"Bearer {token}")
    assert not _answers(f"{platform.admin}/apis", Authorization="Bearer wrong")


def test_two_starts_on_one_folder_are_refused(platform: Platform) -> None:
    """The second one says who has the folder and ends with 1; the first goes on."""
    platform.start()
    assert platform.process is not None
    second = _run(platform.folder, "start", "--data", "data", "--gateway-port", "0", "--admin-port", "0")
    assert second.returncode == 1
    assert f"in use by another `apimgmt start` (process {platform.process.pid})" in second.stderr
    assert _answers(f"{platform.gateway}/readyz")


def test_documents_run_the_functions_of_their_operations(platform: Platform) -> None:
    """An operationId that is the name of a function is bound to it, every other operation is a mock."""
    (platform.folder / "pets.yaml").write_text(DOCUMENT)
    (platform.folder / "my_handlers.py").write_text(HANDLERS)
    arguments = ["pets.yaml", "--handlers", "my_handlers.py", "--allow-public"]
    platform.start(*arguments)
    assert requests.get(f"{platform.gateway}/pets/5", timeout=5).json() == {"id": 5, "name": "Rex"}
    assert requests.get(f"{platform.gateway}/pets", timeout=5).json() == ["mocked"]
    assert requests.get(f"{platform.gateway}/pets/five", timeout=5).status_code == 404
    token = platform.said("Admin token")
    assert platform.stop(signal.SIGTERM) == 0

    platform.start(*arguments)
    assert _revisions(platform, token) == [1]
    assert platform.stop() == 0

    (platform.folder / "pets.yaml").write_text(DOCUMENT.replace("/pets:", "/animals:"))
    platform.start(*arguments)
    assert _revisions(platform, token) == [1, 2]
    assert requests.get(f"{platform.gateway}/animals", timeout=5).json() == ["mocked"]
    assert requests.get(f"{platform.gateway}/pets/5", timeout=5).json() == {"id": 5, "name": "Rex"}


def _revisions(platform: Platform, token: str) -> list[int]:
    headers = {"Authorization": f"Bearer {token}"}
    answer: list[dict[str, Any]] = requests.get(
        f"{platform.admin}/apis/pets/revisions", headers=headers, timeout=5
    ).json()
    return [revision["number"] for revision in answer]


def test_a_document_that_is_refused_ends_the_start(platform: Platform) -> None:
    """All findings are printed, nothing is left running, and the next start shows the token that this one did not."""
    (platform.folder / "bad.yaml").write_text("openapi: 3.0.3\ninfo: {title: Bad}\n")
    ports = ["--gateway-port", "0", "--admin-port", "0"]
    refused = _run(platform.folder, "start", "bad.yaml", "--data", "data", *ports)
    assert refused.returncode == 1
    assert "error" in refused.stderr and "bad.yaml: 2 error(s)" in refused.stderr and "2:1" in refused.stderr
    assert platform.start().said("Admin token")


def test_handlers_that_cannot_be_loaded_end_the_start(platform: Platform) -> None:
    """The reason is at the end of what is printed."""
    (platform.folder / "broken.py").write_text("raise ValueError('no handlers today')")
    ports = ["--gateway-port", "0", "--admin-port", "0"]
    refused = _run(platform.folder, "start", "--handlers", "broken.py", "--data", "data", *ports)
    assert refused.returncode == 1
    assert "ValueError: no handlers today" in refused.stderr
    assert 'File "' not in refused.stderr


def test_a_start_without_the_handlers_of_the_last_one_says_so(platform: Platform) -> None:
    """What is published names a function that is not there any more: the gateway goes back, and the start says why."""
    (platform.folder / "pets.yaml").write_text(DOCUMENT)
    (platform.folder / "my_handlers.py").write_text(HANDLERS)
    platform.start("pets.yaml", "--handlers", "my_handlers.py", "--allow-public")
    assert platform.stop() == 0
    with open(platform.folder / "said", "w+") as said:
        platform.start(said=said)
        said.seek(0)
        warning = said.read()
    assert "there is no function 'get_pet' in the handlers" in warning
    assert "start with the same --handlers and settings as before" in warning


@pytest.mark.parametrize(
    ("digests", "rejected", "hopeless", "warned"),
    [
        ([], [], False, False),
        (["b", "b"], ["", ""], False, False),
        (["b", "a"], ["", "b"], False, True),
        (["a", "a"], ["b", "b"], False, True),
        ([""], ["b"], False, True),
        (["", ""], ["b", "b"], True, True),
        (["", "b"], ["b", ""], False, True),
    ],
)
def test_only_when_every_worker_serves_nothing_a_start_has_no_hope(
    tmp_path: Path, digests: list[str], rejected: list[str], hopeless: bool, warned: bool
) -> None:
    """One that has not tried yet, or that serves what was there before, is waited for."""
    archive = Archive(tmp_path)
    living = [os.getpid(), os.getppid()]
    for pid, digest, refused in zip(living, digests, rejected, strict=False):
        reason = "why" if refused else ""
        archive.report(WorkerReport(pid, digest, number=1, seen=time.time(), rejected=refused, reason=reason))
    settings = Settings(data=str(tmp_path), workers=2)
    assert ("why" in rejection(settings, hopeless=True)) == hopeless
    assert ("why" in rejection(settings)) == warned


def test_a_port_in_use_ends_the_start(platform: Platform) -> None:
    """The message names the port."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        refused = _run(platform.folder, "start", "--data", "data", "--gateway-port", port, "--admin-port", "0")
    assert refused.returncode == 1
    assert f"cannot listen on 127.0.0.1:{port}" in refused.stderr


def test_the_token_of_the_environment_is_the_admin_token(platform: Platform) -> None:
    """It is not printed, and it stays when it is not given any more."""
    platform.start(APIMGMT_ADMIN_TOKEN="chosen-by-me")
    assert platform.said("Admin token") == ""
    assert _answers(f"{platform.admin}/apis", Authorization="Bearer chosen-by-me")
    platform.stop()
    platform.start()
    assert _answers(f"{platform.admin}/apis", Authorization="Bearer chosen-by-me")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_leaves_no_process(platform: Platform, number: int) -> None:
    """Exit code 0, and nothing of it is left."""
    platform.start()
    assert len(platform.below) >= 5
    assert platform.stop(number) == 0
    assert platform.left() == []


def test_a_killed_supervisor_leaves_no_process_and_the_next_start_works(platform: Platform) -> None:
    """The children notice by themselves; a start at the same moment waits for them."""
    platform.start("--demo")
    assert platform.stop(signal.SIGKILL) == -signal.SIGKILL
    before = platform.below
    platform.start("--demo")
    assert not [process for process in before if _runs(process)]
    assert _answers(f"{platform.gateway}/readyz")


@pytest.mark.parametrize(("name", "index"), [("gateway", 0), ("gateway", 1), ("admin", 0), ("admin", 1)])
def test_a_killed_process_is_replaced(platform: Platform, name: str, index: int) -> None:
    """Master or worker, gateway or admin: the service is there again, with another process."""
    platform.start()
    url = f"{platform.gateway if name == 'gateway' else platform.admin.removesuffix('/api/v1')}/readyz"
    victim = platform.children(name)[index]
    count = len(platform.children(name))
    victim.kill()
    _wait(lambda: not victim.is_running() and len(platform.children(name)) == count)
    _wait(lambda: _answers(url))
    assert victim.pid not in {process.pid for process in platform.children(name)}


def test_no_acknowledged_upload_is_lost(platform: Platform) -> None:
    """Everything is killed at once right after the answer; the next start serves what was uploaded."""
    platform.start()
    (platform.folder / "pets.yaml").write_text(DOCUMENT)
    remote = {"APIMGMT_URL": platform.admin.removesuffix("/api/v1"), "APIMGMT_TOKEN": platform.said("Admin token")}
    assert _run(platform.folder, "upload", "pets.yaml", "--authentication", "none", **remote).returncode == 0
    platform.kill()
    platform.start()
    assert requests.get(f"{platform.gateway}/pets", timeout=5).json() == ["mocked"]


def test_the_start_is_a_json_object_for_scripts(platform: Platform) -> None:
    """``--output json`` has the same URLs and secrets, and the folder."""
    ports = ["--gateway-port", "0", "--admin-port", "0"]
    platform.process = subprocess.Popen(
        [PROGRAM, "start", "--demo", "--data", "data", *ports, "--output", "json"],
        cwd=platform.folder,
        env=_environment(),
        stdout=subprocess.PIPE,
        text=True,
    )
    assert platform.process.stdout is not None
    text = ""
    for line in platform.process.stdout:
        text += line
        if line == "}\n":
            break
    value = json.loads(text)
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+", value["gateway"])
    assert {"admin", "adminUi", "adminToken", "key", "curl", "apis", "data", "version"} <= set(value)


def _runs(process: psutil.Process) -> bool:
    """Whether it does anything; a dead one whose new parent has not asked for its exit code yet does not."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
