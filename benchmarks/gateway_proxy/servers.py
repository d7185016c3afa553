"""Starting and stopping the proxies that are compared, and putting load on them."""

import contextlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.api_entities.servers import free_port, load, process, uvicorn

CONNECTIONS = 32
_NGINX = """
worker_processes 1; daemon off; pid {folder}/nginx.pid; error_log stderr;
events {{ worker_connections 1024; }}
http {{
  access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  keepalive_requests 100000000;
  upstream api {{ server 127.0.0.1:{upstream}; keepalive 64; keepalive_requests 100000000; }}
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://api; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_set_header X-Forwarded-For $remote_addr; proxy_set_header X-Forwarded-Proto $scheme;
      proxy_set_header X-Forwarded-Host $http_host; proxy_set_header X-Request-Id $request_id;
    }}
  }}
}}
"""


@contextlib.contextmanager
def upstream() -> Iterator[int]:
    """The upstream's port."""
    port = free_port()
    with process([sys.executable, "-m", "benchmarks.gateway_proxy.upstream", str(port)], {}, port):
        yield port


@contextlib.contextmanager
def brickwork(folder: Path, upstream: int) -> Iterator[int]:
    """`brickwork gateway serve` before the upstream."""
    services = [{"name": "api", "targets": [f"127.0.0.1:{upstream}"]}]
    (folder / "gateway.yaml").write_text(json.dumps({"services": services, "routes": [{"name": "all", "service": "api"}]}))
    lines = ["[platform]", f'data_dir = "{folder / "data"}"', "[database]", f'url = "sqlite:///{folder / "bench.db"}"']
    (folder / "brickwork.toml").write_text("\n".join([*lines, "[gateway]", f'files = ["{folder / "gateway.yaml"}"]']))
    port = free_port()
    command = [sys.executable, "-m", "brickwork", "gateway", "serve", "--port", str(port)]
    with process(command, {"BRICKWORK_CONFIG": str(folder / "brickwork.toml")}, port):
        yield port


@contextlib.contextmanager
def asgi(module: str, upstream: int) -> Iterator[int]:
    """Another proxy, on the same server."""
    with uvicorn(f"benchmarks.gateway_proxy.{module}:app", {"BENCH_UPSTREAM": str(upstream)}) as port:
        yield port


@contextlib.contextmanager
def nginx(folder: Path, upstream: int) -> Iterator[int]:
    """nginx with one worker."""
    port = free_port()
    config = folder / "nginx.conf"
    config.write_text(_NGINX.format(folder=folder, port=port, upstream=upstream))
    with process(["nginx", "-c", str(config)], {}, port):
        yield port


def _job(port: int, seconds: float, **more: Any) -> dict[str, Any]:
    known = {"port": port, "path": "/patients", "page": "?limit=20", "wrapped": False, "headers": [], "ids": ["1"]}
    return {**known, "seconds": seconds, "connections": CONNECTIONS, **more}


def rate(port: int, seconds: float) -> float:
    """Requests per second where each connection sends its next as soon as the last was answered."""
    figures = load(_job(port, seconds, mode="closed", operation="list"))
    if figures["wrong"]:
        raise RuntimeError(f"{figures['wrong']} requests were answered with another status than 200")
    return float(figures["rate"])


def tail(port: int, seconds: float, steady: int) -> float:
    """The 99th percentile, in milliseconds, at a constant rate."""
    figures = load(_job(port, seconds, mode="constant", rate=steady, mix={"list": 1}))
    if figures["wrong"]:
        raise RuntimeError(f"requests were answered with another status than 200: {figures['wrong']}")
    return float(figures["p99"])
