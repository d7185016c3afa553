"""Bare dramatiq: an actor that does the same work, sent to after the commit. What is committed and not sent is lost."""

import os
import sys
import time

import dramatiq
from dramatiq.brokers.rabbitmq import RabbitmqBroker
from dramatiq.brokers.redis import RedisBroker

from benchmarks.event_throughput.tables import effect, engine, order

kind, url = os.environ["BENCH_BROKER"], os.environ["BENCH_BROKER_URL"]
dramatiq.set_broker(RedisBroker(url=url) if kind == "redis" else RabbitmqBroker(url=url))
database = engine()


@dramatiq.actor(queue_name="bench_bare")
def bill(number: int, amount: int) -> None:
    with database.begin() as connection:
        connection.execute(effect.insert(), {"number": number, "at": time.time()})


def produce(first: int, count: int) -> None:
    begin = time.time()
    for number in range(first, first + count):
        with database.begin() as connection:
            connection.execute(order.insert(), {"id": number, "amount": 7})
        bill.send(number, 7)
    print("begin", begin)


if __name__ == "__main__":
    produce(int(sys.argv[1]), int(sys.argv[2]))
