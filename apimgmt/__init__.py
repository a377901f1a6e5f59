"""API management from OpenAPI documents: every operation is a live, locked, secured endpoint bound to a process."""

__version__ = "0.1.0"
