"""`brickwork storage`: looking after stored files."""

import typer
from rich.console import Console

from brickwork.cli.state import platform_of

app = typer.Typer(no_args_is_help=True, help="Stored files.")
out = Console()


@app.callback()
def group() -> None:
    """Stored files."""


@app.command()
def sweep(context: typer.Context) -> None:
    """Remove bytes that no file refers to, as processes leave that were killed."""
    removed = platform_of(context).storage.sweep()
    out.print(f"{removed} left-over content{'' if removed == 1 else 's'} removed")
