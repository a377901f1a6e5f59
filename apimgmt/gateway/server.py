"""The gateway's server: gunicorn's processes, sockets and signals around our own HTTP/1.1 connections.

gunicorn's ``asgi`` worker closes no connection with a half-sent header and serves plain HTTP when the TLS context
cannot be built; this worker has a deadline for everything that is awaited, and exits instead.
"""

from __future__ import annotations

import asyncio
import gc
import math
import os
import resource
import signal
import sys
from collections.abc import Mapping
from importlib import import_module
from typing import Any

import msgspec
from gunicorn.app.base import BaseApplication  # type: ignore[import-untyped]
from gunicorn.arbiter import Arbiter  # type: ignore[import-untyped]
from gunicorn.workers.gasgi import ASGIWorker  # type: ignore[import-untyped]

from apimgmt.errors import SettingInvalid
from apimgmt.gateway.http.connection import Connection
from apimgmt.gateway.http.handshake import SecretPort
from apimgmt.gateway.http.lifespan import Lifespan
from apimgmt.gateway.http.service import Application, Service
from apimgmt.gateway.tls import Tls
from apimgmt.settings import Settings, from_environment, to_environment

HEARTBEAT_SECONDS = 1.0
KILL_AFTER_SECONDS = 2
BACKLOG = 2048
# the master kills a worker that gives no sign for so long; building a large platform in one go is no hang
HUNG_AFTER_SECONDS = 60


class Worker(ASGIWorker):  # type: ignore[misc]
    """A gunicorn worker that serves an ASGI 3 application; settings come from ``APIMGMT_*`` in the environment.

    It speaks HTTP on its first socket and HTTPS on every other.
    """

    asgi: Application
    tls: Tls | None = None

    def init_process(self) -> None:
        """Allow as many open files as the system lets us, as each connection is one."""
        most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
        self.settings = from_environment(os.environ)
        self.stopping = asyncio.Event()
        super().init_process()

    def handle_exit_signal(self) -> None:
        """SIGTERM: stop accepting, let running requests finish."""
        super().handle_exit_signal()
        self.stopping.set()

    def handle_quit_signal(self) -> None:
        """SIGINT and SIGQUIT: stop at once."""
        super().handle_quit_signal()
        self.stopping.set()

    async def _serve(self) -> None:
        try:
            self.tls = self._make_tls()
            await self._start_lifespan()
            self.service = Service(self.asgi, self.settings, self.log, self.state)
            await self._listen()
        except SettingInvalid as error:
            self.log.error("The worker did not start: %s", error)
            raise SystemExit(Arbiter.WORKER_BOOT_ERROR) from error
        except Exception as error:
            self.log.error("The worker did not start: %s", error, exc_info=error)
            raise SystemExit(Arbiter.WORKER_BOOT_ERROR) from error
        self.service.sweep()
        gc.collect()
        gc.freeze()
        while self.alive and self.ppid == os.getppid():
            self.notify()
            if self.tls is not None:
                await asyncio.to_thread(self.tls.refresh)
            await self._pause(HEARTBEAT_SECONDS)
        await self._shutdown()

    def _make_tls(self) -> Tls | None:
        """What the sockets for HTTPS need; raises SettingInvalid, which ends the worker and the server."""
        if self.cfg.is_ssl:
            raise SettingInvalid("gunicorn's certfile and keyfile are not used here: set tls_certificate and tls_key")
        return Tls(self.settings) if len(self.sockets) > 1 else None

    async def _start_lifespan(self) -> None:
        self.lifespan = Lifespan(self.asgi, self.state, {} if self.tls is None else {"tls": self.tls})
        starting = asyncio.ensure_future(self.lifespan.startup())
        while not starting.done():
            self.notify()
            await asyncio.wait((starting,), timeout=HEARTBEAT_SECONDS)
        starting.result()

    async def _listen(self) -> None:
        plain, *secret = self.sockets
        self.servers.append(
            await self.loop.create_server(lambda: Connection(self.service), sock=plain.sock, backlog=self.cfg.backlog)
        )
        if self.tls is not None:
            self.servers += [SecretPort(self.service, one.sock, self.tls, Connection) for one in secret]

    async def _pause(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self.stopping.wait(), seconds)
        except TimeoutError:
            return

    async def _shutdown(self) -> None:
        """Accept no more, close what is idle, wait for running requests, then close what is left."""
        for server in self.servers:
            server.close()
        self.service.drain()
        deadline = self.loop.time() + self.settings.graceful_seconds
        service = self.service
        while (service.connections or service.exchanges or service.tails) and self.loop.time() < deadline:
            if self._quick_shutdown:
                break
            self.notify()
            await asyncio.sleep(0.05)
        self.service.abort()
        if not self._quick_shutdown:
            await self.lifespan.shutdown()


def serve_config(
    settings: Settings, *, bind: str, workers: int, app: str, tls_bind: str = "", **options: Any
) -> dict[str, Any]:
    """The gunicorn options for one server; ``options`` are more of them.

    ``bind`` is ``host:port``, ``unix:path`` or ``fd://NUMBER``, and ``tls_bind`` the same for HTTPS; ``app`` is
    ``module:factory``.
    """
    config: dict[str, Any] = {
        "bind": [bind, tls_bind] if tls_bind else bind,
        "workers": workers,
        "worker_class": "apimgmt.gateway.server.Worker",
        "worker_connections": settings.connections,
        "proc_name": app,
        "backlog": BACKLOG,
        "graceful_timeout": math.ceil(settings.graceful_seconds) + KILL_AFTER_SECONDS,
        "timeout": HUNG_AFTER_SECONDS,
        "preload_app": False,
        "control_socket_disable": True,
        "forwarded_allow_ips": "",
        "accesslog": None,
        "errorlog": "-",
        "loglevel": "warning",
    }
    return {**config, **options}


class Master(Arbiter):  # type: ignore[misc]
    """gunicorn's master, which repeats the signal to stop: a worker just being forked does not hear the first."""

    stop_signal: signal.Signals | None = None

    def stop(self, graceful: bool = True) -> None:
        """Stop the workers; with ``graceful`` they finish what is running."""
        self.stop_signal = signal.SIGTERM if graceful else signal.SIGQUIT
        super().stop(graceful)

    def reap_workers(self) -> None:
        """Collect the workers that have ended; called ten times a second while stopping."""
        super().reap_workers()
        if self.stop_signal is not None:
            self.kill_workers(self.stop_signal)


class Server(BaseApplication):  # type: ignore[misc]
    """A gunicorn master without configuration files; every worker calls the application factory after the fork."""

    def __init__(self, factory: str, options: Mapping[str, Any]) -> None:
        self.factory = factory
        self.options = options
        super().__init__()

    def load_config(self) -> None:
        """Take the options as they are; an unknown one is an error."""
        for name, value in self.options.items():
            self.cfg.set(name, value)

    def run(self) -> None:
        """Run the master until it is told to stop."""
        Master(self).run()

    def load(self) -> Application:
        """The application of this worker."""
        module, _, name = self.factory.partition(":")
        factory = getattr(import_module(module), name)
        app: Application = factory()
        return app


def run(app_factory: str, bind: str, settings: Settings, workers: int, **options: Any) -> None:
    """Serve until a signal ends it; ``app_factory`` is ``module:function``, ``options`` are those of `serve_config`.

    The settings go to the workers through the environment. Ends by SystemExit, as gunicorn's master does.
    """
    for field in msgspec.structs.fields(Settings):
        os.environ.pop(f"APIMGMT_{field.name.upper()}", None)
    os.environ.update(to_environment(settings))
    Server(app_factory, serve_config(settings, bind=bind, workers=workers, app=app_factory, **options)).run()


def main() -> None:
    """``python -m apimgmt.gateway.server module:factory host:port workers [option=value ...]``."""
    try:
        factory, bind, workers, *rest = sys.argv[1:]
        options = dict(option.split("=", 1) for option in rest)
        run(factory, bind, from_environment(os.environ), int(workers), **options)
    except (ValueError, SettingInvalid) as error:
        sys.exit(f"{main.__doc__}: {error}")


if __name__ == "__main__":
    main()
