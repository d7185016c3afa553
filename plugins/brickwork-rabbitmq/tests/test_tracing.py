"""One trace over processes: `brickwork serve` and `brickwork worker`, RabbitMQ between them, and a collector that takes their
spans by OTLP/HTTP as the protocol's own protobuf messages."""

import gzip
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import urllib.request
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from time import monotonic, sleep

import pika
import pika.exceptions
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest, ExportTraceServiceResponse

from brickwork.testing.auth import bearer
from brickwork.testing.plugin import absent

URL = os.environ.get("BRICKWORK_TEST_RABBITMQ", "amqp://guest:guest@127.0.0.1:5672/%2f")
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
MODULE = """
from brickwork import hookimpl
from brickwork.jobs import job
from brickwork.messaging import Event, handles
from brickwork.web import Endpoint
from brickwork.web.endpoint import SIGNED_IN

class OrderPlaced(Event, name="order.placed"):
    order: str

@handles(OrderPlaced, name="reserve")
def reserve(platform, event):
    platform.jobs.enqueue("pack", {"order": event.order})

@job(name="pack")
def pack(platform, run, order):
    with platform.transaction(readonly=True):
        open(f"packed-{order}", "w").close()

def place(call):
    with call.platform.transaction() as transaction:
        transaction.publish(OrderPlaced(order=call.body["order"]))

@hookimpl
def brickwork_handlers():
    return [reserve]

@hookimpl
def brickwork_jobs():
    return [pack]

@hookimpl
def brickwork_routes(platform):
    return [
        Endpoint(method="POST", path="/orders", handler=place, permission=SIGNED_IN, body=dict, summary="Place", tag="shop")
    ]
"""


class Collector:
    """Takes OTLP over HTTP (opentelemetry-proto, `TraceService`), and keeps the spans with their service's name."""

    def __init__(self):
        kept = self.kept = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                if self.headers.get("content-encoding") == "gzip":
                    body = gzip.decompress(body)
                assert (self.path, self.headers["content-type"]) == ("/v1/traces", "application/x-protobuf")
                for group in ExportTraceServiceRequest.FromString(body).resource_spans:
                    resource = {a.key: a.value.string_value for a in group.resource.attributes}
                    kept.extend((resource["service.name"], span) for scope in group.scope_spans for span in scope.spans)
                self.send_response(200)
                self.end_headers()
                self.wfile.write(ExportTraceServiceResponse().SerializeToString())

            def log_message(self, *arguments):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.endpoint = f"http://127.0.0.1:{self._server.server_port}/v1/traces"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def prefix():
    try:
        connection = pika.BlockingConnection(pika.URLParameters(URL))
    except (pika.exceptions.AMQPError, OSError) as error:
        absent(f"no RabbitMQ for tests ({type(error).__name__}); set BRICKWORK_TEST_RABBITMQ")
    prefix = f"bwtest-{secrets.token_hex(4)}"
    yield prefix
    channel = connection.channel()
    for queue in ("default", "dead"):
        channel.queue_delete(f"{prefix}.{queue}")
    channel.exchange_delete(f"{prefix}.dead")
    connection.close()


@pytest.fixture
def collector():
    collector = Collector()
    yield collector
    collector.close()


@contextmanager
def process(folder, environment, *words):
    with (folder / f"{words[0]}.log").open("w") as log:
        command = [sys.executable, "-m", "brickwork", *words]
        running = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)
        try:
            yield running
        finally:
            running.send_signal(signal.SIGTERM)
            running.wait(30)


def until(condition, seconds=60):
    deadline = monotonic() + seconds
    while not condition():
        assert monotonic() < deadline, "it didn't come true in time"
        sleep(0.05)


def test_one_trace_leads_through_two_processes_and_the_broker(make_platform, tmp_path, prefix, collector, monkeypatch):
    (tmp_path / "tracedshop.py").write_text(textwrap.dedent(MODULE))
    monkeypatch.syspath_prepend(str(tmp_path))
    sys.modules.pop("tracedshop", None)
    platform = make_platform(platform={"modules": ["tracedshop"]})
    key = bearer(platform, "north")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    database = platform.settings.database
    shared = {
        **os.environ,
        "BRICKWORK_DATABASE__URL": database.url,
        **({"BRICKWORK_DATABASE__OWNER_URL": database.owner_url} if database.owner_url else {}),
        "BRICKWORK_PLATFORM__MODULES": '["tracedshop"]',
        "BRICKWORK_PLATFORM__DATA_DIR": str(tmp_path / "data"),
        "BRICKWORK_PLATFORM__TRACES": "otlp",
        "BRICKWORK_PLATFORM__TRACES_ENDPOINT": collector.endpoint,
        "BRICKWORK_MESSAGING__BACKEND": "rabbitmq",
        "BRICKWORK_MESSAGING__RABBITMQ__URL": URL,
        "BRICKWORK_MESSAGING__RABBITMQ__PREFIX": prefix,
        "BRICKWORK_MESSAGING__IN_SERVER": "false",
        "BRICKWORK_MESSAGING__POLL": "0.2",
    }
    with ExitStack() as stack:
        for words in (("worker",), ("serve", "--port", str(port))):
            named = {**shared, "BRICKWORK_PLATFORM__TRACES_SERVICE": f"shop-{words[0]}"}
            stack.enter_context(process(tmp_path, named, *words))

        def placed():
            headers = {**key, "content-type": "application/json", "traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"}
            body = json.dumps({"order": "o1"}).encode()
            try:
                request = urllib.request.Request(f"http://127.0.0.1:{port}/api/v1/orders", body, headers, method="POST")
                return urllib.request.urlopen(request, timeout=10).status == 200
            except urllib.error.URLError:
                return False

        until(placed)
        until((tmp_path / "packed-o1").exists)
    # both processes have ended, and sent what they had
    spans = {span.name: (service, span) for service, span in collector.kept if span.trace_id.hex() == TRACE}
    path = ["POST /api/v1/orders", "send order.placed", "process order.placed", "send job.requested", "process job.requested"]
    path.append("job pack")
    assert spans[path[0]][1].parent_span_id.hex() == "00f067aa0ba902b7"
    for above, below in pairwise(path):
        assert spans[below][1].parent_span_id == spans[above][1].span_id, below
    assert [spans[name][0] for name in path] == ["shop-serve"] * 2 + ["shop-worker"] * 4
    commits = [span for _, span in collector.kept if span.name == "COMMIT" and span.parent_span_id == spans[path[0]][1].span_id]
    assert "INSERT INTO message_delivery" in str(commits)
