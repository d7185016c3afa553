"""`brickwork observe`: rules for Prometheus and a dashboard for Grafana, on stdout or into a file."""

import json
from pathlib import Path
from typing import Annotated

import typer
import yaml

from brickwork.observe import Objectives, dashboard, rules

app = typer.Typer(no_args_is_help=True, help="Rules and a dashboard for those who watch.")
_default = Objectives()

Availability = Annotated[float, typer.Option(help="Percent of requests to be answered without a server's error")]
Latency = Annotated[float, typer.Option(help="Percent of requests to be answered within --threshold")]
Threshold = Annotated[float, typer.Option(help="Seconds; a boundary of the request histogram")]
Period = Annotated[int, typer.Option(help="Days over which objectives are counted")]
Backlog = Annotated[float, typer.Option(help="Seconds for which an event that is due may wait")]
File = Annotated[Path | None, typer.Option("--file", help="Write there instead of stdout")]


@app.command("rules")
def show_rules(
    availability: Availability = _default.availability,
    latency: Latency = _default.latency,
    threshold: Threshold = _default.threshold,
    period: Period = _default.period,
    backlog: Backlog = _default.backlog,
    file: File = None,
) -> None:
    """Recording and alerting rules for Prometheus."""
    wanted = Objectives(availability=availability, latency=latency, threshold=threshold, period=period, backlog=backlog)
    _write(yaml.safe_dump(rules(wanted), sort_keys=False, width=1000), file)


@app.command("dashboard")
def show_dashboard(
    availability: Availability = _default.availability,
    latency: Latency = _default.latency,
    threshold: Threshold = _default.threshold,
    backlog: Backlog = _default.backlog,
    file: File = None,
) -> None:
    """A dashboard for Grafana, with the limits of the same objectives."""
    wanted = Objectives(availability=availability, latency=latency, threshold=threshold, backlog=backlog)
    _write(json.dumps(dashboard(wanted), indent=2) + "\n", file)


def _write(text: str, file: Path | None) -> None:
    if file is None:
        typer.echo(text, nl=False)
    else:
        file.write_text(text, encoding="utf-8")
