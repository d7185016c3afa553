"""What the commands share: the settings file that was asked for, the platform built from it, and options."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import attrs
import typer

from brickwork.errors import ValidationError

if TYPE_CHECKING:
    from brickwork.kernel.platform import Platform


@attrs.define
class State:
    """One run of the command."""

    settings: Path | None = None
    platform: "Platform | None" = None


TenantOption = Annotated[str, typer.Option("--tenant", "-t", envvar="BRICKWORK_TENANT", help="Tenant to work for")]
ActorOption = Annotated[str, typer.Option("--actor", envvar="BRICKWORK_ACTOR", help="Who does it, for the audit trail")]


def json_object(text: str, field: str) -> dict[str, Any]:
    """The JSON object that was typed as `field`, or stands in the file that `@FILE` names. Raises `ValidationError`."""
    try:
        given = json.loads(Path(text[1:]).read_text(encoding="utf-8") if text.startswith("@") else text)
    except OSError as error:
        raise ValidationError(f"{text[1:]} can't be read: {error.strerror}", field=field) from None
    except ValueError as error:
        raise ValidationError(f"{field} takes a JSON object, not {text[:100]!r}: {error}", field=field) from None
    if not isinstance(given, dict):
        raise ValidationError(f"{field} takes a JSON object, not {text[:100]!r}", field=field)
    return given


def platform_of(context: typer.Context) -> "Platform":
    """The platform of this run, made on first use."""
    from brickwork.kernel.platform import Platform

    state: State = context.obj
    if state.platform is None:
        state.platform = Platform.from_settings(state.settings)
        context.call_on_close(state.platform.close)
    return state.platform


@contextmanager
def working(context: typer.Context, tenant: str, actor: str) -> "Iterator[Platform]":
    """The platform, in the tenant's context."""
    platform = platform_of(context)
    with platform.context(tenant=tenant, actor=actor):
        yield platform
