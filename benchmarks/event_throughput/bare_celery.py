"""Celery, without a result backend: a task that does the same work, sent after the commit."""

import os
import sys
import time

from celery import Celery

from benchmarks.event_throughput.tables import effect, engine, order

app = Celery("bench", broker=os.environ["BENCH_BROKER_URL"])
app.conf.update(
    task_ignore_result=True,
    task_default_queue="bench_celery",
    worker_hijack_root_logger=False,
    broker_connection_retry_on_startup=True,
)
database = engine()


@app.task(name="bill")
def bill(number: int, amount: int) -> None:
    with database.begin() as connection:
        connection.execute(effect.insert(), {"number": number, "at": time.time()})


def produce(first: int, count: int) -> None:
    begin = time.time()
    for number in range(first, first + count):
        with database.begin() as connection:
            connection.execute(order.insert(), {"id": number, "amount": 7})
        bill.delay(number, 7)
    print("begin", begin)


if __name__ == "__main__":
    produce(int(sys.argv[1]), int(sys.argv[2]))
