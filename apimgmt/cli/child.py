"""What a child of the supervisor runs: ``python -m apimgmt.cli.child gateway|admin|runner PARENT [FD [FD]]``.

The listening sockets, of which the second is for HTTPS, come from the supervisor, so that a caller waits instead of
being refused while a killed server is replaced. The settings come in the environment.
"""

from __future__ import annotations

import ctypes
import importlib
import os
import signal
import sys
import warnings

from apimgmt.cli.log import configure
from apimgmt.settings import from_environment

PR_SET_PDEATHSIG = 1


def die_with(parent: int) -> None:
    """Ask the kernel for a SIGTERM when the supervisor ends, however it ends; no child outlives it."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        sys.exit(1)


def perform() -> None:
    """Perform durable runs until told to stop."""
    warnings.filterwarnings("ignore", module="connexion")
    configure()
    importlib.import_module("apimgmt.asgi").runner()


def serve(name: str, *descriptors: str) -> None:
    """Serve the gateway or the admin API on inherited sockets until told to stop."""
    # Connexion imports a test client that Starlette would rather see replaced; that is nothing for our log
    warnings.filterwarnings("ignore", module="connexion")
    from apimgmt.gateway.server import run

    # imported before the fork: the workers share it, and a replaced one is there at once
    importlib.import_module("apimgmt.asgi")
    settings = from_environment(os.environ)
    workers = settings.workers if name == "gateway" else 1
    configure()
    plain, *secret = [f"fd://{descriptor}" for descriptor in descriptors]
    run(f"apimgmt.asgi:{name}", plain, settings, workers, tls_bind="".join(secret))


if __name__ == "__main__":
    die_with(int(sys.argv[2]))
    if sys.argv[1] == "runner":
        perform()
    else:
        serve(sys.argv[1], *sys.argv[3:])
