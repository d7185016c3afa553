"""Requests per second through a reverse proxy, and what it adds to the 99th percentile.

Claim: the embedded gateway, one process, passes on at least twice as many requests as another Python reverse proxy on the same
server and the same upstream. Peers:

- `python`: fastapi-proxy-lib, on httpx and ASGI, with streaming and WebSockets: the same kind of proxy.
- `httpx`: the shortest proxy that can be written by hand over httpx's transport, without policies, retries or limits.
- `asgiproxy`: on aiohttp, whose parser and writer are C; the fastest found in Python. Its ratio is shown, not claimed.
- `nginx`: one worker. It is C, and the ratio is there to be known.

The gateway does what it does in production: correlation ids, Forwarded, metrics, the checks of requests and answers.
"""

import contextlib
import shutil
import statistics
import tempfile
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.gateway_proxy import servers
from benchmarks.harness import result, say

#: Requests per second that are offered for the percentiles.
STEADY = 100


def run(*, quick: bool = False) -> dict[str, Any]:
    """The figures of all proxies."""
    rounds, seconds = (1, 1.0) if quick else (5, 3.0)
    with tempfile.TemporaryDirectory(prefix="brickwork-bench-") as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        port = stack.enter_context(servers.upstream())
        running = {
            "direct": port,
            "brickwork": stack.enter_context(servers.brickwork(folder, port)),
            "python": stack.enter_context(servers.asgi("fastapi_proxy", port)),
            "asgiproxy": stack.enter_context(servers.asgi("asgi_proxy", port)),
            "httpx": stack.enter_context(servers.asgi("httpx_proxy", port)),
        }
        if shutil.which("nginx"):
            running["nginx"] = stack.enter_context(servers.nginx(folder, port))
        else:
            say("nginx is left out: it is not installed (Debian: nginx-light)")
        rates: dict[str, list[float]] = {one: [] for one in running}
        tails: dict[str, list[float]] = {one: [] for one in running}
        for number in range(rounds):
            for one, at in running.items():
                rates[one].append(servers.rate(at, seconds))
                tails[one].append(servers.tail(at, seconds, STEADY))
            say(f"round {number + 1} of {rounds} done")
    show(rates, tails)
    return summary(rates, tails)


def summary(rates: dict[str, list[float]], tails: dict[str, list[float]]) -> dict[str, Any]:
    """The result."""
    peers = {one: values for one, values in rates.items() if one not in ("direct", "brickwork")}
    figures = result("gateway_proxy", "requests/s", rates["brickwork"], peers, {})
    for one in ("python", "httpx"):
        figures["checks"][f"{one}_at_least_2.0"] = figures["peers"][one]["ratio"] >= 2.0
    added = {one: statistics.median(values) - statistics.median(tails["direct"]) for one, values in tails.items()}
    figures["checks"]["adds_less_to_p99_than_python"] = added["brickwork"] < added["python"]
    return figures


def show(rates: dict[str, list[float]], tails: dict[str, list[float]]) -> None:
    """The figures for people."""
    base = statistics.median(tails["direct"])
    table = Table("Proxy", "requests/s", "p99 ms", "added", title=f"median of the rounds; p99 at {STEADY} requests/s")
    for one, values in rates.items():
        tail = statistics.median(tails[one])
        table.add_row(one, f"{statistics.median(values):,.0f}", f"{tail:.2f}", "" if one == "direct" else f"{tail - base:.2f}")
    Console(stderr=True).print(table)
