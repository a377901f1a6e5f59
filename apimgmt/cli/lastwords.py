"""Why a child did not start, from its log: the sentences, without the frames that led to them."""

from __future__ import annotations

import re
from pathlib import Path

LINES_MOST = 8
# What gunicorn says of every worker, whatever was wrong, and the text between two tracebacks.
_USUAL = re.compile(
    r"\[\w+\] (Worker \(pid|Shutting down|Reason: |Starting |Listening |Using |Booting |Handling )"
    r"|^(Traceback |During handling |The above exception |\(Background on this error )"
)


def last_words(log: Path, begin: int = 0) -> str:
    """The last sentences of a log from the byte ``begin`` on; the frames of tracebacks stay in the file."""
    with open(log, "rb") as file:
        file.seek(begin)
        lines = file.read().decode("utf-8", "replace").splitlines()
    said: list[str] = []
    for line in lines:
        if not line.strip() or line.startswith("  ") or _USUAL.search(line):
            continue
        # gunicorn says the exception once more, without its class
        if line not in said and not (said and any(one.endswith(f": {line}") for one in said)):
            said.append(line)
    return "\n".join(said[-LINES_MOST:])
