"""The command line. Every command is a function in a file of this folder, read only when it is called."""

from __future__ import annotations


def main() -> None:
    """The entry point ``apimgmt``; exit codes: 0 done, 1 the check or the call failed, 2 wrong use."""
    import warnings

    from apimgmt.cli.commands import apimgmt

    # Connexion imports a test client that Starlette would rather see replaced; that is nothing for who types a command
    warnings.filterwarnings("ignore", module="connexion")
    apimgmt(prog_name="apimgmt")
