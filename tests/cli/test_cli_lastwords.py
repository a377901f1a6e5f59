"""Why a child did not start: sentences, not frames."""

from __future__ import annotations

from pathlib import Path

from apimgmt.cli.lastwords import LINES_MOST, last_words

LOG = """[2026-01-01 00:00:00 +0000] [1] [INFO] Starting gunicorn 27.0.1
[2026-01-01 00:00:00 +0000] [1] [INFO] Listening at: http://127.0.0.1:8081 (1)
[2026-01-01 00:00:00 +0000] [2] [ERROR] Exception in worker process
Traceback (most recent call last):
  File "store.py", line 91, in _engine
    raise SettingInvalid("database_url must begin with sqlite: or postgresql:")
              ^^^^^^^^^^
apimgmt.errors.SettingInvalid: database_url must begin with sqlite: or postgresql:
database_url must begin with sqlite: or postgresql:
[2026-01-01 00:00:01 +0000] [1] [ERROR] Worker (pid:2) exited with code 3.
[2026-01-01 00:00:01 +0000] [1] [ERROR] Shutting down: Master
[2026-01-01 00:00:01 +0000] [1] [ERROR] Reason: Worker failed to boot.
"""


def test_the_sentence_is_said_once_and_without_frames(tmp_path: Path) -> None:
    """What gunicorn says of every worker says nothing about this one."""
    log = tmp_path / "admin.log"
    log.write_text(LOG)
    assert last_words(log).splitlines() == [
        "[2026-01-01 00:00:00 +0000] [2] [ERROR] Exception in worker process",
        "apimgmt.errors.SettingInvalid: database_url must begin with sqlite: or postgresql:",
    ]


def test_what_an_earlier_start_said_is_not_said_again(tmp_path: Path) -> None:
    """Logs are appended to; only what comes behind ``begin`` is of this start, and of that the last lines."""
    log = tmp_path / "admin.log"
    log.write_text("an old fault\n")
    begin = log.stat().st_size
    with open(log, "a") as file:
        file.writelines(f"fault {number}\n" for number in range(LINES_MOST + 1))
    assert last_words(log, begin).splitlines() == [f"fault {number}" for number in range(1, LINES_MOST + 1)]
    assert last_words(log, log.stat().st_size) == ""
