"""``apimgmt version``."""

from __future__ import annotations

import platform

import click

from apimgmt import __version__
from apimgmt.cli.output import output_option, show


@click.command()
@output_option
def version(output: str) -> None:
    """Print the versions of this product and of Python.

    \b
    Example:
      apimgmt version --output json
    """
    value = {"apimgmt": __version__, "python": platform.python_version()}
    show(output, value, lambda value: [f"apimgmt {value['apimgmt']} (Python {value['python']})"])
