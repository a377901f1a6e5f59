"""Stock Connexion, ``AsyncApp``, with async handlers: started by uvicorn, as its documentation says."""

from __future__ import annotations

from pathlib import Path

from connexion import AsyncApp
from connexion.resolver import Resolver

from bench import handlers

FOLDER = Path(__file__).parents[1]

app = AsyncApp(__name__, specification_dir=FOLDER)
app.add_api("api.yaml", resolver=Resolver(lambda name: getattr(handlers, name)))
