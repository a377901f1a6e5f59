"""The structs that pass between the planes: frozen, JSON-able, no code, no locks.

The compiler makes a :class:`CompiledApi` of an uploaded document; the control plane adds what people decided about it
(:class:`Binding`, :class:`Trigger`) and publishes a :class:`Snapshot`; the gateway builds its runtime from these alone.

Schemas are JSON Schema 2020-12 objects (or booleans). A ``$ref`` in one is always ``#/$defs/NAME``, with NAME a key of
``CompiledApi.schemas``. Annotations of OpenAPI (``xml``, ``discriminator``, ``readOnly``, ``writeOnly``, ``example``)
stay in them.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

Schema = dict[str, Any] | bool
Method = Literal["get", "put", "post", "delete", "head", "options", "patch"]
# the id of the API whose document is made from the endpoints of flows
FLOWS_API = "api_flows"
METHODS: tuple[Method, ...] = ("get", "put", "post", "delete", "head", "options", "patch")
Location = Literal["path", "query", "header", "cookie", "querystring"]
Style = Literal[
    "simple", "label", "matrix", "form", "spaceDelimited", "tabDelimited", "pipeDelimited", "deepObject", "cookie"
]


class Struct(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True, forbid_unknown_fields=True):
    """Frozen, keyword only, camelCase in JSON, defaults left out, unknown fields refused."""


class Finding(Struct, frozen=True):
    """One thing that the intake has to say about a document.

    ``pointer`` is an RFC 6901 JSON pointer into ``file`` ("" is the uploaded document itself); ``line`` and ``column``
    count from 1, and are 0 where there is no place.
    """

    severity: Literal["error", "warning", "info"]
    code: str
    message: str
    pointer: str = ""
    line: int = 0
    column: int = 0
    file: str = ""


class Parameter(Struct, frozen=True):
    """One parameter of an operation, with Swagger 2 ``collectionFormat`` already turned into style and explode.

    csv is form/simple without explode, multi is form with explode, ssv, tsv and pipes are spaceDelimited,
    tabDelimited and pipeDelimited without explode. ``media_type`` is set for a parameter with ``content``.
    ``required`` is always true in a path. A default is in the schema.
    """

    name: str
    location: Location
    schema: Schema = True
    required: bool = False
    style: Style = "form"
    explode: bool = False
    media_type: str | None = None
    allow_empty: bool = False
    allow_reserved: bool = False
    description: str = ""


class Encoding(Struct, frozen=True):
    """How one property of a form or multipart body is written (OpenAPI Encoding Object)."""

    content_type: str | None = None
    style: Style | None = None
    explode: bool | None = None
    headers: dict[str, Schema] = {}


class MediaType(Struct, frozen=True):
    """One entry of a ``content`` map: the schema of the body, its encoding, and its examples by name.

    The single ``example`` of a document is stored under the name "" (the empty string).
    """

    schema: Schema = True
    encoding: dict[str, Encoding] = {}
    examples: dict[str, Any] = {}


class Body(Struct, frozen=True):
    """The request body of an operation; ``content`` maps a media type or range to what it holds."""

    required: bool = False
    content: dict[str, MediaType] = {}


class Response(Struct, frozen=True):
    """One declared response; ``headers`` maps a name to the schema of its value."""

    description: str = ""
    headers: dict[str, Parameter] = {}
    content: dict[str, MediaType] = {}


class SecurityScheme(Struct, frozen=True):
    """A security scheme of the document, reduced to what decides: no ``x-`` fields, no URLs to call.

    ``type`` is apiKey, http, oauth2, openIdConnect or mutualTLS (Swagger 2 ``basic`` is http/basic here);
    ``scheme`` is the lower-case HTTP scheme; ``name`` and ``location`` belong to apiKey.
    """

    type: Literal["apiKey", "http", "oauth2", "openIdConnect", "mutualTLS"]
    name: str = ""
    location: Literal["header", "query", "cookie", ""] = ""
    scheme: str = ""
    scopes: tuple[str, ...] = ()


class Operation(Struct, frozen=True):
    """Method and path template of a revision: locked. ``key`` is ours (``get /pet/{id}``), never the operationId.

    ``security`` is None where the document says nothing (neither here nor at the top), ``()`` where it says public;
    otherwise the alternatives, each mapping a scheme name to its scopes.
    ``responses`` maps "200", "2XX" or "default" to what is sent.
    """

    key: str
    method: Method
    path: str
    operation_id: str | None = None
    summary: str = ""
    description: str = ""
    tags: tuple[str, ...] = ()
    deprecated: bool = False
    parameters: tuple[Parameter, ...] = ()
    body: Body | None = None
    responses: dict[str, Response] = {}
    security: tuple[dict[str, tuple[str, ...]], ...] | None = None
    pointer: str = ""
    line: int = 0


class CompiledApi(Struct, frozen=True):
    """A document, compiled: everything the gateway needs of it, and nothing that it could be made to run."""

    title: str
    version: str
    specification: Literal["2.0", "3.0", "3.1", "3.2"]
    base_path: str = ""
    description: str = ""
    operations: tuple[Operation, ...] = ()
    schemas: dict[str, Schema] = {}
    security_schemes: dict[str, SecurityScheme] = {}
    unsupported: tuple[str, ...] = ()


class Binding(Struct, frozen=True):
    """What runs behind an operation: the kind of process and its configuration (the fields of that kind)."""

    kind: str = "mock"
    config: dict[str, Any] = {}


CleaningStep = Literal["control", "normalise", "trim"]
Kind = Literal["none", "basic", "certificate", "apiKey", "oauth2"]


class Trigger(Struct, frozen=True):
    """The settings of an operation (or, as ``ApiEntry.trigger``, of all operations of an API that set none).

    ``authentication`` is ``document`` (what the document demands; an operation that says nothing needs an API key),
    one kind, or several of which any is enough. ``scopes`` says how many of the operation's scopes an OAuth2 token
    needs. ``respond_async`` is ``allowed`` if a caller may ask for 202 and a URL for the outcome (RFC 7240), ``always``
    if there is nothing else; the process then has ``async_timeout`` seconds. ``durable`` hands what a flow does after
    its early answer over to the runner. ``policies`` are the configurations of policies by name. ``timeout`` is in
    seconds, at most 300.
    ``body_limit`` is in bytes. ``text_cleaning`` is what is taken out of the texts of a request before they are
    validated, in an order of its own (see ``spec.request.cleaning``).
    """

    authentication: Literal["document"] | Kind | tuple[Kind, ...] = "document"
    scopes: Literal["any", "all"] = "any"
    policies: dict[str, Any] = {}
    public: bool = False
    raw_body: bool = False
    timeout: float = 30.0
    body_limit: int = 1_048_576
    validate: bool = True
    strict_query: bool = False
    error_format: Literal["problem", "error"] = "problem"
    respond_async: Literal["never", "allowed", "always"] = "never"
    async_timeout: float = 900.0
    durable: bool = False
    text_cleaning: tuple[CleaningStep, ...] = ()


class ApiEntry(Struct, frozen=True):
    """One published API: which compiled document (by digest), where, and what people decided about its operations."""

    id: str
    name: str
    base_path: str
    revision: int
    digest: str
    trigger: Trigger = Trigger()
    bindings: dict[str, Binding] = {}
    triggers: dict[str, Trigger] = {}


class Rule(Struct, frozen=True):
    """What may be called: methods (upper case or ``*``) and a path with ``*`` (one segment) and ``**`` (any).

    ``api`` (an id) and ``operation`` (a key of it) narrow it further. ``ruleset`` is the name of the ruleset that it
    came from, for whoever asks why.
    """

    methods: tuple[str, ...] = ("*",)
    path: str = "/**"
    api: str = ""
    operation: str = ""
    ruleset: str = ""


class KeyEntry(Struct, frozen=True):
    """An API key as the gateway knows it: the SHA-256 of its text in hexadecimal, never the text.

    ``older`` are digests that a rotation replaced, each with the Unix time until which it still counts; ``expires`` is
    a Unix time too, 0 for never. A revoked key stays for a while, so that its holder is told what happened.
    """

    id: str
    name: str
    digest: str
    rules: tuple[Rule, ...] = ()
    environment: str = "default"
    expires: float = 0.0
    older: dict[str, float] = {}
    revoked: bool = False


class UserEntry(Struct, frozen=True):
    """A local user of the kind ``basic``: ``password`` is an argon2id hash (RFC 9106)."""

    id: str
    name: str
    password: str
    rules: tuple[Rule, ...] = ()


class AuthorityEntry(Struct, frozen=True):
    """Who may issue client certificates: ``certificates`` and ``revocations`` (CRLs) are PEM; ``apis`` are the ids of
    the APIs that trust it, none for all; ``subjects`` (RFC 4514) the only names that it may give, none for any.

    ``rules`` narrow what holders of its certificates may call; None is everything, no rule is nothing.
    """

    id: str
    name: str
    certificates: str
    revocations: str = ""
    apis: tuple[str, ...] = ()
    subjects: tuple[str, ...] = ()
    rules: tuple[Rule, ...] | None = None


class ClaimNames(Struct, frozen=True):
    """Which claims of an issuer's tokens hold the caller's name, roles, scopes and application."""

    name: str = "sub"
    role: str = "roles"
    scope: str = "scope"
    application: str = "client_id"


class IssuerEntry(Struct, frozen=True):
    """Who may issue OAuth2 access tokens: ``issuer`` and ``audiences`` are what ``iss`` and ``aud`` must be.

    The keys are ``jwks`` (a JWK Set, RFC 7517) or are fetched from ``jwks_url``; if both are empty, the URL comes from
    the issuer's metadata (RFC 8414). ``algorithms`` are the allowed ones of RFC 7518.
    """

    id: str
    name: str
    issuer: str
    audiences: tuple[str, ...] = ()
    jwks: dict[str, Any] = {}
    jwks_url: str = ""
    algorithms: tuple[str, ...] = ("RS256", "ES256", "PS256", "EdDSA", "Ed25519")
    claims: ClaimNames = ClaimNames()


class ApplicationEntry(Struct, frozen=True):
    """An OAuth application: the client ``client`` of the issuer with that id."""

    id: str
    name: str
    client: str
    issuer: str


class Condition(Struct, frozen=True):
    """What must hold of a token: every one of ``all``, one of ``any``, and of ``claim`` what is said of it."""

    all: tuple[Condition, ...] = ()
    any: tuple[Condition, ...] = ()
    claim: str = ""
    equals: str | int | float | bool | None = None
    one_of: tuple[str | int | float | bool, ...] = ()
    starts_with: str = ""


class AccessPolicyEntry(Struct, frozen=True):
    """Who may call what with a token: ``targets``, if the token's application is one of ``applications`` (ids; none for
    any), it has one of ``roles`` (none for no role needed) and ``condition`` holds."""

    id: str
    name: str
    targets: tuple[Rule, ...]
    applications: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    condition: Condition | None = None


class ConnectionEntry(Struct, frozen=True):
    """Another system that processes call: ``settings`` is a ``connections.configuration.Configuration`` as JSON, with
    every secret in it encrypted; ``entities`` are its endpoints or tables by name; ``signed_on`` is when somebody
    signed in to it last, so that every worker takes up the tokens of then."""

    id: str
    name: str
    settings: dict[str, Any]
    entities: dict[str, dict[str, Any]] = {}
    signed_on: str = ""


class FlowEntry(Struct, frozen=True):
    """A flow: ``definition`` in the DSL of the Open Workflow Specification, in its newest ``revision``."""

    id: str
    name: str
    revision: int
    definition: dict[str, Any]


class Snapshot(Struct, frozen=True):
    """Everything the gateway needs, content-addressed. ``number`` only grows; ``created`` is an RFC 3339 time.

    ``revoked_tokens`` maps the ``jti`` of an access token to the Unix time at which it expires anyway.
    """

    number: int
    created: str
    environment: str = "default"
    apis: tuple[ApiEntry, ...] = ()
    keys: tuple[KeyEntry, ...] = ()
    users: tuple[UserEntry, ...] = ()
    authorities: tuple[AuthorityEntry, ...] = ()
    issuers: tuple[IssuerEntry, ...] = ()
    applications: tuple[ApplicationEntry, ...] = ()
    access_policies: tuple[AccessPolicyEntry, ...] = ()
    connections: tuple[ConnectionEntry, ...] = ()
    flows: tuple[FlowEntry, ...] = ()
    revoked_tokens: dict[str, float] = {}


class Clearing(Struct, frozen=True):
    """Cached answers to forget: those of an API (an id), of one of its operations (a key of ours), or of one cache key.

    ``number`` grows by one from clearing to clearing.
    """

    number: int
    api: str
    operation: str = ""
    key: str = ""


# seconds; the upper ends of a histogram's buckets
BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)


class Series(Struct, frozen=True):
    """Requests of one operation that ended with one status: how many in each of the histogram's buckets (the last one
    is everything slower), and their ``seconds`` together. ``route`` is the path template, base path included."""

    api: str
    method: str
    route: str
    status: int
    counts: tuple[int, ...]
    seconds: float


class Measures(Struct, frozen=True):
    """What a gateway worker counted since it started. In the sum of the workers that are gone, ``included`` names the
    reports that are in it."""

    series: tuple[Series, ...] = ()
    included: tuple[str, ...] = ()


class WorkerReport(Struct, frozen=True):
    """What a gateway worker says about itself, in ``workers/PID.json`` of the data folder.

    ``digest`` is the snapshot it serves; ``rejected`` the one it refused, with ``reason``. ``seen`` is a Unix time.
    ``tls`` says why a changed TLS certificate was not taken over, empty if it was.
    """

    pid: int
    digest: str
    number: int
    seen: float
    rejected: str = ""
    reason: str = ""
    tls: str = ""
