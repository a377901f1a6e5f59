"""Process functions of the platform under test; ``apimgmt start --handlers`` loads this file in every worker."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
from pathlib import Path
from typing import Any

from product_envelopes import ENVELOPES

from apimgmt.errors import Problem
from apimgmt.processes import Answer, Invocation

TOOLS = Path("tools")


def ran(trigger: Invocation) -> Any:
    """Says which operation ran, and with what."""
    data = trigger.data
    return {"ran": trigger.operation.key, "path": dict(data.path), "query": dict(data.query)}


async def took(trigger: Invocation) -> Any:
    """Says what the body was."""
    body = trigger.data.parsed
    return {"took": body if not isinstance(body, bytes) else len(body), "type": type(body).__name__}


async def slow(trigger: Invocation) -> Any:
    """Answers after so many milliseconds; that it was called is seen by a file."""
    folder = Path("slow")
    folder.mkdir(exist_ok=True)
    os.close(os.open(folder / secrets.token_hex(8), os.O_CREAT | os.O_EXCL))
    await asyncio.sleep(trigger.data.path["milliseconds"] / 1000)
    return {"slow": True}


def envelope(trigger: Invocation) -> Any:
    """The hostile result whose number is asked for."""
    result = ENVELOPES[trigger.data.path["number"]][1]
    return result() if callable(result) else result


def add_tool(trigger: Invocation) -> Any:
    """Keep a tool in a file, so that every worker finds it."""
    TOOLS.mkdir(exist_ok=True)
    number = 1
    while True:
        tool = {"id": number, **trigger.data.parsed}
        try:
            descriptor = os.open(TOOLS / f"{number}.json", os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        except FileExistsError:
            number += 1
            continue
        with open(descriptor, "w", encoding="utf-8") as file:
            json.dump(tool, file)
        return Answer(tool, 201)


def get_tool(trigger: Invocation) -> Any:
    """The tool with that number."""
    try:
        return json.loads(_tool(trigger).read_text("utf-8"))
    except FileNotFoundError:
        raise Problem("not-found", "There is no such tool.") from None


def change_tool(trigger: Invocation) -> Any:
    """Merge what was sent into the tool (RFC 7396, one level)."""
    tool = {**get_tool(trigger), **trigger.data.parsed}
    _tool(trigger).write_text(json.dumps(tool), "utf-8")
    return tool


def delete_tool(trigger: Invocation) -> Any:
    """Forget the tool."""
    try:
        _tool(trigger).unlink()
    except FileNotFoundError:
        raise Problem("not-found", "There is no such tool.") from None


def _tool(trigger: Invocation) -> Path:
    return TOOLS / f"{trigger.data.path['id']}.json"
