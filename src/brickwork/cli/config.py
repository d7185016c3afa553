"""`brickwork config` and `brickwork keys`: what is configured, what may be, and new keys."""

import json
from typing import Any

import typer
from rich.console import Console

from brickwork.cli.state import platform_of

app = typer.Typer(no_args_is_help=True, help="Settings.")
keys = typer.Typer(no_args_is_help=True, help="Keys for encryption at rest.")
out = Console()


@app.command()
def show(context: typer.Context) -> None:
    """Print the settings in force; secrets are hidden."""
    out.print_json(json.dumps(_hidden(platform_of(context).settings.model_dump(mode="json"))))


@app.command()
def check(context: typer.Context) -> None:
    """Read the settings and build nothing; fails naming each key that is wrong."""
    platform = platform_of(context)
    out.print(f"settings are valid; components: {', '.join(platform.components)}")


@app.command()
def schema(context: typer.Context) -> None:
    """Print the JSON Schema of the settings, for editors."""
    from brickwork.kernel.settings import settings_model

    platform = platform_of(context)
    plugins = platform.plugins
    model = settings_model(plugins.components, backends=plugins.backends.values())
    out.print_json(json.dumps(model.model_json_schema()))


def _hidden(value: Any) -> Any:
    """Settings without the passwords of URLs; those that are secret as a whole hide themselves."""
    from brickwork.kernel.logs import mask_text

    if isinstance(value, dict):
        return {key: _hidden(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_hidden(item) for item in value]
    return mask_text(value) if isinstance(value, str) else value


@keys.command()
def generate() -> None:
    """Print a new master key for `[keyring.keys]`."""
    from brickwork.data.keyring import generate_key

    out.print(generate_key(), highlight=False, markup=False, soft_wrap=True)
