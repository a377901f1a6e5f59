"""``apimgmt start``: everything that a new user needs, in one command."""

from __future__ import annotations

import os
import sys
from functools import partial
from pathlib import Path
from socket import socket
from typing import Any

import click
import msgspec

from apimgmt import __version__
from apimgmt.archive import Archive
from apimgmt.cli.folder import AdminToken, lock, prepare
from apimgmt.cli.loading import Loaded, Loader
from apimgmt.cli.output import output_option, progress, show
from apimgmt.cli.remote import Admin
from apimgmt.cli.sample import SAMPLES, make_database, read_sample
from apimgmt.cli.supervisor import Child, Supervisor, listen, reachable
from apimgmt.settings import Settings, from_environment, to_environment

MOST_APIS_SHOWN = 4
# Settings with secrets that a child has no use for; the gateway runs functions of others. It has the keys of stored
# secrets, for it opens connections with them.
HIDDEN = {"gateway": ("admin_token", "database_url"), "admin": ("admin_token",), "runner": ("admin_token",)}
GRACE_BEYOND_SECONDS = 3.0


@click.command()
@click.argument("documents", nargs=-1)
@click.option("--demo", is_flag=True, help="Load a sample, with an API key to call it.")
@click.option("--sample", "samples", multiple=True, type=click.Choice(SAMPLES), help="Load a flow on a database.")
@click.option("--handlers", multiple=True, help="Python file or module with process functions; may be repeated.")
@click.option("--allow-public", is_flag=True, help="Operations without any security in a document are public.")
@click.option("--authentication", type=click.Choice(["document", "none"]), help="none: no operation asks who calls.")
@click.option("--data", help="Folder in which everything is kept.  [default: apimgmt-data]")
@click.option("--workers", type=int, help="Number of gateway workers.  [default: 2]")
@click.option("--host", "gateway_host", help="Address of the gateway.  [default: 127.0.0.1]")
@click.option("--gateway-port", type=int, help="Port of the gateway; 0 takes a free one.  [default: 8080]")
@click.option("--tls-certificate", help="PEM file with the gateway's certificate and its chain: HTTPS, too.")
@click.option("--tls-key", help="PEM file with its key, if it is in a file of its own.")
@click.option("--tls-port", "gateway_tls_port", type=int, help="Port of HTTPS; 0 takes a free one.  [default: 8443]")
@click.option("--admin-host", help="Address of the admin API.  [default: 127.0.0.1]")
@click.option("--admin-port", type=int, help="Port of the admin API; 0 takes a free one.  [default: 8081]")
@click.option("--public-url", help="Where callers reach the gateway, if not at its own address.")
@output_option
def start(documents: tuple[str, ...], output: str, **options: Any) -> None:
    """Start the gateway and the admin API, publish DOCUMENTS, and go on until Ctrl-C.

    A second start on the same folder goes on where the first stopped. Every setting can be given as APIMGMT_NAME in
    the environment too.

    \b
    Example:
      apimgmt start --demo
      apimgmt start --sample customer-lookup
      apimgmt start petstore.yaml orders.json --handlers my_handlers.py --allow-public
    """
    loading = {name: options.pop(name) for name in ("demo", "samples", "allow_public", "authentication")}
    options["handlers"] = ",".join(options["handlers"]) or None
    settings = from_environment(os.environ, **options)
    for document in documents:
        if not Path(document).exists():
            raise click.UsageError(f"there is no {document}")
    _check_tls(settings)
    root = settings.root.absolute()
    prepare(root)
    descriptor = lock(root)
    for name in loading["samples"]:
        make_database(root, read_sample(name))
    _run(msgspec.structs.replace(settings, data=str(root)), descriptor, documents, loading, output)


def _run(settings: Settings, lock: int, documents: tuple[str, ...], loading: dict[str, Any], output: str) -> None:
    token = AdminToken(settings.root)
    gateway = listen(settings.gateway_host, settings.gateway_port)
    admin = listen(settings.admin_host, settings.admin_port)
    secret = _listen_for_tls(settings)
    settings = msgspec.structs.replace(
        settings,
        gateway_port=gateway.getsockname()[1],
        admin_port=admin.getsockname()[1],
        gateway_tls_port=secret[0].getsockname()[1] if secret else settings.gateway_tls_port,
    )
    fresh = token.open(settings.admin_token)
    children = [
        Child(
            name,
            _command(name),
            listeners,
            child_environment(settings, name),
            settings.root / "logs" / f"{name}.log",
            [lock],
        )
        for name, listeners in (("gateway", [gateway, *secret]), ("admin", [admin]), ("runner", []))
    ]
    try:
        with Supervisor(children, settings.graceful_seconds + GRACE_BEYOND_SECONDS) as supervisor:
            supervisor.start()
            with progress("starting"):
                supervisor.wait_ready("/readyz", hopeless=partial(rejection, settings, hopeless=True))
                loader = Loader(Admin(_url(admin), token.session), _choices(loading))
                loaded = [loader.demo()] if loading["demo"] else []
                loaded += [loader.sample(read_sample(name)) for name in loading["samples"]]
                loaded += [loader.document(document) for document in documents]
            if reason := rejection(settings):
                click.echo(f"Warning: {reason}", err=True)
            show(output, welcome(settings, fresh, loaded), banner)
            sys.stdout.flush()
            fresh = None
            supervisor.watch()
    finally:
        token.forget() if fresh else token.close()


def rejection(settings: Settings, hopeless: bool = False) -> str:
    """Why the gateway does not serve what was published, empty if it does.

    A worker that cannot serve it goes back to what was published before, if it can serve that; ``hopeless`` asks
    whether all have tried and none serves anything.
    """
    reports = Archive(settings.root).reports()
    refusing = [report for report in reports if report.rejected and not (hopeless and report.digest)]
    if not refusing or (hopeless and len(refusing) < settings.workers):
        return ""
    return (
        f"the gateway cannot serve what is published: {refusing[0].reason}; "
        "start with the same --handlers and settings as before"
    )


def _check_tls(settings: Settings) -> None:
    """Say what is wrong with the certificate here, where somebody reads it, and not in the log of a worker."""
    if settings.tls_certificate or settings.tls_key:
        from apimgmt.gateway.tls import make_context

        make_context(settings)


def _listen_for_tls(settings: Settings) -> list[socket]:
    """The socket for HTTPS, if there is a certificate."""
    host = settings.gateway_tls_host or settings.gateway_host
    return [listen(host, settings.gateway_tls_port)] if settings.tls_certificate else []


def _command(name: str) -> list[str]:
    return [sys.executable, "-m", "apimgmt.cli.child", name, str(os.getpid())]


def child_environment(settings: Settings, name: str) -> dict[str, str]:
    """The environment of a child: ours, with exactly these settings, without tokens and what else it does not need."""
    names = {f"APIMGMT_{field.name.upper()}" for field in msgspec.structs.fields(Settings)} | {"APIMGMT_TOKEN"}
    inherited = {name: value for name, value in os.environ.items() if name not in names}
    hidden = dict.fromkeys(HIDDEN[name], "")
    return inherited | to_environment(msgspec.structs.replace(settings, **hidden))


def welcome(settings: Settings, token: str | None, loaded: list[Loaded]) -> dict[str, Any]:
    """What the user needs to know, as one object; the secrets in it are shown this once."""
    gateway = settings.public_url.rstrip("/") or _address(settings.gateway_host, settings.gateway_port)
    admin = _address(settings.admin_host, settings.admin_port)
    trials = [api for api in loaded if api.key]
    value: dict[str, Any] = {
        "version": __version__,
        "data": settings.data,
        "gateway": gateway,
        "admin": f"{admin}/api/v1",
        "adminUi": f"{admin}/api/v1/ui/",
        "apis": [
            {"name": name, "url": gateway + base_path, "ui": f"{gateway}{base_path}/ui/"}
            for name, base_path in dict.fromkeys((api.name, api.base_path) for api in loaded)
        ],
    }
    if settings.tls_certificate:
        host = settings.gateway_tls_host or settings.gateway_host
        value["gatewayTls"] = _address(host, settings.gateway_tls_port, "https")
    if token:
        value["adminToken"] = token
    if trials:
        value["key"] = trials[0].key
        value["curl"], *value["more"] = [
            f"curl -H 'X-API-Key: {api.key}' '{gateway}{api.base_path}{api.call}'{api.arguments}" for api in trials
        ]
    return value


def banner(value: dict[str, Any]) -> list[str]:
    """The same for people, in at most 15 lines."""
    lines = [
        f"apimgmt {value['version']} is running; everything is kept in {value['data']}",
        f"  Gateway      {value['gateway']}",
        f"  Admin API    {value['adminUi']}",
    ]
    lines += [f"  HTTPS        {value['gatewayTls']}"] if "gatewayTls" in value else []
    lines += [f"  Swagger UI   {api['ui']} ({api['name']})" for api in value["apis"][:MOST_APIS_SHOWN]]
    if len(value["apis"]) > MOST_APIS_SHOWN:
        lines.append(f"               and {len(value['apis']) - MOST_APIS_SHOWN} more: apimgmt apis")
    if "adminToken" in value:
        lines.append(f"  Admin token  {value['adminToken']} (shown this once)")
    if "key" in value:
        lines.append(f"  API key      {value['key']} (shown this once)")
        lines += [f"  Try          {curl}" for curl in (value["curl"], *value["more"])]
    return [*lines, "Ctrl-C stops everything."]


def _choices(loading: dict[str, Any]) -> dict[str, str]:
    choices = {"allowPublic": "true"} if loading["allow_public"] else {}
    return choices | ({"authentication": loading["authentication"]} if loading["authentication"] else {})


def _url(listener: socket) -> str:
    host, port = listener.getsockname()[:2]
    return _address(host, port)


def _address(host: str, port: int, scheme: str = "http") -> str:
    host = reachable(host)
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"
