"""The table of commands: lazy, helpful, with the exit codes that scripts rely on."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest
from click.testing import CliRunner

from apimgmt.cli.commands import apimgmt, every_command


@pytest.mark.parametrize("name", [name for name, _ in every_command()])
def test_every_command_has_help_with_an_example_and_both_outputs(name: str) -> None:
    """``--help`` of each command ends well, shows how to call it, and offers table and JSON."""
    result = CliRunner().invoke(apimgmt, [*name.split(), "--help"])
    assert result.exit_code == 0
    assert f"Example:\n    apimgmt {name}" in result.output
    assert "--output [table|json]" in result.output


def test_wrong_use_is_exit_code_2() -> None:
    """An unknown command, an unknown option and a missing argument are the user's mistake."""
    for arguments in (["fly"], ["version", "--fly"], ["lint"], ["version", "--output", "xml"]):
        assert CliRunner().invoke(apimgmt, arguments).exit_code == 2


def test_a_setting_that_cannot_be_is_exit_code_2() -> None:
    """A wrong value in the environment is named with its variable."""
    result = CliRunner().invoke(apimgmt, ["doctor"], env={"APIMGMT_WORKERS": "many"})
    assert result.exit_code == 2
    assert "APIMGMT_WORKERS='many'" in result.output


def test_a_small_command_starts_at_once() -> None:
    """``version`` imports neither a server nor a library for HTTP; it takes a tenth of a second."""
    began = time.monotonic()
    code = (
        "import sys; from apimgmt.cli.commands import apimgmt; apimgmt(['version'], standalone_mode=False);"
        "assert not {'requests', 'sqlalchemy', 'gunicorn', 'connexion', 'rich'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)
    assert time.monotonic() - began < 10
