"""The peer `asgiproxy`, as its documentation sets it up."""

import os

from asgiproxy.config import BaseURLProxyConfigMixin, ProxyConfig
from asgiproxy.context import ProxyContext
from asgiproxy.simple_proxy import make_simple_proxy_app

HOST = f"127.0.0.1:{os.environ['BENCH_UPSTREAM']}"


class Config(BaseURLProxyConfigMixin, ProxyConfig):
    upstream_base_url = f"http://{HOST}"
    rewrite_host_header = HOST


app = make_simple_proxy_app(ProxyContext(Config(), max_concurrency=100))
