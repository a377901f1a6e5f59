"""The table of commands, and what holds for each of them: lazy import, errors to exit codes."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import Any

import click

from apimgmt.errors import ApimgmtError, SettingInvalid

COMMANDS = {
    "start": "apimgmt.cli.start",
    "login": "apimgmt.cli.login",
    "logout": "apimgmt.cli.login",
    "whoami": "apimgmt.cli.login",
    "tokens": "apimgmt.cli.tokens",
    "lint": "apimgmt.cli.documents",
    "plan": "apimgmt.cli.documents",
    "upload": "apimgmt.cli.documents",
    "bind": "apimgmt.cli.apis",
    "trigger": "apimgmt.cli.trigger",
    "publish": "apimgmt.cli.apis",
    "rollback": "apimgmt.cli.apis",
    "cache": "apimgmt.cli.cache",
    "apis": "apimgmt.cli.apis",
    "operations": "apimgmt.cli.apis",
    "keys": "apimgmt.cli.keys",
    "rulesets": "apimgmt.cli.rulesets",
    "users": "apimgmt.cli.users",
    "authorities": "apimgmt.cli.authorities",
    "issuers": "apimgmt.cli.issuers",
    "applications": "apimgmt.cli.applications",
    "clients": "apimgmt.cli.clients",
    "policies": "apimgmt.cli.policies",
    "connections": "apimgmt.cli.connections",
    "flow": "apimgmt.cli.flow",
    "endpoints": "apimgmt.cli.endpoints",
    "who-can": "apimgmt.cli.access",
    "can": "apimgmt.cli.access",
    "call": "apimgmt.cli.call",
    "runs": "apimgmt.cli.runs",
    "metrics": "apimgmt.cli.metrics",
    "audit": "apimgmt.cli.audit",
    "secrets": "apimgmt.cli.secrets",
    "doctor": "apimgmt.cli.doctor",
    "version": "apimgmt.cli.version",
}


class Commands(click.Group):
    """Imports the file of a command when the command is used, so that a small one starts at once."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The commands in the order of the work: from start to version."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name, or None."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = getattr(importlib.import_module(COMMANDS[cmd_name]), cmd_name.replace("-", "_"))
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; what we raise on purpose ends as a sentence and an exit code, not as a traceback."""
        try:
            return super().invoke(ctx)
        except SettingInvalid as error:
            raise click.UsageError(str(error)) from error
        except ApimgmtError as error:
            raise click.ClickException(str(error)) from error


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
def apimgmt() -> None:
    """API management from OpenAPI documents.

    \b
    Example:
      apimgmt start --demo

    APIMGMT_URL and APIMGMT_TOKEN tell the commands that talk to a running platform where it is and as whom.
    """


def every_command() -> Iterator[tuple[str, click.Command]]:
    """Every command that does something, by the words that call it: ``apis``, ``keys list`` ..."""
    context = click.Context(apimgmt)
    for name in COMMANDS:
        command = apimgmt.get_command(context, name)
        if isinstance(command, click.Group):
            yield from ((f"{name} {own}", command.commands[own]) for own in command.commands)
        elif command is not None:
            yield name, command
