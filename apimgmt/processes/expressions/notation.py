"""The notation of references to a request, ``#trigger.data.path.id>3``, as jq (F-061 to F-089).

``#trigger.`` followed by members of ``#trigger.data`` or by ``claimsprincipal`` with ``Claims``, ``HasClaim("foo")``
and ``IsInRole("editor")``. What is not there is null. In jq ``#`` begins a comment; one that begins with ``#trigger.``
is a reference here.
"""

from __future__ import annotations

import json
import re

from apimgmt.processes.expressions import ExpressionFailed

_BEGIN = re.compile(r"#trigger(?![A-Za-z0-9_])")
_NAME = re.compile(r"\.([A-Za-z_][A-Za-z0-9_]*)")
# names of header fields and cookies have dashes; a minus after them has a blank before it
_FIELD_NAME = re.compile(r"\.([A-Za-z_][A-Za-z0-9_]*(?:-[A-Za-z0-9_]+)*)")
_BRACKETS = re.compile(r'\[\s*(-?\d+|"(?:[^"\\]|\\.)*")\s*\]')
_ARGUMENT = re.compile(r'\(\s*("(?:[^"\\]|\\.)*")\s*\)')
_METHODS = {"HasClaim": "has_claim", "IsInRole": "is_in_role"}
_DASHED = ("header", "httpHeader", "httpHeaders", "cookie", "httpCookies")


def translated(source: str) -> str:
    """An expression with every reference outside of strings as jq; raises ExpressionFailed for one that cannot be."""
    if "#trigger" not in source:
        return source
    done, _ = _code(source, 0, nested=False)
    return done


def _code(source: str, at: int, nested: bool) -> tuple[str, int]:
    """What stands from there on, to the parenthesis that closes if it is ``nested`` in a string, and its end."""
    done: list[str] = []
    depth = 0
    while at < len(source):
        sign = source[at]
        if sign == '"':
            text, at = _string(source, at + 1)
            done.append('"' + text)
            continue
        if sign == "#":
            text, at = _reference(source, at) if _BEGIN.match(source, at) else _comment(source, at)
            done.append(text)
            continue
        depth += {"(": 1, ")": -1}.get(sign, 0)
        if nested and depth < 0:
            break
        done.append(sign)
        at += 1
    return "".join(done), at


def _string(source: str, at: int) -> tuple[str, int]:
    """The rest of a string; what is inserted into it is an expression again."""
    done: list[str] = []
    while at < len(source):
        sign = source[at]
        if sign == "\\" and source[at + 1 : at + 2] == "(":
            text, at = _code(source, at + 2, nested=True)
            done.append("\\(" + text)
            continue
        step = 2 if sign == "\\" else 1
        done.append(source[at : at + step])
        at += step
        if sign == '"':
            break
    return "".join(done), at


def _comment(source: str, at: int) -> tuple[str, int]:
    end = source.find("\n", at)
    end = len(source) if end < 0 else end
    return source[at:end], end


def _reference(source: str, at: int) -> tuple[str, int]:
    at += len("#trigger")
    steps: list[str | int] = []
    while True:
        is_dashed = len(steps) == 2 and steps[0] == "data" and steps[1] in _DASHED
        if match := (_FIELD_NAME if is_dashed else _NAME).match(source, at):
            steps.append(match[1])
        elif match := _BRACKETS.match(source, at):
            steps.append(_step(match[1]))
        else:
            break
        at = match.end()
        if steps[0] == "claimsprincipal" and len(steps) == 2 and steps[1] in _METHODS:
            return _method(source, at, str(steps[1]))
    return f"({_jq(steps)})", at


def _step(text: str) -> str | int:
    try:
        step: str | int = json.loads(text)
    except ValueError:
        raise ExpressionFailed(f"a name in brackets is a plain text: {text:.100}") from None
    return step


def _method(source: str, at: int, name: str) -> tuple[str, int]:
    match = _ARGUMENT.match(source, at)
    if match is None:
        raise ExpressionFailed(f'#trigger.claimsprincipal.{name} takes a text in quotes: {name}("foo")')
    return f"($trigger | {_METHODS[name]}({match[1]}))", match.end()


def _jq(steps: list[str | int]) -> str:
    if not steps:
        return "$trigger"
    if steps[0] == "data" and len(steps) >= 2:
        # both spellings (F-089); names of fields have no case (F-087)
        if steps[1] in ("header", "httpHeader") and len(steps) >= 3:
            found = f"$trigger | header_member({json.dumps(str(steps[2]).lower())})"
            return found if len(steps) == 3 else f"{found} | member({json.dumps(steps[3:])})"
        if steps[1] == "httpHeader":
            steps = ["data", "header"]
        if steps[1] == "httpHeaders" and len(steps) >= 3:
            steps = [*steps[:2], str(steps[2]).lower(), *steps[3:]]
    return f"$trigger | member({json.dumps(steps)})"
