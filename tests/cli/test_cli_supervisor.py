"""The supervisor replaces what dies and leaves nothing behind."""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from apimgmt.cli.supervisor import LOG_BYTES, Child, StartFailed, Stopped, Supervisor, listen, reachable, rotate

SLEEPER = "import time; time.sleep(60)"
STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"
FAMILY = "import os, time; os.fork(); time.sleep(60)"


STRANGERS: set[int] = set()


@pytest.fixture(autouse=True)
def _same_signals_after() -> Iterator[None]:
    """The supervisor takes over the signals of its process; here they are given back."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.getsignal(number) for number in numbers]
    yield
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[[str], Child]]:
    """Makes a child that runs a piece of Python; whatever is left of it is killed at the end."""
    made: list[Child] = []

    def child(code: str) -> Child:
        listener = listen("127.0.0.1", 0)
        made.append(Child("child", [sys.executable, "-c", code], [listener], os.environ, tmp_path / "child.log"))
        return made[-1]

    yield child
    for child_made in made:
        child_made.kill()
        child_made.listener.close()


@pytest.fixture(autouse=True)
def _strangers() -> Iterator[None]:
    """What other tests left running in this process is not ours to look at, let alone to kill."""
    STRANGERS.update(process.pid for process in psutil.Process().children(recursive=True))
    yield
    STRANGERS.clear()


def _descendants() -> list[psutil.Process]:
    found = [process for process in psutil.Process().children(recursive=True) if process.pid not in STRANGERS]
    return [process for process in found if process.status() != psutil.STATUS_ZOMBIE]


def _wait(condition: Callable[[], object], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def test_a_dead_child_is_replaced_at_once_and_then_with_growing_pauses(make: Callable[[str], Child]) -> None:
    """The second death in a row is answered after half a second, not sooner (and in the time of ``_wait``)."""
    child = make(SLEEPER)
    child.start()
    for pause in (0.0, 0.5):
        _descendants()[0].kill()
        _wait(lambda: not child.is_alive())
        began = time.monotonic()
        _wait(lambda: child.mend() or child.is_alive())
        assert time.monotonic() - began >= pause


def test_the_workers_of_a_dead_master_are_told_to_end(make: Callable[[str], Child]) -> None:
    """What the master left behind gets a SIGTERM when it is replaced."""
    child = make(FAMILY)
    child.start()
    _wait(lambda: len(_descendants()) == 2)
    master = next(process for process in _descendants() if process.ppid() == os.getpid())
    workers = master.children()
    master.kill()
    _wait(lambda: not child.is_alive())
    child.mend()
    _wait(lambda: not any(worker.is_running() for worker in workers))


def test_leaving_the_supervisor_stops_everything(make: Callable[[str], Child]) -> None:
    """A signal ends it, without an error, and with all processes of all children."""
    with Supervisor([make(FAMILY), make(SLEEPER)], grace=5) as supervisor:
        supervisor.start()
        _wait(lambda: len(_descendants()) == 3)
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(5)
    assert _descendants() == []


def test_a_child_that_does_not_end_is_killed_after_the_grace(make: Callable[[str], Child], tmp_path: Path) -> None:
    """SIGTERM first, SIGKILL when the time for running requests is over."""
    with Supervisor([make(STUBBORN)], grace=0.5) as supervisor:
        supervisor.start()
        _wait(lambda: "up" in (tmp_path / "child.log").read_text())
        began = time.monotonic()
    assert 0.5 <= time.monotonic() - began < 30
    assert _descendants() == []


def test_an_error_inside_is_not_swallowed(make: Callable[[str], Child]) -> None:
    """Only the signal is no error."""
    with pytest.raises(StartFailed), Supervisor([make(SLEEPER)], grace=5) as supervisor:
        supervisor.start()
        raise StartFailed("no")
    assert _descendants() == []


def test_the_end_of_the_log_says_why_a_child_did_not_start(make: Callable[[str], Child]) -> None:
    """The message has the name of the child and its last words."""
    supervisor = Supervisor([make("raise SystemExit('the disk is on fire')")], grace=5)
    supervisor.start()
    with pytest.raises(StartFailed, match=r"the child process ended; .*\n.*the disk is on fire"):
        supervisor.wait_ready("/readyz")


def test_a_child_that_never_answers_is_given_up(make: Callable[[str], Child]) -> None:
    """Waiting has an end."""
    supervisor = Supervisor([make(SLEEPER)], grace=5)
    supervisor.start()
    with pytest.raises(StartFailed, match="is not ready"):
        supervisor.wait_ready("/readyz", seconds=0.2)


def test_a_start_without_hope_is_given_up_at_once(make: Callable[[str], Child]) -> None:
    """What the gateway can never serve is said when it is known, not after a minute."""
    supervisor = Supervisor([make(SLEEPER)], grace=5)
    supervisor.start()
    answers = iter(["", "there is no function 'get_pet'"])
    with pytest.raises(StartFailed, match="no function 'get_pet'"):
        supervisor.wait_ready("/readyz", seconds=600, hopeless=lambda: next(answers))


def test_a_port_in_use_is_named() -> None:
    """Before anything starts."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(StartFailed, match=f"cannot listen on 127.0.0.1:{port}: .*; choose another port"):
            listen("127.0.0.1", port)


def test_an_open_address_is_reached_on_the_loopback() -> None:
    """URLs for people on this machine do not say 0.0.0.0."""
    assert [reachable(host) for host in ("0.0.0.0", "::", "10.0.0.1")] == ["127.0.0.1", "::1", "10.0.0.1"]


def test_a_log_that_has_grown_too_long_is_put_aside(tmp_path: Path) -> None:
    """At the limit it stays, one byte more and it goes."""
    log = tmp_path / "gateway.log"
    log.write_bytes(b"x" * LOG_BYTES)
    rotate(log)
    assert log.exists()
    log.write_bytes(b"x" * (LOG_BYTES + 1))
    rotate(log)
    assert [path.name for path in tmp_path.iterdir()] == ["gateway.log.1"]


def test_stopped_is_not_an_exception_that_a_handler_could_swallow() -> None:
    """``except Exception`` somewhere below must not keep the platform running."""
    assert not issubclass(Stopped, Exception)
