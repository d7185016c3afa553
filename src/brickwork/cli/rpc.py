"""`brickwork rpc`: serving exposed services, their schema for other languages, and clients for Python."""

import signal
import threading
from pathlib import Path
from typing import Annotated

import typer
from prometheus_client import start_http_server
from rich.console import Console
from rich.table import Table

from brickwork.cli.state import platform_of
from brickwork.errors import ValidationError

app = typer.Typer(no_args_is_help=True, help="Services that other processes call over gRPC.")
out = Console()

Package = Annotated[str | None, typer.Argument(help="As `brickwork rpc list` shows it; may be left out where there is one")]
File = Annotated[Path | None, typer.Option("--file", help="Write there instead of stdout")]


@app.command("list")
def list_services(context: typer.Context) -> None:
    """Every exposed method, and what its callers must hold."""
    rpc = platform_of(context).rpc
    table = Table("Method", "Permission", "Streams", "What for")
    for package in rpc.packages():
        for methods in rpc.describe(package)[1].values():
            for method in methods.values():
                doc = method.doc.partition("\n")[0]
                table.add_row(method.path[1:], method.mark.permission, "yes" if method.streams else "", doc)
    out.print(table)


@app.command()
def proto(context: typer.Context, package: Package = None, file: File = None) -> None:
    """The schema of a package as a .proto file, for clients in other languages."""
    rpc = platform_of(context).rpc
    _write(rpc.proto(_chosen(package, rpc.packages())), file)


@app.command()
def client(context: typer.Context, package: Package = None, file: File = None) -> None:
    """A typed Python client of a package; it needs nothing of the server's code."""
    rpc = platform_of(context).rpc
    _write(rpc.client(_chosen(package, rpc.packages())), file)


@app.command()
def serve(
    context: typer.Context,
    host: Annotated[str | None, typer.Option(help="Address to listen on; beyond the loopback it takes TLS")] = None,
    port: Annotated[int | None, typer.Option(help="Port; 0 takes a free one")] = None,
    metrics_port: Annotated[int | None, typer.Option(help="Serve Prometheus metrics on this port of the loopback")] = None,
) -> None:
    """Serve exposed services until SIGTERM or SIGINT; running calls get ten seconds to end."""
    platform = platform_of(context)
    platform.configure_logging()
    platform.database.start()
    server = platform.rpc.serve(host=host, port=port)
    if metrics_port is not None:
        start_http_server(metrics_port, "127.0.0.1", platform.metrics)
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    typer.echo(f"listening on port {server.port}")
    stopping.wait()
    server.stop()


def _chosen(package: str | None, packages: list[str]) -> str:
    if package is not None:
        return package
    if len(packages) != 1:
        raise ValidationError(f"there are several packages, name one: {', '.join(packages)}", field="package")
    return packages[0]


def _write(text: str, file: Path | None) -> None:
    if file is None:
        typer.echo(text, nl=False)
    else:
        file.write_text(text, encoding="utf-8")
