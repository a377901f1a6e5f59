"""What the child process of the intake cannot do, tried from inside it."""

from __future__ import annotations

import subprocess
import sys

import pytest

LOCKED = """
import os, sys, socket, resource
from apimgmt.settings import Settings
from apimgmt.spec.intake import child
child._limit(Settings())
child._lock()
try:
    {attempt}
except PermissionError as error:
    os.write(1, b"refused")
except BaseException as error:
    os.write(1, repr(error).encode())
else:
    os.write(1, b"done")
os._exit(0)
"""


@pytest.mark.parametrize(
    "attempt",
    [
        "open('/etc/passwd')",
        "open('/tmp/canary', 'w')",
        "os.open('/etc/passwd', os.O_RDONLY)",
        "os.listdir('/')",
        "os.remove('/tmp/canary')",
        "os.system('true')",
        "os.fork()",
        "os.execv('/bin/true', ['true'])",
        "os.kill(os.getppid(), 0)",
        "os.chdir('/tmp')",
        "socket.socket()",
        "socket.getaddrinfo('localhost', 80)",
        "import webbrowser",
        "__import__('xml.dom.minidom')",
        "eval('1 + 1')",
        "resource.setrlimit(resource.RLIMIT_CPU, (1, 1))",
        "__import__('ctypes')",
    ],
)
def test_reaching_out_is_refused(attempt: str) -> None:
    """Files, folders, processes, sockets, imports, new code, other limits: each attempt raises PermissionError."""
    code = LOCKED.format(attempt=attempt)
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, timeout=20).stdout == b"refused"
    )


def test_computing_is_not_refused() -> None:
    """The lock is no reason for everything to fail: the same set-up lets plain work through."""
    code = LOCKED.format(attempt="sorted([2, 1]); '%d' % 3; {}.update(a=1)")
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, timeout=20).stdout == b"done"


def test_mutant_without_the_lock_everything_is_possible() -> None:
    """The attempts would succeed in a process that is not locked."""
    code = (
        LOCKED.format(attempt="os.listdir('/'); eval('1 + 1')")
        .replace("child._lock()", "")
        .replace("child._limit(Settings())", "")
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, timeout=20).stdout == b"done"
