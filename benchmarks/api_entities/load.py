"""A load generator that costs little: ready-made request bytes, kept-alive connections, the least of parsing.

Run as a process of its own: `python -m benchmarks.api_entities.load` reads a job as JSON and prints figures as JSON.
"""

import asyncio
import json
import random
import sys
from collections import Counter, deque
from time import perf_counter
from typing import Any

#: Seconds that the open loop sleeps at least, so that it does not spin on a core which the server needs. What falls due
#: meanwhile is sent together, and its latency counts from when it was due.
TICK = 0.001


class Connection(asyncio.Protocol):
    """One kept-alive connection with one request under way."""

    def __init__(self) -> None:
        self._buffer = b""
        self._waiter: asyncio.Future[int] | None = None
        self._lost = False

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def connection_lost(self, error: Exception | None) -> None:
        self._lost = True
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(0)

    def send(self, request: bytes) -> "asyncio.Future[int]":
        """The status of the answer, 0 if the connection broke, also if it did so before."""
        self._waiter = asyncio.get_running_loop().create_future()
        self._buffer = b""
        if self._lost:
            self._waiter.set_result(0)
        else:
            self._transport.write(request)
        return self._waiter

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, found, rest = self._buffer.partition(b"\r\n\r\n")
        if not found:
            return
        lower = head.lower()
        start = lower.find(b"content-length:")
        length = int(lower[start + 15 :].split(b"\r\n", 1)[0]) if start >= 0 else 0
        if len(rest) >= length and self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(int(head[9:12]))


def request(job: dict[str, Any], method: str, path: str, body: dict[str, Any] | None = None) -> bytes:
    """The bytes of a request."""
    payload = json.dumps(body).encode() if body is not None else b""
    lines = [f"{method} {path} HTTP/1.1", f"Host: 127.0.0.1:{job['port']}", *job["headers"], f"Content-Length: {len(payload)}"]
    if payload:
        lines.append("Content-Type: application/json")
    return "\r\n".join([*lines, "", ""]).encode() + payload


def patient(number: int, job: dict[str, Any]) -> dict[str, Any]:
    """A new patient, in the form that the server takes."""
    fields = {
        "given_name": f"Given{number}",
        "family_name": f"Family{number % 997}",
        "birth_date": f"19{number % 80 + 20}-0{number % 9 + 1}-1{number % 9}",
        "email": f"person{number}@example.org",
        "phone": f"+4930{1000000 + number}",
        "ward": ("icu", "er", "general")[number % 3],
        "weight": f"{40 + number % 60}.50",
        "active": number % 2 == 0,
        "notes": "admitted with a sprained ankle, otherwise well; to be seen again in two weeks",
    }
    return {"fields": fields} if job["wrapped"] else fields


def changes(number: int, job: dict[str, Any]) -> dict[str, Any]:
    """A change to a patient."""
    fields = {"weight": f"{40 + number % 60}.25", "notes": f"seen again, visit {number}"}
    return {"fields": fields} if job["wrapped"] else fields


class Requests:
    """Makes requests of each operation; the good statuses by operation."""

    good = {"create": 201, "read": 200, "list": 200, "update": 200}

    def __init__(self, job: dict[str, Any]) -> None:
        self._job = job
        self._ids: list[str] = job["ids"]
        self._number = job.get("start", 0)
        self._random = random.Random(7)

    def make(self, operation: str) -> bytes:
        job, self._number = self._job, self._number + 1
        if operation == "create":
            return request(job, "POST", job["path"], patient(self._number, job))
        if operation == "list":
            return request(job, "GET", job["path"] + job["page"])
        key = self._random.choice(self._ids)
        if operation == "read":
            return request(job, "GET", f"{job['path']}/{key}")
        return request(job, "PATCH", f"{job['path']}/{key}", changes(self._number, job))


async def connections(port: int, count: int) -> list[Connection]:
    loop = asyncio.get_running_loop()
    made = [await loop.create_connection(Connection, "127.0.0.1", port) for _ in range(count)]
    return [protocol for _, protocol in made]


async def closed(job: dict[str, Any]) -> dict[str, Any]:
    """Each connection sends its next request when the last was answered."""
    requests, operation = Requests(job), job["operation"]
    ready = [requests.make(operation) for _ in range(4000)]
    wanted, wrong, count = Requests.good[operation], 0, 0
    begin = perf_counter()
    end = begin + job["seconds"]

    async def one(connection: Connection) -> None:
        nonlocal count, wrong
        while perf_counter() < end:
            message = ready[count % len(ready)] if operation != "create" or count < len(ready) else requests.make(operation)
            count += 1
            wrong += await connection.send(message) != wanted

    await asyncio.gather(*(one(connection) for connection in await connections(job["port"], job["connections"])))
    return {"rate": count / (perf_counter() - begin), "wrong": wrong}


async def constant(job: dict[str, Any]) -> dict[str, Any]:
    """A mix of operations at a constant rate."""
    requests, chance = Requests(job), random.Random(11)
    mix, weights = zip(*job["mix"].items(), strict=True)
    plan = [(op, requests.make(op)) for op in chance.choices(mix, weights, k=int(job["rate"] * job["seconds"]))]
    return await offer(plan, Requests.good, await connections(job["port"], job["connections"]), job["rate"])


async def offer(plan: list[tuple[str, bytes]], good: dict[str, int], ready: list[Connection], rate: float) -> dict[str, Any]:
    """Send requests (each with its operation, whose good status `good` has) at a constant rate, whether or not earlier ones were
    answered; latency counts from the moment at which each was due."""
    free, waiting = deque(ready), deque[tuple[float, str, bytes]]()
    times: list[float] = []
    wrong: Counter[str] = Counter()
    pending: set[asyncio.Task[None]] = set()

    async def one(connection: Connection, due: float, operation: str, message: bytes) -> None:
        while True:
            status = await connection.send(message)
            times.append(perf_counter() - due)
            if status != good[operation]:
                wrong[f"{operation} {status}"] += 1
            if not waiting:
                free.append(connection)
                return
            due, operation, message = waiting.popleft()

    begin = perf_counter() + 0.05
    for n, (operation, message) in enumerate(plan):
        due = begin + n / rate
        if (ahead := due - perf_counter()) > 0:
            await asyncio.sleep(max(ahead, TICK))
        if free:
            task = asyncio.create_task(one(free.popleft(), due, operation, message))
            pending.add(task)
            task.add_done_callback(pending.discard)
        else:
            waiting.append((due, operation, message))
    await asyncio.gather(*pending)
    times.sort()
    at = {f"p{q}": times[min(len(times) - 1, len(times) * q // 100)] * 1000 for q in (50, 95, 99)}
    return {**at, "sent": len(times), "offered": len(plan), "wrong": dict(wrong), "seconds": perf_counter() - begin}


if __name__ == "__main__":
    given = json.loads(sys.stdin.read())
    print(json.dumps(asyncio.run({"closed": closed, "constant": constant}[given["mode"]](given))))
