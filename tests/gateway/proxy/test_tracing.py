"""Traces through the gateway (W3C Trace Context): one trace from the client over the gateway to the upstream."""

import contextlib

import pytest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind
from websockets.exceptions import WebSocketException
from websockets.sync.client import connect

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = f"00-{TRACE}-00f067aa0ba902b7-01"


@pytest.fixture
def traced(make_platform, serve, upstream, write_definition):
    """A gateway with tracing on, an upstream, and the spans that have ended."""

    def start(behave=None, **service):
        behind = upstream(behave)
        file = write_definition(
            {
                "services": [{"name": "api", "targets": [behind.target], **service}],
                "routes": [{"name": "all", "service": "api"}],
            }
        )
        platform = make_platform(components=["gateway"], gateway={"files": [file]}, platform={"traces": "custom"})
        kept = InMemorySpanExporter()
        platform.tracing.provider.add_span_processor(SimpleSpanProcessor(kept))
        return serve({}, on=platform), behind, kept

    return start


def _spans(kept, eventually):
    eventually(lambda: len(kept.get_finished_spans()) == 2)
    return {span.kind: span for span in kept.get_finished_spans()}


def _told(span):
    return f"00-{span.context.trace_id:032x}-{span.context.span_id:016x}-01"


def test_the_upstream_gets_the_gateway_s_own_span_in_the_client_s_trace(traced, eventually):
    gateway, behind, kept = traced()
    answer = gateway.get("/patients", traceparent=PARENT, tracestate="a=1")
    assert answer.status == 200
    (request,) = behind.requests
    spans = _spans(kept, eventually)
    server, client = spans[SpanKind.SERVER], spans[SpanKind.CLIENT]
    assert request["traceparent"] == _told(client)
    assert request["tracestate"] == "a=1"
    assert (client.parent.span_id, f"{server.parent.span_id:016x}") == (server.context.span_id, "00f067aa0ba902b7")
    assert f"{client.context.trace_id:032x}" == TRACE
    assert (server.name, server.attributes["http.response.status_code"]) == ("GET all", 200)
    assert (client.attributes["peer.service"], client.attributes["http.response.status_code"]) == ("api", 200)


def test_what_is_no_trace_begins_a_new_one_and_leaves_nothing_of_itself(traced, eventually):
    """W3C Trace Context, 3.3: without a good parent the state is nobody's."""
    gateway, behind, kept = traced()
    gateway.get("/", traceparent="nonsense", tracestate="a=1")
    (request,) = behind.requests
    own = _told(_spans(kept, eventually)[SpanKind.CLIENT])
    assert request["traceparent"].rpartition("-")[0] == own.rpartition("-")[0]  # the flags also say that the id is random
    assert request.all("tracestate") == []


def test_a_failure_is_seen_in_both_spans_and_told_without_text(traced, eventually):
    gateway, behind, kept = traced()
    behind.close()
    assert gateway.get("/").status == 502
    spans = _spans(kept, eventually)
    assert spans[SpanKind.CLIENT].attributes["error.type"] == "upstream_unreachable"
    assert spans[SpanKind.SERVER].attributes["error.type"] == "502"


def test_a_websocket_s_handshake_carries_the_trace_once(traced, eventually):
    """The upstream answers no handshake; what counts is what it was asked."""
    gateway, behind, kept = traced()
    headers = {"traceparent": PARENT, "x-correlation-id": "mine"}
    with contextlib.suppress(WebSocketException), connect(f"ws://127.0.0.1:{gateway.port}/", additional_headers=headers):
        pass
    (request,) = behind.requests
    eventually(lambda: kept.get_finished_spans())
    (span,) = kept.get_finished_spans()
    assert request["traceparent"] == _told(span)
    assert f"{span.parent.span_id:016x}" == "00f067aa0ba902b7"
    assert request["x-correlation-id"] == "mine"


def test_without_tracing_the_client_s_trace_passes_as_it_is(simple):
    gateway, behind = simple()
    gateway.get("/", traceparent=PARENT, tracestate="a=1")
    (request,) = behind.requests
    assert (request["traceparent"], request["tracestate"]) == (PARENT, "a=1")
