"""Sphinx configuration; ``tox -e docs`` builds with warnings as errors."""

project = "apimgmt"
copyright = "the apimgmt authors"
extensions = ["myst_parser"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build"]
html_theme = "alabaster"
html_theme_options = {"description": "API management from OpenAPI documents"}
myst_heading_anchors = 3
