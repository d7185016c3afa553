"""A service with every kind of value, as a product writes it. Its own module, so that server processes import it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from time import sleep
from typing import Annotated, Any, Literal
from uuid import UUID

import attrs
from pydantic import BaseModel, Field

from brickwork import hookimpl
from brickwork.auth import Grant, Permission, Role
from brickwork.errors import ConflictError, StaleVersionError, ValidationError
from brickwork.rpc import Number, Service, exposed
from brickwork.rpc import deadline as deadlines
from brickwork.testing.ward import Tag
from brickwork.web.endpoint import PUBLIC, SIGNED_IN


class Size(Enum):
    SMALL = "small"
    LARGE = "large"


class Price(BaseModel):
    """What something costs."""

    amount: Annotated[Decimal, Field(ge=0)]
    currency: Literal["EUR", "USD"] = "EUR"
    tags: list[str] = []


@attrs.frozen
class Quote:
    item: str
    price: Price
    at: datetime
    parts: dict[str, Price]
    note: Annotated[str | None, Number(9)] = None
    parent: "Quote | None" = None


@dataclass(frozen=True)
class Everything:
    text: str
    whole: int
    real: float
    truth: bool
    raw: bytes
    money: Decimal
    key: UUID
    day: date
    clock: time
    moment: datetime
    length: timedelta
    size: Size
    json: Any
    maybe: int | None
    several: tuple[int, ...]
    unique: frozenset[str]
    named: dict[int, str]
    facts: Mapping[str, Any]
    nested: list[Price] = field(default_factory=list)


class Prices:
    """Prices of goods."""

    def __init__(self, platform):
        self._platform = platform

    @exposed("prices.read")
    def quote(
        self,
        item: Annotated[str, Field(min_length=1)],
        quantity: Annotated[int, Field(ge=1, le=1000)] = 1,
        *,
        note: str | None = None,
    ) -> Quote:
        """A quote for some of an item.

        Raises `ConflictError` for what is sold out.
        """
        if item == "gone":
            raise ConflictError("gone is sold out", item="gone", left=0)
        price = Price(amount=Decimal("9.99") * quantity, tags=["net"])
        at = datetime(2026, 1, 5, 9, 30, 0, 123456, tzinfo=UTC)
        return Quote(item, price, at, {"net": price}, note, Quote("parent", price, at, {}))

    @exposed("prices.read")
    def echo(self, value: Everything) -> Everything:
        """The same again."""
        return value

    @exposed("prices.read")
    def list(self, prefix: str = "", *, sizes: frozenset[Size] = frozenset()) -> list[str]:
        """Names of goods."""
        return [f"{prefix}{name}" for name in ("bed", "lamp")] if not sizes else sorted(size.value for size in sizes)

    @exposed("prices.read")
    def find(self, item: str) -> Price | None:
        """The price, or none."""
        return Price(amount=Decimal(1)) if item == "bed" else None

    @exposed("prices.read")
    def watch(self, item: str, count: int = 3) -> Iterator[Price]:
        """Prices as they change."""
        for number in range(count):
            if number == 100:
                raise ValidationError("a hundred is enough", field="count")
            yield Price(amount=Decimal(number))

    @exposed("prices.write")
    def tag(self, name: str, *, pause: float = 0.0, fail: bool = False) -> int:
        """Store a name; how many there are."""
        with self._platform.transaction() as transaction:
            transaction.session.add(Tag(name=name))
            transaction.session.flush()
            sleep(pause)
            if fail:
                raise StaleVersionError("it has changed", expected=1, actual=2)
            return transaction.session.query(Tag).count()

    @exposed(SIGNED_IN)
    def who(self) -> dict[str, str]:
        """In which circumstances the call is served."""
        context = self._platform.current
        left = deadlines.current().left()
        trace = self._platform.tracing.carrier().get("traceparent", "")
        return {
            "tenant": context.tenant or "",
            "actor": context.actor,
            "correlation_id": context.correlation_id,
            "locale": context.locale,
            "left": f"{left:.3f}",
            "trace": trace,
        }

    @exposed(PUBLIC)
    def ping(self) -> None:
        """Nothing."""

    @exposed("prices.read")
    def crash(self) -> str:
        """Fails in an unforeseen way."""
        raise RuntimeError("hunter2")


@hookimpl
def brickwork_permissions():
    return [Permission(name="prices.read", title="See prices"), Permission(name="prices.write", title="Change prices")]


@hookimpl
def brickwork_roles():
    return [Role(name="reader", title="Reads prices", grants=[Grant(allow=["prices.read"])])]


@hookimpl
def brickwork_rpc_services(platform):
    return [Service("shop.v1.Prices", Prices(platform))]
