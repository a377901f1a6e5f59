"""The process that the crash tests kill: uploads, revises, binds and publishes, and notes what was acknowledged.

A note is one line ``ID REVISION TITLE`` in the file ``acknowledged``, written in one call after (the mutant: before)
the control plane has answered.
"""

from __future__ import annotations

import os
from pathlib import Path

from control_samples import JSON, document, take_in

import apimgmt.processes.echo  # noqa: F401  importing a kind registers it
from apimgmt.archive import Archive
from apimgmt.control.service import Control
from apimgmt.control.store import Store
from apimgmt.settings import Settings


def write_until_killed(folder: str, round_: int, early: bool) -> None:
    """Never returns. ``early`` is the mutant that acknowledges what is not stored yet."""
    settings = Settings(data=folder)
    control = Control(settings, Store(settings), Archive(settings.root), take_in)
    notes = os.open(Path(folder) / "acknowledged", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    number = 0
    while True:
        number += 1
        name = f"api-{round_}-{number}"
        if early:
            os.write(notes, f"{name} 1 {name}\n".encode())
        view = control.upload(document(name, f"/{name}"), JSON, name=name, publish=number % 3 == 0)
        if not early:
            os.write(notes, f"{view.id} 1 {name}\n".encode())
        control.bind(view.id, {"get /books": {"kind": "echo"}})
        control.replace(view.id, document(name, f"/{name}", version="2"), JSON, publish=number % 2 == 0)
        if not early:
            os.write(notes, f"{view.id} 2 {name}\n".encode())
