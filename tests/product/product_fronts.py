"""nginx and haproxy before the gateway, from the binaries of the machine; both refuse ``/fronted/admin``."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from product_platform import wait

# what nginx passes on is the path as it came, or with the last slash the path as it understood it
NGINX = """
daemon off; master_process off; pid {folder}/nginx.pid; error_log {folder}/error.log crit;
events {{ worker_connections 256; }}
http {{
  access_log off; keepalive_requests 100000;
  client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};
  uwsgi_temp_path {folder}; scgi_temp_path {folder};
  server {{
    listen 127.0.0.1:{port};
    location /fronted/admin {{ return 403; }}
    location / {{ proxy_pass http://127.0.0.1:{gateway}{slash}; proxy_redirect off; }}
  }}
}}
"""
HAPROXY = """
defaults
  mode http
  timeout connect 5s
  timeout client 30s
  timeout server 30s
frontend front
  bind 127.0.0.1:{port}
  acl admin path,url_dec -m beg /fronted/admin
  http-request deny if admin
  default_backend gateway
backend gateway
  server gateway 127.0.0.1:{gateway}
"""
FRONTS = ("nginx", "nginx that rewrites", "haproxy")


@contextlib.contextmanager
def front(name: str, gateway: int, folder: Path) -> Iterator[int]:
    """The port of a proxy before the gateway's; skips, with the reason, where it is not installed."""
    program = name.partition(" ")[0]
    path = shutil.which(program)
    if path is None:
        pytest.skip(f"{program} is not installed")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    text = NGINX if program == "nginx" else HAPROXY
    config = folder / f"{program}.conf"
    slash = "/" if name.endswith("rewrites") else ""
    config.write_text(text.format(folder=folder, port=port, gateway=gateway, slash=slash))
    words = [path, "-p", str(folder), "-c", str(config)] if program == "nginx" else [path, "-db", "-f", str(config)]
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait(lambda: process.poll() is not None or _listens(port))
        assert process.poll() is None, f"{program} ended with {process.returncode}"
        yield port
    finally:
        process.terminate()
        process.wait(10)


def _listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1.0):
        return True
    return False
