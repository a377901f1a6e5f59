"""The metadata of an OData service becomes entities: every entity set with its fields and key, safely read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import responses
from discovering import METADATA, ROOT, platform_with

from apimgmt.connections.entities.odata import EntitySet
from apimgmt.control.discovery.discoveries import Asked
from apimgmt.control.discovery.odata import discovered
from apimgmt.control.service import Control
from apimgmt.errors import ConnectionFailed, Problem
from apimgmt.reading import read


@pytest.mark.rows("C-028")
def test_entity_sets_become_entities_with_their_fields() -> None:
    """Inherited ones too, with the key; what is no entity set is left out, and says so."""
    result = discovered(METADATA.encode())
    found = {one.name: one.definition for one in result.found}
    for definition in found.values():
        read(definition, EntitySet)
    assert found["Customers"] == {
        "set": "Customers",
        "key": ["Id"],
        "fields": [
            {"name": "Id", "type": "Edm.Int32", "nullable": False},
            {"name": "Name", "type": "Edm.String"},
            {"name": "Age", "type": "Edm.Int32"},
            {"name": "Level", "type": "Crm.Level"},
            {"name": "Tags", "type": "Collection(Edm.String)"},
        ],
    }
    assert found["Places"]["key"] == ["Region", "Number"]
    assert {one.what: one.why for one in result.left_out} == {
        "EntitySet Broken": "its type 'Crm.Nothing' is not in the metadata",
        "EntitySet Circle": "its type 'Crm.A' is based on itself",
        "Singleton Me": "only entity sets are entities",
        "FunctionImport Top": "only entity sets are entities",
    }


DTD = "<!DOCTYPE x [<!ENTITY a 'aaaaaaaaaa'><!ENTITY b '&a;&a;&a;&a;&a;&a;'>]>"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        pytest.param(METADATA.replace("?>", "?>" + DTD, 1).replace("Crm", "&b;"), "has a DTD", id="bomb"),
        pytest.param(
            "<!DOCTYPE x SYSTEM 'http://169.254.169.254/x'>" + METADATA.partition("?>")[2], "has a DTD", id="external"
        ),
        pytest.param("<!DOCTYPE x [<!ENTITY a SYSTEM 'file:///etc/passwd'>]><x>&a;</x>", "has a DTD", id="file"),
        pytest.param(METADATA.replace('Version="4.0"', 'Version="5.0"'), "version 4 is needed", id="version"),
        pytest.param(
            '<edmx:Edmx Version="1.0" xmlns:edmx="http://schemas.microsoft.com/ado/2007/06/edmx"/>',
            "OData 3 or older",
            id="version-2",
        ),
        pytest.param("<html/>", "not that of an OData service", id="html"),
        pytest.param('{"$Version": "4.0"}', "no XML", id="json"),
        pytest.param("<a>", "no XML", id="open"),
        pytest.param("", "no XML", id="empty"),
        pytest.param("<?xml version='1.0' encoding='nonsense'?><a/>", "no XML", id="encoding"),
    ],
)
def test_what_is_not_the_metadata_of_a_service_is_told(content: str, words: str) -> None:
    """No entity is expanded, nothing is fetched, and version 2 is told from what is broken."""
    with pytest.raises(ConnectionFailed, match=words) as caught:
        discovered(content.encode())
    assert caught.value.cause == "protocol"


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[Control]:
    """A control plane with a connection to an OData service."""
    with platform_with(tmp_path, {"name": "crm", "type": "odata", "baseUrl": ROOT, "retries": {"count": 0}}) as control:
        yield control


@pytest.mark.rows("C-028")
@responses.activate
def test_metadata_is_found_below_the_base_url(platform: Control) -> None:
    """Nothing needs to be said but the connection; what is stored can be called."""
    responses.get(f"{ROOT}/$metadata", body=METADATA)
    result = platform.discoveries.discover("crm", Asked(store=True))
    assert [one["name"] for one in result["entities"] if one["stored"]] == ["Customers", "Places"]
    responses.get(f"{ROOT}/Customers", json={"value": [{"Id": 1}]})
    connection = platform.connections.opened("crm", 5)
    assert list(connection.entity("Customers").list()) == [{"Id": 1}]
    connection.close()
    assert {one["state"] for one in platform.discoveries.discover("crm", Asked())["entities"]} == {"same"}


@responses.activate
def test_metadata_that_is_refused_is_told(platform: Control) -> None:
    """The status is said, nothing is stored."""
    responses.get(f"{ROOT}/$metadata", status=403)
    with pytest.raises(Problem, match="403"):
        platform.discoveries.discover("crm", Asked(store=True))


def test_metadata_from_a_file(platform: Control) -> None:
    """Nothing is fetched then."""
    result = platform.discoveries.discover("crm", Asked(content=METADATA.encode(), media_type="application/xml"))
    assert len(result["entities"]) == 2
