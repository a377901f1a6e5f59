"""Stock Connexion, ``FlaskApp``, with sync handlers: started by uvicorn, as its documentation says."""

from __future__ import annotations

from pathlib import Path

from connexion import FlaskApp
from connexion.resolver import Resolver

from bench import handlers_sync

FOLDER = Path(__file__).parents[1]

app = FlaskApp(__name__, specification_dir=FOLDER)
app.add_api("api.yaml", resolver=Resolver(lambda name: getattr(handlers_sync, name)))
