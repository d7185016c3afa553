"""brickwork's side: the product module with the handler, and the producer."""

import sys
import time
from typing import Any

from benchmarks.event_throughput.tables import effect, order
from brickwork import Platform, hookimpl
from brickwork.messaging import Event, handles


class OrderPlaced(Event, name="order.placed", key="number"):
    """An order came in."""

    number: int
    amount: int


@handles(OrderPlaced, name="bill", queue="bench")
def bill(platform: Platform, event: OrderPlaced) -> None:
    """The same work as the peers' handlers."""
    with platform.transaction() as transaction:
        transaction.execute(effect.insert(), {"number": event.number, "at": time.time()})


@hookimpl
def brickwork_handlers() -> list[Any]:
    return [bill]


def produce(first: int, count: int, rate: float) -> None:
    """Commit `count` orders with their events; at `rate` a second, or (0) as fast as it goes."""
    with Platform.from_settings() as platform, platform.context(tenant="bench", actor="user:bench"):
        platform.messaging.queues()
        begin = time.time()
        for number in range(first, first + count):
            if rate and (ahead := begin + (number - first) / rate - time.time()) > 0:
                time.sleep(ahead)
            with platform.transaction() as transaction:
                transaction.execute(order.insert(), {"id": number, "amount": 7})
                transaction.publish(OrderPlaced(number=number, amount=7))
            if rate:
                print(number, time.time())
        print("begin", begin)


if __name__ == "__main__":
    produce(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]))
