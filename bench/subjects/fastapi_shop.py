"""FastAPI: the same document written as Python types, with async handlers and the key as a dependency."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, FastAPI, HTTPException, Path, Query, Security
from fastapi.security import APIKeyHeader
from pydantic import BaseModel, Field

from bench.exchanges import KEY

header = APIKeyHeader(name="X-API-Key")


class Line(BaseModel):
    """One line of an order."""

    sku: str = Field(pattern="^[A-Z]-[0-9]+$")
    count: int = Field(ge=1, le=1000)


class Order(BaseModel):
    """The body of POST /orders."""

    customer: str = Field(min_length=1, max_length=100)
    express: bool
    discount: float | None = Field(default=None, ge=0, le=1)
    lines: list[Line] = Field(min_length=1, max_length=50)


class Item(BaseModel):
    """The answer of GET /items/{id}."""

    id: int
    active: bool
    sizes: list[int]


class Receipt(BaseModel):
    """The answer of POST /orders."""

    customer: str
    lines: int
    pieces: int


async def check_key(key: Annotated[str, Security(header)]) -> None:
    """Refuse a key that is not the one of the benchmark; one that is missing is refused by ``header``."""
    if key != KEY:
        raise HTTPException(status_code=401, detail="unauthorized")


app = FastAPI(dependencies=[Depends(check_key)])


@app.get("/items/{id}")
async def get_item(
    id: Annotated[int, Path(ge=1)], active: bool, sizes: Annotated[list[int], Query(max_length=10)]
) -> Item:
    """One item; what comes back is what was cast."""
    return Item(id=id, active=active, sizes=sizes)


@app.post("/orders")
async def create_order(order: Order) -> Receipt:
    """Take an order and count its lines and pieces."""
    return Receipt(customer=order.customer, lines=len(order.lines), pieces=sum(line.count for line in order.lines))
