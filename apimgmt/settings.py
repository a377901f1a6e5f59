"""Every setting of the product, read once: defaults, then ``APIMGMT_*`` in the environment, then command-line flags.

Each field carries its help text; the reference page of the docs is made from them, so there is one place to change.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from apimgmt.errors import SettingInvalid

MIB = 1_048_576


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All settings; ``Settings()`` is a working set of defaults."""

    data: Annotated[str, Meta(description="Folder in which everything is kept.")] = "apimgmt-data"
    gateway_host: Annotated[str, Meta(description="Address on which the gateway listens.")] = "127.0.0.1"
    gateway_port: Annotated[int, Meta(description="Port of the gateway.", ge=0, le=65535)] = 8080
    admin_host: Annotated[str, Meta(description="Address on which the admin API listens.")] = "127.0.0.1"
    admin_port: Annotated[int, Meta(description="Port of the admin API.", ge=0, le=65535)] = 8081
    gateway_tls_host: Annotated[str, Meta(description="Address on which the gateway listens for HTTPS; empty means gateway_host.")] = ""
    gateway_tls_port: Annotated[int, Meta(description="Port of the gateway for HTTPS, used if there is a tls_certificate.", ge=0, le=65535)] = 8443
    tls_certificate: Annotated[str, Meta(description="PEM file with the gateway's certificate and its chain; empty means no HTTPS.")] = ""
    tls_key: Annotated[str, Meta(description="PEM file with the key of the certificate; empty means it is in the same file.")] = ""
    tls_minimum: Annotated[str, Meta(description="Lowest version of TLS: 1.2 or 1.3.", pattern=r"^1\.[23]$")] = "1.2"
    client_certificate_header: Annotated[str, Meta(description="Field in which trusted_proxies pass on client certificates: client-cert (RFC 9440), x-forwarded-client-cert (Envoy), or the name of one that holds URL-encoded PEM (nginx); empty means none.", pattern=r"^[A-Za-z0-9-]*$")] = ""
    stale_revocations: Annotated[str, Meta(description="Client certificates whose revocation list is out of date: refuse or accept.", pattern="^(refuse|accept)$")] = "refuse"
    workers: Annotated[int, Meta(description="Number of gateway worker processes.", ge=1, le=256)] = 2
    environment: Annotated[str, Meta(description="Name of this environment; API keys of another one are not known here.", pattern="^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$")] = "default"
    workspace: Annotated[str, Meta(description="Name of this workspace: endpoints of flows are at /v1/WORKSPACE/flows.", pattern="^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$")] = "default"
    flows_domains: Annotated[str, Meta(description="Hosts, separated by commas, at which endpoints of flows are at their bare path; empty means none.", pattern=r"^[A-Za-z0-9.,\- ]*$")] = ""
    database_url: Annotated[str, Meta(description="SQLAlchemy URL of the store; empty means SQLite in the data folder.")] = ""
    admin_token: Annotated[str, Meta(description="Bearer token of the admin API; empty means generated at first start.")] = ""
    secret_keys: Annotated[str, Meta(description="Keys that encrypt stored secrets, the newest first; empty means generated in the data folder.")] = ""
    handlers: Annotated[str, Meta(description="Python files or modules with process functions, separated by commas.")] = ""
    trusted_proxies: Annotated[str, Meta(description="Addresses and networks of proxies that are believed, separated by commas.")] = ""
    basic_directory: Annotated[str, Meta(description="Who knows the passwords of the kind basic: local (users made here), pam or ldap.", pattern="^(local|pam|ldap)$")] = "local"
    basic_cache_seconds: Annotated[float, Meta(description="How long a right password is remembered, in seconds; 0 asks every time.", ge=0, le=3600)] = 60.0
    pam_service: Annotated[str, Meta(description="Name of the PAM service, a file in /etc/pam.d.", pattern="^[A-Za-z0-9_-]+$")] = "apimgmt"
    ldap_url: Annotated[str, Meta(description="The directory: ldap://HOST, where StartTLS comes first, or ldaps://HOST.")] = ""
    ldap_tls: Annotated[str, Meta(description="required, or off: passwords go over the network in the clear.", pattern="^(required|off)$")] = "required"
    ldap_ca_file: Annotated[str, Meta(description="PEM file with the CAs that the directory's certificate may come from; empty means those of the system.")] = ""
    ldap_user_dn: Annotated[str, Meta(description="DN of a user, with {name} in it, e.g. uid={name},ou=people,dc=example,dc=org; empty means searching.")] = ""
    ldap_search_base: Annotated[str, Meta(description="DN below which users are searched for; empty means ldap_user_dn.")] = ""
    ldap_search_filter: Annotated[str, Meta(description="Filter that finds one user, with {name} in it (RFC 4515).")] = "(uid={name})"
    ldap_bind_dn: Annotated[str, Meta(description="DN of the service account that searches; empty means anonymously.")] = ""
    ldap_bind_password_file: Annotated[str, Meta(description="File whose first line is the password of the service account.")] = ""
    ldap_seconds: Annotated[float, Meta(description="Longest wait for the directory at each step, in seconds.", gt=0, le=60)] = 5.0
    authorization_url: Annotated[str, Meta(description="Where the gateway reaches the authorization server; empty means the admin API of this machine.")] = ""
    public_url: Annotated[str, Meta(description="Where callers reach the gateway; empty means its own address.")] = ""
    admin_url: Annotated[str, Meta(description="Where browsers reach the admin API, when somebody signs in to a connection; empty means its own address.")] = ""

    path_collisions: Annotated[str, Meta(description="String parameter beside a literal: warn or refuse.", pattern="^(warn|refuse)$")] = "warn"
    document_bytes: Annotated[int, Meta(description="Largest document, in bytes.", ge=1)] = 32 * MIB
    document_operations: Annotated[int, Meta(description="Most operations in a document.", ge=1)] = 20_000
    document_parameters: Annotated[int, Meta(description="Most parameters of one operation.", ge=1)] = 1_000
    document_schemas: Annotated[int, Meta(description="Most schemas in a document.", ge=1)] = 100_000
    document_depth: Annotated[int, Meta(description="Deepest nesting in a document.", ge=1)] = 100
    document_nodes: Annotated[int, Meta(description="Most values in a document, aliases expanded.", ge=1)] = 10_000_000
    document_aliases: Annotated[int, Meta(description="Most uses of YAML aliases in a document.", ge=0)] = 1_000
    document_text: Annotated[int, Meta(description="Longest string in a document, in bytes.", ge=1)] = 1 * MIB
    document_files: Annotated[int, Meta(description="Most files in an uploaded zip.", ge=1)] = 1_000
    compile_cpu: Annotated[float, Meta(description="CPU time for one upload, in seconds.", gt=0)] = 60.0
    compile_wall: Annotated[float, Meta(description="Time for one upload, in seconds.", gt=0)] = 120.0
    compile_memory: Annotated[int, Meta(description="Memory for one upload, in bytes.", ge=1)] = 2048 * MIB

    request_line: Annotated[int, Meta(description="Longest request line, in bytes.", ge=64)] = 4094
    header_fields: Annotated[int, Meta(description="Most header fields of a request.", ge=1)] = 100
    header_field: Annotated[int, Meta(description="Longest header field, in bytes.", ge=64)] = 8190
    query_parameters: Annotated[int, Meta(description="Most query parameters of a request.", ge=1)] = 200
    body_bytes: Annotated[int, Meta(description="Largest request body unless an operation says otherwise, in bytes.", ge=0)] = 1 * MIB
    body_bytes_most: Annotated[int, Meta(description="Largest body limit that an operation may set, in bytes.", ge=0)] = 100 * MIB
    json_depth: Annotated[int, Meta(description="Deepest nesting of a JSON body.", ge=1)] = 64
    json_nodes: Annotated[int, Meta(description="Most values in a JSON body.", ge=1)] = 100_000
    json_digits: Annotated[int, Meta(description="Longest number in a JSON body, in characters.", ge=1)] = 309
    form_fields: Annotated[int, Meta(description="Most fields of a form body.", ge=1)] = 1_000
    multipart_part: Annotated[int, Meta(description="Largest part of a multipart body that is not a file, in bytes.", ge=1)] = 1 * MIB
    multipart_parts: Annotated[int, Meta(description="Most parts of a multipart body.", ge=1)] = 100
    xml_depth: Annotated[int, Meta(description="Deepest nesting of an XML body.", ge=1)] = 64
    header_seconds: Annotated[float, Meta(description="Time to send the request header, in seconds.", gt=0)] = 10.0
    body_seconds: Annotated[float, Meta(description="Time to send the request body, in seconds.", gt=0)] = 30.0
    body_rate: Annotated[int, Meta(description="Slowest body after 5 seconds, in bytes per second.", ge=0)] = 1024
    write_seconds: Annotated[float, Meta(description="Longest stall of a reader of our answer, in seconds.", gt=0)] = 30.0
    keepalive_seconds: Annotated[float, Meta(description="How long an idle connection is kept, in seconds.", gt=0)] = 5.0
    connections: Annotated[int, Meta(description="Most connections of one worker.", ge=1)] = 1_000
    connections_per_address: Annotated[int, Meta(description="Most connections from one address to one worker; 0 is no limit.", ge=0)] = 0
    in_flight: Annotated[int, Meta(description="Most requests of one worker at a time.", ge=1)] = 200
    graceful_seconds: Annotated[float, Meta(description="Time for running requests at shutdown, in seconds.", ge=0)] = 30.0
    threads: Annotated[int, Meta(description="Threads of one worker for each process function that is not async; ten times as many for all of them.", ge=1)] = 40
    poll_seconds: Annotated[float, Meta(description="How often a worker looks for a new snapshot, in seconds.", gt=0)] = 0.1
    counters: Annotated[int, Meta(description="Most counters of limits and quotas on this machine; 536 bytes of disk each.", ge=1024)] = 65_536
    egress_allow: Annotated[str, Meta(description="Hosts and networks beyond the public internet that connections may call, separated by commas: `crm.internal`, `*.corp.example`, `10.1.0.0/16`, `localhost`; with `:port` behind it, that port alone.")] = ""
    ignore_tls_errors: Annotated[str, Meta(description="Hosts at which the HTTP connector may ignore TLS errors, for tests and never together with a credential, separated by commas: `test.internal`, `*.test.example`.")] = ""
    redis_url: Annotated[str, Meta(description="Redis or Valkey in which several machines count together; empty means that this one counts alone.")] = ""
    redis_share: Annotated[float, Meta(description="Share of each limit that this machine lets through by itself while Redis is away.", gt=0, le=1)] = 1.0
    run_samples: Annotated[float, Meta(description="Share of the runs that go well which are recorded; those that fail always are.", ge=0, le=1)] = 0.0
    run_body_bytes: Annotated[int, Meta(description="How much of the bodies of request and answer a record has, in bytes; 0 is nothing.", ge=0, le=65_536)] = 0
    run_log_bytes: Annotated[int, Meta(description="How much of what a run logs is kept with its record, in bytes; the oldest lines stay; 0 is nothing.", ge=0, le=1 * MIB)] = 16_384
    run_log_level: Annotated[str, Meta(description="The least level of the lines that are kept of a run: DEBUG, INFO, WARNING or ERROR.", pattern="^(DEBUG|INFO|WARNING|ERROR)$")] = "INFO"
    run_days: Annotated[float, Meta(description="How long records of runs are kept, in days.", gt=0)] = 30.0
    run_bytes: Annotated[int, Meta(description="Most disk for records of runs, in bytes; the oldest go first.", ge=65_536)] = 256 * MIB
    run_queue: Annotated[int, Meta(description="Most records of one worker that wait to be written; more are dropped and counted.", ge=1)] = 1_000
    run_concurrency: Annotated[int, Meta(description="Most durable runs that the runner of this machine performs at a time.", ge=1)] = 50
    run_attempts: Annotated[int, Meta(description="How often a durable run is begun again after a crash, before it is given up as dead.", ge=1)] = 100
    tail_seconds: Annotated[float, Meta(description="Longest that a process goes on after an early answer, in seconds.", gt=0)] = 900.0
    tails: Annotated[int, Meta(description="Most processes of one worker that go on after an early answer; beyond it they count as requests under way.", ge=0)] = 1_000
    cache_bytes: Annotated[int, Meta(description="Most memory of one worker for cached answers, in bytes.", ge=0)] = 64 * MIB

    @property
    def root(self) -> Path:
        """The data folder as a path."""
        return Path(self.data)


def from_environment(environ: Mapping[str, str], **flags: Any) -> Settings:
    """Defaults, then ``APIMGMT_NAME`` from ``environ``, then ``flags`` that are not None.

    Raises SettingInvalid, naming the variable or flag and what it may be.
    """
    values: dict[str, Any] = {}
    for field in msgspec.structs.fields(Settings):
        variable = f"APIMGMT_{field.name.upper()}"
        if variable in environ:
            values[field.name] = _convert(variable, field.name, environ[variable])
        if flags.get(field.name) is not None:
            values[field.name] = _convert(f"--{field.name.replace('_', '-')}", field.name, flags[field.name])
    return Settings(**values)


def to_environment(settings: Settings) -> dict[str, str]:
    """The variables that make a child process read the same settings."""
    default = Settings()
    return {
        f"APIMGMT_{name.upper()}": str(value)
        for name, value in msgspec.structs.asdict(settings).items()
        if value != getattr(default, name)
    }


def _convert(source: str, name: str, value: Any) -> Any:
    field = next(field for field in msgspec.structs.fields(Settings) if field.name == name)
    try:
        return msgspec.convert(value, field.type, strict=False)
    except msgspec.ValidationError as error:
        raise SettingInvalid(f"{source}={value!r}: {error}") from None
