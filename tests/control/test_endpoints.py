"""Endpoints: flows that can be called without a document; what is generated, stored, served and refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from processes.flows.flowing import definition

import apimgmt.asgi  # noqa: F401  registers every kind of task
from apimgmt.archive import Archive
from apimgmt.connections.known import connections
from apimgmt.control.generated import IDENTITY
from apimgmt.control.service import Control
from apimgmt.control.store import Store
from apimgmt.errors import DocumentRefused, Problem
from apimgmt.gateway.app import Gateway
from apimgmt.gateway.runtime import build
from apimgmt.processes.flows.known import flows
from apimgmt.settings import Settings
from apimgmt.spec.intake import take_in
from harness import Answer, Client

SHOWN = {"set": {"method": "${ .httpMethod }", "path": "${ .path }", "query": "${ .query }", "body": "${ .body }"}}
# the schema of the seed, as it is written by hand and as it is put together field by field
BY_HAND = {
    "type": "object",
    "properties": {
        "customerId": {"type": "string", "description": "Customer identifier"},
        "orderDate": {"type": "string", "format": "date"},
        "items": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"productId": {"type": "string"}, "quantity": {"type": "number"}},
            },
        },
    },
    "required": ["customerId", "items"],
}
FIELDS = [
    {"name": "customerId", "required": True, "description": "Customer identifier"},
    {"name": "orderDate", "format": "date"},
    {
        "name": "items",
        "type": "array",
        "required": True,
        "items": {"type": "object", "fields": [{"name": "productId"}, {"name": "quantity", "type": "number"}]},
    },
]


class Platform:
    """A control plane with the real intake, and a gateway that serves what it published last."""

    def __init__(self, settings: Settings, store: Store, archive: Archive) -> None:
        self.archive = archive
        self.settings = settings
        self.control = Control(settings, store, archive, take_in, wait_seconds=0.2)
        self.control.flows.create({"name": "shown", "definition": definition(SHOWN)})

    def add(self, **body: Any) -> dict[str, Any]:
        """A new endpoint of the flow ``shown``, as it is shown."""
        return self.control.endpoints.create({"flow": "shown", **body}).view

    def call(self, method: str, target: str, base: str = "/v1/default/flows/shown", **more: Any) -> Answer:
        """One request; nobody is asked who calls."""
        if any(api.id == IDENTITY and api.authentication != "none" for api in self.control.apis()):
            self.control.set_triggers(IDENTITY, {"*": {"authentication": "none"}}, publish=True)
        return self.client.request(method, base + target, **more)

    @property
    def client(self) -> Client:
        """Callers of what is published now."""
        digest, *_ = self.archive.current()
        snapshot = self.archive.load_snapshot(digest)
        connections.prepared(snapshot.connections, self.settings)()
        flows.prepared(snapshot.flows)()
        runtime = build(snapshot, self.archive.load_api, self.archive.load_document, self.settings)
        return Client(Gateway(runtime))

    def document(self) -> dict[str, Any]:
        """The generated document, as it is published."""
        content, _ = self.control.document(IDENTITY, self.control.get(IDENTITY).revision)
        return json.loads(content)


@pytest.fixture
def platform(settings: Settings, store: Store, archive: Archive) -> Iterator[Platform]:
    """On both databases."""
    yield Platform(settings, store, archive)
    connections.prepared([], settings)()
    flows.prepared([])()


@pytest.mark.rows("H-001", "H-005", "H-006", "H-009", "H-029", "X-006")
def test_an_endpoint_is_an_operation_of_a_generated_document(platform: Platform) -> None:
    """Its URL has workspace, flow and path; its parameters are texts; what comes back is the output of the flow."""
    made = platform.add(path="/customers/{customerId}/orders/{orderId}", summary="One order")
    assert made["url"].endswith("/v1/default/flows/shown/customers/{customerId}/orders/{orderId}")
    document = platform.document()
    assert document["openapi"] == "3.1.0"
    operation = document["paths"]["/shown/customers/{customerId}/orders/{orderId}"]["get"]
    assert operation["parameters"] == [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in ("customerId", "orderId")
    ]
    answer = platform.call("GET", "/customers/7/orders/A%20b")
    assert answer.json()["path"] == {"customerId": "7", "orderId": "A b"}
    page = platform.client.request("GET", "/v1/default/flows/ui/")
    assert (page.status, "swagger" in page.text.lower()) == (200, True)
    shown = platform.client.request("GET", "/v1/default/flows/openapi.json").json()
    assert operation["summary"] == "One order" == shown["paths"]["/shown" + made["path"]]["get"]["summary"]


@pytest.mark.rows("H-008")
@pytest.mark.parametrize(
    ("path", "target", "filled"),
    [
        ("/customers/{customerId}", "/customers/C1", {"customerId": "C1"}),
        ("/orders/{orderId}/items/{itemId}", "/orders/1/items/2", {"orderId": "1", "itemId": "2"}),
        ("/reports/{year}/{month}", "/reports/2024/01", {"year": "2024", "month": "01"}),
    ],
)
def test_every_segment_in_braces_is_filled(platform: Platform, path: str, target: str, filled: dict[str, str]) -> None:
    """As text, so that a leading zero stays."""
    platform.add(path=path)
    assert platform.call("GET", target).json()["path"] == filled
    assert platform.call("GET", target + "/more").status == 404


@pytest.mark.rows("H-010", "H-012")
def test_the_flow_sees_which_of_several_methods_was_called(platform: Platform) -> None:
    """All five; a method that is not chosen is 405."""
    methods = ["GET", "POST", "PUT", "PATCH", "DELETE"]
    platform.add(path="/all", methods=methods)
    assert [platform.call(method, "/all").json()["method"] for method in methods] == methods
    platform.add(path="/two", methods=["GET", "PATCH"])
    answer = platform.call("POST", "/two")
    assert (answer.status, answer.header("allow")) == (405, "GET, HEAD, PATCH")


@pytest.mark.rows("H-002", "H-011", "H-077")
def test_a_body_goes_to_the_flow_with_post_put_and_patch_only(platform: Platform) -> None:
    """What GET and DELETE bring along is not passed on; what another system posts (a webhook) is."""
    platform.add(path="/order", methods=["GET", "POST", "PUT", "PATCH", "DELETE"], body={"fields": FIELDS})
    order = {"customerId": "C123", "items": [{"productId": "P456", "quantity": 2}]}
    for method in ("POST", "PUT", "PATCH"):
        assert platform.call(method, "/order", json=order).json()["body"] == order
        assert platform.call(method, "/order").status == 400
    for method in ("GET", "DELETE"):
        assert platform.call(method, "/order", json=order).json()["body"] is None


@pytest.mark.rows("H-024", "H-025", "H-026", "H-027", "H-028")
def test_a_schema_put_together_field_by_field_equals_the_one_written_by_hand(platform: Platform) -> None:
    """In the document, word for word, and in what it refuses."""
    made = platform.add(path="/built", methods=["POST"], body={"fields": FIELDS})
    platform.add(path="/written", methods=["POST"], body={"schema": BY_HAND})
    assert made["bodySchema"] == BY_HAND
    paths = platform.document()["paths"]
    built, written = (paths[f"/shown/{one}"]["post"]["requestBody"] for one in ("built", "written"))
    assert built == written == {"required": True, "content": {"application/json": {"schema": BY_HAND}}}
    good = {"customerId": "C123", "orderDate": "2024-02-29", "items": [{"productId": "P456", "quantity": 2}]}
    for change in ({"customerId": 1}, {"orderDate": "2023-02-29"}, {"items": [{"quantity": "2"}]}, {}):
        answers = [platform.call("POST", f"/{one}", json=good | change) for one in ("built", "written")]
        assert [answer.status for answer in answers] == ([400, 400] if change else [200, 200])
        assert answers[0].json().get("errors") == answers[1].json().get("errors")


def test_a_schema_may_refer_to_its_own_parts(platform: Platform) -> None:
    """`#/$defs` and `#` mean the schema that was given, not the document that it is put into."""
    tree = {"$ref": "#/$defs/node", "$defs": {"node": {"type": "object", "properties": {"next": {"$ref": "#"}}}}}
    platform.add(path="/tree/{id}", methods=["POST"], body={"schema": tree})
    assert platform.call("POST", "/tree/1", json={"next": {"next": {}}}).status == 200
    refused = platform.call("POST", "/tree/1", json={"next": {"next": 5}})
    assert (refused.status, refused.json()["errors"][0]["pointer"]) == (400, "/next/next")


def test_what_only_looks_like_a_reference_stays_as_it_is(platform: Platform) -> None:
    """In a schema, values are data; and a member may have the name of a keyword."""
    schema = {
        "$defs": {"number": {"type": "integer"}},
        "properties": {
            "link": {"const": {"$ref": "#/a"}},
            "default": {"$ref": "#/$defs/number"},
            "$ref": {"type": "string"},
        },
    }
    platform.add(path="/link", methods=["POST"], body={"schema": schema})
    good = {"link": {"$ref": "#/a"}, "default": 5, "$ref": "#"}
    assert platform.call("POST", "/link", json=good).status == 200
    for change in ({"link": {"$ref": "#/b"}}, {"default": "x"}, {"$ref": 5}):
        assert platform.call("POST", "/link", json=good | change).status == 400


@pytest.mark.rows("H-019", "H-020", "H-021", "H-022")
def test_query_parameters_have_type_default_and_description(platform: Platform) -> None:
    """They are cast, defaults come with their type, a missing one is named, and the document shows all five."""
    query = [
        {"name": "customerId", "required": True, "description": "The customer identifier"},
        {"name": "includeDetails", "type": "boolean", "default": False},
        {"name": "limit", "type": "number", "default": 100},
    ]
    platform.add(path="/search", query=query)
    assert platform.call("GET", "/search?customerId=7").json()["query"] == {
        "customerId": "7",
        "includeDetails": False,
        "limit": 100,
    }
    refused = platform.call("GET", "/search?limit=ten")
    assert {error["name"] for error in refused.json()["errors"]} == {"customerId", "limit"}
    assert platform.document()["paths"]["/shown/search"]["get"]["parameters"][0] == {
        "name": "customerId",
        "in": "query",
        "required": True,
        "description": "The customer identifier",
        "schema": {"type": "string"},
    }


@pytest.mark.rows("H-030", "H-034", "H-035")
def test_the_response_has_a_format_and_a_structure(platform: Platform) -> None:
    """JSON unless XML was chosen; the structure is in the document."""
    fields = [{"name": "method", "required": True}]
    platform.add(path="/json", response={"fields": fields, "description": "What was called"})
    platform.add(path="/xml", response={"format": "xml"})
    assert platform.call("GET", "/json").header("content-type") == "application/json"
    answer = platform.call("GET", "/xml")
    assert (answer.header("content-type"), answer.body[:5]) == ("application/xml", b"<?xml")
    shown = platform.document()["paths"]["/shown/json"]["get"]["responses"]["200"]
    assert shown["description"] == "What was called"
    assert shown["content"]["application/json"]["schema"]["required"] == ["method"]


@pytest.mark.rows("H-004")
def test_an_endpoint_without_a_path_gets_one_that_nobody_has(platform: Platform) -> None:
    """It keeps it when it is changed."""
    first, second = platform.add(), platform.add()
    assert first["path"] != second["path"]
    changed = platform.control.endpoints.replace(first["id"], {"flow": "shown", "summary": "New"}).view
    assert (changed["path"], changed["summary"]) == (first["path"], "New")
    assert platform.call("GET", first["path"]).status == platform.call("GET", second["path"]).status == 200


def test_two_endpoints_that_a_request_could_mean_are_refused_with_a_url(platform: Platform) -> None:
    """Whatever their parameters are called; another method, or another flow, is no collision."""
    platform.add(name="one", path="/customers/{id}", methods=["GET", "POST"])
    with pytest.raises(Problem, match=r"POST http\S+/v1/default/flows/shown/customers/1 would reach .* 'one'"):
        platform.add(name="two", path="/customers/{name}", methods=["POST", "PUT"])
    platform.add(name="two", path="/customers/{name}", methods=["PUT"])
    platform.control.flows.create({"name": "other flow", "definition": definition(SHOWN)})
    platform.add(name="three", path="/customers/{id}", flow="other flow")
    assert platform.call("GET", "/customers/5", "/v1/default/flows/other%20flow").json()["path"] == {"id": "5"}
    assert [one["name"] for one in platform.control.endpoints.all()] == ["one", "three", "two"]


@pytest.mark.rows("H-074")
def test_an_endpoint_answers_once_it_is_deployed(platform: Platform) -> None:
    """Before that, and after it was withdrawn, its path is 404; the others are not touched."""
    platform.add(name="there", path="/there")
    platform.add(name="draft", path="/draft", deployed=False)
    assert (platform.call("GET", "/there").status, platform.call("GET", "/draft").status) == (200, 404)
    with pytest.raises(Problem, match="would reach"):
        platform.add(path="/draft")
    with pytest.raises(Problem, match="deploy it first"):
        platform.control.endpoints.test("draft", {})
    platform.control.endpoints.deploy("draft", True)
    assert platform.call("GET", "/draft").status == 200
    platform.control.endpoints.deploy("draft", False)
    assert (platform.call("GET", "/there").status, platform.call("GET", "/draft").status) == (200, 404)
    platform.control.endpoints.delete("draft")
    platform.control.endpoints.delete("there")
    assert platform.call("GET", "/there").status == 404
    assert platform.control.apis() == []
    platform.add(name="again", path="/there")
    assert platform.call("GET", "/there").status == 200


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ({"flow": "nowhere"}, "/flow"),
        ({"binding": {"kind": "echo"}}, "/flow"),
        ({"flow": "", "binding": {}}, "/binding/kind"),
        ({"path": "/a?b"}, "/path"),
        ({"path": "/{a"}, "/path"),
        ({"path": "/{a+}"}, "/path"),
        ({"path": "/{a}/{a}"}, "/path"),
        ({"path": "/{}"}, "/path"),
        ({"path": 5}, "/path"),
        ({"methods": []}, "/methods"),
        ({"methods": ["GET", "GET"]}, "/methods"),
        ({"methods": ["TRACE"]}, "/methods/0"),
        ({"body": {}}, "/body"),
        ({"methods": ["POST"], "body": {"schema": {}, "fields": FIELDS}}, "/body"),
        ({"methods": ["POST"], "body": {"fields": [{"name": "a"}, {"name": "a"}]}}, "/body/fields/1/name"),
        ({"methods": ["POST"], "body": {"fields": [{"name": "a", "items": {}}]}}, "/body/fields/0/items"),
        ({"response": {"fields": [{"name": "a", "fields": FIELDS}]}}, "/response/fields/0/fields"),
        ({"response": {"format": "pdf"}}, "/response/format"),
        ({"query": [{"name": "a"}, {"name": "a"}]}, "/query/1/name"),
        ({"query": [{"name": "a", "type": "integer", "default": True}]}, "/query/0/default"),
        ({"query": [{"name": "a", "required": True, "default": "x"}]}, "/query/0/default"),
        ({"operations": []}, ""),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_cannot_be_is_refused_with_its_place(platform: Platform, body: dict[str, Any], place: str) -> None:
    """Nothing is stored, and nothing is served."""
    with pytest.raises(Problem) as refused:
        platform.add(**body)
    assert refused.value.errors[0]["pointer"] == place
    assert (platform.control.endpoints.all(), platform.control.apis()) == ([], [])


def test_a_change_that_cannot_be_served_changes_nothing(platform: Platform) -> None:
    """A schema that is none, and a binding that cannot be built: endpoints, document and snapshot stay as they are."""
    platform.add(name="good", path="/good")
    before = (platform.control.endpoints.all(), platform.control.get(IDENTITY), platform.archive.current())
    with pytest.raises(DocumentRefused):
        platform.add(path="/bad", methods=["POST"], body={"schema": {"type": "nothing"}})
    with pytest.raises(DocumentRefused):
        platform.add(path="/bad", methods=["POST"], body={"schema": {"type": "nothing"}}, deployed=False)
    with pytest.raises(Problem, match="cannot be published"):
        platform.add(path="/bad", flow="", binding={"kind": "echo", "colour": "red"})
    assert before == (platform.control.endpoints.all(), platform.control.get(IDENTITY), platform.archive.current())


def test_another_process_than_a_flow_can_be_behind_an_endpoint(platform: Platform) -> None:
    """Its kind stands in the path."""
    platform.add(flow="", binding={"kind": "echo"}, path="/x/{id}")
    assert platform.call("GET", "/x/5", "/v1/default/flows/echo").json()["parameters"]["path"] == {"id": "5"}


def test_what_is_generated_cannot_be_changed_by_hand(platform: Platform) -> None:
    """It says where to change it; settings and policies of its operations are free, and stay when it is made anew."""
    made = platform.add(path="/x")
    control = platform.control
    for change in (
        lambda: control.replace(IDENTITY, b"{}", "application/json"),
        lambda: control.delete(IDENTITY),
        lambda: control.rollback(IDENTITY, 1),
        lambda: control.bind(IDENTITY, {made["operations"][0]: {"kind": "mock"}}),
    ):
        with pytest.raises(Problem, match="made from the endpoints"):
            change()
    control.set_triggers("flows", {made["operations"][0]: {"timeout": 5}}, publish=True)
    platform.add(path="/y")
    assert control.operation("flows", made["operations"][0]).trigger["timeout"] == 5


def test_a_flow_with_an_endpoint_stays(platform: Platform) -> None:
    """It can be removed once nothing is bound to it."""
    made = platform.add(path="/x")
    platform.control.flows.create({"name": "other", "definition": definition(SHOWN)})
    platform.add(path="/x", flow="other")
    with pytest.raises(Problem, match="operations are bound to 'shown'"):
        platform.control.flows.delete("shown")
    platform.control.endpoints.delete(made["id"])
    platform.control.flows.delete("shown")
    assert platform.call("GET", "/x", "/v1/default/flows/other").status == 200


@pytest.mark.rows("H-036", "H-037", "H-038", "H-070")
@pytest.mark.parametrize("status", [200, 201, 204, 400, 401, 403, 404, 500])
def test_a_flow_chooses_the_status(platform: Platform, status: int) -> None:
    """In one line of its definition; a 204 has no body; 200 if it chooses none."""
    chosen = {"set": {"HttpStatusCode": "${ .path.code | tonumber }", "Content": "said"}}
    platform.control.flows.create({"name": "status", "definition": definition(chosen)})
    platform.add(flow="status", path="/{code}", methods=["POST", "DELETE"])
    for method in ("POST", "DELETE"):
        answer = platform.call(method, f"/{status}", "/v1/default/flows/status")
        assert (answer.status, answer.text) == (status, "" if status == 204 else "said")
    platform.add(path="/plain", methods=["GET", "PUT", "PATCH"])
    assert [platform.call(method, "/plain").status for method in ("GET", "PUT", "PATCH")] == [200, 200, 200]


@pytest.mark.rows("H-004")
def test_two_who_add_at_the_same_time_both_succeed(
    settings: Settings, store: Store, archive: Archive, platform: Platform
) -> None:
    """The document is made again if somebody else was faster; nobody's endpoint is lost."""
    waiting = [{"flow": "shown", "path": f"/other/{number}"} for number in range(2)]

    def interrupted(content: bytes, media_type: str, settings: Settings) -> Any:
        if waiting:
            platform.control.endpoints.create(waiting.pop())
        return take_in(content, media_type, settings)

    slow = Control(settings, store, archive, interrupted, wait_seconds=0.2)
    slow.endpoints.create({"flow": "shown", "path": "/mine"})
    assert sorted(platform.document()["paths"]) == ["/shown/mine", "/shown/other/0", "/shown/other/1"]
    assert len(platform.control.endpoints.all()) == 3


def test_who_is_always_overtaken_is_told_so(
    settings: Settings, store: Store, archive: Archive, platform: Platform
) -> None:
    """After five attempts; nothing of the change is left."""
    numbers = iter(range(100))

    def interrupted(content: bytes, media_type: str, settings: Settings) -> Any:
        platform.add(path=f"/other/{next(numbers)}")
        return take_in(content, media_type, settings)

    slow = Control(settings, store, archive, interrupted, wait_seconds=0.2)
    with pytest.raises(Problem, match="being changed by others"):
        slow.endpoints.create({"flow": "shown", "path": "/mine"})
    assert "/shown/mine" not in platform.document()["paths"]
    assert len(platform.control.endpoints.all()) == next(numbers) == 5


@pytest.mark.rows("H-007")
def test_a_domain_of_its_own_reaches_the_same_endpoint(settings: Settings, store: Store, archive: Archive) -> None:
    """At the bare path, whatever the case and port of the host; every other host knows the long form only."""
    own = msgspec.structs.replace(settings, flows_domains="api.company.com, api2.company.com")
    platform = Platform(own, store, archive)
    platform.control.flows.create({"name": "other", "definition": definition(SHOWN)})
    made = platform.add(path="/customers/{id}", methods=["GET", "PUT"])
    assert made["domainUrls"][0] == "https://api.company.com/customers/{id}"
    other = platform.add(path="/customers/{key}", methods=["POST"], flow="other")
    cors = {"policies": {"cors": {"origins": ["https://a.example"]}}}
    platform.control.set_triggers(IDENTITY, {"*": {"authentication": "none"}}, publish=True)
    platform.control.set_triggers(IDENTITY, {other["operations"][0]: cors}, publish=True)
    assert platform.call("GET", "/customers/7").json()["path"] == {"id": "7"}
    client = platform.client
    for host in ("api.company.com", "API.company.com:8443", "api2.company.com"):
        client.host = host
        answer = client.request("GET", "/customers/7")
        assert answer.json()["path"] == {"id": "7"}
        assert client.request("POST", "/customers/7").json()["path"] == {"key": "7"}
        assert client.request("HEAD", "/customers/7").status == 200
        assert client.request("DELETE", "/customers/7").status == 405
        assert client.request("GET", "/nothing/7").status == 404
        preflight = {"Origin": "https://a.example", "Access-Control-Request-Method": "POST"}
        assert client.request("OPTIONS", "/customers/7", preflight).header("access-control-allow-origin") is not None
        assert client.request("GET", "/v1/default/flows/shown/customers/7").json() == answer.json()
        assert client.request("GET", "/livez").status == 200
    for host in ("gateway.example", "api.company.com.evil.example", "company.com", "xapi.company.com"):
        client.host = host
        assert client.request("GET", "/customers/7").status == 404
    with pytest.raises(Problem, match="would reach"):
        platform.add(path="/customers/{x}", flow="other")


@pytest.mark.rows("H-007")
def test_a_domain_is_no_way_around_a_key(settings: Settings, store: Store, archive: Archive) -> None:
    """The rules of keys are about the long form, wherever the request came in."""
    platform = Platform(msgspec.structs.replace(settings, flows_domains="api.company.com"), store, archive)
    platform.add(path="/customers/{id}")
    texts = {}
    for name, path in (("right", "/v1/default/flows/shown/**"), ("wrong", "/customers/**")):
        rules = [{"methods": ["*"], "path": path}]
        texts[name] = platform.control.keys.create({"name": name, "rules": rules}).view["key"]
    client = platform.client
    client.host = "api.company.com"
    assert client.request("GET", "/customers/7").status == 401
    assert client.request("GET", "/customers/7", {"X-API-Key": texts["wrong"]}).status == 403
    assert client.request("GET", "/customers/7", {"X-API-Key": texts["right"]}).status == 200
