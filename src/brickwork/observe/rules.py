"""Prometheus rules: service level objectives as recorded ratios, and alerts on how fast their error budgets burn.

Each alert looks at a long window and a short one, so that it neither rings for a blip nor goes on after the end (Google, The
Site Reliability Workbook, chapter 5, "Multiwindow, Multi-Burn-Rate Alerts"). With 30 days that gives the book's factors 14.4, 6,
3 and 1.
"""

from typing import Any

import attrs

from brickwork.errors import ValidationError
from brickwork.kernel.metrics import BUCKETS

#: The share of the period's error budget that, spent within the long window, rings: (share, long, short, severity).
BURNS = ((0.02, "1h", "5m", "page"), (0.05, "6h", "30m", "page"), (0.10, "1d", "2h", "ticket"), (0.10, "3d", "6h", "ticket"))
_WINDOWS = ("5m", "30m", "1h", "2h", "6h", "1d", "3d")
_HOURS = {"1h": 1, "6h": 6, "1d": 24, "3d": 72}


@attrs.frozen(kw_only=True)
class Objectives:
    """What is promised. Raises `ValidationError` for what can't be watched."""

    #: Percent of requests that are answered without a fault of the server's (a status under 500).
    availability: float = 99.9
    #: Percent of requests that are answered within `threshold` seconds, which must be a boundary of the histogram.
    latency: float = 99.0
    threshold: float = 0.25
    #: Days over which the two are counted.
    period: int = 30
    #: Seconds for which a delivery that is due may wait.
    backlog: float = 300.0

    def __attrs_post_init__(self) -> None:
        if not 1 <= self.period <= 366:
            raise ValidationError(f"a period takes 1 to 366 days, not {self.period}", field="period")
        if self.backlog <= 0:
            raise ValidationError(f"a backlog may be some seconds old, not {self.backlog:g}", field="backlog")
        if self.threshold not in BUCKETS:
            known = ", ".join(f"{bucket:g}" for bucket in BUCKETS)
            raise ValidationError(
                f"requests are counted within {known} seconds; {self.threshold:g} is none of them", field="threshold"
            )
        for name in ("availability", "latency"):
            value = getattr(self, name)
            least = 100 - 100 / self.burn(BURNS[0][0], "1h")
            if not least < value < 100:
                raise ValidationError(
                    f"{name} takes a percentage above {least:.2f} (below, no burn is fast enough to ring) and under 100, "
                    f"not {value:g}",
                    field=name,
                )

    def burn(self, share: float, window: str) -> float:
        """How many times faster than allowed errors come, if they spend `share` of the budget within `window`."""
        return share * self.period * 24 / _HOURS[window]


def rules(objectives: Objectives | None = None) -> dict[str, Any]:
    """The content of a Prometheus rule file. Ratios are by `job`, the scrape configuration's name for a deployment."""
    wanted = objectives or Objectives()
    slos = {
        "availability": (wanted.availability, "errors", "of requests fail"),
        "latency": (wanted.latency, "slow", f"of requests take longer than {wanted.threshold:g} s"),
    }
    return {
        "groups": [
            {
                "name": "brickwork-ratios",
                "rules": [
                    {"record": f"brickwork:{name}:ratio_rate{window}", "expr": expression}
                    for window in _WINDOWS
                    for name, expression in (("errors", _errors(window)), ("slow", _slow(window, wanted.threshold)))
                ],
            },
            *({"name": f"brickwork-{slo}", "rules": [_burning(wanted, slo, *slos[slo], burn) for burn in BURNS]} for slo in slos),
            {"name": "brickwork-work", "rules": _work(wanted)},
        ]
    }


def _errors(window: str) -> str:
    every = f"sum by (job) (rate(brickwork_http_requests_total[{window}]))"
    failed = f'sum by (job) (rate(brickwork_http_requests_total{{status=~"5.."}}[{window}]))'
    return f"({failed} or 0 * {every}) / {every}"  # nobody has counted an error yet: that is 0, not unknown


def _slow(window: str, threshold: float) -> str:
    every = f"sum by (job) (rate(brickwork_http_request_seconds_count[{window}]))"
    quick = f'sum by (job) (rate(brickwork_http_request_seconds_bucket{{le="{float(threshold)}"}}[{window}]))'
    return f"1 - {quick} / {every}"


def _burning(
    wanted: Objectives, slo: str, objective: float, ratio: str, what: str, burn: tuple[float, str, str, str]
) -> dict[str, Any]:
    share, long, short, severity = burn
    factor = wanted.burn(share, long)
    limit = f"{factor * (100 - objective) / 100:.6g}"
    recorded = f"brickwork:{ratio}:ratio_rate"
    return {
        "alert": f"Brickwork{slo.title()}Burns",
        "expr": f"{recorded}{long} > {limit} and {recorded}{short} > {limit}",
        "labels": {"severity": severity, "slo": slo, "window": long},
        "annotations": {
            "summary": f"{{{{ $labels.job }}}}: {{{{ $value | humanizePercentage }}}} {what}",
            "description": f"{objective:g} % over {wanted.period} days are promised. Errors come {factor:.3g} times as fast as "
            f"that allows, or faster: within {long} they spend {share:.0%} of what may fail in the whole period.",
        },
    }


def _work(wanted: Objectives) -> list[dict[str, Any]]:
    return [
        _alert(
            "BrickworkBacklogOld",
            f"max by (job, handler) (brickwork_events_overdue_seconds) > {wanted.backlog:g}",
            "5m",
            "page",
            "events wait for {{ $labels.handler }} since {{ $value | humanizeDuration }}",
            "Workers are down, too few, or slower than events come: see `brickwork messaging status` and the workers' logs.",
        ),
        _alert(
            "BrickworkDeadLetters",
            "max by (job, handler) (brickwork_dead_letters) > 0",
            "1m",
            "ticket",
            "{{ $value }} dead letters of {{ $labels.handler }}",
            "Events that a handler could not handle rest: see `brickwork dead list`; mend the cause, then replay or discard.",
        ),
        _alert(
            "BrickworkCacheDegraded",
            "sum by (job) (rate(brickwork_cache_backend_failures_total[5m])) > 0",
            "5m",
            "ticket",
            "the cache does without its backend",
            "Values come from the loaders, which is right and slow: see `brickwork doctor` for what the backend answers.",
        ),
        _alert(
            "BrickworkLimitsBlind",
            'sum by (job) (rate(brickwork_limits_decisions_total{result="blind"}[5m])) > 0',
            "5m",
            "page",
            "rate limits decide without their backend",
            "`limits.when_unavailable` decides meanwhile: callers may be let through or refused whatever they have done.",
        ),
    ]


def _alert(name: str, expression: str, held: str, severity: str, summary: str, description: str) -> dict[str, Any]:
    return {
        "alert": name,
        "expr": expression,
        "for": held,
        "labels": {"severity": severity},
        "annotations": {"summary": f"{{{{ $labels.job }}}}: {summary}", "description": description},
    }
