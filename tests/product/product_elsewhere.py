"""Another origin: it notes who comes, frames pages, and has the naive twins of our pages."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

import requests

FRAME, EMPTY, DIALOG = "/frame-of?", "/empty", "/dialog"
MARK = b"<script>top.__xss=4711</script></body>"


class Elsewhere(ThreadingHTTPServer):
    """Paths of its own are answered here; all others are pages of the gateway, made naive."""

    daemon_threads = True

    def __init__(self, gateway: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.gateway = gateway
        self.visits: list[str] = []
        self.url = f"http://127.0.0.1:{self.server_port}"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def answer(self, path: str) -> tuple[str, bytes]:
        """The content type and the body for a path."""
        html = "text/html; charset=utf-8"
        if path.startswith(FRAME):
            return html, f'<iframe src="{unquote(path.removeprefix(FRAME))}"></iframe>'.encode()
        if path == EMPTY:
            return html, b"<!doctype html><title>empty</title>"
        if path == DIALOG:
            return html, b"<script>setTimeout(() => alert(1))</script>"
        if "/ui/" in path or path.endswith("/openapi.json"):
            return self._naive_page(path)
        self.visits.append(path)
        return "text/plain", b""

    def _naive_page(self, path: str) -> tuple[str, bytes]:
        """A page of the gateway without its policy, with a script of its own, and configured by its URL."""
        answer = requests.get(self.gateway + path, timeout=10)
        # bytes: guessing the encoding of the script bundle would take longer than the browser waits
        content = answer.content.replace(b"queryConfigEnabled: false", b"queryConfigEnabled: true")
        if answer.headers["content-type"].startswith("text/html"):
            content = content.replace(b"</body>", MARK)
        return answer.headers["content-type"], content


class _Handler(BaseHTTPRequestHandler):
    server: Elsewhere

    def do_GET(self) -> None:
        """Answer, to whatever origin."""
        kind, body = self.server.answer(self.path)
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Access-Control-Allow-Origin", "*")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""
