"""Traces in one process, with OpenTelemetry's exporter in memory: what hangs below what, and what is not told."""

import io
import json
import logging
import subprocess
import sys

import pytest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode
from sqlalchemy import select, text
from starlette.testclient import TestClient

from brickwork import hookimpl
from brickwork.data.spans import described
from brickwork.errors import ConflictError
from brickwork.jobs import job
from brickwork.kernel.context import carry
from brickwork.kernel.logs import configure
from brickwork.messaging import Event, Retry, handles
from brickwork.testing.auth import bearer
from brickwork.testing.ward import Tag
from brickwork.web import Endpoint, create_app
from brickwork.web.endpoint import PUBLIC, SIGNED_IN

PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
TRACE = 0x4BF92F3577B34DA6A3CE929D0E0E4736


class OrderPlaced(Event, name="order.placed"):
    order: str


@handles(OrderPlaced, name="reserve", retry=Retry(attempts=1))
def reserve(platform, event):
    if event.order == "bad":
        raise ConflictError("order hunter2 is bad")
    platform.jobs.enqueue("pack", {"order": event.order})


@job(name="pack")
def pack(platform, run, order):
    platform.cache.region("slow").get_or_load(order, lambda: order * 2)


def place(call):
    with call.platform.transaction() as transaction:
        transaction.session.add(Tag(name=call.body["order"]))
        transaction.publish(OrderPlaced(order=call.body["order"]))
    return {"sent": call.platform.tracing.headers()}


def fail(call):
    raise RuntimeError("hunter2")


class Shop:
    @hookimpl
    def brickwork_handlers(self):
        return [reserve]

    @hookimpl
    def brickwork_jobs(self):
        return [pack]

    @hookimpl
    def brickwork_routes(self, platform):
        one = {"summary": "", "tag": "shop"}
        return [
            Endpoint(method="POST", path="/orders/{shop}", handler=place, permission=SIGNED_IN, body=dict, **one),
            Endpoint(method="GET", path="/fails", handler=fail, permission=PUBLIC, **one),
        ]


@pytest.fixture
def make_shop(make_platform):
    """A traced shop with its spans, kept in memory."""

    def make(**settings):
        from brickwork.testing.ward import component

        shop = make_platform(
            components=["web", "messaging", "jobs", "cache", "ward"],
            plugins=[component, Shop()],
            platform={"traces": "custom", **settings},
            cache={"strategies": {"slow": {"ttl": 60}}},
            messaging={"in_server": False},
        )
        kept = InMemorySpanExporter()
        shop.tracing.provider.add_span_processor(SimpleSpanProcessor(kept))
        return shop, kept

    return make


@pytest.fixture
def shop(make_shop):
    return make_shop()


def ordered(shop, headers, order="o-1"):
    client = TestClient(create_app(shop), headers=bearer(shop, "north") | headers, raise_server_exceptions=False)
    answer = client.post("/api/v1/orders/main?token=hunter2", json={"order": order})
    while shop.messaging.drain():
        pass
    client.get("/api/v1/fails")
    client.get("/healthz")
    return answer.json()["data"]


def named(kept, name):
    (found,) = [span for span in kept.get_finished_spans() if span.name == name and span.context.trace_id == TRACE]
    return found


def test_one_trace_leads_from_a_request_through_sql_event_and_handler_to_the_job(shop):
    platform, kept = shop
    sent = ordered(platform, {"traceparent": PARENT, "tracestate": "vendor=1", "x-correlation-id": "c-1"})["sent"]
    request = named(kept, "POST /api/v1/orders/{shop}")
    send = named(kept, "send order.placed")
    handle = named(kept, "process order.placed")
    asked = named(kept, "send job.requested")
    run = named(kept, "process job.requested")
    work = named(kept, "job pack")
    load = named(kept, "cache load slow")
    assert request.parent.span_id == 0x00F067AA0BA902B7
    assert request.kind is SpanKind.SERVER
    for child, parent in ((send, request), (handle, send), (asked, handle), (run, asked), (work, run), (load, work)):
        assert child.parent.span_id == parent.context.span_id, (child.name, parent.name)
    assert (send.kind, handle.kind) == (SpanKind.PRODUCER, SpanKind.CONSUMER)
    assert [link.context.span_id for link in handle.links] == [send.context.span_id]
    assert handle.attributes["messaging.consumer.group.name"] == "reserve"
    assert request.attributes["http.route"] == "/api/v1/orders/{shop}"
    assert request.attributes["http.response.status_code"] == 200
    assert request.attributes["brickwork.tenant"] == "north"
    assert {s.attributes["brickwork.correlation_id"] for s in (request, handle, run)} == {"c-1"}
    assert request.context.trace_state.get("vendor") == handle.context.trace_state.get("vendor") == "1"
    # what the handler of the request sent on carries the trace
    assert sent["traceparent"].startswith("00-4bf92f3577b34da6a3ce929d0e0e4736-")
    assert sent["tracestate"] == "vendor=1"
    assert sent["x-correlation-id"] == "c-1"


def test_statements_are_spans_of_the_work_that_sent_them(shop):
    platform, kept = shop
    ordered(platform, {"traceparent": PARENT}, order="very-secret-order")
    system = "sqlite" if platform.database.embedded else "postgresql"
    request = named(kept, "POST /api/v1/orders/{shop}")
    below = [s for s in kept.get_finished_spans() if s.parent and s.parent.span_id == request.context.span_id]
    by_name = {span.name: span for span in below}
    insert = by_name["INSERT ward_tag"]
    assert insert.kind is SpanKind.CLIENT
    assert insert.attributes["db.system.name"] == system
    assert insert.attributes["db.operation.name"] == "INSERT"
    assert insert.attributes["db.collection.name"] == "ward_tag"
    assert "COMMIT" in by_name
    handle = named(kept, "process order.placed")
    of_handler = {s.name: s for s in kept.get_finished_spans() if s.parent and s.parent.span_id == handle.context.span_id}
    assert {"BEGIN", "INSERT job_run", "COMMIT"} <= of_handler.keys()
    assert "DELETE FROM message_delivery" in of_handler["BEGIN"].attributes["db.query.text"]  # they travel together
    assert "INSERT INTO message_delivery" in of_handler["COMMIT"].attributes["db.query.text"]
    for span in kept.get_finished_spans():
        assert "very-secret-order" not in str(span.attributes.get("db.query.text"))


def test_no_span_tells_secrets_and_probes_leave_none(shop):
    platform, kept = shop
    ordered(platform, {"traceparent": PARENT}, order="bad")
    assert "hunter2" not in "".join(span.to_json() for span in kept.get_finished_spans())
    assert not [s for s in kept.get_finished_spans() if "healthz" in s.attributes.get("url.path", "")]
    failed = named(kept, "process order.placed")
    assert failed.status.status_code is StatusCode.ERROR
    assert failed.attributes["error.type"] == "conflict"
    broken = named(kept, "GET /api/v1/fails")
    assert broken.status.status_code is StatusCode.ERROR
    assert broken.attributes["error.type"] == "500"


@pytest.mark.parametrize(
    "damaged", ["", "x", PARENT[:-3], PARENT.replace("4bf9", "zzzz"), "00-" + "0" * 32 + "-00f067aa0ba902b7-01"]
)
def test_a_damaged_traceparent_begins_a_trace_of_its_own(shop, damaged):
    platform, kept = shop
    ordered(platform, {"traceparent": damaged})
    (request,) = [s for s in kept.get_finished_spans() if s.name.startswith("POST /api")]
    assert request.parent is None


def test_who_began_a_trace_decides_whether_it_is_kept(make_shop):
    drawn, kept = make_shop(traces_ratio=0.0)
    ordered(drawn, {})
    assert not kept.get_finished_spans()
    wanted, kept = make_shop(traces_ratio=0.0)
    ordered(wanted, {"traceparent": PARENT})
    assert named(kept, "job pack")
    unwanted, kept = make_shop(traces_ratio=1.0)
    ordered(unwanted, {"traceparent": PARENT[:-1] + "0"})
    assert {s.name for s in kept.get_finished_spans() if s.context.trace_id == TRACE} == set()


def test_work_outside_of_any_span_leaves_no_statements(shop):
    platform, kept = shop
    with platform.context(tenant="north", actor="user:kim"), platform.transaction() as transaction:
        transaction.execute(select(Tag.__table__).where(Tag.tenant_id == "north"))
    assert not kept.get_finished_spans()


def test_a_statement_that_fails_is_told_by_its_kind(shop):
    platform, kept = shop
    with (
        pytest.raises(Exception, match="no_such"),
        platform.tracing.span("work"),
        platform.context(tenant="north", actor="user:kim"),
        platform.transaction(readonly=True) as transaction,
    ):
        transaction.execute(text("SELECT 'hunter2' FROM no_such_table WHERE x = 17"))
    (failed,) = [span for span in kept.get_finished_spans() if span.name == "SELECT no_such_table"]
    assert failed.status.status_code is StatusCode.ERROR
    assert failed.attributes["error.type"]
    assert failed.attributes["db.query.text"] == "SELECT ? FROM no_such_table WHERE x = ?"


@pytest.mark.parametrize(
    "sql, clean",
    [
        ("SELECT a1 FROM t2 WHERE x = $1 AND y = %(y_1)s AND z = ?", "SELECT a1 FROM t2 WHERE x = $1 AND y = %(y_1)s AND z = ?"),
        ("UPDATE t SET a = 'it''s', b = -12.5", "UPDATE t SET a = ?, b = -?"),
        ("DO $x$ secret 'a' $x$", "DO ?"),
        ("SELECT 'no end", "SELECT ?"),
        (r"SELECT E'it\'s secret', 1", "SELECT ?, ?"),
        ("", ""),
    ],
)
def test_values_in_a_statements_text_are_masked(sql, clean):
    assert dict(described(sql)[1])["db.query.text"] == clean


def test_log_lines_name_the_trace_and_span(shop):
    platform, _ = shop
    stream, root = io.StringIO(), logging.getLogger()
    before = root.handlers[:], root.level
    try:
        configure(platform, stream)
        with platform.tracing.span("work", parent={"traceparent": PARENT}):
            ids = platform.tracing.ids()
            logging.getLogger("shop").warning("inside")
        logging.getLogger("shop").warning("outside")
    finally:
        root.handlers[:], _ = before[0], root.setLevel(before[1])
    inside, outside = [json.loads(line) for line in stream.getvalue().splitlines() if "side" in line]
    assert (inside["trace_id"], inside["span_id"]) == ids == (f"{TRACE:032x}", ids[1])
    assert "trace_id" not in outside


def test_the_trace_goes_along_into_threads(shop):
    import threading

    platform, kept = shop
    with platform.tracing.span("outer"):

        def work():
            with platform.tracing.span("inner", inner=True):
                pass

        thread = threading.Thread(target=carry(work))
        thread.start()
        thread.join()
    inner, outer = kept.get_finished_spans()
    assert inner.parent.span_id == outer.context.span_id


def test_two_platforms_dont_mix_their_spans(make_shop):
    (one, of_one), (two, of_two) = make_shop(), make_shop()
    with one.tracing.span("one"), two.tracing.span("two"):
        pass
    assert [span.name for span in of_one.get_finished_spans()] == ["one"]
    assert [span.name for span in of_two.get_finished_spans()] == ["two"]


def test_tracing_that_is_off_does_nothing_and_imports_nothing():
    program = """
import sys
from brickwork import Platform
with Platform(settings={"database": {"url": "sqlite://"}}) as platform:
    assert platform.tracing.headers() == {} and platform.tracing.ids() is None
    with platform.context(tenant="a", correlation_id="c-1"), platform.tracing.span("x") as span:
        span.set_attribute("a", 1)
        assert platform.tracing.headers() == {"x-correlation-id": "c-1"}
    assert platform.database.spans is None
    assert not [name for name in sys.modules if name.startswith("opentelemetry")]
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


def test_without_opentelemetry_the_start_says_what_to_install():
    program = """
import sys
sys.modules["opentelemetry.sdk"] = None
from brickwork import Platform
from brickwork.errors import MissingDependencyError
with Platform(settings={"database": {"url": "sqlite://"}, "platform": {"traces": "otlp"}}) as platform:
    try:
        platform.tracing
    except MissingDependencyError as error:
        assert "pip install 'brickwork[otel]'" in error.message
    else:
        raise AssertionError
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
