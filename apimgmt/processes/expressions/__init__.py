"""Expressions of flows: jq, compiled once, without environment, files or input streams (S-42).

What is simple, which is nearly all of what people write, becomes functions of ours (``direct.py``); everything else
goes to the jq library in a process of its own that can be ended (``children.py``). This file holds what both share.
"""

from __future__ import annotations

from apimgmt.errors import ApimgmtError


class ExpressionFailed(ApimgmtError):
    """An expression is not well-formed, or came to nothing with these values; the message says why."""
