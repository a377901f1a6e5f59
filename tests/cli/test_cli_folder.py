"""The data folder: private, one start at a time, the admin token as a digest."""

from __future__ import annotations

import hashlib
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from apimgmt.cli.folder import AdminToken, FolderTaken, lock, prepare
from apimgmt.errors import SettingInvalid


def test_nobody_else_may_read_the_folder(tmp_path: Path) -> None:
    """A folder that was open before is closed too."""
    root = tmp_path / "data"
    root.mkdir(mode=0o755)
    prepare(root)
    modes = {stat.S_IMODE(path.stat().st_mode) for path in (root, root / "logs", root / "secrets")}
    assert modes == {0o700}


def test_a_folder_that_cannot_be_made_is_a_sentence(tmp_path: Path) -> None:
    """A file is in the way: the message names the place, the reason and the option."""
    (tmp_path / "data").write_text("a file")
    with pytest.raises(SettingInvalid, match=r"/data(/logs)? cannot be used: .*; choose another folder with --data"):
        prepare(tmp_path / "data")


def test_a_second_start_is_refused_while_the_first_lives(tmp_path: Path) -> None:
    """The message names the folder, the process and what to do."""
    held = lock(tmp_path)
    with pytest.raises(FolderTaken, match=rf"{tmp_path} is in use .*process {os.getpid()}.*--data"):
        lock(tmp_path, patience=60)
    os.close(held)
    os.close(lock(tmp_path, patience=0))


def test_a_killed_start_is_waited_for(tmp_path: Path) -> None:
    """If the holder's supervisor is gone but something of it still ends, the next start waits and then has the lock."""
    code = (
        "import os, sys, time; from pathlib import Path; from apimgmt.cli.folder import lock;"
        "d = lock(Path(sys.argv[1])); os.set_inheritable(d, True);"
        "os.fork() or (os.close(1), time.sleep(0.5), os._exit(0)); print('held', flush=True); os._exit(0)"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True, stdout=subprocess.PIPE)
    os.close(lock(tmp_path, patience=10))


def test_a_new_token_is_made_once(tmp_path: Path) -> None:
    """The first opening shows a token, the second does not, and the digest of the first stays accepted."""
    prepare(tmp_path)
    first = AdminToken(tmp_path)
    shown = first.open("")
    assert shown
    first.close()
    second = AdminToken(tmp_path)
    assert second.open("") is None
    assert _digests(tmp_path) == [_digest(shown), _digest(second.session)]
    second.close()
    assert _digests(tmp_path) == [_digest(shown)]


def test_a_given_token_replaces_the_kept_one(tmp_path: Path) -> None:
    """The setting wins, nothing new is shown, and the file is for its owner only."""
    prepare(tmp_path)
    AdminToken(tmp_path).open("")
    token = AdminToken(tmp_path)
    assert token.open("mine") is None
    token.close()
    assert _digests(tmp_path) == [_digest("mine")]
    assert stat.S_IMODE((tmp_path / "secrets" / "admin-token.sha256").stat().st_mode) == 0o600


def test_a_token_that_was_never_shown_is_forgotten(tmp_path: Path) -> None:
    """After a start that failed before it could print, the next one makes another."""
    prepare(tmp_path)
    token = AdminToken(tmp_path)
    first = token.open("")
    token.forget()
    assert AdminToken(tmp_path).open("") not in (None, first)


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _digests(root: Path) -> list[str]:
    return (root / "secrets" / "admin-token.sha256").read_text().split()
