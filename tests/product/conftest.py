"""One real platform for all tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from product_apis import publish_bookshop, publish_workshop
from product_platform import Product


@pytest.fixture(scope="session")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """``apimgmt start`` with two workers on free ports, empty."""
    started = Product(tmp_path_factory.mktemp("product"))
    try:
        yield started.start()
    finally:
        started.stop()


@pytest.fixture(scope="session")
def workshop(product: Product) -> str:
    """The platform has the sample ``specs/documents/workshop.yaml``; a key that may call everything."""
    publish_workshop(product)
    return product.key("workshop")


@pytest.fixture(scope="session")
def bookshop(product: Product) -> str:
    """The platform has the demo; where its page is."""
    publish_bookshop(product)
    return f"{product.gateway}/bookshop/ui/"
