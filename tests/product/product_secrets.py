"""Secrets that are planted into a running product through every door, and the search for them (T18, S-18)."""

from __future__ import annotations

import base64
import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import requests
from product_platform import TOKEN, Product


class Planted:
    """The secrets by name, and everything that the product answered.

    An answer that shows a secret because that is what it is for names it in ``shows``.
    """

    def __init__(self, product: Product) -> None:
        self.product = product
        self.secrets: dict[str, bytes] = {}
        self.answers: list[tuple[str, bytes, tuple[str, ...]]] = []

    def plant(self, name: str, secret: str | bytes) -> str:
        """Remember a secret; it is one that nothing else looks like."""
        content = secret if isinstance(secret, bytes) else secret.encode()
        assert len(content) >= 16 and name not in self.secrets and content not in self.secrets.values()
        self.secrets[name] = content
        return secret if isinstance(secret, str) else ""

    def send(self, method: str, url: str, shows: tuple[str, ...] = (), **options: Any) -> requests.Response:
        """A request; the whole answer is kept."""
        answer = requests.request(method, url, timeout=60, allow_redirects=False, **options)
        head = "\n".join(f"{name}: {value}" for name, value in answer.headers.items()).encode()
        self.answers.append((f"{method} {answer.status_code}", head + b"\n\n" + answer.content, shows))
        return answer

    def ask(
        self, method: str, path: str, body: Any = None, token: str = TOKEN, shows: tuple[str, ...] = ()
    ) -> requests.Response:
        """A request to the admin API."""
        headers = {"Authorization": f"Bearer {token}"}
        return self.send(method, self.product.admin + path, shows, json=body, headers=headers)

    def call(self, method: str, path: str, shows: tuple[str, ...] = (), **options: Any) -> requests.Response:
        """A request to the gateway."""
        return self.send(method, self.product.gateway + path, shows, **options)

    def found(self) -> list[tuple[str, str]]:
        """Secrets and where they are: files of the data folder, answers, environments and command lines."""
        places = [*files(self.product.data), *processes(self.product)]
        hits = {(name, place) for name, secret in self.secrets.items() for place, text in places if holds(text, secret)}
        for place, text, shows in self.answers:
            hits |= {
                (name, place) for name, secret in self.secrets.items() if name not in shows and holds(text, secret)
            }
        return sorted(hits)


def files(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Every file of the platform with its content: logs, database, snapshots, archive, counts, secrets."""
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):
            if path.is_file():
                yield str(path.relative_to(folder)), path.read_bytes()


def processes(product: Product) -> Iterator[tuple[str, bytes]]:
    """What others on the machine, and functions in a process, can read of each process but the supervisor."""
    supervisor, *children = product.everything()
    yield "supervisor cmdline", Path(f"/proc/{supervisor.pid}/cmdline").read_bytes()
    gateway = {master.pid for master in [product.master()] if master} | product.pids()
    for child in children:
        with contextlib.suppress(OSError):
            yield "child cmdline", Path(f"/proc/{child.pid}/cmdline").read_bytes()
            name = "gateway environment" if child.pid in gateway else "admin environment"
            yield name, Path(f"/proc/{child.pid}/environ").read_bytes()


def holds(text: bytes, secret: bytes) -> bool:
    """Whether a secret is there: plain, as JSON or a URL writes it, in hexadecimal, or anywhere in Base64."""
    return any(writing in text for writing in writings(secret))


def writings(secret: bytes) -> set[bytes]:
    """The ways to write a secret."""
    base64s = [base64.b64encode(b"x" * shift + secret)[4:-4] for shift in range(3)]
    texts = {secret, secret.hex().encode(), secret.hex().upper().encode(), quote(secret, safe="").encode(), *base64s}
    texts |= {writing.translate(bytes.maketrans(b"+/", b"-_")) for writing in base64s}
    with contextlib.suppress(UnicodeDecodeError):
        texts.add(json.dumps(secret.decode())[1:-1].encode())
    return texts
