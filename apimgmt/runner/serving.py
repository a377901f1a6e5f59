"""The process of the runner: it has everything imported, and forks the one that performs anew whenever that dies."""

from __future__ import annotations

import contextlib
import importlib
import logging
import os
import signal
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import NoReturn

from apimgmt.runner.runner import Runner
from apimgmt.settings import Settings

log = logging.getLogger("apimgmt.runner")
CALM_SECONDS = 0.5
PAUSE_SECONDS = 0.5


def serve(settings: Settings, prepare: Callable[[], None]) -> None:
    """Run until a signal says otherwise; what is under way then goes on at the next start.

    The work is done by a child of this process, which has everything imported and is forked anew when it dies: that
    takes milliseconds instead of seconds. ``prepare`` is called in it first, and loads the functions of others.
    """
    child, parent, stopping = 0, os.getpid(), False

    def stop(number: int, frame: FrameType | None) -> None:
        nonlocal stopping
        stopping = True
        if child:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGTERM)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    while not stopping:
        began = time.monotonic()
        child = os.fork()
        if not child:
            _perform(settings, prepare, parent)
        if stopping:
            # the signal came before there was a child to pass it on to
            stop(signal.SIGTERM, None)
        _, status = os.waitpid(child, 0)
        if not stopping:
            log.error("the process that performs runs ended (%s); another one goes on", status)
            # it had something to do: the next one is not to wait for this
            importlib.import_module("apimgmt.runner.engine")
            time.sleep(0.0 if time.monotonic() - began > CALM_SECONDS else PAUSE_SECONDS)


def _perform(settings: Settings, prepare: Callable[[], None], parent: int) -> NoReturn:
    """What the child does; it never returns."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        prepare()
        runner = Runner(settings, parent)

        def stop(number: int, frame: FrameType | None) -> None:
            # a second signal, or a step that does not end, is not waited for
            runner.stopping.set()
            signal.signal(number, signal.SIG_DFL)
            threading.Timer(settings.graceful_seconds, lambda: os._exit(0)).start()

        signal.signal(signal.SIGTERM, stop)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        runner.work()
        os._exit(0)
    except BlockingIOError:
        log.error("there is another runner for %s", settings.data)
    except BaseException:
        log.exception("the runner did not start")
    finally:
        os._exit(1)
