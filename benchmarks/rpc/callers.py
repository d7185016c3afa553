"""Clients that read records in a closed loop. `python -m benchmarks.rpc.callers` reads a job as JSON, prints figures as JSON."""

import http.client
import json
import random
import statistics
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import orjson

Read = Callable[[str], str]


def grpc(job: dict[str, Any]) -> Callable[[], Read]:
    """The generated client; its threads share a channel."""
    from brickwork.rpc import Channel

    sys.path.insert(0, job["folder"])
    from entities_client import Entities

    entities = Entities(Channel(f"127.0.0.1:{job['grpc']}", token=job["token"].removeprefix("Bearer ")))
    return lambda: lambda id: str(entities.get("patient", id).id)


def plain(job: dict[str, Any]) -> Callable[[], Read]:
    """The standard library's client, a connection a thread."""

    def connected() -> Read:
        connection = http.client.HTTPConnection("127.0.0.1", job["http"])
        headers = {"Authorization": job["token"]}

        def read(id: str) -> str:
            connection.request("GET", f"/api/v1/entities/patient/{id}", headers=headers)
            return str(orjson.loads(connection.getresponse().read())["data"]["id"])

        return read

    return connected


def httpx(job: dict[str, Any]) -> Callable[[], Read]:
    """httpx, whose threads share a client."""
    import httpx2

    client = httpx2.Client(base_url=f"http://127.0.0.1:{job['http']}", headers={"Authorization": job["token"]})
    return lambda: lambda id: str(client.get(f"/api/v1/entities/patient/{id}").json()["data"]["id"])


def main() -> None:
    """Run the job's caller for its time."""
    job = json.load(sys.stdin)
    connect = {"grpc": grpc, "http": plain, "httpx": httpx}[job["caller"]](job)
    taken: list[float] = []
    begin = threading.Barrier(job["threads"] + 1)
    ends: list[float] = [0.0]

    def loop() -> None:
        read, own = connect(), list[float]()
        for id in job["ids"][:50]:
            read(id)
        begin.wait()
        while (before := time.perf_counter()) < ends[0]:
            id = random.choice(job["ids"])
            if read(id) != id:
                raise RuntimeError("another record was answered")
            own.append(time.perf_counter() - before)
        taken.extend(own)

    threads = [threading.Thread(target=loop) for _ in range(job["threads"])]
    for thread in threads:
        thread.start()
    ends[0] = time.perf_counter() + 3600
    begin.wait()
    ends[0] = time.perf_counter() + job["seconds"]
    for thread in threads:
        thread.join()
    print(json.dumps({"rate": len(taken) / job["seconds"], "p50": statistics.median(taken) * 1000}))


if __name__ == "__main__":
    main()
