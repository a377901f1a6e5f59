"""The process in which jq itself runs; it imports nothing of ours, has nothing open and can be ended at any time.

Questions and answers are JSON, each behind its length (4 bytes, big-endian): ``[program, input]`` in;
``{"value": ...}`` or ``{"error": "..."}`` out. No result is null, one is the value, several are an array.
"""

from __future__ import annotations

import functools
import json
import resource
import sys
from typing import Any

import jq

MEMORY_BYTES = 512 * 1024 * 1024
CPU_SECONDS = 5
LONGEST_ANSWER = 16 * 1024 * 1024


def main() -> None:
    """Answer questions until there are no more."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    for limit in (resource.RLIMIT_FSIZE, resource.RLIMIT_CORE):
        resource.setrlimit(limit, (0, 0))
    questions, answers = sys.stdin.buffer, sys.stdout.buffer
    while head := questions.read(4):
        program, given = json.loads(questions.read(int.from_bytes(head, "big")))
        _allow_more_time()
        answer = _answer(program, given)
        if len(answer) > LONGEST_ANSWER:
            answer = b'{"error": "the result is too large"}'
        answers.write(len(answer).to_bytes(4, "big") + answer)
        answers.flush()


def _allow_more_time() -> None:
    """So much processor time from now on; whoever started us is stricter, but may be gone."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    soft = int(used.ru_utime + used.ru_stime) + CPU_SECONDS
    resource.setrlimit(resource.RLIMIT_CPU, (soft, resource.RLIM_INFINITY))


def _answer(program: str, given: Any) -> bytes:
    try:
        found = _compiled(program).input_value(given).all()
        return json.dumps({"value": found[0] if len(found) == 1 else found or None}).encode()
    except (ValueError, RecursionError) as error:
        return json.dumps({"error": str(error)[:500]}).encode()


@functools.lru_cache(500)
def _compiled(program: str) -> Any:
    return jq.compile(program)


if __name__ == "__main__":
    main()
