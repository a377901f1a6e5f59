"""Requests read as an operation declares them: parameters of every style, bodies of every media type."""
