"""The admin REST API as the commands see it."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Mapping, Sequence
from typing import IO, Any, TypeVar

import click
import requests

from apimgmt.cli.output import columns, findings

TIMEOUT_SECONDS = 150.0

WRONG_URL = (requests.exceptions.MissingSchema, requests.exceptions.InvalidSchema, requests.exceptions.InvalidURL)

Command = TypeVar("Command", bound=Callable[..., Any])


class Failure(click.ClickException):
    """The check or the call failed: one sentence on standard error, exit code 1."""


class Refused(Failure):
    """The platform answered with a problem (RFC 9457); printed with all its findings and violations."""

    def __init__(self, problem: Mapping[str, Any]) -> None:
        super().__init__(problem.get("detail") or problem.get("title", "the platform refused"))
        self.problem = problem
        # asked for here: when the error is shown, the command and its options are gone
        context = click.get_current_context(silent=True)
        self._as_json = context is not None and context.params.get("output") == "json"

    def show(self, file: IO[Any] | None = None) -> None:
        """The problem itself on standard output for scripts, otherwise sentences on standard error."""
        if self._as_json:
            click.echo(json.dumps(self.problem, indent=2, ensure_ascii=False))
            return
        click.echo(f"Error: {self.problem.get('title', '')} ({self.problem.get('status')})", err=True)
        errors = self.problem.get("errors", [])
        # of a single violation that says the same, the line with its place is enough
        if (detail := self.problem.get("detail")) and [error.get("detail") for error in errors] != [detail]:
            click.echo(detail, err=True)
        for line in [*findings(self.problem.get("findings", [])), *_violations(errors)]:
            click.echo(line, err=True)


class Admin:
    """Calls the admin REST API at ``url`` with a bearer token, or None to log in; every answer but 2xx is raised."""

    def __init__(self, url: str, token: str | None) -> None:
        self.url = url.rstrip("/")
        self._token = token
        self._session = requests.Session()
        self._session.trust_env = False
        if token:
            self._session.headers["Authorization"] = f"Bearer {token}"

    def get(self, path: str) -> Any:
        """The JSON at a path."""
        return self.send("GET", path).json()

    def send(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: Any = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> requests.Response:
        """Call ``path`` below ``/api/v1``; raises Failure if nobody answers, Refused if the answer is a problem."""
        if self._token == "":
            raise click.UsageError(
                "set APIMGMT_TOKEN (or --token): `apimgmt login` gives one, `apimgmt start` printed the administrator's"
            )
        try:
            response = self._session.request(
                method,
                f"{self.url}/api/v1{path}",
                params=params,
                json=body,
                data=content,
                headers=headers,
                timeout=TIMEOUT_SECONDS,
                allow_redirects=False,
            )
        except requests.RequestException as error:
            raise Failure(f"no answer from {self.url}: {_reason(error)}; is `apimgmt start` running?") from None
        if not response.ok:
            raise Refused(_problem(response))
        return response


url_option = click.option(
    "--url",
    envvar="APIMGMT_URL",
    default="http://127.0.0.1:8081",
    show_default=True,
    help="Where the admin API is.",
)


def remote_options(command: Command) -> Command:
    """Adds ``--url`` and ``--token`` and hands them over as one ``admin``."""

    @functools.wraps(command)
    def with_admin(url: str, token: str, **arguments: Any) -> Any:
        return command(admin=Admin(url, token), **arguments)

    token = click.option("--token", envvar="APIMGMT_TOKEN", default="", help="Admin token; better as APIMGMT_TOKEN.")
    return url_option(token(with_admin))  # type: ignore[return-value]


def _violations(errors: Sequence[Mapping[str, Any]]) -> list[str]:
    rows = [(error.get("in"), error.get("name") or error.get("pointer"), error.get("detail")) for error in errors]
    return columns(("IN", "WHERE", "WHAT"), rows) if rows else []


def _problem(response: requests.Response) -> Mapping[str, Any]:
    try:
        problem = response.json()
    except ValueError:
        problem = None
    if isinstance(problem, dict):
        return {"status": response.status_code, **problem}
    return {"status": response.status_code, "title": response.reason or "no reason given"}


def _reason(error: requests.RequestException) -> str:
    if isinstance(error, requests.Timeout):
        return "no answer in time"
    if isinstance(error, WRONG_URL):
        return "this is no URL such as http://127.0.0.1:8081"
    if isinstance(error, requests.ConnectionError):
        return "cannot connect"
    return type(error).__name__
