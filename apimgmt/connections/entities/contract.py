"""What an entity has promised to be: an operation of a document, as it was when the entity was discovered."""

from __future__ import annotations

from apimgmt.model import Struct


class Contract(Struct, frozen=True):
    """``document`` is the digest of a kept, compiled document, ``operation`` a key in it: ``get /customers/{id}``."""

    document: str
    operation: str


def placeholder(name: str) -> str:
    """A parameter's name as a placeholder can be written: ``filter[x]`` becomes ``filter_x_``.

    >>> placeholder("customer id")
    'customer_id'
    """
    text = "".join(sign if sign.isascii() and (sign.isalnum() or sign in "_.-") else "_" for sign in name)
    return text if text[:1].isalpha() or text[:1] == "_" else f"_{text}"


def template(path: str) -> str:
    """A path template with its parameters as placeholders."""
    parts = path.split("{")
    named = [part.partition("}") for part in parts[1:]]
    return parts[0] + "".join("{" + placeholder(name) + "}" + rest for name, _, rest in named)
