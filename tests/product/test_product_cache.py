"""The response cache of the real product: both workers forget what is cleared, by REST and by the command line."""

from __future__ import annotations

import os
import subprocess
import time

import pytest
import requests
from product_platform import PROGRAM, TOKEN, Product

DOCUMENT = """
openapi: 3.0.3
info: {title: Cached, version: '1'}
servers: [{url: /cached}]
paths:
  /who: {get: {operationId: ran, responses: {'200': {description: ok}}}}
"""


@pytest.mark.rows("H-055", "H-057")
@pytest.mark.parametrize("way", ["rest", "command"])
def test_every_worker_forgets_what_is_cleared(product: Product, way: str) -> None:
    """Each worker runs the process once before and once after; a second after the clearing nothing old is answered."""
    name = f"cached-{way}"
    product.upload(name, DOCUMENT, authentication="none", prefix=f"/{way}")
    product.bind(name, {"ran": {"kind": "python", "function": "ran"}})
    product.ask("PUT", f"/apis/{name}/triggers", {"ran": {"policies": {"cache": {"seconds": 60}}}}, publish="true")
    url = f"{product.gateway}/{way}/cached/who"

    def misses() -> int:
        answers = [requests.get(url, timeout=30) for _ in range(40)]
        assert {answer.status_code for answer in answers} == {200}
        return sum("fwd=miss" in answer.headers["Cache-Status"] for answer in answers)

    assert 1 <= misses() <= 2
    misses()
    assert misses() == 0
    if way == "rest":
        product.ask("DELETE", f"/apis/{name}/cache", operation="ran")
    else:
        address = product.admin.removesuffix("/api/v1")
        environment = {**os.environ, "APIMGMT_URL": address, "APIMGMT_TOKEN": TOKEN}
        subprocess.run([PROGRAM, "cache", "clear", name], env=environment, check=True, capture_output=True)
    time.sleep(1.0)
    assert 1 <= misses() <= 2
