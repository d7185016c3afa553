"""The product under fire: orders with events, a handler that writes an effect for each in order for each customer, and one that
writes a receipt for each in any order."""

import os
import sys
import time
from typing import Any

import sqlalchemy as sa

from brickwork import Platform, hookimpl
from brickwork.errors import BrickworkError
from brickwork.messaging import Event, Retry, handles

metadata = sa.MetaData()
order = sa.Table("loss_order", metadata, sa.Column("number", sa.Integer, primary_key=True), sa.Column("customer", sa.Integer))
effect = sa.Table(
    "loss_effect",
    metadata,
    sa.Column("seq", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("number", sa.Integer),
    sa.Column("customer", sa.Integer),
)
receipt = sa.Table(
    "loss_receipt",
    metadata,
    sa.Column("seq", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("number", sa.Integer),
)
CUSTOMERS = 200


class OrderPlaced(Event, name="order.placed", key="customer"):
    """An order came in."""

    number: int
    customer: int


@handles(OrderPlaced, name="bill", ordered=True, timeout=5.0, retry=Retry(attempts=100, first=0.05, most=0.5))
def bill(platform: Platform, event: OrderPlaced) -> None:
    """Once for each order; nothing in the table would stop a second one."""
    with platform.transaction() as transaction:
        transaction.execute(effect.insert(), {"number": event.number, "customer": event.customer})


@handles(OrderPlaced, name="receipt", timeout=5.0, retry=Retry(attempts=100, first=0.05, most=0.5))
def give_receipt(platform: Platform, event: OrderPlaced) -> None:
    """Once for each order too, in any order: its events are handed over by the process that publishes them."""
    with platform.transaction() as transaction:
        transaction.execute(receipt.insert(), {"number": event.number})


@hookimpl
def brickwork_handlers() -> list[Any]:
    return [bill, give_receipt]


def produce(part: int, parts: int, count: int) -> None:
    """Commit this producer's share of the orders, going on where an earlier one was killed. A commit of which nothing was heard
    is asked for, as any client of a database must."""
    with Platform.from_settings() as platform, platform.context(tenant="bench", actor="user:bench"):
        platform.messaging.queues()
        while True:
            try:
                with platform.transaction() as transaction:
                    last = transaction.execute(
                        sa.select(sa.func.max(order.c.number)).where(order.c.number % parts == part)
                    ).scalar()
                    number = part if last is None else int(last) + parts
                    if number >= count:
                        return
                    # customers belong to one producer, so that the order of their numbers is that of the commits
                    customer = number % CUSTOMERS
                    transaction.execute(order.insert(), {"number": number, "customer": customer})
                    transaction.publish(OrderPlaced(number=number, customer=customer))
            except BrickworkError:
                time.sleep(0.05)


if __name__ == "__main__":
    try:
        produce(*(int(word) for word in sys.argv[1:4]))
    except Exception:
        if os.environ.get("BENCH_VERBOSE"):
            raise
        sys.exit(1)
