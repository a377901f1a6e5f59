"""OAuth applications as people register them (apimgmt/control/applications.py)."""

from __future__ import annotations

from typing import Any

import pytest
from test_issuers import PASTED, published

from apimgmt.archive import Archive
from apimgmt.control.service import Control
from apimgmt.errors import Problem
from apimgmt.model import ApplicationEntry

SHOP = {"name": "shop", "client": "c1", "issuer": "id"}


def test_an_application_reaches_the_gateway(control: Control, archive: Archive) -> None:
    """Named by its issuer's name or id; the gateway gets the id."""
    issuer = control.issuers.create(PASTED).view["id"]
    shop = control.applications.create(SHOP).view
    other = control.applications.create({"name": "other", "client": "c2", "issuer": issuer}).view
    assert (shop["issuer"], other["issuer"]) == ("id", "id")
    assert published(archive).applications == (
        ApplicationEntry(id=other["id"], name="other", client="c2", issuer=issuer),
        ApplicationEntry(id=shop["id"], name="shop", client="c1", issuer=issuer),
    )


@pytest.mark.parametrize(
    ("change", "pointer"), [({"issuer": "nobody"}, "/issuer"), ({"client": ""}, "/client"), ({"client": 7}, "/client")]
)
def test_what_could_not_work_is_refused(control: Control, change: Any, pointer: str) -> None:
    """400 with the place."""
    control.issuers.create(PASTED)
    with pytest.raises(Problem) as caught:
        control.applications.create({**SHOP, **change})
    assert caught.value.errors[0]["pointer"] == pointer


def test_a_client_is_registered_once_and_an_issuer_stays_while_it_is_used(control: Control) -> None:
    """Two names for one client would leave open which policies count; an issuer goes after its applications."""
    control.issuers.create(PASTED)
    etag = control.applications.create(SHOP).etag
    with pytest.raises(Problem, match="registered already"):
        control.applications.create({**SHOP, "name": "again"})
    assert control.applications.replace("shop", SHOP, etag).view["client"] == "c1"
    with pytest.raises(Problem, match="remove shop first"):
        control.issuers.delete("id")
    control.applications.delete("shop")
    control.issuers.delete("id")
