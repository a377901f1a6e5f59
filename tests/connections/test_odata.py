"""Entity sets of an OData service: filters are written so that the service reads exactly the values that were given."""

from __future__ import annotations

import datetime
import decimal
import json
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
import responses
from odataservice import ROOT, Service, holds

import apimgmt.connections.authentication.bearer
import apimgmt.connections.authentication.none  # noqa: F401  importing a kind registers it
from apimgmt.connections.configuration import Configuration
from apimgmt.connections.connection import Connection
from apimgmt.connections.entities.filters import Condition
from apimgmt.connections.entities.literals import clause, literal, predicate
from apimgmt.connections.entities.member import Member
from apimgmt.errors import ConnectionFailed
from apimgmt.reading import read
from apimgmt.settings import Settings

FIELDS = {
    "Id": "Edm.Int32",
    "Name": "Edm.String",
    "Age": "Edm.Int32",
    "Born": "Edm.Date",
    "Active": "Edm.Boolean",
    "Level": "Crm.Level",
}
ROWS: list[dict[str, Any]] = [
    {"Id": 1, "Name": "Ada", "Age": 36, "Born": "1815-12-10", "Active": True, "Level": "Gold"},
    {"Id": 2, "Name": "O'Hara", "Age": 17, "Born": None, "Active": False, "Level": None},
    {"Id": 3, "Name": "Eve & Co", "Age": None, "Born": "2001-02-03", "Active": True, "Level": None},
]
HOSTILE = (
    "' or 'a' eq 'a",
    "x') or (1 eq 1",
    "x' or Id gt 0 or Name eq '",
    "''",
    "'",
    "%27 or 1 eq 1",
    "a&$filter=true",
    "a#b",
    "a;b/c?d",
    "Ω ß 漢",
    "null",
    "true",
)


@pytest.fixture
def service() -> Iterator[Service]:
    """An OData service with three customers, two to a page."""
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        yield Service(mock, ROWS)


@pytest.fixture
def customers() -> Any:
    """The entity set of a connection."""
    return made().entity("customers")


def made(**members: Any) -> Connection:
    """A connection to the service."""
    given = {"type": "odata", "baseUrl": ROOT, "retries": {"count": 0}, **members}
    fields = [{"name": name, "type": kind} for name, kind in FIELDS.items()]
    places = [{"name": "Region", "type": "Edm.String"}, {"name": "Number", "type": "Edm.Int32"}]
    entities = {
        "customers": {"set": "Customers", "key": ["Id"], "fields": fields},
        "places": {"set": "Places", "key": ["Region", "Number"], "fields": places},
        "log": {"set": "Log", "fields": []},
    }
    return Connection("crm", read(given, Configuration), entities, Settings())


@pytest.mark.rows("C-002")
@pytest.mark.parametrize(
    ("asked", "found"),
    [
        pytest.param({}, [1, 2, 3], id="everything"),
        pytest.param({"Name": "O'Hara"}, [2], id="equals"),
        pytest.param({"where": {"Age": {"ge": 17, "lt": 36}}}, [2], id="ge-lt"),
        pytest.param({"where": {"Name": {"ne": "Ada"}}}, [2, 3], id="ne"),
        pytest.param({"Id": [1, 3]}, [1, 3], id="in"),
        pytest.param({"Id": []}, [], id="in-nothing"),
        pytest.param({"where": {"Name": {"like": "%a"}}}, [1, 2], id="ends"),
        pytest.param({"where": {"Name": {"like": "E%"}}}, [3], id="starts"),
        pytest.param({"where": {"Name": {"like": "%e & C%"}}}, [3], id="contains"),
        pytest.param({"where": {"Name": {"like": "Ada"}}}, [1], id="like-equals"),
        pytest.param({"Age": None}, [3], id="null"),
        pytest.param({"where": {"Age": {"null": False}}}, [1, 2], id="not-null"),
        pytest.param({"where": {"Born": {"gt": datetime.date(1900, 1, 1)}}}, [3], id="date"),
        pytest.param({"Active": True, "where": {"Id": {"gt": 1}}}, [3], id="both"),
        pytest.param({"Level": "Gold"}, [1], id="enumeration"),
        pytest.param({"limit": 2}, [1, 2], id="limit"),
        pytest.param({"offset": 1, "limit": 1}, [2], id="offset"),
        pytest.param({"order": "-Id"}, [3, 2, 1], id="order"),
    ],
)
def test_a_list_is_what_the_service_finds(
    service: Service, customers: Any, asked: dict[str, Any], found: list[int]
) -> None:
    """The service filters, sorts and cuts; all of its pages come."""
    assert [row["Id"] for row in customers.list(**asked)] == found


@pytest.mark.rows("C-002")
@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_a_hostile_text_stays_a_text(service: Service, customers: Any, text: str) -> None:
    """It finds the one that is called so, wherever it stands, and nobody else."""
    service.rows[9] = {**ROWS[0], "Id": 9, "Name": text}
    assert [row["Id"] for row in customers.list(Name=text)] == [9]
    assert [row["Id"] for row in customers.list(where={"Name": {"in": ["nobody", text]}})] == [9]
    if "%" not in text:
        assert [row["Id"] for row in customers.list(where={"Name": {"like": f"{text}%"}})] == [9]


def test_without_doubled_quotes_a_text_would_be_a_filter() -> None:
    """The naive way lets a value become part of the filter; the service of this test notices it."""
    text = HOSTILE[2]
    assert holds(f"Name eq '{text}'", ROWS[0])
    assert not holds(clause(Member(name="Name", type="Edm.String"), Condition("Name", "eq", text)), ROWS[0])


def test_only_chosen_properties_come(service: Service, customers: Any) -> None:
    """``fields`` becomes ``$select``."""
    assert list(customers.list(fields=["Name"], limit=1)) == [{"Name": "Ada"}]


def test_one_is_read_made_changed_and_removed(service: Service, customers: Any) -> None:
    """By key; what is not there is None or 0, and nothing is made by changing it."""
    assert customers.get(1)["Name"] == "Ada"
    assert customers.get(Id=7) is None
    assert customers.create({"Id": 7, "Name": "Gus"}) == {"Id": 7, "Name": "Gus"}
    assert customers.update({"Name": "Guy"}, 7) == 1 and service.rows[7]["Name"] == "Guy"
    assert service.requests[-1].headers["If-Match"] == "*"
    assert customers.update({"Name": "Guy"}, Id=8) == 0
    assert customers.delete(7, etag='W/"3"') == 1 and 7 not in service.rows
    assert service.requests[-1].headers["If-Match"] == 'W/"3"'
    assert customers.delete(7) == 0


def test_requests_say_which_version_they_speak(service: Service, customers: Any) -> None:
    """Version 4, JSON, and the body's version with a body."""
    customers.get(1)
    assert service.requests[0].headers["OData-MaxVersion"] == "4.01"
    assert service.requests[0].headers["Accept"] == "application/json"
    customers.create({"Id": 5})
    assert service.requests[1].headers["OData-Version"] == "4.0"


@pytest.mark.parametrize(
    "link", ["Customers?skiptoken={skip}&{query}", "?skiptoken={skip}", "/odata/Customers?skiptoken={skip}"]
)
def test_links_may_be_relative(service: Service, customers: Any, link: str) -> None:
    """They are resolved against the URL that was asked."""
    service.link = link
    assert [row["Id"] for row in customers.list()] == [1, 2, 3]


@pytest.mark.parametrize(
    "link",
    [
        "http://evil.example/odata/Customers?skiptoken={skip}",
        "https://crm.example/odata/Customers?skiptoken={skip}",
        "http://crm.example:81/odata/Customers",
        "//evil.example/Customers",
        "http://crm.example@evil.example/",
        "file:///etc/passwd",
        "http://[::1",
    ],
)
def test_a_link_to_another_origin_is_not_followed(service: Service, link: str) -> None:
    """The credential goes to one system only."""
    service.link = link
    customers = made(authentication={"kind": "bearer", "token": "t0ken"}).entity("customers")
    with pytest.raises(ConnectionFailed) as caught:
        list(customers.list())
    assert caught.value.cause == "pagination" and len(service.requests) == 1


def test_a_circle_of_links_ends(service: Service, customers: Any) -> None:
    """A link that was followed before is not followed again."""
    service.link = ROOT + "/Customers?skiptoken=0"
    with pytest.raises(ConnectionFailed, match="followed before"):
        list(customers.list())
    assert len(service.requests) == 2


@pytest.mark.parametrize(
    ("call", "words"),
    [
        pytest.param(lambda e: list(e.list(Nme="x")), "no member 'Nme'", id="member"),
        pytest.param(lambda e: list(e.list(where={"Id eq 1 or Name": 1})), "no member", id="hostile-member"),
        pytest.param(lambda e: list(e.list(order="Id desc,Name")), "no member", id="hostile-order"),
        pytest.param(lambda e: list(e.list(fields=["Id,Name"])), "no member", id="hostile-select"),
        pytest.param(lambda e: list(e.list(Age="1 or 1 eq 1")), "no Edm.Int32", id="number"),
        pytest.param(lambda e: list(e.list(Active="yes")), "no Edm.Boolean", id="boolean"),
        pytest.param(lambda e: list(e.list(Born="2020-01-01 or true")), "no Edm.Date", id="date"),
        pytest.param(lambda e: list(e.list(Level="Gold' or 'a' eq 'a")), "no Crm.Level", id="enumeration"),
        pytest.param(lambda e: list(e.list(where={"Name": {"like": "a%b"}})), "knows", id="pattern"),
        pytest.param(lambda e: list(e.list(where={"Name": {"like": "a_"}})), "knows", id="wildcard"),
        pytest.param(lambda e: list(e.list(where={"Age": {"like": "1%"}})), "for texts", id="like-number"),
        pytest.param(lambda e: list(e.list(Name={"eq": b"x"})), "bytes", id="bytes"),
        pytest.param(lambda e: list(e.list(Name="\ud800")), "no Edm.String", id="surrogate"),
        pytest.param(lambda e: e.get(), "the key of 'customers' is: Id", id="no-key"),
        pytest.param(lambda e: e.get(None), "the key of 'customers' is: Id", id="null-key"),
        pytest.param(lambda e: e.get("1) or (1"), "no Edm.Int32", id="hostile-key"),
        pytest.param(lambda e: e.create("x"), "is an object", id="row"),
        pytest.param(lambda e: e.update({}, 1), "nothing to change", id="nothing"),
    ],
)
def test_what_cannot_be_asked_is_told(service: Service, customers: Any, call: Any, words: str) -> None:
    """Before anything is sent."""
    with pytest.raises(ConnectionFailed, match=words) as caught:
        call(customers)
    assert caught.value.cause == "request" and service.requests == []


@pytest.mark.parametrize(
    ("kind", "value", "written"),
    [
        ("Edm.String", "it's", "'it''s'"),
        ("Edm.String", 5, "'5'"),
        ("Edm.Guid", uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        ("Edm.Decimal", decimal.Decimal("1.50"), "1.50"),
        ("Edm.Double", float("inf"), "INF"),
        ("Edm.Double", float("-inf"), "-INF"),
        ("Edm.Double", float("nan"), "NaN"),
        ("Edm.Int64", -5, "-5"),
        ("Edm.DateTimeOffset", datetime.datetime(2020, 1, 2, 3, 4, 5), "2020-01-02T03:04:05Z"),
        ("Edm.DateTimeOffset", "2020-01-02T03:04:05.123+02:00", "2020-01-02T03:04:05.123+02:00"),
        ("Edm.TimeOfDay", datetime.time(3, 4), "03:04:00"),
        ("Edm.Duration", "PT5M", "duration'PT5M'"),
        ("Edm.Binary", "AQID", "binary'AQID'"),
        ("Edm.Boolean", True, "true"),
        ("Crm.Level", "Gold", "Crm.Level'Gold'"),
        ("Edm.String", None, "null"),
    ],
    ids=str,
)
def test_literals(kind: str, value: Any, written: str) -> None:
    """Each type is written as the ABNF of OData has it."""
    assert literal(Member(name="X", type=kind), value) == written


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("Edm.Int32", "1.5"),
        ("Edm.Int32", "١"),
        ("Edm.Int32", "1\n"),
        ("Edm.Guid", "1' or '1"),
        ("Edm.Duration", "P"),
        ("Edm.Duration", "PT"),
        ("Edm.Binary", "a'b"),
        ("Edm.DateTimeOffset", "2020-01-02"),
        ("Edm.GeographyPoint", "x"),
        ("Collection(Edm.String)", "x"),
    ],
    ids=str,
)
def test_no_literals(kind: str, value: Any) -> None:
    """What does not look exactly like its type is refused."""
    with pytest.raises(ConnectionFailed) as caught:
        literal(Member(name="X", type=kind), value)
    assert caught.value.cause == "request"


def test_keys_in_the_path() -> None:
    """Percent-encoded, quotes doubled, several by name."""
    name, number = Member(name="Region", type="Edm.String"), Member(name="Number", type="Edm.Int32")
    assert predicate([(name, "a/b'c?#")]) == "('a%2Fb''c%3F%23')"
    assert predicate([(name, "n"), (number, 2)]) == "(Region='n',Number=2)"
    assert clause(number, Condition("Number", "in", [])) == "false"


def test_a_key_of_a_text_reaches_the_service_as_it_is() -> None:
    """Through the whole connection: a slash and a quote stay in the key."""
    with responses.RequestsMock() as mock:
        mock.add("GET", f"{ROOT}/Places(Region='a%2Fb''c',Number=2)", json={"Region": "a/b'c", "Number": 2})
        assert made().entity("places").get("a/b'c", 2) == {"Region": "a/b'c", "Number": 2}


@pytest.mark.parametrize(
    ("body", "cause"),
    [("<html>", "protocol"), ("[]", "schema"), ('{"d": {"results": []}}', "data-path"), ('{"value": 1}', "data-path")],
)
def test_an_answer_that_is_no_odata(body: str, cause: str) -> None:
    """Version 2 and everything else are told apart from an empty list."""
    with responses.RequestsMock() as mock:
        mock.add("GET", f"{ROOT}/Customers", body=body)
        with pytest.raises(ConnectionFailed) as caught:
            list(made().entity("customers").list())
        assert caught.value.cause == cause


@pytest.mark.parametrize("status", [400, 401, 428, 500])
def test_a_refusal_is_an_error(status: int) -> None:
    """Whatever the service does not do is ConnectionFailed("status") with its answer."""
    with responses.RequestsMock() as mock:
        mock.add("PATCH", f"{ROOT}/Customers(1)", body=json.dumps({"error": {"code": "x"}}), status=status)
        with pytest.raises(ConnectionFailed) as caught:
            made().entity("customers").update({"Name": "x"}, 1)
        assert caught.value.reply.status == status


def test_an_entity_set_without_a_key_is_only_listed() -> None:
    """It says so."""
    with pytest.raises(ConnectionFailed, match="has no key"):
        made().entity("log").get(1)
