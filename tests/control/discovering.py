"""What the tests of discovery share: a control plane with the real intake and one connection, and OData metadata."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import apimgmt.connections.authentication.basic
import apimgmt.connections.authentication.bearer
import apimgmt.connections.authentication.none  # noqa: F401  importing a kind registers it
from apimgmt.archive import Archive
from apimgmt.control.service import Control
from apimgmt.control.store import Store
from apimgmt.settings import Settings
from apimgmt.spec.intake import take_in

ROOT = "http://crm.example/odata"
METADATA = """<?xml version="1.0" encoding="utf-8"?>
<edmx:Edmx Version="4.0" xmlns:edmx="http://docs.oasis-open.org/odata/ns/edmx">
 <edmx:DataServices>
  <Schema Namespace="Crm" Alias="Self" xmlns="http://docs.oasis-open.org/odata/ns/edm">
   <EnumType Name="Level"><Member Name="Gold" Value="1"/></EnumType>
   <EntityType Name="Party" Abstract="true">
    <Key><PropertyRef Name="Id"/></Key><Property Name="Id" Type="Edm.Int32" Nullable="false"/>
   </EntityType>
   <EntityType Name="Customer" BaseType="Self.Party">
    <Property Name="Name" Type="Edm.String"/><Property Name="Age" Type="Edm.Int32"/>
    <Property Name="Level" Type="Crm.Level"/><Property Name="Tags" Type="Collection(Edm.String)"/>
    <NavigationProperty Name="Orders" Type="Collection(Crm.Place)"/>
   </EntityType>
   <EntityType Name="Place">
    <Key><PropertyRef Name="Region"/><PropertyRef Name="Number"/></Key>
    <Property Name="Region" Type="Edm.String" Nullable="false"/>
    <Property Name="Number" Type="Edm.Int32" Nullable="false"/>
   </EntityType>
   <EntityType Name="A" BaseType="Crm.B"/><EntityType Name="B" BaseType="Crm.A"/>
   <Function Name="Top"><ReturnType Type="Edm.Int32"/></Function>
   <EntityContainer Name="Container">
    <EntitySet Name="Customers" EntityType="Crm.Customer"/>
    <EntitySet Name="Places" EntityType="Crm.Place"/>
    <EntitySet Name="Broken" EntityType="Crm.Nothing"/>
    <EntitySet Name="Circle" EntityType="Crm.A"/>
    <Singleton Name="Me" Type="Crm.Customer"/>
    <FunctionImport Name="Top" Function="Crm.Top"/>
   </EntityContainer>
  </Schema>
 </edmx:DataServices>
</edmx:Edmx>"""


@contextmanager
def platform_with(folder: Path, connection: Mapping[str, Any]) -> Iterator[Control]:
    """A control plane over a data folder, with this connection."""
    settings = Settings(data=str(folder))
    store = Store(settings)
    control = Control(settings, store, Archive(settings.root), take_in, (), wait_seconds=0.1)
    control.connections.create(connection)
    yield control
    store.close()
