"""Rules as people write them at the command line: ``GET,PUT /shop/**``, ``/shop/*``, ``GET api:petstore``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])


def allow_option(command: Command) -> Command:
    """Adds ``--allow RULE``, any number of times; the command gets ``rules`` as the admin API takes them."""
    return click.option(
        "--allow",
        "rules",
        metavar="RULE",
        multiple=True,
        callback=lambda context, option, texts: [_rule(text) for text in texts],
        help="What may be called: '[METHODS] PATH' or '[METHODS] api:NAME'; can be given several times.",
    )(command)


def shown(rules: Iterable[Mapping[str, Any]]) -> str:
    """Rules in one cell of a table."""
    return "; ".join(_text(rule) for rule in rules)


def _rule(text: str) -> dict[str, Any]:
    rule: dict[str, Any] = {}
    words = text.split()
    for word in words:
        if word.startswith("/"):
            rule["path"] = word
        elif word.startswith("api:"):
            rule["api"] = word.removeprefix("api:")
        elif not rule and len(words) > 1:
            rule["methods"] = word.split(",")
        else:
            raise click.BadParameter(f"{word!r} is neither a path, which begins with /, nor api:NAME")
    return rule


def _text(rule: Mapping[str, Any]) -> str:
    words = [",".join(rule["methods"]), rule["path"]]
    words += [f"api:{rule['api']}"] if "api" in rule else []
    words += [f"({rule['operation']})"] if "operation" in rule else []
    return " ".join(words)
