"""An HTTP proxy for tests: absolute URLs and CONNECT, Basic authentication if it is given a credential.

    with ForwardProxy("user:secret") as proxy:
        ...
        assert proxy.asked == ["CONNECT crm.example:443"]

Every name leads to 127.0.0.1, so that a name which only a proxy can resolve can be asked for. ``passed`` are the heads
of requests that it could read, ``refusing`` a status that it answers everything with.
"""

from __future__ import annotations

import base64
import contextlib
import socket
import threading
from typing import Self
from urllib.parse import urlsplit


class ForwardProxy:
    """The proxy; usable at once and closed at the end of ``with``."""

    def __init__(self, credential: str = "", refusing: int = 0, host: str = "127.0.0.1") -> None:
        self._wanted = f"Basic {base64.b64encode(credential.encode()).decode()}" if credential else ""
        self._refusing = refusing
        self.asked: list[str] = []
        self.passed: list[str] = []
        self._listener = socket.create_server((host, 0))
        self.url = f"http://{host}:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                line, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(line,), daemon=True).start()

    def _serve(self, line: socket.socket) -> None:
        with line, contextlib.suppress(OSError):
            head = b""
            while b"\r\n\r\n" not in head:
                piece = line.recv(65_536)
                if not piece:
                    return
                head += piece
            text = head.decode("latin-1")
            method, target, _ = text.split("\r\n")[0].split(" ")
            self.asked.append(f"{method} {target}")
            self.passed.append(text)
            fields = dict(one.split(": ", 1) for one in text.split("\r\n\r\n")[0].split("\r\n")[1:])
            if self._refusing or (self._wanted and fields.get("Proxy-Authorization") != self._wanted):
                line.sendall(b"HTTP/1.1 %d No\r\nContent-Length: 0\r\n\r\n" % (self._refusing or 407))
                return
            self._forward(line, method, target, head)

    def _forward(self, line: socket.socket, method: str, target: str, head: bytes) -> None:
        parts = urlsplit(f"//{target}" if method == "CONNECT" else target)
        host = parts.hostname or ""
        with socket.create_connection((host if host[0].isdigit() else "127.0.0.1", parts.port or 80)) as other:
            if method == "CONNECT":
                line.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
            else:
                # what is meant for the proxy ends here
                kept = [one for one in head.split(b"\r\n") if not one.startswith(b"Proxy-")]
                other.sendall(b"\r\n".join(kept).replace(target.encode(), parts.path.encode() or b"/", 1))
            back = threading.Thread(target=_copy, args=(other, line), daemon=True)
            back.start()
            _copy(line, other)
            back.join()


def _copy(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while piece := source.recv(65_536):
            target.sendall(piece)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)
