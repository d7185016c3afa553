"""The peer `python`: fastapi-proxy-lib, as its documentation sets it up."""

import os

from fastapi_proxy_lib.fastapi.app import reverse_http_app

app = reverse_http_app(base_url=f"http://127.0.0.1:{os.environ['BENCH_UPSTREAM']}/")
