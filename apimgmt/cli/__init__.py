"""The command line. Every command is a function in a file of this folder, read only when it is called."""

from __future__ import annotations


def main() -> None:
    """The entry point ``apimgmt``; exit codes: 0 done, 1 the check or the call failed, 2 wrong use."""
    from apimgmt.cli.commands import apimgmt

    apimgmt(prog_name="apimgmt")
