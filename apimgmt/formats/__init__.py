"""Formats: how an object becomes the bytes of a response. This file holds the protocol; every format is a file.

A format is registered as ``format``; whoever has a media type in hand asks every format whether it ``writes`` that.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Protocol

from apimgmt.model import Schema


class Format(Protocol):
    """What a file in this folder registers: a class without state."""

    media_types: ClassVar[tuple[str, ...]]

    @staticmethod
    def writes(media_type: str) -> bool:
        """Whether this format writes a media type, given in lower case and without parameters."""
        ...

    @staticmethod
    def dump(value: Any, schema: Schema, schemas: Mapping[str, Schema]) -> bytes:
        """``value`` as bytes in UTF-8; raises TypeError or ValueError if the value has no such form."""
        ...
