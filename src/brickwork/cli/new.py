"""`brickwork new`: a beginning to build on."""

import keyword
import re
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from brickwork.errors import ConflictError, ValidationError

app = typer.Typer(no_args_is_help=True, help="Write a beginning to build on.")
out = Console()

_HANDLER = '''"""The event {name} and its handler."""

from brickwork import Platform, hookimpl
from brickwork.messaging import Event, handles


class {klass}(Event, name="{name}", key="id"):
    """{sentence}."""

    id: str


def publish_{base}(platform: Platform, id: str) -> None:
    """Tell of it; join the transaction of the change it tells of, so that both commit or neither."""
    with platform.transaction() as transaction:
        transaction.publish({klass}(id=id))


@handles({klass}, name="{module}.{function}")
def {function}(platform: Platform, event: {klass}) -> None:
    """Runs in a transaction with the event's tenant and actor. What it writes happens once."""
    platform.audit.note("handled", "{name}", event.id)


@hookimpl
def brickwork_handlers() -> list[object]:
    return [{function}]
'''


@app.callback()
def options() -> None:
    """Write a beginning to build on."""


@app.command()
def handler(
    event: Annotated[str, typer.Argument(help="Name of the event, as order.placed")],
    file: Annotated[Path | None, typer.Option(help="File to write; EVENT_handler.py by default")] = None,
) -> None:
    """An event, its publisher and its handler, in one module that runs."""
    if not re.fullmatch(r"[a-z][a-z0-9]*([.-][a-z0-9]+)*\.[a-z0-9]+(-[a-z0-9]+)*", event):
        raise ValidationError(f"event {event!r} is not a valid name; it takes lower-case words joined by dots, as order.placed")
    words = re.split(r"[.-]", event)
    path = file or Path("_".join(words) + "_handler.py")
    if path.exists():
        raise ConflictError(f"{path} exists; name another with --file")
    if not path.stem.isidentifier() or keyword.iskeyword(path.stem):
        raise ValidationError(f"{path.stem!r} can't be imported; name a file such as order_placed.py", field="file")
    sentence = " ".join(words).capitalize()
    text = _HANDLER.format(
        name=event,
        klass="".join(word.capitalize() for word in words),
        base="_".join(words),
        function="on_" + "_".join(words),
        module=path.stem,
        sentence=sentence,
    )
    path.write_text(text, encoding="utf-8")
    out.print(f'wrote {path}; name it in the settings: [platform] modules = ["{path.stem}"]', highlight=False, markup=False)
