"""A Grafana dashboard (schema 39, Grafana 11 and later) of what a platform counts, as JSON to import or provision."""

from typing import Any

import attrs

from brickwork.observe.rules import Objectives

_WIDTH, _HEIGHT = 8, 8
_DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}


@attrs.frozen
class Panel:
    """A chart over time: its expressions with their legends. `unit` is Grafana's name of one; `limit` is drawn in red."""

    title: str
    lines: tuple[tuple[str, str], ...]
    unit: str = "short"
    limit: float | None = None


def panels(wanted: Objectives) -> list[Panel]:
    """What the dashboard shows, in reading order."""
    of, requests = '{job=~"$job"', "brickwork_http_requests_total"
    seconds = f"sum by (le) (rate(brickwork_http_request_seconds_bucket{of}}}[$__rate_interval]))"
    burn = '{job=~"$job"} / '
    return [
        Panel(
            "Error budget burn (availability)",
            tuple((f"brickwork:errors:ratio_rate{w}{burn}{_budget(wanted.availability)}", w) for w in ("1h", "6h", "3d")),
            limit=1,
        ),
        Panel(
            f"Error budget burn (within {wanted.threshold:g} s)",
            tuple((f"brickwork:slow:ratio_rate{w}{burn}{_budget(wanted.latency)}", w) for w in ("1h", "6h", "3d")),
            limit=1,
        ),
        Panel(
            "Time to answer",
            tuple((f"histogram_quantile({q}, {seconds})", f"p{q * 100:g}") for q in (0.5, 0.95, 0.99)),
            "s",
            wanted.threshold,
        ),
        Panel("Requests", ((f"sum by (status) (rate({requests}{of}}}[$__rate_interval]))", "{{status}}"),), "reqps"),
        Panel(
            "Slowest routes (p95)",
            (
                (
                    "topk(10, histogram_quantile(0.95, sum by (le, method, route) "
                    f"(rate(brickwork_http_request_seconds_bucket{of}}}[$__rate_interval]))))",
                    "{{method}} {{route}}",
                ),
            ),
            "s",
        ),
        Panel(
            "Errors by route",
            ((f'topk(10, sum by (route) (rate({requests}{of}, status=~"5.."}}[$__rate_interval])))', "{{route}}"),),
            "reqps",
        ),
        Panel("Events waiting", ((f"max by (handler) (brickwork_events_waiting{of}}})", "{{handler}}"),)),
        Panel(
            "Age of the longest due event",
            ((f"max by (handler) (brickwork_events_overdue_seconds{of}}})", "{{handler}}"),),
            "s",
            wanted.backlog,
        ),
        Panel("Dead letters", ((f"max by (handler) (brickwork_dead_letters{of}}})", "{{handler}}"),), limit=1),
        Panel(
            "Events handled",
            ((f"sum by (result) (rate(brickwork_events_handled_total{of}}}[$__rate_interval]))", "{{result}}"),),
            "ops",
        ),
        Panel(
            "Time of handlers (p95)",
            (
                (
                    "topk(10, histogram_quantile(0.95, sum by (le, handler) "
                    f"(rate(brickwork_event_seconds_bucket{of}}}[$__rate_interval]))))",
                    "{{handler}}",
                ),
            ),
            "s",
        ),
        Panel(
            "Cache reads",
            ((f"sum by (result) (rate(brickwork_cache_reads_total{of}}}[$__rate_interval]))", "{{result}}"),),
            "ops",
        ),
        Panel(
            "Cache loads (p95)",
            (
                (
                    "histogram_quantile(0.95, sum by (le, region) "
                    f"(rate(brickwork_cache_load_seconds_bucket{of}}}[$__rate_interval])))",
                    "{{region}}",
                ),
            ),
            "s",
        ),
        Panel(
            "Rate limits",
            ((f"sum by (result) (rate(brickwork_limits_decisions_total{of}}}[$__rate_interval]))", "{{result}}"),),
            "ops",
        ),
        Panel(
            "Calls over gRPC",
            ((f"sum by (code) (rate(brickwork_rpc_requests_total{of}}}[$__rate_interval]))", "{{code}}"),),
            "reqps",
        ),
        Panel("Realtime clients", ((f"sum by (job) (brickwork_realtime_connections{of}}})", "{{job}}"),)),
    ]


def dashboard(objectives: Objectives | None = None) -> dict[str, Any]:
    """The dashboard as Grafana's JSON. It asks for its data source, and for which jobs to show."""
    shown = panels(objectives or Objectives())
    return {
        "title": "brickwork",
        "uid": "brickwork",
        "tags": ["brickwork"],
        "schemaVersion": 39,
        "timezone": "browser",
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "templating": {
            "list": [
                {"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus"},
                {
                    "name": "job",
                    "type": "query",
                    "datasource": _DATASOURCE,
                    "query": {"query": "label_values(brickwork_http_requests_total, job)", "refId": "job"},
                    "refresh": 2,
                    "multi": True,
                    "includeAll": True,
                    "allValue": ".*",
                    "current": {"text": "All", "value": "$__all"},
                },
            ]
        },
        "panels": [_panel(number, panel) for number, panel in enumerate(shown)],
    }


def _budget(objective: float) -> str:
    return f"{(100 - objective) / 100:.6g}"


def _panel(number: int, panel: Panel) -> dict[str, Any]:
    steps: list[dict[str, Any]] = [{"color": "green", "value": None}]
    if panel.limit is not None:
        steps.append({"color": "red", "value": panel.limit})
    column, row = number % 3, number // 3
    return {
        "id": number + 1,
        "type": "timeseries",
        "title": panel.title,
        "datasource": _DATASOURCE,
        "gridPos": {"x": column * _WIDTH, "y": row * _HEIGHT, "w": _WIDTH, "h": _HEIGHT},
        "fieldConfig": {
            "defaults": {
                "unit": panel.unit,
                "min": 0,
                "thresholds": {"mode": "absolute", "steps": steps},
                "custom": {"thresholdsStyle": {"mode": "off" if panel.limit is None else "line"}},
            },
            "overrides": [],
        },
        "targets": [
            {"refId": chr(ord("A") + n), "datasource": _DATASOURCE, "expr": expression, "legendFormat": legend}
            for n, (expression, legend) in enumerate(panel.lines)
        ],
    }
