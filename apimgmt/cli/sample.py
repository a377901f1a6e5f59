"""The samples of ``apimgmt start --sample``: a database, a connection to it, a flow, and an endpoint of that flow."""

from __future__ import annotations

import importlib.resources
import json
import os
import sqlite3
from pathlib import Path
from typing import Any, NamedTuple

import yaml

SAMPLES = ("customer-lookup", "create-order", "product-search")


class Sample(NamedTuple):
    """What a file in ``samples`` says: SQL, entities, a definition, the body of an endpoint, and a call to try."""

    name: str
    database: str
    entities: dict[str, Any]
    flow: dict[str, Any]
    endpoint: dict[str, Any]
    call: dict[str, Any]

    @property
    def connection(self) -> dict[str, Any]:
        """The connection to its database."""
        return {"name": self.name, "type": "sql", "baseUrl": f"sqlite:///{self.name}.db", "entities": self.entities}

    @property
    def arguments(self) -> str:
        """What stands behind the URL of the call in a curl line."""
        body = self.call.get("body")
        return f" -H 'Content-Type: application/json' -d '{json.dumps(body)}'" if body is not None else ""


def read_sample(name: str) -> Sample:
    """The sample of that name."""
    text = importlib.resources.files("apimgmt.cli").joinpath(f"samples/{name}.yaml").read_text("utf-8")
    return Sample(name, **yaml.safe_load(text))


def make_database(root: Path, sample: Sample) -> None:
    """Its SQLite file in the data folder, unless it is there: whole, or not at all."""
    folder = root / "databases"
    folder.mkdir(mode=0o700, exist_ok=True)
    file = folder / f"{sample.name}.db"
    if file.exists():
        return
    unfinished = folder / f".{sample.name}.db.{os.getpid()}"
    unfinished.unlink(missing_ok=True)
    session = sqlite3.connect(unfinished)
    try:
        session.executescript(sample.database)
        session.commit()
    finally:
        session.close()
    unfinished.replace(file)
